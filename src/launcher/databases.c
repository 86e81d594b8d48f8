/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  Which databases have an entry in shared memory, see databases.h.
 *
 * Runs in the launcher.  There may be more databases than entries, and only a
 * scheduler can see whether a database has the extension.  So databases take
 * turns: an entry whose scheduler found no extension is given to the next
 * database, until each has been looked at once.  An entry with the extension
 * stays.  Later CREATE EXTENSION takes an entry by itself.
 *
 * The list is in the memory of the launcher.  If the launcher ends, the next
 * one looks again at databases without entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "launcher/databases.h"
#include "shared/database.h"
#include "shared/gate.h"
#include "shared/lane.h"
#include "shared/launcher_state.h"
#include "shared/shmem.h"

typedef struct Known
{
	Oid			dboid;
	bool		checked;		/* a scheduler found no extension */
} Known;

/* all databases in which the extension can be, by OID */
static Known *known = NULL;
static int	nknown = 0;

/* has the lack of entries been logged? */
static bool told = false;

static int
compare_known(const void *a, const void *b)
{
	Oid			x = ((const Known *) a)->dboid;
	Oid			y = ((const Known *) b)->dboid;

	return x < y ? -1 : x > y;
}

static Known *
find_known(Oid dboid)
{
	Known		key = {dboid, false};

	if (nknown == 0)
		return NULL;
	return bsearch(&key, known, nknown, sizeof(Known), compare_known);
}

/*
 * Reads pg_database into a new list in the current memory context.  Templates
 * and databases that allow no connections are left out.
 */
static Known *
read_databases(int *n)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tup;
	int			room = 64;
	MemoryContext mcxt = CurrentMemoryContext;
	Known	   *list = palloc(sizeof(Known) * room);

	*n = 0;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tup = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database d = (Form_pg_database) GETSTRUCT(tup);

		if (d->datistemplate || !d->datallowconn)
			continue;
		if (*n == room)
		{
			room *= 2;
			list = repalloc(list, sizeof(Known) * room);
		}
		list[*n].dboid = d->oid;
		list[(*n)++].checked = false;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(mcxt);
	qsort(list, *n, sizeof(Known), compare_known);
	return list;
}

void
jdg_databases_scan(void)
{
	int			n;
	Known	   *list = read_databases(&n);

	for (int i = 0; i < n; i++)
	{
		Known	   *old = find_known(list[i].dboid);

		list[i].checked = old != NULL && old->checked;
	}
	if (known != NULL)
		pfree(known);
	nknown = 0;
	known = MemoryContextAlloc(TopMemoryContext, sizeof(Known) * Max(n, 1));
	memcpy(known, list, sizeof(Known) * n);
	nknown = n;
	pfree(list);
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];

		LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
		if (db->state != JDG_DB_FREE && db->scheduler_pid == 0 &&
			db->state != JDG_DB_STARTING && !jdg_db_is_evicted(db) &&
			find_known(db->dboid) == NULL)
		{
			jdg_gates_drop(db->dboid);
			jdg_lanes_drop(db->dboid);
			db->state = JDG_DB_FREE;
		}
		LWLockRelease(JdgSharedLock);
	}
	jdg_dbs_changed();
}

/*
 * A database may have got the extension, or work.  If it has an entry, its
 * scheduler runs all duties, or is started.
 */
static void
look_again(Known *k)
{
	JdgDb	   *db = jdg_db_lookup(k->dboid, false);

	k->checked = false;
	if (db == NULL)
		return;
	jdg_db_lose_marks(db);
	pg_atomic_write_u32(&db->maybe_created, 1);
	jdg_db_wake(db, JDG_WAKE_ALL);
}

/* The same for the databases that processes have noted for the launcher. */
static void
look_at_noted(void)
{
	Oid			dboids[JDG_LOOK_AT_MAX];
	bool		all;
	int			n = jdg_launcher_take_look_at(dboids, &all);

	for (int i = 0; i < n && !all; i++)
	{
		Known	   *k = find_known(dboids[i]);

		if (k != NULL)
			look_again(k);
	}
	for (int i = 0; i < nknown && all; i++)
		look_again(&known[i]);
}

/*
 * Notes the databases without the extension.  Is some scheduler still looking
 * for it?
 */
static bool
note_checked(void)
{
	bool		looking = false;

	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];
		Known	   *k = NULL;

		LWLockAcquire(JdgSharedLock, LW_SHARED);
		if (db->state == JDG_DB_NONE)
			k = find_known(db->dboid);
		else if (db->state == JDG_DB_UNKNOWN || db->state == JDG_DB_STARTING)
			looking = true;
		LWLockRelease(JdgSharedLock);
		if (k != NULL)
			k->checked = true;
	}
	return looking;
}

void
jdg_databases_assign(void)
{
	int			without = 0;

	(void) note_checked();
	look_at_noted();
	for (int i = 0; i < nknown; i++)
	{
		if (known[i].checked ||
			jdg_db_lookup(known[i].dboid, without == 0) != NULL)
			continue;
		without++;
	}
	if (without == 0)
		told = false;
	else if (!note_checked() && !told)
	{
		/* none of the entries can become available by itself */
		told = true;
		ereport(LOG,
				(errmsg("jadugar has no room for %d databases of this server", without),
				 errdetail("Other databases use all %d places. No scheduler starts in these, also if they have the extension.",
						   jdg_max_databases),
				 errhint("Raise jadugar.max_databases and restart the server.")));
	}
}
