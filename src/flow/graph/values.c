/*-------------------------------------------------------------------------
 *
 * values.c
 *	  The object of a node: which keys it may have, and their values.
 *
 * Pure.  Everything that is wrong is a VALIDATION_ERROR that names the node.
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
#include "flow/graph/private.h"

#define BIT(key)	(UINT64CONST(1) << JDG_KEY_##key)
#define ANY_FORM	((UINT64CONST(1) << JDG_KEY_FORMS) - 1)
#define WAITS		(BIT(WAIT_EVENT) | BIT(WAIT_SIGNAL) | BIT(APPROVAL))
#define TASKS		(BIT(STEP) | BIT(SUB_FLOW))
#define GROUPS		(BIT(PARALLEL) | BIT(EACH))

/* in the order of JdgFlowKey; forms that may have the option */
static const struct
{
	const char *name;
	uint64		forms;
}			keys[] =

{
	{"step", 0}, {"chain", 0}, {"parallel", 0}, {"race", 0},
	{"branch", 0}, {"each", 0}, {"loop", 0}, {"sleep", 0},
	{"sleep_until", 0}, {"wait_event", 0}, {"wait_signal", 0},
	{"approval", 0}, {"sub_flow", 0},
	{"name", ANY_FORM & ~(BIT(STEP) | BIT(APPROVAL))},
	{"on_failure", ANY_FORM}, {"timeout", ANY_FORM}, {"after", ANY_FORM},
	{"join", ANY_FORM}, {"join_n", ANY_FORM},
	{"command", BIT(STEP)}, {"payload", TASKS}, {"queue", BIT(STEP)},
	{"priority", BIT(STEP)}, {"retry", BIT(STEP)}, {"transaction", BIT(STEP)},
	{"isolate", BIT(STEP)}, {"settings", BIT(STEP)}, {"metadata", BIT(STEP)},
	{"concurrency_key", BIT(STEP)}, {"compensate", TASKS},
	{"compensate_retry", TASKS}, {"pivot", TASKS},
	{"completion", GROUPS}, {"n", GROUPS}, {"concurrency", GROUPS},
	{"rest", GROUPS | BIT(RACE)},
	{"then", BIT(BRANCH)}, {"else", BIT(BRANCH)}, {"do", BIT(EACH)},
	{"while", BIT(LOOP)}, {"max", BIT(LOOP)}, {"delay", BIT(LOOP)},
	{"filter", BIT(WAIT_EVENT)}, {"on_timeout", WAITS},
	{"approvers", BIT(APPROVAL)}, {"message", BIT(APPROVAL)},
	{"version", BIT(SUB_FLOW)}
};

StaticAssertDecl(lengthof(keys) == JDG_KEY_COUNT, "every key has a row");

const char *
jdg_flow_key_name(JdgFlowKey key)
{
	return keys[key].name;
}

const char *
jdg_flow_label(const JdgFlowNode *node)
{
	if (node->no < 0)
		return psprintf("compensation of \"%s\"", node->name);
	return psprintf("%s \"%s\"", jdg_flow_kind_name(node), node->name);
}

static const char *
value_text(const JsonbValue *v)
{
	Jsonb	   *j = JsonbValueToJsonb(unconstify(JsonbValue *, v));

	return jdg_excerpt(JsonbToCString(NULL, &j->root, VARSIZE(j)));
}

static int
find_key(const JsonbValue *v)
{
	for (int i = 0; i < JDG_KEY_COUNT; i++)
	{
		if (strlen(keys[i].name) == v->val.string.len &&
			memcmp(keys[i].name, v->val.string.val, v->val.string.len) == 0)
			return i;
	}
	return -1;
}

/* Of what form an object is: the key that says so. */
static JdgFlowKey
find_form(const JdgFlowObject *o, JsonbContainer *json)
{
	uint64		forms = o->has & ANY_FORM;

	if (forms == 0 || (forms & (forms - 1)) != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 forms == 0 ? errmsg("a node of the flow has no kind") :
				 errmsg("a node of the flow has more than one kind"),
				 errdetail("The node is %s.",
						   jdg_excerpt(JsonbToCString(NULL, json, 64))),
				 errhint("A node has exactly one of step, chain, parallel, race, branch, each, loop, sleep, sleep_until, wait_event, wait_signal, approval, sub_flow.")));
	for (int i = 0; i < JDG_KEY_FORMS; i++)
	{
		if (jdg_flow_has(o, i))
			return i;
	}
	pg_unreachable();
}

/* What a node is called in messages until its name has been checked. */
static void
name_for_messages(JdgFlowObject *o, JdgFlowKey form)
{
	static const JdgFlowKind kinds[] = {
		JDG_FLOW_STEP, JDG_FLOW_CHAIN, JDG_FLOW_PARALLEL, JDG_FLOW_PARALLEL,
		JDG_FLOW_BRANCH, JDG_FLOW_EACH, JDG_FLOW_LOOP, JDG_FLOW_SLEEP,
		JDG_FLOW_SLEEP, JDG_FLOW_WAIT_EVENT, JDG_FLOW_WAIT_SIGNAL,
		JDG_FLOW_APPROVAL, JDG_FLOW_SUB_FLOW
	};
	JdgFlowKey	key = form == JDG_KEY_STEP || form == JDG_KEY_APPROVAL ?
	form : JDG_KEY_NAME;
	const JsonbValue *v = &o->v[key];

	o->node->kind = kinds[form];
	o->node->is_race = form == JDG_KEY_RACE;
	if (o->node->no < 0)
		return;
	if (jdg_flow_has(o, key) && v->type == jbvString)
		o->node->name = jdg_excerpt(pnstrdup(v->val.string.val,
											 v->val.string.len));
	else
		o->node->name = psprintf("%s#%d", jdg_flow_kind_name(o->node),
								 o->node->no);
}

/*
 * Read the keys of a node's object, and set its kind.  o->node->no has been
 * set, and the name of a compensation.
 */
void
jdg_flow_read_object(JdgFlowObject *o, JsonbContainer *json)
{
	JsonbIterator *it = JsonbIteratorInit(json);
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			key = -1;
	char	   *unknown = NULL;
	JdgFlowKey	form;

	o->has = 0;
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_KEY)
		{
			key = find_key(&v);
			if (key < 0 && unknown == NULL)
				unknown = pnstrdup(v.val.string.val, v.val.string.len);
		}
		else if (tok == WJB_VALUE && key >= 0)
		{
			o->v[key] = v;
			o->has |= UINT64CONST(1) << key;
		}
	}
	form = find_form(o, json);
	name_for_messages(o, form);
	if (unknown)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" of %s is not known", jdg_excerpt(unknown),
						jdg_flow_label(o->node)),
				 errhint("See the reference, under the function of the same name as the kind of node.")));
	for (int i = JDG_KEY_FORMS; i < JDG_KEY_COUNT; i++)
	{
		if (jdg_flow_has(o, i) &&
			(keys[i].forms & (UINT64CONST(1) << form)) == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s can not have \"%s\"",
							jdg_flow_label(o->node), keys[i].name)));
	}
}

void
jdg_flow_need(JdgFlowObject *o, JdgFlowKey key)
{
	if (!jdg_flow_has(o, key))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s needs \"%s\"", jdg_flow_label(o->node),
						keys[key].name)));
}

JDG_NORETURN static void
wrong_type(JdgFlowObject *o, JdgFlowKey key, const char *what)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("\"%s\" of %s must be %s", keys[key].name,
					jdg_flow_label(o->node), what),
			 errdetail("The value is %s.", value_text(&o->v[key]))));
}

const char *
jdg_flow_get_text(JdgFlowObject *o, JdgFlowKey key)
{
	const JsonbValue *v = &o->v[key];

	if (!jdg_flow_has(o, key))
		return NULL;
	if (v->type != jbvString || v->val.string.len == 0)
		wrong_type(o, key, "a text that is not empty");
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* A name of a node, a flow, an event, a role. */
const char *
jdg_flow_get_name(JdgFlowObject *o, JdgFlowKey key)
{
	const char *name = jdg_flow_get_text(o, key);
	const char *wrong = NULL;
	size_t		len;

	if (name == NULL)
		return NULL;
	len = strlen(name);
	if (len > JDG_NAME_MAX)
		wrong = "It is longer than 255 bytes.";
	else if (name[0] == ' ' || name[len - 1] == ' ')
		wrong = "It begins or ends with a space.";
	else if (name[0] == '{')
		wrong = "It begins with a brace.";
	for (const char *p = name; *p && wrong == NULL; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			wrong = "It contains a control character.";
	}
	if (wrong)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" of %s is not acceptable as a name",
						keys[key].name, jdg_flow_label(o->node)),
				 errdetail("%s", wrong),
				 errhint("Use from 1 to 255 bytes on one line.")));
	return name;
}

int
jdg_flow_get_int(JdgFlowObject *o, JdgFlowKey key, int min, int if_none)
{
	const JsonbValue *v = &o->v[key];
	double		d = NAN;

	if (!jdg_flow_has(o, key))
		return if_none;
	if (v->type == jbvNumeric)
		d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(v->val.numeric)));
	if (!(d >= min && d <= PG_INT32_MAX && d == floor(d)))
		wrong_type(o, key, min == PG_INT32_MIN ? "a whole number" :
				   psprintf("a whole number from %d", min));
	return (int) d;
}

bool
jdg_flow_get_bool(JdgFlowObject *o, JdgFlowKey key)
{
	if (!jdg_flow_has(o, key))
		return false;
	if (o->v[key].type != jbvBool)
		wrong_type(o, key, "true or false");
	return o->v[key].val.boolean;
}

/* One of these words, as its position; the first one if there is none. */
int
jdg_flow_get_word(JdgFlowObject *o, JdgFlowKey key, const char *const *words,
				  int nwords, const char *hint)
{
	const char *text = jdg_flow_get_text(o, key);

	if (text == NULL)
		return 0;
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(words[i], text) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unknown \"%s\" of %s", keys[key].name,
					jdg_flow_label(o->node)),
			 errdetail("The value is \"%s\".", jdg_excerpt(text)),
			 errhint("%s", hint)));
	return 0;					/* keep compiler quiet */
}

/*
 * Finite and more than zero.  Read in the style that the builders write it,
 * whatever the session's is, so that it means the same in every process.
 */
Interval *
jdg_flow_get_interval(JdgFlowObject *o, JdgFlowKey key)
{
	const char *text = jdg_flow_get_text(o, key);
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
		ErrorData  *edata;

		IntervalStyle = style;
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	IntervalStyle = style;
	if (iv == NULL)
		wrong_type(o, key, "an interval");
	jdg_check_interval(psprintf("\"%s\" of %s", keys[key].name,
								jdg_flow_label(o->node)), iv, false);
	return iv;
}

Jsonb *
jdg_flow_get_jsonb(JdgFlowObject *o, JdgFlowKey key)
{
	return jdg_flow_has(o, key) ? JsonbValueToJsonb(&o->v[key]) : NULL;
}

Jsonb *
jdg_flow_get_object(JdgFlowObject *o, JdgFlowKey key)
{
	const JsonbValue *v = &o->v[key];

	if (jdg_flow_has(o, key) &&
		(v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data)))
		wrong_type(o, key, "a JSON object");
	return jdg_flow_get_jsonb(o, key);
}

/* An array that is not empty. */
JsonbContainer *
jdg_flow_get_array(JdgFlowObject *o, JdgFlowKey key)
{
	const JsonbValue *v = &o->v[key];

	if (v->type != jbvBinary || !JsonContainerIsArray(v->val.binary.data))
		wrong_type(o, key, "an array");
	if (JsonContainerSize(v->val.binary.data) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" of %s is empty", keys[key].name,
						jdg_flow_label(o->node)),
				 errhint("A container needs a step, \"after\" a name.")));
	return v->val.binary.data;
}
