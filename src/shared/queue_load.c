/*-------------------------------------------------------------------------
 *
 * queue_load.c
 *	  Tasks of a queue that workers hold, see queue_load.h.
 *
 * Runs in any process.  Derived from the slots each time, so no counter can
 * leak.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "shared/queue_load.h"
#include "shared/slot.h"

int
jdg_queue_load(Oid dboid, int queue_id)
{
	int			n = 0;

	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->dboid == dboid)
		{
			for (int j = 0; j < slot->ntasks; j++)
				n += slot->task[j].queue_id == queue_id;
		}
		SpinLockRelease(&slot->mutex);
	}
	return n;
}

int
jdg_queue_load_of_role(Oid dboid, Oid owner, int queue_id)
{
	int			n = 0;

	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->dboid == dboid &&
			slot->owner == owner)
		{
			for (int j = 0; j < slot->ntasks; j++)
				n += slot->task[j].queue_id == queue_id;
		}
		SpinLockRelease(&slot->mutex);
	}
	return n;
}
