/*-------------------------------------------------------------------------
 *
 * needed.h
 *	  Is a sealed leaf needed by a subscription, or by a flow that waits?
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_NEEDED_H
#define JDG_EVENT_NEEDED_H

#include "event/leaf.h"

/*
 * The answers come in steps, each in a transaction of its own, because a leaf
 * may have millions of events of which a shard wants none.  One leaf at a time
 * is asked about.
 */
typedef enum JdgNeed
{
	JDG_NEED_UNKNOWN,			/* call again */
	JDG_NEED_NONE,
	JDG_NEED_SOME,				/* a shard has an event of it to come */
	JDG_NEED_HELD				/* jdg_need_lose(): another transaction has
								 * locked a shard that needs it */
} JdgNeed;

/* begins anew */
extern void jdg_need_begin(const JdgLeaf *leaf);

/* a step of the question */
extern JdgNeed jdg_need_look(const JdgLeaf *leaf);

/* a step of marking the shards that need it as lost; _NONE: all are */
extern JdgNeed jdg_need_lose(const JdgLeaf *leaf);

/*
 * After an answer "none": does it still hold, or has a shard moved back, or
 * appeared, meanwhile?  In the transaction that relies on it.
 */
extern bool jdg_need_none_still(const JdgLeaf *leaf);

#endif							/* JDG_EVENT_NEEDED_H */
