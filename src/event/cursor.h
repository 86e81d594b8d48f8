/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  Positions of shards, rows of jadugar_internal.event_cursor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CURSOR_H
#define JDG_EVENT_CURSOR_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/params.h"
#include "event/xidset.h"

/*
 * The subscription_id of the cursor of flows, which has one shard and no
 * subscription: flow/run/events.h.
 */
#define JDG_CURSOR_FLOWS 0

/* the lease of a shard with delivery => 'fetch': lease.h */
typedef struct JdgLease
{
	int64		epoch;			/* number of leases that have begun */
	bool		held;			/* a consumer has it; else only epoch counts */
	bool		aside;			/* its event was set aside before */
	bool		end;			/* the window has none after its last event */
	int64		secret;
	char	   *consumer;
	TimestampTz until;			/* then another consumer may take the shard */
	int			ngiven;
	int64	   *given;			/* events that are not acknowledged */
} JdgLease;

typedef struct JdgCursor
{
	int64		subscription_id;
	int32		shard;
	int32		era;			/* of base and upto */
	JdgXidSet  *base;			/* NULL: all events are new */
	JdgXidSet  *upto;			/* NULL: no window is open */
	int64		after_id;
	int64		handled;
	int64		failed;
	int64		parked;			/* rows of jadugar_internal.parked */
	int			in_a_row;		/* failures since the last success */
	TimestampTz retry_at;		/* DT_NOBEGIN: it does not wait */
	int64		blocked_id;		/* 0: none; up to it, one by one */
	int			attempts;		/* of blocked_id */
	char		charged;		/* JdgParkedState of blocked_id, which takes
								 * effect where the position is; 0: none */
	Jsonb	   *errors;			/* the last five of them, an array; or NULL */
	int64		last_event_id;	/* 0: none */
	TimestampTz last_handled_at;
	bool		lost;			/* events that it needed are gone;
								 * jdg_cursor_write() leaves that as it is */
	bool		last_window;	/* of a replay: it ends with the one open */
	bool		done;			/* it has ended */
	bool		behind;			/* there was an old event: reader.h */
	JdgLease	lease;
} JdgCursor;

/* columns of a shard that nobody has leased; a token of it is void */
#define JDG_CURSOR_NO_LEASE \
	"secret = NULL, consumer = NULL, lease_until = NULL, given = NULL, " \
	"given_aside = NULL, given_end = NULL"

/*
 * Reads a cursor in the current memory context, with the latest snapshot;
 * false: it does not exist.  Outside jdg_internal_begin().
 */
extern bool jdg_cursor_read(int64 subscription_id, int32 shard, JdgCursor *c);

/*
 * Locks a cursor until the transaction ends, and reads it; false: it does not
 * exist, or another transaction has locked it.
 */
extern bool jdg_cursor_lock(int64 subscription_id, int32 shard, JdgCursor *c);

/* the same, but waits for the other transaction; false: it does not exist */
extern bool jdg_cursor_wait(int64 subscription_id, int32 shard, JdgCursor *c);

/* has another transaction locked it?  Does not lock it */
extern bool jdg_cursor_is_locked(int64 subscription_id, int32 shard);

/*
 * Write a cursor that this transaction has locked: all but its lease, or all.
 */
extern void jdg_cursor_write(const JdgCursor *c);
extern void jdg_cursor_write_lease(const JdgCursor *c);

/* makes a cursor: its era, base, upto, after_id and last_window are set */
extern void jdg_cursor_insert(const JdgCursor *c);
extern void jdg_cursor_delete(int64 subscription_id);

/* binds a snapshot to two parameters, nulls if it is NULL */
extern void jdg_cursor_bind_set(JdgParams *p, const char *xmax,
								const char *xip, const JdgXidSet *set);

/*
 * The window is done: the next one begins where it ends.  The last one of an
 * earlier era has all its transactions.  Behind it come all events of later
 * eras, in order of ids.  After the last window of a replay, the cursor is
 * done.
 */
extern void jdg_cursor_end_window(JdgCursor *c);

/* are both at the same position? */
extern bool jdg_cursor_same_place(const JdgCursor *a, const JdgCursor *b);

/*
 * Is the event behind the position?  Then it was handled, set aside, or passed
 * over.  So are those that come after the end of a replay.
 */
extern bool jdg_cursor_has_passed(const JdgCursor *c, int64 event_id,
								  uint64 xid);

#endif							/* JDG_EVENT_CURSOR_H */
