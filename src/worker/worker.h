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

#include "exec/exec.h"
#include "shared/slot.h"
#include "task/claim.h"
#include "task/settle.h"

typedef struct JdgGroup
{
	int			n;				/* tasks claimed */
	int			ran;			/* of them, those with an outcome */
	JdgTask		task[JDG_GROUP_MAX];
	JdgOutcome	outcome[JDG_GROUP_MAX];
	bool		has_outcome[JDG_GROUP_MAX];
	bool		more;			/* ready tasks may be left */
} JdgGroup;

/* worker.c */
extern JdgSlot *jdg_my_slot;
extern MemoryContext jdg_group_context; /* reset after each group */
PGDLLEXPORT void jdg_worker_main(Datum arg);

/* interrupt.c: cancel, deadline, preemption */
extern void jdg_interrupt_init(void);
extern void jdg_user_code_begin(const JdgTask *task, int index,
								TimestampTz preempt_at);
extern void jdg_user_code_end(void);

typedef enum JdgStop
{
	JDG_STOP_NONE,
	JDG_STOP_CANCEL,			/* by cancel(), pause or an administrator */
	JDG_STOP_DEADLINE,
	JDG_STOP_PREEMPT
} JdgStop;
extern JdgStop jdg_stop_reason(void);
extern bool jdg_cancel_pending(void);

/* run.c: one task */
typedef enum JdgRun
{
	JDG_RUN_ENDED,				/* its outcome is set */
	JDG_RUN_ALONE				/* not settled: to be run again, alone */
} JdgRun;
extern JdgRun jdg_run_task(JdgTask *task, int index, TimestampTz preempt_at,
						   JdgOutcome *outcome);
extern void jdg_run_standalone(JdgTask *task, JdgOutcome *outcome);
extern void jdg_outcome_of_error(JdgOutcome *o, ErrorData *edata);

/* session.c: nothing a task leaves reaches the next */
extern bool jdg_session_ends_group(void);
extern void jdg_session_reset_task(void);
extern void jdg_session_reset_group(bool temp_used);
extern void jdg_session_reset_all(void);

/* logbuf.c: log entries of tasks */
extern void jdg_log_init(void);
extern void jdg_log_begin(const JdgTask *task);
extern void jdg_log_end(void);
extern void jdg_log_flush(void);	/* inside jdg_internal_begin() */
extern void jdg_log_forget(void);

/* quick.c: which commands are known to be quick */
extern bool jdg_command_is_quick(int64 command_id);
extern void jdg_command_took(int64 command_id, int64 us);
extern void jdg_run_alone_next(int64 task_id);
extern bool jdg_must_run_alone(int64 task_id);
extern void jdg_ran_alone(int64 task_id);

/* group.c: false: nothing was there to do */
extern bool jdg_group_run(void);
extern bool jdg_group_failed(ErrorData *edata);

#endif							/* JDG_WORKER_WORKER_H */
