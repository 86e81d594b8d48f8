/*-------------------------------------------------------------------------
 *
 * pool_funcs.c
 *	  SQL functions for bounds of worker pools, and a second scheduler for
 *	  tests.
 *
 * Runs in the caller's backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/settings.h"
#include "launcher/launcher.h"
#include "shared/database.h"
#include "shared/pool.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

/* start_workers(), scale_workers() */
typedef struct CountArgs
{
	int32		n;
	char	   *role;
} CountArgs;

static const JdgArg count_args[] = {
	{"n", INT4OID, offsetof(CountArgs, n), JDG_NEEDED},
	{"role", TEXTOID, offsetof(CountArgs, role)},
};

/* stop_workers(), restart_workers() */
static const JdgArg role_args[] = {
	{"role", TEXTOID, 0},
};

/* Removes the bounds of roles and databases that do not exist any more. */
static void
forget_gone(void)
{
	JdgPoolBounds b;

	for (int i = 0; i < JDG_POOLS_MAX; i++)
	{
		if (jdg_pool_bounds(i, &b) &&
			(!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(b.owner)) ||
			 !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(b.dboid))))
			(void) jdg_pool_set_bounds(b.dboid, b.owner, 0, -1);
	}
}

/* Sets the bounds of a pool at once; wakes the scheduler at commit. */
static void
set_pool(Oid owner, int min, int max)
{
	bool		set = jdg_pool_set_bounds(MyDatabaseId, owner, min, max);

	if (!set)
	{
		forget_gone();
		set = jdg_pool_set_bounds(MyDatabaseId, owner, min, max);
	}
	if (!set)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many worker pools with their own bounds"),
				 errdetail("The maximum is %d.", JDG_POOLS_MAX)));
	jdg_wake_scheduler_at_commit(JDG_WAKE_WORK);
}

/*
 * Reads the arguments of "function".  Returns the number of workers, which
 * must be from 0 to jadugar.max_workers; *owner receives the owner of the
 * pool, the caller or a role that it may manage.
 */
static int
read_count(FunctionCallInfo fcinfo, const char *function, Oid *owner)
{
	CountArgs	a;

	JDG_READ_ARGS(function, count_args, &a);
	if (a.n < 0 || a.n > jdg_max_workers)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("number of workers must be between 0 and %d",
						jdg_max_workers),
				 errdetail("The value is %d.", a.n),
				 errhint("The setting jadugar.max_workers is the upper bound.")));
	jdg_require_shmem();
	*owner = jdg_owner_of_call(a.role);
	return a.n;
}

/* Reads the argument "role" of "function" and returns the pool's owner. */
static Oid
read_owner(FunctionCallInfo fcinfo, const char *function)
{
	char	   *role;

	JDG_READ_ARGS(function, role_args, &role);
	jdg_require_shmem();
	return jdg_owner_of_call(role);
}

JDG_FUNCTION(jdg_start_workers, JDG_LEVEL_USER)
{
	Oid			owner;
	int			n = read_count(fcinfo, "start_workers", &owner);

	if (jdg_audit_is_other(owner))
		jdg_audit_number("start_workers", "workers", owner, n);
	set_pool(owner, n, -1);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_scale_workers, JDG_LEVEL_USER)
{
	Oid			owner;
	int			n = read_count(fcinfo, "scale_workers", &owner);

	if (jdg_audit_is_other(owner))
		jdg_audit_number("scale_workers", "workers", owner, n);
	set_pool(owner, n, n);
	jdg_pool_leave(MyDatabaseId, owner, n);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_stop_workers, JDG_LEVEL_USER)
{
	Oid			owner = read_owner(fcinfo, "stop_workers");

	if (jdg_audit_is_other(owner))
		jdg_audit("stop_workers", "workers", NULL, owner);
	set_pool(owner, 0, 0);
	jdg_pool_leave(MyDatabaseId, owner, 0);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_restart_workers, JDG_LEVEL_USER)
{
	Oid			owner = read_owner(fcinfo, "restart_workers");
	int			min,
				max;

	if (jdg_audit_is_other(owner))
		jdg_audit("restart_workers", "workers", NULL, owner);
	/* a stopped pool gets workers again; other bounds stay */
	if (jdg_pool_get_bounds(MyDatabaseId, owner, &min, &max) && max == 0)
		set_pool(owner, 0, -1);
	jdg_pool_leave(MyDatabaseId, owner, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_WORK);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_start_scheduler);

/*
 * For tests: starts a second scheduler, which has to wait for the elected one.
 */
Datum
jdg_start_scheduler(PG_FUNCTION_ARGS)
{
	JdgDb	   *db;

	if (!superuser())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_UNAUTHORIZED),
				 errmsg("permission denied to start a second scheduler"),
				 errdetail("Only superusers may start one.")));
	jdg_require_shmem();
	db = jdg_db_lookup(MyDatabaseId, true);
	PG_RETURN_BOOL(db != NULL && jdg_scheduler_start(db, 0));
}
