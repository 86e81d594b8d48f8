/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  Deletion of blobs that have expired, see expire.h.
 *
 * Runs in the scheduler, in turns.  A blob cannot be read from the instant at
 * which it expires, so it need not be deleted at once: the scheduler looks when
 * the next one of those that it knows expires, and once an hour for others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "base/clock.h"
#include "base/objects.h"
#include "base/rows.h"
#include "base/spi.h"
#include "blob/expire.h"
#include "shared/oldrows.h"
#include "shared/work.h"

/* rows that are locked, and bytes that are deleted, in one transaction */
#define BATCH "200"
#define BATCH_BYTES (32 * 1024 * 1024)

/* two passes have at least this distance, in microseconds */
#define REST (10 * USECS_PER_SEC)

/*
 * Deletes blobs that expired before an instant.  False: there is none, or other
 * transactions have locked the rest.
 */
static bool
delete_batch(TimestampTz before)
{
	static JdgQuery q = {
		"SELECT b.ctid, b.size FROM jadugar_internal.blob b "
		"WHERE b.expires_at <= $1 ORDER BY b.expires_at LIMIT " BATCH
		" FOR UPDATE SKIP LOCKED", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(before)};
	Relation	heap;
	int64		n;
	int64		bytes = 0;
	bool		any = false;
	bool		isnull;

	jdg_work_begin();
	heap = table_open(jdg_relation_oid("blob"), RowExclusiveLock);
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n && bytes < BATCH_BYTES; i++)
	{
		ItemPointer tid = (ItemPointer) DatumGetPointer(jdg_col(i, 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (!jdg_row_delete(heap, tid))
			continue;
		any = true;
		bytes += jdg_col_int64(i, 2, 0);
	}
	table_close(heap, NoLock);
	jdg_work_end();
	return any;
}

/* When the first blob expires; DT_NOEND: there is none. */
static TimestampTz
first_end(void)
{
	static JdgQuery q = {
		"SELECT min(b.expires_at) FROM jadugar_internal.blob b", 0
	};
	TimestampTz first;

	jdg_work_begin();
	jdg_run(&q, NULL, NULL, 1);
	first = jdg_col_time(0, 1, DT_NOEND);
	jdg_work_end();
	return first;
}

TimestampTz
jdg_blob_expire(JdgDb *db, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz now = jdg_now();

	while (delete_batch(now))
	{
		CHECK_FOR_INTERRUPTS();
		if (GetCurrentTimestamp() - began > JDG_OLD_ROWS_TURN_US)
			return DT_NOBEGIN;
	}
	return Max(now + REST, Min(first_end(), now + USECS_PER_HOUR));
}
