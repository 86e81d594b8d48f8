/*-------------------------------------------------------------------------
 *
 * advance.c
 *	  Ends of tasks that are steps, see advance.h.
 *
 * jdg_settle() calls in the transaction that settles the tasks, before it
 * locks anything else: in a worker or in the scheduler the runs are locked and
 * advanced right there.  A session that cancels a step's task, and a worker
 * whose transaction would not see the commits of others, leave a message
 * instead.
 *
 * A step may ask something of its own run, such as to abort it.  What follows
 * must wait for that, although only the scheduler serves it.  So the end of
 * such a step is a message, too: it is served after the request.  The request
 * of a standalone command may lie in an earlier transaction.
 *
 * Locks: those of the runs (JDG_LOCK_RUN), in ascending order, at the
 * beginning of a pass; then rows of tasks that are cancelled, never waited
 * for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/fault.h"
#include "base/spi.h"
#include "flow/run/advance.h"
#include "flow/run/awaited.h"
#include "flow/run/drive.h"
#include "flow/run/message.h"
#include "flow/run/task_end.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* a pass is under way: tasks that it settles itself are its own affair */
static bool advancing = false;

/* Is the end of this task a message? */
static bool
is_reported(const JdgEnds *ends, int i)
{
	return !ends->final || IsolationUsesXactSnapshot() ||
		ends->tasks[i].transaction == JDG_XACT_STANDALONE ||
		ends->tasks[i].transaction == JDG_XACT_HTTP ||
		jdg_flow_asked(ends->tasks[i].flow_run);
}

/* Steps that this transaction settles, in one pass. */
static void
settle_steps(JdgEnds *ends)
{
	JdgTask    *tasks = ends->tasks;
	const JdgOutcome *o = ends->outcomes;
	JdgDecision *d = ends->decisions;
	int			n = ends->n;
	int64	   *runs = palloc(sizeof(int64) * n);
	int			nruns = 0;
	JdgPass    *pass;
	JdgInternal in;

	for (int i = 0; i < n; i++)
	{
		if (tasks[i].flow_run != 0 && !is_reported(ends, i))
			runs[nruns++] = tasks[i].flow_run;
	}
	if (nruns == 0)
		return;
	jdg_pass_lock(runs, nruns);
	JDG_FAULT("flow-locked");
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	pass = jdg_pass_begin();
	pass->follow = ends->follow;
	pass->settling = tasks;
	pass->decisions = d;
	pass->nsettling = n;
	for (int i = 0; i < n; i++)
	{
		JdgRunState *rs;
		JdgFlowStep *step;
		JdgTaskEnd	e;

		if (tasks[i].flow_run == 0 || is_reported(ends, i))
			continue;
		rs = jdg_pass_run(pass, tasks[i].flow_run);
		if (rs == NULL)
			continue;
		step = jdg_step_get(rs, tasks[i].step_id);
		if (d[i].stays && step != NULL && step->cancelling &&
			d[i].state == JDG_STATE_FLOW)
			jdg_awaited_stop(&tasks[i], InvalidOid);	/* it ends with its run */
		else if (d[i].stays && step != NULL && step->cancelling)
		{
			/* it is not wanted any more */
			d[i].stays = false;
			d[i].status = JDG_STATUS_CANCELLED;
			d[i].error_code = NULL;
		}
		if (d[i].stays)
			continue;
		jdg_task_end_of(&tasks[i], &o[i], &d[i], &e);
		jdg_task_ended(rs, tasks[i].step_id, &e);
		jdg_agenda_drive(pass, false);
	}
	jdg_pass_finish(pass);
	jdg_internal_end(&in);
	PopActiveSnapshot();
}

/* The others, by messages. */
static void
report_steps(const JdgEnds *ends)
{
	const JdgTask *tasks = ends->tasks;
	JdgInternal in;
	bool		any = false;

	for (int i = 0; i < ends->n && !any; i++)
		any = tasks[i].flow_run != 0 && is_reported(ends, i);
	if (!any)
		return;
	jdg_internal_begin(&in);
	for (int i = 0; i < ends->n; i++)
	{
		JdgTaskEnd	e;

		if (tasks[i].flow_run == 0 || ends->decisions[i].stays ||
			!is_reported(ends, i))
			continue;
		jdg_task_end_of(&tasks[i], &ends->outcomes[i], &ends->decisions[i], &e);
		jdg_flow_message(JDG_MESSAGE_TASK_ENDED, tasks[i].flow_run,
						 tasks[i].step_id, NULL, jdg_task_end_to_jsonb(&e));
	}
	jdg_internal_end(&in);
}

static bool
is_step(const JdgTask *task)
{
	return task->flow_run != 0;
}

/* Steps have ended: see base/module.h. */
static void
steps_decided(JdgEnds *ends)
{
	if (advancing)
		return;
	report_steps(ends);
	advancing = true;
	PG_TRY();
	{
		settle_steps(ends);
	}
	PG_FINALLY();
	{
		advancing = false;
	}
	PG_END_TRY();
}

const JdgEndFollower jdg_flow_follower = {is_step, steps_decided, NULL};
