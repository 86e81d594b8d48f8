/*-------------------------------------------------------------------------
 *
 * state.h
 *	  The states of the keys of actors.
 *
 * A worker runs several messages of one key in one transaction.  It keeps the
 * key's state between them, and writes it once, before another task runs and
 * before the ends of the tasks are written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_STATE_H
#define JDG_ACTOR_STATE_H

#include "utils/jsonb.h"

#include "actor/actor.h"

/* a state that was loaded */
typedef struct JdgActorState
{
	Jsonb	   *state;
	const char *tenant;			/* of the row, which it keeps; or NULL */
	TimestampTz registered;		/* created_at of the actor: tells it from a
								 * later one of the name */
} JdgActorState;

/*
 * Loads the state of a key, whose row is locked until the transaction ends; a
 * key without one gets the actor's initial state, with this tenant.  Raises
 * FORBIDDEN if the actor is not the role's any more, and NOT_FOUND.  In the
 * current memory context.  Inside jdg_internal_begin(), like the others.
 */
extern void jdg_actor_state_load(const char *actor, const char *key,
								 const char *tenant, Oid role,
								 JdgActorState *loaded);

/*
 * Stores the state that a message has made of the one that it has loaded; NULL:
 * the key is forgotten.  Nothing is stored if the actor of that registration is
 * gone.
 */
extern void jdg_actor_state_store(const char *actor, const char *key,
								  const JdgActorState *loaded, Jsonb *state);

/*
 * Sets the state of a key at once, for reset_actor(); NULL: the key is
 * forgotten.  Raises CONFLICT if the caller is confined, and the key has another
 * tenant.
 */
extern void jdg_actor_state_reset(const JdgActor *actor, const char *key,
								  const char *tenant, Jsonb *state);

/* The actor is dropped: what is kept may be of its registration. */
extern void jdg_actor_state_dropped(const char *actor);

/* Writes the state that is kept, so that this transaction can read it. */
extern void jdg_actor_state_flush(void);

/*
 * For a worker.  Before a task runs: one without a subtransaction may keep a
 * state, and find the one of its key.  NULL: no task runs, all is written.
 */
extern void jdg_actor_state_before(const JdgTask *next, bool fused);

#endif							/* JDG_ACTOR_STATE_H */
