/*-------------------------------------------------------------------------
 *
 * total.c
 *	  The bound of all blobs of a database, see total.h.
 *
 * Runs in any process.  Each database has a number of bytes in shared memory.
 * A transaction adds what it is about to write, and nobody subtracts what is
 * deleted or rolled back: so the number is never too low.  When it does not
 * let a blob in, the session counts the rows, and tries again.  So an
 * expensive count comes once for all the bytes that were freed since the last
 * one.  A session that is refused pays for its own count.
 *
 * The number begins with the size of the table on disk, which is no less than
 * its contents: they are never compressed.
 *
 * The count sees what other transactions have written and not committed, and
 * what they have deleted and not committed.  It does not see what its own
 * transaction has deleted.  If that is rolled back, to a savepoint even, the
 * bytes are added again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/spin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/objects.h"
#include "base/settings.h"
#include "base/tally.h"
#include "blob/total.h"
#include "shared/database.h"

/* columns of jadugar_internal.blob, in the order of sql/blob.sql */
#define A_SIZE 5
#define A_EXPIRES_AT 7

/* of one database, in the order of jdg_dbs */
typedef struct Total
{
	slock_t		mutex;
	/* under mutex */
	Oid			dboid;			/* other than MyDatabaseId: unknown */
	int64		bytes;
	uint32		counts;			/* number of counts that were taken over */
} Total;

static Total *totals = NULL;

static Size
totals_size(void)
{
	return mul_size(sizeof(Total), jdg_max_databases);
}

static void
totals_init(void *at, bool found)
{
	totals = at;
	if (found)
		return;
	memset(totals, 0, totals_size());
	for (int i = 0; i < jdg_max_databases; i++)
		SpinLockInit(&totals[i].mutex);
}

const JdgShmemPart jdg_blob_shmem = {
	"jadugar blobs", totals_size, totals_init
};

/* what a transaction has deleted */
typedef struct Deleted
{
	JdgTallyRow of;				/* the number 0 */
	Total	   *total;
	int64		bytes;
} Deleted;

/*
 * Deleted bytes may be there again.  A prepared transaction can be rolled back
 * later, when nobody would notice.
 */
static void
end_deleted(void *row, XactEvent event)
{
	Deleted    *d = row;

	if (d->total == NULL ||
		(event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	SpinLockAcquire(&d->total->mutex);
	if (d->total->dboid == MyDatabaseId)
		d->total->bytes += d->bytes;
	SpinLockRelease(&d->total->mutex);
}

static void
merge_deleted(void *into, const void *from)
{
	((Deleted *) into)->bytes += ((const Deleted *) from)->bytes;
}

static JdgTally tally = {sizeof(Deleted), end_deleted, merge_deleted};

void
jdg_blob_total_init(void)
{
	jdg_tally_init(&tally);
}

static Total *
my_total(void)
{
	return &totals[jdg_my_db() - jdg_dbs];
}

void
jdg_blob_total_deleted(int64 bytes)
{
	Total	   *total = my_total();
	Deleted    *d = jdg_tally_row(&tally, 0);

	d->total = total;
	d->bytes += bytes;
}

static int64
relation_bytes(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	int64		bytes = (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;

	if (OidIsValid(rel->rd_rel->reltoastrelid))
		bytes += relation_bytes(rel->rd_rel->reltoastrelid);
	table_close(rel, NoLock);
	return bytes;
}

/* The sizes of all blobs that have not expired. */
static int64
count_rows(void)
{
	Relation	heap = table_open(jdg_relation_oid("blob"), AccessShareLock);
	TimestampTz now = jdg_now();
	SnapshotData dirty;
	TableScanDesc scan;
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	int64		bytes = 0;
	bool		isnull;

	InitDirtySnapshot(dirty);
	scan = table_beginscan(heap, &dirty, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetTimestampTz(slot_getattr(slot, A_EXPIRES_AT, &isnull)) > now)
			bytes += DatumGetInt64(slot_getattr(slot, A_SIZE, &isnull));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(heap, NoLock);
	return bytes;
}

/* Adds the bytes if they fit in; *counts is the number of the count used. */
static bool
try_add(Total *total, int64 bytes, int64 *held, uint32 *counts)
{
	int64		max = (int64) jdg_max_blob_total * 1024;
	bool		fits;

	SpinLockAcquire(&total->mutex);
	Assert(total->dboid == MyDatabaseId);
	fits = total->bytes + bytes <= max;
	if (fits)
		total->bytes += bytes;
	*held = total->bytes;
	*counts = total->counts;
	SpinLockRelease(&total->mutex);
	return fits;
}

/*
 * Sets the number to the count, and to what was added since it was "held".  Not
 * if another count has been taken over meanwhile: that one is as good.
 */
static void
take_over(Total *total, int64 counted, int64 held, uint32 counts)
{
	SpinLockAcquire(&total->mutex);
	if (total->counts == counts)
	{
		total->bytes += counted - held;
		total->counts++;
	}
	SpinLockRelease(&total->mutex);
}

/* Sets the number of a database whose blobs were not looked at yet. */
static void
begin_total(Total *total)
{
	int64		bytes;
	bool		known;

	SpinLockAcquire(&total->mutex);
	known = total->dboid == MyDatabaseId;
	SpinLockRelease(&total->mutex);
	if (known)
		return;
	bytes = relation_bytes(jdg_relation_oid("blob"));
	SpinLockAcquire(&total->mutex);
	if (total->dboid != MyDatabaseId)
	{
		total->dboid = MyDatabaseId;
		total->bytes = bytes;
		total->counts++;
	}
	SpinLockRelease(&total->mutex);
}

bool
jdg_blob_total_add(int64 bytes)
{
	Total	   *total = my_total();
	int64		held;
	uint32		counts;

	begin_total(total);
	if (try_add(total, bytes, &held, &counts))
		return true;
	if (bytes > (int64) jdg_max_blob_total * 1024)
		return false;
	take_over(total, count_rows(), held, counts);
	return try_add(total, bytes, &held, &counts);
}
