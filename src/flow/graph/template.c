/*-------------------------------------------------------------------------
 *
 * template.c
 *	  The template of a task of a node, as an element of a plan.
 *
 * Pure.  Ids, times, the owner and the fields that a run sets are not part of
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "flow/graph/template.h"

Jsonb *
jdg_template_to_jsonb(const JdgTask *t)
{
	JsonbParseState *st;
	char		one[2] = {0, 0};
	char		rows[2] = {jdg_expect_rows_out(t->expect_rows), 0};
	char		data[2] = {0, 0};

	jdg_json_begin(&st);
	jdg_json_int64(&st, "command_id", t->command_id);
	jdg_json_int64(&st, "queue_id", t->queue_id);
	jdg_json_int64(&st, "priority", t->priority);
	jdg_json_int64(&st, "max_attempts", t->max_attempts);
	one[0] = t->transaction;
	jdg_json_text(&st, "transaction", one);
	if (t->isolate)
		jdg_json_text(&st, "isolate", "t");
	if (t->expect_rows != JDG_ROWS_ANY)
		jdg_json_text(&st, "expect_rows", rows);
	if (t->timeout)
	{
		/* its text would depend on settings */
		jdg_json_int64(&st, "timeout_months", t->timeout->month);
		jdg_json_int64(&st, "timeout_days", t->timeout->day);
		jdg_json_int64(&st, "timeout", t->timeout->time);
	}
	jdg_json_jsonb(&st, "retry", t->retry);
	jdg_json_jsonb(&st, "settings", t->settings);
	jdg_json_jsonb(&st, "metadata", t->metadata);
	jdg_json_text(&st, "concurrency_key", t->concurrency_key);
	jdg_json_jsonb(&st, "payload", t->payload);
	data[0] = jdg_flow_data_out(t->flow_data);
	if (t->flow_data != JDG_DATA_NONE)
		jdg_json_text(&st, "data", data);
	return jdg_json_finish(&st);
}

static char
get_char(const Jsonb *j, const char *key)
{
	char	   *s = jdg_json_get_text(j, key);

	return s ? s[0] : '\0';
}

JdgTask *
jdg_template_from_jsonb(const Jsonb *j)
{
	JdgTask    *t = palloc0(sizeof(JdgTask));

	t->command_id = jdg_json_get_int64(j, "command_id");
	t->queue_id = (int32) jdg_json_get_int64(j, "queue_id");
	t->priority = (int32) jdg_json_get_int64(j, "priority");
	t->max_attempts = (int32) jdg_json_get_int64(j, "max_attempts");
	t->transaction = get_char(j, "transaction");
	t->isolate = get_char(j, "isolate") != '\0';
	t->expect_rows = jdg_expect_rows_in(get_char(j, "expect_rows"));
	if (jdg_json_get(j, "timeout") != NULL)
	{
		t->timeout = palloc(sizeof(Interval));
		t->timeout->month = (int32) jdg_json_get_int64(j, "timeout_months");
		t->timeout->day = (int32) jdg_json_get_int64(j, "timeout_days");
		t->timeout->time = jdg_json_get_int64(j, "timeout");
	}
	t->retry = jdg_json_get(j, "retry");
	t->settings = jdg_json_get(j, "settings");
	t->metadata = jdg_json_get(j, "metadata");
	t->concurrency_key = jdg_json_get_text(j, "concurrency_key");
	t->payload = jdg_json_get(j, "payload");
	t->flow_data = jdg_flow_data_in(get_char(j, "data"));
	return t;
}
