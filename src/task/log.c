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
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/params.h"
#include "task/log.h"

void
jdg_log_insert(int64 task_id, int attempt, Oid owner, TimestampTz at,
			   const char *level, const char *message, Jsonb *fields,
			   const char *tenant)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.log "
		"(task_id, attempt, owner, at, level, message, fields, tenant) "
		"VALUES ($task_id, $attempt, $owner, $at, $level, $message, $fields, "
		"$tenant)"
	};
	JdgParams	p = {0};
	bool		of_task = task_id != 0;

	Assert(jdg_is_bookkeeping());
	jdg_bind_int64_or_null(&p, "task_id", of_task ? &task_id : NULL);
	jdg_bind_int32_or_null(&p, "attempt", of_task ? &attempt : NULL);
	jdg_bind_oid(&p, "owner", owner);
	jdg_bind_time(&p, "at", at);
	jdg_bind_text(&p, "level", level);
	jdg_bind_text(&p, "message", jdg_clip(message, JDG_LOG_MESSAGE_MAX));
	jdg_bind_jsonb(&p, "fields", jdg_json_cap(fields));
	jdg_bind_text(&p, "tenant", tenant);
	jdg_run_params(&q, &p, 0);
}
