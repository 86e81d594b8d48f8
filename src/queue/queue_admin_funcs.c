/*-------------------------------------------------------------------------
 *
 * queue_admin_funcs.c
 *	  pause_queue(), resume_queue(), drop_queue(), grant_queue(),
 *	  revoke_queue().
 *
 * Runs in the caller's backend.  Each locks the queue's row first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "task/wakeup.h"

PG_FUNCTION_INFO_V1(jdg_pause_queue);
PG_FUNCTION_INFO_V1(jdg_resume_queue);
PG_FUNCTION_INFO_V1(jdg_drop_queue);
PG_FUNCTION_INFO_V1(jdg_grant_queue);
PG_FUNCTION_INFO_V1(jdg_revoke_queue);

static JdgQuery pause_query = {
	"UPDATE jadugar.queue SET paused_at = coalesce(paused_at, $2), "
	"paused_by = coalesce(paused_by, $3) WHERE queue_id = $1",
	3, {INT4OID, TIMESTAMPTZOID, NAMEOID},
	.config = true
};

static JdgQuery resume_query = {
	"UPDATE jadugar.queue SET paused_at = NULL, paused_by = NULL "
	"WHERE queue_id = $1",
	1, {INT4OID},
	.config = true
};

static JdgQuery used_query = {
	"SELECT (SELECT count(*) FROM jadugar.task AS t WHERE t.queue_id = $1), "
	"(SELECT count(*) FROM jadugar.schedule AS s WHERE s.queue_id = $1), "
	"(SELECT count(*) FROM jadugar.handler AS h WHERE h.queue_id = $1)",
	1, {INT4OID}
};

static JdgQuery drop_grants_query = {
	"DELETE FROM jadugar.queue_grant WHERE queue_id = $1", 1, {INT4OID},
	.config = true
};

static JdgQuery drop_query = {
	"DELETE FROM jadugar.queue WHERE queue_id = $1", 1, {INT4OID},
	.config = true
};

static JdgQuery grant_query = {
	"INSERT INTO jadugar.queue_grant (queue_id, role, privilege) "
	"VALUES ($1, $2, $3) ON CONFLICT (queue_id, role, privilege) DO NOTHING",
	3, {INT4OID, OIDOID, TEXTOID},
	.config = true
};

static JdgQuery revoke_query = {
	"DELETE FROM jadugar.queue_grant "
	"WHERE queue_id = $1 AND role = $2 AND privilege = $3",
	3, {INT4OID, OIDOID, TEXTOID},
	.config = true
};

/* pause_queue(name): what runs goes on, nothing more is started */
Datum
jdg_pause_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "pause_queue", "name");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[3];
	NameData	user_name;

	namestrcpy(&user_name, GetUserNameFromId(user, false));
	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(name, user));
	values[1] = TimestampTzGetDatum(jdg_now());
	values[2] = NameGetDatum(&user_name);
	jdg_run(&pause_query, values, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* resume_queue(name) */
Datum
jdg_resume_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "resume_queue", "name");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		queue_id;

	jdg_internal_begin(&in);
	queue_id = Int32GetDatum(jdg_queue_lock(name, user));
	jdg_run(&resume_query, &queue_id, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* A queue goes only when nothing names it any more. */
static void
refuse_if_used(const char *name, Datum queue_id)
{
	int64		tasks;
	int64		schedules;
	int64		handlers;

	(void) jdg_run(&used_query, &queue_id, NULL, 1);
	tasks = jdg_col_int64(0, 1, 0);
	schedules = jdg_col_int64(0, 2, 0);
	handlers = jdg_col_int64(0, 3, 0);
	if (tasks + schedules + handlers == 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("queue \"%s\" is in use", name),
			 errdetail("Unfinished tasks: %lld, schedules: %lld, handlers: %lld.",
					   (long long) tasks, (long long) schedules,
					   (long long) handlers),
			 errhint("Finish, cancel or move those first.")));
}

/* drop_queue(name) */
Datum
jdg_drop_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "drop_queue", "name");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		queue_id;

	jdg_internal_begin(&in);
	queue_id = Int32GetDatum(jdg_queue_lock(name, user));
	if (DatumGetInt32(queue_id) == JDG_DEFAULT_QUEUE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("queue \"%s\" can not be dropped", name),
				 errdetail("Tasks that name no queue go there."),
				 errhint("Pause it with jadugar.pause_queue().")));
	/* whoever is about to put something there has it shared */
	jdg_lock_xact(JDG_LOCK_QUEUE_USE, DatumGetUInt32(queue_id));
	refuse_if_used(name, queue_id);
	jdg_run(&drop_grants_query, &queue_id, NULL, 0);
	jdg_run(&drop_query, &queue_id, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

static void
check_privilege(const char *privilege)
{
	if (strcmp(privilege, "enqueue") != 0 && strcmp(privilege, "claim") != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("privilege \"%s\" is not known",
						jdg_excerpt(privilege)),
				 errhint("Use 'enqueue' or 'claim'.")));
}

/* grant_queue(queue, role, privilege) */
Datum
jdg_grant_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "grant_queue", "queue");
	char	   *role = jdg_need_text(fcinfo, 1, "grant_queue", "role");
	char	   *privilege = jdg_need_text(fcinfo, 2, "grant_queue", "privilege");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[3];

	check_privilege(privilege);
	values[1] = ObjectIdGetDatum(jdg_grantee(role));
	values[2] = CStringGetTextDatum(privilege);
	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(name, user));
	jdg_remember_role(DatumGetObjectId(values[1]));
	jdg_run(&grant_query, values, NULL, 0);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* revoke_queue(queue, role, privilege) */
Datum
jdg_revoke_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "revoke_queue", "queue");
	char	   *role = jdg_need_text(fcinfo, 1, "revoke_queue", "role");
	char	   *privilege = jdg_need_text(fcinfo, 2, "revoke_queue", "privilege");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[3];

	check_privilege(privilege);
	values[1] = ObjectIdGetDatum(jdg_grantee(role));
	values[2] = CStringGetTextDatum(privilege);
	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(name, user));
	if (jdg_run(&revoke_query, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("role \"%s\" has no such grant on queue \"%s\"", role,
						name)));
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
