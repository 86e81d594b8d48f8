/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Rows of jadugar_internal.task: ids, insertion, loading.
 *
 * Runs in any backend and in all our processes.  Rows are inserted directly,
 * and loaded between jdg_internal_begin() and jdg_internal_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/columns.h"
#include "base/json.h"
#include "base/rows.h"
#include "base/spi.h"
#include "shared/happening.h"
#include "shared/lanekey.h"
#include "task/depth.h"
#include "task/happened.h"
#include "task/lanes.h"
#include "task/task.h"
#include "task/tenant_quota.h"

void		(*jdg_task_target_hook) (JdgTask *task) = NULL;

/* The next task id.  Usable outside jdg_internal_begin() too. */
int64
jdg_task_next_id(void)
{
	return nextval_internal(jdg_relation_oid("task_id_seq"), false);
}

static const char data_letters[] = {
	[JDG_DATA_NONE] = '\0',
	[JDG_DATA_RUN] = 'd',
	[JDG_DATA_INPUT] = 'i',
	[JDG_DATA_MAPPED] = 'm',
	[JDG_DATA_UNDO] = 'r',
	[JDG_DATA_UNDO_MAPPED] = 's',
	[JDG_DATA_UNDO_GIVEN] = 'g'
};

char
jdg_flow_data_out(JdgFlowData data)
{
	return data_letters[data];
}

JdgFlowData
jdg_flow_data_in(char letter)
{
	return jdg_letter_in(data_letters, lengthof(data_letters), letter,
						 "data of a step's task");
}

struct JdgTaskWriter
{
	JdgRows    *rows;
};

JdgTaskWriter *
jdg_task_writer_begin(void)
{
	JdgTaskWriter *w = palloc(sizeof(JdgTaskWriter));

	w->rows = jdg_rows_open(jdg_relation_oid("task"), JDG_A_LAST);
	return w;
}

bool
jdg_task_is_quiet(const JdgTask *t)
{
	return t->event != NULL && jdg_json_get_bool(t->event, JDG_QUIET);
}

Jsonb *
jdg_task_quiet_event(void)
{
	JsonbParseState *st = NULL;

	jdg_json_begin(&st);
	jdg_json_bool(&st, JDG_QUIET, true);
	return jdg_json_finish(&st);
}

/*
 * Tells modules that a task is inserted, and that its schedule has fired.  A
 * step of a flow is not told as a task.
 */
static void
tell(const JdgTask *t)
{
	JdgTaskNews news = {.owner = t->owner,.tenant = t->tenant,.task_id = t->task_id,
		.command_id = t->command_id,.queue_id = t->queue_id,
	.schedule_id = t->schedule_id,.schedule = t->schedule};
	bool		fired = t->schedule_id != 0 && t->schedule != NULL;

	if (t->flow_run != 0 || jdg_task_is_quiet(t))
		return;
	news.kind = JDG_TASK_ENQUEUED;
	if (jdg_happens(JDG_TASK_ENQUEUED))
		jdg_task_happened(&news);
	news.kind = JDG_SCHEDULE_FIRED;
	if (fired && jdg_happens(JDG_SCHEDULE_FIRED))
		jdg_task_happened(&news);
}

void
jdg_task_writer_put(JdgTaskWriter *w, JdgTask *t)
{
	Datum		v[JDG_A_LAST];
	bool		isnull[JDG_A_LAST] = {0};

	if (t->transaction == JDG_XACT_HTTP)
		jdg_task_target_hook(t);
	t->lane = jdg_task_lane(t);
	v[JDG_A_TASK_ID - 1] = Int64GetDatum(t->task_id);
	v[JDG_A_OWNER - 1] = ObjectIdGetDatum(t->owner);
	v[JDG_A_QUEUE_ID - 1] = Int32GetDatum(t->queue_id);
	v[JDG_A_PRIORITY - 1] = Int32GetDatum(t->priority);
	v[JDG_A_STATE - 1] = CharGetDatum(t->state);
	v[JDG_A_TRANSACTION - 1] = CharGetDatum(t->transaction);
	v[JDG_A_ISOLATE - 1] = BoolGetDatum(t->isolate);
	v[JDG_A_BOUNDED - 1] = BoolGetDatum(t->bounded);
	v[JDG_A_ATTEMPT - 1] = Int32GetDatum(t->attempt);
	v[JDG_A_MAX_ATTEMPTS - 1] = Int32GetDatum(t->max_attempts);
	v[JDG_A_CRASHES - 1] = Int32GetDatum(t->crashes);
	v[JDG_A_COMMAND_ID - 1] = Int64GetDatum(t->command_id);
	v[JDG_A_RUN_AT - 1] = TimestampTzGetDatum(t->run_at);
	v[JDG_A_CREATED_AT - 1] = TimestampTzGetDatum(t->created_at);
	jdg_set_pointer(v, isnull, JDG_A_PAYLOAD - 1, t->payload);
	jdg_set_int64(v, isnull, JDG_A_SCHEDULE_ID - 1, t->schedule_id, 0);
	jdg_set_time(v, isnull, JDG_A_SCHEDULED_FOR - 1, t->scheduled_for);
	jdg_set_time(v, isnull, JDG_A_STARTED_AT - 1, t->started_at);
	jdg_set_pointer(v, isnull, JDG_A_TIMEOUT - 1, t->timeout);
	jdg_set_pointer(v, isnull, JDG_A_RETRY - 1, t->retry);
	jdg_set_pointer(v, isnull, JDG_A_SETTINGS - 1, t->settings);
	jdg_set_pointer(v, isnull, JDG_A_METADATA - 1, t->metadata);
	jdg_set_text(v, isnull, JDG_A_UNIQUE_KEY - 1, t->unique_key);
	jdg_set_text(v, isnull, JDG_A_CONCURRENCY_KEY - 1, t->concurrency_key);
	jdg_set_text(v, isnull, JDG_A_TENANT - 1, t->tenant);
	jdg_set_text(v, isnull, JDG_A_TRACE - 1, t->trace);
	v[JDG_A_ON_DEPENDENCY_FAILURE - 1] =
		CharGetDatum(t->on_dependency_failure);
	isnull[JDG_A_ON_DEPENDENCY_FAILURE - 1] =
		t->on_dependency_failure == JDG_FAILURE_NONE;
	v[JDG_A_FLOW_RUN - 1] = Int64GetDatum(t->flow_run);
	v[JDG_A_STEP_ID - 1] = Int64GetDatum(t->step_id);
	isnull[JDG_A_FLOW_RUN - 1] = isnull[JDG_A_STEP_ID - 1] = t->flow_run == 0;
	jdg_set_text(v, isnull, JDG_A_STEP - 1, t->step);
	v[JDG_A_FLOW_DATA - 1] = CharGetDatum(jdg_flow_data_out(t->flow_data));
	isnull[JDG_A_FLOW_DATA - 1] = t->flow_data == JDG_DATA_NONE;
	/* only pause_task() sets it, on a row that exists */
	isnull[JDG_A_PAUSED_BY - 1] = true;
	v[JDG_A_KEY_PLACE - 1] = BoolGetDatum(t->key_place);
	v[JDG_A_EXPECT_ROWS - 1] =
		CharGetDatum(jdg_expect_rows_out(t->expect_rows));
	isnull[JDG_A_EXPECT_ROWS - 1] = t->expect_rows == JDG_ROWS_ANY;
	jdg_set_text(v, isnull, JDG_A_SCHEDULE - 1, t->schedule);
	jdg_set_pointer(v, isnull, JDG_A_EVENT - 1, t->event ? t->event :
					jdg_quiet ? jdg_task_quiet_event() : NULL);
	jdg_set_pointer(v, isnull, JDG_A_FALLBACK - 1, t->fallback);
	v[JDG_A_LANE - 1] = Int32GetDatum(t->lane);
	v[JDG_A_ENDPOINT_ID - 1] = Int32GetDatum(t->endpoint_id);
	isnull[JDG_A_ENDPOINT_ID - 1] = t->endpoint_id == 0;
	jdg_set_text(v, isnull, JDG_A_HOST - 1, t->host);
	jdg_rows_put(w->rows, v, isnull);
	if (t->bounded)
		jdg_depth_inserted(t->queue_id, 1);
	jdg_tenant_quota_count(t->tenant, 1);
	if (jdg_happens(JDG_TASK_ENQUEUED) || jdg_happens(JDG_SCHEDULE_FIRED))
		tell(t);
}

void
jdg_task_writer_end(JdgTaskWriter *w)
{
	jdg_rows_close(w->rows);
	pfree(w);
}

void
jdg_task_insert(JdgTask *t)
{
	JdgTaskWriter *w = jdg_task_writer_begin();

	jdg_task_writer_put(w, t);
	jdg_task_writer_end(w);
}

/* A row of SPI_tuptable that selected JDG_TASK_COLUMNS, copied to mcxt. */
void
jdg_task_from_row(uint64 row, JdgTask *t, MemoryContext mcxt)
{
	t->task_id = jdg_col_int64(row, 1, 0);
	t->owner = jdg_col_oid(row, 2);
	t->queue_id = jdg_col_int32(row, 3, 0);
	t->priority = jdg_col_int32(row, 4, 0);
	t->state = jdg_col_char(row, 5);
	t->transaction = jdg_col_char(row, 6);
	t->isolate = jdg_col_bool(row, 7);
	t->bounded = jdg_col_bool(row, 8);
	t->attempt = jdg_col_int32(row, 9, 0);
	t->max_attempts = jdg_col_int32(row, 10, 0);
	t->crashes = jdg_col_int32(row, 11, 0);
	t->command_id = jdg_col_int64(row, 12, 0);
	t->run_at = jdg_col_time(row, 13, DT_NOBEGIN);
	t->created_at = jdg_col_time(row, 14, DT_NOBEGIN);
	t->payload = jdg_col_jsonb(row, 15, mcxt);
	t->schedule_id = jdg_col_int64(row, 16, 0);
	t->scheduled_for = jdg_col_time(row, 17, DT_NOBEGIN);
	t->started_at = jdg_col_time(row, 18, DT_NOBEGIN);
	t->timeout = jdg_col_interval(row, 19, mcxt);
	t->retry = jdg_col_jsonb(row, 20, mcxt);
	t->settings = jdg_col_jsonb(row, 21, mcxt);
	t->metadata = jdg_col_jsonb(row, 22, mcxt);
	t->unique_key = jdg_col_text(row, 23, mcxt);
	t->concurrency_key = jdg_col_text(row, 24, mcxt);
	t->tenant = jdg_col_text(row, 25, mcxt);
	t->trace = jdg_col_text(row, 26, mcxt);
	t->on_dependency_failure = jdg_col_char(row, 27);
	t->flow_run = jdg_col_int64(row, 28, 0);
	t->step_id = jdg_col_int64(row, 29, 0);
	t->step = jdg_col_text(row, 30, mcxt);
	t->flow_data = jdg_flow_data_in(jdg_col_char(row, 31));
	t->key_place = jdg_col_bool(row, 32);
	t->expect_rows = jdg_expect_rows_in(jdg_col_char(row, 33));
	t->schedule = jdg_col_text(row, 34, mcxt);
	t->event = jdg_col_jsonb(row, 35, mcxt);
	t->lane = jdg_col_int32(row, 36, 0);
	t->fallback = jdg_col_jsonb(row, 37, mcxt);
	t->endpoint_id = jdg_col_int32(row, 38, 0);
	t->host = jdg_col_text(row, 39, mcxt);
	t->weight = 0;
	t->limits = NULL;
	ItemPointerSetInvalid(&t->tid);
	t->unwritten = false;
}

/* The first n rows, as an array in mcxt. */
JdgTask *
jdg_task_from_rows(int64 n, MemoryContext mcxt)
{
	JdgTask    *tasks = MemoryContextAlloc(mcxt, Max(n, 1) * sizeof(JdgTask));

	for (int64 i = 0; i < n; i++)
		jdg_task_from_row(i, &tasks[i], mcxt);
	return tasks;
}

/*
 * Loads one task by id, its values in mcxt.  "lock": FOR UPDATE SKIP LOCKED.
 * Returns false if there is no such row, or if another transaction has locked
 * it.
 */
bool
jdg_task_load(int64 task_id, bool lock, JdgTask *task, MemoryContext mcxt)
{
	static JdgQuery plain = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE task_id = $1",
		1, {INT8OID}
	};
	static JdgQuery locking = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE task_id = $1 "
		"FOR UPDATE SKIP LOCKED",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(lock ? &locking : &plain, v, NULL, 0) == 0)
		return false;
	jdg_task_from_row(0, task, mcxt);
	return true;
}

int32
jdg_task_lane(const JdgTask *t)
{
	int32		lane = jdg_lane_of(t->owner, t->tenant, t->command_id,
								   t->concurrency_key, t->endpoint_id, t->host);

	/* no column has this */
	return t->endpoint_id != 0 && jdg_lane_fails_when_open(t->lane) ?
		lane | JDG_LANE_FAILS : lane;
}

JdgTaskState
jdg_ready_state(const JdgTask *t)
{
	return JDG_STATE_READY;
}

JdgTaskState
jdg_state_without_dependencies(const JdgTask *t)
{
	if (t->run_at > jdg_now())
		return JDG_STATE_SCHEDULED;
	return t->concurrency_key && !t->key_place ? JDG_STATE_KEY :
		jdg_ready_state(t);
}
