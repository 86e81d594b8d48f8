/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  Who has to be woken when this transaction commits.
 *
 * Runs in any backend and in our own processes.  While the transaction runs,
 * what to do is gathered here; the commit callback then sets flags and
 * latches.  It must not fail, so everything it needs is looked up before:
 * the JdgDb entry, the owners, the task ids.  Rolled back subtransactions
 * may leave a wake-up too many, never one too few.
 *
 * A prepared transaction commits in another session, which does not know
 * what it holds: see ddl_hook.c, which makes the scheduler look at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/shmem.h"
#include "miscadmin.h"
#include "queue/enqueue.h"

#define MAX_OWNERS 16

typedef struct Pending
{
	bool		any;
	JdgDb	   *db;
	uint32		wake;			/* JDG_WAKE_* */
	TimestampTz earliest;		/* of the future tasks, DT_NOEND: none */
	bool		finished;		/* tell those in wait() */
	bool		created;		/* the extension was made here */
	bool		held;			/* rows of tasks were locked */
	int			nowners;
	Oid			owners[MAX_OWNERS];
	bool		owners_overflow;
	int			nrecheck;
	JdgRecheck	recheck[JDG_RECHECK_MAX];
	bool		recheck_overflow;
	int64		enqueued;
} Pending;

static Pending pending;

static void
forget(void)
{
	pending.any = false;
	pending.db = NULL;
	pending.wake = 0;
	pending.earliest = DT_NOEND;
	pending.finished = false;
	pending.created = false;
	pending.held = false;
	pending.nowners = 0;
	pending.owners_overflow = false;
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
	if (pending.created)
	{
		pg_atomic_write_u32(&db->maybe_created, 1);
		jdg_launcher_wake(true);
	}
	if (pending.enqueued > 0)
		pg_atomic_fetch_add_u64(&db->stats.enqueued, pending.enqueued);

	if (pending.enqueued > 0 || (why & JDG_WAKE_SCHEDULES))
		pg_atomic_write_u32(&db->used, 1);

	/* pairs with the scheduler's order: publish, then take a snapshot */
	pg_memory_barrier();
	if ((uint64) pending.earliest < pg_atomic_read_u64(&db->next_due))
		why |= JDG_WAKE_SCHEDULES;
	for (int i = 0; i < pending.nrecheck; i++)
	{
		jdg_db_recheck(db, pending.recheck[i].task_id,
					   pending.recheck[i].finished);
		why |= JDG_WAKE_RECHECK;
	}
	if (pending.recheck_overflow)
		why |= JDG_WAKE_SWEEP;
	if (pending.held)
		why |= JDG_WAKE_WORK;
	for (int i = 0; i < pending.nowners; i++)
	{
		if (!jdg_slot_wake_idle(db->dboid, pending.owners[i]))
			why |= JDG_WAKE_WORK;
	}
	if (pending.owners_overflow)
		why |= JDG_WAKE_WORK;
	if (why != 0)
		jdg_db_wake(db, why);
	if (pending.finished && pg_atomic_read_u32(&db->waiters) > 0)
		ConditionVariableBroadcast(&db->finished);
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (!pending.any)
		return;
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
}

static void
begin(void)
{
	if (pending.any)
		return;
	jdg_require_shmem();
	pending.db = jdg_db_lookup(MyDatabaseId, true);
	pending.any = true;
	if (pending.db == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("jadugar is in use in too many databases"),
				 errhint("Raise jadugar.max_databases and restart the server.")));
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
jdg_finished_at_commit(void)
{
	begin();
	pending.finished = true;
}

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

/*
 * A task of this state and owner was inserted or became runnable.
 */
void
jdg_wake_at_commit(Oid owner, const JdgTask *task)
{
	begin();
	switch (task->state)
	{
		case JDG_STATE_READY:
			add_owner(owner);
			break;
		case JDG_STATE_SCHEDULED:
			pending.earliest = Min(pending.earliest, task->run_at);
			break;
		case JDG_STATE_DEPENDENCY:
		case JDG_STATE_KEY:
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

/* CREATE EXTENSION: a scheduler is started at commit. */
void
jdg_start_at_commit(void)
{
	begin();
	pending.created = true;
}
