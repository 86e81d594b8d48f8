/*-------------------------------------------------------------------------
 *
 * queue_load.h
 *	  Tasks of a queue that workers hold, and the queue's limit.
 *
 * JdgDb.refused is one side of a pair.  A worker that is refused by a limit
 * sets it and then counts once more; a worker that releases a task does that
 * first and then reads the flag.  So one of the two always sees the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_QUEUE_LOAD_H
#define JDG_SHARED_QUEUE_LOAD_H

#include "shared/database.h"

/* number of tasks of a queue; exact while the caller holds JdgSharedLock */
extern int	jdg_queue_load(Oid dboid, int queue_id);
extern int	jdg_queue_load_of_role(Oid dboid, Oid owner, int queue_id);

/*
 * May a worker hold one more task of a queue with this limit?  If not, the
 * next worker that releases such a task wakes the scheduler.
 */
extern bool jdg_queue_has_room(JdgDb *db, int queue_id, int limit);

/* a worker holds fewer tasks of a queue with a limit than before */
extern void jdg_queue_load_reduced(Oid dboid);

#endif							/* JDG_SHARED_QUEUE_LOAD_H */
