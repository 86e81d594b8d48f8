/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  Locks of our own, see locks.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "base/locks.h"

/* pg_advisory_lock() uses 1 and 2 */
#define JDG_LOCK_SPACE 0x4a44

static void
set_tag(LOCKTAG *tag, JdgLockClass class, uint32 object)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) class, object,
						 JDG_LOCK_SPACE);
}

void
jdg_lock_xact(JdgLockClass class, uint32 object)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
jdg_lock_xact_shared(JdgLockClass class, uint32 object)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
jdg_try_lock_xact(JdgLockClass class, uint32 object)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	return LockAcquire(&tag, ExclusiveLock, false, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

bool
jdg_try_lock_xact_shared(JdgLockClass class, uint32 object)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	return LockAcquire(&tag, ShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
jdg_unlock_xact(JdgLockClass class, uint32 object)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

bool
jdg_lock_session(JdgLockClass class, uint32 object, bool wait)
{
	LOCKTAG		tag;

	set_tag(&tag, class, object);
	return LockAcquire(&tag, ExclusiveLock, true, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}
