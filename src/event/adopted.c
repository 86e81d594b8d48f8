/*-------------------------------------------------------------------------
 *
 * adopted.c
 *	  Subscriptions that a copy of a database has brought along, see
 *	  adopted.h.
 *
 * Runs in the backend that calls adopt().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/params.h"
#include "event/adopted.h"
#include "event/cursor.h"
#include "event/era.h"
#include "event/lifecycle.h"
#include "event/reshard.h"
#include "event/xidset.h"

static void
pause_all(Oid user)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.subscription SET paused_at = $1, "
		"paused_by = $2::name WHERE paused_at IS NULL",
		2, {TIMESTAMPTZOID, TEXTOID},.config = true
	};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()),
	CStringGetTextDatum(jdg_role_name(user))};

	jdg_run(&q, v, NULL, 0);
}

/*
 * Gives up what is to come and what is to be tried again.  Dead events stay:
 * they are not tried again by themselves.
 */
static void
cancel_all(void)
{
	static JdgQuery drop = {
		"DELETE FROM jadugar_internal.parked WHERE state <> 'd'", 0, {0}
	};
	static JdgQuery move = {
		"UPDATE jadugar_internal.event_cursor c SET era = $era, "
		"base_xmax = $base_xmax, base_xip = $base_xip, upto_xmax = NULL, "
		"upto_xip = NULL, after_id = 0, in_a_row = 0, retry_at = NULL, "
		"blocked_id = NULL, attempts = 0, errors = NULL, charged = NULL, "
		"lost_at = NULL, "
		"done = last_window, "
		"parked = (SELECT count(*) FROM jadugar_internal.parked p "
		"WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard)"
	};
	JdgXidSet  *base = jdg_xidset_take();
	JdgParams	p = {0};

	jdg_bind_int32(&p, "era", jdg_era_now());
	jdg_cursor_bind_set(&p, "base_xmax", "base_xip", base);
	jdg_run(&drop, NULL, NULL, 0);
	jdg_run_params(&move, &p, 0);
}

/* A consumer of the other server may have its token. */
static void
end_leases(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.event_cursor SET " JDG_CURSOR_NO_LEASE " "
		"WHERE given IS NOT NULL", 0, {0}
	};

	jdg_run(&q, NULL, NULL, 0);
}

void
jdg_events_adopted(const JdgAdoption *adoption)
{
	Assert(jdg_is_bookkeeping());
	jdg_reshard_give_up();
	if (!adoption->file_copy)
		jdg_era_begin();
	end_leases();
	jdg_lifecycle_prepare();
	switch (adoption->pending)
	{
		case JDG_PENDING_RUN:
			break;
		case JDG_PENDING_PAUSE:
			pause_all(adoption->user);
			break;
		case JDG_PENDING_CANCEL:
			cancel_all();
			break;
	}
}
