/*-------------------------------------------------------------------------
 *
 * run_row.c
 *	  Rows of jadugar_internal.flow_run, see run_row.h.
 *
 * Runs in sessions that start flows, in workers and in the scheduler.  A process
 * that changes a run has its lock: flow/README.md.  Straight on heap and index,
 * as step_row.c: every step reads its run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/columns.h"
#include "base/errors.h"
#include "base/compat.h"
#include "base/rows.h"
#include "base/spi.h"
#include "flow/run/run_row.h"

/* columns, in the order of sql/flow.sql */
enum
{
	R_RUN_ID, R_OWNER, R_VERSION_ID, R_STATUS, R_ENDING, R_COMPENSATE,
	R_PIVOTED, R_LIVE, R_NEXT_ID, R_LAST_DONE, R_NOT_UNDONE, R_DEPTH,
	R_PARENT_RUN, R_PARENT_STEP, R_SCHEDULE_ID, R_SCHEDULED_FOR, R_TIMEOUT,
	R_PAUSED_AT, R_CREATED_AT, R_STARTED_AT, R_FINISHED_AT, R_INPUT, R_RESULT,
	R_ERROR, R_REASON, R_IDEMPOTENCY_KEY, R_TENANT, R_TRACE, R_METADATA,
	R_SCHEDULE_LIVE, R_TASK_ID, R_DONE_COUNT, R_PAUSED_BY, R_ENDED_BY,
	R_TIMEZONE, R_SCHEDULE, R_QUIET, R_COLUMNS
};

struct JdgFlowRunReader
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

int64
jdg_flow_run_next_id(void)
{
	return nextval_internal(jdg_relation_oid("flow_run_id_seq"), false);
}

static const char status_letters[] = {
	[JDG_FLOW_STATUS_NONE] = '\0',
	[JDG_FLOW_STATUS_RUNNING] = 'r',
	[JDG_FLOW_STATUS_ENDING] = 'e',
	[JDG_FLOW_STATUS_COMPENSATING] = 'k',
	[JDG_FLOW_STATUS_COMPLETED] = 'c',
	[JDG_FLOW_STATUS_FAILED] = 'f',
	[JDG_FLOW_STATUS_CANCELLED] = 'x',
	[JDG_FLOW_STATUS_TIMED_OUT] = 't',
	[JDG_FLOW_STATUS_COMPENSATED] = 'u',
	[JDG_FLOW_STATUS_COMPENSATION_FAILED] = 'p'
};

char
jdg_flow_status_out(JdgFlowStatus status)
{
	return status_letters[status];
}

JdgFlowStatus
jdg_flow_status_in(char letter)
{
	return jdg_letter_in(status_letters, lengthof(status_letters), letter,
						 "status of a flow run");
}

bool
jdg_flow_run_is_over(JdgFlowStatus status)
{
	return status != JDG_FLOW_STATUS_RUNNING && status != JDG_FLOW_STATUS_ENDING &&
		status != JDG_FLOW_STATUS_COMPENSATING;
}

/* --------------------------------------------------------------- reading */

JdgFlowRunReader *
jdg_flow_run_reader(void)
{
	JdgFlowRunReader *r = palloc(sizeof(JdgFlowRunReader));

	r->heap = table_open(jdg_relation_oid("flow_run"), AccessShareLock);
	r->index = index_open(jdg_relation_oid("flow_run_pkey"), AccessShareLock);
	r->slot = table_slot_create(r->heap, NULL);
	r->scan = jdg_index_beginscan(r->heap, r->index, GetActiveSnapshot(), 1);
	return r;
}

void
jdg_flow_run_reader_end(JdgFlowRunReader *r)
{
	index_endscan(r->scan);
	ExecDropSingleTupleTableSlot(r->slot);
	index_close(r->index, NoLock);
	table_close(r->heap, NoLock);
	pfree(r);
}

static char
get_char(const TupleTableSlot *s, int column)
{
	return s->tts_isnull[column] ? '\0' :
		DatumGetChar(s->tts_values[column]);
}

static Interval *
get_interval(const TupleTableSlot *s, int column)
{
	Interval   *copy;

	if (s->tts_isnull[column])
		return NULL;
	copy = palloc(sizeof(Interval));
	*copy = *DatumGetIntervalP(s->tts_values[column]);
	return copy;
}

/* Read all columns. */
static void
from_slot(TupleTableSlot *s, JdgFlowRun *r)
{
	slot_getallattrs(s);
	r->run_id = jdg_get_int64(s, R_RUN_ID, 0);
	r->owner = DatumGetObjectId(s->tts_values[R_OWNER]);
	r->version_id = jdg_get_int64(s, R_VERSION_ID, 0);
	r->status = jdg_flow_status_in(get_char(s, R_STATUS));
	r->ending = jdg_flow_status_in(get_char(s, R_ENDING));
	r->compensate = DatumGetBool(s->tts_values[R_COMPENSATE]);
	r->pivoted = DatumGetBool(s->tts_values[R_PIVOTED]);
	r->live = DatumGetInt32(s->tts_values[R_LIVE]);
	r->next_id = jdg_get_int64(s, R_NEXT_ID, 0);
	r->last_done = jdg_get_int64(s, R_LAST_DONE, -1);
	r->done_count = jdg_get_int64(s, R_DONE_COUNT, 0);
	r->not_undone = DatumGetInt32(s->tts_values[R_NOT_UNDONE]);
	r->depth = DatumGetInt32(s->tts_values[R_DEPTH]);
	r->parent_run = jdg_get_int64(s, R_PARENT_RUN, 0);
	r->parent_step = jdg_get_int64(s, R_PARENT_STEP, 0);
	r->schedule_id = jdg_get_int64(s, R_SCHEDULE_ID, 0);
	r->schedule = jdg_get_text(s, R_SCHEDULE);
	r->scheduled_for = jdg_get_time(s, R_SCHEDULED_FOR);
	r->task_id = jdg_get_int64(s, R_TASK_ID, 0);
	r->timeout = get_interval(s, R_TIMEOUT);
	r->paused_at = jdg_get_time(s, R_PAUSED_AT);
	r->paused_by = jdg_get_text(s, R_PAUSED_BY);
	r->ended_by = jdg_get_text(s, R_ENDED_BY);
	r->created_at = jdg_get_time(s, R_CREATED_AT);
	r->started_at = jdg_get_time(s, R_STARTED_AT);
	r->finished_at = jdg_get_time(s, R_FINISHED_AT);
	r->input = jdg_get_jsonb(s, R_INPUT);
	r->result = jdg_get_jsonb(s, R_RESULT);
	r->error = jdg_get_jsonb(s, R_ERROR);
	r->reason = jdg_get_text(s, R_REASON);
	r->idempotency_key = jdg_get_text(s, R_IDEMPOTENCY_KEY);
	r->tenant = jdg_get_text(s, R_TENANT);
	r->trace = jdg_get_text(s, R_TRACE);
	r->metadata = jdg_get_jsonb(s, R_METADATA);
	r->timezone = jdg_get_text(s, R_TIMEZONE);
	r->quiet = DatumGetBool(s->tts_values[R_QUIET]);
	r->tid = s->tts_tid;
}

bool
jdg_flow_run_read(JdgFlowRunReader *reader, int64 run_id, JdgFlowRun *r)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	index_rescan(reader->scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(reader->scan, ForwardScanDirection, reader->slot))
		return false;
	from_slot(reader->slot, r);
	ExecClearTuple(reader->slot);
	return true;
}

bool
jdg_flow_run_load(int64 run_id, JdgFlowRun *r)
{
	JdgFlowRunReader *reader;
	bool		found;

	/* see the changes of this statement */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = jdg_flow_run_reader();
	found = jdg_flow_run_read(reader, run_id, r);
	jdg_flow_run_reader_end(reader);
	PopActiveSnapshot();
	return found;
}

/* --------------------------------------------------------------- writing */

/* Columns that change in the life of a run. */
static void
set_changing(const JdgFlowRun *r, Datum *v, bool *n)
{
	v[R_STATUS] = CharGetDatum(jdg_flow_status_out(r->status));
	v[R_ENDING] = CharGetDatum(jdg_flow_status_out(r->ending));
	n[R_ENDING] = r->ending == JDG_FLOW_STATUS_NONE;
	v[R_COMPENSATE] = BoolGetDatum(r->compensate);
	v[R_PIVOTED] = BoolGetDatum(r->pivoted);
	v[R_LIVE] = Int32GetDatum(r->live);
	v[R_NEXT_ID] = Int64GetDatum(r->next_id);
	jdg_set_int64(v, n, R_LAST_DONE, r->last_done, -1);
	v[R_DONE_COUNT] = Int64GetDatum(r->done_count);
	v[R_NOT_UNDONE] = Int32GetDatum(r->not_undone);
	jdg_set_time(v, n, R_PAUSED_AT, r->paused_at);
	jdg_set_text(v, n, R_PAUSED_BY, r->paused_by);
	jdg_set_text(v, n, R_ENDED_BY, r->ended_by);
	jdg_set_time(v, n, R_STARTED_AT, r->started_at);
	jdg_set_time(v, n, R_FINISHED_AT, r->finished_at);
	jdg_set_pointer(v, n, R_RESULT, r->result);
	jdg_set_pointer(v, n, R_ERROR, r->error);
	jdg_set_text(v, n, R_REASON, r->reason);
	jdg_set_int64(v, n, R_SCHEDULE_LIVE, r->finished_at == DT_NOBEGIN &&
				  r->parent_run == 0 ? r->schedule_id : 0, 0);
}

/* Set all columns. */
static void
set_all(const JdgFlowRun *r, Datum *v, bool *n)
{
	memset(n, 0, sizeof(bool) * R_COLUMNS);
	set_changing(r, v, n);
	v[R_RUN_ID] = Int64GetDatum(r->run_id);
	v[R_OWNER] = ObjectIdGetDatum(r->owner);
	v[R_VERSION_ID] = Int64GetDatum(r->version_id);
	v[R_DEPTH] = Int32GetDatum(r->depth);
	jdg_set_int64(v, n, R_PARENT_RUN, r->parent_run, 0);
	v[R_PARENT_STEP] = Int64GetDatum(r->parent_step);
	n[R_PARENT_STEP] = r->parent_run == 0;
	jdg_set_int64(v, n, R_SCHEDULE_ID, r->schedule_id, 0);
	jdg_set_text(v, n, R_SCHEDULE, r->schedule);
	jdg_set_time(v, n, R_SCHEDULED_FOR, r->scheduled_for);
	jdg_set_int64(v, n, R_TASK_ID, r->task_id, 0);
	jdg_set_pointer(v, n, R_TIMEOUT, r->timeout);
	jdg_set_time(v, n, R_CREATED_AT, r->created_at);
	jdg_set_pointer(v, n, R_INPUT, r->input);
	jdg_set_text(v, n, R_IDEMPOTENCY_KEY, r->idempotency_key);
	jdg_set_text(v, n, R_TENANT, r->tenant);
	jdg_set_text(v, n, R_TRACE, r->trace);
	jdg_set_pointer(v, n, R_METADATA, r->metadata);
	jdg_set_text(v, n, R_TIMEZONE, r->timezone);
	v[R_QUIET] = BoolGetDatum(r->quiet);
}

bool
jdg_flow_run_insert_once(JdgFlowRun *r)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.flow_run (run_id, owner, version_id, "
		"status, "
		"ending, compensate, pivoted, live, next_id, last_done, not_undone, "
		"depth, parent_run, parent_step, schedule_id, scheduled_for, timeout, "
		"paused_at, created_at, started_at, finished_at, input, result, "
		"error, reason, idempotency_key, tenant, trace, metadata, "
		"schedule_live, task_id, done_count, paused_by, ended_by, timezone, "
		"schedule, quiet) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
		"$14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, "
		"$27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37) ON CONFLICT (owner, idempotency_key) "
		"WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING ctid",
		R_COLUMNS,
		{INT8OID, OIDOID, INT8OID, CHAROID, CHAROID, BOOLOID, BOOLOID,
			INT4OID, INT8OID, INT8OID, INT4OID, INT4OID, INT8OID, INT8OID,
			INT8OID, TIMESTAMPTZOID, INTERVALOID, TIMESTAMPTZOID,
			TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID,
			JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
			JSONBOID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, BOOLOID}
	};
	Datum		v[R_COLUMNS];
	bool		isnull[R_COLUMNS];
	char		n[R_COLUMNS];

	Assert(jdg_is_bookkeeping());
	set_all(r, v, isnull);
	for (int i = 0; i < R_COLUMNS; i++)
		n[i] = isnull[i] ? 'n' : ' ';
	if (jdg_run(&q, v, n, 0) != 1)
		return false;
	r->tid = *(ItemPointer) DatumGetPointer(jdg_col(0, 1, isnull));
	return true;
}

/* Keep the columns that never change: large values are not copied. */
static void
update(JdgRows *rows, Relation rel, TupleTableSlot *slot, JdgFlowRun *r)
{
	Datum		v[R_COLUMNS];
	bool		n[R_COLUMNS];

	if (!table_tuple_fetch_row_version(rel, &r->tid, SnapshotAny, slot))
		elog(ERROR, "flow run %lld was not there any more",
			 (long long) r->run_id);
	slot_getallattrs(slot);
	memcpy(v, slot->tts_values, sizeof(v));
	memcpy(n, slot->tts_isnull, sizeof(n));
	set_changing(r, v, n);
	jdg_rows_update(rows, &r->tid, v, n);
	ExecClearTuple(slot);
}

void
jdg_flow_run_write(JdgFlowRun **runs, int n)
{
	JdgRows    *rows;
	Relation	rel;
	TupleTableSlot *slot = NULL;
	Datum		v[R_COLUMNS];
	bool		isnull[R_COLUMNS];

	if (n == 0)
		return;
	rel = table_open(jdg_relation_oid("flow_run"), RowExclusiveLock);
	rows = jdg_rows_open(RelationGetRelid(rel), R_COLUMNS);
	for (int i = 0; i < n; i++)
	{
		if (!ItemPointerIsValid(&runs[i]->tid))
			continue;
		if (slot == NULL)
			slot = table_slot_create(rel, NULL);
		update(rows, rel, slot, runs[i]);
	}
	for (int i = 0; i < n; i++)
	{
		if (ItemPointerIsValid(&runs[i]->tid))
			continue;
		set_all(runs[i], v, isnull);
		jdg_rows_put(rows, v, isnull);
	}
	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
	jdg_rows_close(rows);
	table_close(rel, NoLock);
}

void
jdg_flow_run_not_found(int64 run_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("flow run %lld does not exist", (long long) run_id),
			 errdetail("No run with this ID that you may see is unfinished or kept."),
			 errhint("Check the ID. jadugar.history_retention limits how long finished runs are kept.")));
	pg_unreachable();
}
