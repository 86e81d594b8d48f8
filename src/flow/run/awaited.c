/*-------------------------------------------------------------------------
 *
 * awaited.c
 *	  Tasks whose command is a flow: each ends with the run that it started.
 *
 * Such a task stays in its table, in JDG_STATE_FLOW, when it has started the
 * run; flow_run.task_id names it.  Both are one commit.  The end of the run
 * sends a message with all that the task's end needs, in the commit that ends
 * the run, so the message outlives the run's row: awaited_end.c serves it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/json.h"
#include "base/spi.h"
#include "flow/run/awaited.h"
#include "flow/run/value.h"

/* --------------------------------------------------------- from the run */

void
jdg_awaited_ended(const JdgFlowRun *r)
{
	JsonbParseState *st;
	char		status[2] = {jdg_flow_status_out(r->status), '\0'};
	char		ending[2] = {jdg_flow_status_out(r->ending), '\0'};

	Assert(r->task_id != 0 && jdg_flow_run_is_over(r->status));
	jdg_json_begin(&st);
	jdg_json_int64(&st, "run", r->run_id);
	jdg_json_text(&st, "status", status);
	jdg_json_text(&st, "ending", ending);
	jdg_json_jsonb(&st, "result", jdg_step_jsonb(r->result));
	jdg_json_jsonb(&st, "error", jdg_step_jsonb(r->error));
	jdg_json_text(&st, "reason", r->reason);
	jdg_flow_message(JDG_MESSAGE_RUN_ENDED, 0, r->task_id, NULL,
					 jdg_json_finish(&st));
}

/* ---------------------------------------------------------- to the run */

void
jdg_awaited_message(const JdgTask *task, JdgMessageKind kind, const char *name,
					Oid by)
{
	static JdgQuery q = {
		"SELECT run_id FROM jadugar_internal.flow_run WHERE task_id = $1 "
		"AND finished_at IS NULL", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task->task_id)};

	Assert(jdg_is_bookkeeping());
	/* an earlier attempt may have been resumed by retry_step() */
	if (jdg_run(&q, v, NULL, 0) > 0)
	{
		int64		n = (int64) SPI_processed;
		int64	   *runs = jdg_col_int64s(n, 1, CurrentMemoryContext);

		for (int64 i = 0; i < n; i++)
			jdg_flow_message_as(kind, runs[i], 0, name, NULL, by);
	}
}

void
jdg_awaited_stop(const JdgTask *task, Oid by)
{
	jdg_awaited_message(task, JDG_MESSAGE_ABORT, "compensate", by);
}
