/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  Wakes the processes that must act when this transaction commits.
 *
 * Runs in any backend and in our own processes.  The wake-ups are gathered
 * here while the transaction runs; the commit callback then sets flags and
 * latches.  It must not fail, so everything it needs is looked up before: the
 * JdgDb entry, the owners, the task ids.  Rolled back subtransactions may
 * leave a wake-up too many, never one too few.
 *
 * A prepared transaction commits in another session, which does not know its
 * contents: see launcher/ddl_hook.c, which makes the scheduler examine
 * everything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/fault.h"
#include "base/objects.h"
#include "shared/database.h"
#include "shared/depth.h"
#include "shared/lane.h"
#include "shared/quota.h"
#include "shared/launcher_state.h"
#include "shared/pool.h"
#include "shared/sender.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

#define MAX_OWNERS 16

/* lanes of a transaction that are found without a hash table */
#define FEW_LANES 16

/* a lane, and the first of its tasks that became ready */
typedef struct Published
{
	JdgLaneKey	key;
	JdgLane    *lane;			/* pinned */
	JdgPosition position;
} Published;

/* an entry of the hash table of lanes */
typedef struct LaneEntry
{
	JdgLaneKey	key;
	int			place;			/* in pending.published */
} LaneEntry;

typedef struct Pending
{
	bool		any;
	JdgDb	   *db;
	JdgDb	   *pinned;			/* the same, or NULL */
	uint32		wake;			/* JDG_WAKE_* */
	TimestampTz earliest;		/* of the future tasks, DT_NOEND: none */
	bool		finished;		/* notify backends in wait() */
	bool		created;		/* the extension was made here */
	bool		bound;			/* the bound of a queue was changed */
	bool		held;			/* rows of tasks were locked */
	int			nowners;
	Oid			owners[MAX_OWNERS];
	bool		owners_overflow;
	bool		http;			/* requests are to be sent */
	int			npublished;
	int			room;			/* of published */
	Published  *published;		/* in TopMemoryContext, kept */
	HTAB	   *by_key;			/* of published; NULL: they are few */
	bool		lost;			/* lanes have found no room */
	bool		due_any;		/* tasks have become scheduled */
	JdgPosition due;			/* the first of them */
	bool		marks_lost;
	int			nrecheck;
	JdgRecheck	recheck[JDG_RECHECK_MAX];
	bool		recheck_overflow;
	int64		enqueued;
} Pending;

static Pending pending;

/* a transaction has committed and its wake-ups wait for its invalidations */
static bool act_late = false;

static void
forget(void)
{
	if (pending.pinned != NULL)
		jdg_db_unpin(pending.pinned);
	pending.pinned = NULL;
	pending.any = false;
	pending.db = NULL;
	pending.wake = 0;
	pending.earliest = DT_NOEND;
	pending.finished = false;
	pending.created = false;
	pending.bound = false;
	pending.held = false;
	pending.nowners = 0;
	pending.owners_overflow = false;
	pending.http = false;
	for (int i = 0; i < pending.npublished; i++)
		jdg_lane_unpin(pending.published[i].lane);
	pending.npublished = 0;
	if (pending.by_key != NULL)
		hash_destroy(pending.by_key);
	pending.by_key = NULL;
	pending.lost = pending.due_any = pending.marks_lost = false;
	pending.nrecheck = 0;
	pending.recheck_overflow = false;
	pending.enqueued = 0;
}

/* After commit: flags and latches only. */
static void
act(void)
{
	JdgDb	   *db = pending.db;
	uint32		why = pending.wake;

	if (db == NULL)
		return;
	JDG_FAULT("commit-callback");
	if (pending.created)
	{
		pg_atomic_write_u32(&db->maybe_created, 1);
		jdg_launcher_wake(true);
		/* they may be of queues of an extension that was here before */
		jdg_depths_forget(MyDatabaseId);
		jdg_quotas_doubt(MyDatabaseId);
	}
	if (pending.bound)
		jdg_depths_wake(MyDatabaseId);
	if (pending.enqueued > 0)
		pg_atomic_fetch_add_u64(&db->counters.enqueued, pending.enqueued);

	/* the scheduler waits for the first use, also if its task is due later */
	if ((pending.enqueued > 0 || (why & JDG_WAKE_SCHEDULES)) &&
		pg_atomic_read_u32(&db->used) == 0)
	{
		pg_atomic_write_u32(&db->used, 1);
		why |= JDG_WAKE_SCHEDULES;
	}

	/* before anyone is woken for them: see shared/mark.c */
	for (int i = 0; i < pending.npublished; i++)
		jdg_lane_publish(pending.published[i].lane,
						 pending.published[i].position);
	if (pending.due_any)
	{
		SpinLockAcquire(&db->due_mutex);
		jdg_mark_publish(&db->due, pending.due);
		SpinLockRelease(&db->due_mutex);
	}
	if (pending.lost)
		pg_atomic_fetch_add_u32(&db->lanes_lost, 1);
	if (pending.marks_lost)
		jdg_db_lose_marks(db);

	/* pairs with the scheduler's order: publish, then take a snapshot */
	pg_memory_barrier();
	if ((uint64) pending.earliest < pg_atomic_read_u64(&db->next_due))
		why |= JDG_WAKE_SCHEDULES;
	for (int i = 0; i < pending.nrecheck; i++)
	{
		jdg_wakeup_recheck(&db->wakeup, pending.recheck[i].task_id,
						   pending.recheck[i].finished);
		why |= JDG_WAKE_RECHECK;
	}
	if (pending.recheck_overflow)
		why |= JDG_WAKE_SWEEP;
	if (pending.held)
		why |= JDG_WAKE_WORK;

	/*
	 * in a pause no owner needs one: the scheduler ends it, then looks for
	 * work
	 */
	if (pg_atomic_read_u32(&db->paused) == 0)
	{
		for (int i = 0; i < pending.nowners; i++)
		{
			if (!jdg_pool_notify(db->dboid, pending.owners[i]))
				why |= JDG_WAKE_WORK;
		}
		if (pending.owners_overflow ||
			(pending.http && !jdg_http_notify(db->dboid)))
			why |= JDG_WAKE_WORK;
	}
	if (why != 0)
		jdg_db_wake(db, why);
	if (pending.finished && pg_atomic_read_u32(&db->waiters) > 0)
		ConditionVariableBroadcast(&db->finished);
}

/*
 * A process woken by a change of configuration must not find an outdated copy
 * in its caches.  It is notified when the transaction has sent its
 * invalidations, which is after its commit callbacks.
 */
static void
release_callback(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	if (!act_late || !top || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	act_late = false;
	act();
	forget();
}

/*
 * Wakes at commit.  After a rollback that had locked rows, wakes the
 * scheduler for the tasks that were passed over meanwhile.  Forgets
 * everything at the end of the transaction.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	if (!pending.any)
		return;
	if (event == XACT_EVENT_PRE_COMMIT && pending.enqueued > 0)
		JDG_FAULT("enqueue-before-commit");
	if (event == XACT_EVENT_COMMIT && jdg_config_is_changed())
	{
		act_late = true;
		return;
	}
	if (event == XACT_EVENT_COMMIT)
		act();
	if (event == XACT_EVENT_ABORT && pending.held && pending.db != NULL)
		jdg_db_wake(pending.db, JDG_WAKE_WORK | JDG_WAKE_SWEEP);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		forget();
}

/* Called once from _PG_init. */
void
jdg_enqueue_init(void)
{
	forget();
	RegisterXactCallback(xact_callback, NULL);
	RegisterResourceReleaseCallback(release_callback, NULL);
}

static void
begin(void)
{
	if (pending.any)
		return;
	pending.db = jdg_my_db();
	pending.any = true;
}

void
jdg_wake_scheduler_at_commit(uint32 why)
{
	begin();
	pending.wake |= why;
}

void
jdg_recheck_at_commit(int64 task_id, bool finished)
{
	begin();
	if (pending.nrecheck < JDG_RECHECK_MAX)
	{
		pending.recheck[pending.nrecheck].task_id = task_id;
		pending.recheck[pending.nrecheck].finished = finished;
		pending.nrecheck++;
	}
	else
		pending.recheck_overflow = true;
}

void
jdg_row_held(void)
{
	begin();
	pending.held = true;
}

void
jdg_task_unchanged(const JdgTask *task)
{
	if (task->state == JDG_STATE_READY)
		jdg_row_held();
}

void
jdg_finished_at_commit(void)
{
	begin();
	pending.finished = true;
}

void
jdg_room_changed_at_commit(void)
{
	begin();
	pending.bound = true;
}

/* Adds an owner whose workers are woken; MAX_OWNERS at most, then all are. */
static void
add_owner(Oid owner)
{
	for (int i = 0; i < pending.nowners; i++)
	{
		if (pending.owners[i] == owner)
			return;
	}
	if (pending.nowners < MAX_OWNERS)
		pending.owners[pending.nowners++] = owner;
	else
		pending.owners_overflow = true;
}

/* The entry of a lane in the hash table, which is made if lanes are many. */
static LaneEntry *
entry_of(const JdgLaneKey *key, bool *found)
{
	LaneEntry  *e;

	if (pending.by_key == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(JdgLaneKey),
		.entrysize = sizeof(LaneEntry),.hcxt = TopMemoryContext};

		pending.by_key = hash_create("jadugar lanes", 256, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		for (int i = 0; i < pending.npublished; i++)
		{
			e = hash_search(pending.by_key, &pending.published[i].key,
							HASH_ENTER, found);
			e->place = i;
		}
	}
	e = hash_search(pending.by_key, key, HASH_ENTER, found);
	if (!*found)
		e->place = -1;
	return e;
}

/* Adds a lane, pinned; NULL: there is no room for it. */
static Published *
add_lane(const JdgLaneKey *key, const JdgTask *t)
{
	Published  *p;
	JdgLane    *lane;

	if (pending.npublished == pending.room)
	{
		int			room = Max(FEW_LANES, pending.room * 2);

		pending.published = pending.published == NULL ?
			MemoryContextAlloc(TopMemoryContext, sizeof(Published) * room) :
			repalloc_huge(pending.published, sizeof(Published) * room);
		pending.room = room;
	}
	lane = jdg_lane_pin(MyDatabaseId, key, jdg_tenant_lane(t->tenant));
	if (lane == NULL)
		return NULL;
	p = &pending.published[pending.npublished++];
	p->key = *key;
	p->lane = lane;
	p->position = jdg_position_last;
	return p;
}

/* The lane of a task in this transaction; NULL: there is no room for it. */
static Published *
find_lane(const JdgLaneKey *key, const JdgTask *t)
{
	LaneEntry  *e;
	Published  *p;
	bool		found;

	for (int i = 0; i < Min(pending.npublished, FEW_LANES); i++)
	{
		if (memcmp(&pending.published[i].key, key, sizeof(*key)) == 0)
			return &pending.published[i];
	}
	if (pending.npublished < FEW_LANES)
		return add_lane(key, t);
	e = entry_of(key, &found);
	if (e->place >= 0)
		return &pending.published[e->place];
	p = add_lane(key, t);
	if (p != NULL)
		e->place = p - pending.published;
	return p;
}

/*
 * Moves the mark of the task's lane back to the task, at commit.  Of several
 * tasks of a lane the first in order counts.
 */
static void
publish(Oid owner, const JdgTask *t)
{
	JdgPosition position = {t->run_at, t->task_id};
	JdgLaneKey	key = {owner, t->queue_id, t->priority, t->lane};
	JdgLaneKey	rest = JDG_REST_KEY(owner, jdg_lane_carrier(t->lane));
	Published  *p = find_lane(&key, t);

	if (p == NULL)
		p = find_lane(&rest, t);
	if (p == NULL)
		pending.lost = true;
	else if (jdg_position_compare(&position, &p->position) < 0)
		p->position = position;
}

/* The same for the mark of tasks whose run_at lies ahead. */
static void
publish_due(const JdgTask *t)
{
	JdgPosition position = {t->run_at, t->task_id};

	if (!pending.due_any || jdg_position_compare(&position, &pending.due) < 0)
		pending.due = position;
	pending.due_any = true;
}

void
jdg_forget_marks_at_commit(void)
{
	begin();
	pending.marks_lost = true;
}

/*
 * This task was inserted or became runnable.
 */
void
jdg_wake_at_commit(Oid owner, const JdgTask *task)
{
	begin();
	switch (task->state)
	{
		case JDG_STATE_READY:
			if (jdg_lane_carrier(task->lane) == JDG_CARRIER_HTTP)
				pending.http = true;
			else
				add_owner(owner);
			publish(owner, task);
			break;
		case JDG_STATE_SCHEDULED:
			pending.earliest = Min(pending.earliest, task->run_at);
			publish_due(task);
			break;
		case JDG_STATE_KEY:
			/* one look at the key is for all its tasks */
			if (pending.nrecheck == JDG_RECHECK_MAX)
			{
				pending.wake |= JDG_WAKE_KEYS;
				break;
			}
			jdg_recheck_at_commit(task->task_id, false);
			break;
		case JDG_STATE_DEPENDENCY:
			jdg_recheck_at_commit(task->task_id, false);
			break;
		default:
			break;
	}
}

void
jdg_count_enqueued(int64 n)
{
	begin();
	pending.enqueued += n;
}

/*
 * CREATE EXTENSION: a scheduler is started at commit.  Others do not see the
 * extension until then, so the entry is pinned: it may not be the one that was
 * looked up before.
 */
void
jdg_start_at_commit(void)
{
	begin();
	if (pending.pinned == NULL)
		pending.pinned = jdg_my_db_pin();
	pending.db = pending.pinned;
	pending.created = true;
}
