/*-------------------------------------------------------------------------
 *
 * timing_type.c
 *	  The SQL type jadugar.timing: text and binary form, order, casts.
 *
 * Runs in any process.  The type has a varlena header, so that it can grow.
 * It has storage plain, and always the size of JdgTiming.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "timing/compare.h"
#include "timing/parse.h"
#include "timing/parse_interval.h"
#include "timing/print.h"
#include "timing/timing_type.h"

/* version of the binary form: one byte, followed by the canonical text */
#define BINARY_VERSION 1

/* The server returns errors of input functions to the caller since 16. */
#ifdef ereturn
#define timing_error(context, ...) ereturn(context, (Datum) 0, __VA_ARGS__)
#else
#define timing_error(context, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); } while (0)
#endif

PG_FUNCTION_INFO_V1(jdg_timing_in);
PG_FUNCTION_INFO_V1(jdg_timing_out);
PG_FUNCTION_INFO_V1(jdg_timing_recv);
PG_FUNCTION_INFO_V1(jdg_timing_send);
PG_FUNCTION_INFO_V1(jdg_timing_eq);
PG_FUNCTION_INFO_V1(jdg_timing_ne);
PG_FUNCTION_INFO_V1(jdg_timing_lt);
PG_FUNCTION_INFO_V1(jdg_timing_le);
PG_FUNCTION_INFO_V1(jdg_timing_gt);
PG_FUNCTION_INFO_V1(jdg_timing_ge);
PG_FUNCTION_INFO_V1(jdg_timing_cmp);
PG_FUNCTION_INFO_V1(jdg_timing_hash);
PG_FUNCTION_INFO_V1(jdg_timing_hash_extended);
PG_FUNCTION_INFO_V1(jdg_timing_from_interval_sql);
PG_FUNCTION_INFO_V1(jdg_timing_from_timestamptz_sql);

JdgTiming *
DatumGetJdgTiming(Datum datum)
{
	JdgTiming  *timing = (JdgTiming *) PG_DETOAST_DATUM(datum);

	if (VARSIZE(timing) != sizeof(JdgTiming))
		elog(ERROR, "timing has %u bytes instead of %zu",
			 (unsigned int) VARSIZE(timing), sizeof(JdgTiming));
	return timing;
}

Datum
JdgTimingGetDatum(const JdgTiming *timing)
{
	JdgTiming  *copy = (JdgTiming *) palloc(sizeof(JdgTiming));

	memcpy(copy, timing, sizeof(JdgTiming));
	SET_VARSIZE(copy, sizeof(JdgTiming));
	return PointerGetDatum(copy);
}

/*
 * Reads a timestamp with the server's parser, which raises errors.  Returns
 * false for an error about the text, and rethrows any other.  The parser holds
 * no resources when it raises, so catching needs no subtransaction.
 */
static bool
read_instant(void *arg, const char *text, size_t len, int64_t *instant_us,
			 JdgTimingError *err)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *copy = pnstrdup(text, len);
	volatile bool ok = false;

	PG_TRY();
	{
		*instant_us = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
															  CStringGetDatum(copy),
															  ObjectIdGetDatum(InvalidOid),
															  Int32GetDatum(-1)));
		ok = true;
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	pfree(copy);
	return ok;
}

bool
jdg_timing_read(const char *text, JdgTiming *out, JdgTimingError *err)
{
	size_t		len = strlen(text);

	if (jdg_timing_parse(text, len, out, err, read_instant, NULL))
	{
		SET_VARSIZE(out, sizeof(JdgTiming));
		return true;
	}
	if (err->position > 0)
		err->position = pg_mbstrlen_with_len(text, (int) err->offset) + 1;
	return false;
}

char *
jdg_timing_text(const JdgTiming *timing)
{
	char	   *text = palloc(JDG_TIMING_PRINT_SIZE);
	size_t		length;

	length = jdg_timing_print(timing, text, JDG_TIMING_PRINT_SIZE);
	if (length >= JDG_TIMING_PRINT_SIZE)
		elog(ERROR, "text of a timing is too long");
	return text;
}

/*
 * Reads a timing for an input function.  Raises VALIDATION_ERROR if it is
 * invalid, or returns that error in context if it is an ErrorSaveContext.
 */
static Datum
read_or_report(const char *text, fmNodePtr context)
{
	JdgTiming	timing;
	JdgTimingError err = {0};

	if (!jdg_timing_read(text, &timing, &err))
		timing_error(context,
					 (errcode(JDG_ERRCODE_VALIDATION_ERROR),
					  errmsg("%s at character %d", err.message, err.position),
					  errdetail_internal("%s", err.detail),
					  errhint("%s", err.hint)));
	return JdgTimingGetDatum(&timing);
}

Datum
jdg_timing_in(PG_FUNCTION_ARGS)
{
	return read_or_report(PG_GETARG_CSTRING(0), fcinfo->context);
}

Datum
jdg_timing_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(jdg_timing_text(PG_GETARG_JDG_TIMING(0)));
}

/* The text is untrusted, and parsed like any other input. */
Datum
jdg_timing_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	int			length = buf->len - buf->cursor;
	char	   *text;
	int			used;

	if (version != BINARY_VERSION)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("unsupported version %d of the binary form of a timing",
						version),
				 errdetail("This server supports version %d.", BINARY_VERSION),
				 errhint("Send the timing as text.")));
	text = pq_getmsgtext(buf, length, &used);

	return read_or_report(text, NULL);
}

Datum
jdg_timing_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	char	   *text = jdg_timing_text(PG_GETARG_JDG_TIMING(0));

	pq_begintypsend(&buf);
	pq_sendbyte(&buf, BINARY_VERSION);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	return jdg_timing_compare(PG_GETARG_JDG_TIMING(0),
							  PG_GETARG_JDG_TIMING(1));
}

Datum
jdg_timing_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
jdg_timing_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
jdg_timing_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
jdg_timing_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
jdg_timing_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
jdg_timing_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
jdg_timing_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* Equal timings are equal bytes, behind the varlena header. */
static const unsigned char *
hashed_bytes(const JdgTiming *timing)
{
	return (const unsigned char *) timing + sizeof(timing->vl_len_);
}

Datum
jdg_timing_hash(PG_FUNCTION_ARGS)
{
	JdgTiming  *timing = PG_GETARG_JDG_TIMING(0);

	return hash_any(hashed_bytes(timing),
					sizeof(JdgTiming) - sizeof(timing->vl_len_));
}

Datum
jdg_timing_hash_extended(PG_FUNCTION_ARGS)
{
	JdgTiming  *timing = PG_GETARG_JDG_TIMING(0);

	return hash_any_extended(hashed_bytes(timing),
							 sizeof(JdgTiming) - sizeof(timing->vl_len_),
							 PG_GETARG_INT64(1));
}

Datum
jdg_timing_from_interval_sql(PG_FUNCTION_ARGS)
{
	Interval   *interval = PG_GETARG_INTERVAL_P(0);
	JdgTiming	timing;
	JdgTimingError err = {0};

	if (!jdg_timing_from_interval(interval->month, interval->day,
								  interval->time, &timing, &err))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s", err.message),
				 errdetail("The interval is %s.",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(interval)))),
				 errhint("%s", err.hint)));
	return JdgTimingGetDatum(&timing);
}

Datum
jdg_timing_from_timestamptz_sql(PG_FUNCTION_ARGS)
{
	TimestampTz instant = PG_GETARG_TIMESTAMPTZ(0);
	JdgTiming	timing;
	JdgTimingError err = {0};

	if (!jdg_timing_from_instant(instant, &timing, &err))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s", err.message),
				 errdetail("The timestamp is %s.", timestamptz_to_str(instant)),
				 errhint("%s", err.hint)));
	return JdgTimingGetDatum(&timing);
}
