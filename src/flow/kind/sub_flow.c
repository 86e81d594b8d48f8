/*-------------------------------------------------------------------------
 *
 * sub_flow.c
 *	  sub_flow: a run of another flow, or of the same.
 *
 *	{"sub_flow": flow, "version", "payload": {}, "compensate",
 *	 "compensate_retry", "pivot"}
 *
 * Where the payload has paths, its own task fills it in.  The end of the run
 * arrives as a message, see run/request.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "flow/graph/lookup.h"
#include "flow/graph/parse.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/kind/task.h"
#include "flow/run/begin.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/step_task.h"
#include "flow/run/timer.h"
#include "flow/run/value.h"
#include "shared/shmem.h"

/* sub_flows within sub_flows */
#define MAX_DEPTH	32
/* runs that begin in one pass */
#define MAX_RUNS	100000
/* seconds until a run is tried again whose queue may be dropped */
#define BUSY_DELAY	1

static const JdgFlowArg args[] = {
	{"flow", "sub_flow", JDG_FLOW_ARG_TEXT, true},
	{"payload", "payload", JDG_FLOW_ARG_JSONB},
	{"version", "version", JDG_FLOW_ARG_INT},
	JDG_FLOW_ARGS_NAME,
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"compensate", "compensate", JDG_FLOW_ARG_TEXT},
	{"compensate_with", "compensate", JDG_FLOW_ARG_FLOW},
	{"compensate_retry", "compensate_retry", JDG_FLOW_ARG_JSONB},
	{"pivot", "pivot", JDG_FLOW_ARG_BOOL},
	JDG_FLOW_ARGS_AFTER
};

/* checks the command of a compensation too, as enqueue() would */
JDG_FUNCTION(jdg_flow_sub_flow, JDG_LEVEL_USER_READS)
{
	Jsonb	   *flow;
	JdgFlowGraph *graph;
	const JdgFlowNode *node;

	jdg_require_shmem();
	flow = jdg_build_object(fcinfo, &jdg_kind_sub_flow, NULL);
	graph = jdg_flow_parse(flow, false);
	node = &graph->nodes[graph->first_child];
	if (node->compensate)
		jdg_check_command(node->compensate);
	PG_RETURN_JSONB_P(flow);
}

/* ------------------------------------------------------------------ value */

static void
sub_flow_parse(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	node->text = jdg_object_name(o, "sub_flow");
	node->version = jdg_object_int(o, "version", 1, 0);
	node->payload = jdg_object_template(o, "payload", &node->has_paths);
	jdg_parse_compensation(o);
	node->pivot = jdg_object_bool(o, "pivot");
}

static const char *
sub_flow_command(const JdgFlowNode *node)
{
	return node->has_paths ? "SELECT $1 AS input" : NULL;
}

/* Refuse a flow that does not exist, unless it is the flow that is made. */
static void
sub_flow_check(const JdgFlowNode *node, Oid owner, const char *flow)
{
	JdgInternal in;
	int64		id;

	if (flow != NULL && node->version == 0 && strcmp(node->text, flow) == 0)
		return;
	jdg_internal_begin(&in);
	id = jdg_flow_version_find(owner, node->text, node->version);
	jdg_internal_end(&in);
	if (id == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("flow \"%s\" does not exist", node->text),
				 errdetail("Step \"%s\" starts it.", node->name),
				 errhint("Create it first with jadugar.create_flow().")));
}

/* ------------------------------------------------------------------ a run */

/* Set the version to run; returns why it cannot begin, or NULL. */
static Jsonb *
find_version(JdgRunState *rs, const JdgFlowNode *node, int64 *version)
{
	*version = jdg_flow_version_find(rs->r.owner, node->text, node->version);
	if (*version == 0)
		return jdg_flow_error("NOT_FOUND", "the flow does not exist",
							  psprintf("The flow is \"%s\".", node->text));
	if (rs->r.depth + 1 >= MAX_DEPTH)
		return jdg_flow_error("VALIDATION_ERROR",
							  "sub_flows are nested too deep",
							  psprintf("The limit is %d levels.", MAX_DEPTH));
	if (list_length(rs->pass->runs) > MAX_RUNS)
		return jdg_flow_error("VALIDATION_ERROR",
							  "too many sub_flows begin at once",
							  psprintf("The limit is %d.", MAX_RUNS));
	return NULL;
}

/* Make the run; its end ends the step. */
static void
make_run(JdgRunState *rs, JdgFlowStep *step, int64 version, Jsonb *input)
{
	JdgFlowRun	r;
	JdgRunState *child;

	memset(&r, 0, sizeof(r));
	r.owner = rs->r.owner;
	r.version_id = version;
	r.depth = rs->r.depth + 1;
	r.parent_run = rs->r.run_id;
	r.parent_step = step->step_id;
	r.schedule_id = rs->r.schedule_id;
	r.schedule = rs->r.schedule;
	r.scheduled_for = rs->r.scheduled_for;
	r.timezone = rs->r.timezone;
	r.paused_at = rs->r.paused_at;
	r.paused_by = rs->r.paused_by;
	r.input = input;
	r.tenant = rs->r.tenant;
	r.trace = rs->r.trace;
	r.quiet = rs->r.quiet;
	child = jdg_pass_new_run(rs->pass, &r);
	step->child_run = child->r.run_id;
	jdg_step_start_wait(rs, step,
						jdg_step_timeout(rs, jdg_step_node(rs, step)));
	jdg_run_begin(child);
}

/*
 * Make the run, or wait a moment where a session may drop one of its queues:
 * that transaction may stay open, and the lock of this run is held.
 */
static void
begin_run(JdgRunState *rs, JdgFlowStep *step, Jsonb *input)
{
	int64		version;
	Jsonb	   *error = find_version(rs, jdg_step_node(rs, step), &version);

	if (error != NULL)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, error, NULL);
		return;
	}
	switch (jdg_flow_queues_use(&jdg_flow_plan_get(version)->queues, false))
	{
		case JDG_QUEUES_EXIST:
			make_run(rs, step, version, input);
			break;
		case JDG_QUEUES_GONE:
			error = jdg_flow_error("NOT_FOUND",
								   "a queue of the flow no longer exists",
								   NULL);
			jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, error, NULL);
			break;
		case JDG_QUEUES_BUSY:
			step->found = input;
			jdg_step_change(rs, step);
			jdg_step_start_wait(rs, step,
								rs->pass->now + BUSY_DELAY * USECS_PER_SEC);
			break;
	}
}

static void
sub_flow_begin(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (rs->plan->task[step->node] != NULL)
		jdg_step_start_task(rs, step);
	else
		begin_run(rs, step, node->payload ? node->payload : rs->r.input);
}

static void
sub_flow_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	begin_run(rs, step, jdg_json_get(result, "input"));
}

/*
 * Ask the run to end; the step has timed out when that has ended.  Without a
 * run: try again to begin it.
 */
static void
sub_flow_due(JdgRunState *rs, JdgFlowStep *step)
{
	step->due = DT_NOBEGIN;
	if (step->child_run == 0)
	{
		Jsonb	   *input = DatumGetJsonbP(PointerGetDatum(step->found));

		step->found = NULL;
		rs->r.live--;
		jdg_step_change(rs, step);
		begin_run(rs, step, input);
		return;
	}
	step->reason = "timed_out";
	(void) jdg_leaf_cancel(rs, step);
}

/* ------------------------------------------------------------------- text */

static char *
sub_flow_subject(const JdgFlowNode *node, int max)
{
	return node->version > 0 ?
		psprintf("%s, version %d", node->text, node->version) :
		pstrdup(node->text);
}

static char *
sub_flow_waiting_for(const JdgFlowNode *node)
{
	return pstrdup("flow");
}

const JdgKind jdg_kind_sub_flow = {
	.key = "sub_flow",
	.name = "sub_flow",
	.args = args,
	.nargs = lengthof(args),
	.parse = sub_flow_parse,
	.command = sub_flow_command,
	.check = sub_flow_check,
	.begin = sub_flow_begin,
	.found_out = sub_flow_found_out,
	.due = sub_flow_due,
	.subject = sub_flow_subject,
	.options = jdg_explain_task,
	.waiting_for = sub_flow_waiting_for,
	.shape = {"[[", "]]"}
};
