/*-------------------------------------------------------------------------
 *
 * queue_load.h
 *	  Tasks of a queue that workers hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_QUEUE_LOAD_H
#define JDG_SHARED_QUEUE_LOAD_H

#include "shared/database.h"

/* number of tasks of a queue; of all roles, or of one */
extern int	jdg_queue_load(Oid dboid, int queue_id);
extern int	jdg_queue_load_of_role(Oid dboid, Oid owner, int queue_id);

#endif							/* JDG_SHARED_QUEUE_LOAD_H */
