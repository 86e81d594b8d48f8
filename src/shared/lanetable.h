/*-------------------------------------------------------------------------
 *
 * lanetable.h
 *	  The tables of lanes, parties, levels and rosters.
 *
 * For lane.c alone.  The caller of all functions holds JdgGatesLock,
 * exclusively where something changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_LANETABLE_H
#define JDG_SHARED_LANETABLE_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "storage/spin.h"

#include "base/module.h"
#include "shared/lanekey.h"
#include "shared/mark.h"
#include "shared/share.h"

#define JDG_STRIPES 64

/* an index in one of the tables; JDG_NONE: of no entry */
typedef int32 JdgLanePlace;

#define JDG_NONE (-1)

typedef enum JdgLaneState
{
	JDG_LANE_FREE,
	JDG_LANE_IDLE,
	JDG_LANE_ACTIVE,
	JDG_LANE_PARKED
} JdgLaneState;

struct JdgLane
{
	/* under JdgGatesLock */
	Oid			dboid;
	JdgLaneKey	key;
	JdgLaneState state;
	JdgLanePlace next;			/* with the same hash, or free */
	JdgLanePlace party;
	JdgShare   *share;			/* of the owner */
	dlist_node	node;			/* in the party's active ones, or the idle */
	int32		gate;			/* where it is or was parked last, or JDG_NONE */
	pairingheap_node parked;	/* at that gate */
	uint64		parked_at;		/* time of its party then */
	/* under the mutex of its stripe; changed with JdgGatesLock, too */
	uint32		incarnation;	/* of this entry */
	/* under the mutex of its stripe */
	int32		pins;
	bool		idle;			/* a commit makes it fresh; if it has no pins
								 * either, the lane is not held */
	slist_node	fresh;
	JdgMark		mark;
};

typedef struct JdgParty
{
	Oid			dboid;
	Oid			owner;
	JdgCarrier	carrier;
	int32		priority;
	int32		tenant;
	JdgLanePlace next;			/* with the same hash, or free */
	JdgLanePlace level;
	int			nlanes;
	int			nactive;
	dlist_head	active;			/* lanes */
	dlist_node	node;			/* in the level's active ones */
	pairingheap_node turn;
	uint64		time;
	uint64		picked;			/* number of the pick that had it last */
	JdgLanePlace passed;		/* while a pick passes over it */
} JdgParty;

/* parties of an owner, carrier and priority */
typedef struct JdgLevel
{
	int32		priority;
	JdgLanePlace next;			/* of lower priority; or free */
	JdgLanePlace roster;
	int			nparties;
	int			nactive;
	dlist_head	active;			/* parties */
	pairingheap turns;			/* the same, by their time */
	uint64		time;			/* of the party that ran last, before */
} JdgLevel;

/* levels of an owner and carrier */
typedef struct JdgRoster
{
	Oid			dboid;
	Oid			owner;
	JdgCarrier	carrier;
	JdgLanePlace next;			/* with the same hash, or free */
	JdgLanePlace level;			/* of the highest priority */
} JdgRoster;

typedef struct JdgStripe
{
	slock_t		mutex;			/* taken alone */
	slist_head	fresh;			/* lanes */
} JdgStripe;

typedef struct JdgLanes
{
	uint64		picks;
	int			rosters;		/* used so far */
	uint32		incarnations;
	JdgLanePlace jdg_lane_free;
	JdgLanePlace free_party;
	JdgLanePlace free_level;
	JdgLanePlace free_roster;
	dlist_head	idle;			/* longest first */
	JdgStripe	stripe[JDG_STRIPES];
} JdgLanes;

extern const JdgShmemPart jdg_lanes_shmem;

extern JdgLanes *jdg_lanes;
extern JdgShares *jdg_lane_shares;
extern JdgLane *jdg_lane_at;	/* jdg_max_lanes of each */
extern JdgParty *jdg_party_at;
extern JdgLevel *jdg_level_at;
extern JdgRoster *jdg_roster_at;

/* the stripe of an owner's lanes */
extern JdgStripe *jdg_stripe_of(Oid dboid, Oid owner);

/* return NULL if there is none */
extern JdgLane *jdg_lane_find(Oid dboid, const JdgLaneKey *key);
extern JdgRoster *jdg_roster_find(Oid dboid, Oid owner, JdgCarrier carrier);
extern JdgParty *jdg_party_find(Oid dboid, Oid owner, JdgCarrier carrier,
								int32 priority, int32 tenant);

/* the lane, made idle if there is none; NULL: there is no room */
extern JdgLane *jdg_lane_get(Oid dboid, const JdgLaneKey *key, int32 tenant);

/* removes an idle lane, unless it is pinned or fresh */
extern bool jdg_lane_free(JdgLane *lane);

/* makes the fresh lanes of a stripe active */
extern void jdg_lanes_take_fresh(JdgStripe *stripe);

/* from idle to active, and back */
extern void jdg_lane_activate(JdgLane *lane);
extern void jdg_lane_deactivate(JdgLane *lane);

/*
 * The lane becomes one of the active ones of its party, which may be so far
 * behind the level's time; or the opposite, and the caller sets its state.
 */
extern void jdg_lane_enter(JdgLane *lane, uint64 lead);
extern void jdg_lane_leave(JdgLane *lane);

#endif							/* JDG_SHARED_LANETABLE_H */
