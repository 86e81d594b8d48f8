/*-------------------------------------------------------------------------
 *
 * blocked.c
 *	  Roles whose tasks cannot run now, see blocked.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/blocked.h"

void
jdg_blocked_init(JdgBlocked *b)
{
	SpinLockInit(&b->mutex);
	jdg_blocked_reset(b);
}

void
jdg_blocked_reset(JdgBlocked *b)
{
	SpinLockAcquire(&b->mutex);
	memset(b->role, 0, sizeof(b->role));
	SpinLockRelease(&b->mutex);
}

void
jdg_blocked_add(JdgBlocked *b, Oid role, const char *reason, TimestampTz until)
{
	JdgBlockedRole *place = NULL;

	SpinLockAcquire(&b->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (b->role[i].role == role ||
			(place == NULL && !OidIsValid(b->role[i].role)))
			place = &b->role[i];
		if (b->role[i].role == role)
			break;
	}
	if (place)
	{
		place->role = role;
		place->until = until;
		strlcpy(place->reason, reason, sizeof(place->reason));
	}
	SpinLockRelease(&b->mutex);
}

void
jdg_blocked_remove(JdgBlocked *b, Oid role)
{
	SpinLockAcquire(&b->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (b->role[i].role == role)
			b->role[i].role = InvalidOid;
	}
	SpinLockRelease(&b->mutex);
}

bool
jdg_blocked_remove_reason(JdgBlocked *b, const char *reason)
{
	bool		found = false;

	SpinLockAcquire(&b->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX; i++)
	{
		if (OidIsValid(b->role[i].role) &&
			strcmp(b->role[i].reason, reason) == 0)
		{
			b->role[i].role = InvalidOid;
			found = true;
		}
	}
	SpinLockRelease(&b->mutex);
	return found;
}

bool
jdg_blocked_find(JdgBlocked *b, Oid role, JdgBlockedRole *out)
{
	bool		found = false;

	SpinLockAcquire(&b->mutex);
	for (int i = 0; i < JDG_BLOCKED_MAX && !found; i++)
	{
		if (b->role[i].role == role)
		{
			*out = b->role[i];
			found = true;
		}
	}
	SpinLockRelease(&b->mutex);
	return found;
}
