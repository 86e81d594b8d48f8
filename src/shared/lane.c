/*-------------------------------------------------------------------------
 *
 * lane.c
 *	  Lanes and the turns of their parties, see lane.h.
 *
 * Runs in any process.  JdgGatesLock protects everything but these, which the
 * spinlock of a stripe protects: marks, pins, whether a lane is idle, and the
 * list of lanes that are fresh: idle until a commit.  The stripe is chosen by
 * database and owner.  So a commit callback, which takes spinlocks only, notes
 * a lane as fresh, and the next claim or survey makes it active.
 *
 * Turns are fair queueing by start times (Goyal, Vin and Cheng, 1996): a
 * party's time is the time that its tasks have taken, divided by its weight;
 * the party with the least time is next.  The time of a level is that of the
 * party whose tasks ran last, when it was their turn.  A party that becomes
 * active begins there, or at its own time if it was parked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lwlock.h"

#include "base/settings.h"
#include "shared/lane.h"
#include "shared/lanetable.h"
#include "shared/shmem.h"

/* a party's time is in microseconds of weight 1, times this */
#define TIME_SCALE 1024

/*
 * A party that was parked has waited its turn, and keeps its time.  It has not
 * saved more than this: it might have waited at another limit than the others.
 */
#define MAX_LEAD (UINT64CONST(100000) * TIME_SCALE)

/* --- transactions that make tasks ready ---------------------------------- */

/*
 * A lane is about to be held, if it is not.  False: its owner has its share.
 * The caller holds the mutex of the lane's stripe.
 */
static bool
hold(JdgLane *lane)
{
	if (lane->pins > 0 || !lane->idle)
		return true;
	if (lane->key.queue_id != JDG_REST_QUEUE)
		return jdg_share_try_hold(jdg_lane_shares, lane->share);
	jdg_share_hold(jdg_lane_shares, lane->share);
	return true;
}

/* A pin has gone, or the lane has become idle; the same mutex. */
static void
let_go(JdgLane *lane)
{
	if (lane->pins == 0 && lane->idle)
		jdg_share_let_go(jdg_lane_shares, lane->share);
}

/*
 * Pins a lane that the caller has seen before, if it is still the same.  Its
 * stripe is that of the key, or the entry has another incarnation.
 */
static bool
pin_again(JdgLane *lane, uint32 incarnation, Oid dboid, const JdgLaneKey *key)
{
	JdgStripe  *stripe = jdg_stripe_of(dboid, key->owner);
	bool		ok;

	SpinLockAcquire(&stripe->mutex);
	ok = lane->incarnation == incarnation && hold(lane);
	if (ok)
		lane->pins++;
	SpinLockRelease(&stripe->mutex);
	return ok;
}

JdgLane *
jdg_lane_pin(Oid dboid, const JdgLaneKey *key, int32 tenant)
{
	static JdgLane *last = NULL;
	static JdgLaneKey last_key;
	static Oid	last_dboid;
	static uint32 incarnation;
	JdgStripe  *stripe = jdg_stripe_of(dboid, key->owner);
	JdgLane    *lane;

	if (last != NULL && last_dboid == dboid &&
		memcmp(&last_key, key, sizeof(*key)) == 0 &&
		pin_again(last, incarnation, dboid, key))
		return last;
	LWLockAcquire(JdgGatesLock, LW_SHARED);
	lane = jdg_lane_find(dboid, key);
	if (lane == NULL)
	{
		LWLockRelease(JdgGatesLock);
		LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
		lane = jdg_lane_get(dboid, key, tenant);
	}
	if (lane != NULL)
	{
		bool		ok;

		SpinLockAcquire(&stripe->mutex);
		ok = hold(lane);
		if (ok)
			lane->pins++;
		incarnation = lane->incarnation;
		SpinLockRelease(&stripe->mutex);
		if (!ok)
			lane = NULL;
	}
	LWLockRelease(JdgGatesLock);
	last = lane;
	last_key = *key;
	last_dboid = dboid;
	return lane;
}

/* Publishes a position.  The caller holds the mutex of the lane's stripe. */
static void
publish(JdgLane *lane, JdgStripe *stripe, JdgPosition position)
{
	jdg_mark_publish(&lane->mark, position);
	if (!lane->idle)
		return;
	lane->idle = false;
	slist_push_head(&stripe->fresh, &lane->fresh);
}

void
jdg_lane_publish(JdgLane *lane, JdgPosition position)
{
	JdgStripe  *stripe = jdg_stripe_of(lane->dboid, lane->key.owner);

	SpinLockAcquire(&stripe->mutex);
	publish(lane, stripe, position);
	SpinLockRelease(&stripe->mutex);
}

void
jdg_lane_unpin(JdgLane *lane)
{
	JdgStripe  *stripe = jdg_stripe_of(lane->dboid, lane->key.owner);

	SpinLockAcquire(&stripe->mutex);
	lane->pins--;
	let_go(lane);
	SpinLockRelease(&stripe->mutex);
}

bool
jdg_lane_make(Oid dboid, const JdgLaneKey *key, int32 tenant)
{
	JdgStripe  *stripe = jdg_stripe_of(dboid, key->owner);
	JdgLane    *lane;
	bool		ok = false;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	lane = jdg_lane_get(dboid, key, tenant);
	if (lane != NULL)
	{
		SpinLockAcquire(&stripe->mutex);
		ok = hold(lane);
		if (ok)
			publish(lane, stripe, jdg_position_first);
		SpinLockRelease(&stripe->mutex);
	}
	LWLockRelease(JdgGatesLock);
	return ok;
}

void
jdg_lanes_state(Oid dboid, JdgShareState *state, Oid *lacking,
				int32 *lacking_held)
{
	*lacking = InvalidOid;
	LWLockAcquire(JdgGatesLock, LW_SHARED);
	jdg_shares_state(jdg_lane_shares, state);
	for (JdgLanePlace i = 0; i < jdg_lanes->rosters; i++)
	{
		JdgRoster  *r = &jdg_roster_at[i];
		JdgLane    *rest = r->dboid != dboid ? NULL :
		jdg_lane_find(dboid, &JDG_REST_KEY(r->owner, r->carrier));

		if (rest != NULL && rest->state != JDG_LANE_IDLE)
			*lacking = r->owner;
	}
	*lacking_held = jdg_share_held(jdg_lane_shares, *lacking);
	LWLockRelease(JdgGatesLock);
}

/* --- claims -------------------------------------------------------------- */

/* Copies a lane's place and mark. */
static void
look_at(JdgLane *lane, JdgLaneLook *look)
{
	JdgStripe  *stripe = jdg_stripe_of(lane->dboid, lane->key.owner);

	look->key = lane->key;
	look->lane = lane;
	look->tenant = jdg_party_at[lane->party].tenant;
	look->gate = lane->gate;
	SpinLockAcquire(&stripe->mutex);
	look->incarnation = lane->incarnation;
	look->mark = jdg_mark_look(&lane->mark);
	SpinLockRelease(&stripe->mutex);
}

/* Copies active lanes of a party; those that it has copied are last next time. */
static int
look_at_party(JdgParty *p, JdgLaneLook *looks, int room)
{
	int			n = Min(p->nactive, room);

	for (int i = 0; i < n; i++)
	{
		dlist_node *node = dlist_pop_head_node(&p->active);

		look_at(dlist_container(JdgLane, node, node), &looks[i]);
		dlist_push_tail(&p->active, node);
	}
	return n;
}

static bool
is_picked(const JdgPick *pick, const JdgParty *p)
{
	JdgLanePlace i = p - jdg_party_at;

	return (pick->picked[i / 64] & (UINT64CONST(1) << (i % 64))) != 0;
}

/*
 * So many lanes of a party have been returned.  If it has more, it is picked
 * again, and the further ones are first.
 */
static void
count_picked(JdgPick *pick, JdgParty *p, int n)
{
	JdgLanePlace i = p - jdg_party_at;

	if (pick->party != i)
		pick->left = p->nactive;
	pick->left -= n;
	pick->party = pick->left > 0 ? i : -1;
	if (pick->left > 0)
		return;
	pick->picked[i / 64] |= UINT64CONST(1) << (i % 64);
	pick->npicked++;
}

/* Has the level an active party that this claim has not picked? */
static bool
has_more(const JdgPick *pick, JdgLevel *l)
{
	dlist_iter	iter;

	if (l->nactive > pick->npicked)
		return true;
	dlist_foreach(iter, &l->active)
	{
		if (!is_picked(pick, dlist_container(JdgParty, node, iter.cur)))
			return true;
	}
	return false;
}

/* Picks from the parties of a level that are next. */
static void
pick_from(JdgPick *pick, JdgLevel *l)
{
	JdgLanePlace passed = JDG_NONE; /* parties that are to return */
	int			n = 0;

	pick->priority = l->priority;
	pick->nparties = l->nactive;
	while (n < JDG_PICK_PARTIES && !pairingheap_is_empty(&l->turns))
	{
		JdgParty   *p = pairingheap_container(JdgParty, turn,
											  pairingheap_first(&l->turns));

		if (!is_picked(pick, p))
		{
			int			looked;

			if (n > 0 && pick->nlanes + p->nactive > JDG_PICK_LANES)
				break;
			looked = look_at_party(p, &pick->lane[pick->nlanes],
								   JDG_PICK_LANES - pick->nlanes);
			pick->nlanes += looked;
			p->picked = ++jdg_lanes->picks;
			count_picked(pick, p, looked);
			n++;
		}
		(void) pairingheap_remove_first(&l->turns);
		p->passed = passed;
		passed = p - jdg_party_at;
	}
	while (passed != JDG_NONE)
	{
		JdgParty   *p = &jdg_party_at[passed];

		passed = p->passed;
		pairingheap_add(&l->turns, &p->turn);
	}
}

void
jdg_pick_begin(JdgPick *pick)
{
	pick->npicked = pick->nlanes = pick->left = 0;
	pick->party = -1;
	pick->nparties = 0;
	memset(pick->picked, 0, sizeof(uint64) * ((jdg_max_lanes + 63) / 64));
}

int
jdg_lanes_pick(Oid dboid, Oid owner, JdgCarrier carrier, JdgPick *pick)
{
	JdgRoster  *r;

	pick->nlanes = 0;
	pick->more = false;
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	jdg_lanes_take_fresh(jdg_stripe_of(dboid, owner));
	r = jdg_roster_find(dboid, owner, carrier);
	for (JdgLanePlace i = r ? r->level : JDG_NONE; i != JDG_NONE && !pick->more;
		 i = jdg_level_at[i].next)
	{
		JdgLevel   *l = &jdg_level_at[i];

		if (pick->nlanes == 0 && has_more(pick, l))
			pick_from(pick, l);
		pick->more = has_more(pick, l);
	}
	LWLockRelease(JdgGatesLock);
	return pick->nlanes;
}

void
jdg_lane_move(Oid dboid, const JdgLaneLook *look, JdgPosition to)
{
	JdgStripe  *stripe = jdg_stripe_of(dboid, look->key.owner);
	JdgLane    *lane = look->lane;
	bool		empty = jdg_position_compare(&to, &jdg_position_last) == 0;

	/* whether a lane is active changes with this lock only */
	if (empty)
		LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	SpinLockAcquire(&stripe->mutex);
	if (lane->incarnation != look->incarnation)
		empty = false;
	else
		empty &= jdg_mark_move(&lane->mark, &look->mark, to) &&
			lane->state == JDG_LANE_ACTIVE;
	if (empty)
	{
		lane->idle = true;
		let_go(lane);
	}
	SpinLockRelease(&stripe->mutex);
	if (empty)
		jdg_lane_deactivate(lane);
	if (jdg_position_compare(&to, &jdg_position_last) == 0)
		LWLockRelease(JdgGatesLock);
}

void
jdg_lanes_charge(Oid dboid, Oid owner, JdgCarrier carrier,
				 const JdgCharge *charges, int n)
{
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		const JdgCharge *c = &charges[i];
		JdgParty   *p = jdg_party_find(dboid, owner, carrier, c->priority,
									   c->tenant);
		JdgLevel   *l = p ? &jdg_level_at[p->level] : NULL;

		Assert(c->weight > 0 && c->us >= 0);
		if (p == NULL)
			continue;
		if (p->nactive > 0)
			pairingheap_remove(&l->turns, &p->turn);
		l->time = Max(l->time, p->time);
		p->time += (uint64) c->us * TIME_SCALE / c->weight;
		if (p->nactive > 0)
			pairingheap_add(&l->turns, &p->turn);
	}
	LWLockRelease(JdgGatesLock);
}

/* --- gates --------------------------------------------------------------- */

int
jdg_lane_compare_parked(const pairingheap_node *a, const pairingheap_node *b,
						void *arg)
{
	const JdgLane *x = pairingheap_const_container(JdgLane, parked, a);
	const JdgLane *y = pairingheap_const_container(JdgLane, parked, b);

	if (x->parked_at != y->parked_at)
		return x->parked_at < y->parked_at ? 1 : -1;
	return 0;
}

bool
jdg_lane_had_more(const JdgLaneLook *look, const pairingheap_node *node)
{
	const JdgLane *other = pairingheap_const_container(JdgLane, parked, node);
	const JdgParty *p;

	Assert(LWLockHeldByMe(JdgGatesLock));
	if (look->lane == NULL || look->lane->incarnation != look->incarnation ||
		look->lane->state != JDG_LANE_ACTIVE)
		return false;
	p = &jdg_party_at[look->lane->party];
	return p->level == jdg_party_at[other->party].level &&
		p->time > other->parked_at;
}

pairingheap_node *
jdg_lane_park(const JdgLaneLook *look, int32 gate)
{
	JdgLane    *lane = look->lane;

	Assert(LWLockHeldByMeInMode(JdgGatesLock, LW_EXCLUSIVE));
	if (lane == NULL || lane->incarnation != look->incarnation ||
		lane->state != JDG_LANE_ACTIVE)
		return NULL;
	jdg_lane_leave(lane);
	lane->state = JDG_LANE_PARKED;
	lane->gate = gate;
	lane->parked_at = jdg_party_at[lane->party].time;
	return &lane->parked;
}

void
jdg_lane_unpark(pairingheap_node *node)
{
	JdgLane    *lane = pairingheap_container(JdgLane, parked, node);

	Assert(LWLockHeldByMeInMode(JdgGatesLock, LW_EXCLUSIVE));
	Assert(lane->state == JDG_LANE_PARKED);
	jdg_lane_enter(lane, MAX_LEAD);
}

/* --- the scheduler ------------------------------------------------------- */

/* The active lanes of an owner, highest priority first. */
static JdgLaneSurvey *
survey_owner(JdgRoster *r, int max)
{
	JdgLaneSurvey *s = palloc(offsetof(JdgLaneSurvey, lane) +
							  sizeof(JdgLaneLook) * max);

	s->owner = r->owner;
	s->nlanes = s->others = 0;
	for (JdgLanePlace i = r->level; i != JDG_NONE; i = jdg_level_at[i].next)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &jdg_level_at[i].active)
		{
			JdgParty   *p = dlist_container(JdgParty, node, iter.cur);
			int			n = look_at_party(p, &s->lane[s->nlanes],
										  max - s->nlanes);

			s->nlanes += n;
			s->others += p->nactive - n;
		}
	}
	return s;
}

List *
jdg_lanes_survey(Oid dboid, JdgCarrier carrier, int max)
{
	List	   *result = NIL;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < JDG_STRIPES; i++)
		jdg_lanes_take_fresh(&jdg_lanes->stripe[i]);
	for (JdgLanePlace i = 0; i < jdg_lanes->rosters; i++)
	{
		JdgLaneSurvey *s;

		if (jdg_roster_at[i].dboid != dboid ||
			jdg_roster_at[i].carrier != carrier)
			continue;
		s = survey_owner(&jdg_roster_at[i], max);
		if (s->nlanes > 0)
			result = lappend(result, s);
		else
			pfree(s);
	}
	LWLockRelease(JdgGatesLock);
	return result;
}

static int
compare_oids(const void *a, const void *b)
{
	Oid			x = *(const Oid *) a;
	Oid			y = *(const Oid *) b;

	return x < y ? -1 : x > y;
}

Oid *
jdg_lanes_owners(Oid dboid, JdgCarrier carrier, Oid after, int *nowners)
{
	Oid		   *owners = NULL;
	Oid		   *turned;
	int			n = 0;
	int			first = 0;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < JDG_STRIPES; i++)
		jdg_lanes_take_fresh(&jdg_lanes->stripe[i]);
	for (JdgLanePlace i = 0; i < jdg_lanes->rosters; i++)
	{
		JdgRoster  *r = &jdg_roster_at[i];
		bool		any = false;

		if (r->dboid != dboid || r->carrier != carrier)
			continue;
		for (JdgLanePlace j = r->level; j != JDG_NONE; j = jdg_level_at[j].next)
			any |= jdg_level_at[j].nactive > 0;
		if (!any)
			continue;
		if (owners == NULL)
			owners = palloc(sizeof(Oid) * (jdg_lanes->rosters - i));
		owners[n++] = r->owner;
	}
	LWLockRelease(JdgGatesLock);
	*nowners = n;
	if (n < 2)
		return owners;
	qsort(owners, n, sizeof(Oid), compare_oids);
	while (first < n && owners[first] <= after)
		first++;
	turned = palloc(sizeof(Oid) * n);
	for (int i = 0; i < n; i++)
		turned[i] = owners[(first + i) % n];
	return turned;
}

JdgLaneSurvey *
jdg_lanes_of(Oid dboid, Oid owner, JdgCarrier carrier)
{
	JdgLaneSurvey *s = NULL;
	JdgRoster  *r;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	jdg_lanes_take_fresh(jdg_stripe_of(dboid, owner));
	r = jdg_roster_find(dboid, owner, carrier);
	if (r != NULL)
		s = survey_owner(r, jdg_share_held(jdg_lane_shares, owner));
	LWLockRelease(JdgGatesLock);
	return s;
}

void
jdg_lanes_drop(Oid dboid)
{
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < JDG_STRIPES; i++)
		jdg_lanes_take_fresh(&jdg_lanes->stripe[i]);
	for (JdgLanePlace i = 0; i < jdg_max_lanes; i++)
	{
		JdgLane    *lane = &jdg_lane_at[i];
		JdgStripe  *stripe;

		if (lane->state == JDG_LANE_FREE || lane->dboid != dboid)
			continue;
		if (lane->state == JDG_LANE_ACTIVE)
			jdg_lane_deactivate(lane);
		stripe = jdg_stripe_of(lane->dboid, lane->key.owner);
		SpinLockAcquire(&stripe->mutex);
		if (!lane->idle)
		{
			lane->idle = true;
			let_go(lane);
		}
		lane->mark.position = jdg_position_last;
		SpinLockRelease(&stripe->mutex);
		(void) jdg_lane_free(lane);
	}
	LWLockRelease(JdgGatesLock);
}
