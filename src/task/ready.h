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
#include "nodes/pg_list.h"

#include "shared/database.h"
#include "shared/gate.h"
#include "shared/lane.h"

/* tasks of one lane */
typedef struct JdgSource
{
	JdgLaneLook look;			/* look.lane NULL: all lanes of the queue,
								 * from the front */
	JdgLimits	limits;			/* that all its tasks share */
	JdgCarrier	carrier;		/* of the tasks that are wanted */
	int			taken;			/* tasks that were used */
	IndexScanDesc scan;			/* NULL: not open */
	ScanKeyData position_key[2];	/* the scan refers to them */
	TupleTableSlot *slot;
	bool		has_head;
	int32		head_priority;
	JdgPosition head;
} JdgSource;

/* where a claim reads */
typedef struct JdgReader
{
	JdgDb	   *db;
	Oid			owner;
	JdgCarrier	carrier;
	bool		plain;			/* without lanes */
	uint32		epoch;			/* of the gates */
	int			nparties;		/* that take turns */
	bool		more;			/* there are others to be read */
	int			nsources;
	int			room;
	JdgSource  *source;			/* of one party after the other */
} JdgReader;

/* begins to read ready tasks of an owner and carrier; in a transaction */
extern void jdg_reader_init(JdgReader *r, JdgDb *db, Oid owner,
							JdgCarrier carrier);

/*
 * Sets the sources to those that are next: of one priority, those of a party
 * together.  Those with a limit that has no room are left out, and parked.
 * False: there are no more.  They are read with a snapshot taken afterwards.
 */
extern bool jdg_reader_next(JdgReader *r);

/*
 * Begins to read a source, and moves its mark to the first task it sees.  The
 * active snapshot must have been taken after jdg_reader_next() or
 * jdg_ready_survey().
 */
extern void jdg_ready_open(JdgDb *db, JdgSource *src, Relation heap,
						   Relation index);
extern void jdg_ready_advance(JdgSource *src);
extern void jdg_ready_close(JdgSource *src);

/*
 * A source has been read, or is not read now: others may use the room that let
 * its lane in.
 */
extern void jdg_ready_pass(JdgSource *src);

/* of the sources that have a task, the one with the first task; or NULL */
extern JdgSource *jdg_ready_first(JdgSource *sources, int n);

/* where tasks of an owner may be ready */
typedef struct JdgReadySurvey
{
	Oid			owner;
	int			others;			/* sources that are left out */
	int			seen;			/* queues, if they are the sources */
	int			nsources;
	JdgSource  *source;			/* by queue */
} JdgReadySurvey;

/*
 * For the scheduler: a JdgReadySurvey of each owner with up to "max" sources of
 * tasks with this carrier.
 * Those with a limit that has no room are left out.  In a transaction.
 */
extern List *jdg_ready_survey(JdgDb *db, JdgCarrier carrier, int max);

/* how many ready tasks a source has, locked or not, up to a bound */
extern int	jdg_ready_count(JdgDb *db, JdgSource *src, int most);

#endif							/* JDG_TASK_READY_H */
