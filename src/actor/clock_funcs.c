/*-------------------------------------------------------------------------
 *
 * clock_funcs.c
 *	  SQL functions of version vectors: clock_tick, clock_merge,
 *	  clock_compare.
 *
 * Run in any process.  They read nothing but their arguments.
 *
 * A clock is a jsonb object with a counter for each node.  A node without a
 * counter has 0.  The fields of a jsonb object are sorted, so two clocks are
 * compared and merged in one pass over both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/args.h"
#include "base/errors.h"

PG_FUNCTION_INFO_V1(jdg_clock_tick);
PG_FUNCTION_INFO_V1(jdg_clock_merge);
PG_FUNCTION_INFO_V1(jdg_clock_compare);

/* the digits of the largest counter, 2^63 - 1 */
#define COUNTER_DIGITS 19

typedef struct Counter
{
	const char *node;
	int			len;			/* of the node */
	int64		count;
} Counter;

typedef struct Clock
{
	int			n;
	Counter    *counter;		/* in the order of jsonb */
} Clock;

/* clock_tick() */
typedef struct TickArgs
{
	Jsonb	   *clock;
	char	   *node;
} TickArgs;

static const JdgArg tick_args[] = {
	{"clock", JSONBOID, offsetof(TickArgs, clock), JDG_NEEDED},
	{"node", TEXTOID, offsetof(TickArgs, node), JDG_NEEDED},
};

/* clock_merge(), clock_compare() */
typedef struct PairArgs
{
	Jsonb	   *a;
	Jsonb	   *b;
} PairArgs;

static const JdgArg pair_args[] = {
	{"a", JSONBOID, offsetof(PairArgs, a), JDG_NEEDED},
	{"b", JSONBOID, offsetof(PairArgs, b), JDG_NEEDED},
};

JDG_NORETURN static void
raise_counter(const Counter *c, const char *value)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid counter of node \"%s\" in a clock",
					pnstrdup(c->node, c->len)),
			 errdetail("The value is %s.", jdg_excerpt(value)),
			 errhint("Counters are integers from 0 to 9223372036854775807.")));
	pg_unreachable();
}

/* The counter that a field of a clock has; raises VALIDATION_ERROR. */
static int64
read_count(const Counter *c, const JsonbValue *v)
{
	char	   *digits;
	uint64		count;

	if (v->type != jbvNumeric)
		raise_counter(c, v->type == jbvString ?
					  psprintf("\"%s\"", pnstrdup(v->val.string.val, v->val.string.len)) :
					  v->type == jbvNull ? "null" :
					  v->type == jbvBool ? (v->val.boolean ? "true" : "false") :
					  "an object or an array");
	digits = numeric_normalize(v->val.numeric);
	count = strtoull(digits, NULL, 10);
	if (strlen(digits) > COUNTER_DIGITS || count > PG_INT64_MAX ||
		strspn(digits, "0123456789") != strlen(digits))
		raise_counter(c, digits);
	pfree(digits);
	return (int64) count;
}

/* Checks the name of a node. */
static void
check_node(const char *node, int len)
{
	if (len >= 1 && len <= JDG_NAME_MAX)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid node \"%s\" of a clock",
					jdg_excerpt(pnstrdup(node, len))),
			 errdetail("It has %d bytes.", len),
			 errhint("Names of nodes have 1 to %d bytes.", JDG_NAME_MAX)));
}

/* Reads the argument of this name; raises VALIDATION_ERROR. */
static Clock
read_clock(const char *argument, Jsonb *json)
{
	Clock		clock = {0, NULL};
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" is not a clock", argument),
				 errdetail("The value is %s.",
						   jdg_excerpt(JsonbToCString(NULL, &json->root, VARSIZE(json)))),
				 errhint("A clock is an object of nodes and counters, such as {\"east\": 3}. An empty one is {}.")));
	clock.counter = palloc(sizeof(Counter) * Max(JB_ROOT_COUNT(json), 1));
	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, false);
	while ((tok = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
	{
		Counter    *c = &clock.counter[clock.n++];

		c->node = v.val.string.val;
		c->len = v.val.string.len;
		check_node(c->node, c->len);
		(void) JsonbIteratorNext(&it, &v, true);
		c->count = read_count(c, &v);
	}
	return clock;
}

/* The order of fields in a jsonb object: by length, then by bytes. */
static int
compare_nodes(const Counter *a, const Counter *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->node, b->node, a->len);
}

/*
 * The next node of either clock, from positions *i and *j, which advance past
 * it; false at the end of both.  *a and *b receive its counters.
 */
static bool
next_node(const Clock *ca, const Clock *cb, int *i, int *j, Counter *a,
		  Counter *b)
{
	int			order;

	if (*i == ca->n && *j == cb->n)
		return false;
	order = *i == ca->n ? 1 : *j == cb->n ? -1 :
		compare_nodes(&ca->counter[*i], &cb->counter[*j]);
	*a = order <= 0 ? ca->counter[*i] : cb->counter[*j];
	*b = order >= 0 ? cb->counter[*j] : ca->counter[*i];
	if (order < 0)
		b->count = 0;
	if (order > 0)
		a->count = 0;
	*i += order <= 0;
	*j += order >= 0;
	return true;
}

/* The clock that has the larger counter of each node. */
static Jsonb *
merge(const Clock *ca, const Clock *cb)
{
	JsonbParseState *st = NULL;
	Counter		a;
	Counter		b;
	int			i = 0;
	int			j = 0;

	pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	while (next_node(ca, cb, &i, &j, &a, &b))
	{
		JsonbValue	v;

		v.type = jbvString;
		v.val.string.val = unconstify(char *, a.node);
		v.val.string.len = a.len;
		pushJsonbValue(&st, WJB_KEY, &v);
		v.type = jbvNumeric;
		v.val.numeric = int64_to_numeric(Max(a.count, b.count));
		pushJsonbValue(&st, WJB_VALUE, &v);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
}

/* clock_tick(clock, node) */
Datum
jdg_clock_tick(PG_FUNCTION_ARGS)
{
	TickArgs	args;
	Clock		clock;
	Counter		ticked;
	Clock		tick = {1, &ticked};

	JDG_READ_ARGS("clock_tick", tick_args, &args);
	clock = read_clock("clock", args.clock);
	ticked.node = args.node;
	ticked.len = strlen(args.node);
	ticked.count = 0;
	check_node(ticked.node, ticked.len);
	for (int i = 0; i < clock.n; i++)
	{
		if (compare_nodes(&clock.counter[i], &ticked) == 0)
			ticked.count = clock.counter[i].count;
	}
	if (ticked.count == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot increase the counter of node \"%s\"",
						args.node),
				 errdetail("It is %lld, the largest one.",
						   (long long) ticked.count)));
	ticked.count++;
	PG_RETURN_JSONB_P(merge(&clock, &tick));
}

/* clock_merge(a, b) */
Datum
jdg_clock_merge(PG_FUNCTION_ARGS)
{
	PairArgs	args;
	Clock		a;
	Clock		b;

	JDG_READ_ARGS("clock_merge", pair_args, &args);
	a = read_clock("a", args.a);
	b = read_clock("b", args.b);
	PG_RETURN_JSONB_P(merge(&a, &b));
}

/* clock_compare(a, b) */
Datum
jdg_clock_compare(PG_FUNCTION_ARGS)
{
	PairArgs	args;
	Clock		ca;
	Clock		cb;
	Counter		a;
	Counter		b;
	int			i = 0;
	int			j = 0;
	bool		less = false;
	bool		more = false;

	JDG_READ_ARGS("clock_compare", pair_args, &args);
	ca = read_clock("a", args.a);
	cb = read_clock("b", args.b);
	while (next_node(&ca, &cb, &i, &j, &a, &b))
	{
		less |= a.count < b.count;
		more |= a.count > b.count;
	}
	PG_RETURN_TEXT_P(cstring_to_text(less && more ? "concurrent" :
									 less ? "before" :
									 more ? "after" : "equal"));
}
