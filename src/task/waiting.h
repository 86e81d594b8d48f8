/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  Tasks that wait for other tasks: when to examine them again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_WAITING_H
#define JDG_TASK_WAITING_H

#include "shared/database.h"

/*
 * Duty of the scheduler, in each round: looks at the waiting tasks that were
 * reported and at those it watches; with JDG_WAKE_SWEEP at all of them.
 */
extern TimestampTz jdg_waiting(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_WAITING_H */
