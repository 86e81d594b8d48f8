/*-------------------------------------------------------------------------
 *
 * deliver.h
 *	  A round of deliver.c: what its files share.
 *
 * Only the files deliver*.c include this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_WORKER_DELIVER_H
#define JDG_WORKER_DELIVER_H

#include "event/failure.h"
#include "shared/feed.h"
#include "worker/worker.h"

/* when to look again at a row or a queue that a session has locked */
#define JDG_LOCKED_PAUSE	USECS_PER_SEC

/* the same at a full queue, for changes by hand: usually the feed is told */
#define JDG_ROOM_PAUSE		(60 * USECS_PER_SEC)

/* one round: a shard that this worker has taken */
typedef struct JdgRound
{
	JdgFeed    *feed;			/* NULL: no shard is taken */
	uint32		news;
	const JdgSubscription *s;
	JdgCursor	c;
	TimestampTz start;
	int			calls;
	int			done;			/* calls with success */
	bool		stop;			/* no further call in this transaction */
	bool		undone;			/* the transaction was aborted */
	bool		committing;		/* an error is one of its commit */
	bool		more;			/* the shard is to be looked at again */
	int64		pause;			/* it waits for its queue, so long at most */
	int32		queue_id;		/* for room in this one; 0: not for room */
	MemoryContext call_mcxt;	/* reset after each call */
} JdgRound;

/* an event that is to be handled, and what the call gets */
typedef struct JdgPending
{
	JdgEvent	event;
	JdgTopic	topic;
} JdgPending;

/* How a call has ended. */
typedef enum JdgCallEnd
{
	JDG_CALL_DONE,
	JDG_CALL_FAILED,			/* *failure says how */
	JDG_CALL_REFUSED,			/* the same, but no event of the subscription
								 * could be delivered */
	JDG_CALL_FULL,				/* the queue takes no task now */
	JDG_CALL_UNDONE,			/* it was fused and failed: the transaction
								 * was aborted, and with it the round */
	JDG_CALL_ALONE				/* it is to run alone, next time */
} JdgCallEnd;

/* a commit failed: one call in each transaction, until one has committed */
extern bool jdg_deliver_one_by_one;

/* deliver_window.c: the window of the shard */

/* finds the window of r->c, unless the kept one is its; opens r->c.upto */
extern void jdg_deliver_find_window(JdgRound *r);

/* Is there an event in it that the subscription may get, or very many? */
extern bool jdg_deliver_window_has_some(JdgRound *r);

/* the window is done: the next one begins where it ends */
extern void jdg_deliver_finish_window(JdgRound *r);

/* it does not belong to the cursor any more */
extern void jdg_deliver_forget_window(void);

/* goes to the position; closes relations */
extern void jdg_deliver_seek(int64 after_id);
extern void jdg_deliver_pause(void);

/* have events of others been passed over, so that the cursor should move? */
extern bool jdg_deliver_has_passed(void);

/*
 * Does the event go to the subscription?  Puts its data into the version that
 * is wanted; an error of that is returned in *failed.
 */
extern bool jdg_deliver_is_for(JdgRound *r, JdgPending *p, ErrorData **failed);

/*
 * Gathers the next events of the window for one call.  Returns their number;
 * *end: the window has no more.  Events that are not for the subscription are
 * passed over.  One whose data cannot be cast comes alone, or last, with
 * *failed.
 */
extern int	jdg_deliver_gather(JdgRound *r, JdgPending **batch, bool *end, ErrorData **failed);

/* deliver_call.c: calling the handler for n events */

/* the command of the calls, for quick.c */
extern int64 jdg_deliver_command(const JdgSubscription *s);
extern JdgCallEnd jdg_deliver_call(JdgRound *r, const JdgPending *p, int n, int attempts,
								   JdgCallFailure *failure);

/* deliver_shard.c: handling events until there is a reason to commit */

/*
 * Is the event set aside, or held behind one that is?  Then the position moves
 * past it.
 */
extern bool jdg_deliver_is_held(JdgRound *r, const JdgEvent *e);

/* events that were set aside and are due; *next: when others are */
extern void jdg_deliver_parked(JdgRound *r, TimestampTz *next);

/* events of the window */
extern void jdg_deliver_window(JdgRound *r);

#endif							/* JDG_WORKER_DELIVER_H */
