/*-------------------------------------------------------------------------
 *
 * adopted.h
 *	  Tasks that came with a copy of a database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_ADOPTED_H
#define JDG_TASK_ADOPTED_H

#include "base/module.h"

/* pauses or cancels them, as adopt() was asked: see base/module.h */
extern void jdg_tasks_adopted(const JdgAdoption *adoption);

#endif							/* JDG_TASK_ADOPTED_H */
