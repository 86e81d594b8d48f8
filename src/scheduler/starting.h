/*-------------------------------------------------------------------------
 *
 * starting.h
 *	  Starts workers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_STARTING_H
#define JDG_SCHEDULER_STARTING_H

#include "shared/database.h"

/*
 * Starts up to n workers of a role; "grow": it has some already.  Returns the
 * number of workers started.  Lowers *next to the time of the next attempt, if
 * that is known.  If only a slot is missing, the scheduler is woken when one
 * is free.  Must be called in a transaction, for system caches.
 */
extern int	jdg_workers_start(JdgDb *db, Oid owner, int n, bool grow,
							  TimestampTz *next);

/* duty of each round: frees the slots of workers that never started */
extern TimestampTz jdg_pool_check_started(JdgDb *db, uint32 why);

/*
 * Duty after changes of roles or their rights: workers whose role cannot
 * connect any more leave, and blocked roles are tried again.
 */
extern TimestampTz jdg_pool_roles_changed(JdgDb *db, uint32 why);

#endif							/* JDG_SCHEDULER_STARTING_H */
