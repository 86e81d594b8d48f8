/*-------------------------------------------------------------------------
 *
 * sender.c
 *	  The process of each database that sends requests, see sender.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/latch.h"

#include "base/settings.h"
#include "shared/sender.h"

bool
jdg_http_notify(Oid dboid)
{
	for (int i = jdg_max_workers; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		Latch	   *latch;
		bool		found;

		SpinLockAcquire(&slot->mutex);
		found = slot->state != JDG_SLOT_FREE && slot->dboid == dboid &&
			!slot->leave;
		latch = found ? slot->latch : NULL;
		slot->wake |= found;
		SpinLockRelease(&slot->mutex);
		if (latch != NULL)
			SetLatch(latch);
		if (found)
			return true;
	}
	return false;
}

bool
jdg_http_runs(Oid dboid)
{
	bool		found = false;

	for (int i = jdg_max_workers; !found && i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		found = slot->state != JDG_SLOT_FREE && slot->dboid == dboid &&
			slot->pid != 0;
		SpinLockRelease(&slot->mutex);
	}
	return found;
}

/* Is it idle?  The caller holds the mutex. */
static bool
is_idle(const JdgSlot *slot)
{
	return slot->state == JDG_SLOT_IDLE && !slot->leave && !slot->wake;
}

/* The slot that has been idle for longest, not of this database; or NULL. */
static JdgSlot *
longest_idle(Oid not_dboid)
{
	JdgSlot    *found = NULL;
	TimestampTz since = DT_NOEND;

	for (int i = jdg_max_workers; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (is_idle(slot) && slot->dboid != not_dboid && slot->idle_since < since)
		{
			since = slot->idle_since;
			found = slot;
		}
		SpinLockRelease(&slot->mutex);
	}
	return found;
}

bool
jdg_http_ask_idle_to_leave(Oid not_dboid)
{
	JdgSlot    *slot = longest_idle(not_dboid);
	Latch	   *latch = NULL;

	if (slot == NULL)
		return false;
	SpinLockAcquire(&slot->mutex);
	if (is_idle(slot) && slot->dboid != not_dboid)
	{
		slot->leave = true;
		latch = slot->latch;
	}
	SpinLockRelease(&slot->mutex);
	if (latch != NULL)
		SetLatch(latch);
	return latch != NULL;
}

void
jdg_http_want_slot(JdgDb *db)
{
	pg_atomic_write_u32(&db->http_wanted, 1);
	pg_memory_barrier();
	(void) jdg_http_ask_idle_to_leave(db->dboid);
}

bool
jdg_http_slot_is_wanted(Oid not_dboid)
{
	bool		wanted = false;

	pg_memory_barrier();
	for (int i = 0; i < jdg_max_databases && !wanted; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];

		wanted = db->state == JDG_DB_ACTIVE && db->dboid != not_dboid &&
			pg_atomic_read_u32(&db->http_wanted) != 0;
	}
	return wanted;
}

void
jdg_http_offer_slot(void)
{
	pg_memory_barrier();
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];

		if (db->state == JDG_DB_ACTIVE &&
			pg_atomic_exchange_u32(&db->http_wanted, 0) != 0)
			jdg_db_wake(db, JDG_WAKE_WORKER);
	}
}
