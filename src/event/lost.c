/*-------------------------------------------------------------------------
 *
 * lost.c
 *	  Shards that are lost, see lost.h.
 *
 * Runs in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/spi.h"
#include "event/lifecycle.h"
#include "event/lost.h"
#include "task/wakeup.h"

void
jdg_shard_lose(const JdgSubscription *s, int32 shard, JdgLostReason reason)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.event_cursor SET lost_at = $3 "
		"WHERE subscription_id = $1 AND shard = $2",
		3, {INT8OID, INT4OID, TIMESTAMPTZOID}
	};
	Datum		v[3] = {Int64GetDatum(s->subscription_id), Int32GetDatum(shard),
	TimestampTzGetDatum(jdg_now())};
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_subscription_happened(JDG_SUBSCRIPTION_LOST, s, shard, 0);
	jdg_internal_end(&in);
	ereport(LOG,
			(errmsg("subscription \"%s\" of role \"%s\" has lost its position",
					s->name, jdg_role_name(s->owner)),
			 reason == JDG_LOST_EXPIRED ?
			 errdetail("Events that it needs are past the retention and max_hold of their topic.") :
			 errdetail("It has kept a topic full for the topic's max_hold."),
			 errhint("Call jadugar.resume_subscription() with lost => 'skip', or jadugar.seek().")));
}
