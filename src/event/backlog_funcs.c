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

/* what the view "subscriptions" counts at most, and looks at */
#define BEHIND_MAX 100000
#define LOOKS 200000

/* what a view shows of a shard */
typedef struct Behind
{
	int64		events;
	TimestampTz oldest;			/* of these */
} Behind;

/*
 * Counts at most "most" events that the shard has not passed; false: the
 * caller may not see it, or none is among the rows that were looked at, and
 * there are more.
 */
static bool
count(FunctionCallInfo fcinfo, int64 most, Behind *behind)
{
	JdgCursor	c;
	JdgBacklogParty p = {.cursors = &c,.ncursors = 1,.events = &behind->events};
	JdgBacklogSearch b = {
		.parties = &p,.nparties = 1,.until_id = PG_INT64_MAX,.most = most,
		.looks = LOOKS
	};
	JdgBacklogStep step;
	JdgLeaf    *leaves;
	int			n;

	memset(behind, 0, sizeof(*behind));
	if (!jdg_has_access(GetUserId()))
		return false;
	p.s = jdg_subscription_get(PG_GETARG_INT64(0));
	if (p.s == NULL ||
		(!jdg_is_monitor(GetUserId()) && !jdg_owns(GetUserId(), p.s->owner)) ||
		!jdg_cursor_read(PG_GETARG_INT64(0), PG_GETARG_INT32(1), &c))
		return false;
	b.from = jdg_backlog_from(&c);
	n = jdg_backlog_leaves(&c, p.s->topics, p.s->ntopics, &leaves);
	PushActiveSnapshot(GetLatestSnapshot());
	step = jdg_backlog_search(&b, leaves, n);
	PopActiveSnapshot();
	behind->oldest = b.oldest;
	return step != JDG_BACKLOG_UNKNOWN || behind->events > 0;
}

/* _v_behind(subscription_id, shard): number of events to come, or null */
Datum
jdg_v_behind(PG_FUNCTION_ARGS)
{
	Behind		b;

	if (!count(fcinfo, BEHIND_MAX, &b))
		PG_RETURN_NULL();
	PG_RETURN_INT64(b.events);
}

/* _v_lag(subscription_id, shard): age of the next event, or 0, or null */
Datum
jdg_v_lag(PG_FUNCTION_ARGS)
{
	Behind		b;
	TimestampTz now = jdg_now();

	if (!count(fcinfo, 1, &b))
		PG_RETURN_NULL();
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
							   TimestampTzGetDatum(b.events > 0 ?
												   Min(b.oldest, now) : now));
}
