/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A flow as an indented tree, see explain.h.
 *
 * Runs in the caller's backend.  Plain ASCII, as EXPLAIN of the server is: a
 * database may have any encoding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "flow/run/explain.h"
#include "flow/run/run.h"

/* commands and conditions are cut to this many bytes */
#define MAX_SUBJECT 120

typedef struct Tree
{
	const JdgFlowGraph *graph;
	const JdgFlowSeen *seen;
	StringInfoData out;
} Tree;

int
jdg_flow_seen_rows(const JdgFlowSeen *seen)
{
	int			n = 0;

	for (int i = 0; i < JDG_STEP_STATES; i++)
		n += seen->rows[i];
	return n;
}

/* White space becomes one space; cut to "max" bytes, 0: not at all. */
static char *
one_line(const char *s, int max)
{
	StringInfoData buf;
	bool		space = false;

	initStringInfo(&buf);
	for (; *s; s++)
	{
		if ((unsigned char) *s <= ' ' || *s == 0x7f)
		{
			space = buf.len > 0;
			continue;
		}
		if (space)
			appendStringInfoChar(&buf, ' ');
		space = false;
		appendStringInfoChar(&buf, *s);
	}
	if (max > 0 && buf.len > max)
	{
		buf.len = pg_mbcliplen(buf.data, buf.len, max - 3);
		buf.data[buf.len] = '\0';
		appendStringInfoString(&buf, "...");
	}
	return buf.data;
}

static char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out,
											   IntervalPGetDatum(interval)));
}

static char *
json_line(Jsonb *value, int max)
{
	return one_line(JsonbToCString(NULL, &value->root, VARSIZE(value)), max);
}

static char *
completion_text(const JdgFlowNode *node)
{
	switch (node->completion)
	{
		case JDG_COMPLETE_ALL:
			return "all";
		case JDG_COMPLETE_ANY:
			return "any";
		case JDG_COMPLETE_N:
			return node->kind == JDG_FLOW_EACH ? psprintf("%d", node->n) :
				psprintf("%d of %d", node->n, node->nchildren);
		case JDG_COMPLETE_ALL_DONE:
			return "all_done";
		case JDG_COMPLETE_BEST_EFFORT:
			return "best_effort";
	}
	return NULL;
}

/* What stands behind the kind and the name; NULL: nothing. */
char *
jdg_flow_node_subject(const JdgFlowNode *node, int max)
{
	switch (node->kind)
	{
		case JDG_FLOW_STEP:
		case JDG_FLOW_BRANCH:
		case JDG_FLOW_EACH:
		case JDG_FLOW_WAIT_EVENT:
		case JDG_FLOW_WAIT_SIGNAL:
			return node->text ? one_line(node->text, max) : NULL;
		case JDG_FLOW_CHAIN:
			return NULL;
		case JDG_FLOW_PARALLEL:
			return node->is_race ? NULL : completion_text(node);
		case JDG_FLOW_LOOP:
			return psprintf("while %s", one_line(node->text, max));
		case JDG_FLOW_SLEEP:
			return node->interval ? interval_text(node->interval) :
				psprintf("until %s", one_line(node->text, max));
		case JDG_FLOW_APPROVAL:
			return node->text ? psprintf("by %s", node->text) : NULL;
		case JDG_FLOW_SUB_FLOW:
			return node->version > 0 ?
				psprintf("%s, version %d", node->text, node->version) :
				pstrdup(node->text);
	}
	return NULL;
}

/* ----------------------------------------------------------- what a run did */

static void
append_duration(StringInfo out, int64 us)
{
	if (us < USECS_PER_SEC)
		appendStringInfo(out, "%.1f ms", us / 1000.0);
	else if (us < USECS_PER_MINUTE)
		appendStringInfo(out, "%.2f s", us / (double) USECS_PER_SEC);
	else
		appendStringInfo(out, "%lld:%02d:%02d",
						 (long long) (us / USECS_PER_HOUR),
						 (int) (us % USECS_PER_HOUR / USECS_PER_MINUTE),
						 (int) (us % USECS_PER_MINUTE / USECS_PER_SEC));
}

static bool
all_skipped(const JdgFlowSeen *seen)
{
	return seen->rows[JDG_STEP_SKIPPED] == jdg_flow_seen_rows(seen);
}

/* " [completed, 2 attempts, 12.3 ms]", " [3 completed, 1 running]" */
static void
append_seen(StringInfo out, const JdgFlowSeen *seen)
{
	int			rows = jdg_flow_seen_rows(seen);
	const char *sep = "";

	if (rows == 0)
		return;
	appendStringInfoString(out, " [");
	for (int i = 0; i < JDG_STEP_STATES; i++)
	{
		if (seen->rows[i] == 0)
			continue;
		appendStringInfoString(out, sep);
		if (rows > 1)
			appendStringInfo(out, "%d ", seen->rows[i]);
		appendStringInfoString(out, jdg_step_state_word(i));
		sep = ", ";
	}
	if (rows == 1 && seen->attempts > 1)
		appendStringInfo(out, ", %d attempts", seen->attempts);
	if (rows == 1 && seen->started_at != DT_NOBEGIN &&
		seen->finished_at != DT_NOBEGIN && !all_skipped(seen))
	{
		appendStringInfoString(out, ", ");
		append_duration(out, seen->finished_at - seen->started_at);
	}
	appendStringInfoChar(out, ']');
}

/* ------------------------------------------------------------------- options */

static void
option(StringInfo line, const char *key, const char *value)
{
	if (value == NULL)
		return;
	if (line->len > 0)
		appendStringInfoString(line, ", ");
	appendStringInfo(line, value[0] ? "%s: %s" : "%s", key, value);
}

static const char *
join_text(const JdgFlowNode *node)
{
	switch (node->join)
	{
		case JDG_FLOW_JOIN_ALL_SUCCESS:
			return NULL;
		case JDG_FLOW_JOIN_ALL_DONE:
			return "all_done";
		case JDG_FLOW_JOIN_ANY_SUCCESS:
			return "any_success";
		case JDG_FLOW_JOIN_ANY_FAILED:
			return "any_failed";
		case JDG_FLOW_JOIN_NONE_FAILED:
			return "none_failed";
		case JDG_FLOW_JOIN_N:
			return psprintf("%d of %d", node->join_n, node->nafter);
	}
	return NULL;
}

static void
after_options(const JdgFlowGraph *g, const JdgFlowNode *node, StringInfo line)
{
	StringInfoData names;

	if (node->nafter == 0)
		return;
	initStringInfo(&names);
	for (int i = 0; i < node->nafter; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? " and " : "",
						 g->nodes[node->after[i]].name);
	option(line, "after", names.data);
	option(line, "join", join_text(node));
}

static void
container_options(const JdgFlowNode *node, StringInfo line)
{
	if (node->concurrency > 0)
		option(line, "concurrency", psprintf("%d", node->concurrency));
	if (node->kind == JDG_FLOW_EACH && node->completion != JDG_COMPLETE_ALL)
		option(line, "completion", completion_text(node));
	if (node->rest_runs)
		option(line, "rest", "run");
	if (node->kind == JDG_FLOW_LOOP)
	{
		option(line, "max", psprintf("%d", node->max));
		if (node->interval)
			option(line, "delay", interval_text(node->interval));
	}
}

static void
task_options(const JdgFlowNode *node, StringInfo line)
{
	option(line, "queue", node->queue);
	if (node->has_priority)
		option(line, "priority", psprintf("%d", node->priority));
	if (node->retry)
		option(line, "retry", json_line(node->retry, 0));
	option(line, "transaction", node->transaction);
	if (node->has_isolate)
		option(line, "isolate", node->isolate ? "true" : "false");
	if (node->settings)
		option(line, "settings", json_line(node->settings, MAX_SUBJECT));
	if (node->metadata)
		option(line, "metadata", json_line(node->metadata, MAX_SUBJECT));
	option(line, "concurrency_key", node->concurrency_key);
	if (node->pivot)
		option(line, "pivot", "");
}

static void
put_line(Tree *t, int indent, const char *key, const char *value)
{
	appendStringInfoSpaces(&t->out, indent);
	if (key)
		appendStringInfo(&t->out, "%s: ", key);
	appendStringInfo(&t->out, "%s\n", value);
}

static void
put_options(Tree *t, const JdgFlowNode *node, int indent)
{
	StringInfoData line;

	initStringInfo(&line);
	after_options(t->graph, node, &line);
	if (node->on_failure != JDG_FAILURE_STOP)
		option(&line, "on_failure",
			   node->on_failure == JDG_FAILURE_CONTINUE ? "continue" :
			   "compensate");
	if (node->timeout)
		option(&line, "timeout", interval_text(node->timeout));
	if (node->timeout_continues)
		option(&line, "on_timeout", "continue");
	container_options(node, &line);
	task_options(node, &line);
	if (line.len > 0)
		put_line(t, indent, NULL, line.data);
	if (node->message)
		put_line(t, indent, "message", one_line(node->message, MAX_SUBJECT));
	if (node->payload)
		put_line(t, indent,
				 node->kind == JDG_FLOW_WAIT_EVENT ? "filter" : "payload",
				 json_line(node->payload, MAX_SUBJECT));
	if (node->compensate)
		put_line(t, indent, "compensate",
				 jdg_flow_node_subject(node->compensate, MAX_SUBJECT));
}

/* --------------------------------------------------------------------- tree */

/* The line of a node and those of its subtree; its text begins at "column". */
static void
put_node(Tree *t, const JdgFlowNode *node, int column)
{
	char	   *subject = jdg_flow_node_subject(node, MAX_SUBJECT);

	check_stack_depth();
	appendStringInfoString(&t->out, jdg_flow_kind_name(node));
	if (node->named)
		appendStringInfo(&t->out, " %s", node->name);
	if (t->seen)
		append_seen(&t->out, &t->seen[node->no]);
	if (subject)
		appendStringInfo(&t->out, ": %s", subject);
	appendStringInfoChar(&t->out, '\n');
	put_options(t, node, column + 2);
	for (int i = 0; i < node->nchildren; i++)
	{
		const char *arrow = "-> ";

		if (node->kind == JDG_FLOW_BRANCH)
			arrow = i == 0 ? "yes -> " : "no -> ";
		appendStringInfoSpaces(&t->out, column + 2);
		appendStringInfoString(&t->out, arrow);
		put_node(t, &t->graph->nodes[node->children[i]],
				 column + 2 + strlen(arrow));
	}
}

char *
jdg_flow_explain_text(const JdgFlowGraph *graph, const JdgFlowSeen *seen)
{
	Tree		t = {graph, seen};

	initStringInfo(&t.out);
	put_node(&t, &graph->nodes[graph->first_child], 0);
	/* psql ends the last line itself */
	t.out.data[--t.out.len] = '\0';
	return t.out.data;
}
