/*-------------------------------------------------------------------------
 *
 * lane.h
 *	  Lanes: the parts of the ready index that are read by themselves.
 *
 * A lane has the ready tasks of one owner, queue, priority and task.lane
 * (task/lanes.h), and a mark (mark.h).  It is active if tasks may be ready in
 * it, idle if there are none, and parked if a gate lets none of its tasks
 * through (gate.h).  A claim asks for active lanes, so others cost it nothing.
 *
 * Workers claim the tasks of most lanes, the http process those of the others:
 * the carrier.  The lanes of one owner, carrier, priority and tenant belong to a
 * party.  Parties take
 * turns by the time that their tasks take, divided by their weight: the one
 * that has had least is next.  One that had nothing to run has saved nothing.
 *
 * A role has a share of the lanes of the server (share.h).  A lane counts while
 * tasks may be ready in it, or a transaction may make some ready.  A lane beyond
 * the share is not made; its tasks are published in the rest lane of their
 * owner.  While that is active, the owner's tasks are read without turns, and
 * more slowly; those of others are not.
 *
 * Locks: JdgGatesLock protects the structure; a spinlock for several owners
 * protects their marks and the list of lanes that have become active by a
 * commit.  lane.c has the details.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_LANE_H
#define JDG_SHARED_LANE_H

#include "lib/pairingheap.h"
#include "nodes/pg_list.h"

#include "base/module.h"
#include "base/settings.h"
#include "shared/lanekey.h"
#include "shared/mark.h"
#include "shared/share.h"

/* a copy of a lane's place and mark */
typedef struct JdgLaneLook
{
	JdgLaneKey	key;
	JdgLane    *lane;			/* NULL: has none, read from the front */
	uint32		incarnation;	/* of the entry */
	int32		tenant;			/* whose turn it is: task/lanes.h; or
								 * JDG_ANY_TENANT */
	int32		gate;			/* where it was parked last, or -1 */
	JdgMarkLook mark;
} JdgLaneLook;

/*
 * Finds the lane of tasks that this transaction makes ready, or makes it, idle
 * and of this tenant.  It is pinned: it stays until jdg_lane_unpin().  NULL:
 * there is no room; then the rest lane is asked for.  Takes JdgGatesLock if the lane is not the one of the call
 * before.
 */
extern JdgLane *jdg_lane_pin(Oid dboid, const JdgLaneKey *key, int32 tenant);

/* a task at this position has become ready by a commit; never fails */
extern void jdg_lane_publish(JdgLane *lane, JdgPosition position);

/* never fails */
extern void jdg_lane_unpin(JdgLane *lane);

/*
 * Tasks may be ready at any position of the lane, which is made if there is
 * none; false: there is no room.  Takes JdgGatesLock.
 */
extern bool jdg_lane_make(Oid dboid, const JdgLaneKey *key, int32 tenant);

/* removes all lanes of a database that is gone */
extern void jdg_lanes_drop(Oid dboid);

/*
 * For views: how many lanes are held of jdg_max_lanes, and a role of the
 * database whose tasks have found no lane, or InvalidOid; *lacking_held lanes
 * are that role's.
 */
extern void jdg_lanes_state(Oid dboid, JdgShareState *state, Oid *lacking,
							int32 *lacking_held);

/* --- claims -------------------------------------------------------------- */

/* lanes, and parties, that one pick returns */
#define JDG_PICK_LANES	256
#define JDG_PICK_PARTIES 16

/* the state of one claim */
typedef struct JdgPick
{
	int			npicked;		/* parties so far */
	int32		party;			/* has more lanes than one pick returns, or -1 */
	int			left;			/* how many of them have not been returned */
	int32		priority;		/* of the lanes below */
	int			nparties;		/* active ones of this priority */
	bool		more;			/* there are others that were not picked */
	int			nlanes;
	JdgLaneLook lane[JDG_PICK_LANES];	/* of one party after the other */
	uint64		picked[FLEXIBLE_ARRAY_MEMBER];	/* a bit for each party */
} JdgPick;

#define JDG_PICK_SIZE \
	(offsetof(JdgPick, picked) + sizeof(uint64) * ((jdg_max_lanes + 63) / 64))

extern void jdg_pick_begin(JdgPick *pick);

/*
 * Picks active lanes of the owner's tasks with this carrier: those of the parties that are next, of the
 * highest priority that has parties which this claim has not picked yet.
 * Returns their number, 0 if none is left.  Must be called before the snapshot
 * is taken with which they are read.  Takes JdgGatesLock.
 */
extern int	jdg_lanes_pick(Oid dboid, Oid owner, JdgCarrier carrier,
						   JdgPick *pick);

/*
 * A snapshot taken after the look has shown no task before "to".
 * jdg_position_last: none at all; the lane becomes idle.  That takes
 * JdgGatesLock.
 */
extern void jdg_lane_move(Oid dboid, const JdgLaneLook *look, JdgPosition to);

/* a worker's time for tasks of a party */
typedef struct JdgCharge
{
	int32		priority;
	int32		tenant;
	int32		weight;
	int64		us;
} JdgCharge;

/* Charges the parties of an owner.  Takes JdgGatesLock. */
extern void jdg_lanes_charge(Oid dboid, Oid owner, JdgCarrier carrier,
							 const JdgCharge *charges, int n);

/* --- for gate.c, which holds JdgGatesLock exclusively ------------------- */

/*
 * Parks a lane that is active, and returns its node for the heap of the gate;
 * NULL: it is not what the look has shown.  "unpark" makes it active again; the
 * caller has removed it from the heap.
 */
extern pairingheap_node *jdg_lane_park(const JdgLaneLook *look, int32 gate);
extern void jdg_lane_unpark(pairingheap_node *node);

/*
 * Takes the lane turns with the one of this node, and has its party had more?
 * False if it is not what the look has shown.
 */
extern bool jdg_lane_had_more(const JdgLaneLook *look,
							  const pairingheap_node *node);

/* pairingheap_comparator: the party that had least when it was parked first */
extern int	jdg_lane_compare_parked(const pairingheap_node *a,
									const pairingheap_node *b, void *arg);

/* --- the scheduler ------------------------------------------------------- */

/* the active lanes of an owner */
typedef struct JdgLaneSurvey
{
	Oid			owner;
	int			others;			/* lanes that are left out */
	int			nlanes;
	JdgLaneLook lane[FLEXIBLE_ARRAY_MEMBER];
} JdgLaneSurvey;

/*
 * A JdgLaneSurvey with up to "max" lanes for each owner that has active ones
 * in the database.  Must be called before the snapshot is taken with which
 * they are read.  Takes JdgGatesLock.
 */
extern List *jdg_lanes_survey(Oid dboid, JdgCarrier carrier, int max);

/*
 * The owners that have active lanes with this carrier, the one after "after"
 * first; palloc'd.  Takes JdgGatesLock.
 */
extern Oid *jdg_lanes_owners(Oid dboid, JdgCarrier carrier, Oid after,
							 int *nowners);

/* the same of one owner, all its active lanes; NULL: it has none */
extern JdgLaneSurvey *jdg_lanes_of(Oid dboid, Oid owner,
								   JdgCarrier carrier);

#endif							/* JDG_SHARED_LANE_H */
