/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Rows of jadugar.task: ids, insertion, loading.
 *
 * Runs in any backend and in all our processes, always between
 * jdg_internal_begin() and jdg_internal_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/task.h"
#include "commands/sequence.h"
#include "core/spi.h"
#include "utils/builtins.h"

/* The next task id.  Usable outside jdg_internal_begin() too. */
int64
jdg_task_next_id(void)
{
	return nextval_internal(jdg_relation_oid("task_id_seq"), false);
}

/*
 * Insert a task whose fields are all set (task_id by jdg_task_next_id()).
 * Wake-ups are the caller's: jdg_wake_at_commit().
 */
void
jdg_task_insert(const JdgTask *t)
{
	static JdgQuery q = {
		"INSERT INTO jadugar.task (" JDG_TASK_COLUMNS ") VALUES ("
		"$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
		"$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)", 27,
		{INT8OID, OIDOID, INT4OID, INT4OID, CHAROID, CHAROID, BOOLOID, BOOLOID,
			INT4OID, INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
			JSONBOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INTERVALOID,
			JSONBOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		CHAROID}
	};
	Datum		v[27];
	char		n[28];

	memset(n, ' ', sizeof(n));
	v[0] = Int64GetDatum(t->task_id);
	v[1] = ObjectIdGetDatum(t->owner);
	v[2] = Int32GetDatum(t->queue_id);
	v[3] = Int32GetDatum(t->priority);
	v[4] = CharGetDatum(t->state);
	v[5] = CharGetDatum(t->transaction);
	v[6] = BoolGetDatum(t->isolate);
	v[7] = BoolGetDatum(t->bounded);
	v[8] = Int32GetDatum(t->attempt);
	v[9] = Int32GetDatum(t->max_attempts);
	v[10] = Int32GetDatum(t->crashes);
	v[11] = Int64GetDatum(t->command_id);
	v[12] = TimestampTzGetDatum(t->run_at);
	v[13] = TimestampTzGetDatum(t->created_at);
	jdg_put_pointer(&v[14], &n[14], t->payload);
	v[15] = Int64GetDatum(t->schedule_id);
	n[15] = t->schedule_id == 0 ? 'n' : ' ';
	jdg_put_time(&v[16], &n[16], t->scheduled_for);
	jdg_put_time(&v[17], &n[17], t->started_at);
	jdg_put_pointer(&v[18], &n[18], t->timeout);
	jdg_put_pointer(&v[19], &n[19], t->retry);
	jdg_put_pointer(&v[20], &n[20], t->settings);
	jdg_put_pointer(&v[21], &n[21], t->metadata);
	jdg_put_text(&v[22], &n[22], t->unique_key);
	jdg_put_text(&v[23], &n[23], t->concurrency_key);
	jdg_put_text(&v[24], &n[24], t->tenant);
	jdg_put_text(&v[25], &n[25], t->trace);
	v[26] = CharGetDatum(t->on_dependency_failure);
	n[26] = t->on_dependency_failure == '\0' ? 'n' : ' ';
	n[27] = '\0';
	jdg_run(&q, v, n, 0);
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
}

/*
 * Load one task by id.  "lock": FOR UPDATE, skipping it if somebody else
 * has it.  False: not there, or (lock) not to be had now.
 */
bool
jdg_task_load(int64 task_id, bool lock, JdgTask *task, MemoryContext mcxt)
{
	static JdgQuery plain = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar.task WHERE task_id = $1",
		1, {INT8OID}
	};
	static JdgQuery locking = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar.task WHERE task_id = $1 "
		"FOR UPDATE SKIP LOCKED",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	if (jdg_run(lock ? &locking : &plain, v, NULL, 0) == 0)
		return false;
	jdg_task_from_row(0, task, mcxt);
	return true;
}
