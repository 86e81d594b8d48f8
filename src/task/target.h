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

#include "handler/command.h"
#include "handler/handler.h"
#include "task/task.h"

/* the command of a task that sends a request */
#define JDG_HTTP_COMMAND "http"

typedef struct JdgTargetRules
{
	/*
	 * Raises VALIDATION_ERROR or FORBIDDEN unless "owner" may send the
	 * request of this payload, for an HTTP handler or, if that is NULL, for
	 * the command "http".  As the current user, outside bookkeeping.
	 */
	void		(*check) (const JdgHandler *handler, Oid owner,
						  Jsonb *payload);

	/*
	 * Sets endpoint_id and host of a task from its handler, or from its
	 * payload, which has been checked, and its retry policy if it has none
	 * and the endpoint has one. Sets t->lane, for jdg_task_lane().  Inside or
	 * outside bookkeeping; raises nothing.
	 */
	void		(*find) (JdgTask *task);

	/*
	 * Is the request of a task one that must not be sent again if nobody
	 * knows whether it was sent?  If the endpoint is gone, its method says
	 * it. As find().
	 */
	bool		(*sent_once) (const JdgTask *task);
} JdgTargetRules;

extern void jdg_target_register(const JdgTargetRules *rules);

/* do tasks of this command, or of this handler unless it is NULL, send requests? */
static inline bool
jdg_sends_request(JdgCommandKind kind, const JdgHandler *h)
{
	return kind == JDG_COMMAND_HTTP ||
		(h != NULL && h->kind == JDG_HANDLER_HTTP);
}

/*
 * Checks a payload by the rules of the handler, unless it is NULL, and, if the
 * task sends a request, by those of requests.  As the current user, outside
 * bookkeeping.
 */
extern void jdg_target_check(bool sends, const JdgHandler *h, Oid owner,
							 Jsonb *payload);

/* the same without the rules of the handler, which have been applied */
extern void jdg_target_check_request(const JdgHandler *h, Oid owner,
									 Jsonb *payload);

/*
 * Sets endpoint_id and host of a task of JDG_XACT_HTTP.  Not if its payload is
 * filled in when it runs: a worker does that first.
 */
extern void jdg_target_find(JdgTask *task);

/*
 * The endpoint_id of a task as it would be set now.  It differs from that of
 * the task if its handler was replaced.
 */
extern int32 jdg_target_endpoint(const JdgTask *task);

/*
 * A task was under way, and nobody knows whether its request was sent.  Must it
 * not be sent again?  False for a task that sends none.
 */
extern bool jdg_target_sent_once(const JdgTask *task);

#endif							/* JDG_TASK_TARGET_H */
