/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Concurrency keys: who holds their places, and who is next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_KEY_H
#define JDG_TASK_KEY_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "task/decide.h"
#include "task/resolve.h"
#include "task/task.h"

/* a scan of the waiting tasks of a key, lowest id first */
typedef struct JdgKeyScan JdgKeyScan;

/* tasks with an id above "after"; with an active snapshot */
extern JdgKeyScan *jdg_key_scan_begin(Relation heap, Oid owner,
									  const char *key, int64 after);
extern TupleTableSlot *jdg_key_scan_next(JdgKeyScan *scan);
extern void jdg_key_scan_end(JdgKeyScan *scan);

/* does the key have no more active tasks than its limit?  Inside a section */
extern bool jdg_key_within_limit(Oid owner, const char *key);

/*
 * The state of a ready or scheduled task whose run_at has changed.  A task
 * that has not been tried does not keep a place until then: returns true if
 * it had one.  The caller writes the row, then calls
 * jdg_key_place_given_up().
 */
extern bool jdg_key_task_moved(JdgTask *t);

/* may a task that has run, and did not fail, keep its place? */
extern bool jdg_key_may_be_kept(const JdgTask *t, const JdgOutcome *o);

/* Pauses a locked task, which gives up its place: see jdg_task_pause(). */
extern void jdg_key_pause(JdgTask *t, Oid by);

/* a session has given up the place of a task, or removed the task */
extern void jdg_key_place_given_up(const JdgTask *t);

/*
 * Some attempts have ended, in this order.  Sets key_place of the tasks that
 * stay.  Returns the numbers of places that are freed, each at the first task
 * of its key; for jdg_key_hand_on(), when the rows have been written.
 */
extern int *jdg_key_places_at_end(JdgTask *tasks, const JdgOutcome *o,
								  const JdgDecision *d, int n);
extern void jdg_key_hand_on(const JdgTask *tasks, const int *freed, int n);

/*
 * For the scheduler: fills the free places of a key.  JDG_WAITING_WATCH: a
 * transaction of a worker that holds one of the places may not see all
 * waiting tasks.  *blocker receives the task that it runs, 0 if there are
 * several.  "running": see jdg_resolve_waiting().
 */
extern JdgWaiting jdg_key_examine(Oid owner, const char *key,
								  const int64 *running, int nrunning,
								  int64 *blocker);

#endif							/* JDG_TASK_KEY_H */
