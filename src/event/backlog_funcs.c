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

/* what the view "subscriptions" counts at most, and looks at beside that */
#define BEHIND_MAX 100000
#define LOOKS_MAX 100000

/*
 * Counts at most "most" events that the shard has not passed; false: the
 * caller may not see it.
 */
static bool
count(FunctionCallInfo fcinfo, int64 most, JdgBacklogSearch *b)
{
	JdgCursor  *c = palloc(sizeof(JdgCursor));
	JdgLeaf    *leaves;
	int			n;

	memset(b, 0, sizeof(*b));
	if (!jdg_has_access(GetUserId()))
		return false;
	b->s = jdg_subscription_get(PG_GETARG_INT64(0));
	if (b->s == NULL ||
		(!jdg_is_monitor(GetUserId()) && !jdg_owns(GetUserId(), b->s->owner)) ||
		!jdg_cursor_read(PG_GETARG_INT64(0), PG_GETARG_INT32(1), c))
		return false;
	c->lost = false;
	b->cursors = c;
	b->ncursors = 1;
	b->from = jdg_backlog_from(c);
	b->until_id = PG_INT64_MAX;
	b->most = most;
	b->looks = most + LOOKS_MAX;
	n = jdg_backlog_leaves(c, 1, b->from, b->s->topics, b->s->ntopics,
						   &leaves);
	PushActiveSnapshot(GetLatestSnapshot());
	(void) jdg_backlog_search(b, leaves, n);
	PopActiveSnapshot();
	return true;
}

/* _v_behind(subscription_id, shard): number of events to come, or null */
Datum
jdg_v_behind(PG_FUNCTION_ARGS)
{
	JdgBacklogSearch b;

	if (!count(fcinfo, BEHIND_MAX, &b))
		PG_RETURN_NULL();
	PG_RETURN_INT64(b.events[0]);
}

/* _v_lag(subscription_id, shard): age of the next event, or 0, or null */
Datum
jdg_v_lag(PG_FUNCTION_ARGS)
{
	JdgBacklogSearch b;
	TimestampTz now = jdg_now();

	if (!count(fcinfo, 1, &b))
		PG_RETURN_NULL();
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
							   TimestampTzGetDatum(b.events[0] > 0 ?
												   Min(b.oldest, now) : now));
}
