/*-------------------------------------------------------------------------
 *
 * task.h
 *	  A row of jadugar.task as a struct, and how one is written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_H
#define JDG_TASK_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* task.state */
#define JDG_STATE_READY			'r'
#define JDG_STATE_SCHEDULED		's'
#define JDG_STATE_DEPENDENCY	'd'
#define JDG_STATE_KEY			'k'
#define JDG_STATE_PAUSED		'p'
#define JDG_STATE_STANDALONE	'x' /* under way, outside a transaction */

/* task.transaction */
#define JDG_XACT_COMMITTED		'c'
#define JDG_XACT_REPEATABLE		'r'
#define JDG_XACT_SERIALIZABLE	's'
#define JDG_XACT_STANDALONE		'x'

/* history.status */
#define JDG_STATUS_COMPLETED	'c'
#define JDG_STATUS_FAILED		'f'
#define JDG_STATUS_CANCELLED	'x'
#define JDG_STATUS_LOST			'l'
#define JDG_STATUS_SKIPPED		's'

#define JDG_DEFAULT_QUEUE		1

/*
 * A task.  Pointers are NULL where the column is; strings and varlenas live
 * where the struct's maker says.
 */
typedef struct JdgTask
{
	int64		task_id;
	Oid			owner;
	int32		queue_id;
	int32		priority;
	char		state;
	char		transaction;
	bool		isolate;
	bool		bounded;
	int32		attempt;
	int32		max_attempts;
	int32		crashes;
	int64		command_id;
	TimestampTz run_at;
	TimestampTz created_at;
	Jsonb	   *payload;
	int64		schedule_id;	/* 0: none */
	TimestampTz scheduled_for;	/* DT_NOBEGIN: null */
	TimestampTz started_at;		/* DT_NOBEGIN: null */
	Interval   *timeout;
	Jsonb	   *retry;
	Jsonb	   *settings;
	Jsonb	   *metadata;
	char	   *unique_key;
	char	   *concurrency_key;
	char	   *tenant;
	char	   *trace;
	char		on_dependency_failure;	/* 'c', 'r', 'w' */
} JdgTask;

extern int64 jdg_task_next_id(void);
extern void jdg_task_insert(const JdgTask *task);
extern void jdg_task_from_row(uint64 row, JdgTask *task, MemoryContext mcxt);
extern bool jdg_task_load(int64 task_id, bool lock, JdgTask *task,
						  MemoryContext mcxt);

/* the columns that jdg_task_from_row() expects, in its order */
#define JDG_TASK_COLUMNS \
	"task_id, owner, queue_id, priority, state, transaction, isolate, " \
	"bounded, attempt, max_attempts, crashes, command_id, run_at, " \
	"created_at, payload, schedule_id, scheduled_for, started_at, timeout, " \
	"retry, settings, metadata, unique_key, concurrency_key, tenant, trace, " \
	"on_dependency_failure"

#endif							/* JDG_TASK_H */
