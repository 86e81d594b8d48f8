/*-------------------------------------------------------------------------
 *
 * texts.c
 *	  Conditions, paths and templates in a flow, and the SQL made of them.
 *
 * Pure: jsonpaths are parsed and never evaluated; SQL is not looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "flow/graph/private.h"

/* "$" begins a path, "$1" and the like an SQL expression */
bool
jdg_flow_text_is_path(const char *text)
{
	return text[0] == '$' && !(text[1] >= '0' && text[1] <= '9');
}

bool
jdg_flow_is_path(const char *s, int len)
{
	return len > 0 && s[0] == '$' &&
		(len == 1 || s[1] == '.' || s[1] == '[');
}

/*
 * Call an input function with a text of the value of "key".  It holds nothing
 * but memory when it raises, so catching needs no subtransaction.
 */
static Datum
read_with(PGFunction input, JdgFlowObject *o, JdgFlowKey key,
		  const char *text, const char *what)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile edata = NULL;
	volatile Datum result = (Datum) 0;
	int			class;

	PG_TRY();
	{
		result = DirectFunctionCall3(input, CStringGetDatum(text),
									 ObjectIdGetDatum(InvalidOid),
									 Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		class = ERRCODE_TO_CATEGORY(edata->sqlerrcode);
		if (class != ERRCODE_DATA_EXCEPTION &&
			class != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			class != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
			class != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	if (edata != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" of %s holds an invalid %s",
						jdg_flow_key_name(key), jdg_flow_label(o->node), what),
				 errdetail("It is \"%s\": %s", jdg_excerpt(text),
						   edata->message)));
	return result;
}

/* Check a path, and keep it for the checks of what it refers to. */
static void
take_path(JdgFlowObject *o, JdgFlowKey key, const char *text)
{
	JdgFlowParse *p = o->parse;
	JdgFlowPath *path;

	(void) read_with(jsonpath_in, o, key, text, "path");
	if (p->npaths == p->paths_room)
	{
		p->paths_room = Max(64, 2 * p->paths_room);
		p->paths = p->paths == NULL ?
			palloc(p->paths_room * sizeof(JdgFlowPath)) :
			repalloc(p->paths, p->paths_room * sizeof(JdgFlowPath));
	}
	path = &p->paths[p->npaths++];
	path->no = o->path_no;
	path->undoing = o->node->no < 0;
	path->text = text;
}

/* An SQL expression or a path. */
const char *
jdg_flow_get_condition(JdgFlowObject *o, JdgFlowKey key)
{
	const char *text = jdg_flow_get_text(o, key);

	if (jdg_flow_text_is_path(text))
		take_path(o, key, text);
	return text;
}

/* The items of an each: an array, as JSON or as text, a path or a query. */
const char *
jdg_flow_get_items(JdgFlowObject *o)
{
	const JsonbValue *v = &o->v[JDG_KEY_EACH];
	const char *text;

	if (v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data))
		return JsonbToCString(NULL, v->val.binary.data, v->val.binary.len);
	text = jdg_flow_get_text(o, JDG_KEY_EACH);

	if (text[0] == '[')
		(void) read_with(jsonb_in, o, JDG_KEY_EACH, text, "array");
	else if (jdg_flow_text_is_path(text))
		take_path(o, JDG_KEY_EACH, text);
	return text;
}

/* When a sleep is over: an instant or a path. */
const char *
jdg_flow_get_instant(JdgFlowObject *o)
{
	const char *text = jdg_flow_get_text(o, JDG_KEY_SLEEP_UNTIL);
	TimestampTz instant;

	if (jdg_flow_text_is_path(text))
	{
		take_path(o, JDG_KEY_SLEEP_UNTIL, text);
		return text;
	}
	instant = DatumGetTimestampTz(read_with(timestamptz_in, o,
											JDG_KEY_SLEEP_UNTIL, text,
											"instant"));
	if (TIMESTAMP_NOT_FINITE(instant))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"sleep_until\" of %s must be a finite instant",
						jdg_flow_label(o->node)),
				 errdetail("The value is \"%s\".", text)));
	return text;
}

/*
 * JSON that may hold paths.  *has_paths also says of strings that begin with
 * "$$": they are to be changed too.
 */
Jsonb *
jdg_flow_get_template(JdgFlowObject *o, JdgFlowKey key, bool *has_paths)
{
	Jsonb	   *json = jdg_flow_get_jsonb(o, key);
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	*has_paths = false;
	if (json == NULL)
		return NULL;
	it = JsonbIteratorInit(&json->root);
	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if ((tok != WJB_VALUE && tok != WJB_ELEM) || v.type != jbvString)
			continue;
		if (jdg_flow_is_path(v.val.string.val, v.val.string.len))
			take_path(o, key, pnstrdup(v.val.string.val, v.val.string.len));
		else if (v.val.string.len < 2 || v.val.string.val[0] != '$' ||
				 v.val.string.val[1] != '$')
			continue;
		*has_paths = true;
	}
	return json;
}

static const char *
condition_command(const char *text)
{
	if (jdg_flow_text_is_path(text))
		return psprintf("SELECT COALESCE(pg_catalog.jsonb_path_match($1, %s), false) AS ok",
						quote_literal_cstr(text));
	/* the line breaks end comments */
	return psprintf("SELECT (\n%s\n)::pg_catalog.bool AS ok", text);
}

/* A path that finds one array gives its elements, else what it finds. */
static const char *
items_command(const char *text)
{
	if (text[0] == '[')
		return NULL;
	if (jdg_flow_text_is_path(text))
		return psprintf("SELECT CASE WHEN pg_catalog.jsonb_array_length(f.found) OPERATOR(pg_catalog.=) 1 "
						"AND pg_catalog.jsonb_typeof(f.found OPERATOR(pg_catalog.->) 0) OPERATOR(pg_catalog.=) 'array' "
						"THEN f.found OPERATOR(pg_catalog.->) 0 ELSE f.found END AS items "
						"FROM (SELECT pg_catalog.jsonb_path_query_array($1, %s) AS found) f",
						quote_literal_cstr(text));
	return psprintf("SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(jadugar_item)), '[]'::pg_catalog.jsonb) AS items "
					"FROM (\n%s\n) jadugar_item", text);
}

const char *
jdg_flow_command(const JdgFlowNode *node)
{
	switch (node->kind)
	{
		case JDG_FLOW_STEP:
			return node->text;
		case JDG_FLOW_BRANCH:
		case JDG_FLOW_LOOP:
			return condition_command(node->text);
		case JDG_FLOW_EACH:
			return items_command(node->text);
		case JDG_FLOW_SLEEP:
			if (node->text == NULL || !jdg_flow_text_is_path(node->text))
				return NULL;
			return psprintf("SELECT (pg_catalog.jsonb_path_query_first($1, %s) OPERATOR(pg_catalog.#>>) '{}')::pg_catalog.timestamptz AS until",
							quote_literal_cstr(node->text));
		case JDG_FLOW_WAIT_EVENT:
			return node->has_paths ? "SELECT $1 AS filter" : NULL;
		case JDG_FLOW_SUB_FLOW:
			return node->has_paths ? "SELECT $1 AS input" : NULL;
		case JDG_FLOW_CHAIN:
		case JDG_FLOW_PARALLEL:
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
			break;
	}
	return NULL;
}

/*
 * By the text: what is written in another way is taken for more than that.
 */
bool
jdg_flow_only_input(const char *sql)
{
	static const char *const keys[] = {"'input'", "'item'", "'index'"};
	const char *space = " \t\r\n";

	for (const char *s = sql; (s = strstr(s, "$1")) != NULL;)
	{
		int			key = 0;

		s += 2;
		s += strspn(s, space);
		if (strncmp(s, "->", 2) != 0)
			return false;
		s += s[2] == '>' ? 3 : 2;
		s += strspn(s, space);
		while (key < lengthof(keys) &&
			   strncmp(s, keys[key], strlen(keys[key])) != 0)
			key++;
		if (key == lengthof(keys))
			return false;
	}
	return true;
}
