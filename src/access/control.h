/*-------------------------------------------------------------------------
 *
 * control.h
 *	  Pausing all work of a database: the row of jadugar_internal.control.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_CONTROL_H
#define JDG_ACCESS_CONTROL_H

#include "shared/database.h"

/*
 * Duty of the scheduler: copies the row to JdgDb.paused, and ends a pause
 * that has a limit.  Returns when that is.
 */
extern TimestampTz jdg_control(JdgDb *db, uint32 why);

#endif							/* JDG_ACCESS_CONTROL_H */
