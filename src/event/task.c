/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Tasks of events, see task.h.
 *
 * Runs in workers, as the owner of the subscription.  The rows of the tasks
 * and the position of the shard are one commit.
 *
 * The payload is what the handler would get: the data for a registered
 * handler, the whole event for SQL.  The worker that runs the task makes an
 * event_info of it again (current.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "event/task.h"
#include "handler/command.h"
#include "shared/depth.h"
#include "task/depth.h"
#include "task/prepare.h"
#include "task/room.h"
#include "task/target.h"
#include "task/wakeup.h"

/* The queue that the subscription names, if it can be used. */
static bool
find_queue(const JdgSubscription *s, JdgQueue *queue, JdgEventTask *result)
{
	bool		busy;

	if (jdg_queue_try_use_by_id(s->queue_id, queue, &busy))
		return true;
	if (!busy)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the queue of the subscription no longer exists"),
				 errdetail("Its queue_id is %d.", s->queue_id)));
	result->made = JDG_EVENT_TASK_BUSY;
	return false;
}

/* An event without its data, which is the payload of a handler. */
static Jsonb *
without_data(Jsonb *info)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(info),
											  CStringGetTextDatum("data")));
}

/* what the task is for: the id is the key by which effects are recognized */
static Jsonb *
origin_of(const JdgSubscription *s, const JdgEvent *e)
{
	JsonbParseState *st = NULL;

	jdg_json_begin(&st);
	jdg_json_text(&st, "subscription", s->name);
	jdg_json_int64(&st, "event_id", e->event_id);
	jdg_json_text(&st, "type", e->type);
	return jdg_json_finish(&st);
}

/*
 * Tasks of a key run in order.  The subscription is part of it, so that no
 * subscription waits for another one.
 */
static char *
concurrency_key(const JdgSubscription *s, const JdgEvent *e)
{
	return e->key ? psprintf("event/%s/%s", s->name, e->key) : NULL;
}

/*
 * Reserves a place.  If there is none, whoever frees one from here on tells
 * the feeds; so it looks once more.
 */
static bool
has_room(const JdgQueue *queue)
{
	if (jdg_room_try(queue, 1))
		return true;
	jdg_depth_watch(jdg_depth_of(queue->queue_id));
	return jdg_room_try(queue, 1);
}

void
jdg_event_make_task(const JdgSubscription *s, const JdgEvent *e,
					const JdgTopic *topic, JdgEventTask *result)
{
	JdgTaskOptions o = {0};
	JdgTask		t = {0};
	JdgQueue	queue;
	JdgHandler *handler;
	Jsonb	   *info;
	JdgInternal in;
	bool		room;

	result->made = JDG_EVENT_TASK_REFUSED;
	if (s->queue_id != 0)
	{
		if (!find_queue(s, &queue, result))
			return;
		o.queue = pstrdup(queue.name);
	}
	o.command_id = s->command_id;
	o.priority = s->has_priority ? &s->priority : NULL;
	o.timeout = s->timeout;
	o.isolate = s->has_isolate ? &s->isolate : NULL;
	o.retry = s->retry;
	o.concurrency_key = concurrency_key(s, e);
	o.tenant = e->tenant;
	o.trace = e->trace;
	jdg_task_prepare(&o, s->owner, s->max_attempts, &t, &queue, &handler);
	result->made = JDG_EVENT_TASK_FAILED;
	if (handler != NULL)
		jdg_target_check(t.transaction == JDG_XACT_HTTP, handler, s->owner,
						 e->data);
	info = jdg_event_info_jsonb(e, topic);
	t.payload = handler ? e->data : info;
	t.event = jdg_current_event_keep(s, e, handler ? without_data(info) : NULL);
	t.max_attempts = s->max_attempts;
	t.settings = s->settings;
	t.metadata = origin_of(s, e);
	t.created_at = t.run_at = jdg_now();
	t.on_dependency_failure = JDG_FAILURE_CANCEL;

	jdg_internal_begin(&in);
	room = has_room(&queue);
	if (room)
	{
		t.task_id = jdg_task_next_id();
		t.state = jdg_state_without_dependencies(&t);
		jdg_task_insert(&t);
		jdg_wake_at_commit(t.owner, &t);
		jdg_count_enqueued(1);
	}
	jdg_internal_end(&in);
	result->queue_id = queue.queue_id;
	result->made = room ? JDG_EVENT_TASK_MADE : JDG_EVENT_TASK_FULL;
}
