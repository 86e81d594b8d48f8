/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Rows of jadugar.run, and its partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HISTORY_H
#define JDG_HISTORY_H

#include "catalog/task.h"
#include "nodes/pg_list.h"

typedef struct JdgHistory
{
	int64		task_id;		/* 0: none (a skipped occurrence) */
	Oid			owner;
	int32		queue_id;
	int64		command_id;
	int64		schedule_id;	/* 0: none */
	int32		attempt;
	int32		priority;
	int32		worker_pid;		/* 0: none */
	char		status;			/* JDG_STATUS_* */
	bool		final;
	TimestampTz scheduled_for;	/* DT_NOBEGIN: null, as all of these */
	TimestampTz enqueued_at;
	TimestampTz started_at;
	TimestampTz finished_at;	/* never null */
	int64		row_count;		/* < 0: null */
	const char *reason;
	const char *schedule;
	int64		occurrences;	/* 0: null */
	TimestampTz scheduled_until;
	Jsonb	   *payload;
	Jsonb	   *result;
	const char *error_code;
	const char *sqlstate;
	Jsonb	   *error;
	const char *tenant;
	const char *trace;
	Jsonb	   *metadata;
	Jsonb	   *options;
} JdgHistory;

/* all fields of "h" that come from the task; the rest null */
extern void jdg_history_from_task(JdgHistory *h, const JdgTask *task);

/* inside jdg_internal_begin(); makes the day's partition if need be */
extern void jdg_history_insert(const JdgHistory *h);

/* partitions for the day of "when"; own transaction section */
extern void jdg_history_ensure_partition(TimestampTz when);

/* names of partitions that ended before "limit", a list of char * */
extern List *jdg_history_expired(TimestampTz limit, MemoryContext mcxt);

#endif							/* JDG_HISTORY_H */
