/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  The limits of a task, and whose they are.
 *
 * All functions may read configuration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_LIMITS_H
#define JDG_TASK_LIMITS_H

#include "queue/queue.h"
#include "shared/gate.h"
#include "shared/gateview.h"
#include "task/task.h"

/*
 * Sets the limits that all tasks of a lane share: of their role, their tenant
 * if it was created, and their queue.  A queue or tenant that is paused is a
 * limit that refuses always.
 */
extern void jdg_limits_of_lane(Oid owner, const JdgQueue *queue, int32 tenant,
							   JdgLimits *limits);

/* Is there a handler or a key with a limit, or may a label be a tenant? */
extern bool jdg_limits_vary(int32 tenant);

/*
 * Adds the limits of the task's handler and key, and those of its tenant if the
 * lane does not tell.  Reads owner, command_id, concurrency_key and tenant.
 */
extern void jdg_limits_add(const JdgTask *task, int32 tenant,
						   JdgLimits *limits);

/* all limits of a task; reads the same and its queue */
extern void jdg_limits_of(const JdgTask *task, JdgLimits *limits);

/* may only so many of these tasks begin in some time? */
extern bool jdg_limits_have_rate(const JdgLimits *limits);

/* may it be that these tasks do not begin because others have failed? */
extern bool jdg_limits_have_breaker(const JdgLimits *limits);

/* is it a rate that several tenants may share?  A key is one tenant's. */
extern bool jdg_limit_is_shared_rate(const JdgLimit *limit);

/* is one of them such a rate? */
extern bool jdg_limits_share_rate(const JdgLimits *limits);

/* the word for waiting_for of a task that this limit holds back */
extern const char *jdg_limit_reason(const JdgLimit *limit, JdgRefusal why);

#endif							/* JDG_TASK_LIMITS_H */
