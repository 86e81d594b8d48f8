/*-------------------------------------------------------------------------
 *
 * draft.c
 *	  Flows that are put together step by step, see draft.h.
 *
 * Runs in any backend; reads jadugar_internal.flow_draft and
 * flow_draft_step.  The options of a draft are those of its outermost node as
 * they will stand in the flow, and two keys of our own: "kind", the key for
 * the steps, and "continue", true where a failed step does not stop the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/spi.h"
#include "flow/graph/draft.h"

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		strncmp(key->val.string.val, name, key->val.string.len) == 0;
}

/* A step as it is, or with "on_failure": "continue" where it has none. */
static void
push_step(JsonbParseState **st, Jsonb *step, bool continues)
{
	JsonbIterator *it = JsonbIteratorInit(&step->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	(void) JsonbIteratorNext(&it, &v, false);
	pushJsonbValue(st, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
	{
		if (key_is(&v, "on_failure"))
			continues = false;
		pushJsonbValue(st, token, &v);
		token = JsonbIteratorNext(&it, &v, true);
		pushJsonbValue(st, token, &v);
	}
	if (continues)
	{
		v.type = jbvString;
		v.val.string.val = "on_failure";
		v.val.string.len = strlen(v.val.string.val);
		pushJsonbValue(st, WJB_KEY, &v);
		v.val.string.val = "continue";
		v.val.string.len = strlen(v.val.string.val);
		pushJsonbValue(st, WJB_VALUE, &v);
	}
	pushJsonbValue(st, WJB_END_OBJECT, NULL);
}

/* The outermost node: its options, and under "kind" the steps of the result. */
static Jsonb *
assemble(Jsonb *options, uint64 nsteps, MemoryContext mcxt)
{
	JsonbIterator *it = JsonbIteratorInit(&options->root);
	JsonbParseState *st = NULL;
	JsonbValue	key;
	JsonbValue	v;
	JsonbValue	kind = {.type = jbvNull};
	bool		continues = false;

	pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &v, false);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		if (key_is(&key, "kind"))
			kind = v;
		else if (key_is(&key, "continue"))
			continues = v.val.boolean;
		else
		{
			pushJsonbValue(&st, WJB_KEY, &key);
			pushJsonbValue(&st, WJB_VALUE, &v);
		}
	}
	pushJsonbValue(&st, WJB_KEY, &kind);
	pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (uint64 i = 0; i < nsteps; i++)
		push_step(&st, jdg_col_jsonb(i, 1, mcxt), continues);
	pushJsonbValue(&st, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
}

/* NULL: there is no draft, or, where found is set, none with a step */
static Jsonb *
read_draft(Oid owner, const char *name, bool *found)
{
	static JdgQuery draft = {
		"SELECT options FROM jadugar_internal.flow_draft "
		"WHERE owner = $1 AND name = $2", 2, {OIDOID, TEXTOID}
	};
	static JdgQuery steps = {
		"SELECT graph FROM jadugar_internal.flow_draft_step "
		"WHERE owner = $1 AND name = $2 ORDER BY pos", 2, {OIDOID, TEXTOID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	Jsonb	   *options;
	Jsonb	   *flow = NULL;
	int64		n;
	JdgInternal in;

	jdg_internal_begin(&in);
	*found = jdg_run(&draft, v, NULL, 1) > 0;
	if (*found)
	{
		options = jdg_col_jsonb(0, 1, mcxt);
		n = jdg_run(&steps, v, NULL, 0);
		if (n > 0)
		{
			MemoryContext old = MemoryContextSwitchTo(mcxt);

			flow = assemble(options, n, mcxt);
			MemoryContextSwitchTo(old);
		}
	}
	jdg_internal_end(&in);
	return flow;
}

Jsonb *
jdg_flow_draft_peek(Oid owner, const char *name)
{
	bool		found;

	return read_draft(owner, name, &found);
}

Jsonb *
jdg_flow_draft(Oid owner, const char *name)
{
	bool		found;
	Jsonb	   *flow = read_draft(owner, name, &found);

	if (found && flow == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("flow \"%s\" has no steps yet", name),
				 errdetail("It is a draft."),
				 errhint("Add a step with jadugar.add_step().")));
	return flow;
}

bool
jdg_flow_draft_drop(Oid owner, const char *name)
{
	static JdgQuery draft = {
		"DELETE FROM jadugar_internal.flow_draft WHERE owner = $1 "
		"AND name = $2", 2,
		{OIDOID, TEXTOID},
		.config = true
	};
	static JdgQuery steps = {
		"DELETE FROM jadugar_internal.flow_draft_step "
		"WHERE owner = $1 AND name = $2", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	bool		found;
	JdgInternal in;

	/* the draft first: a session that adds a step to it locks it */
	jdg_internal_begin(&in);
	found = jdg_run(&draft, v, NULL, 0) > 0;
	if (found)
		jdg_run(&steps, v, NULL, 0);
	jdg_internal_end(&in);
	return found;
}
