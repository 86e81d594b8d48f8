/*-------------------------------------------------------------------------
 *
 * backlog_funcs.c
 *	  How far a shard is behind, for views.
 *
 * Runs in the caller's process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/clock.h"
#include "event/backlog.h"

PG_FUNCTION_INFO_V1(jdg_v_behind);
PG_FUNCTION_INFO_V1(jdg_v_lag);

/* what the view "subscriptions" counts at most */
#define BEHIND_MAX 100000

/*
 * Counts at most "most" events that the shard has not passed; false: the
 * caller may not see it.
 */
static bool
count(FunctionCallInfo fcinfo, int64 most, JdgBacklog *backlog)
{
	const JdgSubscription *s;
	JdgCursor	c;

	if (!jdg_has_access(GetUserId()))
		return false;
	s = jdg_subscription_get(PG_GETARG_INT64(0));
	if (s == NULL ||
		(!jdg_is_monitor(GetUserId()) && !jdg_owns(GetUserId(), s->owner)) ||
		!jdg_cursor_read(PG_GETARG_INT64(0), PG_GETARG_INT32(1), &c))
		return false;
	PushActiveSnapshot(GetLatestSnapshot());
	jdg_backlog_count(s, &c, NULL, 0, most, backlog);
	PopActiveSnapshot();
	return true;
}

/* _v_behind(subscription_id, shard): number of events to come, or null */
Datum
jdg_v_behind(PG_FUNCTION_ARGS)
{
	JdgBacklog	b;

	if (!count(fcinfo, BEHIND_MAX, &b))
		PG_RETURN_NULL();
	PG_RETURN_INT64(b.events);
}

/* _v_lag(subscription_id, shard): age of the next event, or 0, or null */
Datum
jdg_v_lag(PG_FUNCTION_ARGS)
{
	JdgBacklog	b;
	TimestampTz now = jdg_now();

	if (!count(fcinfo, 1, &b))
		PG_RETURN_NULL();
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
							   TimestampTzGetDatum(Min(b.oldest, now)));
}
