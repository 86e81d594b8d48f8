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
#include "event/reader.h"
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
	bool		ended;			/* the scheduler is to look at the shard */
	int64		pause;			/* it waits for its queue, so long at most */
	int32		queue_id;		/* for room in this one; 0: not for room */
	MemoryContext call_mcxt;	/* reset after each call */
} JdgRound;

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

/* deliver_call.c: calling the handler for n events */

/* the command of the calls, for quick.c */
extern int64 jdg_deliver_command(const JdgSubscription *s);
extern JdgCallEnd jdg_deliver_call(JdgRound *r, const JdgPending *p, int n, int attempts,
								   JdgCallFailure *failure);

/* deliver_shard.c: handling events until there is a reason to commit */

/* events that were set aside and are due; *next: when others are */
extern void jdg_deliver_parked(JdgRound *r, TimestampTz *next);

/* events of the window */
extern void jdg_deliver_window(JdgRound *r);

#endif							/* JDG_WORKER_DELIVER_H */
