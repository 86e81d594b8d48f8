/*-------------------------------------------------------------------------
 *
 * handed.c
 *	  HTTP tasks that a worker hands over, see handed.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/params.h"
#include "base/spi.h"
#include "task/handed.h"
#include "task/target.h"

void
jdg_handed_take(JdgTask *t, const JdgHandler *h, Jsonb *payload)
{
	Assert(!jdg_is_bookkeeping());
	if (t->fallback != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a fallback cannot send a request"),
				 errhint("Name a handler that calls jadugar.call_service().")));
	jdg_target_check_request(h, t->owner, payload);
	t->payload = payload;
	/* its handler may have been one of another kind */
	t->transaction = JDG_XACT_HTTP;
	t->flow_data = t->flow_data == JDG_DATA_UNDO ||
		t->flow_data == JDG_DATA_UNDO_MAPPED ? JDG_DATA_UNDO_GIVEN : JDG_DATA_NONE;
}

void
jdg_handed_write(JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET payload = $payload, "
		"flow_data = $flow_data, transaction = $transaction, endpoint_id = $endpoint_id, host = $host, "
		"lane = $lane, retry = $retry, max_attempts = $max_attempts "
		"WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	jdg_target_find(t);
	t->lane = jdg_task_lane(t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_jsonb(&p, "payload", t->payload);
	jdg_bind_char_or_null(&p, "flow_data", jdg_flow_data_out(t->flow_data));
	jdg_bind_char(&p, "transaction", t->transaction);
	jdg_bind_int32(&p, "endpoint_id", t->endpoint_id);
	jdg_bind_text(&p, "host", t->host);
	jdg_bind_int32(&p, "lane", t->lane);
	jdg_bind_jsonb(&p, "retry", t->retry);
	jdg_bind_int32(&p, "max_attempts", t->max_attempts);
	jdg_run_params(&q, &p, 0);
}
