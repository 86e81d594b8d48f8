/*-------------------------------------------------------------------------
 *
 * run_task_funcs.c
 *	  SQL function run_task(): runs a task's work in the session, for tests
 *	  of handlers.
 *
 * Runs in the caller's backend, in the caller's transaction.  It makes the
 * same checks as enqueue() and executes as a worker does (exec/here.h).  The
 * outcome is returned as jsonb with the fields of task_info.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/settings.h"
#include "exec/here.h"
#include "exec/tenant.h"
#include "shared/shmem.h"
#include "task/prepare.h"

/* fields of JdgTaskOptions */
static const JdgArg run_task_args[] = {
	{"command", TEXTOID, offsetof(JdgTaskOptions, command), JDG_NEEDED},
	{"payload", JSONBOID, offsetof(JdgTaskOptions, payload), JDG_NEEDED},
};

/* (command text, payload jsonb) → jsonb */
JDG_FUNCTION(jdg_run_task_here, JDG_LEVEL_USER)
{
	JdgTaskOptions o;
	JdgTask		t;
	JdgQueue	queue;
	JdgHandler *h;
	JdgHereWork work = {0};

	jdg_require_shmem();
	memset(&o, 0, sizeof(o));
	memset(&t, 0, sizeof(t));
	JDG_READ_ARGS("run_task", run_task_args, &o);
	o.tenant = jdg_tenant_of_call(NULL);
	jdg_task_prepare(&o, jdg_resolve_owner(NULL), jdg_task_max_attempts, &t,
					 &queue, &h);
	if (t.transaction == JDG_XACT_STANDALONE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.run_task() cannot run a command that must run outside a transaction"),
				 errhint("Run the command directly, or enqueue it.")));
	if (t.transaction == JDG_XACT_HTTP)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.run_task() cannot send a request"),
				 errdetail("No transaction is open while a request is under way."),
				 errhint("Use CALL jadugar.request(), or enqueue it.")));
	t.task_id = jdg_task_next_id();
	work.task = &t;
	work.handler = h;
	work.command = o.command;
	PG_RETURN_JSONB_P(jdg_here_try(&work));
}
