/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  Locks of our own, in a lock space that SQL cannot reach.
 *
 * They are advisory locks of the lock manager, so they appear in pg_locks,
 * take part in deadlock detection and end with their holder.  The fourth field
 * of their tags is neither of the two values that pg_advisory_lock() uses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_LOCKS_H
#define JDG_BASE_LOCKS_H

/* the meaning of a lock; the object is in parentheses */
typedef enum JdgLockClass
{
	JDG_LOCK_SCHEDULER = 1,		/* held by the elected scheduler (0) */
	JDG_LOCK_PARTITION,			/* creating a history partition (its day) */
	JDG_LOCK_OWNER,				/* a row of owner (the role) */
	JDG_LOCK_QUEUE_USE,			/* naming a queue, shared; dropping it (id) */
	JDG_LOCK_FLOW,				/* naming a flow or its version (hash) */
	JDG_LOCK_RUN,				/* changing a run of a flow (its id) */
	JDG_LOCK_LEAF,				/* making the first leaf of a topic (its id) */
	JDG_LOCK_SUBSCRIPTION,		/* serving its events, shared; changing it
								 * (id) */
	JDG_LOCK_TENANT,			/* making work for it, shared; dropping it
								 * (id) */
	JDG_LOCK_CACHE,				/* writing a value of the cache (hash) */
	JDG_LOCK_CACHE_REFRESH,		/* making the task that writes it (hash) */
	JDG_LOCK_ACTOR				/* sending to it and running its messages,
								 * shared; changing it (hash) */
} JdgLockClass;

/*
 * Wait for a lock, and hold it until the end of the transaction.  A shared
 * lock conflicts with exclusive ones only.
 */
extern void jdg_lock_xact(JdgLockClass class, uint32 object);
extern void jdg_lock_xact_shared(JdgLockClass class, uint32 object);

/*
 * The same without waiting.  False: another process holds a lock that
 * conflicts.
 */
extern bool jdg_try_lock_xact(JdgLockClass class, uint32 object);
extern bool jdg_try_lock_xact_shared(JdgLockClass class, uint32 object);

/* releases an exclusive lock before the end of the transaction */
extern void jdg_unlock_xact(JdgLockClass class, uint32 object);

/*
 * Takes an exclusive lock until the end of the session.  Returns false if
 * another process holds it and "wait" is false.
 */
extern bool jdg_lock_session(JdgLockClass class, uint32 object, bool wait);

#endif							/* JDG_BASE_LOCKS_H */
