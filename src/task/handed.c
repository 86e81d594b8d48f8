/*-------------------------------------------------------------------------
 *
 * handed.c
 *	  HTTP tasks that a worker hands over, see handed.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/params.h"
#include "base/spi.h"
#include "task/handed.h"
#include "task/target.h"

void
jdg_handed_take(JdgTask *t, Jsonb *payload)
{
	Assert(!jdg_is_bookkeeping());
	jdg_target_check(t->owner, payload);
	t->payload = payload;
	t->flow_data = t->flow_data == JDG_DATA_UNDO ||
		t->flow_data == JDG_DATA_UNDO_MAPPED ? JDG_DATA_UNDO_GIVEN : JDG_DATA_NONE;
}

void
jdg_handed_write(JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET payload = $payload, "
		"flow_data = $flow_data, endpoint_id = $endpoint_id, host = $host, "
		"lane = $lane, retry = $retry, max_attempts = $max_attempts "
		"WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	jdg_target_find(t);
	t->lane = jdg_task_lane(t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_jsonb(&p, "payload", t->payload);
	jdg_bind_char_or_null(&p, "flow_data", jdg_flow_data_out(t->flow_data));
	jdg_bind_int32(&p, "endpoint_id", t->endpoint_id);
	jdg_bind_text(&p, "host", t->host);
	jdg_bind_int32(&p, "lane", t->lane);
	jdg_bind_jsonb(&p, "retry", t->retry);
	jdg_bind_int32(&p, "max_attempts", t->max_attempts);
	jdg_run_params(&q, &p, 0);
}
