/*-------------------------------------------------------------------------
 *
 * turns.h
 *	  The order in which roles get a new worker when slots are short.
 *
 * Turns are numbers that grow.  A role takes one when its tasks begin to wait
 * for a worker, and a new one, behind all others, when a worker starts for
 * it.  So each role gets a worker after at most as many others as wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_TURNS_H
#define JDG_SCHEDULER_TURNS_H

/* the turn that was kept for a role, or a new one; never 0 */
extern uint64 jdg_turn_of(Oid owner);

/* a turn behind all that were given before */
extern uint64 jdg_turn_new(void);

/* forgets all turns, and makes room for those of n roles */
extern void jdg_turns_clear(int n);

/* keeps the turn of a role, which has none; there is room */
extern void jdg_turn_keep(Oid owner, uint64 turn);

#endif							/* JDG_SCHEDULER_TURNS_H */
