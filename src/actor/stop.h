/*-------------------------------------------------------------------------
 *
 * stop.h
 *	  Keys of actors that a failed message has stopped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_STOP_H
#define JDG_ACTOR_STOP_H

#include "base/module.h"
#include "task/task.h"

extern const JdgEndFollower jdg_actor_follower;

/* a message that had failed was brought back: base/module.h */
extern void jdg_actor_retried(const JdgTask *task);

/*
 * Lets a stopped key go on; by this role, or by none.  False: it was not
 * stopped.  Inside jdg_internal_begin().
 */
extern bool jdg_actor_release(Oid owner, const char *concurrency_key,
							  int64 failed, Oid by);

#endif							/* JDG_ACTOR_STOP_H */
