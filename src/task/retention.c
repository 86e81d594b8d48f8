/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  Retention of single rows: history past the retention of its queue or
 *	  its tenant, failures of queues without history, log rows, expired unique
 *	  keys.
 *
 * Runs in the scheduler, hourly.  Each batch is a transaction of its own, and
 * reads its rows in the order of an index on their time.  After 50 ms others
 * have a turn.  A crash undoes at most one batch, whose rows are found again.
 * A batch that deletes the end of a task that did not complete raises
 * here.forgotten, see outcome.c.
 *
 * Positions in the history are kept in memory only.  So the first look of a
 * scheduler at a queue or tenant with a retention reads the whole history that is older
 * than that, and each later look only the hour that has become too old since.
 * A transaction that has written rows may commit when the look has passed
 * them.  So a position is never later than what the transactions in progress
 * can have written: see note_horizon().  Other passes begin at the beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/params.h"
#include "base/settings.h"
#include "shared/oldrows.h"
#include "shared/work.h"
#include "task/history.h"
#include "task/retention.h"
#include "task/tenant_history.h"

/* the history of a queue or a tenant has been checked up to an instant */
typedef struct Progress
{
	int			queue_id;
	char	   *tenant;			/* NULL: of the queue */
	TimestampTz reached;
	TimestampTz limit;			/* of this pass */
} Progress;

/* at an instant, the next transaction was to have this id */
typedef struct XidMark
{
	TimestampTz at;
	int64		next_xid;
} XidMark;

/* older marks first; when there is no room, later instants are left out */
#define MAX_MARKS 64

/*
 * The end of a task is written by a transaction that has its id by then, or,
 * when that has failed, by one that follows within this time.
 */
#define WRITTEN_WITHIN USECS_PER_HOUR

static XidMark mark[MAX_MARKS];
static int	nmarks = 0;

/* transactions in progress at the last look have no rows before this */
static TimestampTz horizon = DT_NOBEGIN;

static Progress *progress = NULL;
static int	nprogress = 0;
static MemoryContext progress_mcxt = NULL;

TimestampTz
jdg_retention_logs(JdgDb *db, uint32 why)
{
	static JdgQuery find = {
		"SELECT max(at) FROM (SELECT l.at FROM jadugar_internal.log l "
		"WHERE l.at > $1 AND l.at < $2 ORDER BY l.at "
		"FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) b", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery delete = {
		"DELETE FROM jadugar_internal.log WHERE at > $1 AND at <= $2", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static TimestampTz reached = DT_NOBEGIN;
	int64		keep = (int64) jdg_log_retention * USECS_PER_MINUTE;

	if (!jdg_old_rows_delete(&find, &delete, &reached, jdg_now() - keep))
		return DT_NOBEGIN;
	return jdg_now() + USECS_PER_HOUR;
}

TimestampTz
jdg_retention_unkept(JdgDb *db, uint32 why)
{
	static JdgQuery find = {
		"SELECT max(finished_at) FROM (SELECT u.finished_at "
		"FROM jadugar_internal.unkept u "
		"WHERE u.finished_at > $1 AND u.finished_at < $2 "
		"ORDER BY u.finished_at FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) b", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery delete = {
		"WITH gone AS (DELETE FROM jadugar_internal.unkept "
		"WHERE finished_at > $1 AND finished_at <= $2 RETURNING task_id) "
		"UPDATE jadugar_internal.here SET forgotten = x.id "
		"FROM (SELECT max(task_id) AS id FROM gone) x "
		"WHERE x.id > forgotten", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static TimestampTz reached = DT_NOBEGIN;
	int64		keep = (int64) jdg_history_retention * USECS_PER_MINUTE;

	if (!jdg_old_rows_delete(&find, &delete, &reached, jdg_now() - keep))
		return DT_NOBEGIN;
	return jdg_now() + USECS_PER_HOUR;
}

/* Keys of tasks that have not finished stay, and are read again each time. */
TimestampTz
jdg_retention_keys(JdgDb *db, uint32 why)
{
	static JdgQuery find = {
		"SELECT max(until) FROM (SELECT k.until "
		"FROM jadugar_internal.unique_key k "
		"WHERE k.until > $1 AND k.until <= $2 ORDER BY k.until "
		"FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) b", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery delete = {
		"DELETE FROM jadugar_internal.unique_key k "
		"WHERE k.until > $1 AND k.until <= $2 AND NOT EXISTS "
		"(SELECT 1 FROM jadugar_internal.task t "
		"WHERE t.task_id IN (k.task_id, k.predecessor) OFFSET 0)",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static TimestampTz reached = DT_NOBEGIN;

	if (!jdg_old_rows_delete(&find, &delete, &reached, jdg_now()))
		return DT_NOBEGIN;
	return jdg_now() + USECS_PER_HOUR;
}

/* Where was it?  -infinity, if it is looked at for the first time. */
static TimestampTz
reached_before(const Progress *p)
{
	for (int i = 0; i < nprogress; i++)
	{
		if (p->tenant == NULL ? progress[i].tenant == NULL &&
			progress[i].queue_id == p->queue_id :
			progress[i].tenant != NULL &&
			strcmp(progress[i].tenant, p->tenant) == 0)
			return progress[i].reached;
	}
	return DT_NOBEGIN;
}

/*
 * Sets the horizon for the look that begins: the last instant at which all
 * transactions that are in progress now, prepared ones included, had yet to
 * begin.  Returns false if the clock has gone back since the last look: new
 * rows may be before the positions.
 */
static bool
note_horizon(TimestampTz now)
{
	static JdgQuery q = {
		"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8", 0
	};
	static TimestampTz last = DT_NOBEGIN;
	int64		oldest,
				next_xid;
	int			first = 0;
	bool		ascending = now >= last;

	jdg_run(&q, NULL, NULL, 1);
	oldest = jdg_col_int64(0, 1, 0);
	/* xmax of the snapshot may be in progress already */
	next_xid = (int64) U64FromFullTransactionId(ReadNextFullTransactionId());
	if (!ascending)
		nmarks = 0;
	last = now;
	if (nmarks < MAX_MARKS)
		mark[nmarks++] = (XidMark)
	{
		now, next_xid
	};
	while (first + 1 < nmarks && mark[first + 1].next_xid <= oldest)
		first++;
	nmarks -= first;
	memmove(mark, &mark[first], nmarks * sizeof(XidMark));
	horizon = mark[0].next_xid <= oldest ? mark[0].at - WRITTEN_WITHIN :
		DT_NOBEGIN;
	return ascending;
}

/*
 * Begins a pass: reads the queues and tenants that have a retention, and the
 * limits of their history.  A tenant with max_history has the limit that
 * tenant_history.c has found.
 */
static void
begin_pass(void)
{
	static JdgQuery q = {
		"SELECT q.queue_id, NULL::text, $1 - q.retention "
		"FROM jadugar_internal.queue q WHERE q.retention IS NOT NULL "
		"UNION ALL SELECT NULL, n.name, $1 - n.retention "
		"FROM jadugar_internal.tenant n "
		"WHERE n.retention IS NOT NULL OR n.max_history IS NOT NULL "
		"ORDER BY 3, 1, 2", 1,
		{TIMESTAMPTZOID}
	};
	TimestampTz now = jdg_now();
	Datum		v[1] = {TimestampTzGetDatum(now)};
	TimestampTz before = horizon;
	Progress   *all;
	MemoryContext mcxt;
	int64		n;

	/* in the memory of the round until there can be no error */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "jadugar retention",
								 ALLOCSET_SMALL_SIZES);
	jdg_work_begin();
	if (!note_horizon(now))
		before = DT_NOBEGIN;
	n = jdg_run(&q, v, NULL, 0);
	all = MemoryContextAlloc(mcxt, Max(n, 1) * sizeof(Progress));
	for (int64 i = 0; i < n; i++)
	{
		all[i].queue_id = jdg_col_int32(i, 1, 0);
		all[i].tenant = jdg_col_text(i, 2, mcxt);
		all[i].limit = jdg_col_time(i, 3, DT_NOBEGIN);
		if (all[i].tenant != NULL)
			all[i].limit = Max(all[i].limit,
							   jdg_tenant_history_limit(all[i].tenant));
		all[i].reached = Min(reached_before(&all[i]), before);
	}
	jdg_work_end();
	MemoryContextSetParent(mcxt, TopMemoryContext);
	if (progress_mcxt != NULL)
		MemoryContextDelete(progress_mcxt);
	progress_mcxt = mcxt;
	progress = all;
	nprogress = (int) n;
}

/*
 * Deletes a batch of the first that is not done, and of those that are to be
 * read in the same range.  Returns false if all are done.
 */
static bool
delete_some_history(void)
{
	static JdgQuery find = {
		"SELECT max(finished_at) FROM (SELECT h.finished_at "
		"FROM jadugar_internal.attempt h "
		"WHERE h.finished_at > $1 AND h.finished_at < $2 "
		"ORDER BY h.finished_at FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) b", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery delete = {
		"WITH gone AS (DELETE FROM jadugar_internal.attempt "
		"WHERE finished_at > $1 AND finished_at <= $2 "
		"AND (queue_id = ANY ($3) OR tenant = ANY ($4)) RETURNING task_id, final, status) "
		"UPDATE jadugar_internal.here SET forgotten = x.id "
		"FROM (SELECT max(task_id) AS id FROM gone "
		"WHERE final AND status <> " JDG_SQL_COMPLETED ") x "
		"WHERE x.id > forgotten", 4,
		{TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID, TEXTARRAYOID}
	};
	Progress   *first = progress;
	TimestampTz from,
				limit,
				last;
	Datum	   *ids;
	Datum	   *tenants;
	int			n = 0;
	int			ntenants = 0;

	while (first < progress + nprogress && first->reached >= first->limit)
		first++;
	if (first == progress + nprogress)
		return false;
	from = first->reached;
	limit = first->limit;
	ids = palloc(sizeof(Datum) * nprogress);
	tenants = palloc(sizeof(Datum) * nprogress);
	for (Progress *p = first; p < progress + nprogress; p++)
	{
		if (p->reached != from || p->limit != limit)
			continue;
		if (p->tenant != NULL)
			tenants[ntenants++] = CStringGetTextDatum(p->tenant);
		else
			ids[n++] = Int32GetDatum(p->queue_id);
	}
	jdg_work_begin();
	last = jdg_old_rows_find(&find, from, limit);
	if (last != DT_NOEND)
	{
		Datum		v[4] = {TimestampTzGetDatum(from), TimestampTzGetDatum(last)};

		v[2] = jdg_array(INT4OID, ids, NULL, n);
		v[3] = jdg_array(TEXTOID, tenants, NULL, ntenants);
		jdg_run(&delete, v, NULL, 0);
	}
	jdg_work_end();
	for (Progress *p = first; p < progress + nprogress; p++)
	{
		if (p->reached == from && p->limit == limit)
			p->reached = last == DT_NOEND ? limit : last;
	}
	pfree(ids);
	return true;
}

TimestampTz
jdg_retention_history(JdgDb *db, uint32 why)
{
	static bool in_pass = false;
	TimestampTz began = GetCurrentTimestamp();

	if (!in_pass)
		begin_pass();
	in_pass = true;
	while (GetCurrentTimestamp() - began < JDG_OLD_ROWS_TURN_US)
	{
		CHECK_FOR_INTERRUPTS();
		if (!delete_some_history())
		{
			in_pass = false;
			return jdg_now() + USECS_PER_HOUR;
		}
	}
	return DT_NOBEGIN;
}
