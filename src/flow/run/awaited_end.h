/*-------------------------------------------------------------------------
 *
 * awaited_end.h
 *	  Ends tasks whose runs have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_AWAITED_END_H
#define JDG_FLOW_RUN_AWAITED_END_H

/*
 * End tasks whose runs have ended, at most "max"; true: there may be more.  In
 * a transaction of its own, inside jdg_internal_begin().
 */
extern bool jdg_awaited_end_tasks(int max);

/* Was the row of one of them locked, since the last call? */
extern bool jdg_awaited_locked(void);

#endif							/* JDG_FLOW_RUN_AWAITED_END_H */
