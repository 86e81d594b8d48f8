/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  The payload of a task or of a call, when it runs.
 *
 * Local to one worker.  Runs in the (sub)transaction of the task, as its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "handler/handler.h"
#include "task/fallback.h"
#include "worker/worker.h"

/* The payload from the module that made the task. */
static Jsonb *
module_payload(const JdgTask *task)
{
	Jsonb	   *payload;

	jdg_foreach_module(module)
	{
		if (module->payload && module->payload(task, &payload))
			return payload;
	}
	elog(ERROR, "no module has the payload of task %lld",
		 (long long) task->task_id);
	return NULL;				/* keep compiler quiet */
}

bool
jdg_has_data_of_run(const JdgTask *task)
{
	return task->flow_data == JDG_DATA_RUN ||
		task->flow_data == JDG_DATA_INPUT;
}

/*
 * The payload of a task.  The module that made the task may know it only now,
 * and a fallback gets the error too; then the handler's payload type checks it
 * here.  That of the module is also kept in the task, for its history, unless
 * it is the data of a whole run.
 */
static Jsonb *
payload_of(JdgTask *task, const JdgHandler *handler)
{
	Jsonb	   *payload;
	Jsonb	   *given;

	if (jdg_payload_is_given(task) && task->fallback == NULL)
		return task->payload;
	given = jdg_payload_is_given(task) ? task->payload :
		module_payload(task);
	payload = jdg_fallback_payload(task, given);
	if (handler != NULL)
		jdg_handler_check_payload(handler, payload);
	if (!jdg_has_data_of_run(task))
		task->payload = given;
	else if (payload != given)
		pfree(given);
	jdg_current_task->payload = payload;
	return payload;
}

Jsonb *
jdg_task_payload(JdgTask *task, const JdgHandler *handler,
				 const JdgDelivery *delivery)
{
	if (delivery == NULL)
		return payload_of(task, handler);
	if (handler != NULL)
		jdg_handler_check_payload(handler, delivery->data);
	return delivery->data;
}
