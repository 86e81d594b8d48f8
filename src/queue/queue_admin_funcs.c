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
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/locks.h"
#include "base/spi.h"
#include "flow/uses.h"
#include "queue/queue.h"
#include "shared/happening.h"
#include "task/wakeup.h"

/* pause_queue(), resume_queue(), drop_queue() */
static const JdgArg name_args[] = {
	{"name", TEXTOID, 0, JDG_NEEDED},
};

static const char *const privilege_words[] = {"enqueue", "claim", NULL};

/* grant_queue(), revoke_queue() */
typedef struct GrantArgs
{
	char	   *queue;
	char	   *role;
	int			privilege;		/* in privilege_words */
} GrantArgs;

static const JdgArg grant_args[] = {
	{"queue", TEXTOID, offsetof(GrantArgs, queue), JDG_NEEDED},
	{"role", TEXTOID, offsetof(GrantArgs, role), JDG_NEEDED},
	{"privilege", TEXTOID, offsetof(GrantArgs, privilege), JDG_NEEDED,
	privilege_words},
};

static JdgQuery resume_query = {
	"UPDATE jadugar_internal.queue SET paused_at = NULL, paused_by = NULL "
	"WHERE queue_id = $1 AND paused_at IS NOT NULL",
	1, {INT4OID},
	.config = true
};

static JdgQuery used_query = {
	"SELECT (SELECT count(*) FROM jadugar_internal.task AS t "
	"WHERE t.queue_id = $1), "
	"(SELECT count(*) FROM jadugar_internal.schedule AS s "
	"WHERE s.queue_id = $1), "
	"(SELECT count(*) FROM jadugar_internal.handler AS h "
	"WHERE h.queue_id = $1), "
	"(SELECT count(*) FROM jadugar_internal.subscription AS n "
	"WHERE n.queue_id = $1), "
	"(SELECT count(*) FROM jadugar_internal.actor AS a "
	"WHERE a.queue_id = $1)",
	1, {INT4OID}
};

static JdgQuery drop_grants_query = {
	"DELETE FROM jadugar_internal.queue_grant "
	"WHERE queue_id = $1", 1, {INT4OID},
	.config = true
};

static JdgQuery drop_query = {
	"DELETE FROM jadugar_internal.queue WHERE queue_id = $1", 1, {INT4OID},
	.config = true
};

static JdgQuery grant_query = {
	"INSERT INTO jadugar_internal.queue_grant (queue_id, role, privilege) "
	"VALUES ($1, $2, $3) ON CONFLICT (queue_id, role, privilege) DO NOTHING",
	3, {INT4OID, OIDOID, TEXTOID},
	.config = true
};

static JdgQuery revoke_query = {
	"DELETE FROM jadugar_internal.queue_grant "
	"WHERE queue_id = $1 AND role = $2 AND privilege = $3",
	3, {INT4OID, OIDOID, TEXTOID},
	.config = true
};

/* Tells modules that a queue is paused or resumed, unless it is already. */
static void
tell(JdgHappening kind, int32 queue_id)
{
	JsonbParseState *st = NULL;
	JdgQueue	queue;

	if (!jdg_happens(kind) || !jdg_queue_by_id(queue_id, &queue) ||
		queue.paused == (kind == JDG_QUEUE_PAUSED))
		return;
	jdg_json_begin(&st);
	jdg_json_int64(&st, "queue_id", queue_id);
	jdg_json_text(&st, "queue", queue.name);
	jdg_happened(kind, queue.owner, queue.name, jdg_json_finish(&st));
}

/* pause_queue(name): running tasks go on, no more are started */
JDG_FUNCTION(jdg_pause_queue, JDG_LEVEL_USER)
{
	char	   *name;
	JdgInternal in;
	int32		queue_id;

	JDG_READ_ARGS("pause_queue", name_args, &name);
	jdg_internal_begin(&in);
	queue_id = jdg_queue_lock(name, in.save_user);
	tell(JDG_QUEUE_PAUSED, queue_id);
	if (jdg_queue_pause(queue_id, in.save_user))
		jdg_audit("pause_queue", "queue", name, jdg_queue_owner(queue_id));
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* resume_queue(name) */
JDG_FUNCTION(jdg_resume_queue, JDG_LEVEL_USER)
{
	char	   *name;
	JdgInternal in;
	Datum		queue_id;

	JDG_READ_ARGS("resume_queue", name_args, &name);
	jdg_internal_begin(&in);
	queue_id = Int32GetDatum(jdg_queue_lock(name, in.save_user));
	tell(JDG_QUEUE_RESUMED, DatumGetInt32(queue_id));
	if (jdg_run(&resume_query, &queue_id, NULL, 0) > 0)
		jdg_audit("resume_queue", "queue", name,
				  jdg_queue_owner(DatumGetInt32(queue_id)));
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/*
 * A queue goes only when nothing names it any more.  The lock was waited for,
 * so rows count that have been committed since this transaction began.
 */
static void
refuse_if_used(const char *name, Datum queue_id)
{
	int64		tasks;
	int64		schedules;
	int64		handlers;
	int64		subscriptions;
	int64		actors;
	JdgFlowUses uses;

	(void) jdg_run_latest(&used_query, &queue_id, NULL);
	tasks = jdg_col_int64(0, 1, 0);
	schedules = jdg_col_int64(0, 2, 0);
	handlers = jdg_col_int64(0, 3, 0);
	subscriptions = jdg_col_int64(0, 4, 0);
	actors = jdg_col_int64(0, 5, 0);
	jdg_flow_uses_of_queue(DatumGetInt32(queue_id), &uses);
	if (tasks + schedules + handlers + subscriptions + actors + uses.flows +
		uses.runs == 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("cannot drop queue \"%s\" because it is in use", name),
			 jdg_confined(jdg_section_caller()) != NULL ? 0 :
			 errdetail("Unfinished tasks: %lld, schedules: %lld, handlers: %lld, subscriptions: %lld, actors: %lld, flows: %lld, unfinished flow runs: %lld.",
					   (long long) tasks, (long long) schedules,
					   (long long) handlers, (long long) subscriptions,
					   (long long) actors, (long long) uses.flows, (long long) uses.runs),
			 errhint("Finish, cancel, drop, or move them first.")));
}

/* drop_queue(name) */
JDG_FUNCTION(jdg_drop_queue, JDG_LEVEL_USER)
{
	char	   *name;
	JdgInternal in;
	Datum		queue_id;

	JDG_READ_ARGS("drop_queue", name_args, &name);
	jdg_internal_begin(&in);
	queue_id = Int32GetDatum(jdg_queue_lock(name, in.save_user));
	if (DatumGetInt32(queue_id) == JDG_DEFAULT_QUEUE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot drop queue \"%s\"", name),
				 errdetail("Tasks that name no queue go there."),
				 errhint("Pause it with jadugar.pause_queue().")));
	/* a session that is about to put something there holds it shared */
	jdg_lock_xact(JDG_LOCK_QUEUE_USE, DatumGetUInt32(queue_id));
	refuse_if_used(name, queue_id);
	jdg_audit("drop_queue", "queue", name,
			  jdg_queue_owner(DatumGetInt32(queue_id)));
	jdg_run(&drop_grants_query, &queue_id, NULL, 0);
	jdg_run(&drop_query, &queue_id, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* grant_queue(queue, role, privilege) */
JDG_FUNCTION(jdg_grant_queue, JDG_LEVEL_USER)
{
	GrantArgs	a;
	Oid			role;
	JdgInternal in;
	Datum		values[3];

	JDG_READ_ARGS("grant_queue", grant_args, &a);
	role = jdg_grantee(a.role);
	values[1] = ObjectIdGetDatum(role);
	values[2] = CStringGetTextDatum(privilege_words[a.privilege]);
	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(a.queue, in.save_user));
	jdg_remember_role(role);
	if (jdg_run(&grant_query, values, NULL, 0) > 0)
		jdg_audit_grant("grant_queue", "queue", a.queue,
						jdg_queue_owner(DatumGetInt32(values[0])),
						privilege_words[a.privilege], a.role);
	jdg_internal_end(&in);
	jdg_note_no_access(role);
	PG_RETURN_VOID();
}

/* revoke_queue(queue, role, privilege) */
JDG_FUNCTION(jdg_revoke_queue, JDG_LEVEL_USER)
{
	GrantArgs	a;
	JdgInternal in;
	Datum		values[3];

	JDG_READ_ARGS("revoke_queue", grant_args, &a);
	values[1] = ObjectIdGetDatum(jdg_grantee(a.role));
	values[2] = CStringGetTextDatum(privilege_words[a.privilege]);
	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(a.queue, in.save_user));
	if (jdg_run(&revoke_query, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("privilege \"%s\" on queue \"%s\" is not granted to role \"%s\"",
						privilege_words[a.privilege], a.queue, a.role)));
	jdg_audit_grant("revoke_queue", "queue", a.queue,
					jdg_queue_owner(DatumGetInt32(values[0])),
					privilege_words[a.privilege], a.role);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
