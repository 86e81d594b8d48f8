/*-------------------------------------------------------------------------
 *
 * object.c
 *	  The object of a node: the keys that it may have, and their values.
 *
 * Pure.  Each error is a VALIDATION_ERROR that names the node.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "flow/graph/names.h"
#include "flow/graph/object.h"
#include "flow/kind/kind.h"

/* keys that every node may have; "name": where its kind's key is not that */
static const char *const common_keys[] = {
	"name", "on_failure", "timeout", "after", "join", "join_n"
};

static const char *
value_text(const JsonbValue *v)
{
	Jsonb	   *j = JsonbValueToJsonb(unconstify(JsonbValue *, v));

	return jdg_excerpt(JsonbToCString(NULL, &j->root, VARSIZE(j)));
}

static bool
key_is(const JsonbValue *v, const char *key)
{
	int			len = v->val.string.len;

	/* most differ in the first character */
	return len > 0 && key[0] == v->val.string.val[0] &&
		strncmp(key, v->val.string.val, len) == 0 && key[len] == '\0';
}

static char *
key_text(const JsonbValue *v)
{
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* May an object of this kind have the key? */
static bool
kind_has(const JdgKind *kind, const JsonbValue *key)
{
	for (int i = 0; i < lengthof(common_keys); i++)
	{
		if (key_is(key, common_keys[i]))
			return i > 0 || !kind->key_is_name;
	}
	for (int i = 0; i < kind->nargs; i++)
	{
		if (key_is(key, kind->args[i].key))
			return true;
	}
	return false;
}

static bool
some_kind_has(const JsonbValue *key)
{
	for (int i = 0; jdg_kinds[i] != NULL; i++)
	{
		if (kind_has(jdg_kinds[i], key))
			return true;
	}
	return false;
}

/* "step, chain, ..." */
static const char *
list_of_kinds(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; jdg_kinds[i] != NULL; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", jdg_kinds[i]->key);
	return list.data;
}

/* The kind of node that an object makes: the one whose key it has. */
static const JdgKind *
find_kind(const JdgFlowObject *o, JsonbContainer *json)
{
	const JdgKind *kind = NULL;
	int			n = 0;

	for (int k = 0; k < o->nkeys; k++)
	{
		for (int i = 0; jdg_kinds[i] != NULL; i++)
		{
			if (!key_is(&o->keys[k], jdg_kinds[i]->key))
				continue;
			kind = jdg_kinds[i];
			n++;
		}
	}
	if (n != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 n == 0 ? errmsg("a node of the flow has no kind") :
				 errmsg("a node of the flow has more than one kind"),
				 errdetail("The node is %s.",
						   jdg_excerpt(JsonbToCString(NULL, json, 64))),
				 errhint("A node has exactly one of %s.", list_of_kinds())));
	return kind;
}

/* Set the name that messages use until the name has been checked. */
static void
name_for_messages(JdgFlowObject *o)
{
	const JdgKind *kind = o->node->kind;
	JsonbValue	v;

	if (o->node->no < 0)
		return;
	if (jdg_object_get(o, kind->key_is_name ? kind->key : "name", &v) &&
		v.type == jbvString)
		o->node->name = jdg_excerpt(pnstrdup(v.val.string.val,
											 v.val.string.len));
	else
		o->node->name = psprintf("%s#%d", kind->name, o->node->no);
}

/* Keys and values; those of an object that has too many are not all read. */
static void
read_keys(JdgFlowObject *o, JsonbContainer *json)
{
	JsonbIterator *it = JsonbIteratorInit(json);
	JsonbValue	v;

	o->nkeys = 0;
	(void) JsonbIteratorNext(&it, &v, true);
	while (o->nkeys < JDG_OBJECT_MAX_KEYS &&
		   JsonbIteratorNext(&it, &o->keys[o->nkeys], true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &o->values[o->nkeys], true);
		o->nkeys++;
	}
}

/* A key that no kind has is refused before one that another kind has. */
static void
check_keys(JdgFlowObject *o)
{
	const JsonbValue *unknown = NULL;
	const JsonbValue *misplaced = NULL;

	for (int i = o->nkeys - 1; i >= 0; i--)
	{
		if (kind_has(o->node->kind, &o->keys[i]))
			continue;
		if (some_kind_has(&o->keys[i]))
			misplaced = &o->keys[i];
		else
			unknown = &o->keys[i];
	}
	if (unknown)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("unrecognized key \"%s\" in %s",
						jdg_excerpt(key_text(unknown)),
						jdg_flow_label(o->node)),
				 errhint("The reference lists the keys under the function that has the name of the kind.")));
	if (misplaced)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s cannot have \"%s\"", jdg_flow_label(o->node),
						key_text(misplaced))));
}

void
jdg_object_read(JdgFlowObject *o, JsonbContainer *json)
{
	read_keys(o, json);
	o->node->kind = find_kind(o, json);
	name_for_messages(o);
	check_keys(o);
}

bool
jdg_object_get(const JdgFlowObject *o, const char *key, JsonbValue *v)
{
	for (int i = 0; i < o->nkeys; i++)
	{
		if (key_is(&o->keys[i], key))
		{
			*v = o->values[i];
			return true;
		}
	}
	return false;
}

bool
jdg_object_has(const JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	return jdg_object_get(o, key, &v);
}

void
jdg_object_need(JdgFlowObject *o, const char *key)
{
	if (!jdg_object_has(o, key))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s requires \"%s\"", jdg_flow_label(o->node), key)));
}

/* The value of a key is not of its type; hint: a sentence that names it. */
JDG_NORETURN static void
wrong_type(JdgFlowObject *o, const char *key, const char *hint)
{
	JsonbValue	v = {.type = jbvNull};

	(void) jdg_object_get(o, key, &v);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid \"%s\" for %s", key, jdg_flow_label(o->node)),
			 errdetail("The value is %s.", value_text(&v)),
			 errhint("%s", hint)));
}

const char *
jdg_object_text(JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	if (!jdg_object_get(o, key, &v))
		return NULL;
	if (v.type != jbvString || v.val.string.len == 0)
		wrong_type(o, key, "Use a text that is not empty.");
	return pnstrdup(v.val.string.val, v.val.string.len);
}

/* The name of a node, a flow, an event or a role. */
const char *
jdg_object_name(JdgFlowObject *o, const char *key)
{
	const char *name = jdg_object_text(o, key);
	const char *wrong = NULL;
	size_t		len;

	if (name == NULL)
		return NULL;
	len = strlen(name);
	if (len > JDG_NAME_MAX)
		wrong = "The name is longer than 255 bytes.";
	else if (name[0] == ' ' || name[len - 1] == ' ')
		wrong = "The name begins or ends with a space.";
	else if (name[0] == '{')
		wrong = "The name begins with a brace.";
	for (const char *p = name; *p && wrong == NULL; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			wrong = "The name contains a control character.";
	}
	if (wrong)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid \"%s\" for %s",
						key, jdg_flow_label(o->node)),
				 errdetail("%s", wrong),
				 errhint("Use 1 to 255 bytes on one line.")));
	return name;
}

int
jdg_object_int(JdgFlowObject *o, const char *key, int min, int if_none)
{
	JsonbValue	v;
	double		d = NAN;

	if (!jdg_object_get(o, key, &v))
		return if_none;
	if (v.type == jbvNumeric)
		d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(v.val.numeric)));
	if (!(d >= min && d <= PG_INT32_MAX && d == floor(d)))
		wrong_type(o, key, min == PG_INT32_MIN ? "Use a whole number." :
				   psprintf("Use a whole number of at least %d.", min));
	return (int) d;
}

bool
jdg_object_bool(JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	if (!jdg_object_get(o, key, &v))
		return false;
	if (v.type != jbvBool)
		wrong_type(o, key, "Use true or false.");
	return v.val.boolean;
}

/* One of these words, as its position; the first one if there is none. */
int
jdg_object_word(JdgFlowObject *o, const char *key, const char *const *words,
				int nwords, const char *hint)
{
	const char *text = jdg_object_text(o, key);

	if (text == NULL)
		return 0;
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(words[i], text) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized value \"%s\" for \"%s\" of %s",
					jdg_excerpt(text), key, jdg_flow_label(o->node)),
			 errhint("%s", hint)));
	return 0;					/* keep compiler quiet */
}

/*
 * Finite and greater than zero.  The text is read in the style that build.c
 * writes, not in the style of the session, so it means the same in every
 * process.
 */
Interval *
jdg_object_interval(JdgFlowObject *o, const char *key)
{
	const char *text = jdg_object_text(o, key);
	MemoryContext context = CurrentMemoryContext;
	int			style = IntervalStyle;
	Interval   *volatile iv = NULL;

	if (text == NULL)
		return NULL;
	IntervalStyle = INTSTYLE_POSTGRES;
	PG_TRY();
	{
		iv = DatumGetIntervalP(DirectFunctionCall3(interval_in,
												   CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		IntervalStyle = style;
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	IntervalStyle = style;
	if (iv == NULL)
		wrong_type(o, key, "Use an interval.");
	jdg_check_interval(psprintf("\"%s\" of %s", key,
								jdg_flow_label(o->node)), iv, false);
	return iv;
}

Jsonb *
jdg_object_jsonb(JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	return jdg_object_get(o, key, &v) ? JsonbValueToJsonb(&v) : NULL;
}

Jsonb *
jdg_object_object(JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	if (jdg_object_get(o, key, &v) &&
		(v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data)))
		wrong_type(o, key, "Use a JSON object.");
	return jdg_object_jsonb(o, key);
}

/* An array that is not empty. */
JsonbContainer *
jdg_object_array(JdgFlowObject *o, const char *key)
{
	JsonbValue	v;

	if (!jdg_object_get(o, key, &v) || v.type != jbvBinary ||
		!JsonContainerIsArray(v.val.binary.data))
		wrong_type(o, key, "Use an array.");
	if (JsonContainerSize(v.val.binary.data) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid \"%s\" for %s", key,
						jdg_flow_label(o->node)),
				 errdetail("The array is empty."),
				 errhint("A container requires at least one node, \"after\" at least one name.")));
	return v.val.binary.data;
}
