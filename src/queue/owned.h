/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of queues for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_QUEUE_OWNED_H
#define JDG_QUEUE_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_queue_owned[];

#endif							/* JDG_QUEUE_OWNED_H */
