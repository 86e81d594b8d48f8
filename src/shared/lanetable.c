/*-------------------------------------------------------------------------
 *
 * lanetable.c
 *	  The tables of lanes, parties, levels and rosters, see lanetable.h.
 *
 * One table for all databases, of jadugar.max_lanes entries; parties, levels
 * (owner and priority) and rosters (owner) have tables of the same size, as
 * each has at least one lane.
 *
 * An idle lane that nobody has pinned is not held, and makes room for another
 * one; the one that has been idle for longest first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/lwlock.h"

#include "base/settings.h"
#include "shared/lanetable.h"
#include "shared/shmem.h"

JdgLanes   *jdg_lanes = NULL;
JdgShares  *jdg_lane_shares = NULL;
static JdgLanePlace *lane_list; /* by hash */
static JdgLanePlace *party_list;
static JdgLanePlace *roster_list;
JdgLane    *jdg_lane_at;
JdgParty   *jdg_party_at;
JdgLevel   *jdg_level_at;
JdgRoster  *jdg_roster_at;

static Size
take(char **at, Size size)
{
	if (*at != NULL)
		*at += MAXALIGN(size);
	return MAXALIGN(size);
}

/* Lays out the tables from "at" on; returns their size. */
static Size
lay_out(char *at)
{
	Size		n = jdg_max_lanes;
	Size		size = 0;

	jdg_lanes = (JdgLanes *) at;
	size += take(&at, sizeof(JdgLanes));
	lane_list = (JdgLanePlace *) at;
	size += take(&at, n * sizeof(JdgLanePlace));
	party_list = (JdgLanePlace *) at;
	size += take(&at, n * sizeof(JdgLanePlace));
	roster_list = (JdgLanePlace *) at;
	size += take(&at, n * sizeof(JdgLanePlace));
	jdg_lane_at = (JdgLane *) at;
	size += take(&at, n * sizeof(JdgLane));
	jdg_party_at = (JdgParty *) at;
	size += take(&at, n * sizeof(JdgParty));
	jdg_level_at = (JdgLevel *) at;
	size += take(&at, n * sizeof(JdgLevel));
	jdg_roster_at = (JdgRoster *) at;
	size += take(&at, n * sizeof(JdgRoster));
	jdg_lane_shares = (JdgShares *) at;
	size += take(&at, jdg_shares_size(jdg_max_lanes));
	return size;
}

static Size
lanes_size(void)
{
	return lay_out(NULL);
}

static void
lanes_init(void *at, bool found)
{
	Size		size = lay_out(at);

	if (found)
		return;
	memset(at, 0, size);
	jdg_shares_init(jdg_lane_shares, jdg_max_lanes);
	dlist_init(&jdg_lanes->idle);
	for (int i = 0; i < JDG_STRIPES; i++)
	{
		SpinLockInit(&jdg_lanes->stripe[i].mutex);
		slist_init(&jdg_lanes->stripe[i].fresh);
	}
	for (JdgLanePlace i = 0; i < jdg_max_lanes; i++)
	{
		lane_list[i] = party_list[i] = roster_list[i] = JDG_NONE;
		jdg_lane_at[i].next = jdg_party_at[i].next = jdg_level_at[i].next =
			jdg_roster_at[i].next = i + 1 < jdg_max_lanes ? i + 1 : JDG_NONE;
	}
}

const JdgShmemPart jdg_lanes_shmem = {
	"jadugar lanes", lanes_size, lanes_init
};

JdgStripe *
jdg_stripe_of(Oid dboid, Oid owner)
{
	return &jdg_lanes->stripe[hash_combine(murmurhash32(dboid),
										   murmurhash32(owner)) % JDG_STRIPES];
}

static JdgLanePlace *
list_of_lane(Oid dboid, const JdgLaneKey *key)
{
	uint32		hash = hash_combine(murmurhash32(dboid),
									hash_bytes((const unsigned char *) key,
											   sizeof(*key)));

	return &lane_list[hash % jdg_max_lanes];
}

static JdgLanePlace *
list_of_party(Oid dboid, Oid owner, JdgCarrier carrier, int32 priority,
			  int32 tenant)
{
	uint32		hash = hash_combine(hash_combine(murmurhash32(dboid) + carrier,
												 murmurhash32(owner)),
									hash_combine(murmurhash32(priority),
												 murmurhash32(tenant)));

	return &party_list[hash % jdg_max_lanes];
}

static JdgLanePlace *
list_of_roster(Oid dboid, Oid owner, JdgCarrier carrier)
{
	uint32		hash = hash_combine(murmurhash32(dboid) + carrier,
									murmurhash32(owner));

	return &roster_list[hash % jdg_max_lanes];
}

/* --- the tables; --------------------------------------------- --- */

JdgLane *
jdg_lane_find(Oid dboid, const JdgLaneKey *key)
{
	for (JdgLanePlace i = *list_of_lane(dboid, key); i != JDG_NONE; i = jdg_lane_at[i].next)
	{
		JdgLane    *l = &jdg_lane_at[i];

		if (l->dboid == dboid && memcmp(&l->key, key, sizeof(*key)) == 0)
			return l;
	}
	return NULL;
}

JdgRoster *
jdg_roster_find(Oid dboid, Oid owner, JdgCarrier carrier)
{
	for (JdgLanePlace i = *list_of_roster(dboid, owner, carrier); i != JDG_NONE;
		 i = jdg_roster_at[i].next)
	{
		if (jdg_roster_at[i].dboid == dboid && jdg_roster_at[i].owner == owner &&
			jdg_roster_at[i].carrier == carrier)
			return &jdg_roster_at[i];
	}
	return NULL;
}

static JdgRoster *
make_roster(Oid dboid, Oid owner, JdgCarrier carrier)
{
	JdgRoster  *r = jdg_roster_find(dboid, owner, carrier);
	JdgLanePlace *list = list_of_roster(dboid, owner, carrier);
	JdgLanePlace i = jdg_lanes->free_roster;

	if (r != NULL)
		return r;
	Assert(i != JDG_NONE);
	r = &jdg_roster_at[i];
	jdg_lanes->free_roster = r->next;
	jdg_lanes->rosters = Max(jdg_lanes->rosters, i + 1);
	r->dboid = dboid;
	r->owner = owner;
	r->carrier = carrier;
	r->level = JDG_NONE;
	r->next = *list;
	*list = i;
	return r;
}

static void
free_roster(JdgRoster *r)
{
	JdgLanePlace i = r - jdg_roster_at;
	JdgLanePlace *at = list_of_roster(r->dboid, r->owner, r->carrier);

	while (*at != i)
		at = &jdg_roster_at[*at].next;
	*at = r->next;
	r->dboid = InvalidOid;
	r->next = jdg_lanes->free_roster;
	jdg_lanes->free_roster = i;
}

/* pairingheap_comparator: which party is next? */
static int
compare_turns(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const JdgParty *x = pairingheap_const_container(JdgParty, turn, a);
	const JdgParty *y = pairingheap_const_container(JdgParty, turn, b);

	if (x->time != y->time)
		return x->time < y->time ? 1 : -1;
	return x->picked < y->picked ? 1 : x->picked > y->picked ? -1 : 0;
}

static JdgLevel *
make_level(Oid dboid, Oid owner, JdgCarrier carrier, int32 priority)
{
	JdgRoster  *r = make_roster(dboid, owner, carrier);
	JdgLanePlace *at = &r->level;
	JdgLevel   *l;
	JdgLanePlace i;

	while (*at != JDG_NONE && jdg_level_at[*at].priority > priority)
		at = &jdg_level_at[*at].next;
	if (*at != JDG_NONE && jdg_level_at[*at].priority == priority)
		return &jdg_level_at[*at];
	i = jdg_lanes->free_level;
	Assert(i != JDG_NONE);
	l = &jdg_level_at[i];
	jdg_lanes->free_level = l->next;
	memset(l, 0, sizeof(JdgLevel));
	l->priority = priority;
	l->roster = r - jdg_roster_at;
	l->turns.ph_compare = compare_turns;
	dlist_init(&l->active);
	l->next = *at;
	*at = i;
	return l;
}

static void
free_level(JdgLevel *l)
{
	JdgLanePlace i = l - jdg_level_at;
	JdgRoster  *r = &jdg_roster_at[l->roster];
	JdgLanePlace *at = &r->level;

	while (*at != i)
		at = &jdg_level_at[*at].next;
	*at = l->next;
	l->next = jdg_lanes->free_level;
	jdg_lanes->free_level = i;
	if (r->level == JDG_NONE)
		free_roster(r);
}

JdgParty *
jdg_party_find(Oid dboid, Oid owner, JdgCarrier carrier, int32 priority,
			   int32 tenant)
{
	for (JdgLanePlace i = *list_of_party(dboid, owner, carrier, priority, tenant); i != JDG_NONE;
		 i = jdg_party_at[i].next)
	{
		JdgParty   *p = &jdg_party_at[i];

		if (p->dboid == dboid && p->owner == owner && p->carrier == carrier &&
			p->priority == priority && p->tenant == tenant)
			return p;
	}
	return NULL;
}

static JdgParty *
make_party(Oid dboid, Oid owner, JdgCarrier carrier, int32 priority,
		   int32 tenant)
{
	JdgParty   *p = jdg_party_find(dboid, owner, carrier, priority, tenant);
	JdgLanePlace *list = list_of_party(dboid, owner, carrier, priority, tenant);
	JdgLevel   *l;
	JdgLanePlace i = jdg_lanes->free_party;

	if (p != NULL)
		return p;
	l = make_level(dboid, owner, carrier, priority);
	Assert(i != JDG_NONE);
	p = &jdg_party_at[i];
	jdg_lanes->free_party = p->next;
	memset(p, 0, sizeof(JdgParty));
	p->dboid = dboid;
	p->owner = owner;
	p->carrier = carrier;
	p->priority = priority;
	p->tenant = tenant;
	p->level = l - jdg_level_at;
	dlist_init(&p->active);
	p->next = *list;
	*list = i;
	l->nparties++;
	return p;
}

static void
free_party(JdgParty *p)
{
	JdgLanePlace i = p - jdg_party_at;
	JdgLanePlace *at = list_of_party(p->dboid, p->owner, p->carrier,
									 p->priority, p->tenant);
	JdgLevel   *l = &jdg_level_at[p->level];

	Assert(p->nactive == 0);
	while (*at != i)
		at = &jdg_party_at[*at].next;
	*at = p->next;
	p->next = jdg_lanes->free_party;
	jdg_lanes->free_party = i;
	if (--l->nparties == 0)
		free_level(l);
}

/* A lane becomes one of the active ones of its party. */
void
jdg_lane_enter(JdgLane *lane, uint64 lead)
{
	JdgParty   *p = &jdg_party_at[lane->party];
	JdgLevel   *l = &jdg_level_at[p->level];

	lane->state = JDG_LANE_ACTIVE;
	dlist_push_tail(&p->active, &lane->node);
	if (p->nactive++ > 0)
		return;
	p->time = Max(p->time, l->time - Min(l->time, lead));
	pairingheap_add(&l->turns, &p->turn);
	dlist_push_tail(&l->active, &p->node);
	l->nactive++;
}

/* The opposite; the caller sets its state. */
void
jdg_lane_leave(JdgLane *lane)
{
	JdgParty   *p = &jdg_party_at[lane->party];
	JdgLevel   *l = &jdg_level_at[p->level];

	Assert(lane->state == JDG_LANE_ACTIVE);
	dlist_delete(&lane->node);
	if (--p->nactive > 0)
		return;
	pairingheap_remove(&l->turns, &p->turn);
	dlist_delete(&p->node);
	l->nactive--;
}

void
jdg_lane_activate(JdgLane *lane)
{
	if (lane->state != JDG_LANE_IDLE)
		return;
	dlist_delete(&lane->node);
	jdg_lane_enter(lane, 0);
}

void
jdg_lane_deactivate(JdgLane *lane)
{
	jdg_lane_leave(lane);
	lane->state = JDG_LANE_IDLE;
	dlist_push_tail(&jdg_lanes->idle, &lane->node);
}

/* Makes the fresh lanes of a stripe active. */
void
jdg_lanes_take_fresh(JdgStripe *stripe)
{
	slist_head	fresh;

	SpinLockAcquire(&stripe->mutex);
	fresh = stripe->fresh;
	slist_init(&stripe->fresh);
	SpinLockRelease(&stripe->mutex);
	while (!slist_is_empty(&fresh))
		jdg_lane_activate(slist_container(JdgLane, fresh, slist_pop_head_node(&fresh)));
}

/*
 * Takes an idle lane out of the table, unless it is pinned or fresh.  Nobody
 * finds it then, nor takes it for the one that it was.
 */
bool
jdg_lane_free(JdgLane *lane)
{
	JdgStripe  *stripe = jdg_stripe_of(lane->dboid, lane->key.owner);
	JdgLanePlace i = lane - jdg_lane_at;
	JdgLanePlace *at = list_of_lane(lane->dboid, &lane->key);
	JdgParty   *p = &jdg_party_at[lane->party];
	bool		ok;

	SpinLockAcquire(&stripe->mutex);
	ok = lane->pins == 0 && lane->idle;
	if (ok)
		lane->incarnation = 0;
	SpinLockRelease(&stripe->mutex);
	if (!ok)
		return false;
	while (*at != i)
		at = &jdg_lane_at[*at].next;
	*at = lane->next;
	dlist_delete(&lane->node);
	lane->state = JDG_LANE_FREE;
	lane->next = jdg_lanes->jdg_lane_free;
	jdg_lanes->jdg_lane_free = i;
	jdg_share_remove(jdg_lane_shares, lane->share);
	if (--p->nlanes == 0)
		free_party(p);
	return true;
}

/* Makes room for a lane; false: none is idle. */
static bool
make_room(void)
{
	dlist_mutable_iter iter;

	if (jdg_lanes->jdg_lane_free != JDG_NONE)
		return true;
	dlist_foreach_modify(iter, &jdg_lanes->idle)
	{
		if (jdg_lane_free(dlist_container(JdgLane, node, iter.cur)))
			return true;
	}
	return false;
}

/*
 * The lane of this key, made idle if there is none; NULL: there is no room, or
 * its owner has its share.  That does not hold up a rest lane.
 */
JdgLane *
jdg_lane_get(Oid dboid, const JdgLaneKey *key, int32 tenant)
{
	JdgLane    *lane = jdg_lane_find(dboid, key);
	JdgLanePlace *list = list_of_lane(dboid, key);
	JdgStripe  *stripe = jdg_stripe_of(dboid, key->owner);
	JdgParty   *p;
	JdgLanePlace i;

	bool		rest = key->queue_id == JDG_REST_QUEUE;

	if (lane != NULL)
		return lane;
	if (!rest && !jdg_share_may(jdg_lane_shares, key->owner, 1))
		return NULL;
	if (!make_room())
		return NULL;
	i = jdg_lanes->jdg_lane_free;
	lane = &jdg_lane_at[i];
	jdg_lanes->jdg_lane_free = lane->next;
	p = make_party(dboid, key->owner, jdg_lane_carrier(key->lane), key->priority,
				   rest ? JDG_ANY_TENANT : tenant);
	p->nlanes++;
	lane->dboid = dboid;
	lane->key = *key;
	lane->party = p - jdg_party_at;
	lane->share = jdg_share_add(jdg_lane_shares, key->owner);
	lane->next = *list;
	*list = i;
	lane->state = JDG_LANE_IDLE;
	lane->gate = JDG_NONE;
	dlist_push_tail(&jdg_lanes->idle, &lane->node);
	if (++jdg_lanes->incarnations == 0)
		jdg_lanes->incarnations = 1;
	SpinLockAcquire(&stripe->mutex);
	lane->incarnation = jdg_lanes->incarnations;
	lane->pins = 0;
	lane->idle = true;
	memset(&lane->mark, 0, sizeof(lane->mark));
	lane->mark.position = jdg_position_last;
	SpinLockRelease(&stripe->mutex);
	return lane;
}
