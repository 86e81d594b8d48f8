/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Building jsonb objects field by field.
 *
 * A field whose value is NULL is left out.  Values are not copied before
 * jdg_json_finish().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_JSON_H
#define JDG_BASE_JSON_H

#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

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

/* fields of an object; NULL (0, false): it is no object or lacks them */
extern Jsonb *jdg_json_get(const Jsonb *object, const char *key);
extern char *jdg_json_get_text(const Jsonb *object, const char *key);
extern int64 jdg_json_get_int64(const Jsonb *object, const char *key);
extern bool jdg_json_get_bool(const Jsonb *object, const char *key);

/*
 * The value itself, or where it is larger than jadugar.max_result_size a
 * small object that says how large it was.
 */
extern Jsonb *jdg_json_cap(Jsonb *value);

#endif							/* JDG_BASE_JSON_H */
