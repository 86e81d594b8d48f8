/*-------------------------------------------------------------------------
 *
 * plain_path.c
 *	  Paths that may be evaluated anywhere, see plain_path.h.
 *
 * A step evaluates its paths in the worker of its owner.  Paths that are plain
 * are evaluated in the transaction in which a node begins, which may be one of
 * the scheduler: their cost is bounded by their length and the size of the
 * data, and they raise no errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"

#include "base/errors.h"
#include "flow/graph/names.h"
#include "flow/graph/plain_path.h"
#include "flow/graph/texts.h"

/* keys and subscripts of a path, and paths of a node */
#define PARTS_MAX 32
#define PATHS_MAX 100

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

/* Are all subscripts numbers or "last"? */
static bool
has_plain_subscripts(JsonPathItem *item)
{
	for (int i = 0; i < item->content.array.nelems; i++)
	{
		JsonPathItem from;
		JsonPathItem to;

		if (jspGetArraySubscript(item, &from, &to, i))
			return false;		/* a range */
		if ((from.type != jpiNumeric && from.type != jpiLast) ||
			jspGetNext(&from, NULL))
			return false;
	}
	return true;
}

static bool
is_plain_part(JsonPathItem *item)
{
	return item->type == jpiKey || item->type == jpiAnyArray ||
		(item->type == jpiIndexArray && has_plain_subscripts(item));
}

bool
jdg_path_is_plain(const char *text, const char **step, int *len)
{
	JsonPath   *path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in,
															 CStringGetDatum(text)));
	JsonPathItem item;
	JsonPathItem next;
	int			parts = 0;

	*step = NULL;
	jspInit(&item, path);
	if (item.type != jpiRoot || !jspGetNext(&item, &next))
		return false;
	item = next;
	if (is_key(&item, "steps"))
	{
		if (!jspGetNext(&item, &next) || next.type != jpiKey)
			return false;
		item = next;
		*step = jspGetString(&item, len);
	}
	else if (!is_key(&item, "input") && !is_key(&item, "item") &&
			 !is_key(&item, "index"))
		return false;
	while (jspGetNext(&item, &next))
	{
		item = next;
		if (!is_plain_part(&item) || ++parts > PARTS_MAX)
			return false;
	}
	return true;
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
		const char *step;
		int			len;
		char	   *text;

		if ((tok != WJB_VALUE && tok != WJB_ELEM) || v.type != jbvString ||
			!jdg_flow_is_path(v.val.string.val, v.val.string.len))
			continue;
		text = pnstrdup(v.val.string.val, v.val.string.len);

		if (!jdg_path_is_plain(text, &step, &len))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("invalid path in \"%s\" of %s", key,
							jdg_flow_label(o->node)),
					 errdetail("The path is %s.", jdg_excerpt(text)),
					 errhint("Write a path of keys and subscripts that begins with $.input, $.item, $.index or $.steps.NAME, or let a step find the value.")));
		if (++n > PATHS_MAX)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("\"%s\" of %s must have at most %d paths", key,
							jdg_flow_label(o->node), PATHS_MAX)));
	}
}
