/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  Rows of the cache: values that a role keeps for a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_CACHE_H
#define JDG_ACTOR_CACHE_H

#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "base/module.h"

/* maximum length of a key, in bytes */
#define JDG_CACHE_KEY_MAX 512

typedef struct JdgCached
{
	Jsonb	   *value;			/* in the current memory context */
	TimestampTz expires_at;
	TimestampTz stale_until;	/* not before expires_at */
} JdgCached;

extern const JdgShmemPart jdg_cache_shmem;

/* raises VALIDATION_ERROR unless it has 1 to JDG_CACHE_KEY_MAX bytes */
extern void jdg_cache_check_key(const char *key);

/*
 * Reads a value, whether it has expired or not.  False: the role has none.  By
 * the active snapshot; or by the latest one, whatever the transaction's
 * isolation level is.  Not on a standby.
 */
extern bool jdg_cache_read(Oid owner, const char *key, bool latest,
						   JdgCached *cached);

/*
 * Waits until no other transaction writes the value, and keeps others from it
 * until this one ends, or gives it back.
 */
extern void jdg_cache_lock(Oid owner, const char *key);
extern void jdg_cache_unlock(Oid owner, const char *key);

/* is this transaction the one that makes the task to compute it anew? */
extern bool jdg_cache_claim_refresh(Oid owner, const char *key);

/*
 * Writes a value, under jdg_cache_lock().  False: the cache has no room for
 * it, and then the role has no value of that key.
 */
extern bool jdg_cache_write(Oid owner, const char *key, const JdgCached *cached);

/*
 * Deletes a role's value, or those whose keys begin with a prefix.  Waits for
 * transactions of the same role that write one of them.  Returns their number.
 */
extern int64 jdg_cache_delete(Oid owner, const char *key, bool prefix);

#endif							/* JDG_ACTOR_CACHE_H */
