/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  NOTIFY jadugar_events: ids of subscriptions that have news, see
 *	  announce.h.
 *
 * Runs in the scheduler, so publishers do not take the lock of NOTIFY.  The
 * first notification is sent at once, the next one
 * jadugar.event_notify_interval later.
 *
 * A shard has news if its feed is ready, and at the end of a lease or of a
 * wait.  Its feed is quiet again after the commit of the notification, unless
 * more has come; so a notification is sent twice rather than not at all.
 *
 * A lease may have run out before the transaction that has begun it commits.
 * At commit it lowers JdgDb.fetch_due to the end of the lease.  So each look
 * goes back to the value of fetch_due, if that is before the last look.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "lib/stringinfo.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/announce.h"
#include "shared/feed.h"
#include "shared/wakeup.h"
#include "shared/work.h"

#define CHANNEL "jadugar_events"

/* bytes of a payload; the limit of NOTIFY is 8,000 */
#define PAYLOAD_MAX 4000

/* the ids of a round, and the payload that is being made */
typedef struct Announcement
{
	int64		last;			/* ids come in ascending order */
	StringInfoData payload;
} Announcement;

static void
flush(Announcement *a)
{
	if (a->payload.len == 0)
		return;
	Async_Notify(CHANNEL, a->payload.data);
	resetStringInfo(&a->payload);
}

static void
add(Announcement *a, int64 subscription_id)
{
	if (subscription_id == a->last)
		return;
	a->last = subscription_id;
	if (a->payload.len > PAYLOAD_MAX - 22)
		flush(a);
	appendStringInfo(&a->payload, "%s" INT64_FORMAT,
					 a->payload.len > 0 ? "," : "", subscription_id);
}

/*
 * The subscriptions of which a lease or a wait has ended between two instants,
 * in ascending order.  *next: when the next one ends.  Inside jdg_work_begin().
 */
static int
read_due(TimestampTz since, TimestampTz now, int64 **ids, TimestampTz *next)
{
	static JdgQuery q = {
		"SELECT s.subscription_id, c.ended, c.next "
		"FROM jadugar_internal.subscription s, LATERAL (SELECT "
		"bool_or(c.lease_until > $1 AND c.lease_until <= $2 "
		"OR c.retry_at > $1 AND c.retry_at <= $2 "
		"OR EXISTS (SELECT FROM jadugar_internal.parked p "
		"WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard "
		"AND p.state = 'r' AND p.next_at > $1 AND p.next_at <= $2)) AS ended, "
		"min(least(CASE WHEN c.lease_until > $2 THEN c.lease_until END, "
		"CASE WHEN c.retry_at > $2 THEN c.retry_at END, "
		"(SELECT min(p.next_at) FROM jadugar_internal.parked p "
		"WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard "
		"AND p.state = 'r' AND p.next_at > $2))) AS next "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id) c "
		"WHERE s.delivery = 'f' AND s.enabled AND s.paused_at IS NULL "
		"ORDER BY s.subscription_id", 2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		v[2] = {TimestampTzGetDatum(since), TimestampTzGetDatum(now)};
	int64		rows = jdg_run(&q, v, NULL, 0);
	int			n = 0;

	*ids = palloc(sizeof(int64) * Max(rows, 1));
	for (int64 i = 0; i < rows; i++)
	{
		if (jdg_col_bool(i, 2))
			(*ids)[n++] = jdg_col_int64(i, 1, 0);
		*next = Min(*next, jdg_col_time(i, 3, DT_NOEND));
	}
	return n;
}

/* Sends the ids of two lists, both in ascending order. */
static void
announce(const JdgFeedNews *news, int nnews, const int64 *due, int ndue)
{
	Announcement a = {0};
	int			i = 0;
	int			j = 0;

	initStringInfo(&a.payload);
	while (i < nnews || j < ndue)
	{
		if (j == ndue || (i < nnews && news[i].subscription_id <= due[j]))
			add(&a, news[i++].subscription_id);
		else
			add(&a, due[j++]);
	}
	flush(&a);
}

TimestampTz
jdg_event_announce(JdgDb *db, uint32 why)
{
	static TimestampTz sent = DT_NOBEGIN;	/* the last notification */
	static TimestampTz since = DT_NOBEGIN;	/* leases that ended until then
											 * were announced */
	TimestampTz now = jdg_now();
	TimestampTz lowered;
	TimestampTz pause = (TimestampTz) jdg_event_notify_interval * 1000;
	JdgFeedNews *news;
	TimestampTz next = DT_NOEND;
	int64	   *due = NULL;
	int			ndue = 0;
	int			n;
	bool		look;
	bool		more;

	/* the end of a pause lets all consumers go on */
	if ((why & (JDG_WAKE_CONTROL | JDG_WAKE_EVENTS | JDG_WAKE_SWEEP)) != 0)
		jdg_db_fetchable(db);
	if (sent != DT_NOBEGIN && sent <= now && now - sent < pause)
		return sent + pause;
	n = jdg_feeds_news(db->dboid, &news);
	look = (why & (JDG_WAKE_EVENTS | JDG_WAKE_SWEEP)) != 0 || (TimestampTz) pg_atomic_read_u64(&db->fetch_due) <= now;
	if (n == 0 && !look)
	{
		pfree(news);
		return (TimestampTz) pg_atomic_read_u64(&db->fetch_due);
	}
	jdg_work_begin();
	if (look)
	{
		/* before the snapshot: whoever commits later lowers it again */
		lowered = (TimestampTz) pg_atomic_exchange_u64(&db->fetch_due, (uint64) DT_NOEND);
		/* kept if this fails */
		since = Min(since, lowered - 1);
		ndue = read_due(since, now, &due, &next);
	}
	announce(news, n, due, ndue);
	jdg_work_end();
	JDG_FAULT("fetch-announced");
	if (look)
	{
		since = now;
		(void) jdg_db_lower_fetch_due(db, next);
	}
	if (ndue > 0)
		jdg_db_fetchable(db);
	if (n > 0 || ndue > 0)
		sent = now;
	more = jdg_feeds_told(news, n);
	pfree(news);
	return Min((TimestampTz) pg_atomic_read_u64(&db->fetch_due), more ? sent + pause : DT_NOEND);
}
