/*-------------------------------------------------------------------------
 *
 * plain_path.c
 *	  Paths that may be evaluated anywhere, see plain_path.h.
 *
 * A step evaluates its paths in the worker of its owner.  Paths that are plain
 * are evaluated in the transaction in which a node begins, which may be one of
 * the scheduler.  So each part finds one value, by a search and not by a look
 * at all elements: what jsonpath does with arrays in its lax mode, to look into
 * each of their elements, is left out.  Nothing raises an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "flow/graph/names.h"
#include "flow/graph/plain_path.h"
#include "flow/graph/texts.h"

/* keys and subscripts of a path */
#define PARTS_MAX 32

static bool
is_key(JsonPathItem *item, const char *name)
{
	int32		len;
	char	   *key;

	if (item->type != jpiKey)
		return false;
	key = jspGetString(item, &len);
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

/* A number of up to nine digits; -1: it is none. */
static int
index_of(JsonPathItem *item)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(jspGetNumeric(item))));

	if (strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
		return -1;
	return atoi(text);
}

/* Is there one subscript, a whole number or "last"? */
static bool
has_plain_subscript(JsonPathItem *item)
{
	JsonPathItem from;
	JsonPathItem to;

	if (item->content.array.nelems != 1 ||
		jspGetArraySubscript(item, &from, &to, 0))
		return false;			/* several, or a range */
	return !jspGetNext(&from, NULL) &&
		(from.type == jpiLast ||
		 (from.type == jpiNumeric && index_of(&from) >= 0));
}

static bool
is_plain_part(JsonPathItem *item)
{
	return item->type == jpiKey ||
		(item->type == jpiIndexArray && has_plain_subscript(item));
}

/* Reads the root of a path, and moves the item to its end. */
static bool
read_root(JsonPathItem *item, JdgPlainPath *path)
{
	JsonPathItem next;

	if (item->type != jpiRoot || !jspGetNext(item, &next))
		return false;
	*item = next;
	if (is_key(item, "input"))
		path->root = JDG_PATH_INPUT;
	else if (is_key(item, "item"))
		path->root = JDG_PATH_ITEM;
	else if (is_key(item, "index"))
		path->root = JDG_PATH_INDEX;
	else if (is_key(item, "steps") && jspGetNext(item, &next) &&
			 next.type == jpiKey)
	{
		path->root = JDG_PATH_STEP;
		*item = next;
		path->step = jspGetString(item, &path->len);
	}
	else
		return false;
	return true;
}

bool
jdg_plain_path_read(const char *text, int len, JdgPlainPath *path)
{
	Datum		d = DirectFunctionCall1(jsonpath_in,
										CStringGetDatum(pnstrdup(text, len)));
	JsonPathItem item;
	JsonPathItem next;
	int			parts = 0;

	memset(path, 0, sizeof(*path));
	jspInit(&item, DatumGetJsonPathP(d));
	if (!read_root(&item, path))
		return false;
	path->begin = item;
	while (jspGetNext(&item, &next))
	{
		item = next;
		if (!is_plain_part(&item) || ++parts > PARTS_MAX)
			return false;
	}
	return true;
}

/* Goes from a value to the one that a part of a path names; false: none. */
static bool
find_part(JsonPathItem *item, JsonbValue *v)
{
	JsonbContainer *c = v->val.binary.data;
	JsonbValue *found = NULL;

	if (v->type != jbvBinary)
		return false;
	if (item->type == jpiKey && JsonContainerIsObject(c))
	{
		int32		len;
		char	   *key = jspGetString(item, &len);

		found = getKeyJsonValueFromContainer(c, key, len, NULL);
	}
	else if (item->type == jpiIndexArray && JsonContainerIsArray(c) &&
			 !JsonContainerIsScalar(c))
	{
		JsonPathItem from;
		JsonPathItem to;

		(void) jspGetArraySubscript(item, &from, &to, 0);
		found = getIthJsonbValueFromContainer(c, from.type == jpiLast ?
											  JsonContainerSize(c) - 1 :
											  index_of(&from));
	}
	if (found == NULL)
		return false;
	*v = *found;
	return true;
}

Jsonb *
jdg_plain_path_find(const JdgPlainPath *path, Jsonb *root)
{
	JsonPathItem item = path->begin;
	JsonPathItem next;
	JsonbValue	v;

	v.type = jbvBinary;
	v.val.binary.data = &root->root;
	v.val.binary.len = VARSIZE(root) - VARHDRSZ;
	while (jspGetNext(&item, &next))
	{
		item = next;
		if (!find_part(&item, &v))
			return NULL;
	}
	return JsonbValueToJsonb(&v);
}

void
jdg_object_plain_paths(JdgFlowObject *o, const char *key)
{
	Jsonb	   *json = jdg_object_jsonb(o, key);
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			n = 0;

	if (json == NULL)
		return;
	it = JsonbIteratorInit(&json->root);
	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		JdgPlainPath path;

		if ((tok != WJB_VALUE && tok != WJB_ELEM) || v.type != jbvString ||
			!jdg_flow_is_path(v.val.string.val, v.val.string.len))
			continue;
		if (!jdg_plain_path_read(v.val.string.val, v.val.string.len, &path))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("invalid path in \"%s\" of %s", key,
							jdg_flow_label(o->node)),
					 errdetail("The path is %s.",
							   jdg_excerpt(pnstrdup(v.val.string.val,
													v.val.string.len))),
					 errhint("Write a path of keys and subscripts that begins with $.input, $.item, $.index or $.steps.NAME, or let a step find the value.")));
		if (++n > JDG_PLAIN_PATHS_MAX)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("\"%s\" of %s must have at most %d paths", key,
							jdg_flow_label(o->node),
							JDG_PLAIN_PATHS_MAX)));
	}
}
