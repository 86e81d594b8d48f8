/*-------------------------------------------------------------------------
 *
 * gone.c
 *	  Removal of what the tables still say of roles that were dropped, see
 *	  gone.h.
 *
 * Runs in the scheduler, daily, in turns of 50 ms.  Every batch is a
 * transaction of its own.  Whatever a crash undoes is found again.  A database
 * that waits for adopt() keeps all names, since it is mapped by them.
 *
 * Levels and grants of such a role are deleted at once: no role will have its
 * OID.  Its name in jadugar_internal.owner stays as long as rows have the OID,
 * because a dump of them is mapped by that name.  A role that does not exist
 * gains no rows but those in which its tasks and runs end.  So its tasks and
 * runs are read, in batches; if it has none, and owns nothing else, then
 * gone_since is set: only the history, the logs, the audit trail and events may
 * have its OID.
 * The name is deleted when all of these are younger than gone_since.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/gone.h"
#include "base/clock.h"
#include "base/params.h"
#include "shared/work.h"

/* rows that one statement deletes or reads, and roles of one pass */
#define BATCH 1000

/* a duty returns after this time in microseconds, to go on in its next turn */
#define TURN_US (50 * 1000L)

#define IS_GONE(column) \
	"NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = " column " OFFSET 0)"

#define LIMIT_BATCH "LIMIT " CppAsString2(BATCH)

#define SOME_GONE(table) \
	"SELECT t.ctid FROM jadugar_internal." table " t " \
	"WHERE " IS_GONE("t.role") " "

#define DELETE_GONE(table) \
	{"DELETE FROM jadugar_internal." table " WHERE ctid = ANY " \
	"(ARRAY(" SOME_GONE(table) LIMIT_BATCH "))", 0, .config = true}

/* tables with many rows: position and role of the next rows */
#define READ_SOME(key, column, table) \
	{"SELECT t." key ", t." column " FROM jadugar_internal." table " t " \
	"WHERE t." key " > $1 ORDER BY t." key " " LIMIT_BATCH, 1, \
	{INT8OID}}

static JdgQuery read_queries[] = {
	READ_SOME("task_id", "owner", "task"),
	READ_SOME("run_id", "owner", "flow_run"),
	READ_SOME("message_id", "role", "flow_message"),
	READ_SOME("task_id", "owner", "unkept"),
};

/* what is kept from turn to turn */
typedef struct Pass
{
	bool		active;
	Oid			roles[BATCH];	/* gone, in order */
	bool		used[BATCH];
	int			n;
	int			table;			/* index in read_queries */
	int64		position;		/* in that table; ids are positive */
} Pass;

static Pass pass;

/* the last role of the pass before; 0: begin at the first */
static Oid	passed = InvalidOid;

/* Do the OIDs here mean roles of this cluster? */
static bool
is_ours(void)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.here h, jadugar_internal.here_mark m, "
		"jadugar_internal.origin o WHERE o.id = h.id "
		"AND h.mark = m.last_value", 0
	};

	return jdg_run(&q, NULL, NULL, 1) > 0;
}

/* Deletes levels, grants and names that nothing needs.  True: perhaps more. */
static bool
delete_some(void)
{
	static JdgQuery grants[] = {
		DELETE_GONE("access"),
		DELETE_GONE("queue_grant"),
		DELETE_GONE("tenant_grant"),
		DELETE_GONE("handler_grant"),
		DELETE_GONE("event_grant"),
	};
	static JdgQuery oldest = {
		"SELECT least((SELECT min(a.finished_at) FROM jadugar_internal.attempt a), "
		"(SELECT min(l.at) FROM jadugar_internal.log l), "
		"(SELECT min(u.at) FROM jadugar_internal.audit u), "
		"(SELECT min(e.began_at) FROM jadugar_internal.event_leaf e "
		"WHERE e.max_id IS NOT NULL OR e.sealed_at IS NULL "
		"AND pg_relation_size(to_regclass('jadugar_internal.event_' || e.leaf)) > 0))", 0
	};
	static JdgQuery back = {
		"UPDATE jadugar_internal.owner SET gone_since = NULL "
		"WHERE gone_since IS NOT NULL AND role IN (SELECT oid FROM pg_roles)", 0
	};
	static JdgQuery names = {
		"DELETE FROM jadugar_internal.owner WHERE ctid = ANY (ARRAY("
		SOME_GONE("owner") "AND t.gone_since < $1 " LIMIT_BATCH "))",
		1, {TIMESTAMPTZOID},.config = true
	};
	TimestampTz before;
	Datum		v[1];
	int64		most = 0;

	for (int i = 0; i < lengthof(grants); i++)
		most = Max(most, jdg_run(&grants[i], NULL, NULL, 0));
	jdg_run(&back, NULL, NULL, 0);
	jdg_run(&oldest, NULL, NULL, 1);
	/* a day for transactions that have just ended something */
	before = Min(jdg_col_time(0, 1, DT_NOEND), jdg_now()) - USECS_PER_DAY;
	v[0] = TimestampTzGetDatum(before);
	most = Max(most, jdg_run(&names, v, NULL, 0));
	return most == BATCH;
}

/*
 * Collects the next roles that are gone, and own nothing that is found at
 * once.  False: there is none.
 */
static bool
collect(void)
{
	static JdgQuery q = {
		"SELECT o.role FROM jadugar_internal.owner o "
		"WHERE o.role > $1 AND o.gone_since IS NULL "
		"AND " IS_GONE("o.role") " "
		"AND o.role NOT IN (SELECT t.owner FROM jadugar_internal.queue t) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.tenant t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND o.role NOT IN (SELECT t.owner FROM jadugar_internal.handler t) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.blob t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.actor t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.schedule t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.limit_of t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.unique_key t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.flow_version t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.flow_draft t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.flow_draft_step t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND o.role NOT IN (SELECT t.owner FROM jadugar_internal.topic t) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.event_type t "
		"WHERE t.owner = o.role OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.subscription t "
		"WHERE t.owner = o.role OFFSET 0) "
		"ORDER BY o.role " LIMIT_BATCH, 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(passed)};

	memset(&pass, 0, sizeof(pass));
	pass.n = (int) jdg_run(&q, v, NULL, 0);
	for (int i = 0; i < pass.n; i++)
		pass.roles[i] = jdg_col_oid(i, 1);
	return pass.n > 0;
}

static void
note_used(Oid role)
{
	Oid		   *found = bsearch(&role, pass.roles, pass.n, sizeof(Oid), oid_cmp);

	if (found != NULL)
		pass.used[found - pass.roles] = true;
}

/* Reads a batch of the current table, or goes to the next one. */
static void
read_some(void)
{
	Datum		v[1] = {Int64GetDatum(pass.position)};
	int64		last = pass.position;
	int64		n;

	jdg_work_begin();
	n = jdg_run(&read_queries[pass.table], v, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		last = jdg_col_int64(i, 1, 0);
		note_used(jdg_col_oid(i, 2));
	}
	jdg_work_end();
	pass.position = last;
	if (n == BATCH)
		return;
	pass.table++;
	pass.position = 0;
}

/*
 * Ends the pass: notes the roles that were met in no table.  Returns whether
 * there are roles after them.
 */
static bool
mark(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.owner SET gone_since = $1 "
		"WHERE role = ANY ($2) AND " IS_GONE("role"), 2,
		{TIMESTAMPTZOID, OIDARRAYOID}
	};
	Datum		roles[BATCH];
	Datum		v[2];
	int			n = 0;

	for (int i = 0; i < pass.n; i++)
	{
		if (!pass.used[i])
			roles[n++] = ObjectIdGetDatum(pass.roles[i]);
	}
	jdg_work_begin();
	v[0] = TimestampTzGetDatum(jdg_now());
	v[1] = jdg_array(OIDOID, roles, NULL, n);
	jdg_run(&q, v, NULL, 0);
	jdg_work_end();
	pass.active = false;
	passed = pass.n == BATCH ? pass.roles[BATCH - 1] : InvalidOid;
	return pass.n == BATCH;
}

TimestampTz
jdg_gone_roles(JdgDb *db, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();

	while (!pass.active)
	{
		bool		ours;
		bool		more;

		jdg_work_begin();
		ours = is_ours();
		more = ours && delete_some();
		if (ours && !more)
			pass.active = collect();
		jdg_work_end();
		if (!pass.active && !more)
		{
			passed = InvalidOid;
			return jdg_now() + USECS_PER_DAY;
		}
		if (GetCurrentTimestamp() - began >= TURN_US)
			return DT_NOBEGIN;
	}
	while (pass.table < lengthof(read_queries))
	{
		CHECK_FOR_INTERRUPTS();
		read_some();
		if (GetCurrentTimestamp() - began >= TURN_US)
			return DT_NOBEGIN;
	}
	return mark() ? DT_NOBEGIN : jdg_now() + USECS_PER_DAY;
}
