/*-------------------------------------------------------------------------
 *
 * branch.c
 *	  branch: one of two, by a condition.
 *
 *	{"branch": condition, "then": node, "else": node}
 *
 * Its own task evaluates the condition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "flow/graph/parse.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/run/begin.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/fork.h"
#include "flow/run/mermaid.h"
#include "flow/run/resume.h"
#include "flow/run/step_task.h"
#include "flow/run/value.h"

static const JdgFlowArg args[] = {
	{"condition", "branch", JDG_FLOW_ARG_TEXT, true},
	{"if_true", "then", JDG_FLOW_ARG_FLOW, true},
	{"if_false", "else", JDG_FLOW_ARG_FLOW},
	JDG_FLOW_ARGS_NAME,
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	JDG_FLOW_ARGS_AFTER
};

static const char *const arms[] = {"yes", "no"};

PG_FUNCTION_INFO_V1(jdg_flow_branch);

Datum
jdg_flow_branch(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_branch);
}

static void
branch_parse(JdgFlowObject *o)
{
	o->node->text = jdg_object_condition(o, "branch");
	jdg_parse_child(o, "then", false);
	if (jdg_object_has(o, "else"))
		jdg_parse_child(o, "else", false);
}

static const JdgFlowNode *
child_node(JdgRunState *rs, const JdgFlowStep *step, int i)
{
	return &rs->plan->graph->nodes[jdg_step_node(rs, step)->children[i]];
}

/* ------------------------------------------------------------------ a run */

/* Skip the other arm and begin this one, if it exists. */
static void
branch_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	bool		yes = jdg_json_get_bool(result, "ok");
	int			taken = yes ? 0 : 1;

	step->found = jdg_flow_bool(yes);
	for (int i = 0; i < step->total; i++)
	{
		if (i != taken)
			jdg_skip_subtree(rs, child_node(rs, step, i), step->step_id,
							 step->base);
	}
	if (taken < step->total)
		jdg_node_begin(rs, child_node(rs, step, taken), step->step_id,
					   step->base, taken, NULL);
	else
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
}

static void
branch_child_ended(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child,
				   bool bad)
{
	if (bad)
		jdg_step_fail_with(rs, step, child, NULL);
	else
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, child->result, NULL, NULL);
}

/* From the arm that was taken, or from the condition. */
static void
branch_resume(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	for (int i = 0; i < step->total; i++)
	{
		const JdgFlowNode *child = child_node(rs, step, i);
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(child, step->base));

		if (s == NULL || s->state == JDG_STEP_SKIPPED)
			continue;
		s->idx = i;
		if (jdg_resume_is_done(child, s, skip))
			jdg_step_end(rs, step, JDG_STEP_COMPLETED, s->result, NULL, NULL);
		else
			jdg_resume_step(rs, s, skip);
		return;
	}
	/* the condition was not evaluated yet, or failed */
	for (int i = 0; i < step->total; i++)
		jdg_resume_forget(rs, child_node(rs, step, i), step->base);
	jdg_step_start(rs, step);
}

/* The condition is not evaluated again. */
static void
branch_fork(JdgFork *f, JdgFlowStep *step, int path)
{
	JdgFlowStep *old = jdg_step_get(f->from, step->step_id);

	step->found = old ? old->found : NULL;
	for (int i = 0; i < step->total; i++)
	{
		if (i != path)
			jdg_fork_copy(f, child_node(f->rs, step, i));
	}
	jdg_fork_into(f, child_node(f->rs, step, path), path);
}

/* ------------------------------------------------------------------- text */

static char *
branch_subject(const JdgFlowNode *node, int max)
{
	return jdg_explain_line(node->text, max);
}

/* A rhombus with an arrow to each arm. */
static void
branch_draw(JdgChart *c, const JdgFlowNode *node, int depth)
{
	jdg_chart_shape(c, node, depth, "{", "}");
	jdg_chart_children(c, node, depth);
	for (int i = 0; i < node->nchildren; i++)
	{
		JdgChartExit side = {psprintf("n%d", node->no), arms[i]};

		jdg_chart_arrow(c, depth, &side,
						jdg_chart_entry(c, &c->graph->nodes[node->children[i]]));
	}
}

/* Those of both arms; the branch itself where there is one arm only. */
static List *
branch_exits(const JdgChart *c, const JdgFlowNode *node)
{
	List	   *exits = NIL;

	for (int i = 0; i < node->nchildren; i++)
		exits = list_concat(exits,
							jdg_chart_exits(c, &c->graph->nodes[node->children[i]]));
	if (node->nchildren == 1)
		exits = jdg_chart_add_exit(exits, psprintf("n%d", node->no), arms[1]);
	return exits;
}

const JdgKind jdg_kind_branch = {
	.key = "branch",
	.name = "branch",
	.children = JDG_CHILDREN_ONE_OF,
	.args = args,
	.nargs = lengthof(args),
	.parse = branch_parse,
	.command = jdg_condition_command,
	.hint = JDG_CONDITION_HINT,
	.begin = jdg_step_start_task,
	.found_out = branch_found_out,
	.child_ended = branch_child_ended,
	.resume = branch_resume,
	.fork = branch_fork,
	.subject = branch_subject,
	.arms = arms,
	.draw = branch_draw,
	.exits = branch_exits
};
