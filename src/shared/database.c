/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Databases that have jadugar, see database.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/settings.h"
#include "base/sleep.h"
#include "shared/database.h"
#include "shared/launcher_state.h"
#include "shared/shmem.h"

/* how long a session waits until the launcher has looked for the extension */
#define WAIT_FOR_ENTRY	(10 * 1000) /* ms */

typedef struct Databases
{
	ConditionVariable changed;	/* an entry may have become available */
	JdgDb		entry[FLEXIBLE_ARRAY_MEMBER];
} Databases;

static Databases *databases = NULL;
JdgDb	   *jdg_dbs = NULL;

/* Initializes a free entry, with its locks, once in the life of the server. */
static void
init_db(JdgDb *db)
{
	memset(db, 0, sizeof(JdgDb));
	jdg_wakeup_init(&db->wakeup);
	jdg_blocked_init(&db->blocked);
	SpinLockInit(&db->due_mutex);
	jdg_mark_clear(&db->due);
	pg_atomic_init_u32(&db->lanes_lost, 1);
	pg_atomic_init_u32(&db->orphans, 0);
	pg_atomic_init_u32(&db->lanes_known, 0);
	pg_atomic_init_u32(&db->gates_epoch, 0);
	pg_atomic_init_u64(&db->gates_due, (uint64) DT_NOEND);
	jdg_counters_reset(&db->counters);
	jdg_wanted_init(&db->wanted);
	pg_atomic_init_u32(&db->evictors, 0);
	pg_atomic_init_u32(&db->pins, 0);
	pg_atomic_init_u32(&db->maybe_created, 0);
	pg_atomic_init_u32(&db->not_adopted, 0);
	pg_atomic_init_u32(&db->used, 0);
	pg_atomic_init_u32(&db->slot_wanted, 0);
	pg_atomic_init_u32(&db->http_wanted, 0);
	pg_atomic_init_u32(&db->http_left, 0);
	pg_atomic_init_u32(&db->http_lacks, 0);
	pg_atomic_init_u32(&db->interest, 0);
	pg_atomic_init_u32(&db->waiters, 0);
	pg_atomic_init_u32(&db->event_waiters, 0);
	pg_atomic_init_u32(&db->limited_news, 0);
	pg_atomic_init_u32(&db->fetch_waiters, 0);
	for (int i = 0; i < lengthof(db->published); i++)
		pg_atomic_init_u64(&db->published[i], 0);
	pg_atomic_init_u32(&db->feeds, JDG_FEEDS_UNKNOWN);
	/* nobody knows yet what is asked for */
	pg_atomic_init_u64(&db->happenings, PG_UINT64_MAX);
	pg_atomic_init_u32(&db->happening_pins, 0);
	pg_atomic_init_u32(&db->paused, 0);
	pg_atomic_init_u64(&db->next_due, 0);
	pg_atomic_init_u64(&db->fetch_due, (uint64) DT_NOEND);
	pg_atomic_init_u64(&db->cached, 0);
	ConditionVariableInit(&db->finished);
	ConditionVariableInit(&db->delivered);
	ConditionVariableInit(&db->fetchable);
}

static Size
databases_size(void)
{
	return add_size(offsetof(Databases, entry),
					mul_size(jdg_max_databases, sizeof(JdgDb)));
}

static void
databases_init(void *at, bool found)
{
	databases = at;
	jdg_dbs = databases->entry;
	if (!found)
		ConditionVariableInit(&databases->changed);
	for (int i = 0; !found && i < jdg_max_databases; i++)
		init_db(&jdg_dbs[i]);
}

const JdgShmemPart jdg_databases_shmem = {
	"jadugar databases", databases_size, databases_init
};

/*
 * May the entry be given to another database?  The caller holds JdgSharedLock
 * exclusively.
 */
static bool
is_available(JdgDb *db)
{
	if (db->state == JDG_DB_FREE)
		return true;
	if (db->state != JDG_DB_NONE || db->scheduler_pid != 0 ||
		jdg_db_is_evicted(db) ||
		pg_atomic_read_u32(&db->pins) != 0 ||
		pg_atomic_read_u32(&db->maybe_created) != 0)
		return false;
	for (int i = 0; i < JDG_WAITING_MAX; i++)
	{
		if (db->waiting_pid[i] != 0)
			return false;
	}
	return true;
}

/*
 * Makes an available entry that of another database.  The caller holds
 * JdgSharedLock exclusively.
 */
static void
reuse_db(JdgDb *db, Oid dboid)
{
	Assert(LWLockHeldByMeInMode(JdgSharedLock, LW_EXCLUSIVE));
	Assert(is_available(db));
	db->dboid = dboid;
	db->state = JDG_DB_UNKNOWN;
	db->scheduler_pid = 0;
	memset(db->waiting_pid, 0, sizeof(db->waiting_pid));
	db->failures = 0;
	db->retry_at = 0;
	db->evicted_by = 0;
	jdg_wakeup_reset(&db->wakeup);
	jdg_blocked_reset(&db->blocked);
	jdg_db_lose_marks(db);
	jdg_counters_reset(&db->counters);
	jdg_wanted_reset(&db->wanted);
	pg_atomic_write_u64(&db->next_due, 0);
	pg_atomic_write_u64(&db->fetch_due, (uint64) DT_NOEND);
	pg_atomic_write_u64(&db->cached, 0);
	pg_atomic_write_u32(&db->paused, 0);
	pg_atomic_write_u32(&db->maybe_created, 0);
	pg_atomic_write_u32(&db->not_adopted, 0);
	pg_atomic_write_u32(&db->used, 0);
	pg_atomic_write_u32(&db->slot_wanted, 0);
	pg_atomic_write_u32(&db->http_wanted, 0);
	pg_atomic_write_u32(&db->http_left, 0);
	pg_atomic_write_u32(&db->http_lacks, 0);
	pg_atomic_write_u64(&db->gates_due, (uint64) DT_NOEND);
	pg_atomic_write_u32(&db->interest, 0);
}

/*
 * The entry of a database, or NULL.  "create": made of an available entry if
 * there is none; a free one first, since NONE saves looking again.  The caller
 * holds JdgSharedLock, exclusively if "create".
 */
static JdgDb *
find_entry(Oid dboid, bool create, bool *made)
{
	JdgDb	   *unused = NULL;

	*made = false;
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];

		if (db->state != JDG_DB_FREE && db->dboid == dboid)
			return db;
		if (create && (unused == NULL || unused->state != JDG_DB_FREE) &&
			is_available(db))
			unused = db;
	}
	if (unused != NULL)
	{
		reuse_db(unused, dboid);
		*made = true;
	}
	return unused;
}

static JdgDb *
lookup(Oid dboid, bool create, bool pin)
{
	JdgDb	   *db;
	bool		made;

	LWLockAcquire(JdgSharedLock, create ? LW_EXCLUSIVE : LW_SHARED);
	db = find_entry(dboid, create, &made);
	if (db != NULL && pin)
		pg_atomic_fetch_add_u32(&db->pins, 1);
	LWLockRelease(JdgSharedLock);

	/* a scheduler has to look for the extension */
	if (made)
		jdg_launcher_wake(false);
	return db;
}

JdgDb *
jdg_db_lookup(Oid dboid, bool create)
{
	return lookup(dboid, create, false);
}

JdgDb *
jdg_db_pin(Oid dboid)
{
	return lookup(dboid, true, true);
}

void
jdg_db_unpin(JdgDb *db)
{
	pg_atomic_fetch_sub_u32(&db->pins, 1);
	if (db->state == JDG_DB_NONE)
	{
		jdg_launcher_wake(false);
		jdg_dbs_changed();
	}
}

void
jdg_dbs_changed(void)
{
	ConditionVariableBroadcast(&databases->changed);
}

/* Has a scheduler still to look for the extension of some database? */
static bool
is_looking(void)
{
	bool		looking = false;

	LWLockAcquire(JdgSharedLock, LW_SHARED);
	for (int i = 0; i < jdg_max_databases; i++)
	{
		if (jdg_dbs[i].state == JDG_DB_UNKNOWN ||
			jdg_dbs[i].state == JDG_DB_STARTING)
			looking = true;
	}
	LWLockRelease(JdgSharedLock);
	return looking;
}

/* The entry of this process's database, or an error: see jdg_my_db(). */
static JdgDb *
need_entry(bool pin)
{
	int64		until = jdg_steady_ms() + WAIT_FOR_ENTRY;
	JdgDb	   *db = lookup(MyDatabaseId, true, pin);

	if (db != NULL)
		return db;
	ConditionVariablePrepareToSleep(&databases->changed);
	while ((db = lookup(MyDatabaseId, true, pin)) == NULL && is_looking())
	{
		long		ms = (long) (until - jdg_steady_ms());

		if (ms <= 0)
			break;
		(void) ConditionVariableTimedSleep(&databases->changed, ms,
										   jdg_wait_launcher());
	}
	ConditionVariableCancelSleep();
	if (db == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("jadugar has no room for another database"),
				 errdetail("Other databases of this server use all %d places.",
						   jdg_max_databases),
				 errhint("Raise jadugar.max_databases and restart the server.")));
	return db;
}

JdgDb *
jdg_my_db(void)
{
	static JdgDb *mine = NULL;

	if (mine != NULL && mine->dboid == MyDatabaseId &&
		mine->state != JDG_DB_FREE)
		return mine;
	jdg_require_shmem();
	mine = need_entry(false);
	return mine;
}

JdgDb *
jdg_my_db_pin(void)
{
	jdg_require_shmem();
	return need_entry(true);
}

void
jdg_db_delivered(JdgDb *db)
{
	/* pairs with a backend that counts itself and then reads positions */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&db->event_waiters) > 0)
		ConditionVariableBroadcast(&db->delivered);
}

void
jdg_db_fetchable(JdgDb *db)
{
	/* pairs with a backend that counts itself and then looks */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&db->fetch_waiters) > 0)
		ConditionVariableBroadcast(&db->fetchable);
}

bool
jdg_db_lower_fetch_due(JdgDb *db, TimestampTz due)
{
	uint64		old = pg_atomic_read_u64(&db->fetch_due);

	Assert(due != DT_NOBEGIN);
	while (due < (TimestampTz) old)
	{
		if (pg_atomic_compare_exchange_u64(&db->fetch_due, &old, (uint64) due))
			return true;
	}
	return false;
}

void
jdg_db_wake(JdgDb *db, uint32 why)
{
	jdg_wakeup_request(&db->wakeup, why);
}

void
jdg_db_lose_marks(JdgDb *db)
{
	SpinLockAcquire(&db->due_mutex);
	jdg_mark_clear(&db->due);
	SpinLockRelease(&db->due_mutex);
	pg_atomic_fetch_add_u32(&db->lanes_lost, 1);
}

void
jdg_dbs_wake(uint32 why)
{
	for (int i = 0; i < jdg_max_databases; i++)
	{
		if (jdg_dbs[i].state == JDG_DB_ACTIVE)
			jdg_db_wake(&jdg_dbs[i], why);
	}
}
