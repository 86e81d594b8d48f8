/*-------------------------------------------------------------------------
 *
 * join.c
 *	  May a node begin, by the states of the nodes in its "after"?
 *
 * All nodes in "after" lie in the same block, so the place of each row is
 * known.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/run/join.h"

typedef struct Parents
{
	int			ended;
	int			succeeded;
	int			failed;
	int			skipped;
} Parents;

static Parents
look_at_parents(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;
	Parents		p = {0};

	for (int i = 0; i < node->nafter; i++)
	{
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(&nodes[node->after[i]],
														 base));

		if (s == NULL || jdg_step_is_open(s))
			continue;
		p.ended++;
		if (s->state == JDG_STEP_COMPLETED)
			p.succeeded++;
		else if (s->state == JDG_STEP_SKIPPED)
			p.skipped++;
		else
			p.failed++;
	}
	return p;
}

JdgReady
jdg_step_ready(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	Parents		p;
	int			left;

	if (node->nafter == 0)
		return JDG_READY_GO;
	p = look_at_parents(rs, node, base);
	left = node->nafter - p.ended;
	switch (node->join)
	{
		case JDG_FLOW_JOIN_ALL_SUCCESS:
			if (p.ended > p.succeeded)
				return JDG_READY_NEVER;
			break;
		case JDG_FLOW_JOIN_ALL_DONE:
			break;
		case JDG_FLOW_JOIN_ANY_SUCCESS:
			if (p.succeeded > 0)
				return JDG_READY_GO;
			return left > 0 ? JDG_READY_WAIT : JDG_READY_NEVER;
		case JDG_FLOW_JOIN_ANY_FAILED:
			if (p.failed > 0)
				return JDG_READY_GO;
			return left > 0 ? JDG_READY_WAIT : JDG_READY_NEVER;
		case JDG_FLOW_JOIN_NONE_FAILED:
			if (p.failed > 0)
				return JDG_READY_NEVER;
			break;
		case JDG_FLOW_JOIN_N:
			if (p.succeeded >= node->join_n)
				return JDG_READY_GO;
			return p.succeeded + left >= node->join_n ? JDG_READY_WAIT :
				JDG_READY_NEVER;
	}
	return left > 0 ? JDG_READY_WAIT : JDG_READY_GO;
}
