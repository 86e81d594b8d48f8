/*-------------------------------------------------------------------------
 *
 * time_zone.c
 *	  The time zone of a task, as one of its settings, see time_zone.h.
 *
 * Pure.  Tasks of schedules, and steps of runs that these start, have the time
 * zone of the schedule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "task/time_zone.h"

/* Do settings have a time zone, in any spelling? */
static bool
has_zone(const Jsonb *settings)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	it = JsonbIteratorInit(unconstify(JsonbContainer *, &settings->root));
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_KEY && v.val.string.len == strlen("TimeZone") &&
			pg_strncasecmp(v.val.string.val, "TimeZone", v.val.string.len) == 0)
			return true;
	}
	return false;
}

Jsonb *
jdg_settings_with_zone(Jsonb *settings, const char *zone)
{
	JsonbParseState *st;
	Jsonb	   *object;

	if (settings != NULL && has_zone(settings))
		return settings;
	jdg_json_begin(&st);
	jdg_json_text(&st, "TimeZone", zone);
	object = jdg_json_finish(&st);
	if (settings == NULL)
		return object;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(settings),
											  JsonbPGetDatum(object)));
}
