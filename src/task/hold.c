/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  The tasks that a worker holds, in its slot; see hold.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "task/hold.h"

int
jdg_slot_hold(JdgSlot *slot, const JdgTask *task, const JdgLimits *limits)
{
	JdgSlotTask *st;
	JdgPlaces	places;
	int			refusing = jdg_gates_take(limits, limits->n > 0 ? jdg_now() : 0,
										  &places);

	if (refusing >= 0)
		return refusing;
	SpinLockAcquire(&slot->mutex);
	st = &slot->task[slot->ntasks];
	st->task_id = task->task_id;
	st->owner = task->owner;
	st->call.subscription_id = 0;
	st->queue_id = task->queue_id;
	st->attempt = task->attempt;
	st->phase = JDG_TASK_CLAIMED;
	st->cancel = JDG_CANCEL_NONE;
	st->cancelled_by = InvalidOid;
	st->locked = false;
	st->limited = limits->n > 0;
	st->places = places;
	st->standalone = false;
	slot->ntasks++;
	SpinLockRelease(&slot->mutex);
	return -1;
}

void
jdg_slot_hold_locked(JdgSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->task[slot->ntasks - 1].locked = true;
	SpinLockRelease(&slot->mutex);
}

void
jdg_slot_unhold_last(JdgSlot *slot)
{
	JdgPlaces	given;
	int			n;

	SpinLockAcquire(&slot->mutex);
	n = jdg_slot_take_out(slot, slot->ntasks - 1, &given);
	SpinLockRelease(&slot->mutex);
	jdg_slot_give_back(&given, n);
}

void
jdg_slot_clear(JdgSlot *slot)
{
	JdgPlaces	given[JDG_GROUP_MAX];
	int			n;

	SpinLockAcquire(&slot->mutex);
	n = jdg_slot_take_out(slot, 0, given);
	slot->current = -1;
	slot->generation++;
	slot->deadline = DT_NOEND;
	slot->progress = -1;
	slot->message[0] = '\0';
	SpinLockRelease(&slot->mutex);
	jdg_slot_give_back(given, n);
}
