/*-------------------------------------------------------------------------
 *
 * end.c
 *	  A node ends: what its container, and what waits for it, make of that.
 *
 * Runs where runs are advanced, see run.h.  Ends are noted and told one after
 * the other, so a chain of ten thousand steps that end at once needs no more
 * stack than one of two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/fault.h"
#include "base/json.h"
#include "flow/kind/kind.h"
#include "flow/run/run.h"

static void
note_end(JdgRunState *rs, JdgFlowStep *step, bool quietly)
{
	JdgAdvance *adv = rs->adv;

	if (adv->nended == adv->room_ended)
	{
		adv->room_ended = Max(64, adv->room_ended * 2);
		adv->ended = adv->ended == NULL ?
			palloc(sizeof(JdgEnded) * adv->room_ended) :
			repalloc_huge(adv->ended, sizeof(JdgEnded) * adv->room_ended);
	}
	adv->ended[adv->nended].rs = rs;
	adv->ended[adv->nended].step = step;
	adv->ended[adv->nended++].quietly = quietly;
}

/* It has completed: is there something to undo, or no more to undo? */
static void
note_completed(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (node->pivot)
	{
		rs->r.pivoted = true;
	}
	if (node->compensate == NULL && !step->undoable)
		return;
	step->prev_done = rs->r.last_done;
	rs->r.last_done = step->step_id;
}

static void
end_row(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, const char *reason)
{
	step->state = state;
	step->finished_at = rs->adv->now;
	step->due = DT_NOBEGIN;
	step->event = NULL;
	step->reason = unconstify(char *, reason);
	jdg_step_change(rs, step);
}

/*
 * A node has ended.  result, error and reason may be NULL; "reason" says in
 * a word or a sentence why it ended so.
 */
void
jdg_step_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, Jsonb *result,
			 Jsonb *error, const char *reason)
{
	end_row(rs, step, state, reason);
	step->result = result;
	step->error = error;
	if (state == JDG_STEP_COMPLETED)
		note_completed(rs, step);
	note_end(rs, step, false);
}

/* The same for what was counted as under way. */
void
jdg_leaf_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state, Jsonb *result,
			 Jsonb *error, const char *reason)
{
	rs->r.live--;
	jdg_step_end(rs, step, state, result, error, reason);
}

/* Its container has ended it; what waits for it is still to be told. */
void
jdg_step_end_quietly(JdgRunState *rs, JdgFlowStep *step, JdgStepState state,
					 const char *reason)
{
	end_row(rs, step, state, reason);
	if (jdg_step_node(rs, step)->nfollowers > 0)
		note_end(rs, step, true);
}

/*
 * A node that is not come to, with all that is in it, but for the bodies of
 * each and loop, which have no rows before they begin.
 */
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

/*
 * What a node that has ended has not come to.  Others may wait for just that
 * ("after").
 */
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

/* What it comes after has ended so that it never begins. */
void
jdg_step_never(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, "after");
	jdg_skip_unreached(rs, jdg_step_node(rs, step), step->base);
}

bool
jdg_step_is_bad(const JdgFlowStep *step)
{
	return step->state == JDG_STEP_FAILED ||
		step->state == JDG_STEP_TIMED_OUT ||
		step->state == JDG_STEP_CANCELLED;
}

/* How a container says that a child has brought it down. */
static const char *
blame(JdgRunState *rs, const JdgFlowStep *child)
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

/* A child has brought its container down. */
void
jdg_step_fail_with(JdgRunState *rs, JdgFlowStep *step, const JdgFlowStep *child,
				   Jsonb *result)
{
	jdg_step_end(rs, step, child->state == JDG_STEP_TIMED_OUT ?
				 JDG_STEP_TIMED_OUT : JDG_STEP_FAILED, result, child->error,
				 blame(rs, child));
}

static void
container_told(JdgRunState *rs, JdgFlowStep *child)
{
	const JdgFlowNode *node = jdg_step_node(rs, child);
	JdgFlowStep *step;
	bool		bad;

	if (rs->r.status != JDG_FLOW_STATUS_RUNNING)
		return;
	if (child->parent < 0)
	{
		jdg_run_root_ended(rs, child);
		return;
	}
	step = jdg_step_get(rs, child->parent);
	if (step == NULL)
		elog(ERROR, "step " INT64_FORMAT " of flow run " INT64_FORMAT " has no container",
			 child->step_id, rs->r.run_id);
	if (step->state != JDG_STEP_RUNNING)
		return;					/* decided: it was the rest */
	bad = jdg_step_is_bad(child) && node->on_failure != JDG_FAILURE_CONTINUE;
	if (bad && node->on_failure == JDG_FAILURE_COMPENSATE)
	{
		jdg_run_fail(rs, child->state == JDG_STEP_TIMED_OUT ?
					 JDG_FLOW_STATUS_TIMED_OUT : JDG_FLOW_STATUS_FAILED, child->error,
					 blame(rs, child));
		return;
	}
	jdg_step_node(rs, step)->kind->child_ended(rs, step, child, bad);
}

/* Those whose "after" names it. */
static void
followers_told(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	for (int i = 0; i < node->nfollowers; i++)
	{
		const JdgFlowNode *f = &rs->plan->graph->nodes[node->followers[i]];
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(f, step->base));
		JdgReady	ready;

		if (s == NULL || s->state != JDG_STEP_WAITING)
			continue;
		ready = jdg_step_ready(rs, f, step->base);
		if (ready == JDG_READY_WAIT)
			continue;
		if (s->parent >= 0)
		{
			JdgFlowStep *container = jdg_step_get(rs, s->parent);

			container->waiting--;
			jdg_step_change(rs, container);
		}
		if (ready == JDG_READY_GO)
			jdg_step_start(rs, s);
		else
			jdg_step_never(rs, s);
	}
}

/* Tell what has been noted, and what comes of it, until nothing is left. */
void
jdg_tell_containers(JdgAdvance *adv)
{
	while (adv->ntold < adv->nended)
	{
		JdgEnded	e = adv->ended[adv->ntold++];

		CHECK_FOR_INTERRUPTS();
		if (jdg_step_node(e.rs, e.step)->nfollowers > 0 &&
			e.rs->r.status == JDG_FLOW_STATUS_RUNNING)
			followers_told(e.rs, e.step);
		if (!e.quietly)
			container_told(e.rs, e.step);
	}
	JDG_FAULT("flow-told");
}
