/*-------------------------------------------------------------------------
 *
 * follow.c
 *	  Tasks that follow in the transaction that made them ready, see follow.h.
 *
 * Runs in workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "task/follow.h"
#include "task/wakeup.h"

static char *
copy_text(const JdgFollow *follow, const char *s)
{
	return s ? MemoryContextStrdup(follow->mcxt, s) : NULL;
}

static Jsonb *
copy_jsonb(const JdgFollow *follow, const Jsonb *j)
{
	Jsonb	   *copy;

	if (j == NULL)
		return NULL;
	copy = MemoryContextAlloc(follow->mcxt, VARSIZE(j));
	memcpy(copy, j, VARSIZE(j));
	return copy;
}

bool
jdg_follow_take(JdgFollow *follow, const JdgTask *task)
{
	JdgTask    *t;

	if (follow == NULL || task->state != JDG_STATE_READY ||
		!follow->may_follow(task))
		return false;
	follow->wanted++;
	if (follow->n >= follow->max)
		return false;
	/* values of a flow's plan live as long as the transaction */
	t = &follow->task[follow->n++];
	*t = *task;
	t->tenant = copy_text(follow, task->tenant);
	t->trace = copy_text(follow, task->trace);
	/* with the time zone of the run */
	t->settings = copy_jsonb(follow, task->settings);
	t->unwritten = true;
	ItemPointerSetInvalid(&t->tid);
	return true;
}

bool
jdg_follow_drop(JdgFollow *follow, int64 task_id)
{
	for (int i = 0; follow != NULL && i < follow->n; i++)
	{
		if (follow->task[i].task_id != task_id)
			continue;
		follow->n--;
		memmove(&follow->task[i], &follow->task[i + 1],
				sizeof(JdgTask) * (follow->n - i));
		return true;
	}
	return false;
}

void
jdg_follow_write(JdgTask *task)
{
	task->unwritten = false;
	jdg_task_insert(task);
	jdg_wake_at_commit(task->owner, task);
}
