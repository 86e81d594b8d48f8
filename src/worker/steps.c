/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  Steps of flows that follow in the group of the steps before them.
 *
 * Local to one worker.  A group has room for JDG_GROUP_MAX tasks.  If the
 * first steps of many runs took all of it, the next ones would be written to
 * the table, to be claimed by a later group.  So a group claims fewer steps if
 * others followed in the group before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "queue/queue.h"
#include "shared/database.h"
#include "task/claim.h"
#include "task/limits.h"
#include "worker/worker.h"

/* steps that are claimed in any case: a commit is for at least so many */
#define MIN_STEPS	32

/* number of steps that the next group claims at most */
static int	to_claim = JDG_GROUP_MAX;

/* A task with limits is claimed like others, in order that they count it. */
static bool
has_limits(const JdgTask *t)
{
	JdgLimits	limits;

	jdg_limits_of(t, &limits);
	return limits.n > 0;
}

bool
jdg_step_may_follow(const JdgTask *t)
{
	return t->owner == jdg_my_slot->owner && !t->isolate &&
		t->transaction == JDG_XACT_COMMITTED &&
		t->concurrency_key == NULL &&
		jdg_command_is_quick(t->command_id) &&
		!has_limits(t) && !jdg_claims_paused();
}

int
jdg_steps_to_claim(void)
{
	return to_claim;
}

void
jdg_steps_note(int claimed, int followers)
{
	int			room;

	if (claimed == 0)
		return;
	room = JDG_GROUP_MAX * claimed / (claimed + followers);
	to_claim = Max(room, MIN_STEPS);
}

void
jdg_steps_write(JdgGroup *group, int first)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = first; i < group->n; i++)
	{
		if (group->task[i].unwritten &&
			(i >= group->ran || !group->has_outcome[i]))
			jdg_follow_write(&group->task[i]);
	}
	PopActiveSnapshot();
}
