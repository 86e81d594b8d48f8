/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Steps that are run where they were made ready, see held.h.
 *
 * Runs in workers.  A crash, or a commit that fails, undoes the step before
 * with them, which is ready again: no step is lost that was not written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "flow/run/held.h"
#include "task/enqueue.h"

JdgHeld    *jdg_held = NULL;

static char *
copy_text(const char *s)
{
	return s ? MemoryContextStrdup(jdg_held->mcxt, s) : NULL;
}

bool
jdg_held_take(const JdgTask *task)
{
	JdgTask    *t;

	if (jdg_held == NULL || jdg_held->n >= jdg_held->max ||
		task->state != JDG_STATE_READY || !jdg_held->wanted(task))
		return false;
	/* what comes from the plan lives as long as the transaction */
	t = &jdg_held->task[jdg_held->n++];
	*t = *task;
	t->tenant = copy_text(task->tenant);
	t->trace = copy_text(task->trace);
	t->unwritten = true;
	ItemPointerSetInvalid(&t->tid);
	return true;
}

bool
jdg_held_drop(int64 task_id)
{
	for (int i = 0; jdg_held != NULL && i < jdg_held->n; i++)
	{
		if (jdg_held->task[i].task_id != task_id)
			continue;
		jdg_held->n--;
		memmove(&jdg_held->task[i], &jdg_held->task[i + 1],
				sizeof(JdgTask) * (jdg_held->n - i));
		return true;
	}
	return false;
}

void
jdg_held_write(JdgTask *task)
{
	task->unwritten = false;
	jdg_task_insert(task);
	jdg_wake_at_commit(task->owner, task);
}
