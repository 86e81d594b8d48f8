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
	/* the value that a path finds; NULL: none */
	Jsonb	   *(*find) (void *arg, const JsonbValue *path);
	void	   *arg;
	Size		found;			/* bytes that paths have found */
	Size		most;			/* the same at most; more: the result is NULL */
} Filling;

static Jsonb *
find_or_null(Filling *f, const JsonbValue *path)
{
	Jsonb	   *found = f->find(f->arg, path);
	JsonbValue	v;

	if (found != NULL)
		return found;
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
			Jsonb	   *found = find_or_null(f, &v);

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

/* The first thing that a path finds. */
static Jsonb *
find_first(void *data, const JsonbValue *path)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		found;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum((Jsonb *) data);
	fcinfo->args[1].value =
		DirectFunctionCall1(jsonpath_in,
							CStringGetDatum(pnstrdup(path->val.string.val,
													 path->val.string.len)));
	fcinfo->args[2].value = JsonbPGetDatum(jdg_json_empty());
	fcinfo->args[3].value = BoolGetDatum(false);
	for (int i = 0; i < 4; i++)
		fcinfo->args[i].isnull = false;
	found = jsonb_path_query_first(fcinfo);
	return fcinfo->isnull ? NULL : DatumGetJsonbP(found);
}

Jsonb *
jdg_fill_in(Jsonb *template, Jsonb *data)
{
	Filling		f = {.find = find_first,.arg = data,.most = MaxAllocSize};

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

/* The result of a node in a block at this base, as it is stored; NULL: none. */
static Jsonb *
result_at(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	const JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(node, base));

	return s != NULL && jdg_flow_has_result(s) ? s->result : NULL;
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

/* The first row of the innermost each around a step; NULL: there is none. */
static const JdgFlowStep *
find_item(JdgRunState *rs, const JdgFlowStep *step)
{
	Block		b;

	own_block(rs, step, &b);
	while (b.container == NULL || b.first->item == NULL)
	{
		if (!next_block(rs, &b))
			return NULL;
	}
	return b.first;
}

/* the values that paths of a step begin with */
typedef struct Roots
{
	JdgRunState *rs;
	const JdgFlowStep *step;
	MemoryContext mcxt;			/* of the pass, which keeps rows */
	int			n;
	struct
	{
		Jsonb	   *stored;
		Jsonb	   *value;
	}			known[JDG_PLAIN_PATHS_MAX + 1]; /* the key has one more */
} Roots;

/* The value of a row, which is looked into, once. */
static Jsonb *
value_of(Roots *r, Jsonb *stored)
{
	for (int i = 0; i < r->n; i++)
	{
		if (r->known[i].stored == stored)
			return r->known[i].value;
	}
	Assert(r->n < lengthof(r->known));
	r->known[r->n].stored = stored;
	r->known[r->n].value = jdg_step_jsonb(stored);
	return r->known[r->n++].value;
}

/* The value of a row that a path begins with; NULL: there is none. */
static Jsonb *
find_stored(Roots *r, const JdgPlainPath *path, int32 *index)
{
	const JdgFlowGraph *graph = r->rs->plan->graph;
	const JdgFlowStep *first;
	int			no;

	switch (path->root)
	{
		case JDG_PATH_INPUT:
			return r->rs->r.input;
		case JDG_PATH_ITEM:
		case JDG_PATH_INDEX:
			first = find_item(r->rs, r->step);
			if (first == NULL)
				return NULL;
			*index = first->idx;
			return first->item;
		case JDG_PATH_STEP:
			no = jdg_flow_find_named(graph, path->step, path->len);
			return no < 0 ? NULL :
				find_result(r->rs, r->step, &graph->nodes[no]);
	}
	return NULL;
}

static Jsonb *
find_plain(void *arg, const JsonbValue *text)
{
	Roots	   *r = arg;
	JdgPlainPath path;
	MemoryContext old;
	Jsonb	   *root;
	int32		index = 0;

	/* it was plain when the flow was made */
	if (!jdg_plain_path_read(text->val.string.val, text->val.string.len, &path))
		return NULL;
	old = MemoryContextSwitchTo(r->mcxt);
	root = find_stored(r, &path, &index);
	MemoryContextSwitchTo(old);
	if (root == NULL)
		return NULL;
	if (path.root == JDG_PATH_INDEX)
	{
		JsonbValue	v;

		v.type = jbvNumeric;
		v.val.numeric = int64_to_numeric(index);
		root = JsonbValueToJsonb(&v);
	}
	else
		root = value_of(r, root);
	return jdg_plain_path_find(&path, root);
}

Jsonb *
jdg_step_fill_in(JdgRunState *rs, const JdgFlowStep *step, Jsonb *template)
{
	Roots		r = {.rs = rs,.step = step,.mcxt = CurrentMemoryContext};
	MemoryContext temp = AllocSetContextCreate(r.mcxt, "jadugar template",
											   ALLOCSET_DEFAULT_SIZES);
	Filling		f = {.find = find_plain,.arg = &r,.most = FOUND_MAX};
	Jsonb	   *result;

	MemoryContextSwitchTo(temp);
	result = fill(&f, template);
	MemoryContextSwitchTo(r.mcxt);
	if (result != NULL)
		result = DatumGetJsonbPCopy(JsonbPGetDatum(result));
	MemoryContextDelete(temp);
	return result;
}
