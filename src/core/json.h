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
#ifndef JDG_JSON_H
#define JDG_JSON_H

#include "utils/jsonb.h"

extern void jdg_json_begin(JsonbParseState **st);
extern void jdg_json_text(JsonbParseState **st, const char *key,
						  const char *value);
extern void jdg_json_jsonb(JsonbParseState **st, const char *key,
						   Jsonb *value);
extern void jdg_json_int64(JsonbParseState **st, const char *key,
						   int64 value);
extern Jsonb *jdg_json_finish(JsonbParseState **st);

#endif							/* JDG_JSON_H */
