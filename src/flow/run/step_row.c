/*-------------------------------------------------------------------------
 *
 * step_row.c
 *	  Rows of jadugar_internal.flow_step, see step_row.h.
 *
 * Runs in sessions that start flows, in workers and in the scheduler, under
 * the lock of the run, so no other process changes a row between its reading
 * and its writing; workers that only read take no lock.  Straight on heap and
 * index: each step of a flow pays for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/columns.h"
#include "base/compat.h"
#include "base/objects.h"
#include "base/rows.h"
#include "flow/run/step_row.h"

/* columns, in the order of sql/flow.sql */
enum
{
	S_RUN_ID, S_STEP_ID, S_NODE, S_PARENT, S_BASE, S_IDX, S_STATE, S_TASK_ID,
	S_ATTEMPTS, S_DUE, S_EVENT, S_CHILD_RUN, S_TOTAL, S_STARTED, S_ENDED,
	S_SUCCEEDED, S_FAILED, S_WAITING, S_CHILD_BASE, S_PREV_BASE,
	S_CANCELLING, S_PREV_DONE, S_STARTED_AT, S_FINISHED_AT, S_ITEM, S_FOUND,
	S_RESULT,
	S_ERROR, S_REASON, S_DONE_NO, S_WAIT_START, S_WAIT_OWNER, S_COLUMNS
};

struct JdgFlowStepReader
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

static const struct
{
	char		letter;
	const char *word;
}			states[] =

{
	[JDG_STEP_WAITING] = {'w', "waiting"},
	[JDG_STEP_RUNNING] = {'r', "running"},
	[JDG_STEP_COMPLETED] = {'c', "completed"},
	[JDG_STEP_FAILED] = {'f', "failed"},
	[JDG_STEP_SKIPPED] = {'s', "skipped"},
	[JDG_STEP_CANCELLED] = {'x', "cancelled"},
	[JDG_STEP_TIMED_OUT] = {'t', "timed_out"},
	[JDG_STEP_COMPENSATING] = {'k', "compensating"},
	[JDG_STEP_COMPENSATED] = {'u', "compensated"},
	[JDG_STEP_COMPENSATION_FAILED] = {'p', "compensation_failed"}
};

char
jdg_step_state_out(JdgStepState state)
{
	return states[state].letter;
}

JdgStepState
jdg_step_state_in(char letter)
{
	for (int i = 0; i < lengthof(states); i++)
	{
		if (states[i].letter == letter)
			return i;
	}
	elog(ERROR, "unrecognized state of a step: %d", letter);
}

const char *
jdg_step_state_word(JdgStepState state)
{
	return states[state].word;
}

JdgFlowStepReader *
jdg_flow_step_reader(void)
{
	JdgFlowStepReader *r = palloc(sizeof(JdgFlowStepReader));

	r->heap = table_open(jdg_relation_oid("flow_step"), AccessShareLock);
	r->index = index_open(jdg_relation_oid("flow_step_pkey"), AccessShareLock);
	r->slot = table_slot_create(r->heap, NULL);
	r->scan = jdg_index_beginscan(r->heap, r->index, GetActiveSnapshot(), 3);
	return r;
}

void
jdg_flow_step_reader_end(JdgFlowStepReader *r)
{
	index_endscan(r->scan);
	ExecDropSingleTupleTableSlot(r->slot);
	index_close(r->index, NoLock);
	table_close(r->heap, NoLock);
	pfree(r);
}

/* as it is stored, perhaps toasted: most are only written back */
static Jsonb *
get_jsonb(const TupleTableSlot *s, int column)
{
	struct varlena *copy;
	struct varlena *value;

	if (s->tts_isnull[column])
		return NULL;
	value = (struct varlena *) DatumGetPointer(s->tts_values[column]);
	copy = palloc(VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return (Jsonb *) copy;
}

/* Read all columns. */
static void
from_slot(TupleTableSlot *s, JdgFlowStep *step)
{
	slot_getallattrs(s);
	memset(step, 0, sizeof(*step));
	step->run_id = jdg_get_int64(s, S_RUN_ID, 0);
	step->step_id = jdg_get_int64(s, S_STEP_ID, 0);
	step->node = jdg_get_int32(s, S_NODE, 0);
	step->parent = jdg_get_int64(s, S_PARENT, -1);
	step->base = jdg_get_int64(s, S_BASE, 0);
	step->idx = jdg_get_int32(s, S_IDX, -1);
	step->state = jdg_step_state_in(DatumGetChar(s->tts_values[S_STATE]));
	step->task_id = jdg_get_int64(s, S_TASK_ID, 0);
	step->attempts = jdg_get_int32(s, S_ATTEMPTS, 0);
	step->due = jdg_get_time(s, S_DUE);
	step->event = jdg_get_text(s, S_EVENT);
	step->child_run = jdg_get_int64(s, S_CHILD_RUN, 0);
	step->total = jdg_get_int32(s, S_TOTAL, 0);
	step->started = jdg_get_int32(s, S_STARTED, 0);
	step->ended = jdg_get_int32(s, S_ENDED, 0);
	step->succeeded = jdg_get_int32(s, S_SUCCEEDED, 0);
	step->failed = jdg_get_int32(s, S_FAILED, 0);
	step->waiting = jdg_get_int32(s, S_WAITING, 0);
	step->child_base = jdg_get_int64(s, S_CHILD_BASE, -1);
	step->prev_base = jdg_get_int64(s, S_PREV_BASE, -1);
	step->cancelling = DatumGetBool(s->tts_values[S_CANCELLING]);
	step->prev_done = jdg_get_int64(s, S_PREV_DONE, -1);
	step->done_no = jdg_get_int64(s, S_DONE_NO, 0);
	step->wait_start = jdg_get_int64(s, S_WAIT_START, 0);
	step->wait_owner = s->tts_isnull[S_WAIT_OWNER] ? InvalidOid :
		DatumGetObjectId(s->tts_values[S_WAIT_OWNER]);
	step->started_at = jdg_get_time(s, S_STARTED_AT);
	step->finished_at = jdg_get_time(s, S_FINISHED_AT);
	step->item = get_jsonb(s, S_ITEM);
	step->found = get_jsonb(s, S_FOUND);
	step->result = get_jsonb(s, S_RESULT);
	step->error = get_jsonb(s, S_ERROR);
	step->reason = jdg_get_text(s, S_REASON);
	step->tid = s->tts_tid;
	step->stored = true;
}

bool
jdg_flow_step_read(JdgFlowStepReader *r, int64 run_id, int64 step_id,
				   JdgFlowStep *step)
{
	jdg_flow_step_range(r, run_id, step_id, step_id + 1);
	return jdg_flow_step_next(r, step);
}

void
jdg_flow_step_range(JdgFlowStepReader *r, int64 run_id, int64 first,
					int64 end)
{
	ScanKeyData key[3];

	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	ScanKeyInit(&key[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(first));
	ScanKeyInit(&key[2], 2, BTLessStrategyNumber, F_INT8LT,
				Int64GetDatum(end));
	index_rescan(r->scan, key, 3, NULL, 0);
}

bool
jdg_flow_step_next(JdgFlowStepReader *r, JdgFlowStep *step)
{
	if (!index_getnext_slot(r->scan, ForwardScanDirection, r->slot))
		return false;
	from_slot(r->slot, step);
	ExecClearTuple(r->slot);
	return true;
}

/* Set all columns. */
static void
to_values(const JdgFlowStep *s, Datum *v, bool *n)
{
	memset(n, 0, sizeof(bool) * S_COLUMNS);
	v[S_RUN_ID] = Int64GetDatum(s->run_id);
	v[S_STEP_ID] = Int64GetDatum(s->step_id);
	v[S_NODE] = Int32GetDatum(s->node);
	v[S_PARENT] = Int64GetDatum(s->parent);
	v[S_BASE] = Int64GetDatum(s->base);
	v[S_IDX] = Int32GetDatum(s->idx);
	n[S_IDX] = s->idx < 0;
	v[S_STATE] = CharGetDatum(jdg_step_state_out(s->state));
	jdg_set_int64(v, n, S_TASK_ID, s->task_id, 0);
	v[S_ATTEMPTS] = Int32GetDatum(s->attempts);
	jdg_set_time(v, n, S_DUE, s->due);
	jdg_set_text(v, n, S_EVENT, s->event);
	jdg_set_int64(v, n, S_CHILD_RUN, s->child_run, 0);
	v[S_TOTAL] = Int32GetDatum(s->total);
	v[S_STARTED] = Int32GetDatum(s->started);
	v[S_ENDED] = Int32GetDatum(s->ended);
	v[S_SUCCEEDED] = Int32GetDatum(s->succeeded);
	v[S_FAILED] = Int32GetDatum(s->failed);
	v[S_WAITING] = Int32GetDatum(s->waiting);
	jdg_set_int64(v, n, S_CHILD_BASE, s->child_base, -1);
	jdg_set_int64(v, n, S_PREV_BASE, s->prev_base, -1);
	v[S_CANCELLING] = BoolGetDatum(s->cancelling);
	jdg_set_int64(v, n, S_PREV_DONE, s->prev_done, -1);
	jdg_set_int64(v, n, S_DONE_NO, s->done_no, 0);
	jdg_set_int64(v, n, S_WAIT_START, s->wait_start, 0);
	v[S_WAIT_OWNER] = ObjectIdGetDatum(s->wait_owner);
	n[S_WAIT_OWNER] = !OidIsValid(s->wait_owner);
	jdg_set_time(v, n, S_STARTED_AT, s->started_at);
	jdg_set_time(v, n, S_FINISHED_AT, s->finished_at);
	jdg_set_pointer(v, n, S_ITEM, s->item);
	jdg_set_pointer(v, n, S_FOUND, s->found);
	jdg_set_pointer(v, n, S_RESULT, s->result);
	jdg_set_pointer(v, n, S_ERROR, s->error);
	jdg_set_text(v, n, S_REASON, s->reason);
}

void
jdg_flow_step_write(JdgFlowStep **steps, int n)
{
	JdgRows    *rows;
	Datum		v[S_COLUMNS];
	bool		isnull[S_COLUMNS];

	if (n == 0)
		return;
	rows = jdg_rows_open(jdg_relation_oid("flow_step"), S_COLUMNS);
	for (int i = 0; i < n; i++)
	{
		to_values(steps[i], v, isnull);
		if (steps[i]->stored)
			jdg_rows_update(rows, &steps[i]->tid, v, isnull);
	}
	for (int i = 0; i < n; i++)
	{
		if (steps[i]->stored)
			continue;
		to_values(steps[i], v, isnull);
		jdg_rows_put(rows, v, isnull);
	}
	jdg_rows_close(rows);
}
