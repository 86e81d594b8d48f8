/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  A row has ended: other nodes react, see notify.h.
 *
 * In a run that is ending no node does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/end.h"
#include "flow/run/ending.h"
#include "flow/run/notify.h"

void
jdg_step_ended(JdgRunState *rs, JdgFlowStep *step, bool quietly)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (rs->r.status != JDG_FLOW_STATUS_RUNNING)
		return;
	for (int i = 0; i < node->nfollowers; i++)
	{
		const JdgFlowNode *f = &rs->plan->graph->nodes[node->followers[i]];
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(f, step->base));

		if (s != NULL && s->state == JDG_STEP_WAITING)
			jdg_agenda_put(rs, JDG_ACT_RECHECK, s, NULL);
	}
	if (!quietly)
		jdg_agenda_put(rs, JDG_ACT_NOTIFY, step, NULL);
}

void
jdg_container_notify(JdgRunState *rs, JdgFlowStep *child)
{
	JdgFlowStep *step;
	bool		bad = jdg_child_failed(rs, child);

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
		return;					/* a group that has been decided */
	if (bad && jdg_step_node(rs, child)->on_failure == JDG_FAILURE_COMPENSATE)
		jdg_run_fail(rs, child->state == JDG_STEP_TIMED_OUT ?
					 JDG_FLOW_STATUS_TIMED_OUT : JDG_FLOW_STATUS_FAILED,
					 child->error, jdg_step_blame(rs, child));
	else
		jdg_step_node(rs, step)->kind->child_ended(rs, step, child, bad);
}
