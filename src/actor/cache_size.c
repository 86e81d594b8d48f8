/*-------------------------------------------------------------------------
 *
 * cache_size.c
 *	  The bound of the cache, see cache_size.h.
 *
 * Sessions count in shared memory what they write, and never what they delete,
 * so the count is never too low.  When it reaches the bound, the scheduler is
 * woken at once.  It counts the table, rows of open transactions included, and if there
 * is really too much it deletes the rows that expire first.  It goes down to
 * nine tenths, so that it counts once for a tenth of the bound at most.  Sessions
 * write up to twice the bound meanwhile.
 *
 * Only the scheduler deletes rows of other roles, in short transactions that
 * pass over locked rows.  A session would keep them locked until it commits.
 *
 * After a crash the table is empty, and after a restart the first round of the
 * scheduler counts it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "actor/cache_size.h"
#include "base/clock.h"
#include "base/objects.h"
#include "base/rows.h"
#include "base/settings.h"
#include "base/spi.h"
#include "shared/oldrows.h"
#include "shared/wakeup.h"
#include "shared/work.h"

/* column of jadugar_internal.cache */
#define A_BYTES 4

/* too much that cannot be deleted yet is counted again after this time */
#define COUNT_AGAIN USECS_PER_SEC

static int64
max_bytes(void)
{
	return (int64) jdg_cache_max_size * 1024;
}

bool
jdg_cache_has_room(int64 bytes)
{
	pg_atomic_uint64 *cached = &jdg_my_db()->cached;
	int64		held = (int64) pg_atomic_read_u64(cached);
	int64		max = max_bytes();

	if (held + bytes > max)
		jdg_wakeup_request(&jdg_my_db()->wakeup, JDG_WAKE_CACHE);
	if (bytes > max || held + bytes > 2 * max)
		return false;
	pg_atomic_fetch_add_u64(cached, bytes);
	return true;
}

/* The sizes of all rows, those that open transactions have written, too. */
static int64
count_rows(void)
{
	Relation	heap = table_open(jdg_relation_oid("cache"), AccessShareLock);
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
		bytes += DatumGetInt32(slot_getattr(slot, A_BYTES, &isnull));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(heap, NoLock);
	return bytes;
}

/* Sets the count to that of the table, and to what was counted meanwhile. */
static int64
recount(JdgDb *db)
{
	int64		before = (int64) pg_atomic_read_u64(&db->cached);
	int64		bytes;

	jdg_work_begin();
	bytes = count_rows();
	jdg_work_end();
	pg_atomic_fetch_add_u64(&db->cached, bytes - before);
	return bytes;
}

/*
 * Deletes a batch of rows that end before an instant, those that expire first,
 * until so many bytes are gone.  Returns the number of bytes; 0: there is none.
 */
static int64
delete_batch(TimestampTz before, int64 wanted)
{
	static JdgQuery q = {
		"SELECT c.ctid, c.bytes FROM jadugar_internal.cache c "
		"WHERE c.stale_until < $1 ORDER BY c.stale_until LIMIT "
		JDG_OLD_ROWS_BATCH " FOR UPDATE SKIP LOCKED", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(before)};
	Relation	heap;
	int64		n;
	int64		bytes = 0;
	bool		isnull;

	jdg_work_begin();
	heap = table_open(jdg_relation_oid("cache"), RowExclusiveLock);
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n && bytes < wanted; i++)
	{
		ItemPointer tid = (ItemPointer) DatumGetPointer(jdg_col(i, 1, &isnull));

		if (jdg_row_delete(heap, tid))
			bytes += jdg_col_int32(i, 2, 0);
	}
	table_close(heap, NoLock);
	jdg_work_end();
	pg_atomic_fetch_sub_u64(&jdg_my_db()->cached,
							Min(bytes, (int64) pg_atomic_read_u64(&jdg_my_db()->cached)));
	return bytes;
}

/* Deletes rows in one turn; false: there may be more to delete. */
static bool
delete_in_turn(TimestampTz before, int64 *wanted)
{
	TimestampTz began = GetCurrentTimestamp();

	while (*wanted > 0)
	{
		int64		bytes;

		CHECK_FOR_INTERRUPTS();
		if (GetCurrentTimestamp() - began > JDG_OLD_ROWS_TURN_US)
			return false;
		bytes = delete_batch(before, *wanted);
		if (bytes == 0)
			break;
		*wanted -= bytes;
	}
	return true;
}

/* Deletes values of roles that do not exist. */
static void
delete_of_gone_roles(void)
{
	static JdgQuery q = {
		"WITH RECURSIVE o(role) AS ("
		"SELECT min(c.owner) FROM jadugar_internal.cache c UNION ALL "
		"SELECT (SELECT min(c.owner) FROM jadugar_internal.cache c "
		"WHERE c.owner > o.role) FROM o WHERE o.role IS NOT NULL) "
		"DELETE FROM jadugar_internal.cache c WHERE c.owner = ANY (ARRAY("
		"SELECT o.role FROM o WHERE o.role IS NOT NULL AND NOT EXISTS "
		"(SELECT FROM pg_roles r WHERE r.oid = o.role OFFSET 0)))", 0
	};

	jdg_work_begin();
	jdg_run(&q, NULL, NULL, 0);
	jdg_work_end();
}

TimestampTz
jdg_cache_upkeep(JdgDb *db, uint32 why)
{
	static TimestampTz pass_at = DT_NOBEGIN;	/* of the hourly pass */
	static TimestampTz count_at = DT_NOBEGIN;	/* not before */
	TimestampTz now = jdg_now();
	int64		wanted = PG_INT64_MAX;
	int64		held;

	if (now >= pass_at)
	{
		if (!delete_in_turn(now, &wanted))
			return DT_NOBEGIN;
		delete_of_gone_roles();
		(void) recount(db);
		pass_at = now + USECS_PER_HOUR;
	}
	if ((int64) pg_atomic_read_u64(&db->cached) <= max_bytes())
		return pass_at;
	if (now < count_at)
		return count_at;
	held = recount(db);
	if (held <= max_bytes())
		return pass_at;
	wanted = held - max_bytes() / 10 * 9;
	if (!delete_in_turn(DT_NOEND, &wanted))
		return DT_NOBEGIN;
	count_at = now + COUNT_AGAIN;
	return wanted > 0 ? count_at : pass_at;
}
