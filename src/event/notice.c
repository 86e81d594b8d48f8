/*-------------------------------------------------------------------------
 *
 * notice.c
 *	  Tells feeds and waits what was published, see notice.h.
 *
 * Runs in the publisher's process.  Types and topics are gathered as bits
 * while the transaction runs; the commit callback passes them on.  It must not
 * fail, so the entry of the database is looked up before.  A subtransaction
 * that is rolled back leaves a notice too many, never one too few.  For a
 * prepared transaction, the scheduler looks at all feeds and reads for all
 * waits after its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"

#include "base/fault.h"
#include "event/notice.h"
#include "shared/database.h"
#include "shared/feed.h"

static JdgDb *noticed_db = NULL;	/* NULL: nothing was published */
static uint64 noticed_types = 0;
static uint64 noticed_topics = 0;
static int64 noticed_events = 0;
static bool noticed_limited = false;

static void
xact_callback(XactEvent event, void *arg)
{
	if (noticed_db == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			JDG_FAULT("delivery-telling");
			jdg_feeds_publish(noticed_db, noticed_topics, noticed_types);
			if (jdg_wanted_publish(&noticed_db->wanted, noticed_types,
								   noticed_events))
				jdg_db_wake(noticed_db, JDG_WAKE_WAITS);
			if (noticed_limited &&
				pg_atomic_exchange_u32(&noticed_db->limited_news, 1) == 0)
				jdg_db_wake(noticed_db, JDG_WAKE_BACKLOG);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	noticed_db = NULL;
	noticed_types = noticed_topics = 0;
	noticed_events = 0;
	noticed_limited = false;
}

void
jdg_event_notice_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

uint64
jdg_event_type_bit(const char *type)
{
	return jdg_feed_bit(hash_bytes((const unsigned char *) type, strlen(type)));
}

uint64
jdg_event_topic_bit(int32 topic_id)
{
	return jdg_feed_bit((uint32) topic_id);
}

void
jdg_event_notice(const char *type, int32 topic_id)
{
	if (noticed_db == NULL)
		noticed_db = jdg_my_db();
	noticed_types |= jdg_event_type_bit(type);
	noticed_topics |= jdg_event_topic_bit(topic_id);
	noticed_events++;
}

void
jdg_event_notice_limited(void)
{
	noticed_limited = true;
}
