/*-------------------------------------------------------------------------
 *
 * params.c
 *	  Parameters of our own SQL by name, see params.h.
 *
 * Runs in any process.  The names of a query are replaced by numbers once,
 * when the process runs it for the first time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/params.h"

void
jdg_bind(JdgParams *p, const char *name, Oid type, Datum value, bool isnull)
{
	if (p->n == JDG_PARAMS_MAX)
		elog(ERROR, "too many parameters of a query");
	p->name[p->n] = name;
	p->type[p->n] = type;
	p->value[p->n] = value;
	p->nulls[p->n] = isnull ? 'n' : ' ';
	p->n++;
}

void
jdg_bind_bool(JdgParams *p, const char *name, bool value)
{
	jdg_bind(p, name, BOOLOID, BoolGetDatum(value), false);
}

void
jdg_bind_char(JdgParams *p, const char *name, char value)
{
	jdg_bind(p, name, CHAROID, CharGetDatum(value), false);
}

void
jdg_bind_char_or_null(JdgParams *p, const char *name, char value)
{
	jdg_bind(p, name, CHAROID, CharGetDatum(value), value == '\0');
}

void
jdg_bind_int32(JdgParams *p, const char *name, int32 value)
{
	jdg_bind(p, name, INT4OID, Int32GetDatum(value), false);
}

void
jdg_bind_int64(JdgParams *p, const char *name, int64 value)
{
	jdg_bind(p, name, INT8OID, Int64GetDatum(value), false);
}

void
jdg_bind_oid(JdgParams *p, const char *name, Oid value)
{
	jdg_bind(p, name, OIDOID, ObjectIdGetDatum(value), false);
}

void
jdg_bind_bool_or_null(JdgParams *p, const char *name, const bool *value)
{
	jdg_bind(p, name, BOOLOID, BoolGetDatum(value && *value), value == NULL);
}

void
jdg_bind_int32_or_null(JdgParams *p, const char *name, const int32 *value)
{
	jdg_bind(p, name, INT4OID, Int32GetDatum(value ? *value : 0),
			 value == NULL);
}

void
jdg_bind_int64_or_null(JdgParams *p, const char *name, const int64 *value)
{
	jdg_bind(p, name, INT8OID, Int64GetDatum(value ? *value : 0),
			 value == NULL);
}

void
jdg_bind_text(JdgParams *p, const char *name, const char *value)
{
	jdg_bind(p, name, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0,
			 value == NULL);
}

void
jdg_bind_jsonb(JdgParams *p, const char *name, const Jsonb *value)
{
	jdg_bind(p, name, JSONBOID, PointerGetDatum(value), value == NULL);
}

void
jdg_bind_interval(JdgParams *p, const char *name, const Interval *value)
{
	jdg_bind(p, name, INTERVALOID, PointerGetDatum(value), value == NULL);
}

void
jdg_bind_time(JdgParams *p, const char *name, TimestampTz value)
{
	jdg_bind(p, name, TIMESTAMPTZOID, TimestampTzGetDatum(value),
			 value == DT_NOBEGIN);
}

void
jdg_bind_instant(JdgParams *p, const char *name, TimestampTz value)
{
	jdg_bind(p, name, TIMESTAMPTZOID, TimestampTzGetDatum(value), false);
}

Datum
jdg_array(Oid element, Datum *values, bool *nulls, int n)
{
	int			dims[1] = {n};
	int			lbs[1] = {1};
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(element, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs,
											  element, len, byval, align));
}

void
jdg_bind_array(JdgParams *p, const char *name, Oid element, Datum *values,
			   bool *nulls, int n)
{
	jdg_bind(p, name, get_array_type(element),
			 jdg_array(element, values, nulls, n), false);
}

/*
 * The number, from 1, of a parameter whose name has "len" bytes.  Raises an
 * internal error if it is not bound.
 */
static int
number_of(const JdgQuery *q, const JdgParams *p, const char *name, size_t len)
{
	for (int i = 0; i < p->n; i++)
	{
		if (strncmp(p->name[i], name, len) == 0 && p->name[i][len] == '\0')
			return i + 1;
	}
	elog(ERROR, "parameter \"%.*s\" is not bound: %s", (int) len, name, q->sql);
	return 0;					/* keep compiler quiet */
}

/*
 * Replaces the names in the query's text by numbers, in a copy that lives as
 * long as the process, and sets the types.
 */
static void
number_params(JdgQuery *q, const JdgParams *p)
{
	StringInfoData s;
	const char *at = q->sql;

	initStringInfo(&s);
	while (*at != '\0')
	{
		size_t		plain = strcspn(at, "$");
		size_t		len;

		appendBinaryStringInfo(&s, at, (int) plain);
		at += plain;
		if (*at == '\0')
			break;
		len = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");
		if (len == 0)
			appendStringInfoChar(&s, '$');
		else
			appendStringInfo(&s, "$%d", number_of(q, p, at + 1, len));
		at += len + 1;
	}
	memcpy(q->argtypes, p->type, sizeof(Oid) * p->n);
	q->sql = MemoryContextStrdup(TopMemoryContext, s.data);
	q->nargs = p->n;			/* last: it says that the names are replaced */
	pfree(s.data);
}

int64
jdg_run_params(JdgQuery *q, JdgParams *p, long limit)
{
	if (q->nargs == 0)
		number_params(q, p);
	Assert(q->nargs == p->n);
	Assert(memcmp(q->argtypes, p->type, sizeof(Oid) * p->n) == 0);
	return jdg_run(q, p->value, p->nulls, limit);
}
