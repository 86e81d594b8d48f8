/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Starts workers for ready tasks that find none.
 *
 * Runs in the scheduler.  A pool is all workers of one role in one database.
 * README.md explains how many are started, and why no ready task is forgotten.
 * starting.c starts each of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/module.h"
#include "base/settings.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "scheduler/pool.h"
#include "scheduler/starting.h"
#include "scheduler/turns.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/queue_load.h"
#include "shared/work.h"
#include "task/ready.h"

/* interval of the checks while tasks wait and a pool may grow */
#define GROW_US			10000

/* a pool that runs all ready tasks in this time is large enough */
#define DRAIN_US		20000

/* number of small tasks that a worker runs while another one starts */
#define TASKS_PER_START 256

/* ready tasks for which an idle worker is woken */
#define TASKS_PER_WAKE	32

/* lanes of a role that are read; each of the others counts as a task */
#define LANES_PER_ROLE	64

/* the ready tasks of a role, and its workers */
typedef struct Demand
{
	Oid			owner;
	int			ready;			/* tasks that no worker holds, or fewer */
	int			max;			/* maximum number of workers */
	JdgPoolState pool;
	uint64		turn;			/* its place among roles with as many workers */
} Demand;

/* a role that had more ready tasks than its workers held at the last check */
typedef struct BackloggedRole
{
	Oid			owner;
	TimestampTz since;
	int64		tasks_done;		/* by its workers until then */
} BackloggedRole;

#define BACKLOGGED_MAX 64

static BackloggedRole backlogged[BACKLOGGED_MAX];
static int	nbacklogged = 0;

/*
 * The entry of a role.  It is the last one of the list, or is added to it; the
 * list has room for it.
 */
static Demand *
demand_of(JdgDb *db, Demand *demand, int *n, Oid owner)
{
	Demand	   *d;
	int			min;

	if (*n > 0 && demand[*n - 1].owner == owner)
		return &demand[*n - 1];
	d = &demand[(*n)++];
	d->owner = owner;
	d->ready = 0;
	d->max = jdg_pool_max_workers(db->dboid, owner, &min);
	(void) jdg_pool_get_state(db->dboid, owner, &d->pool);
	return d;
}

/*
 * Roles without worker come first, then those with few.  Of those with as
 * many, the role that has gone without a new worker for longest is first.
 */
static int
compare_demand(const void *a, const void *b)
{
	const Demand *x = (const Demand *) a;
	const Demand *y = (const Demand *) b;

	if (x->pool.workers != y->pool.workers)
		return x->pool.workers < y->pool.workers ? -1 : 1;
	return x->turn < y->turn ? -1 : x->turn > y->turn;
}

/*
 * Number of ready tasks that no worker holds in the first "n" sources, which
 * are of one role and queue; not counted further than "most".
 */
static int
count_ready(JdgDb *db, JdgSource *src, int n, int most)
{
	int			held = jdg_queue_load_of_role(db->dboid, src->look.key.owner,
											  src->look.key.queue_id);
	int			ready = 0;

	for (int i = 0; i < n; i++)
	{
		if (ready < held + most)
			ready += jdg_ready_count(db, &src[i], held + most - ready);
		else
			jdg_ready_pass(&src[i]);
	}
	return Max(ready - held, 0);
}

/* Ready tasks of a role that no worker holds, as far as limits allow. */
static int
count_demand(JdgDb *db, JdgReadySurvey *s)
{
	TimestampTz now = jdg_now();
	int			ready = 0;
	int			next;

	for (int i = 0; i < s->nsources; i = next)
	{
		int32		queue_id = s->source[i].look.key.queue_id;
		int			most = TASKS_PER_START * jdg_max_workers;

		next = i + 1;
		while (next < s->nsources &&
			   s->source[next].look.key.queue_id == queue_id)
			next++;
		for (int j = i; j < next; j++)
		{
			int			room = jdg_gates_room(&s->source[j].limits, now, most);

			/* a lane that has lost its room is not in the way of others */
			if (room > 0)
				most = room;
		}
		ready += count_ready(db, &s->source[i], next - i, most);
	}
	return ready;
}

/* Shards of subscriptions that have news count like ready tasks. */
static void
add_feeds(JdgDb *db, Demand *demand, int *n)
{
	int			used = jdg_feeds_used();

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];
		Demand	   *d = NULL;

		if (f->dboid != db->dboid ||
			pg_atomic_read_u32(&f->state) != JDG_FEED_READY)
			continue;
		for (int j = 0; j < *n && d == NULL; j++)
			d = demand[j].owner == f->owner ? &demand[j] : NULL;
		if (d == NULL)
			d = demand_of(db, demand, n, f->owner);
		d->ready++;
	}
}

/*
 * The roles that have ready tasks which no worker holds, in queues that may
 * run; allocated in mcxt.  A role whose workers are all busy, and that may not
 * have more, is not counted exactly: its workers claim again by themselves,
 * and the end of one wakes the scheduler.
 */
static Demand *
find_demand(JdgDb *db, MemoryContext mcxt, int *n)
{
	List	   *survey = NIL;
	Demand	   *demand;
	ListCell   *lc;

	if (!jdg_claims_paused())
		survey = jdg_ready_survey(db, JDG_CARRIER_WORKER, LANES_PER_ROLE);
	demand = MemoryContextAlloc(mcxt, sizeof(Demand) *
								(list_length(survey) + jdg_feeds_used() + 1));
	/* must be taken after the look at the marks */
	PushActiveSnapshot(GetTransactionSnapshot());
	*n = 0;
	foreach(lc, survey)
	{
		JdgReadySurvey *s = lfirst(lc);
		Demand	   *d = demand_of(db, demand, n, s->owner);

		if (d->pool.workers >= d->max && d->pool.idle == 0)
		{
			d->ready = 1;
			for (int i = 0; i < s->nsources; i++)
				jdg_ready_pass(&s->source[i]);
		}
		else
			d->ready = s->others + count_demand(db, s);
	}
	PopActiveSnapshot();
	if (!jdg_claims_paused())
		add_feeds(db, demand, n);
	for (int i = 0; i < *n; i++)
		demand[i].turn = jdg_turn_of(demand[i].owner);
	pg_qsort(demand, *n, sizeof(Demand), compare_demand);
	return demand;
}

/* The entry of a backlogged role; NULL: there is none. */
static BackloggedRole *
find_backlogged(Oid owner)
{
	for (int i = 0; i < nbacklogged; i++)
	{
		if (backlogged[i].owner == owner)
			return &backlogged[i];
	}
	return NULL;
}

/*
 * Notes that a role has a backlog as of now.  Without room for it, the role is
 * treated as one that has a backlog for the first time.
 */
static void
set_backlogged(const Demand *d, TimestampTz now)
{
	BackloggedRole *h = find_backlogged(d->owner);

	if (h == NULL && nbacklogged < BACKLOGGED_MAX)
		h = &backlogged[nbacklogged++];
	if (h == NULL)
		return;
	h->owner = d->owner;
	h->since = now;
	h->tasks_done = d->pool.tasks_done;
}

/* The role has no backlog any more. */
static void
clear_backlogged(Oid owner)
{
	BackloggedRole *h = find_backlogged(owner);

	if (h != NULL)
		*h = backlogged[--nbacklogged];
}

/* Removes the roles without ready tasks from the backlogged ones. */
static void
prune_backlogged(const Demand *demand, int n)
{
	for (int i = nbacklogged - 1; i >= 0; i--)
	{
		bool		still = false;

		for (int j = 0; j < n; j++)
			still |= demand[j].owner == backlogged[i].owner && demand[j].ready > 0;
		if (!still)
			backlogged[i] = backlogged[--nbacklogged];
	}
}

/*
 * Number of additional workers that are useful to a role: one for each
 * TASKS_PER_START tasks.  The number of workers doubles, but not beyond the
 * number of ready tasks, if the present workers will not claim soon, or if
 * tasks have been ready for GROW_US and would be for more than DRAIN_US at the
 * pace seen so far.
 */
static int
count_useful_workers(const Demand *d, TimestampTz now)
{
	const JdgPoolState *p = &d->pool;
	BackloggedRole *h = find_backlogged(d->owner);
	int			more = (d->ready + TASKS_PER_START - 1) / TASKS_PER_START;
	int			again = Min(p->workers, d->ready);

	if (p->workers > 0)
		more -= p->workers;
	if (p->starting > 0 || h == NULL)
		set_backlogged(d, now);
	else if (now - h->since >= GROW_US)
	{
		int64		done = Max(d->pool.tasks_done - h->tasks_done, 0);

		if ((now - h->since) * d->ready > DRAIN_US * done)
			more = Max(more, again);
		set_backlogged(d, now);
	}
	if (p->stuck == p->workers)
		more = Max(more, again);
	return Max(0, Min(more, d->max - p->workers));
}

/*
 * Finds workers for a role's ready tasks: wakes idle ones, or starts more.
 * Returns the next instant at which to look again; DT_NOEND: when woken.
 * *full: a role before this one has found no slot; set to true if this one
 * finds none.
 */
static TimestampTz
find_workers(JdgDb *db, Demand *d, bool *full)
{
	TimestampTz now = jdg_now();
	TimestampTz next = DT_NOEND;
	uint32		want;
	int			n;

	for (int i = d->pool.idle; i > 0 && d->ready > 0; i--)
	{
		if (!jdg_pool_wake_idle(db->dboid, d->owner))
			break;
		d->ready -= TASKS_PER_WAKE;
	}
	if (d->ready <= 0 || d->pool.idle > 0)
	{
		clear_backlogged(d->owner);
		return DT_NOEND;
	}
	if (d->pool.workers < d->max)
	{
		bool		grow = d->pool.workers > 0;

		n = count_useful_workers(d, now);
		if (*full && grow)
			jdg_pool_want_slot(db, false);	/* roles without worker first */
		else if (n > 0)
		{
			n = jdg_workers_start(db, d->owner, n, grow, &next);
			if (n > 0)
				d->turn = jdg_turn_new();
		}
		want = pg_atomic_read_u32(&db->slot_wanted);
		*full |= want >= JDG_SLOT_WANTED_PROMISED;
		if (!grow && n == 0)
			return next;
		if (want == JDG_SLOT_WANTED_NONE)
			next = Min(next, now + GROW_US);
	}
	jdg_pool_mark_help_known(db->dboid, d->owner, true);
	return next;
}

/*
 * Starts workers for pools with a minimum, set by start_workers() or
 * scale_workers().
 */
static void
fill_fixed_pools(JdgDb *db, TimestampTz *next)
{
	for (int i = 0; i < JDG_POOLS_MAX; i++)
	{
		JdgPoolBounds p;
		JdgPoolState pool;
		int			min,
					have;

		if (!jdg_pool_bounds(i, &p) || p.dboid != db->dboid)
			continue;
		(void) jdg_pool_max_workers(db->dboid, p.owner, &min);
		have = jdg_pool_get_state(db->dboid, p.owner, &pool);
		if (have < min)
			(void) jdg_workers_start(db, p.owner, min - have, have > 0, next);
	}
}

/* Does a role of another database lack a slot for its first worker? */
static bool
other_database_wants_slot(const JdgDb *db)
{
	for (int i = 0; i < jdg_max_databases; i++)
	{
		if (&jdg_dbs[i] != db &&
			jdg_dbs[i].state == JDG_DB_ACTIVE &&
			pg_atomic_read_u32(&jdg_dbs[i].slot_wanted) >= JDG_SLOT_WANTED_PROMISED)
			return true;
	}
	return false;
}

/* Keeps the turns of roles whose tasks still wait for a worker. */
static void
keep_turns(const Demand *demand, int n)
{
	jdg_turns_clear(n);
	for (int i = 0; i < n; i++)
	{
		if (demand[i].ready > 0)
			jdg_turn_keep(demand[i].owner, demand[i].turn);
	}
}

/* A role with ready tasks does not exist any more: settles its work. */
static void
settle_for_role(Oid role)
{
	jdg_foreach_module(module)
	{
		if (module->roles && module->roles->dropped)
			module->roles->dropped(role);
	}
}

TimestampTz
jdg_pool_ensure(JdgDb *db, uint32 why)
{
	TimestampTz next = DT_NOEND;
	MemoryContext mcxt = CurrentMemoryContext;
	bool		full = other_database_wants_slot(db);
	Demand	   *demand;
	uint32		wanted;
	int			n;

	wanted = pg_atomic_exchange_u32(&db->slot_wanted, JDG_SLOT_WANTED_NONE);
	/* tasks committed from here on wake the scheduler, or are seen */
	jdg_pool_mark_help_known(db->dboid, InvalidOid, false);
	jdg_work_begin();
	demand = find_demand(db, mcxt, &n);
	prune_backlogged(demand, n);
	for (int i = 0; i < n; i++)
	{
		TimestampTz again = DT_NOEND;

		if (demand[i].ready > 0)
			again = find_workers(db, &demand[i], &full);
		next = Min(next, again);
	}
	keep_turns(demand, n);
	fill_fixed_pools(db, &next);
	jdg_work_end();

	/* databases that let this one go first may grow now */
	if (wanted >= JDG_SLOT_WANTED_PROMISED &&
		pg_atomic_read_u32(&db->slot_wanted) < JDG_SLOT_WANTED_PROMISED)
		jdg_pool_offer_slot();
	for (int i = 0; i < n; i++)
	{
		JdgBlockedRole b;

		if (jdg_blocked_find(&db->blocked, demand[i].owner, &b) &&
			strcmp(b.reason, "owner_missing") == 0)
		{
			settle_for_role(demand[i].owner);
			jdg_blocked_remove(&db->blocked, demand[i].owner);
		}
	}
	return next;
}
