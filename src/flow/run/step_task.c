/*-------------------------------------------------------------------------
 *
 * step_task.c
 *	  Making and removing the task of a step, see step_task.h.
 *
 * Only its worker may remove a task that it holds: a message asks the
 * scheduler to stop it, and is kept until the step has ended.  The same goes
 * for a task that has started a run of its own, and ends with that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/run/awaited.h"
#include "flow/run/end.h"
#include "flow/run/message.h"
#include "flow/run/step_task.h"
#include "flow/run/value.h"
#include "queue/queue.h"
#include "task/wakeup.h"
#include "task/follow.h"
#include "task/tenant_quota.h"
#include "task/time_zone.h"

/*
 * May the owner of a task still use its queue?  NULL: yes; else the error.
 * Sets *bounded, if yes.
 */
static Jsonb *
queue_error(Oid owner, int32 queue_id, bool *bounded)
{
	JdgQueue	q;

	if (!jdg_queue_by_id(queue_id, &q))
		return jdg_flow_error("NOT_FOUND",
							  "the queue of this step no longer exists",
							  NULL);
	*bounded = q.max_depth > 0;
	if (queue_id != JDG_DEFAULT_QUEUE && !jdg_queue_usable(&q, owner))
		return jdg_flow_error("FORBIDDEN", "permission denied for the queue of this step",
							  psprintf("The queue is \"%s\".", q.name));
	return NULL;
}

bool
jdg_step_make_task(JdgRunState *rs, JdgFlowStep *step, const JdgTask *template)
{
	JdgPass    *pass = rs->pass;
	JdgTask    *t = palloc(sizeof(JdgTask));

	*t = *template;
	step->error = queue_error(rs->r.owner, t->queue_id, &t->bounded);
	jdg_step_change(rs, step);
	if (step->error != NULL)
		return false;
	t->task_id = jdg_task_next_id();
	t->owner = rs->r.owner;
	t->created_at = t->run_at = pass->now;
	t->scheduled_for = t->started_at = DT_NOBEGIN;
	t->tenant = rs->r.tenant;
	t->priority = jdg_tenant_priority(t->tenant, t->priority);
	t->trace = rs->r.trace;
	if (rs->r.timezone != NULL)
		t->settings = jdg_settings_with_zone(t->settings, rs->r.timezone);
	t->event = rs->r.quiet ? jdg_task_quiet_event() : NULL;
	t->flow_run = rs->r.run_id;
	t->step_id = step->step_id;
	t->step = unconstify(char *, jdg_step_node(rs, step)->name);
	t->state = rs->r.paused_at != DT_NOBEGIN ? JDG_STATE_PAUSED :
		jdg_state_without_dependencies(t);
	ItemPointerSetInvalid(&t->tid);
	if (!jdg_follow_take(rs->pass->follow, t))
	{
		if (pass->tasks == NULL)
			pass->tasks = jdg_task_writer_begin();
		jdg_task_writer_put(pass->tasks, t);
		jdg_wake_at_commit(t->owner, t);
	}
	pass->ntasks++;
	step->task_id = t->task_id;
	rs->r.live++;
	return true;
}

void
jdg_step_start_task(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_step_make_task(rs, step, rs->plan->task[step->node]))
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, step->error, NULL);
}

/* Is this transaction settling the task?  Then it is not retried. */
static bool
cancel_settling(JdgPass *pass, int64 task_id)
{
	for (int i = 0; i < pass->nsettling; i++)
	{
		if (pass->settling[i].task_id != task_id)
			continue;
		if (pass->decisions[i].stays &&
			pass->decisions[i].state == JDG_STATE_FLOW)
			jdg_awaited_stop(&pass->settling[i], InvalidOid);	/* it ends with its run */
		else if (pass->decisions[i].stays)
		{
			pass->decisions[i].stays = false;
			pass->decisions[i].status = JDG_STATUS_CANCELLED;
			pass->decisions[i].error_code = NULL;
		}
		return true;
	}
	return false;
}

bool
jdg_step_remove_task(JdgRunState *rs, JdgFlowStep *step)
{
	JdgPass    *pass = rs->pass;
	JdgTask		t;

	if (cancel_settling(pass, step->task_id) || jdg_follow_drop(pass->follow, step->task_id))
		return true;
	jdg_pass_write_tasks(pass);
	if (jdg_task_load(step->task_id, true, &t, CurrentMemoryContext) &&
		t.state != JDG_STATE_STANDALONE)
	{
		jdg_settle_cancel(&t, "flow", InvalidOid);
		if (t.state != JDG_STATE_FLOW)
			return true;
	}
	if (!step->cancelling)
		jdg_flow_message(JDG_MESSAGE_CANCEL, rs->r.run_id, step->step_id, NULL,
						 NULL);
	step->cancelling = true;
	jdg_step_change(rs, step);
	return false;
}
