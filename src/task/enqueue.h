/*-------------------------------------------------------------------------
 *
 * enqueue.h
 *	  Putting tasks in, from any backend or process of ours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_ENQUEUE_H
#define JDG_TASK_ENQUEUE_H

#include "handler/handler.h"
#include "queue/queue.h"
#include "task/task.h"

/* what a user gave for a task or a schedule; NULL or unset: not given */
typedef struct JdgTaskOptions
{
	const char *command;
	Jsonb	   *payload;
	const char *queue;
	bool		has_priority;
	int32		priority;
	Interval   *timeout;
	Jsonb	   *retry;
	const char *transaction;
	bool		has_isolate;
	bool		isolate;
	Jsonb	   *settings;
	Jsonb	   *metadata;
	const char *concurrency_key;
	const char *tenant;
	const char *trace;
	bool		check_only;		/* write nothing: there is no command_id */
} JdgTaskOptions;

/*
 * Check all of that as the current user and fill the fields of "task" that
 * follow from it (command_id, queue_id, priority, transaction, isolate,
 * bounded, timeout, retry, max_attempts, settings, metadata, ...), with
 * defaults from handler, queue and settings.  "owner" from
 * jdg_resolve_owner().  default_attempts: used when no retry policy says.
 * Outside jdg_internal_begin(); allocates in the current context.  "handler"
 * is set to the handler or NULL.  Without a payload none is checked.
 */
extern void jdg_task_prepare(const JdgTaskOptions *opts, Oid owner,
							 int32 default_attempts, JdgTask *task,
							 JdgQueue *queue, JdgHandler **handler);

/* checks and conversions of arguments, see prepare.c */
extern const Interval *jdg_check_interval(const char *what,
										  const Interval *iv, bool zero_ok);
extern int64 jdg_interval_us(const Interval *iv);
extern void jdg_apply_settings(Jsonb *settings, bool session);
extern char jdg_transaction_mode(const char *given);

/*
 * This task was inserted or became runnable: after this transaction commits,
 * wake whoever has to act on it, a worker if it is ready, the scheduler if it
 * is due later or waits.  Every way to become ready passes here, since
 * workers look where it is told to look (marks.c): task_id, owner, queue_id,
 * priority, state and run_at are those of the row.  Never raises an error
 * after commit.
 */
extern void jdg_wake_at_commit(Oid owner, const JdgTask *task);

/* rows of many ready tasks have changed in what the index is made of */
extern void jdg_forget_marks_at_commit(void);

/* more general: JDG_WAKE_* bits for the scheduler of this database */
extern void jdg_wake_scheduler_at_commit(uint32 why);

/* after commit, look again at what waits for a task that this finished */
extern void jdg_recheck_at_commit(int64 task_id, bool finished);

/*
 * This session's transaction has locked the row of a task.  A worker may pass
 * over the task meanwhile: if it is still ready in the end, also because of a
 * rollback, it needs a worker again.
 */
extern void jdg_row_held(void);

/* after commit, tell those in wait() */
extern void jdg_finished_at_commit(void);

/* after commit of CREATE EXTENSION, start a scheduler */
extern void jdg_start_at_commit(void);

/* n tasks more in the statistics, at commit */
extern void jdg_count_enqueued(int64 n);

/* from _PG_init */
extern void jdg_enqueue_init(void);

#endif							/* JDG_TASK_ENQUEUE_H */
