/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  chain: its children one after the other.
 *
 *	{"chain": [node, ...]}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/graph/parse.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/run/begin.h"
#include "flow/run/end.h"
#include "flow/run/fork.h"
#include "flow/run/mermaid.h"
#include "flow/run/resume.h"

static const JdgFlowArg args[] = {
	{"steps", "chain", JDG_FLOW_ARG_FLOWS, true},
	JDG_FLOW_ARGS_NAME,
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_chain);

Datum
jdg_flow_chain(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_chain);
}

PG_FUNCTION_INFO_V1(jdg_flow_then);

Datum
jdg_flow_then(PG_FUNCTION_ARGS)
{
	return jdg_build_operator(fcinfo, "~>", &jdg_kind_chain, true);
}

static void
chain_parse(JdgFlowObject *o)
{
	jdg_parse_children(o, "chain");
}

static const JdgFlowNode *
child_node(JdgRunState *rs, const JdgFlowStep *step, int i)
{
	return &rs->plan->graph->nodes[jdg_step_node(rs, step)->children[i]];
}

/* ------------------------------------------------------------------ a run */

static void
begin_child(JdgRunState *rs, JdgFlowStep *step, int i)
{
	jdg_node_begin(rs, child_node(rs, step, i), step->step_id, step->base, i,
				   NULL);
}

static void
chain_begin(JdgRunState *rs, JdgFlowStep *step)
{
	begin_child(rs, step, 0);
}

/* The next child begins; a failure skips the remaining ones. */
static void
chain_child_ended(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child,
				  bool bad)
{
	int			next = child->idx + 1;

	if (bad)
	{
		for (; next < step->total; next++)
			jdg_skip_subtree(rs, child_node(rs, step, next), step->step_id,
							 step->base);
		jdg_step_fail_with(rs, step, child, NULL);
	}
	else if (next < step->total)
		begin_child(rs, step, next);
	else
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, child->result, NULL, NULL);
}

/* From the first child that is not done. */
static void
chain_resume(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	for (int i = 0; i < step->total; i++)
	{
		const JdgFlowNode *child = child_node(rs, step, i);
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(child, step->base));

		if (s != NULL && jdg_resume_is_done(child, s, skip))
			continue;
		for (int k = i + 1; k < step->total; k++)
			jdg_resume_forget(rs, child_node(rs, step, k), step->base);
		if (s != NULL)
		{
			s->idx = i;
			jdg_resume_step(rs, s, skip);
		}
		else
			jdg_resume_begin(rs, jdg_step_make(rs, child, step->step_id,
											   step->base, i));
		return;
	}
	/* all were done, but the chain had been cancelled */
	jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
}

/* Earlier children are copied; later ones have not been reached. */
static void
chain_fork(JdgFork *f, JdgFlowStep *step, int path)
{
	for (int i = 0; i < path; i++)
		jdg_fork_copy(f, child_node(f->rs, step, i));
	jdg_fork_into(f, child_node(f->rs, step, path), path);
}

/* ---------------------------------------------------------------- Mermaid */

static void
chain_draw(JdgChart *c, const JdgFlowNode *node, int depth)
{
	const JdgFlowNode *nodes = c->graph->nodes;

	jdg_chart_children(c, node, depth);
	for (int i = 1; i < node->nchildren; i++)
		jdg_chart_lead_on(c, &nodes[node->children[i - 1]],
						  jdg_chart_entry(c, &nodes[node->children[i]]),
						  depth);
}

static char *
chain_entry(const JdgChart *c, const JdgFlowNode *node)
{
	return jdg_chart_entry(c, &c->graph->nodes[node->children[0]]);
}

static List *
chain_exits(const JdgChart *c, const JdgFlowNode *node)
{
	int			last = node->children[node->nchildren - 1];

	return jdg_chart_exits(c, &c->graph->nodes[last]);
}

const JdgKind jdg_kind_chain = {
	.key = "chain",
	.name = "chain",
	.children = JDG_CHILDREN_IN_ORDER,
	.args = args,
	.nargs = lengthof(args),
	.parse = chain_parse,
	.begin = chain_begin,
	.child_ended = chain_child_ended,
	.resume = chain_resume,
	.fork = chain_fork,
	.draw = chain_draw,
	.entry = chain_entry,
	.exits = chain_exits
};
