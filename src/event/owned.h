/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Topics and event types in reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_OWNED_H
#define JDG_EVENT_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_event_owned[];

#endif							/* JDG_EVENT_OWNED_H */
