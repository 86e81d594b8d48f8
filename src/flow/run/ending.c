/*-------------------------------------------------------------------------
 *
 * ending.c
 *	  A run ends: live steps are cancelled, then completed steps are
 *	  compensated, then the run gets its final status.
 *
 * Steps that are being cancelled may still complete, so compensation waits for
 * all of them.  Compensations run one at a time, in reverse order of completion
 * (flow_run.last_done, flow_step.prev_done).  If one fails for good, that is
 * recorded and the others still run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "flow/run/awaited.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/ending.h"
#include "flow/run/happened.h"
#include "flow/run/message.h"
#include "flow/run/step_task.h"
#include "flow/run/value.h"
#include "task/wakeup.h"

void
jdg_run_fail(JdgRunState *rs, JdgFlowStatus ending, Jsonb *error,
			 const char *reason)
{
	JdgFlowStep *root = jdg_step_get(rs, 0);

	rs->r.status = JDG_FLOW_STATUS_ENDING;
	rs->r.ending = ending;
	rs->r.error = jdg_step_jsonb(error);
	rs->r.reason = unconstify(char *, reason);
	if (jdg_step_is_open(root))
	{
		/* a delayed run counts as live while it waits */
		rs->r.live -= root->state == JDG_STEP_WAITING;
		jdg_step_end_quietly(rs, root,
							 ending == JDG_FLOW_STATUS_TIMED_OUT ?
							 JDG_STEP_TIMED_OUT :
							 ending == JDG_FLOW_STATUS_FAILED ?
							 JDG_STEP_FAILED : JDG_STEP_CANCELLED, NULL);
	}
	jdg_container_close(rs, root);
}

void
jdg_run_root_ended(JdgRunState *rs, JdgFlowStep *root)
{
	if (root->state == JDG_STEP_COMPLETED || root->state == JDG_STEP_SKIPPED)
	{
		/* it is over when nothing is live, see jdg_run_settle() */
		rs->r.result = jdg_step_jsonb(root->result);
		return;
	}
	if (root->state == JDG_STEP_TIMED_OUT)
		jdg_run_fail(rs, JDG_FLOW_STATUS_TIMED_OUT, root->error,
					 root->reason ? root->reason : "timed_out");
	else
		jdg_run_fail(rs, JDG_FLOW_STATUS_FAILED, root->error, root->reason);
}

void
jdg_run_notify_parent(JdgRunState *rs)
{
	JsonbParseState *st;
	char		status[2] = {jdg_flow_status_out(rs->r.status), '\0'};
	char		ending[2] = {jdg_flow_status_out(rs->r.ending), '\0'};

	jdg_json_begin(&st);
	jdg_json_text(&st, "status", status);
	jdg_json_text(&st, "ending", ending);
	jdg_json_jsonb(&st, "result", rs->r.result);
	jdg_json_jsonb(&st, "error", rs->r.error);
	jdg_json_text(&st, "reason", rs->r.reason);
	if (rs->r.last_done >= 0 && !rs->r.pivoted)
		jdg_json_text(&st, "undoable", "yes");
	jdg_flow_message(JDG_MESSAGE_SUB_ENDED, rs->r.parent_run,
					 rs->r.parent_step, NULL, jdg_json_finish(&st));
}

static void
finish(JdgRunState *rs, JdgFlowStatus status)
{
	rs->r.status = status;
	rs->r.finished_at = rs->pass->now;
	if (rs->r.parent_run != 0)
		jdg_run_notify_parent(rs);
	if (rs->r.task_id != 0)
		jdg_awaited_ended(&rs->r);
	jdg_run_ended(rs);
	JDG_FAULT("flow-run-ends");
	jdg_finished_at_commit();
}

static void
not_undone(JdgRunState *rs, JdgFlowStep *step, Jsonb *error,
		   const char *reason)
{
	step->state = JDG_STEP_COMPENSATION_FAILED;
	step->error = error;
	step->reason = unconstify(char *, reason);
	jdg_step_change(rs, step);
	rs->r.not_undone++;
	jdg_step_happened(rs, step);
}

void
jdg_compensation_ended(JdgRunState *rs, JdgFlowStep *step, bool success,
					   Jsonb *error)
{
	rs->r.live--;
	if (!success)
	{
		/* it was to make up for the error of the run */
		not_undone(rs, step, jdg_error_with_cause(error, rs->r.error),
				   "its compensation has failed");
		return;
	}
	step->state = JDG_STEP_COMPENSATED;
	jdg_step_change(rs, step);
	jdg_step_happened(rs, step);
}

/* Begin to compensate one step.  False: that has failed at once. */
static bool
undo(JdgRunState *rs, JdgFlowStep *step)
{
	step->state = JDG_STEP_COMPENSATING;
	/* it completed despite the cancel: do not cancel its compensation */
	step->cancelling = false;
	jdg_step_change(rs, step);
	if (rs->plan->undo[step->node] != NULL)
	{
		Jsonb	   *error = step->error;

		if (jdg_step_make_task(rs, step, rs->plan->undo[step->node]))
		{
			step->error = error;
			return true;
		}
		not_undone(rs, step, step->error, "its compensation has failed");
		return false;
	}
	jdg_flow_message(JDG_MESSAGE_UNDO, step->child_run, 0, NULL, NULL);
	rs->r.live++;
	return true;
}

/* The next compensation; false: there is none left. */
static bool
undo_next(JdgRunState *rs)
{
	while (rs->r.last_done >= 0)
	{
		JdgFlowStep *step = jdg_step_get(rs, rs->r.last_done);

		rs->r.last_done = step->prev_done;
		if (step->state == JDG_STEP_COMPLETED && undo(rs, step))
			return true;
	}
	return false;
}

void
jdg_run_leave_undone(JdgRunState *rs)
{
	while (rs->r.last_done >= 0)
	{
		JdgFlowStep *step = jdg_step_get(rs, rs->r.last_done);

		rs->r.last_done = step->prev_done;
		if (step->state == JDG_STEP_COMPLETED)
			not_undone(rs, step, NULL, "aborted");
	}
}

void
jdg_run_settle(JdgRunState *rs)
{
	if (rs->r.live > 0)
		return;
	if (rs->r.status == JDG_FLOW_STATUS_RUNNING)
	{
		JdgFlowStep *root = jdg_step_get(rs, 0);

		if (root != NULL && !jdg_step_is_open(root))
			finish(rs, JDG_FLOW_STATUS_COMPLETED);
		return;
	}
	if (rs->r.status == JDG_FLOW_STATUS_ENDING)
	{
		if (!rs->r.compensate || rs->r.pivoted || rs->r.last_done < 0)
		{
			finish(rs, rs->r.ending);
			return;
		}
		rs->r.status = JDG_FLOW_STATUS_COMPENSATING;
	}
	if (rs->r.status == JDG_FLOW_STATUS_COMPENSATING && !undo_next(rs))
		finish(rs, rs->r.not_undone > 0 ? JDG_FLOW_STATUS_COMPENSATION_FAILED :
			   JDG_FLOW_STATUS_COMPENSATED);
}
