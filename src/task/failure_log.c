/*-------------------------------------------------------------------------
 *
 * failure_log.c
 *	  Failed attempts in the server's log, see jadugar.log_failures.
 *
 * Runs where tasks are settled, before the commit.  If that fails, the line is
 * there, and the task has another attempt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "handler/command.h"
#include "task/failure_log.h"

const char *
jdg_schedule_name(int64 schedule_id, const char *kept)
{
	static JdgQuery q = {
		"SELECT name FROM jadugar_internal.schedule WHERE schedule_id = $1",
		1, {INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[1] = {Int64GetDatum(schedule_id)};
	const char *name = kept;
	JdgInternal in;

	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 1) > 0)
		name = jdg_col_text(0, 1, mcxt);
	jdg_internal_end(&in);
	return name;
}

/* The level for an error; the server knows no ERROR that is only written. */
static int
level_of(int sqlerrcode)
{
	switch (jdg_error_severity(sqlerrcode))
	{
		case JDG_SEVERITY_INFO:
			return INFO;
		case JDG_SEVERITY_WARNING:
			return WARNING;
		case JDG_SEVERITY_ERROR:
			break;
	}
	return LOG;
}

void
jdg_failure_log(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	const char *message = jdg_json_get_text(o->error, "message");
	const char *role = GetUserNameFromId(t->owner, true);
	const char *command;
	const char *schedule = NULL;

	if ((d->status != JDG_STATUS_FAILED && d->status != JDG_STATUS_LOST) ||
		jdg_log_failures == JDG_LOG_FAILURES_NONE ||
		(jdg_log_failures == JDG_LOG_FAILURES_FINAL && d->stays))
		return;
	command = jdg_excerpt(jdg_command_get(t->command_id)->text);
	if (t->schedule_id != 0)
		schedule = jdg_schedule_name(t->schedule_id, t->schedule);
	if (message == NULL)
		message = o->reason ? o->reason : "";
	if (role == NULL)
		role = psprintf("%u", t->owner);
	ereport(level_of(o->sqlerrcode),
			(errcode(o->sqlerrcode ? o->sqlerrcode :
					 JDG_ERRCODE_TASK_EXECUTION_ERROR),
			 errmsg("task %lld failed: %s", (long long) t->task_id,
					jdg_excerpt(message)),
			 t->fallback != NULL ?
			 errdetail("Role \"%s\", fallback after %d attempts: %s",
					   role, t->attempt - 1, command) :
			 schedule != NULL ?
			 errdetail("Role \"%s\", schedule \"%s\", attempt %d of %d: %s",
					   role, schedule, t->attempt, t->max_attempts, command) :
			 errdetail("Role \"%s\", attempt %d of %d: %s",
					   role, t->attempt, t->max_attempts, command),
			 errhidestmt(true)));
}
