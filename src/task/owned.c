/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Tasks of a role that go to another role, or are cancelled; see owned.h.
 *
 * Runs in the caller's backend.  Steps of flows stay with their run.  A task
 * that a worker holds runs to its end as its owner: rows are locked without
 * waiting.
 *
 * Only so many tasks of one owner and concurrency_key run at a time.  Tasks of a key therefore move together, and only to an owner without tasks
 * of that key.  So do the two tasks that a unique_key may have.  Messages of
 * an actor move with the actor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "shared/wakeup.h"
#include "task/locktask.h"
#include "task/owned.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* number of tasks that move before their memory is freed */
#define REASSIGN_BATCH 2000

/* number of tasks that are cancelled before their memory is freed */
#define DROP_BATCH 500

/* Moves unique keys: of the tasks that have moved, and of finished ones. */
static void
move_unique_keys(JdgHandover *h)
{
	static JdgQuery expired = {
		"DELETE FROM jadugar_internal.unique_key k WHERE k.owner = $2 "
		"AND k.until <= $3 AND EXISTS (SELECT "
		"FROM jadugar_internal.unique_key o WHERE o.owner = $1 "
		"AND o.queue_id = k.queue_id AND o.key = k.key OFFSET 0)", 3, {OIDOID, OIDOID, TIMESTAMPTZOID}
	};
	static JdgQuery move = {
		"UPDATE jadugar_internal.unique_key k SET owner = $2 "
		"WHERE k.owner = $1 AND NOT EXISTS (SELECT "
		"FROM jadugar_internal.task t "
		"WHERE t.task_id IN (k.task_id, k.predecessor) "
		"AND t.owner = $1 OFFSET 0) AND NOT EXISTS (SELECT "
		"FROM jadugar_internal.unique_key o WHERE o.owner = $2 "
		"AND o.queue_id = k.queue_id AND o.key = k.key OFFSET 0)", 2,
		{OIDOID, OIDOID}
	};
	Datum		v[3] = {ObjectIdGetDatum(h->from), ObjectIdGetDatum(h->to),
	TimestampTzGetDatum(jdg_now())};

	jdg_run(&expired, v, NULL, 0);
	jdg_run(&move, v, NULL, 0);
}

#define MOVE_JUDGED \
	"moved AS (UPDATE jadugar_internal.task t SET owner = $2 " \
	"WHERE t.task_id = ANY (ARRAY(SELECT j.task_id FROM judged j " \
	"WHERE j.problem IS NULL)) AND NOT $4) " \
	"SELECT j.task_id::text, j.problem, j.task_id FROM judged j " \
	"ORDER BY j.task_id"

#define HAS_KEY \
	"(t.concurrency_key IS NOT NULL OR t.unique_key IS NOT NULL)"

/* a message, which moves with its actor: actor/messages.c */
#define OF_ACTOR \
	"(t.concurrency_key IS NOT NULL " \
	"AND starts_with(t.concurrency_key, '" JDG_ACTOR_KEY_PREFIX "') " \
	"AND EXISTS (SELECT FROM jadugar_internal.actor a WHERE a.owner = $1 " \
	"AND a.name = split_part(t.concurrency_key, '/', 2) OFFSET 0))"

/*
 * Moves the tasks with a key, all at once, since those of one key move
 * together.  Nothing is joined: see base/spi.h.  IN without a join reads its
 * rows once, into a hash table.
 */
static void
reassign_keys(JdgHandover *h, Datum *v)
{
	static JdgQuery q = {
		"WITH held AS MATERIALIZED (SELECT t.task_id "
		"FROM jadugar_internal.task t WHERE t.owner = $1 "
		"AND t.flow_run IS NULL AND t.state <> " JDG_SQL_STANDALONE " "
		"AND " HAS_KEY " AND NOT " OF_ACTOR " FOR UPDATE SKIP LOCKED), "
		"busy AS MATERIALIZED (SELECT t.queue_id, t.unique_key, "
		"t.concurrency_key FROM jadugar_internal.task t "
		"WHERE t.owner = $1 AND " HAS_KEY " "
		"AND t.task_id NOT IN (SELECT h.task_id FROM held h)), "
		"judged AS MATERIALIZED (SELECT t.task_id, CASE "
		"WHEN t.task_id NOT IN (SELECT h.task_id FROM held h) "
		"THEN 'it is running, or another session has locked it' "
		"WHEN t.unique_key IS NOT NULL AND EXISTS (SELECT "
		"FROM jadugar_internal.unique_key u WHERE u.owner = $2 "
		"AND u.queue_id = t.queue_id AND u.key = t.unique_key "
		"AND (u.until IS NULL OR u.until > $3) OFFSET 0) "
		"THEN 'the new owner has its unique_key in use' "
		"WHEN t.concurrency_key IN (SELECT o.concurrency_key "
		"FROM jadugar_internal.task o WHERE o.owner = $2 "
		"AND o.concurrency_key IS NOT NULL) "
		"THEN 'the new owner has tasks of its concurrency_key' "
		"WHEN t.concurrency_key IN (SELECT b.concurrency_key FROM busy b "
		"WHERE b.concurrency_key IS NOT NULL) "
		"THEN 'another task of its concurrency_key cannot move' "
		"WHEN (t.queue_id, t.unique_key) IN (SELECT b.queue_id, b.unique_key "
		"FROM busy b WHERE b.unique_key IS NOT NULL) "
		"THEN 'another task of its unique_key cannot move' "
		"END AS problem FROM jadugar_internal.task t WHERE t.owner = $1 "
		"AND t.flow_run IS NULL AND " HAS_KEY " AND NOT " OF_ACTOR "), "
		MOVE_JUDGED, 4, {OIDOID, OIDOID, TIMESTAMPTZOID, BOOLOID}
	};

	jdg_handover_list(h, &q, v);
}

/* Moves the next tasks without a key after *last; returns their number. */
static int64
reassign_batch(JdgHandover *h, int64 *last)
{
	static JdgQuery q = {
		"WITH found AS MATERIALIZED (SELECT t.task_id "
		"FROM jadugar_internal.task t WHERE t.owner = $1 "
		"AND t.flow_run IS NULL AND t.task_id > $3 AND NOT " HAS_KEY " "
		"ORDER BY t.task_id LIMIT $5), "
		"held AS MATERIALIZED (SELECT t.task_id "
		"FROM jadugar_internal.task t WHERE t.task_id = ANY "
		"(ARRAY(SELECT f.task_id FROM found f)) AND t.owner = $1 "
		"AND t.state <> " JDG_SQL_STANDALONE " FOR UPDATE SKIP LOCKED), "
		"judged AS MATERIALIZED (SELECT t.task_id, CASE "
		"WHEN t.task_id NOT IN (SELECT h.task_id FROM held h) "
		"THEN 'it is running, or another session has locked it' "
		"END AS problem FROM found t), "
		MOVE_JUDGED, 5, {OIDOID, OIDOID, INT8OID, BOOLOID, INT4OID}
	};
	Datum		v[5] = {ObjectIdGetDatum(h->from), ObjectIdGetDatum(h->to),
		Int64GetDatum(*last), BoolGetDatum(h->dry_run),
	Int32GetDatum(REASSIGN_BATCH)};
	int64		n;

	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
		jdg_handover_report(h, jdg_col_text(i, 1, CurrentMemoryContext),
							jdg_col_text(i, 2, CurrentMemoryContext));
	if (n > 0)
		*last = jdg_col_int64(n - 1, 3, 0);
	return n;
}

static void
reassign(JdgHandover *h)
{
	Datum		v[4] = {ObjectIdGetDatum(h->from), ObjectIdGetDatum(h->to),
	TimestampTzGetDatum(jdg_now()), BoolGetDatum(h->dry_run)};
	int64		last = 0;
	int64		n;

	jdg_row_held();
	/* the scheduler may pass over waiting tasks meanwhile */
	jdg_wake_scheduler_at_commit(JDG_WAKE_SWEEP | JDG_WAKE_KEYS);
	do
	{
		JdgInternal in;

		/* frees what the batch has read */
		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		n = reassign_batch(h, &last);
		jdg_internal_end(&in);
	} while (n == REASSIGN_BATCH);
	reassign_keys(h, v);
	if (!h->dry_run)
		move_unique_keys(h);
}

/* Cancels one task, also if it is running. */
static void
drop_task(JdgHandover *h, int64 id)
{
	JdgTask		t;

	switch (jdg_task_stop(id, JDG_CANCEL_TASK, h->caller, &t, CurrentMemoryContext))
	{
		case JDG_HOLD_GONE:
			return;
		case JDG_HOLD_RUNNING:
			break;
		case JDG_HOLD_LOCKED:
			jdg_settle_drop(&t, "cancelled", h->caller);
			break;
	}
	jdg_handover_report(h, psprintf("%lld", (long long) id), NULL);
}

/* Cancels the next tasks of the role after *last; returns their number. */
static int64
drop_batch(JdgHandover *h, int64 *last)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task WHERE owner = $1 "
		"AND flow_run IS NULL AND task_id > $2 ORDER BY task_id LIMIT $3", 3,
		{OIDOID, INT8OID, INT4OID}
	};
	Datum		v[3] = {ObjectIdGetDatum(h->from), Int64GetDatum(*last),
	Int32GetDatum(DROP_BATCH)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
		drop_task(h, ids[i]);
	if (n > 0)
		*last = ids[n - 1];
	return n;
}

static void
drop(JdgHandover *h)
{
	static JdgQuery keys = {
		"DELETE FROM jadugar_internal.unique_key k WHERE k.owner = $1 "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE t.task_id = k.task_id OFFSET 0)", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};
	int64		last = 0;
	int64		n;

	do
	{
		JdgInternal in;

		/* frees what the batch has read */
		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		n = drop_batch(h, &last);
		jdg_internal_end(&in);
	} while (n == DROP_BATCH);
	jdg_run(&keys, v, NULL, 0);
}

const JdgOwned jdg_task_owned[] = {
	{"tasks", reassign, drop},
	{NULL}
};
