/*-------------------------------------------------------------------------
 *
 * ready.h
 *	  Reading the ready index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_READY_H
#define JDG_TASK_READY_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"

#include "shared/database.h"
#include "shared/marks.h"

/* tasks of one queue and priority */
typedef struct JdgSource
{
	JdgMarkLook look;
	int32		limit;			/* of the queue; 0: none */
	IndexScanDesc scan;			/* NULL: not open */
	ScanKeyData position_key[2];	/* the scan refers to them */
	TupleTableSlot *slot;
	bool		has_head;
	int32		head_priority;
	JdgPosition head;
	bool		marked;			/* else all priorities, from the front */
} JdgSource;

/*
 * Returns the sources in which ready tasks of the owner may be (InvalidOid:
 * of all owners), highest priority first.  Paused queues, and sources that
 * the marks call empty, are left out.  With an active snapshot; the array
 * lives in the current context.  A process asks either for one owner only, or
 * for all.
 */
extern JdgSource *jdg_ready_sources(JdgDb *db, Oid owner, int *nsources);

/*
 * Begins to read a source, and moves its mark to the first task it sees.  The
 * active snapshot must have been taken after jdg_ready_sources().
 */
extern void jdg_ready_open(JdgDb *db, JdgSource *src, Relation heap,
						   Relation index);
extern void jdg_ready_advance(JdgSource *src);
extern void jdg_ready_close(JdgSource *src);

/* how many ready tasks a source has, locked or not, up to a bound */
extern int	jdg_ready_count(JdgDb *db, JdgSource *src, int most);

/* of the sources that have a task, the one with the first task; or NULL */
extern JdgSource *jdg_ready_first(JdgSource *sources, int n);

#endif							/* JDG_TASK_READY_H */
