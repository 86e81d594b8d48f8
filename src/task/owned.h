/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of tasks for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_OWNED_H
#define JDG_TASK_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_task_owned[];

#endif							/* JDG_TASK_OWNED_H */
