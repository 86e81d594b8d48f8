/*-------------------------------------------------------------------------
 *
 * resume.c
 *	  A run that has ended goes on from where it was, see resume.h.
 *
 * Completed steps stay as they are.  Steps that had failed or were cancelled
 * begin again.  Steps that were skipped because of those count as not reached.
 * Rows are opened from the outermost on.  Steps that begin are put on the
 * agenda meanwhile: their "after" can only be checked when all rows are open.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/end.h"
#include "flow/run/resume.h"

/* Open a row again. */
static void
reset(JdgRunState *rs, JdgFlowStep *step)
{
	step->state = JDG_STEP_RUNNING;
	step->finished_at = step->due = DT_NOBEGIN;
	step->error = step->result = NULL;
	step->reason = step->event = NULL;
	step->wait_start = 0;
	step->wait_owner = InvalidOid;
	step->cancelling = false;
	step->task_id = step->child_run = 0;
	step->attempts = 0;
	jdg_step_change(rs, step);
}

void
jdg_resume_forget(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	jdg_steps_forget(rs, jdg_step_place(node, base),
					 base + node->end - node->block);
}

void
jdg_resume_begin(JdgRunState *rs, JdgFlowStep *step)
{
	step->state = JDG_STEP_WAITING;
	jdg_agenda_put(rs, JDG_ACT_BEGIN, step, NULL);
}

bool
jdg_resume_is_done(const JdgFlowNode *node, const JdgFlowStep *step,
				   int64 skip)
{
	return step->step_id != skip &&
		(step->state == JDG_STEP_COMPLETED ||
		 step->state == JDG_STEP_SKIPPED ||
		 (jdg_step_is_bad(step) &&
		  node->on_failure == JDG_FAILURE_CONTINUE));
}

void
jdg_resume_step(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	CHECK_FOR_INTERRUPTS();
	reset(rs, step);
	if (step->step_id == skip)
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, JDG_SKIPPED_MANUALLY);
	else if (jdg_node_is_leaf(node) || step->total == 0)
	{
		/* a container that never began has nothing but skipped rows */
		jdg_steps_forget(rs, step->step_id + 1,
						 step->base + node->end - node->block);
		jdg_resume_begin(rs, step);
	}
	else
		node->kind->resume(rs, step, skip);
}

void
jdg_run_resume(JdgRunState *rs, int64 skip)
{
	rs->r.status = JDG_FLOW_STATUS_RUNNING;
	rs->r.ending = JDG_FLOW_STATUS_NONE;
	rs->r.compensate = true;
	rs->r.error = NULL;
	rs->r.reason = NULL;
	rs->r.finished_at = DT_NOBEGIN;
	jdg_resume_step(rs, jdg_step_get(rs, 0), skip);
}
