/*-------------------------------------------------------------------------
 *
 * actor.h
 *	  Rows of jadugar_internal.actor, and the messages of an actor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_ACTOR_H
#define JDG_ACTOR_ACTOR_H

#include "base/module.h"
#include "task/task.h"

/* maximum length of a key of an actor, in bytes */
#define JDG_ACTOR_KEY_MAX 512

typedef struct JdgActor
{
	const char *name;
	Oid			owner;
	char	   *function;		/* signature */
	Jsonb	   *initial;
	int32		queue_id;		/* 0: the default queue */
	Jsonb	   *retry;
	bool		stops;			/* a failed message holds its key */
} JdgActor;

/*
 * Reads an actor into a memory context.  False: there is none of this name.
 * Inside jdg_internal_begin(); by a snapshot of its own.
 */
extern bool jdg_actor_find(const char *name, JdgActor *actor,
						   MemoryContext mcxt);

/* the same; raises NOT_FOUND */
extern void jdg_actor_read(const char *name, JdgActor *actor,
						   MemoryContext mcxt);

/* raise VALIDATION_ERROR for a name or a key that is not valid */
extern void jdg_actor_check_name(const char *name);
extern void jdg_actor_check_key(const char *key);

/*
 * Using an actor excludes changing and dropping it, until the end of the
 * transaction.
 */
extern void jdg_actor_lock_use(const char *name);
extern void jdg_actor_lock_change(const char *name);
extern bool jdg_actor_try_lock_change(const char *name);

/*
 * Is the tenant of a key, or of a message to it, this one?  No tenant is none's.
 */
extern bool jdg_actor_is_of_tenant(const char *of, const char *tenant);

/*
 * Raises CONFLICT if the caller is confined, and the state or a message of the
 * key is not of this tenant: the first compares it with the tenant "of" one of
 * them, the second reads them all.  Keys are unique for an actor, across tenants.
 * Inside jdg_internal_begin().
 */
extern void jdg_actor_check_tenant(const JdgActor *actor, const char *key,
								   const char *of, const char *tenant);
extern void jdg_actor_check_key_tenant(const JdgActor *actor, const char *key,
									   const char *tenant);

/* the concurrency_key of messages to a key, or the beginning of all of them */
extern char *jdg_actor_concurrency_key(const char *name, const char *key);

#endif							/* JDG_ACTOR_ACTOR_H */
