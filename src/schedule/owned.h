/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of schedules for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_OWNED_H
#define JDG_SCHEDULE_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_schedule_owned[];

#endif							/* JDG_SCHEDULE_OWNED_H */
