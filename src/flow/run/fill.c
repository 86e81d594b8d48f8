/*-------------------------------------------------------------------------
 *
 * fill.c
 *	  Templates: paths in them are replaced by the values they find, see
 *	  fill.h.
 *
 * Runs in workers, for tasks of steps; and in each process in which steps
 * begin, under the lock of the run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"
#include "utils/memutils.h"

#include "base/json.h"
#include "base/jsonfields.h"
#include "flow/graph/names.h"
#include "flow/graph/plain_path.h"
#include "flow/graph/texts.h"
#include "flow/run/fill.h"
#include "flow/run/results.h"
#include "flow/run/value.h"

/* bytes that paths may find in a pass: an event is hardly larger */
#define FOUND_MAX (1024 * 1024)

/* --------------------------------------------------------- a template */

typedef struct Filling
{
	Jsonb	   *data;
	bool		silent;			/* a path that fails finds null */
	Size		found;			/* bytes that paths have found */
	Size		most;			/* the same at most; more: the result is NULL */
} Filling;

/* The first thing that a path finds, or null. */
static Jsonb *
find_first(Filling *f, const JsonbValue *path)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		found;
	JsonbValue	v;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(f->data);
	fcinfo->args[1].value =
		DirectFunctionCall1(jsonpath_in,
							CStringGetDatum(pnstrdup(path->val.string.val,
													 path->val.string.len)));
	fcinfo->args[2].value = JsonbPGetDatum(jdg_json_empty());
	fcinfo->args[3].value = BoolGetDatum(f->silent);
	for (int i = 0; i < 4; i++)
		fcinfo->args[i].isnull = false;
	found = jsonb_path_query_first(fcinfo);
	if (!fcinfo->isnull)
		return DatumGetJsonbP(found);
	v.type = jbvNull;
	return JsonbValueToJsonb(&v);
}

/* Put a value in the place of its path. */
static void
push_found(JsonbParseState **st, JsonbIteratorToken tok, Jsonb *found)
{
	JsonbValue	v;

	if (JB_ROOT_IS_SCALAR(found))
		(void) JsonbExtractScalar(&found->root, &v);
	else
	{
		v.type = jbvBinary;
		v.val.binary.data = &found->root;
		v.val.binary.len = VARSIZE(found) - VARHDRSZ;
	}
	(void) pushJsonbValue(st, tok, &v);
}

static Jsonb *
fill(Filling *f, Jsonb *template)
{
	JsonbIterator *it = JsonbIteratorInit(&template->root);
	JsonbParseState *st = NULL;
	JsonbIteratorToken tok;
	JsonbValue	v;
	JsonbValue *res = NULL;

	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		bool		is_string = (tok == WJB_VALUE || tok == WJB_ELEM) &&
		v.type == jbvString && v.val.string.len > 0 &&
		v.val.string.val[0] == '$';

		if (is_string && jdg_flow_is_path(v.val.string.val, v.val.string.len))
		{
			Jsonb	   *found = find_first(f, &v);

			f->found += VARSIZE(found);
			if (f->found > f->most)
				return NULL;
			if (JB_ROOT_IS_SCALAR(template))
				return found;	/* the payload is a path */
			push_found(&st, tok, found);
			continue;
		}
		if (is_string && v.val.string.len > 1 && v.val.string.val[1] == '$')
		{
			v.val.string.val++;
			v.val.string.len--;
		}
		res = pushJsonbValue(&st, tok,
							 tok < WJB_BEGIN_ARRAY ||
							 (tok == WJB_BEGIN_ARRAY && v.val.array.rawScalar) ?
							 &v : NULL);
	}
	return JsonbValueToJsonb(res);
}

Jsonb *
jdg_fill_in(Jsonb *template, Jsonb *data)
{
	Filling		f = {.data = data,.most = MaxAllocSize};

	return fill(&f, template);
}

/* ---------------------------------------------------- the data in a pass */

/* A block around a step, and the row of the each or loop whose body it is. */
typedef struct Block
{
	int			root;			/* number of its node */
	int64		base;
	JdgFlowStep *first;			/* row of its root */
	JdgFlowStep *container;		/* NULL: it is the root block */
} Block;

static void
set_block(JdgRunState *rs, Block *b, int root, int64 base)
{
	b->root = root;
	b->base = base;
	b->first = jdg_step_get(rs, base);
	b->container = root == 0 ? NULL : jdg_step_get(rs, b->first->parent);
}

static void
own_block(JdgRunState *rs, const JdgFlowStep *step, Block *b)
{
	set_block(rs, b, jdg_step_node(rs, step)->block, step->base);
}

/* The block around a block; false: it is the root block. */
static bool
next_block(JdgRunState *rs, Block *b)
{
	if (b->container == NULL)
		return false;
	set_block(rs, b, jdg_step_node(rs, b->container)->block,
			  b->container->base);
	return true;
}

/* The result of a node in a block at this base; NULL: it has none. */
static Jsonb *
result_at(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	const JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(node, base));

	return s != NULL && jdg_flow_has_result(s) ? jdg_step_jsonb(s->result) :
		NULL;
}

/* The result of a node that a step sees, as data.c finds it. */
static Jsonb *
find_result(JdgRunState *rs, const JdgFlowStep *step, const JdgFlowNode *node)
{
	Block		b;
	Jsonb	   *result;

	own_block(rs, step, &b);
	while (b.root != node->block)
	{
		if (!next_block(rs, &b))
			return NULL;
	}
	result = result_at(rs, node, b.base);
	/* of a loop, after its first pass */
	if (result == NULL && b.container != NULL &&
		b.container->child_base == b.base && b.container->prev_base >= 0)
		result = result_at(rs, node, b.container->prev_base);
	return result;
}

/* Adds item and index of the innermost each.  Returns the number of fields. */
static int
add_item(JdgRunState *rs, const JdgFlowStep *step, JdgJsonField *field)
{
	Block		b;
	JsonbValue	v;

	own_block(rs, step, &b);
	while (b.container == NULL || b.first->item == NULL)
	{
		if (!next_block(rs, &b))
			return 0;
	}
	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(b.first->idx);
	field[0] = (JdgJsonField)
	{
		.key = "item",.len = 4,.value = jdg_step_jsonb(b.first->item)
	};
	field[1] = (JdgJsonField)
	{
		.key = "index",.len = 5,.value = JsonbValueToJsonb(&v)
	};
	return 2;
}

/* Adds the result of a step that a path begins with, once. */
static void
add_result(JdgRunState *rs, const JdgFlowStep *step, const JsonbValue *path,
		   JdgFlowResults *results)
{
	const JdgFlowGraph *graph = rs->plan->graph;
	const char *name;
	int			len;
	int			no;
	Jsonb	   *result;

	if (!jdg_path_is_plain(pnstrdup(path->val.string.val, path->val.string.len),
						   &name, &len) || name == NULL)
		return;
	no = jdg_flow_find_named(graph, name, len);
	for (int i = 0; i < results->n; i++)
	{
		if (no >= 0 && results->field[i].key == graph->nodes[no].name)
			return;
	}
	result = no < 0 ? NULL : find_result(rs, step, &graph->nodes[no]);
	if (result != NULL)
		jdg_flow_results_append(results, graph->nodes[no].name, result);
}

/* The fields of the object that the paths of a template look into. */
static int
find_fields(JdgRunState *rs, const JdgFlowStep *step, Jsonb *template,
			JdgFlowResults *results, JdgJsonField *field)
{
	JsonbIterator *it = JsonbIteratorInit(&template->root);
	JsonbIteratorToken tok;
	JsonbValue	v;

	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if ((tok == WJB_VALUE || tok == WJB_ELEM) && v.type == jbvString &&
			jdg_flow_is_path(v.val.string.val, v.val.string.len))
			add_result(rs, step, &v, results);
	}
	field[0] = (JdgJsonField)
	{
		.key = "input",.len = 5,.value = rs->r.input
	};
	return 1 + add_item(rs, step, &field[1]);
}

/* Rows are read in the context of the pass, which keeps them. */
Jsonb *
jdg_step_fill_in(JdgRunState *rs, const JdgFlowStep *step, Jsonb *template)
{
	JdgFlowResults results = {0};
	JdgJsonField field[4];
	int			n = find_fields(rs, step, template, &results, field);
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext temp = AllocSetContextCreate(mcxt, "jadugar template",
											   ALLOCSET_DEFAULT_SIZES);
	Filling		f = {.silent = true,.most = FOUND_MAX};
	Jsonb	   *result;

	MemoryContextSwitchTo(temp);
	field[n++] = (JdgJsonField)
	{
		.key = "steps",.len = 5,.value = jdg_json_object(results.field,
														 results.n)
	};
	f.data = jdg_json_object(field, n);
	result = fill(&f, template);
	MemoryContextSwitchTo(mcxt);
	if (result != NULL)
		result = DatumGetJsonbPCopy(JsonbPGetDatum(result));
	MemoryContextDelete(temp);
	return result;
}
