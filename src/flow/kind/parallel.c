/*-------------------------------------------------------------------------
 *
 * parallel.c
 *	  parallel: its children at once; race: the first success wins.
 *
 *	{"parallel": [node, ...], "n", "concurrency", "rest": "cancel|run",
 *	 "completion": "all|any|n_of_m|all_done|best_effort"}
 *	{"race": [node, ...], "rest"}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/json.h"
#include "flow/graph/names.h"
#include "flow/graph/parse.h"
#include "flow/kind/build.h"
#include "flow/kind/group.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/begin.h"
#include "flow/run/end.h"
#include "flow/run/fork.h"
#include "flow/run/mermaid.h"
#include "flow/run/resume.h"

static const JdgFlowArg parallel_args[] = {
	{"steps", "parallel", JDG_FLOW_ARG_FLOWS, true},
	{"completion", "completion", JDG_FLOW_ARG_TEXT},
	{"n", "n", JDG_FLOW_ARG_INT},
	{"concurrency", "concurrency", JDG_FLOW_ARG_INT},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"rest", "rest", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

static const JdgFlowArg race_args[] = {
	{"steps", "race", JDG_FLOW_ARG_FLOWS, true},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"rest", "rest", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_parallel);

Datum
jdg_flow_parallel(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_parallel);
}

PG_FUNCTION_INFO_V1(jdg_flow_race);

Datum
jdg_flow_race(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_race);
}

PG_FUNCTION_INFO_V1(jdg_flow_and);

Datum
jdg_flow_and(PG_FUNCTION_ARGS)
{
	return jdg_build_operator(fcinfo, "&", &jdg_kind_parallel, false);
}

PG_FUNCTION_INFO_V1(jdg_flow_or);

Datum
jdg_flow_or(PG_FUNCTION_ARGS)
{
	return jdg_build_operator(fcinfo, "|", &jdg_kind_race, false);
}

static void
parallel_parse(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	jdg_parse_completion(o);
	jdg_parse_rest(o);
	jdg_parse_children(o, "parallel");
	if (node->n > node->nchildren)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid \"n\" for %s", jdg_flow_label(node)),
				 errdetail("Children: %d, \"n\": %d.", node->nchildren,
						   node->n)));
}

static void
race_parse(JdgFlowObject *o)
{
	o->node->completion = JDG_COMPLETE_ANY;
	jdg_parse_rest(o);
	jdg_parse_children(o, "race");
}

static const JdgFlowNode *
child_node(JdgRunState *rs, const JdgFlowStep *step, int i)
{
	return &rs->plan->graph->nodes[jdg_step_node(rs, step)->children[i]];
}

static JdgFlowStep *
child_row(JdgRunState *rs, const JdgFlowStep *step, int i)
{
	return jdg_step_get(rs, jdg_step_place(child_node(rs, step, i),
										   step->base));
}

/* ------------------------------------------------------------------ a run */

/*
 * Begin one more child, then check for room again: a child that has to wait
 * takes none.
 */
static void
parallel_fill(JdgRunState *rs, JdgFlowStep *step, void *arg)
{
	int			i = step->started;

	if (!jdg_group_has_room(jdg_step_node(rs, step), step))
		return;
	step->started++;
	jdg_step_change(rs, step);
	jdg_node_begin(rs, child_node(rs, step, i), step->step_id, step->base, i,
				   NULL);
	jdg_agenda_put(rs, JDG_ACT_FILL, step, NULL);
}

static void
parallel_begin(JdgRunState *rs, JdgFlowStep *step)
{
	parallel_fill(rs, step, NULL);
}

/* The results of children that have a name.  NULL: they are too large. */
static Jsonb *
named_results(JdgRunState *rs, JdgFlowStep *step)
{
	JsonbParseState *st;
	Size		size = 0;

	jdg_json_begin(&st);
	for (int i = 0; i < step->started; i++)
	{
		const JdgFlowNode *child = child_node(rs, step, i);
		JdgFlowStep *s;

		if (!child->named)
			continue;
		s = child_row(rs, step, i);
		if (s != NULL && s->state == JDG_STEP_COMPLETED &&
			!jdg_group_push(&st, child->name, s->result, &size))
			return NULL;
	}
	return jdg_json_finish(&st);
}

/* Once it is decided, children that have not begun are skipped. */
static void
parallel_child_ended(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child,
					 bool bad)
{
	if (jdg_group_count(rs, step, child, bad) == JDG_VERDICT_OPEN)
	{
		parallel_fill(rs, step, NULL);
		return;
	}
	for (int i = step->started; i < step->total; i++)
		jdg_skip_subtree(rs, child_node(rs, step, i), step->step_id,
						 step->base);
	jdg_group_decided(rs, step, child);
}

static void
parallel_conclude(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child)
{
	JdgVerdict	verdict = jdg_group_verdict(jdg_step_node(rs, step), step);
	Jsonb	   *result = named_results(rs, step);

	if (result == NULL && verdict == JDG_VERDICT_SUCCESS)
		verdict = JDG_VERDICT_TOO_LARGE;
	jdg_group_end(rs, step, child, verdict, result);
}

/* The winner's result is that of the race. */
static void
race_conclude(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child)
{
	JdgVerdict	verdict = jdg_group_verdict(jdg_step_node(rs, step), step);

	jdg_group_end(rs, step, child, verdict,
				  verdict == JDG_VERDICT_SUCCESS ? child->result :
				  named_results(rs, step));
}

static void
parallel_resume(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	step->ended = step->succeeded = step->failed = step->waiting = 0;
	for (int i = step->started; i < step->total; i++)
		jdg_resume_forget(rs, child_node(rs, step, i), step->base);
	for (int i = 0; i < step->started; i++)
		jdg_group_resume_child(rs, step, child_node(rs, step, i),
							   child_row(rs, step, i), i, skip);
	jdg_group_resumed(rs, step);
}

/* Children that have completed are as they were, the others begin again. */
static void
parallel_fork(JdgFork *f, JdgFlowStep *step, int path)
{
	for (int i = 0; i < step->total; i++)
	{
		const JdgFlowNode *child = child_node(f->rs, step, i);

		if (i == path || !jdg_fork_has_completed(f, child))
			continue;
		jdg_fork_copy(f, child);
		step->ended++;
		step->succeeded++;
	}
	step->started = step->total;
	jdg_fork_into(f, child_node(f->rs, step, path), path);
	for (int i = 0; i < step->total; i++)
	{
		const JdgFlowNode *child = child_node(f->rs, step, i);

		if (i != path && !jdg_fork_has_completed(f, child))
			jdg_node_begin(f->rs, child, step->step_id, 0, i, NULL);
	}
}

/* ------------------------------------------------------------------- text */

static char *
parallel_subject(const JdgFlowNode *node, int max)
{
	return jdg_group_completion(node, psprintf("%d of %d", node->n,
											   node->nchildren));
}

/* A box where it forks, and one where it joins. */
static void
draw_group(JdgChart *c, const JdgFlowNode *node, int depth, const char *joins)
{
	char	   *joint = psprintf("n%dj", node->no);
	JdgChartExit fork = {psprintf("n%d", node->no), NULL};

	jdg_chart_shape(c, node, depth, "[/", "\\]");
	jdg_chart_children(c, node, depth);
	jdg_chart_line(c, depth);
	appendStringInfo(&c->out, "%s[\\\"%s\"/]\n", joint, joins);
	for (int i = 0; i < node->nchildren; i++)
	{
		const JdgFlowNode *child = &c->graph->nodes[node->children[i]];

		jdg_chart_arrow(c, depth, &fork, jdg_chart_entry(c, child));
		jdg_chart_lead_on(c, child, joint, depth);
	}
}

static void
parallel_draw(JdgChart *c, const JdgFlowNode *node, int depth)
{
	draw_group(c, node, depth, "join");
}

static void
race_draw(JdgChart *c, const JdgFlowNode *node, int depth)
{
	draw_group(c, node, depth, "first");
}

static List *
parallel_exits(const JdgChart *c, const JdgFlowNode *node)
{
	return jdg_chart_add_exit(NIL, psprintf("n%dj", node->no), NULL);
}

const JdgKind jdg_kind_parallel = {
	.key = "parallel",
	.name = "parallel",
	.children = JDG_CHILDREN_AT_ONCE,
	.args = parallel_args,
	.nargs = lengthof(parallel_args),
	.parse = parallel_parse,
	.begin = parallel_begin,
	.child_ended = parallel_child_ended,
	.fill = parallel_fill,
	.conclude = parallel_conclude,
	.resume = parallel_resume,
	.fork = parallel_fork,
	.subject = parallel_subject,
	.options = jdg_group_options,
	.draw = parallel_draw,
	.exits = parallel_exits
};

const JdgKind jdg_kind_race = {
	.key = "race",
	.name = "race",
	.children = JDG_CHILDREN_AT_ONCE,
	.args = race_args,
	.nargs = lengthof(race_args),
	.parse = race_parse,
	.begin = parallel_begin,
	.child_ended = parallel_child_ended,
	.fill = parallel_fill,
	.conclude = race_conclude,
	.resume = parallel_resume,
	.fork = parallel_fork,
	.options = jdg_group_options,
	.draw = race_draw,
	.exits = parallel_exits
};
