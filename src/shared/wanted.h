/*-------------------------------------------------------------------------
 *
 * wanted.h
 *	  Types of events that runs of flows wait for.
 *
 * This only says that it may be worth while to read the event log, as feeds
 * do (feed.h): types are bits.  A transaction that begins waits adds their
 * types after its commit; publishers look at them after theirs.  The scheduler
 * takes away types that nothing waits for any more.
 *
 * "begun" orders the two: a waiter adds to it before it looks at the types,
 * and the scheduler reads it before it looks for waits and again after it has
 * changed the types.  At least one of the two sees the other.
 *
 * All functions use atomic operations only and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_WANTED_H
#define JDG_SHARED_WANTED_H

#include "port/atomics.h"

typedef struct JdgWanted
{
	pg_atomic_uint64 types;		/* bits; 0: nothing waits */
	pg_atomic_uint32 begun;		/* changes with every commit of waits */
	pg_atomic_uint64 unread;	/* events since the log was read last */
} JdgWanted;

extern void jdg_wanted_init(JdgWanted *w);
extern void jdg_wanted_reset(JdgWanted *w);

/*
 * Waits for these types have committed.  True: one of the types was new, and
 * events of it may have been published meanwhile.
 */
extern bool jdg_wanted_add(JdgWanted *w, uint64 types);

/*
 * So many events of these types have committed.  True: the log is to be read,
 * for one of the types, or since very many events have not been read.
 */
extern bool jdg_wanted_publish(JdgWanted *w, uint64 types, int64 events);

/* the log is about to be read, by a snapshot that is taken afterwards */
extern void jdg_wanted_read(JdgWanted *w);

/* to be called before waits are looked for */
extern uint32 jdg_wanted_begun(JdgWanted *w);

/*
 * Sets the types of the waits that were found.  False: waits have begun since
 * jdg_wanted_begun(); all types count until the next call.
 */
extern bool jdg_wanted_set(JdgWanted *w, uint64 types, uint32 begun);

#endif							/* JDG_SHARED_WANTED_H */
