/*-------------------------------------------------------------------------
 *
 * idle.h
 *	  Deletion of idle keys of actors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_IDLE_H
#define JDG_ACTOR_IDLE_H

#include "shared/database.h"

/* duty of the scheduler */
extern TimestampTz jdg_actor_forget_idle(JdgDb *db, uint32 why);

#endif							/* JDG_ACTOR_IDLE_H */
