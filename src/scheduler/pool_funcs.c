/*-------------------------------------------------------------------------
 *
 * pool_funcs.c
 *	  Bounds of worker pools, and a second scheduler for tests.
 *
 * Runs in the caller's backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/settings.h"
#include "launcher/launcher.h"
#include "shared/database.h"
#include "shared/pool.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

/* Whose pool: the caller's, or that of a role it may manage. */
static Oid
pool_owner(FunctionCallInfo fcinfo, int arg)
{
	jdg_require_shmem();
	return jdg_owner_of_call(jdg_arg_text(fcinfo, arg));
}

static void
set_pool(Oid owner, int min, int max)
{
	if (!jdg_pool_set_bounds(MyDatabaseId, owner, min, max))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many worker pools have bounds of their own"),
				 errdetail("The most is %d.", JDG_POOLS_MAX)));
	jdg_wake_scheduler_at_commit(JDG_WAKE_WORK);
}

static int
worker_count(FunctionCallInfo fcinfo, const char *function)
{
	int			n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						"n", function)));
	n = PG_GETARG_INT32(0);
	if (n < 0 || n > jdg_max_workers)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the number of workers must be from 0 to %d",
						jdg_max_workers),
				 errdetail("The value is %d.", n),
				 errhint("jadugar.max_workers sets the upper bound.")));
	return n;
}

PG_FUNCTION_INFO_V1(jdg_start_workers);

Datum
jdg_start_workers(PG_FUNCTION_ARGS)
{
	int			n = worker_count(fcinfo, "start_workers");

	set_pool(pool_owner(fcinfo, 1), n, -1);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_scale_workers);

Datum
jdg_scale_workers(PG_FUNCTION_ARGS)
{
	int			n = worker_count(fcinfo, "scale_workers");
	Oid			owner = pool_owner(fcinfo, 1);

	set_pool(owner, n, n);
	jdg_pool_leave(MyDatabaseId, owner, n);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_stop_workers);

Datum
jdg_stop_workers(PG_FUNCTION_ARGS)
{
	Oid			owner = pool_owner(fcinfo, 0);

	set_pool(owner, 0, 0);
	jdg_pool_leave(MyDatabaseId, owner, 0);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_restart_workers);

Datum
jdg_restart_workers(PG_FUNCTION_ARGS)
{
	Oid			owner = pool_owner(fcinfo, 0);
	int			min,
				max;

	/* stopped ones come back, bounds stay */
	if (jdg_pool_get_bounds(MyDatabaseId, owner, &min, &max) && max == 0)
		set_pool(owner, 0, -1);
	jdg_pool_leave(MyDatabaseId, owner, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_WORK);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_start_scheduler);

/* For tests: one more scheduler, which has to wait for the elected one. */
Datum
jdg_start_scheduler(PG_FUNCTION_ARGS)
{
	JdgDb	   *db;

	if (!superuser())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_UNAUTHORIZED),
				 errmsg("only a superuser may start a second scheduler")));
	jdg_require_shmem();
	db = jdg_db_lookup(MyDatabaseId, true);
	PG_RETURN_BOOL(db != NULL && jdg_scheduler_start(db, 0));
}
