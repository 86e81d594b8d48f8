/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Allocation of shared memory, database entries, wake-ups.
 *
 * Slots are in slots.c.  Who may touch what under which lock: shmem.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "base/errors.h"
#include "base/settings.h"
#include "shared/shmem.h"

#define TRANCHE_NAME "jadugar"

JdgSharedState *JdgShared = NULL;
bool		jdg_set_constraints_used = false;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
shared_size(void)
{
	Size		size = MAXALIGN(sizeof(JdgSharedState));

	size = add_size(size, mul_size(jdg_max_workers, MAXALIGN(sizeof(JdgSlot))));
	size = add_size(size, mul_size(jdg_max_workers, MAXALIGN(sizeof(JdgSuspect))));
	size = add_size(size, mul_size(jdg_max_databases, MAXALIGN(sizeof(JdgDb))));
	return size;
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

static void
init_db(JdgDb *db)
{
	memset(db, 0, sizeof(JdgDb));
	SpinLockInit(&db->mutex);
	SpinLockInit(&db->marks_mutex);
	pg_atomic_init_u32(&db->maybe_created, 0);
	pg_atomic_init_u32(&db->not_adopted, 0);
	pg_atomic_init_u32(&db->used, 0);
	pg_atomic_init_u32(&db->slot_wanted, 0);
	pg_atomic_init_u32(&db->refused, 0);
	pg_atomic_init_u32(&db->interest, 0);
	pg_atomic_init_u32(&db->waiters, 0);
	pg_atomic_init_u32(&db->paused, 0);
	pg_atomic_init_u64(&db->next_due, 0);
	ConditionVariableInit(&db->finished);
	jdg_stats_reset(&db->stats);
}

static void
shmem_startup(void)
{
	bool		found;
	char	   *p;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	JdgShared = ShmemInitStruct("jadugar", shared_size(), &found);
	if (!found)
	{
		memset(JdgShared, 0, sizeof(JdgSharedState));
		JdgShared->lock = &(GetNamedLWLockTranche(TRANCHE_NAME))->lock;
		SpinLockInit(&JdgShared->launcher_mutex);
		pg_atomic_init_u32(&JdgShared->dead, 0);
		JdgShared->ndbs = jdg_max_databases;
		JdgShared->nslots = jdg_max_workers;
		p = (char *) JdgShared + MAXALIGN(sizeof(JdgSharedState));
		JdgShared->slots = (JdgSlot *) p;
		p += sizeof(JdgSlot) * jdg_max_workers;
		p = (char *) MAXALIGN(p);
		JdgShared->dbs = (JdgDb *) p;
		p += sizeof(JdgDb) * jdg_max_databases;
		p = (char *) MAXALIGN(p);
		JdgShared->guilty = (JdgSuspect *) p;
		memset(p, 0, sizeof(JdgSuspect) * jdg_max_workers);
		for (int i = 0; i < JdgShared->nslots; i++)
		{
			memset(&JdgShared->slots[i], 0, sizeof(JdgSlot));
			SpinLockInit(&JdgShared->slots[i].mutex);
		}
		for (int i = 0; i < JdgShared->ndbs; i++)
			init_db(&JdgShared->dbs[i]);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* From _PG_init, while shared_preload_libraries are loaded. */
void
jdg_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/*
 * Raise the error that tells how to preload the library, unless it is.
 */
void
jdg_require_shmem(void)
{
	const char *now;

	if (JdgShared != NULL)
		return;
	now = GetConfigOption("shared_preload_libraries", true, false);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("jadugar must be loaded through shared_preload_libraries"),
			 errdetail("The setting is \"%s\".", now ? now : ""),
			 now && now[0] != '\0' ?
			 errhint("Put this line into postgresql.conf and restart the server: shared_preload_libraries = '%s,jadugar'", now) :
			 errhint("Put this line into postgresql.conf and restart the server: shared_preload_libraries = 'jadugar'")));
}

/*
 * The entry of a database, or NULL if there is none (create: if there is no
 * room).  Entries of dropped databases are freed by the launcher.
 */
JdgDb *
jdg_db_lookup(Oid dboid, bool create)
{
	JdgDb	   *unused = NULL;
	JdgDb	   *db = NULL;

	LWLockAcquire(JdgShared->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < JdgShared->ndbs; i++)
	{
		JdgDb	   *d = &JdgShared->dbs[i];

		if (d->state != JDG_DB_FREE && d->dboid == dboid)
		{
			db = d;
			break;
		}
		if (d->state == JDG_DB_FREE && unused == NULL)
			unused = d;
	}
	if (db == NULL && create && unused != NULL)
	{
		db = unused;
		SpinLockAcquire(&db->mutex);
		db->dboid = dboid;
		db->state = JDG_DB_UNKNOWN;
		db->scheduler_pid = 0;
		memset(db->waiting_pid, 0, sizeof(db->waiting_pid));
		db->failures = 0;
		db->retry_at = 0;
		db->evicted_by = 0;
		db->scheduler_latch = NULL;
		db->wake = 0;
		db->nrecheck = 0;
		memset(db->blocked, 0, sizeof(db->blocked));
		SpinLockRelease(&db->mutex);
		SpinLockAcquire(&db->marks_mutex);
		memset(db->mark, 0, sizeof(db->mark));
		db->marks_lost++;
		SpinLockRelease(&db->marks_mutex);
		pg_atomic_write_u64(&db->next_due, 0);
		pg_atomic_write_u32(&db->paused, 0);
		pg_atomic_write_u32(&db->maybe_created, 0);
		pg_atomic_write_u32(&db->not_adopted, 0);
		pg_atomic_write_u32(&db->used, 0);
		pg_atomic_write_u32(&db->slot_wanted, 0);
		pg_atomic_write_u32(&db->refused, 0);
		pg_atomic_write_u32(&db->interest, 0);
		jdg_stats_reset(&db->stats);
	}
	LWLockRelease(JdgShared->lock);
	return db;
}

/*
 * The entry of the database that this process is connected to.  It can not be
 * freed meanwhile, so it is looked up once.
 */
JdgDb *
jdg_my_db(void)
{
	static JdgDb *mine = NULL;

	if (mine != NULL && mine->dboid == MyDatabaseId &&
		mine->state != JDG_DB_FREE)
		return mine;
	jdg_require_shmem();
	mine = jdg_db_lookup(MyDatabaseId, true);
	if (mine == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("jadugar is in use in too many databases"),
				 errhint("Raise jadugar.max_databases and restart the server.")));
	return mine;
}

/*
 * Tell a database's scheduler that there is something to do.  Never fails:
 * called after commit.
 */
void
jdg_db_wake(JdgDb *db, uint32 why)
{
	Latch	   *latch;

	SpinLockAcquire(&db->mutex);
	db->wake |= why;
	latch = db->scheduler_latch;
	SpinLockRelease(&db->mutex);
	if (latch)
		SetLatch(latch);
}

uint32
jdg_db_take_wake(JdgDb *db)
{
	uint32		why;

	SpinLockAcquire(&db->mutex);
	why = db->wake;
	db->wake = 0;
	SpinLockRelease(&db->mutex);
	return why;
}

/* Is there a reason to wake the scheduler that it has not taken? */
bool
jdg_db_is_woken(JdgDb *db)
{
	bool		woken;

	SpinLockAcquire(&db->mutex);
	woken = db->wake != 0;
	SpinLockRelease(&db->mutex);
	return woken;
}

/*
 * Ask the scheduler to look at a waiting task again, or (finished) at those
 * that wait for it.  When the ring is full, it looks at all of them.
 */
void
jdg_db_recheck(JdgDb *db, int64 task_id, bool finished)
{
	SpinLockAcquire(&db->mutex);
	if (db->nrecheck < JDG_RECHECK_MAX)
	{
		db->recheck[db->nrecheck].task_id = task_id;
		db->recheck[db->nrecheck].finished = finished;
		db->nrecheck++;
		db->wake |= JDG_WAKE_RECHECK;
	}
	else
		db->wake |= JDG_WAKE_SWEEP;
	SpinLockRelease(&db->mutex);
}

/* Empties the ring into "out", which has room for JDG_RECHECK_MAX. */
int
jdg_db_take_rechecks(JdgDb *db, JdgRecheck *out)
{
	int			n;

	SpinLockAcquire(&db->mutex);
	n = db->nrecheck;
	memcpy(out, db->recheck, n * sizeof(JdgRecheck));
	db->nrecheck = 0;
	SpinLockRelease(&db->mutex);
	return n;
}

/*
 * Note why a role's tasks can not run.  When there is no room the note is
 * lost; the scheduler then only tries again more often.
 */
void
jdg_db_block(JdgDb *db, Oid owner, const char *reason, TimestampTz until)
{
	JdgBlocked *b = NULL;

	SpinLockAcquire(&db->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (db->blocked[i].owner == owner ||
			(b == NULL && !OidIsValid(db->blocked[i].owner)))
			b = &db->blocked[i];
		if (db->blocked[i].owner == owner)
			break;
	}
	if (b)
	{
		b->owner = owner;
		b->until = until;
		strlcpy(b->reason, reason, sizeof(b->reason));
	}
	SpinLockRelease(&db->mutex);
}

void
jdg_db_unblock(JdgDb *db, Oid owner)
{
	SpinLockAcquire(&db->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (db->blocked[i].owner == owner)
			db->blocked[i].owner = InvalidOid;
	}
	SpinLockRelease(&db->mutex);
}

/* What held these roles back is over; false: nobody was. */
bool
jdg_db_unblock_reason(JdgDb *db, const char *reason)
{
	bool		found = false;

	SpinLockAcquire(&db->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (OidIsValid(db->blocked[i].owner) &&
			strcmp(db->blocked[i].reason, reason) == 0)
		{
			db->blocked[i].owner = InvalidOid;
			found = true;
		}
	}
	SpinLockRelease(&db->mutex);
	return found;
}

bool
jdg_db_blocked(JdgDb *db, Oid owner, JdgBlocked *out)
{
	bool		found = false;

	SpinLockAcquire(&db->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX && !found; i++)
	{
		if (db->blocked[i].owner == owner)
		{
			*out = db->blocked[i];
			found = true;
		}
	}
	SpinLockRelease(&db->mutex);
	return found;
}

void
jdg_launcher_wake(bool scan)
{
	Latch	   *latch;

	SpinLockAcquire(&JdgShared->launcher_mutex);
	if (scan)
		JdgShared->launcher_scan = true;
	latch = JdgShared->launcher_latch;
	SpinLockRelease(&JdgShared->launcher_mutex);
	if (latch)
		SetLatch(latch);
}

void
jdg_wake_all_schedulers(uint32 why)
{
	for (int i = 0; i < JdgShared->ndbs; i++)
	{
		if (JdgShared->dbs[i].state == JDG_DB_ACTIVE)
			jdg_db_wake(&JdgShared->dbs[i], why);
	}
}

void
jdg_stats_reset(JdgStats *stats)
{
	pg_atomic_init_u64(&stats->enqueued, 0);
	pg_atomic_init_u64(&stats->completed, 0);
	pg_atomic_init_u64(&stats->failed, 0);
	pg_atomic_init_u64(&stats->retried, 0);
	pg_atomic_init_u64(&stats->cancelled, 0);
	pg_atomic_init_u64(&stats->lost, 0);
	pg_atomic_init_u64(&stats->skipped, 0);
	pg_atomic_init_u64(&stats->fired, 0);
	pg_atomic_init_u64(&stats->groups, 0);
	for (int i = 0; i < JDG_BUCKETS; i++)
	{
		pg_atomic_init_u64(&stats->wait_hist[i], 0);
		pg_atomic_init_u64(&stats->run_hist[i], 0);
	}
	pg_atomic_init_u64(&stats->reset_at, GetCurrentTimestamp());
}

/* Bucket i counts what took from 2^(i-1) up to 2^i microseconds. */
int
jdg_hist_bucket(int64 microseconds)
{
	int			bucket = 0;

	while (microseconds > 0 && bucket < JDG_BUCKETS - 1)
	{
		microseconds >>= 1;
		bucket++;
	}
	return bucket;
}
