/*-------------------------------------------------------------------------
 *
 * subscription.h
 *	  Subscriptions, rows of jadugar_internal.subscription.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_SUBSCRIPTION_H
#define JDG_EVENT_SUBSCRIPTION_H

#include "utils/jsonpath.h"
#include "utils/timestamp.h"

#include "event/event.h"
#include "event/xidset.h"

/* limit of the shards of a subscription, and of events in a call */
#define JDG_SHARDS_MAX	64
#define JDG_BATCH_MAX	10000

/* the letters of subscription.on_failure */
typedef enum JdgOnFailure
{
	JDG_ON_FAILURE_PARK_KEY = 'k',
	JDG_ON_FAILURE_PARK = 'p',
	JDG_ON_FAILURE_BLOCK = 'b'
} JdgOnFailure;

/* the letters of subscription.delivery */
typedef enum JdgDeliveryKind
{
	JDG_DELIVERY_INLINE = 'i',
	JDG_DELIVERY_TASK = 't',
	JDG_DELIVERY_FETCH = 'f'
} JdgDeliveryKind;

typedef struct JdgSubscription
{
	int64		subscription_id;
	Oid			owner;
	char	   *name;
	int			ntypes;
	char	  **types;			/* patterns */
	int			ntopics;
	int32	   *topics;			/* NULL: all that the owner may read */
	int			nkeys;
	char	  **keys;			/* NULL: any */
	Jsonb	   *headers;		/* contained in those of the event; or NULL */
	JsonPath   *filter;			/* or NULL */
	int64		command_id;		/* 0: delivery fetch */
	int			batch;			/* 0: one by one */
	JdgDeliveryKind delivery;
	int32		queue_id;		/* of its tasks; 0: not given */
	bool		has_priority;
	int32		priority;
	JdgOnFailure on_failure;
	int			max_attempts;
	Jsonb	   *retry;
	Interval   *timeout;
	bool		has_isolate;
	bool		isolate;
	Jsonb	   *settings;
	Jsonb	   *versions;
	int			shards;
	JdgXidSet  *reshard;		/* they end there, reshard.h; or NULL */
	bool		active;			/* enabled and not paused */
	bool		replay;			/* it ends where its first window does */
	int64		until_id;		/* and at this id */
} JdgSubscription;

/*
 * The subscription as it is now; NULL: it does not exist.  Valid as long as
 * the current memory context, but not beyond the transaction.
 */
extern const JdgSubscription *jdg_subscription_get(int64 subscription_id);

/*
 * Waits until a transaction that changed the subscription has told all others,
 * and keeps changes away until this one ends.  What jdg_subscription_get()
 * returns then is no older.  A commit releases the locks of rows first, sends
 * its messages then, and releases JDG_LOCK_SUBSCRIPTION last.  Who waits has
 * locked a cursor or the row, so the other one is between the two.  Without "wait", false:
 * it has not come to the end.
 */
extern bool jdg_subscription_settled(int64 subscription_id, bool wait);

/*
 * Is that what the subscription is now?  Called after
 * jdg_subscription_settled().  False for a while if other parts of the
 * configuration change.
 */
extern bool jdg_subscription_is_current(const JdgSubscription *s);

/*
 * Does the event go to the subscription, as far as that can be said before
 * its data is cast?  It is of one of its types and keys, has the headers, and
 * is not beyond until_id.
 */
extern bool jdg_subscription_wants(const JdgSubscription *s, const JdgEvent *e);

/* does it get events of jadugar itself?  Then its work causes none */
extern bool jdg_subscription_is_quiet(const JdgSubscription *s);

/*
 * Raises VALIDATION_ERROR unless the filter is a predicate, true or false, of
 * fields that it sees.
 */
extern void jdg_event_check_filter(JsonPath *filter);

/* does its filter hold for the event?  Raises no errors of jsonpath */
extern bool jdg_event_passes(JsonPath *filter, const JdgEvent *e);

#endif							/* JDG_EVENT_SUBSCRIPTION_H */
