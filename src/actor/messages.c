/*-------------------------------------------------------------------------
 *
 * messages.c
 *	  The unfinished messages of an actor, see messages.h.
 *
 * Runs in the caller's backend.  Messages are tasks of the actor's owner.  One
 * that stayed with another owner, or without its actor, would fail; and those
 * behind a stopped key would wait for a holder that nothing removes.  So an
 * actor moves with all of its messages or not at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "actor/actor.h"
#include "actor/messages.h"
#include "base/clock.h"
#include "base/spi.h"
#include "shared/wakeup.h"
#include "task/locktask.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* task t is a message of the actor: $1 is its owner, $2 begins its keys */
#define IS_MESSAGE \
	"t.owner = $1 AND t.concurrency_key IS NOT NULL " \
	"AND starts_with(t.concurrency_key, $2) "

/* what the keys of messages begin with; unique keys, too */
static Datum
prefix_of(const char *actor)
{
	return CStringGetTextDatum(jdg_actor_concurrency_key(actor, ""));
}

void
jdg_messages_cancel(const char *actor, Oid owner, Oid by,
					void (*report) (void *arg, int64 task_id), void *arg)
{
	/* the last first: no place is handed to a message that goes, too */
	static JdgQuery q = {
		"SELECT t.task_id FROM jadugar_internal.task t "
		"WHERE " IS_MESSAGE "ORDER BY t.task_id DESC", 2, {OIDOID, TEXTOID}
	};
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "jadugar actor",
											   ALLOCSET_DEFAULT_SIZES);
	Datum		v[2] = {ObjectIdGetDatum(owner), prefix_of(actor)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(each);
		JdgTask		t;

		CHECK_FOR_INTERRUPTS();
		if (jdg_task_hold(ids[i], &t, each) == JDG_HOLD_LOCKED &&
			!jdg_task_is_begun(&t))
		{
			jdg_settle_drop(&t, "cancelled", by);
			if (report)
				report(arg, ids[i]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
	}
	MemoryContextDelete(each);
}

const char *
jdg_messages_obstacle(const char *actor, Oid from, Oid to)
{
	static const char *const obstacles[] = {
		"a message of it runs, or another session has locked it",
		"the new owner has tasks of the concurrency_key of its messages",
		"the new owner has the unique_key of a message in use",
	};
	static JdgQuery q = {
		"WITH held AS MATERIALIZED (SELECT t.task_id "
		"FROM jadugar_internal.task t WHERE " IS_MESSAGE
		"FOR UPDATE SKIP LOCKED) "
		"SELECT CASE WHEN EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE " IS_MESSAGE
		"AND t.task_id NOT IN (SELECT h.task_id FROM held h)) THEN 0 "
		"WHEN EXISTS (SELECT FROM jadugar_internal.task o "
		"WHERE o.owner = $3 AND o.concurrency_key IS NOT NULL "
		"AND starts_with(o.concurrency_key, $2)) THEN 1 "
		"WHEN EXISTS (SELECT FROM jadugar_internal.unique_key u "
		"WHERE u.owner = $3 AND starts_with(u.key, $2) "
		"AND (u.until IS NULL OR u.until > $4)) THEN 2 END", 4,
		{OIDOID, TEXTOID, OIDOID, TIMESTAMPTZOID}
	};
	Datum		v[4] = {ObjectIdGetDatum(from), prefix_of(actor),
	ObjectIdGetDatum(to), TimestampTzGetDatum(jdg_now())};
	int32		which;

	jdg_row_held();
	jdg_run(&q, v, NULL, 0);
	which = jdg_col_int32(0, 1, -1);
	return which < 0 ? NULL : obstacles[which];
}

void
jdg_messages_list(const char *actor, Oid owner,
				  void (*report) (void *arg, int64 task_id), void *arg)
{
	static JdgQuery q = {
		"SELECT t.task_id FROM jadugar_internal.task t "
		"WHERE " IS_MESSAGE "ORDER BY t.task_id", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), prefix_of(actor)};
	int64		n = jdg_run(&q, v, NULL, 0);

	for (int64 i = 0; i < n; i++)
		report(arg, jdg_col_int64(i, 1, 0));
}

void
jdg_messages_move(const char *actor, Oid from, Oid to)
{
	static JdgQuery expired = {
		"DELETE FROM jadugar_internal.unique_key u "
		"WHERE u.owner = $1 AND starts_with(u.key, $2)", 2, {OIDOID, TEXTOID}
	};
	static JdgQuery keys = {
		"UPDATE jadugar_internal.unique_key u SET owner = $3 "
		"WHERE u.owner = $1 AND starts_with(u.key, $2)", 3,
		{OIDOID, TEXTOID, OIDOID}
	};
	static JdgQuery tasks = {
		"UPDATE jadugar_internal.task t SET owner = $3 "
		"WHERE " IS_MESSAGE, 3,
		{OIDOID, TEXTOID, OIDOID}
	};
	Datum		v[3] = {ObjectIdGetDatum(to), prefix_of(actor),
	ObjectIdGetDatum(to)};

	/* the scheduler may pass over waiting tasks meanwhile */
	jdg_wake_scheduler_at_commit(JDG_WAKE_SWEEP | JDG_WAKE_KEYS);
	jdg_run(&expired, v, NULL, 0);
	v[0] = ObjectIdGetDatum(from);
	jdg_run(&keys, v, NULL, 0);
	jdg_run(&tasks, v, NULL, 0);
}
