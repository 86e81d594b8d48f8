/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Values that rows of flow_step hold, see value.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "flow/run/value.h"

Jsonb *
jdg_step_jsonb(Jsonb *stored)
{
	return stored == NULL ? NULL : DatumGetJsonbP(PointerGetDatum(stored));
}

Jsonb *
jdg_flow_error(const char *code, const char *message, const char *detail)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "error_code", code);
	jdg_json_text(&st, "message", message);
	jdg_json_text(&st, "detail", detail);
	return jdg_json_finish(&st);
}

Jsonb *
jdg_flow_bool(bool b)
{
	JsonbValue	v;

	v.type = jbvBool;
	v.val.boolean = b;
	return JsonbValueToJsonb(&v);
}
