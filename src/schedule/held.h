/*-------------------------------------------------------------------------
 *
 * held.h
 *	  Schedules that are due and whose tenant is paused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_HELD_H
#define JDG_SCHEDULE_HELD_H

#include "schedule/plain.h"

/*
 * Holds those of the rows, which are locked, whose tenant is paused, and marks
 * them as fired: they are due no more until they are released.  For the
 * scheduler, inside its transaction.
 */
extern void jdg_schedules_hold(JdgDueRow *rows, int n);

/*
 * Releases held schedules whose tenant is not paused, except those that startup.c
 * releases.  For the scheduler, outside a transaction.  Returns false if rows
 * are left.
 */
extern bool jdg_schedules_release(void);

#endif							/* JDG_SCHEDULE_HELD_H */
