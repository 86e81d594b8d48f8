/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The worker process: state that its files share.
 *
 * Only worker/ includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_WORKER_WORKER_H
#define JDG_WORKER_WORKER_H

#include "event/task.h"
#include "exec/exec.h"
#include "shared/slot.h"
#include "task/claim.h"
#include "task/hold.h"
#include "task/settle.h"

/* The tasks of one round.  Arrays have n elements, in the order of the slot. */
typedef struct JdgGroup
{
	int			n;				/* tasks claimed */
	int			ran;			/* of them, tasks that have run */
	bool		undone;			/* a fused task failed: no transaction */
	int			running;		/* index of the task that runs, or -1 */
	int			followers;		/* steps that followed, or might have */
	int64		since;			/* steady ms: when it was claimed */
	JdgTask		task[JDG_GROUP_MAX];
	JdgOutcome	outcome[JDG_GROUP_MAX];
	bool		has_outcome[JDG_GROUP_MAX]; /* false: to run again */
	bool		more;			/* ready tasks may be left */
} JdgGroup;

/* worker.c */
extern JdgSlot *jdg_my_slot;
extern MemoryContext jdg_group_context; /* reset after each group */
PGDLLEXPORT void jdg_worker_main(Datum arg);

/* steps.c: steps of flows that follow in a group */

/* Callback of jdg_settle(): may this one follow? */
extern bool jdg_step_may_follow(const JdgTask *t);

/* Writes steps from "first" on that are in no table and have not ended. */
extern void jdg_steps_write(JdgGroup *group, int first);

/* turns.c: may the i-th task begin now, by its rates and breakers? */
extern bool jdg_turn_may_begin(JdgGroup *group, int i);

/* when a task began that was allowed to */
extern TimestampTz jdg_turn_began(const JdgTask *task);

/*
 * After the commit, while the slot holds the places of the tasks: charges the
 * tenants whose tasks ran, if they take turns, and breakers learn how the tasks
 * ended.
 */
extern void jdg_turns_end(const JdgGroup *group);

/* the same for breakers, if the commit of a lone task has failed */
extern void jdg_turn_failed(const JdgTask *task);

/* number of steps that a group claims at most */
extern int	jdg_steps_to_claim(void);

/* A group has ended: so many tasks were claimed, and so many followed. */
extern void jdg_steps_note(int claimed, int followers);

/* interrupt.c: cancel, deadline, preemption */

/* Installs the signal handlers.  Signals must still be blocked. */
extern void jdg_interrupt_init(void);

/*
 * User code of a task begins: from here on, cancels and the task's deadline
 * take effect.  "index" is the place of the task in the slot.  Unless
 * preempt_at is 0, the task is stopped at that time, since finished tasks of
 * its group wait for their commit.
 */
extern void jdg_user_code_begin(const JdgTask *task, int index,
								TimestampTz preempt_at);

/*
 * User code has ended.  Drops a cancel that came too late.  Also called after
 * an error, if no user code runs.
 */
extern void jdg_user_code_end(void);

/* A statement of the task's text begins: from here on, statement_timeout. */
extern void jdg_user_statement_begin(void);

/* statement_timeout of the last statement, in ms; 0: none */
extern int	jdg_statement_timeout(void);

/* why the last task was stopped */
typedef enum JdgStop
{
	JDG_STOP_NONE,
	JDG_STOP_CANCEL,			/* by cancel(), pause or an administrator */
	JDG_STOP_DEADLINE,
	JDG_STOP_STATEMENT,			/* by statement_timeout */
	JDG_STOP_PREEMPT
} JdgStop;
extern JdgStop jdg_stop_reason(void);

/* For C handlers that poll: is the running task to stop? */
extern bool jdg_cancel_pending(void);

/* happened.c: lifecycle events of the worker itself */

/* it runs a task or a call, which is quiet or not */
extern void jdg_worker_works(void);

/* after a group: it has started; it stops */
extern void jdg_worker_tell_start(void);
extern void jdg_worker_tell_stop(void);

/* run.c: one task */

/* how jdg_run_task() has ended */
typedef enum JdgRun
{
	JDG_RUN_ENDED,				/* its outcome is set */
	JDG_RUN_ALONE,				/* no outcome: to be run again, alone */
	JDG_RUN_UNDONE				/* the group's transaction was aborted */
} JdgRun;

/*
 * A call of a subscription's handler: what it gets in place of a payload.
 */
typedef struct JdgDelivery
{
	const struct JdgCurrentEvent *current;
	Oid			type;			/* of $1, for SQL */
	Datum		value;
	Jsonb	   *data;			/* for a registered handler */

	bool		quiet;			/* it causes no events: shared/happening.h */

	/* not NULL: makes a task of the event in place of the call */
	const struct JdgSubscription *make_task;
	JdgEventTask task;			/* the result of that */
} JdgDelivery;

/*
 * Runs one task in the group's transaction, and sets its outcome in the
 * current memory context.  Errors of the task become its outcome, or undo the
 * group if the task was fused with it: see run.c.  preempt_at is as in
 * jdg_user_code_begin(); 0: the task is alone in its group.  With a delivery,
 * the task is no row: it holds the options of the call, and its task_id is the
 * id of the event, negative.
 */
extern JdgRun jdg_run_task(JdgTask *task, int index, TimestampTz preempt_at,
						   JdgDelivery *delivery, JdgOutcome *outcome);

/*
 * Runs a standalone command at top level, and sets its outcome.  Must be
 * called outside a transaction, after the task's row has been marked and
 * committed.
 */
extern void jdg_run_standalone(JdgTask *task, JdgOutcome *outcome);

/* Callback: a statement begins, perhaps one of run_task() in a task. */
extern void jdg_task_statement_begins(void);

/* Sets the outcome of a task whose own code has raised this error. */
extern void jdg_outcome_of_error(JdgOutcome *o, ErrorData *edata);

/* payload.c: the payload, when a task runs */

/* Is the payload the data of a whole run? */
extern bool jdg_has_data_of_run(const JdgTask *task);

/*
 * The payload of the current task, or the data of an event for a registered
 * handler, checked by the handler's payload type.
 */
extern Jsonb *jdg_task_payload(JdgTask *task, const JdgHandler *handler,
							   const JdgDelivery *delivery);

/* session.c: clears session state between tasks */

/* The session begins: preloaded libraries are part of every session. */
extern void jdg_session_init(void);

/* A task has failed: leaves after the group if a library may keep its state. */
extern void jdg_session_after_error(void);

/* Must the group end before another task runs? */
extern bool jdg_session_ends_group(void);

/* After a task, in its group's transaction. */
extern void jdg_session_reset_task(void);

/* After the commit or abort of a group, outside a transaction. */
extern void jdg_session_reset_group(bool temp_used);

/* After a standalone command, outside a transaction. */
extern void jdg_session_reset_all(void);

/* logbuf.c: log entries of tasks */

/* Installs the hooks, once the worker is connected. */
extern void jdg_log_init(void);

/* Log entries belong to this task until jdg_log_end(). */
extern void jdg_log_begin(const JdgTask *task);
extern void jdg_log_end(void);

/* Writes the entries, in the transaction that settles the tasks. */
extern void jdg_log_flush(void);

/* Discards those of the last task: it runs again, and will log again. */
extern void jdg_log_forget_task(void);

/*
 * Discards the entries: after a commit they are written, and after an abort
 * the tasks will log again.
 */
extern void jdg_log_forget(void);

/* quick.c: commands that are known to be quick */

/* Does the command take a quarter of the group's window at most? */
extern bool jdg_command_is_quick(int64 command_id);

/* The time that the command takes, in microseconds; 0: not known. */
extern int64 jdg_command_us(int64 command_id);

/* Has the command not failed for so long that it needs no subtransaction? */
extern bool jdg_command_is_safe(int64 command_id);

/* Notes that the command took so many microseconds, and ended well or not. */
extern void jdg_command_note_run(int64 command_id, int64 us, bool clean);

/* Tasks that run alone next, until they have ended. */
extern void jdg_run_alone_next(int64 task_id);
extern bool jdg_must_run_alone(int64 task_id);
extern void jdg_run_alone_done(int64 task_id);

/* failed.c: a lone task whose commit failed */

typedef struct JdgFailed
{
	int64		task_id;
	int			attempt;
	JdgOutcome	outcome;		/* valid until the next one is noted */
} JdgFailed;

/*
 * Notes that the task's transaction could not commit.  False: it is not to be
 * charged, since one is noted already or the conflict may be ours.
 */
extern bool jdg_failed_note(const JdgTask *task, const JdgOutcome *outcome,
							ErrorData *edata);

/* the task that is noted, or 0 */
extern int64 jdg_failed_pending(void);

/* Returns the note and removes it; its outcome is valid until the next one. */
extern void jdg_failed_take(JdgFailed *failed);

/* requests.c: requests to stop tasks of a group that was rolled back */

/*
 * Keeps the requests that the slot has for its tasks, except one for "except",
 * and takes no more.  After the abort, before the slot is cleared.
 */
extern void jdg_requests_keep(int64 except);

/* Keeps a request that is not in the slot; no second one for a task. */
extern void jdg_requests_add(int64 task_id, JdgCancelKind kind, Oid by);

/* are there any? */
extern bool jdg_requests_pending(void);

/*
 * Serves one of them.  In a transaction; the caller commits, then calls
 * jdg_requests_served().
 */
extern void jdg_requests_serve(void);
extern void jdg_requests_served(void);

/* deliver.c: events for the handlers of subscriptions */

/*
 * Takes a shard of the role that has news, handles events of its window, and
 * commits.  False: there is none.  Outside a transaction.  After an error, the
 * caller aborts and calls jdg_deliver_failed().
 */
extern bool jdg_deliver(void);

/* returns whether the error is accounted for, so that the worker need not pause */
extern bool jdg_deliver_failed(ErrorData *edata);

/* group.c: one round */

/*
 * Starts a transaction of this isolation level, with AccessShare on the
 * extension.  The group's memory context is current afterwards.
 */
extern void jdg_group_begin(int isolation);

/*
 * Claims a group of tasks, runs and settles them, and commits.  Returns false
 * if no task was ready.  Must be called outside a transaction.  An error
 * leaves the transaction open: the caller aborts it, then calls
 * jdg_group_failed().
 */
extern bool jdg_group_run(void);

/*
 * Is something of an earlier round left to be written, which a worker that
 * leaves would lose: a failed commit to charge, a task to stop?
 */
extern bool jdg_group_is_owed(void);

/*
 * Accounts for an error outside the tasks' own code: in claiming, settling or
 * committing.  The transaction has been aborted, so the group's tasks are
 * ready again; they run alone next.  A task that was alone is charged with the
 * error in the next round.  Returns true if the error is charged, or will be
 * with fewer tasks, so that the caller need not pause.
 */
extern bool jdg_group_failed(ErrorData *edata);

#endif							/* JDG_WORKER_WORKER_H */
