/*-------------------------------------------------------------------------
 *
 * depth.h
 *	  Places of bounded queues: one gauge for each queue with a max_depth.
 *
 * A gauge knows how many places of its queue are taken: those of committed
 * unfinished tasks, and those of open transactions.  So a session knows
 * whether there is room without a lock that lasts and without counting rows.
 * task/depth.c has what a transaction takes and frees; task/recount.c counts
 * the table.
 *
 * A gauge never holds less than the table.  It may hold more: after a start,
 * when a prepared transaction has ended, after a change by hand.  Then it is
 * counted again when its queue looks full.
 *
 * A gauge that no process has pinned may be given to another queue.  It is
 * then counted again at the next use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_DEPTH_H
#define JDG_SHARED_DEPTH_H

#include "storage/condition_variable.h"

#include "base/module.h"

typedef struct JdgDepth JdgDepth;

extern const JdgShmemPart jdg_depths_shmem;

/* number of gauges of the server */
#define JDG_DEPTHS_MAX 2048

/*
 * The gauge of a queue of this database; it stays that of the queue until it
 * is unpinned.  NULL: open transactions use all gauges.  Takes JdgSharedLock.
 */
extern JdgDepth *jdg_depth_pin(int32 queue_id);

/* never fails, nor do the functions below */
extern void jdg_depth_unpin(JdgDepth *depth);

/*
 * Takes n places for this transaction.  False: it is not known whether the
 * queue has room for them under the bound, or it has not.  jdg_depth_add()
 * takes them in any case.
 */
extern bool jdg_depth_take(JdgDepth *depth, int64 n, int64 max_depth);
extern void jdg_depth_add(JdgDepth *depth, int64 n);

/*
 * Is the queue full, and has nobody told that yet?  Then this transaction
 * does.  It is to be told again after a tenth of its places was free, or if
 * the transaction is rolled back.
 */
extern bool jdg_depth_tells(JdgDepth *depth, int64 max_depth);

/* places taken now, of committed tasks and of open transactions */
extern int64 jdg_depth_held(JdgDepth *depth);

/* What a transaction has done to a queue, see task/depth.c. */
typedef struct JdgDepthChange
{
	int64		taken;			/* places of the gauge */
	int64		inserted;		/* tasks */
	int64		freed;			/* tasks that end with its commit */
	int64		waiting;		/* of "taken", noted as those of a waiter */
	bool		told;			/* jdg_depth_tells() was true */
	bool		ending;			/* jdg_depth_ending() was called */
} JdgDepthChange;

/*
 * A transaction is about to commit or to prepare, before others can see that.
 * Then it has committed, has been prepared, or is rolled back; the last also
 * for a subtransaction.  They wake those who wait for room.
 */
extern void jdg_depth_ending(JdgDepth *depth, JdgDepthChange *c);
extern void jdg_depth_committed(JdgDepth *depth, const JdgDepthChange *c);
extern void jdg_depth_prepared(JdgDepth *depth, const JdgDepthChange *c);
extern void jdg_depth_aborted(JdgDepth *depth, const JdgDepthChange *c);

/*
 * Counting.  "due": may a count find fewer than the gauge holds?  "in doubt":
 * will that be so in a second, too?  Begin, then
 * count the rows, first those of prepared transactions, then the committed
 * ones with a new snapshot that leaves out this transaction's own changes;
 * then end with the sum.  "end" returns true if the gauge is exact now;
 * otherwise another process was committing meanwhile.
 */
typedef struct JdgDepthCount
{
	int64		added;
	uint64		generation;
	bool		quiet;
	bool		counted;
} JdgDepthCount;

extern bool jdg_depth_count_due(JdgDepth *depth);
extern bool jdg_depth_in_doubt(JdgDepth *depth);
extern void jdg_depth_count_begin(JdgDepth *depth, JdgDepthCount *count);
extern bool jdg_depth_count_end(JdgDepth *depth, const JdgDepthCount *count,
								int64 rows);

/*
 * Waiting for room.  "note" notes that n places are those of a transaction
 * that waits, or, if negative, no longer.  "stuck" is true if there is no room
 * for n more tasks and only transactions that wait hold places.  Both are
 * called under JdgSharedLock, exclusively, in order that one of them only
 * gives up.  Then "wake" wakes those who wait, who may have to give up.
 */
extern void jdg_depth_note_waiting(JdgDepth *depth, int64 n);
extern bool jdg_depth_stuck(JdgDepth *depth, int64 n, int64 max_depth);
extern void jdg_depth_wake(JdgDepth *depth);
extern ConditionVariable *jdg_depth_room(JdgDepth *depth);

/* when there may be room next time, calls jdg_feeds_room() once */
extern void jdg_depth_watch(JdgDepth *depth);

/*
 * All gauges of a database: wakes those who wait for room; the same, and a
 * count is due; the same, and nothing is known until then.
 */
extern void jdg_depths_wake(Oid dboid);
extern void jdg_depths_doubt(Oid dboid);
extern void jdg_depths_forget(Oid dboid);

#endif							/* JDG_SHARED_DEPTH_H */
