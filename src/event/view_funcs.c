/*-------------------------------------------------------------------------
 *
 * view_funcs.c
 *	  Columns of the views subscriptions, subscription_shards and
 *	  event_types.
 *
 * Runs in the caller's process.  Only catalogs and shared memory are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/spi.h"
#include "handler/function.h"
#include "handler/payload.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/shmem.h"

PG_FUNCTION_INFO_V1(jdg_v_role_obstacle);
PG_FUNCTION_INFO_V1(jdg_v_awaits_room);
PG_FUNCTION_INFO_V1(jdg_v_lacks_room);
PG_FUNCTION_INFO_V1(jdg_v_event_type_problem);

/*
 * _v_role_obstacle(role): why its work cannot run, or null.  Workers are also
 * looked at: stop_workers() holds up all work of the role.
 */
Datum
jdg_v_role_obstacle(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	const char *reason = jdg_role_obstacle(role);
	int			min;

	if (reason == NULL && JdgSharedLock != NULL &&
		jdg_has_access(GetUserId()) &&
		jdg_pool_max_workers(MyDatabaseId, role, &min) == 0)
		reason = "workers_stopped";
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}

/*
 * _v_event_type_problem(payload_type, upcast, downcast): what of a version
 * does not exist any more, or null
 */
Datum
jdg_v_event_type_problem(PG_FUNCTION_ARGS)
{
	JdgInternal in;
	const char *problem = NULL;

	if (!jdg_has_access(GetUserId()))
		PG_RETURN_NULL();
	jdg_internal_begin(&in);
	if (!PG_ARGISNULL(0) &&
		!OidIsValid(jdg_payload_type_read(text_to_cstring(PG_GETARG_TEXT_PP(0)))))
		problem = "payload_type_missing";
	else if (!PG_ARGISNULL(1) &&
			 !OidIsValid(jdg_function_oid(text_to_cstring(PG_GETARG_TEXT_PP(1)))))
		problem = "upcast_missing";
	else if (!PG_ARGISNULL(2) &&
			 !OidIsValid(jdg_function_oid(text_to_cstring(PG_GETARG_TEXT_PP(2)))))
		problem = "downcast_missing";
	jdg_internal_end(&in);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* _v_awaits_room(subscription_id, shard): does it wait for a queue?  Or null */
Datum
jdg_v_awaits_room(PG_FUNCTION_ARGS)
{
	if (!jdg_has_access(GetUserId()))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(jdg_feed_awaits_room(MyDatabaseId, PG_GETARG_INT64(0),
										PG_GETARG_INT32(1)));
}

/*
 * _v_lacks_room(subscription_id, shard): does it get no events because of
 * jadugar.max_shards?  Or null
 */
Datum
jdg_v_lacks_room(PG_FUNCTION_ARGS)
{
	JdgDb	   *db = NULL;

	if (!jdg_has_access(GetUserId()))
		PG_RETURN_NULL();
	if (JdgSharedLock != NULL)
		db = jdg_db_lookup(MyDatabaseId, false);
	PG_RETURN_BOOL(db != NULL && jdg_feed_lacks_room(db, PG_GETARG_INT64(0),
													 PG_GETARG_INT32(1)));
}
