/*-------------------------------------------------------------------------
 *
 * taskslot.c
 *	  Reads a row of jadugar_internal.task from a slot, see taskslot.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/builtins.h"

#include "task/taskslot.h"

static Datum
attr(TupleTableSlot *s, int no, bool *isnull)
{
	*isnull = s->tts_isnull[no - 1];
	return s->tts_values[no - 1];
}

char *
jdg_task_slot_text(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}

static Jsonb *
jsonb_attr(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(d);
}

static TimestampTz
time_attr(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(d);
}

/* The size of the payload in memory; nothing is detoasted. */
Size
jdg_task_payload_size(TupleTableSlot *s)
{
	bool		isnull;
	Datum		d = attr(s, JDG_A_PAYLOAD, &isnull);

	return isnull ? 0 : toast_raw_datum_size(d);
}

/* the fixed-width columns for the join check; nothing is detoasted */
void
jdg_task_head_from_slot(TupleTableSlot *s, JdgTask *t)
{
	bool		isnull;
	Datum		d;

	slot_getallattrs(s);
	memset(t, 0, sizeof(*t));
	t->task_id = DatumGetInt64(attr(s, JDG_A_TASK_ID, &isnull));
	t->owner = DatumGetObjectId(attr(s, JDG_A_OWNER, &isnull));
	t->queue_id = DatumGetInt32(attr(s, JDG_A_QUEUE_ID, &isnull));
	t->priority = DatumGetInt32(attr(s, JDG_A_PRIORITY, &isnull));
	t->state = DatumGetChar(attr(s, JDG_A_STATE, &isnull));
	t->transaction = DatumGetChar(attr(s, JDG_A_TRANSACTION, &isnull));
	t->isolate = DatumGetBool(attr(s, JDG_A_ISOLATE, &isnull));
	t->bounded = DatumGetBool(attr(s, JDG_A_BOUNDED, &isnull));
	t->attempt = DatumGetInt32(attr(s, JDG_A_ATTEMPT, &isnull));
	t->max_attempts = DatumGetInt32(attr(s, JDG_A_MAX_ATTEMPTS, &isnull));
	t->crashes = DatumGetInt32(attr(s, JDG_A_CRASHES, &isnull));
	t->lane = DatumGetInt32(attr(s, JDG_A_LANE, &isnull));
	t->command_id = DatumGetInt64(attr(s, JDG_A_COMMAND_ID, &isnull));
	t->run_at = DatumGetTimestampTz(attr(s, JDG_A_RUN_AT, &isnull));
	t->created_at = DatumGetTimestampTz(attr(s, JDG_A_CREATED_AT, &isnull));
	t->schedule_id = DatumGetInt64(attr(s, JDG_A_SCHEDULE_ID, &isnull));
	if (isnull)
		t->schedule_id = 0;
	t->scheduled_for = time_attr(s, JDG_A_SCHEDULED_FOR);
	t->started_at = time_attr(s, JDG_A_STARTED_AT);
	d = attr(s, JDG_A_FLOW_RUN, &isnull);
	t->flow_run = isnull ? 0 : DatumGetInt64(d);
	d = attr(s, JDG_A_ENDPOINT_ID, &isnull);
	t->endpoint_id = isnull ? 0 : DatumGetInt32(d);
}

/*
 * Reads all columns of the row in the slot into the task; values are copied
 * into mcxt.
 */
void
jdg_task_from_slot(TupleTableSlot *s, JdgTask *t, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		isnull;
	Datum		d;

	jdg_task_head_from_slot(s, t);
	t->payload = jsonb_attr(s, JDG_A_PAYLOAD);
	d = attr(s, JDG_A_TIMEOUT, &isnull);
	if (!isnull)
	{
		t->timeout = palloc(sizeof(Interval));
		memcpy(t->timeout, DatumGetIntervalP(d), sizeof(Interval));
	}
	t->retry = jsonb_attr(s, JDG_A_RETRY);
	t->settings = jsonb_attr(s, JDG_A_SETTINGS);
	t->metadata = jsonb_attr(s, JDG_A_METADATA);
	t->unique_key = jdg_task_slot_text(s, JDG_A_UNIQUE_KEY);
	t->concurrency_key = jdg_task_slot_text(s, JDG_A_CONCURRENCY_KEY);
	t->tenant = jdg_task_slot_text(s, JDG_A_TENANT);
	t->trace = jdg_task_slot_text(s, JDG_A_TRACE);
	d = attr(s, JDG_A_ON_DEPENDENCY_FAILURE, &isnull);
	t->on_dependency_failure = isnull ? JDG_FAILURE_NONE : DatumGetChar(d);
	d = attr(s, JDG_A_STEP_ID, &isnull);
	t->step_id = isnull ? 0 : DatumGetInt64(d);
	t->step = jdg_task_slot_text(s, JDG_A_STEP);
	d = attr(s, JDG_A_FLOW_DATA, &isnull);
	t->flow_data = jdg_flow_data_in(isnull ? '\0' : DatumGetChar(d));
	t->key_place = DatumGetBool(attr(s, JDG_A_KEY_PLACE, &isnull));
	d = attr(s, JDG_A_EXPECT_ROWS, &isnull);
	t->expect_rows = jdg_expect_rows_in(isnull ? '\0' : DatumGetChar(d));
	t->schedule = jdg_task_slot_text(s, JDG_A_SCHEDULE);
	t->event = jsonb_attr(s, JDG_A_EVENT);
	t->fallback = jsonb_attr(s, JDG_A_FALLBACK);
	t->host = jdg_task_slot_text(s, JDG_A_HOST);
	t->tid = s->tts_tid;
	MemoryContextSwitchTo(old);
}
