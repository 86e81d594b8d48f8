/*-------------------------------------------------------------------------
 *
 * end.c
 *	  A row ends, see end.h; the consequences are put on the agenda.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/run/agenda.h"
#include "flow/run/end.h"
#include "flow/run/happened.h"

/* Note for compensation that a step has completed. */
static void
note_completed(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (node->pivot)
		rs->r.pivoted = true;
	if (node->compensate == NULL && !step->undoable)
		return;
	step->prev_done = rs->r.last_done;
	rs->r.last_done = step->step_id;
	step->done_no = ++rs->r.done_count;
}

static void
end_row(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, const char *reason)
{
	step->state = state;
	step->finished_at = rs->pass->now;
	step->due = DT_NOBEGIN;
	step->event = NULL;
	step->wait_start = 0;
	step->wait_owner = InvalidOid;
	step->reason = unconstify(char *, reason);
	jdg_step_change(rs, step);
}

void
jdg_step_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, Jsonb *result,
			 Jsonb *error, const char *reason)
{
	end_row(rs, step, state, reason);
	step->result = result;
	step->error = error;
	if (state == JDG_STEP_COMPLETED)
		note_completed(rs, step);
	jdg_step_happened(rs, step);
	jdg_agenda_ended(rs, step, false);
}

void
jdg_leaf_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, Jsonb *result,
			 Jsonb *error, const char *reason)
{
	rs->r.live--;
	jdg_step_end(rs, step, state, result, error, reason);
}

void
jdg_step_end_quietly(JdgRunState *rs, JdgFlowStep *step, JdgStepState state,
					 const char *reason)
{
	end_row(rs, step, state, reason);
	jdg_step_happened(rs, step);
	if (jdg_step_node(rs, step)->nfollowers > 0)
		jdg_agenda_ended(rs, step, true);
}

void
jdg_skip_subtree(JdgRunState *rs, const JdgFlowNode *node, int64 parent,
				 int64 base)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	for (int i = node->no; i < node->end; i++)
	{
		if (nodes[i].block != node->block)
			continue;
		jdg_step_end_quietly(rs,
							 jdg_step_make(rs, &nodes[i], i == node->no ? parent :
										   jdg_step_place(&nodes[nodes[i].parent], base),
										   base, -1),
							 JDG_STEP_SKIPPED, NULL);
	}
}

void
jdg_skip_unreached(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	for (int i = node->no + 1; i < node->end; i++)
	{
		if (nodes[i].block != node->block ||
			jdg_step_get(rs, jdg_step_place(&nodes[i], base)) != NULL)
			continue;
		jdg_step_end_quietly(rs,
							 jdg_step_make(rs, &nodes[i],
										   jdg_step_place(&nodes[nodes[i].parent], base),
										   base, -1),
							 JDG_STEP_SKIPPED, NULL);
	}
}

void
jdg_step_never(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, "after");
	jdg_skip_unreached(rs, jdg_step_node(rs, step), step->base);
}

const char *
jdg_step_blame(JdgRunState *rs, const JdgFlowStep *child)
{
	const char *name = jdg_step_node(rs, child)->name;

	if (child->reason != NULL && strncmp(child->reason, "step \"", 6) == 0)
		return child->reason;
	switch (child->state)
	{
		case JDG_STEP_TIMED_OUT:
			return psprintf("step \"%s\" timed out", name);
		case JDG_STEP_CANCELLED:
			return psprintf("step \"%s\" was cancelled", name);
		default:
			return psprintf("step \"%s\" failed", name);
	}
}

void
jdg_step_fail_with(JdgRunState *rs, JdgFlowStep *step, const JdgFlowStep *child,
				   Jsonb *result)
{
	jdg_step_end(rs, step, child->state == JDG_STEP_TIMED_OUT ?
				 JDG_STEP_TIMED_OUT : JDG_STEP_FAILED, result, child->error,
				 jdg_step_blame(rs, child));
}

bool
jdg_child_failed(JdgRunState *rs, const JdgFlowStep *child)
{
	return jdg_step_is_bad(child) &&
		jdg_step_node(rs, child)->on_failure != JDG_FAILURE_CONTINUE;
}
