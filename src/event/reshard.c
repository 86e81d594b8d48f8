/*-------------------------------------------------------------------------
 *
 * reshard.c
 *	  A new number of shards for a subscription, see reshard.h.
 *
 * subscription.new_shards and the snapshot subscription.reshard are set by a
 * session that has locked all cursors.  So every window that is open then ends
 * before that snapshot, and the next one of each shard ends at it (reader.c).
 * A shard that is there gets no further events.  When all are, the scheduler
 * divides the position anew, in one transaction: cursors are made or dropped,
 * and events that were set aside go to the shard of their key.
 *
 * With delivery => 'fetch', consumers bring the shards there.  Leases stay
 * valid.  A shard that is there may still be leased, for an event that was set
 * aside; the scheduler waits until that lease is given back, or has run out
 * and was charged by a consumer's call.  Once all shards are there, no further
 * lease begins.  Whoever has locked a shard meanwhile wakes the scheduler.
 *
 * A worker may have read the subscription before and lock a cursor after such
 * a commit.  It then looks at the subscription again: a window that ends after
 * the snapshot would be read twice (jdg_subscription_settled()).
 *
 * Locks: the subscription's row, then its cursors in order of shards, then
 * JDG_LOCK_SUBSCRIPTION.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/fault.h"
#include "base/locks.h"
#include "base/params.h"
#include "base/spi.h"
#include "event/reshard.h"
#include "event/xidset.h"
#include "shared/work.h"

void
jdg_reshard_begin(int64 subscription_id, int32 n)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.subscription SET "
		"new_shards = nullif($n, shards), "
		"reshard_xmax = CASE WHEN $n <> shards THEN $xmax END, "
		"reshard_xip = CASE WHEN $n <> shards THEN $xip END "
		"WHERE subscription_id = $subscription_id "
		"AND coalesce(new_shards, shards) <> $n",
		.config = true
	};
	JdgXidSet  *now = jdg_xidset_take();
	JdgParams	p = {0};

	jdg_bind_int32(&p, "n", n);
	jdg_cursor_bind_set(&p, "xmax", "xip", now);
	jdg_bind_int64(&p, "subscription_id", subscription_id);
	jdg_run_params(&q, &p, 0);
}

void
jdg_reshard_here(int64 subscription_id)
{
	static JdgQuery wanted = {
		"SELECT new_shards FROM jadugar_internal.subscription "
		"WHERE subscription_id = $1 AND new_shards IS NOT NULL", 1, {INT8OID}
	};
	static JdgQuery steps[] = {
		/*
		 * what the shards that end have counted is kept in the first one; if
		 * one was behind, all that begin are
		 */
		{"UPDATE jadugar_internal.event_cursor c SET "
			"handled = c.handled + t.handled, failed = c.failed + t.failed, "
			"last_event_id = greatest(c.last_event_id, t.last_event_id), "
			"last_handled_at = greatest(c.last_handled_at, t.last_handled_at), "
			"behind = (SELECT bool_or(x.behind) "
			"FROM jadugar_internal.event_cursor x WHERE x.subscription_id = $1) "
			"FROM (SELECT coalesce(sum(handled), 0)::bigint AS handled, "
			"coalesce(sum(failed), 0)::bigint AS failed, "
			"max(last_event_id) AS last_event_id, "
			"max(last_handled_at) AS last_handled_at "
			"FROM jadugar_internal.event_cursor "
			"WHERE subscription_id = $1 AND shard >= $2) t "
		"WHERE c.subscription_id = $1 AND c.shard = 0", 2, {INT8OID, INT4OID}},
		{"DELETE FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard >= $2", 2, {INT8OID, INT4OID}},
		{"INSERT INTO jadugar_internal.event_cursor (subscription_id, shard, "
			"era, base_xmax, base_xip, after_id) "
			"SELECT c.subscription_id, n, c.era, c.base_xmax, c.base_xip, c.after_id "
			"FROM jadugar_internal.event_cursor c, generate_series(0, $2 - 1) n "
			"WHERE c.subscription_id = $1 AND c.shard = 0 "
		"ON CONFLICT DO NOTHING", 2, {INT8OID, INT4OID}},
		/* one that is gone from the log, without a copy, will be passed over */
		{"UPDATE jadugar_internal.parked p SET shard = coalesce("
			"(p.event->>'slot')::int % $2, "
			"(SELECT e.slot % $2 FROM jadugar_internal.event e "
			"WHERE e.event_id = p.event_id), p.shard % $2) "
		"WHERE subscription_id = $1", 2, {INT8OID, INT4OID}},
		{"UPDATE jadugar_internal.event_cursor c SET parked = "
			"(SELECT count(*) FROM jadugar_internal.parked p "
			"WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard), "
			"behind = (SELECT x.behind FROM jadugar_internal.event_cursor x "
			"WHERE x.subscription_id = $1 AND x.shard = 0), "
			"in_a_row = 0, retry_at = NULL, blocked_id = NULL, attempts = 0, "
			"errors = NULL, charged = NULL "
		"WHERE subscription_id = $1 AND $2 > 0", 2, {INT8OID, INT4OID}},
		{"UPDATE jadugar_internal.subscription SET shards = $2, "
			"new_shards = NULL, reshard_xmax = NULL, reshard_xip = NULL "
		"WHERE subscription_id = $1", 2, {INT8OID, INT4OID},.config = true},
	};
	Datum		v[2] = {Int64GetDatum(subscription_id)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&wanted, v, NULL, 1) == 0)
		return;
	v[1] = Int32GetDatum(jdg_col_int32(0, 1, 1));
	for (int i = 0; i < lengthof(steps); i++)
		jdg_run(&steps[i], v, NULL, 0);
}

bool
jdg_reshard_is_there(const JdgSubscription *s, const JdgCursor *c)
{
	return s->reshard != NULL && c->upto == NULL &&
		jdg_xidset_equal(c->base, s->reshard);
}

#define IS_THERE \
	"c.upto_xmax IS NULL AND c.lost_at IS NULL AND " \
	"(c.base_xmax, c.base_xip) = (SELECT s.reshard_xmax, s.reshard_xip " \
	"FROM jadugar_internal.subscription s " \
	"WHERE s.subscription_id = c.subscription_id)"

bool
jdg_reshard_is_ready(const JdgSubscription *s)
{
	static JdgQuery q = {
		"SELECT coalesce(bool_and(" IS_THERE "), false) "
		"FROM jadugar_internal.event_cursor c WHERE c.subscription_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(s->subscription_id)};
	JdgInternal in;
	bool		ready;

	if (s->reshard == NULL)
		return false;
	jdg_internal_begin(&in);
	jdg_run_latest(&q, v, NULL);
	ready = jdg_col_bool(0, 1);
	jdg_internal_end(&in);
	return ready;
}

/*
 * Locks a subscription that is on its way, and its cursors, without waiting.
 * False: not all of them were to be had, or one is not there yet.  The last
 * lock waits only for a process that commits or charges an event: all others
 * that have it have locked a cursor, too.
 */
static bool
lock_if_there(int64 subscription_id)
{
	static JdgQuery lock = {
		"SELECT shards FROM jadugar_internal.subscription "
		"WHERE subscription_id = $1 AND new_shards IS NOT NULL "
		"FOR UPDATE SKIP LOCKED", 1, {INT8OID}
	};
	static JdgQuery cursors = {
		"SELECT " IS_THERE " AND c.given IS NULL "
		"FROM jadugar_internal.event_cursor c WHERE c.subscription_id = $1 "
		"ORDER BY c.shard FOR UPDATE OF c SKIP LOCKED", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(subscription_id)};
	int64		n;

	if (jdg_run(&lock, v, NULL, 0) == 0)
		return false;
	n = jdg_col_int32(0, 1, 0);
	if (jdg_run(&cursors, v, NULL, 0) != n)
		return false;
	for (int64 i = 0; i < n; i++)
	{
		if (!jdg_col_bool(i, 1))
			return false;
	}
	jdg_lock_xact(JDG_LOCK_SUBSCRIPTION, (uint32) subscription_id);
	return true;
}

bool
jdg_reshard_duty(void)
{
	static JdgQuery q = {
		"SELECT subscription_id FROM jadugar_internal.subscription "
		"WHERE new_shards IS NOT NULL", 0, {0}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	int64	   *ids;
	int64		n;

	jdg_work_begin();
	n = jdg_run(&q, NULL, NULL, 0);
	ids = jdg_col_int64s(n, 1, mcxt);
	for (int64 i = 0; i < n; i++)
	{
		if (lock_if_there(ids[i]))
			jdg_reshard_here(ids[i]);
	}
	if (n > 0)
		JDG_FAULT("delivery-resharded");
	jdg_work_end();
	pfree(ids);
	return n > 0;
}

void
jdg_reshard_give_up(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.subscription SET new_shards = NULL, "
		"reshard_xmax = NULL, reshard_xip = NULL WHERE new_shards IS NOT NULL",
		0, {0},.config = true
	};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, NULL, NULL, 0);
}
