/*-------------------------------------------------------------------------
 *
 * messages.h
 *	  The unfinished messages of an actor: they go where the actor goes.
 *
 * The caller has locked the actor for a change (actor.h), so no message is sent
 * or begins.  Holders of stopped keys (stop.h) are among them.  Inside
 * jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_MESSAGES_H
#define JDG_ACTOR_MESSAGES_H

#include "postgres_ext.h"

/*
 * Cancels the messages that no worker has, on behalf of a role, and reports the
 * id of each.  Those that a worker has will not find the actor.
 */
extern void jdg_messages_cancel(const char *actor, Oid owner, Oid by,
								void (*report) (void *arg, int64 task_id),
								void *arg);

/*
 * Locks the messages, and returns why they cannot move from one owner to the
 * other; NULL: they can.
 */
extern const char *jdg_messages_obstacle(const char *actor, Oid from, Oid to);

/* reports the id of each message */
extern void jdg_messages_list(const char *actor, Oid owner,
							  void (*report) (void *arg, int64 task_id),
							  void *arg);

/* Moves the messages, which can move. */
extern void jdg_messages_move(const char *actor, Oid from, Oid to);

#endif							/* JDG_ACTOR_MESSAGES_H */
