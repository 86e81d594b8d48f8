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

#include "task/task.h"

/*
 * The state of a key, whose row is locked until the transaction ends; a key
 * without one gets the actor's initial state, with this tenant.  *of receives
 * the tenant of the row, which it keeps, or NULL.  Raises FORBIDDEN if the actor
 * is not the role's any more, and NOT_FOUND.  In the current memory context.
 * Inside jdg_internal_begin(), like the others.
 */
extern Jsonb *jdg_actor_state_load(const char *actor, const char *key,
								   const char *tenant, Oid role, char **of);

/*
 * The state that a message has made of the one that it has loaded; NULL: the
 * key is forgotten.
 */
extern void jdg_actor_state_store(const char *actor, const char *key,
								  const char *tenant, Jsonb *state);

/*
 * Writes the state of a key at once; with "own_only", not that of another
 * tenant.
 */
extern void jdg_actor_state_write(const char *actor, const char *key,
								  const char *tenant, Jsonb *state,
								  bool own_only);

/* Writes the state that is kept, so that this transaction can read it. */
extern void jdg_actor_state_flush(void);

/*
 * For a worker.  Before a task runs: one without a subtransaction may keep a
 * state, and find the one of its key.  NULL: no task runs, all is written.
 */
extern void jdg_actor_state_before(const JdgTask *next, bool fused);

#endif							/* JDG_ACTOR_STATE_H */
