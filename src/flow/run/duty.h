/*-------------------------------------------------------------------------
 *
 * duty.h
 *	  Flows in the scheduler: messages of sessions, timers, old runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DUTY_H
#define JDG_FLOW_RUN_DUTY_H

#include "shared/database.h"

/*
 * Duty of the scheduler: serves messages and timers.  With JDG_WAKE_SWEEP,
 * cancels that have had no effect are tried again.
 */
extern TimestampTz jdg_flow_advance(JdgDb *db, uint32 why);

/* duty of the scheduler, hourly: deletes runs past the retention, in turns */
extern TimestampTz jdg_flow_upkeep(JdgDb *db, uint32 why);

#endif							/* JDG_FLOW_RUN_DUTY_H */
