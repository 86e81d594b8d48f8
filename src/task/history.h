/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Rows of jadugar_internal.attempt, and its partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_HISTORY_H
#define JDG_TASK_HISTORY_H

#include "nodes/pg_list.h"

#include "task/task.h"

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
	JdgStatus	status;
	bool		final;
	TimestampTz scheduled_for;	/* DT_NOBEGIN: null, as all of these */
	TimestampTz enqueued_at;
	TimestampTz started_at;
	TimestampTz finished_at;	/* never null */
	int64		row_count;		/* < 0: null */
	const char *reason;
	const char *ended_by;		/* role that cancelled it */
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
	int64		flow_run;		/* 0: none */
	const char *step;
	bool		quiet;			/* causes no events */
} JdgHistory;

/* all fields of "h" that come from the task; the rest null */
extern void jdg_history_from_task(JdgHistory *h, const JdgTask *task);

/*
 * Makes the day's partition if need be, and looks up names of schedules that
 * are not given.  With an active snapshot.
 */
extern void jdg_history_insert(JdgHistory *h, int n);

/*
 * Tells modules that an attempt has ended, or that occurrences were missed.
 * attempt_id 0: the history does not keep it.
 */
extern void jdg_attempt_happened(const JdgHistory *h, int64 attempt_id);

/* make sure that the partition for the day of "when" exists */
extern void jdg_history_ensure_partition(TimestampTz when);

/*
 * A task is seen to have finished: make sure that this process also sees the
 * partition that its history is in.
 */
extern void jdg_history_catch_up(void);

/* names of partitions that ended before "limit", a list of char * */
extern List *jdg_history_expired(TimestampTz limit, MemoryContext mcxt);

/* JDG_STATUS_*, as the views say it */
extern const char *jdg_status_name(JdgStatus status);

#endif							/* JDG_TASK_HISTORY_H */
