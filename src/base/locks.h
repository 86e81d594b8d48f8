/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  Locks of our own, in a lock space that SQL can not reach.
 *
 * They are advisory locks of the lock manager (so they show in pg_locks,
 * take part in deadlock detection and end with their holder) whose fourth
 * field is not one of the two that pg_advisory_lock() uses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_LOCKS_H
#define JDG_BASE_LOCKS_H

typedef enum JdgLockClass
{
	JDG_LOCK_SCHEDULER = 1,		/* held by the elected scheduler */
	JDG_LOCK_PARTITION,			/* making a history partition: its day */
	JDG_LOCK_QUEUE,				/* enqueue into a bounded queue: its id */
	JDG_LOCK_OWNER,				/* a row of jadugar_internal.owner: the role */
	JDG_LOCK_QUEUE_USE,			/* naming a queue, shared; dropping it */
	JDG_LOCK_FLOW,				/* numbering versions: hash of the name */
	JDG_LOCK_RUN				/* changing a run of a flow: its id */
} JdgLockClass;

/* until the end of the transaction */
extern void jdg_lock_xact(JdgLockClass class, uint32 object);
extern void jdg_lock_xact_shared(JdgLockClass class, uint32 object);

/* the same without waiting; false: somebody else has it */
extern bool jdg_try_lock_xact(JdgLockClass class, uint32 object);
extern void jdg_unlock_xact(JdgLockClass class, uint32 object);

/* for the session; false: somebody else has it and wait was false */
extern bool jdg_lock_session(JdgLockClass class, uint32 object, bool wait);

#endif							/* JDG_BASE_LOCKS_H */
