/*-------------------------------------------------------------------------
 *
 * turns.c
 *	  Whose turn it is: rates and breakers of tasks, and the time of tenants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/sleep.h"
#include "shared/gate.h"
#include "shared/guard.h"
#include "shared/lane.h"
#include "task/limits.h"
#include "worker/worker.h"

/*
 * A task of a rate that others share counts for so long at least, in us: what
 * it takes from them is its token.
 */
#define LEAST_OF_RATE 1000

bool
jdg_turn_may_begin(JdgGroup *group, int i)
{
	JdgTask    *t = &group->task[i];

	if (i == 0)
		group->since = jdg_steady_ms();
	if (t->limits == NULL)
		return true;
	t->began = jdg_now();
	Assert(jdg_my_slot->task[i].task_id == t->task_id);
	return jdg_gates_begin(t->limits, t->began,
						   &jdg_my_slot->task[i].places) < 0;
}

TimestampTz
jdg_turn_began(const JdgTask *t)
{
	return t->began == 0 ? jdg_now() : t->began;
}

/* What the end of an attempt says about what the task calls. */
static JdgBreakerEnd
end_of(const JdgOutcome *o)
{
	switch (o->end)
	{
		case JDG_END_COMPLETED:
		case JDG_END_AWAITS:
			return JDG_BREAKER_GOOD;
		case JDG_END_FAILED:
			/* the payload is wrong */
			return o->sqlerrcode == JDG_ERRCODE_VALIDATION_ERROR ?
				JDG_BREAKER_RETURNED : JDG_BREAKER_FAILED;
		case JDG_END_LOST:
		case JDG_END_CRASHED:
			return JDG_BREAKER_FAILED;
		case JDG_END_CANCELLED:
		case JDG_END_DISCARDED:
		case JDG_END_SNOOZED:
		case JDG_END_PAUSED:
		case JDG_END_HANDED:
			break;
	}
	return JDG_BREAKER_RETURNED;
}

void
jdg_turn_failed(const JdgTask *task)
{
	JdgSlot    *slot = jdg_my_slot;

	if (slot->ntasks > 0 && slot->task[0].task_id == task->task_id &&
		slot->task[0].limited)
		(void) jdg_gates_ended(&slot->task[0].places, JDG_BREAKER_FAILED, 0);
}

/* Charges the tenants whose tasks ran, if they take turns. */
static void
charge_tenants(const JdgGroup *group)
{
	JdgCharge	charge[JDG_GROUP_MAX];
	int			n = 0;

	/* no task took longer, whatever the clock says that was set meanwhile */
	int64		most = (jdg_steady_ms() - group->since + 1) * 1000;

	for (int i = 0; i < group->ran; i++)
	{
		const JdgTask *t = &group->task[i];
		const JdgOutcome *o = &group->outcome[i];

		if (t->weight == 0 || !group->has_outcome[i] ||
			o->started_at == DT_NOBEGIN)
			continue;
		charge[n].priority = t->priority;
		charge[n].tenant = t->turn_of;
		charge[n].weight = t->weight;
		charge[n].us = Min(Max(o->finished_at - o->started_at, 1), most);
		if (t->limits != NULL && jdg_limits_share_rate(t->limits))
			charge[n].us = Max(charge[n].us, LEAST_OF_RATE);
		n++;
	}
	if (n > 0)
		jdg_lanes_charge(MyDatabaseId, jdg_my_slot->owner, JDG_CARRIER_WORKER,
						 charge, n);
}

void
jdg_turns_end(const JdgGroup *group)
{
	JdgSlot    *slot = jdg_my_slot;

	charge_tenants(group);
	for (int i = 0; i < Min(group->ran, slot->ntasks); i++)
	{
		const JdgOutcome *o = &group->outcome[i];

		if (slot->task[i].limited && group->has_outcome[i] &&
			o->started_at != DT_NOBEGIN)
			(void) jdg_gates_ended(&slot->task[i].places, end_of(o),
								   o->finished_at - o->started_at);
	}
}
