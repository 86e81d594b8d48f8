/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Columns of rows of our own tables that are read or written directly.
 *
 * Columns are given by their position, from 0.  A slot that is read must have
 * its attributes deformed.  DT_NOBEGIN, NULL and the value that the caller
 * names stand for null.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_COLUMNS_H
#define JDG_BASE_COLUMNS_H

#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

static inline int64
jdg_get_int64(const TupleTableSlot *s, int column, int64 if_null)
{
	return s->tts_isnull[column] ? if_null :
		DatumGetInt64(s->tts_values[column]);
}

static inline int
jdg_get_int32(const TupleTableSlot *s, int column, int if_null)
{
	return s->tts_isnull[column] ? if_null :
		DatumGetInt32(s->tts_values[column]);
}

static inline TimestampTz
jdg_get_time(const TupleTableSlot *s, int column)
{
	return s->tts_isnull[column] ? DT_NOBEGIN :
		DatumGetTimestampTz(s->tts_values[column]);
}

static inline char *
jdg_get_text(const TupleTableSlot *s, int column)
{
	return s->tts_isnull[column] ? NULL :
		TextDatumGetCString(s->tts_values[column]);
}

/* a copy */
static inline Jsonb *
jdg_get_jsonb(const TupleTableSlot *s, int column)
{
	return s->tts_isnull[column] ? NULL :
		DatumGetJsonbPCopy(s->tts_values[column]);
}

/*
 * An enum is stored as a letter: returns its position in the n letters of the
 * enum.  "what" is for the error if it is not there.
 */
static inline int
jdg_letter_in(const char *letters, int n, char letter, const char *what)
{
	for (int i = 0; i < n; i++)
	{
		if (letters[i] == letter)
			return i;
	}
	elog(ERROR, "unrecognized %s: %d", what, letter);
	pg_unreachable();
}

static inline void
jdg_set_int64(Datum *v, bool *isnull, int column, int64 value, int64 null_if)
{
	v[column] = Int64GetDatum(value);
	isnull[column] = value == null_if;
}

static inline void
jdg_set_time(Datum *v, bool *isnull, int column, TimestampTz t)
{
	v[column] = TimestampTzGetDatum(t);
	isnull[column] = t == DT_NOBEGIN;
}

static inline void
jdg_set_text(Datum *v, bool *isnull, int column, const char *s)
{
	v[column] = s ? CStringGetTextDatum(s) : (Datum) 0;
	isnull[column] = s == NULL;
}

static inline void
jdg_set_pointer(Datum *v, bool *isnull, int column, const void *p)
{
	v[column] = PointerGetDatum(p);
	isnull[column] = p == NULL;
}

#endif							/* JDG_BASE_COLUMNS_H */
