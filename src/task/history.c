/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Rows of jadugar_internal.attempt, and its partitions.
 *
 * A partition holds one day, UTC, by finished_at.  The scheduler makes
 * today's and tomorrow's ahead of time, and the first writer of a day makes
 * it if necessary.  A partition is made as a plain table and attached, so no
 * reader of the history blocks it.  It is a member of the extension.
 *
 * Makers of a partition exclude each other by JDG_LOCK_PARTITION, held until
 * they commit: see base/locks.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "base/columns.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/params.h"
#include "base/partition.h"
#include "base/rows.h"
#include "base/utility.h"
#include "shared/happening.h"
#include "task/happened.h"
#include "task/history.h"

static DateADT
day_of(TimestampTz t)
{
	return (DateADT) (t >= 0 ? t / USECS_PER_DAY :
					  -((USECS_PER_DAY - 1 - t) / USECS_PER_DAY));
}

static void
partition_name(DateADT day, char *name, size_t size)
{
	int			y,
				m,
				d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	snprintf(name, size, "attempt_%04d%02d%02d", y, m, d);
}

/* ISO, regardless of DateStyle */
static char *
iso_midnight(DateADT day)
{
	int			y,
				m,
				d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	return psprintf("%04d-%02d-%02d 00:00:00+00", y, m, d);
}

/*
 * Creates the day's partition as a member of the extension and attaches it.
 * Inside jdg_internal_begin(), which restores the settings, and with
 * JDG_LOCK_PARTITION held.
 */
static void
make_partition(DateADT day, const char *name)
{
	jdg_partition_create("attempt", name);
	jdg_partition_attach("attempt", name,
						 psprintf("FROM ('%s') TO ('%s')", iso_midnight(day),
								  iso_midnight(day + 1)));
	jdg_partition_set_member(jdg_relation_oid(name), true);
}

/*
 * Creates the day's partition unless it exists.  Takes JDG_LOCK_PARTITION
 * until the transaction ends.
 */
static void
make_partition_once(DateADT day, const char *name)
{
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_lock_xact(JDG_LOCK_PARTITION, day);
	/* a previous holder of the lock may have made it: refresh our caches */
	AcceptInvalidationMessages();
	if (!OidIsValid(jdg_relation_find(name)))
	{
		make_partition(day, name);
		JDG_FAULT("partition-made");
	}
	jdg_internal_end(&in);
}

/* The partition of a day, made if it is not there. */
static Oid
partition_of(DateADT day)
{
	char		name[NAMEDATALEN];
	Oid			relid;

	partition_name(day, name, sizeof(name));
	relid = jdg_relation_find(name);
	if (OidIsValid(relid))
		return relid;
	make_partition_once(day, name);
	return jdg_relation_oid(name);
}

void
jdg_history_ensure_partition(TimestampTz when)
{
	(void) partition_of(day_of(when));
}

/*
 * The rows of a transaction are visible a moment before its invalidations
 * arrive.  The maker of today's partition holds its lock until they have
 * arrived, so this function takes the lock, releases it and accepts them.
 */
void
jdg_history_catch_up(void)
{
	DateADT		day = day_of(jdg_now());

	jdg_lock_xact(JDG_LOCK_PARTITION, day);
	jdg_unlock_xact(JDG_LOCK_PARTITION, day);
	AcceptInvalidationMessages();
}

/*
 * Returns the names of the partitions that end before "limit", including
 * those that are detached and not dropped yet, in mcxt.  Inside
 * jdg_internal_begin().
 */
List *
jdg_history_expired(TimestampTz limit, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT c.relname::text FROM pg_class c "
		"WHERE c.relnamespace = 'jadugar_internal'::regnamespace "
		"AND c.relkind = 'r' AND c.relname ~ '^attempt_[0-9]{8}$' "
		"AND c.relname < $1 ORDER BY 1", 1, {NAMEOID}
	};
	char		name[NAMEDATALEN] = {0};
	Datum		v[1] = {NameGetDatum((Name) name)};
	List	   *names = NIL;
	int64		n;

	Assert(jdg_is_bookkeeping());
	partition_name(day_of(limit), name, sizeof(name));
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		char	   *s = jdg_col_text(i, 1, mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		names = lappend(names, s);
		MemoryContextSwitchTo(old);
	}
	return names;
}

/* Sets the columns that a row takes from its task; all others are null. */
void
jdg_history_from_task(JdgHistory *h, const JdgTask *t)
{
	memset(h, 0, sizeof(*h));
	h->task_id = t->task_id;
	h->owner = t->owner;
	h->queue_id = t->queue_id;
	h->command_id = t->command_id;
	h->schedule_id = t->schedule_id;
	h->schedule = t->schedule;
	h->attempt = t->attempt;
	h->priority = t->priority;
	h->scheduled_for = t->scheduled_for;
	h->enqueued_at = t->created_at;
	h->started_at = DT_NOBEGIN;
	h->scheduled_until = DT_NOBEGIN;
	h->row_count = -1;
	h->payload = t->payload;
	h->tenant = t->tenant;
	h->trace = t->trace;
	h->metadata = t->metadata;
	h->flow_run = t->flow_run;
	h->step = t->step;
	h->quiet = jdg_task_is_quiet(t);
}

/* columns of jadugar_internal.attempt, in the order of sql/task.sql */
enum
{
	R_ATTEMPT_ID, R_TASK_ID, R_OWNER, R_QUEUE_ID, R_COMMAND_ID, R_SCHEDULE_ID,
	R_ATTEMPT, R_PRIORITY, R_WORKER_PID, R_STATUS, R_FINAL, R_SCHEDULED_FOR,
	R_ENQUEUED_AT, R_STARTED_AT, R_FINISHED_AT, R_ROW_COUNT, R_REASON,
	R_SCHEDULE, R_OCCURRENCES, R_SCHEDULED_UNTIL, R_PAYLOAD, R_RESULT,
	R_ERROR_CODE, R_SQLSTATE, R_ERROR, R_TENANT, R_TRACE, R_METADATA,
	R_OPTIONS, R_FLOW_RUN, R_STEP, R_ENDED_BY, R_COLUMNS
};

/* Is the name of its schedule the one that its task was made with, or none? */
static bool
has_old_name(const JdgHistory *h)
{
	return h->schedule_id != 0 && (h->task_id != 0 || h->schedule == NULL);
}

/*
 * Names that schedules have now, as far as they still exist.  A schedule may
 * be gone before its history is read.
 */
static void
find_schedule_names(JdgHistory *h, int n)
{
	static JdgQuery q = {
		"SELECT schedule_id, name FROM jadugar_internal.schedule "
		"WHERE schedule_id = ANY ($1)", 1, {INT8ARRAYOID}
	};
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum		v[1];
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;
	int64		rows;
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		if (has_old_name(&h[i]))
			ids[k++] = Int64GetDatum(h[i].schedule_id);
	}
	if (k == 0)
		return;
	v[0] = jdg_array(INT8OID, ids, NULL, k);
	jdg_internal_begin(&in);
	rows = jdg_run(&q, v, NULL, 0);
	for (int64 r = 0; r < rows; r++)
	{
		int64		id = jdg_col_int64(r, 1, 0);
		char	   *name = jdg_col_text(r, 2, mcxt);

		for (int i = 0; i < n; i++)
		{
			if (h[i].schedule_id == id && has_old_name(&h[i]))
				h[i].schedule = name;
		}
	}
	jdg_internal_end(&in);
}

/* Occurrences of a schedule that were not made have no task. */
static JdgHappening
kind_of(const JdgHistory *h)
{
	if (h->task_id == 0)
		return JDG_SCHEDULE_MISSED;
	switch (h->status)
	{
		case JDG_STATUS_COMPLETED:
			return JDG_TASK_COMPLETED;
		case JDG_STATUS_FAILED:
			return h->final ? JDG_TASK_FAILED : JDG_TASK_RETRYING;
		case JDG_STATUS_LOST:
			return h->final ? JDG_TASK_LOST : JDG_TASK_RETRYING;
		case JDG_STATUS_CANCELLED:
			return JDG_TASK_CANCELLED;
		case JDG_STATUS_SKIPPED:
		case JDG_STATUS_NONE:
			break;
	}
	elog(ERROR, "unexpected status %d of an attempt", h->status);
}

void
jdg_attempt_happened(const JdgHistory *h, int64 attempt_id)
{
	JdgTaskNews news = {kind_of(h), h->owner, h->tenant, h->task_id, h->command_id,
		h->queue_id, h->schedule_id, h->schedule, jdg_status_name(h->status),
	h->attempt, attempt_id, h->occurrences, h->error_code, h->reason};

	if (jdg_happens(news.kind) && h->flow_run == 0 && !h->quiet)
		jdg_task_happened(&news);
}

/* Appends one row with a new attempt_id. */
static void
put_row(JdgRows *rows, const JdgHistory *h)
{
	Datum		v[R_COLUMNS];
	bool		n[R_COLUMNS] = {0};
	int64		id = nextval_internal(jdg_relation_oid("attempt_id_seq"), false);

	v[R_ATTEMPT_ID] = Int64GetDatum(id);
	jdg_set_int64(v, n, R_TASK_ID, h->task_id, 0);
	v[R_OWNER] = ObjectIdGetDatum(h->owner);
	v[R_QUEUE_ID] = Int32GetDatum(h->queue_id);
	v[R_COMMAND_ID] = Int64GetDatum(h->command_id);
	jdg_set_int64(v, n, R_SCHEDULE_ID, h->schedule_id, 0);
	v[R_ATTEMPT] = Int32GetDatum(h->attempt);
	v[R_PRIORITY] = Int32GetDatum(h->priority);
	v[R_WORKER_PID] = Int32GetDatum(h->worker_pid);
	n[R_WORKER_PID] = h->worker_pid == 0;
	v[R_STATUS] = CharGetDatum(h->status);
	v[R_FINAL] = BoolGetDatum(h->final);
	jdg_set_time(v, n, R_SCHEDULED_FOR, h->scheduled_for);
	jdg_set_time(v, n, R_ENQUEUED_AT, h->enqueued_at);
	jdg_set_time(v, n, R_STARTED_AT, h->started_at);
	v[R_FINISHED_AT] = TimestampTzGetDatum(h->finished_at);
	jdg_set_int64(v, n, R_ROW_COUNT, Max(h->row_count, -1), -1);
	jdg_set_text(v, n, R_REASON, h->reason);
	jdg_set_text(v, n, R_SCHEDULE, h->schedule);
	jdg_set_int64(v, n, R_OCCURRENCES, h->occurrences, 0);
	jdg_set_time(v, n, R_SCHEDULED_UNTIL, h->scheduled_until);
	jdg_set_pointer(v, n, R_PAYLOAD, h->payload);
	jdg_set_pointer(v, n, R_RESULT, h->result);
	jdg_set_text(v, n, R_ERROR_CODE, h->error_code);
	jdg_set_text(v, n, R_SQLSTATE, h->sqlstate);
	jdg_set_pointer(v, n, R_ERROR, h->error);
	jdg_set_text(v, n, R_TENANT, h->tenant);
	jdg_set_text(v, n, R_TRACE, h->trace);
	jdg_set_pointer(v, n, R_METADATA, h->metadata);
	jdg_set_pointer(v, n, R_OPTIONS, h->options);
	jdg_set_int64(v, n, R_FLOW_RUN, h->flow_run, 0);
	jdg_set_text(v, n, R_STEP, h->step);
	jdg_set_text(v, n, R_ENDED_BY, h->ended_by);
	jdg_rows_put(rows, v, n);
	jdg_attempt_happened(h, id);
}

/* To the partitions straight: rows of one day go together. */
void
jdg_history_insert(JdgHistory *h, int n)
{
	JdgRows    *rows = NULL;
	DateADT		day = 0;

	find_schedule_names(h, n);
	for (int i = 0; i < n; i++)
	{
		if (rows == NULL || day_of(h[i].finished_at) != day)
		{
			if (rows != NULL)
				jdg_rows_close(rows);
			day = day_of(h[i].finished_at);
			rows = jdg_rows_open(partition_of(day), R_COLUMNS);
		}
		put_row(rows, &h[i]);
	}
	if (rows != NULL)
		jdg_rows_close(rows);
}

const char *
jdg_status_name(JdgStatus status)
{
	switch (status)
	{
		case JDG_STATUS_COMPLETED:
			return "completed";
		case JDG_STATUS_FAILED:
			return "failed";
		case JDG_STATUS_CANCELLED:
			return "cancelled";
		case JDG_STATUS_LOST:
			return "lost";
		case JDG_STATUS_SKIPPED:
			return "skipped";
		case JDG_STATUS_NONE:
			break;
	}
	elog(ERROR, "an attempt that goes on has no status");
}
