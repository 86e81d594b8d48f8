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

#include "flow/kind/kind.h"
#include "flow/run/explain.h"

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

char *
jdg_explain_line(const char *s, int max)
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

char *
jdg_explain_interval(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out,
											   IntervalPGetDatum(interval)));
}

char *
jdg_explain_json(Jsonb *value, int max)
{
	return jdg_explain_line(JsonbToCString(NULL, &value->root, VARSIZE(value)), max);
}

char *
jdg_flow_node_subject(const JdgFlowNode *node, int max)
{
	return node->kind->subject ? node->kind->subject(node, max) : NULL;
}

/* -------------------------------------------------------- the rows of a run */

/* "12.3 ms", "1.50 s", "1:02:03" */
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

void
jdg_explain_option(StringInfo line, const char *key, const char *value)
{
	if (value == NULL)
		return;
	if (line->len > 0)
		appendStringInfoString(line, ", ");
	appendStringInfo(line, value[0] ? "%s: %s" : "%s", key, value);
}

/* The join, NULL: the default. */
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

/* "after" and "join". */
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
	jdg_explain_option(line, "after", names.data);
	jdg_explain_option(line, "join", join_text(node));
}

static void
put_line(Tree *t, int indent, const char *key, const char *value)
{
	appendStringInfoSpaces(&t->out, indent);
	if (key)
		appendStringInfo(&t->out, "%s: ", key);
	appendStringInfo(&t->out, "%s\n", value);
}

/* The lines below that of a node: options, message, payload, compensation. */
static void
put_options(Tree *t, const JdgFlowNode *node, int indent)
{
	Jsonb	   *payload = node->kind->payload ? node->kind->payload(node) :
	node->payload;
	StringInfoData line;

	initStringInfo(&line);
	after_options(t->graph, node, &line);
	if (node->on_failure != JDG_FAILURE_STOP)
		jdg_explain_option(&line, "on_failure",
						   node->on_failure == JDG_FAILURE_CONTINUE ? "continue" :
						   "compensate");
	if (node->timeout)
		jdg_explain_option(&line, "timeout", jdg_explain_interval(node->timeout));
	if (node->timeout_continues)
		jdg_explain_option(&line, "on_timeout", "continue");
	if (node->kind->options)
		node->kind->options(node, &line);
	if (line.len > 0)
		put_line(t, indent, NULL, line.data);
	if (node->message)
		put_line(t, indent, "message", jdg_explain_line(node->message, MAX_SUBJECT));
	if (payload)
		put_line(t, indent,
				 node->kind->payload_key ? node->kind->payload_key : "payload",
				 jdg_explain_json(payload, MAX_SUBJECT));
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
	appendStringInfoString(&t->out, node->kind->name);
	if (node->named)
		appendStringInfo(&t->out, " %s", node->name);
	if (t->seen)
		append_seen(&t->out, &t->seen[node->no]);
	if (subject)
		appendStringInfo(&t->out, ": %s", subject);
	appendStringInfoChar(&t->out, '\n');
	put_options(t, node, column + 2);
	/* a container has the error of the step that failed in it */
	if (t->seen && t->seen[node->no].error && node->nchildren == 0)
		put_line(t, column + 2, "error",
				 jdg_explain_line(t->seen[node->no].error, MAX_SUBJECT));
	for (int i = 0; i < node->nchildren; i++)
	{
		const char *arrow = "-> ";

		if (node->kind->arms)
			arrow = psprintf("%s -> ", node->kind->arms[i]);
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
