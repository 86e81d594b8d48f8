/*-------------------------------------------------------------------------
 *
 * paths.c
 *	  The steps whose results paths refer to: can those exist by then?
 *
 * Pure.  A path is searched as text for $.steps.NAME and $.steps."NAME"; the
 * rest of it is not interpreted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "flow/graph/names.h"
#include "flow/graph/paths.h"
#include "flow/kind/kind.h"

static const char *
skip_blanks(const char *s)
{
	return s + strspn(s, " \t\n\r\f");
}

/* Past a string in double quotes that begins at "s". */
static const char *
skip_quoted(const char *s)
{
	for (s++; *s && *s != '"'; s++)
	{
		if (*s == '\\' && s[1])
			s++;
	}
	return *s ? s + 1 : s;
}

/*
 * A key at "s", after the dot, quoted or not: sets *key and *len, and returns
 * where it ends.  NULL: there is none, or it has escapes.
 */
static const char *
read_key(const char *s, const char **key, int *len)
{
	const char *end;

	s = skip_blanks(s);
	if (*s == '"')
	{
		end = skip_quoted(s);
		*key = s + 1;
		*len = end - s - 2;
	}
	else
	{
		end = s + strcspn(s, " \t\n\r\f?%$.[]{}()|&!=<>@#,*:-+/\"");
		*key = s;
		*len = end - s;
	}
	if (*len <= 0 || memchr(*key, '\\', *len) != NULL)
		return NULL;
	return end;
}

/*
 * The name in the next $.steps.NAME at or after "s"; returns where to go on,
 * NULL: no more.
 */
static const char *
next_reference(const char *s, const char **name, int *len)
{
	while (*s)
	{
		const char *key;
		const char *end;

		if (*s == '"')
		{
			s = skip_quoted(s);
			continue;
		}
		if (*s++ != '$')
			continue;
		end = skip_blanks(s);
		if (*end != '.')
			continue;
		end = read_key(end + 1, &key, len);
		if (end == NULL || *len != 5 || memcmp(key, "steps", 5) != 0)
			continue;
		s = end;
		end = skip_blanks(end);
		if (*end != '.')
			continue;
		end = read_key(end + 1, name, len);
		/* a name that is called is a method of jsonpath */
		if (end == NULL || *skip_blanks(end) == '(')
			continue;
		return end;
	}
	return NULL;
}

/* Is there a loop around a node, with no each between the two? */
static bool
is_repeated(const JdgFlowGraph *graph, int no)
{
	const JdgFlowNode *nodes = graph->nodes;

	while (no >= 0 && nodes[no].kind->children != JDG_CHILDREN_PASSES &&
		   nodes[no].kind->children != JDG_CHILDREN_ITEMS)
		no = nodes[no].parent;
	return no >= 0 && nodes[no].kind->children == JDG_CHILDREN_PASSES;
}

/* The each between "common" and a node within it; -1: none. */
static int
each_between(const JdgFlowGraph *graph, int common, int no)
{
	while (no != common)
	{
		no = graph->nodes[no].parent;
		if (no != common && graph->nodes[no].kind->children == JDG_CHILDREN_ITEMS)
			return no;
	}
	return -1;
}

/*
 * Why node "reader" cannot see the result of node "of", or NULL.  In the body
 * of a loop, and for its condition, a later node may have finished in the
 * pass before; a part of a flow may still get a loop around it.
 */
static const char *
why_not(const JdgFlowParse *p, int reader, int of)
{
	const JdgFlowGraph *graph = p->graph;
	int			common = jdg_flow_common(graph, reader, of);
	const JdgFlowNode *node = &graph->nodes[common];
	JdgChildren children = node->kind->children;

	if (each_between(graph, common, of) >= 0 ||
		(common == reader && reader != of && children == JDG_CHILDREN_ITEMS))
		return "That node is in the body of an each, where it has one result per item: refer to the each.";
	if (!p->whole ||
		is_repeated(graph, common == reader && reader != of ? common :
					node->parent))
		return NULL;
	if (reader == of)
		return "A node cannot refer to its own result.";
	if (common == of)
		return "That node contains it and ends later.";
	if (common == reader)
		return "It contains that node, which begins later.";
	if (children == JDG_CHILDREN_IN_ORDER && of > reader)
		return "That node comes later in the chain.";
	if (children == JDG_CHILDREN_ONE_OF)
		return "They are in different arms of a branch: only one of them runs.";
	return NULL;
}

/* Refuse a path that refers to a result that cannot exist by then. */
static void
check_path(const JdgFlowParse *p, const JdgFlowPath *path)
{
	const JdgFlowGraph *graph = p->graph;
	const JdgFlowNode *reader = &graph->nodes[path->no];
	const char *s = path->text;
	const char *name = NULL;
	int			len;

	while ((s = next_reference(s, &name, &len)) != NULL)
	{
		int			no = jdg_flow_find_named(graph, name, len);
		const char *why;

		if (no < 0 && !p->whole)
			continue;
		if (no < 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s refers to step \"%s\", which does not exist in the flow",
							jdg_flow_label(reader), pnstrdup(name, len)),
					 errdetail("The path is %s.", jdg_excerpt(path->text))));
		/* a compensation runs when all other steps have ended */
		why = path->undoing ? NULL : why_not(p, path->no, no);
		if (why)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s refers to %s, which cannot have finished",
							jdg_flow_label(reader),
							jdg_flow_label(&graph->nodes[no])),
					 errdetail("%s The path is %s.", why,
							   jdg_excerpt(path->text))));
	}
}

void
jdg_flow_check_paths(JdgFlowParse *p)
{
	for (int i = 0; i < p->npaths; i++)
		check_path(p, &p->paths[i]);
}
