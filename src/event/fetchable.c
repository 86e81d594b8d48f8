/*-------------------------------------------------------------------------
 *
 * fetchable.c
 *	  Can events of a subscription be fetched, see fetchable.h.
 *
 * Runs in sessions of consumers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/identity.h"
#include "base/clock.h"
#include "base/errors.h"
#include "event/fetchable.h"
#include "event/reader.h"
#include "event/reshard.h"
#include "shared/database.h"

void
jdg_fetch_check(const JdgSubscription *s)
{
	if (s->delivery != JDG_DELIVERY_FETCH)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("events of subscription \"%s\" cannot be fetched",
						s->name),
				 errdetail("Its handler gets them."),
				 errhint("Create a subscription with delivery => 'fetch'.")));
	jdg_require_adopted();
}

bool
jdg_fetch_is_active(const JdgSubscription *s)
{
	return s->active && pg_atomic_read_u32(&jdg_my_db()->paused) == 0;
}

bool
jdg_fetch_look(const JdgSubscription *s, int32 shard, MemoryContext mcxt,
			   JdgCursor *c, bool *open, TimestampTz *next)
{
	TimestampTz now = jdg_now();
	TimestampTz due = DT_NOEND;

	if (!jdg_cursor_read(s->subscription_id, shard, c) || c->lost)
		return false;
	*open = c->upto != NULL;
	if (c->lease.held && c->lease.until > now)
		due = c->lease.until;
	else if (!c->lease.held && jdg_reshard_is_there(s, c) &&
			 jdg_reshard_is_ready(s))
		return false;
	else if (c->retry_at > now)
		due = c->retry_at;
	else if (c->lease.held || jdg_reader_has_work(s, c, now, mcxt, &due))
		return true;
	*next = Min(*next, due);
	return false;
}
