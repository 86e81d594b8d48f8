/*-------------------------------------------------------------------------
 *
 * starting.h
 *	  Starting one worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_STARTING_H
#define JDG_SCHEDULER_STARTING_H

#include "shared/database.h"

/*
 * Start up to n workers of a role; "grow": it has some already.  Returns how
 * many were started, and lowers *next to when to try again where that is
 * known.  If only a slot is missing, the scheduler is woken when one is free.
 */
extern int	jdg_workers_start(JdgDb *db, Oid owner, int n, bool grow,
							  TimestampTz *next);

/* duty in each round: frees the slots of workers that never started */
extern TimestampTz jdg_pool_check_started(JdgDb *db, uint32 why);

/*
 * Duty when roles or their rights have changed: workers whose role may not
 * connect any more leave, and blocked roles are tried again.
 */
extern TimestampTz jdg_pool_roles_changed(JdgDb *db, uint32 why);

#endif							/* JDG_SCHEDULER_STARTING_H */
