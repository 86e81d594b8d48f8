/*-------------------------------------------------------------------------
 *
 * stats_funcs.c
 *	  Counters and health of this database, from shared memory, as rows.
 *
 * Runs in any backend.  Counters are atomics and are read one by one; the
 * entry of the database is read under JdgSharedLock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/gateview.h"
#include "shared/lane.h"
#include "shared/launcher_state.h"
#include "shared/sender.h"
#include "shared/shmem.h"
#include "shared/slot.h"

PG_FUNCTION_INFO_V1(jdg_v_stats);
PG_FUNCTION_INFO_V1(jdg_v_health);
PG_FUNCTION_INFO_V1(jdg_v_shares);

static void
read_histogram(pg_atomic_uint64 *hist, uint64 *counts)
{
	for (int i = 0; i < JDG_BUCKETS; i++)
		counts[i] = pg_atomic_read_u64(&hist[i]);
}

/* The counts as a bigint[]. */
static Datum
histogram_array(const uint64 *counts)
{
	Datum		elems[JDG_BUCKETS];

	for (int i = 0; i < JDG_BUCKETS; i++)
		elems[i] = Int64GetDatum((int64) counts[i]);
	return PointerGetDatum(construct_array(elems, JDG_BUCKETS, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/*
 * The duration that a share q of the counted durations did not exceed, as an
 * interval.  It is interpolated within its bucket; bucket i ends at 2^i
 * microseconds.  Null if nothing was counted.
 */
static Datum
quantile(const uint64 *counts, double q, bool *isnull)
{
	double		total = 0;
	double		below = 0;
	double		microseconds = 0;
	Interval   *result;

	for (int i = 0; i < JDG_BUCKETS; i++)
		total += (double) counts[i];
	*isnull = total == 0;
	if (*isnull)
		return (Datum) 0;
	for (int i = 0; i < JDG_BUCKETS; i++)
	{
		double		low = i == 0 ? 0 : (double) (UINT64CONST(1) << (i - 1));
		double		high = (double) (UINT64CONST(1) << i);
		double		in = (double) counts[i];

		if (in > 0 && below + in >= q * total)
		{
			microseconds = low + (high - low) * (q * total - below) / in;
			break;
		}
		below += in;
	}
	result = palloc0(sizeof(Interval));
	result->time = (int64) microseconds;
	return IntervalPGetDatum(result);
}

/*
 * _v_stats(): one row; none if the database has no entry, or if the caller has
 * no access or is confined
 */
Datum
jdg_v_stats(PG_FUNCTION_ARGS)
{
	static const double q[3] = {0.5, 0.95, 0.99};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	JdgDb	   *db = NULL;
	JdgCounters *s;
	uint64		wait[JDG_BUCKETS];
	uint64		run[JDG_BUCKETS];
	Datum		values[18];
	bool		nulls[18] = {false};
	int			i = 0;

	jdg_init_materialized_srf(fcinfo, 0);
	if (JdgSharedLock != NULL && jdg_has_access(GetUserId()) &&
		jdg_confined(GetUserId()) == NULL)
		db = jdg_db_lookup(MyDatabaseId, false);
	if (db == NULL)
		return (Datum) 0;
	s = &db->counters;
	read_histogram(s->wait_hist, wait);
	read_histogram(s->run_hist, run);
	values[i++] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&s->reset_at));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->enqueued));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->fired));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->completed));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->failed));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->retried));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->cancelled));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->lost));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->skipped));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&s->groups));
	for (int k = 0; k < 3; k++, i++)
		values[i] = quantile(wait, q[k], &nulls[i]);
	for (int k = 0; k < 3; k++, i++)
		values[i] = quantile(run, q[k], &nulls[i]);
	values[i++] = histogram_array(wait);
	values[i++] = histogram_array(run);
	Assert(i == lengthof(values));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/* reset_stats() */
JDG_FUNCTION(jdg_reset_stats, JDG_LEVEL_OPERATOR)
{
	JdgDb	   *db;

	jdg_require_shmem();
	jdg_audit("reset_stats", "database", NULL, InvalidOid);
	db = jdg_db_lookup(MyDatabaseId, false);
	if (db != NULL)
		jdg_counters_reset(&db->counters);
	PG_RETURN_VOID();
}

/* Number of slots in use, by all databases together. */
static int
slots_used(void)
{
	int			n = 0;

	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		n += slot->state != JDG_SLOT_FREE;
		SpinLockRelease(&slot->mutex);
	}
	return n;
}

static void
put_pid(Datum *value, bool *isnull, pid_t pid)
{
	*isnull = pid == 0;
	*value = Int32GetDatum((int32) pid);
}

/*
 * _v_health(): always one row.  A caller without access sees no processes of
 * jadugar and no failures.
 */
Datum
jdg_v_health(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	static const char *const lacks[] = {
		[JDG_HTTP_LACKS_SLOT] = "slot",
		[JDG_HTTP_LACKS_PLACE] = "place",
		[JDG_HTTP_LACKS_START] = "start",
	};
	Datum		values[11] = {0};
	bool		nulls[11] = {false};
	JdgHttpLacks http = JDG_HTTP_LACKS_NOTHING;
	pid_t		launcher = 0;
	pid_t		scheduler = 0;
	pid_t		evictor = 0;
	bool		evicted = false;
	int			failures = 0;
	bool		wanted = false;
	bool		place = true;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (JdgSharedLock != NULL && jdg_has_access(GetUserId()))
	{
		JdgDb	   *db = jdg_db_lookup(MyDatabaseId, false);

		launcher = jdg_launcher_pid();
		place = db != NULL;
		if (db != NULL)
		{
			LWLockAcquire(JdgSharedLock, LW_SHARED);
			if (db->state == JDG_DB_ACTIVE)
				scheduler = db->scheduler_pid;
			failures = db->failures;
			evicted = jdg_db_is_evicted(db);
			evictor = db->evicted_by;
			LWLockRelease(JdgSharedLock);
			wanted = pg_atomic_read_u32(&db->slot_wanted) >= JDG_SLOT_WANTED_PROMISED;
			if (!jdg_http_runs(MyDatabaseId))
				http = pg_atomic_read_u32(&db->http_lacks);
		}
	}
	values[0] = BoolGetDatum(JdgSharedLock != NULL);
	values[1] = BoolGetDatum(jdg_enabled);
	put_pid(&values[2], &nulls[2], launcher);
	put_pid(&values[3], &nulls[3], scheduler);
	values[4] = Int32GetDatum(failures);
	values[5] = Int32GetDatum((int32) evictor);
	nulls[5] = !evicted;
	values[6] = Int32GetDatum(JdgSharedLock != NULL ? jdg_max_workers : 0);
	values[7] = Int32GetDatum(JdgSharedLock != NULL ? slots_used() : 0);
	values[8] = BoolGetDatum(wanted);
	values[9] = BoolGetDatum(place);
	nulls[10] = http == JDG_HTTP_LACKS_NOTHING;
	if (!nulls[10])
		values[10] = CStringGetTextDatum(lacks[http]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

static bool
may_see(Oid role)
{
	return OidIsValid(role) &&
		(jdg_is_monitor(GetUserId()) || jdg_owns(GetUserId(), role));
}

/* Adds a row: what, size, used, most, used_by_most, lacking, used_by_lacking. */
static void
put_share(ReturnSetInfo *rsinfo, const char *what, const JdgShareState *s,
		  Oid lacking, int32 lacking_held)
{
	Datum		values[7];
	bool		nulls[7] = {false};

	nulls[3] = nulls[4] = !may_see(s->most);
	nulls[5] = nulls[6] = !may_see(lacking);
	values[0] = CStringGetTextDatum(what);
	values[1] = Int32GetDatum(s->size);
	values[2] = Int32GetDatum(s->held);
	values[3] = ObjectIdGetDatum(s->most);
	values[4] = Int32GetDatum(s->held_by_most);
	values[5] = ObjectIdGetDatum(lacking);
	values[6] = Int32GetDatum(lacking_held);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * _v_shares(): a row for gates and one for lanes; none if the caller has no
 * access or is confined.  Roles are null if the caller may not see their tasks.
 */
Datum
jdg_v_shares(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	JdgShareState state;
	Oid			lacking;
	int32		held;

	jdg_init_materialized_srf(fcinfo, 0);
	if (JdgGatesLock == NULL || !jdg_has_access(GetUserId()) ||
		jdg_confined(GetUserId()) != NULL)
		return (Datum) 0;
	jdg_gates_state(jdg_now(), &state, &lacking, &held);
	put_share(rsinfo, "gates", &state, lacking, held);
	jdg_lanes_state(MyDatabaseId, &state, &lacking, &held);
	put_share(rsinfo, "lanes", &state, lacking, held);
	return (Datum) 0;
}
