/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory of jadugar: its parts, and the order of their locks.
 *
 * No data in it is the only copy of a guarantee: a server crash empties it,
 * and launcher, schedulers and workers fill it again from the tables.  Each
 * module names its parts in its row (base/module.h).
 *
 * Locks, in the order in which they may be taken:
 *
 *	JdgSharedLock (LWLock)		  allocation of JdgDb entries and of slots,
 *								  bounds of pools, counting tasks over all
 *								  slots
 *	JdgGatesLock (LWLock)		  lanes of the ready index and the turns of
 *								  their parties; gates
 *	JdgWakeup.mutex, JdgBlocked.mutex, JdgDb.due_mutex (spinlocks)
 *								  parts of one database's entry
 *	stripes of lanes (spinlock)	  marks of the lanes of some owners
 *	JdgDepth.mutex (spinlock)	  the places of one bounded queue
 *	JdgQuota.mutex (spinlock)	  the quota of one tenant
 *	JdgSlot.mutex (spinlock)	  the state of one worker
 *
 * A spinlock is held for a few hundred instructions and never together with
 * another one, except that a slot's may be held while its worker is sent a
 * signal.  A commit callback takes spinlocks only, never an LWLock: an error
 * there would be a PANIC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SHMEM_H
#define JDG_SHARED_SHMEM_H

#include "storage/lwlock.h"

/* NULL if the server has not preloaded the library */
extern LWLock *JdgSharedLock;
extern LWLock *JdgGatesLock;

/* called by _PG_init while shared_preload_libraries are loaded */
extern void jdg_shmem_init(void);

/* raises an error with instructions, unless the library is preloaded */
extern void jdg_require_shmem(void);

#endif							/* JDG_SHARED_SHMEM_H */
