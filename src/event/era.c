/*-------------------------------------------------------------------------
 *
 * era.c
 *	  Eras of the event log, see era.h.
 *
 * Runs in workers, in the scheduler, in processes that make or move cursors or
 * begin waits, and in the backend that calls adopt().  A process keeps the eras until the configuration
 * changes.  The first era has no row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/objects.h"
#include "base/spi.h"
#include "event/era.h"
#include "event/event.h"
#include "event/leaf.h"

#define FIRST_ERA 1

/* a row of event_era */
typedef struct EraRow
{
	int32		era;
	int64		first;
} EraRow;

static EraRow *rows = NULL;		/* in TopMemoryContext, in order */
static int	nrows = 0;
static uint64 rows_epoch = 0;

static void
read_rows(void)
{
	static JdgQuery q = {
		"SELECT era, first_id FROM jadugar_internal.event_era ORDER BY era",
		0, {0}
	};
	uint64		epoch = jdg_config_epoch_latest();
	JdgInternal in;
	int64		n;

	if (epoch != 0 && epoch == rows_epoch)
		return;
	rows_epoch = 0;
	jdg_internal_begin(&in);
	n = jdg_run_latest(&q, NULL, NULL);
	if (rows != NULL)
		pfree(rows);
	nrows = 0;
	rows = MemoryContextAlloc(TopMemoryContext, sizeof(EraRow) * Max(n, 1));
	for (nrows = 0; nrows < n; nrows++)
	{
		rows[nrows].era = jdg_col_int32(nrows, 1, 0);
		rows[nrows].first = jdg_col_int64(nrows, 2, 0);
	}
	jdg_internal_end(&in);
	rows_epoch = epoch;
}

int32
jdg_era_now(void)
{
	read_rows();
	return nrows > 0 ? rows[nrows - 1].era : FIRST_ERA;
}

JdgEra
jdg_era_get(int32 era)
{
	JdgEra		result = {0, PG_INT64_MAX};

	read_rows();
	for (int i = 0; i < nrows; i++)
	{
		if (rows[i].era == era)
			result.first = rows[i].first;
		else if (rows[i].era == era + 1)
			result.end = rows[i].first;
	}
	return result;
}

int32
jdg_era_of(int64 event_id)
{
	read_rows();
	for (int i = nrows; i > 0; i--)
	{
		if (event_id >= rows[i - 1].first)
			return rows[i - 1].era;
	}
	return FIRST_ERA;
}

/*
 * Waits for publishers, and keeps others away until the transaction ends.  A
 * publisher takes ids while it holds its leaf (publish.c), and who makes a leaf
 * holds its parent until it commits.
 */
static void
lock_log(void)
{
	static JdgQuery q = {
		"SELECT leaf FROM jadugar_internal.event_leaf "
		"WHERE sealed_at IS NULL AND NOT dropping ORDER BY leaf", 0, {0}
	};
	int64		n;

	LockRelationOid(jdg_relation_oid("event"), ShareLock);
	n = jdg_run_latest(&q, NULL, NULL);
	for (int64 i = 0; i < n; i++)
	{
		Oid			relid = jdg_leaf_relation(jdg_col_int32(i, 1, 0));

		if (OidIsValid(relid))
			LockRelationOid(relid, ShareLock);
	}
}

void
jdg_era_begin(void)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.event_era (era, first_id, at) "
		"VALUES ($1, $2, $3)", 3, {INT4OID, INT8OID, TIMESTAMPTZOID},
		.config = true
	};
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.event_era WHERE era < least($1, "
		"(SELECT min(era) FROM jadugar_internal.event_cursor "
		"WHERE NOT done))", 1, {INT4OID}
	};
	int32		era = jdg_era_now() + 1;
	Datum		v[3];

	Assert(jdg_is_bookkeeping());
	lock_log();
	v[0] = Int32GetDatum(era);
	v[1] = Int64GetDatum(jdg_event_next_id());
	v[2] = TimestampTzGetDatum(jdg_now());
	jdg_run(&insert, v, NULL, 0);
	jdg_run(&forget, v, NULL, 0);
}
