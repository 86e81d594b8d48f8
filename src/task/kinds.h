/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  Kinds of entries in the ready index: those of one owner, queue, priority
 *	  and lane.
 *
 * The index is searched for its kinds where shared memory does not know its
 * lanes (shared/lane.h).  Of each kind one entry is read, alive or dead.  Both
 * functions take a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_KINDS_H
#define JDG_TASK_KINDS_H

#include "shared/database.h"
#include "shared/lane.h"

/*
 * Makes lanes for all kinds of an owner, or with InvalidOid of all owners.  An
 * owner that has too many kinds gets its rest lanes, and *complete is false.
 * Returns false if there is no room for that either.
 */
extern bool jdg_kinds_make_lanes(JdgDb *db, Oid owner, bool *complete);

/*
 * Calls back for each queue in which an owner, or with InvalidOid each owner,
 * has entries, until it returns false.  The look has no lane.
 */
extern void jdg_kinds_of_queues(Oid owner,
								bool (*found) (void *arg, const JdgLaneLook *look),
								void *arg);

#endif							/* JDG_TASK_KINDS_H */
