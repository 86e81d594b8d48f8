/*-------------------------------------------------------------------------
 *
 * log.c
 *	  Rows of jadugar_internal.log.
 *
 * Runs in any backend and in workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "task/log.h"

const char *
jdg_log_clip(const char *message)
{
	size_t		len = strlen(message);
	char	   *marker;
	int			keep;

	if (len <= JDG_LOG_MESSAGE_MAX)
		return message;
	marker = psprintf(" ... [cut, %zu bytes in all]", len);
	keep = pg_mbcliplen(message, (int) len,
						JDG_LOG_MESSAGE_MAX - (int) strlen(marker));
	return psprintf("%.*s%s", keep, message, marker);
}

void
jdg_log_insert(int64 task_id, int attempt, Oid owner, TimestampTz at,
			   const char *level, const char *message, Jsonb *fields)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.log "
		"(task_id, attempt, owner, at, level, message, fields) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)", 7,
		{INT8OID, INT4OID, OIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID}
	};
	Datum		v[7];
	char		n[8] = "       ";

	Assert(jdg_is_bookkeeping());
	jdg_put_int64(&v[0], &n[0], task_id, 0);
	v[1] = Int32GetDatum(attempt);
	n[1] = task_id == 0 ? 'n' : ' ';
	v[2] = ObjectIdGetDatum(owner);
	v[3] = TimestampTzGetDatum(at);
	v[4] = CStringGetTextDatum(level);
	v[5] = CStringGetTextDatum(jdg_log_clip(message));
	jdg_put_pointer(&v[6], &n[6], fields);
	jdg_run(&q, v, n, 0);
}
