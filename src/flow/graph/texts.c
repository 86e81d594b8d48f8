/*-------------------------------------------------------------------------
 *
 * texts.c
 *	  Conditions, paths and templates in a flow, and the SQL made of them.
 *
 * Pure: jsonpaths are parsed and never evaluated; SQL is not parsed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "flow/graph/names.h"
#include "flow/graph/texts.h"

bool
jdg_text_is_path(const char *text)
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
 * An input function holds nothing but memory when it raises, so catching
 * needs no subtransaction.
 */
Datum
jdg_text_read(PGFunction input, JdgFlowObject *o, const char *key,
			  const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile edata = NULL;
	volatile Datum result = (Datum) 0;

	PG_TRY();
	{
		result = DirectFunctionCall3(input, CStringGetDatum(text),
									 ObjectIdGetDatum(InvalidOid),
									 Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		int			class = ERRCODE_TO_CATEGORY(geterrcode());

		if (class != ERRCODE_DATA_EXCEPTION &&
			class != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			class != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
			class != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		edata = jdg_take_error(context);
	}
	PG_END_TRY();
	if (edata != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid \"%s\" for %s", key, jdg_flow_label(o->node)),
				 errdetail("The text is \"%s\": %s.", jdg_excerpt(text),
						   edata->message)));
	return result;
}

void
jdg_text_take_path(JdgFlowObject *o, const char *key, const char *text)
{
	JdgFlowParse *p = o->parse;
	JdgFlowPath *path;

	(void) jdg_text_read(jsonpath_in, o, key, text);
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

const char *
jdg_object_condition(JdgFlowObject *o, const char *key)
{
	const char *text = jdg_object_text(o, key);

	if (jdg_text_is_path(text))
		jdg_text_take_path(o, key, text);
	return text;
}

Jsonb *
jdg_object_template(JdgFlowObject *o, const char *key, bool *has_paths)
{
	Jsonb	   *json = jdg_object_jsonb(o, key);
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
			jdg_text_take_path(o, key, pnstrdup(v.val.string.val, v.val.string.len));
		else if (v.val.string.len < 2 || v.val.string.val[0] != '$' ||
				 v.val.string.val[1] != '$')
			continue;
		*has_paths = true;
	}
	return json;
}

const char *
jdg_condition_command(const JdgFlowNode *node)
{
	if (jdg_text_is_path(node->text))
		return psprintf("SELECT COALESCE(pg_catalog.jsonb_path_match($1, %s), false) AS ok",
						quote_literal_cstr(node->text));
	/* the line breaks end comments */
	return psprintf("SELECT (\n%s\n)::pg_catalog.bool AS ok", node->text);
}
