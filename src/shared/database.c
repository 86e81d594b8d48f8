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

#include "base/settings.h"
#include "shared/database.h"
#include "shared/shmem.h"

JdgDb	   *jdg_dbs = NULL;

/* Initializes a free entry, with its locks, once in the life of the server. */
static void
init_db(JdgDb *db)
{
	memset(db, 0, sizeof(JdgDb));
	jdg_wakeup_init(&db->wakeup);
	jdg_blocked_init(&db->blocked);
	jdg_marks_init(&db->marks);
	jdg_counters_reset(&db->counters);
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
}

static Size
databases_size(void)
{
	return mul_size(jdg_max_databases, sizeof(JdgDb));
}

static void
databases_init(void *at, bool found)
{
	jdg_dbs = at;
	for (int i = 0; !found && i < jdg_max_databases; i++)
		init_db(&jdg_dbs[i]);
}

const JdgShmemPart jdg_databases_shmem = {
	"jadugar databases", databases_size, databases_init
};

/*
 * Makes a free entry that of another database.  The caller holds JdgSharedLock
 * exclusively.
 */
static void
reuse_db(JdgDb *db, Oid dboid)
{
	Assert(LWLockHeldByMeInMode(JdgSharedLock, LW_EXCLUSIVE));
	db->dboid = dboid;
	db->state = JDG_DB_UNKNOWN;
	db->scheduler_pid = 0;
	memset(db->waiting_pid, 0, sizeof(db->waiting_pid));
	db->failures = 0;
	db->retry_at = 0;
	db->evicted_by = 0;
	jdg_wakeup_reset(&db->wakeup);
	jdg_blocked_reset(&db->blocked);
	jdg_marks_forget(&db->marks);
	jdg_counters_reset(&db->counters);
	pg_atomic_write_u64(&db->next_due, 0);
	pg_atomic_write_u32(&db->paused, 0);
	pg_atomic_write_u32(&db->maybe_created, 0);
	pg_atomic_write_u32(&db->not_adopted, 0);
	pg_atomic_write_u32(&db->used, 0);
	pg_atomic_write_u32(&db->slot_wanted, 0);
	pg_atomic_write_u32(&db->refused, 0);
	pg_atomic_write_u32(&db->interest, 0);
}

JdgDb *
jdg_db_lookup(Oid dboid, bool create)
{
	JdgDb	   *unused = NULL;
	JdgDb	   *db = NULL;

	LWLockAcquire(JdgSharedLock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *d = &jdg_dbs[i];

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
		reuse_db(db, dboid);
	}
	LWLockRelease(JdgSharedLock);
	return db;
}

JdgDb *
jdg_my_db(void)
{
	static JdgDb *mine = NULL;

	/* it cannot be freed while this process is connected */
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

void
jdg_db_wake(JdgDb *db, uint32 why)
{
	jdg_wakeup_request(&db->wakeup, why);
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
