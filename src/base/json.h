/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Builds jsonb objects field by field, and reads fields.
 *
 * Results are in the current memory context.  Values are not copied before
 * jdg_json_finish().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_JSON_H
#define JDG_BASE_JSON_H

#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/*
 * Begin an object, add fields to it, and finish it.  A field is left out if
 * its value is a NULL pointer.  Keys and values are copied at the end only.
 */
extern void jdg_json_begin(JsonbParseState **st);
extern void jdg_json_text(JsonbParseState **st, const char *key,
						  const char *value);
extern void jdg_json_jsonb(JsonbParseState **st, const char *key,
						   Jsonb *value);
extern void jdg_json_int64(JsonbParseState **st, const char *key,
						   int64 value);
extern void jdg_json_numeric(JsonbParseState **st, const char *key,
							 Numeric value);
extern void jdg_json_bool(JsonbParseState **st, const char *key, bool value);

/* an array of text; null elements become empty */
extern void jdg_json_texts(JsonbParseState **st, const char *key,
						   ArrayType *value);
extern Jsonb *jdg_json_finish(JsonbParseState **st);

extern Jsonb *jdg_json_empty(void); /* {} */

/* the same object with a field more, or another value of the field */
extern Jsonb *jdg_json_with(Jsonb *object, const char *key, Jsonb *value);
extern Jsonb *jdg_json_with_text(Jsonb *object, const char *key,
								 const char *value);

/* to_jsonb(row) of a row of a composite type, with the error of that function */
extern Jsonb *jdg_json_of_row(Datum row, Oid type);

/*
 * The value of a field of an object.  NULL (0, false) if "object" is NULL or
 * no object, or if it has no such field, or one of another type.
 */
extern Jsonb *jdg_json_get(const Jsonb *object, const char *key);
extern char *jdg_json_get_text(const Jsonb *object, const char *key);
extern int64 jdg_json_get_int64(const Jsonb *object, const char *key);
extern bool jdg_json_get_bool(const Jsonb *object, const char *key);

/* the number of arrays and objects in each other */
extern int	jdg_json_depth(Jsonb *json);

/* the number of elements in all of its arrays */
extern int64 jdg_json_elements(Jsonb *json);

/* bytes that one byte of a string can become in text, as in \u0001 */
#define JDG_JSON_GROWTH 6

/*
 * The exact number of bytes of a value as text.  A number of few bytes, such as
 * 1e131071, can be a long text, so the size in memory is no bound.  Makes no
 * more than one number into text at a time, and stops as soon as the result is
 * larger than "max".
 */
extern int64 jdg_json_text_size(Jsonb *json, int64 max);

/*
 * Limits a value to jadugar.max_result_size, in memory and as text.  Returns the value itself, or a
 * small object with its size if it is larger.
 */
extern Jsonb *jdg_json_cap(Jsonb *value);

/* The small object for a value of this size. */
extern Jsonb *jdg_json_truncated(Size size);

#endif							/* JDG_BASE_JSON_H */
