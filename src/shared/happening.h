/*-------------------------------------------------------------------------
 *
 * happening.h
 *	  Tells modules what happens to tasks, schedules, queues and subscriptions,
 *	  if one of them asks for that.
 *
 * JdgDb.happenings has a bit for each JdgHappening, and a generation in its
 * upper part.  A bit that is set costs time; one that is missing loses an
 * event.  So a session that asks for some kinds sets their bits before it
 * commits, and pins them until its transaction has ended.  The scheduler clears
 * those that nobody asks for (event/lifecycle.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_HAPPENING_H
#define JDG_SHARED_HAPPENING_H

#include "base/happening.h"
#include "base/module.h"
#include "shared/database.h"

/*
 * The work of this process causes no events: it is that of a handler that gets
 * these events itself.
 */
extern bool jdg_quiet;

/* Does a module ask for this?  Called before its data is made. */
static inline bool
jdg_happens(JdgHappening kind)
{
	return jdg_dbs != NULL && !jdg_quiet &&
		((pg_atomic_read_u64(&jdg_my_db()->happenings) >> kind) & 1) != 0;
}

/*
 * It happens, in this transaction: tells the modules.  "owner" is the role
 * whose thing it is, "key" names the thing.  In the current memory context.
 */
extern void jdg_happened(JdgHappening kind, Oid owner, const char *key,
						 Jsonb *data);

/* the same for a thing that has the label of a tenant, or NULL */
extern void jdg_happened_to(JdgHappening kind, Oid owner, const char *tenant,
							const char *key, Jsonb *data);

/* this transaction asks for these kinds when it commits */
extern void jdg_happenings_expect(uint64 kinds);

/*
 * For the scheduler, to be called before it reads what is asked for.  False:
 * a transaction under way may ask for more.
 */
extern bool jdg_happenings_look(JdgDb *db, uint64 *seen);

/* then: only these are asked for, unless a session has said otherwise */
extern void jdg_happenings_set(JdgDb *db, uint64 seen, uint64 kinds);

/* called once, by _PG_init */
extern void jdg_happening_init(void);

#endif							/* JDG_SHARED_HAPPENING_H */
