/*-------------------------------------------------------------------------
 *
 * target.h
 *	  What an HTTP task calls: its endpoint and host.
 *
 * The module request knows the rules of a payload.  It registers them here,
 * because tasks come before it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TARGET_H
#define JDG_TASK_TARGET_H

#include "task/task.h"

/* the command of a task that sends a request */
#define JDG_HTTP_COMMAND "http"

typedef struct JdgTargetRules
{
	/*
	 * Raises VALIDATION_ERROR or FORBIDDEN unless "owner" may send the
	 * request of this payload.  As the current user, outside bookkeeping.
	 */
	void		(*check) (Oid owner, Jsonb *payload);

	/*
	 * Sets endpoint_id and host of a task from its payload, which has been
	 * checked, and its retry policy if it has none and the endpoint has one.
	 * Sets t->lane, for jdg_task_lane().  Inside or outside bookkeeping;
	 * raises nothing.
	 */
	void		(*find) (JdgTask *task);
} JdgTargetRules;

extern void jdg_target_register(const JdgTargetRules *rules);

extern void jdg_target_check(Oid owner, Jsonb *payload);

/*
 * Sets endpoint_id and host of a task of JDG_XACT_HTTP.  Not if its payload is
 * filled in when it runs: a worker does that first.
 */
extern void jdg_target_find(JdgTask *task);

#endif							/* JDG_TASK_TARGET_H */
