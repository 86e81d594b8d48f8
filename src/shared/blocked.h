/*-------------------------------------------------------------------------
 *
 * blocked.h
 *	  Roles whose tasks cannot run now, and the reasons.
 *
 * Written by the scheduler and by workers that end, and read by views.  When
 * there is no room, a note is lost; then the scheduler only tries more often.
 * All functions take JdgBlocked.mutex and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_BLOCKED_H
#define JDG_SHARED_BLOCKED_H

#include "datatype/timestamp.h"
#include "storage/spin.h"

#define JDG_BLOCKED_MAX 16

typedef struct JdgBlockedRole
{
	Oid			role;			/* InvalidOid: unused */
	TimestampTz until;			/* when the scheduler tries again */
	char		reason[24];
} JdgBlockedRole;

typedef struct JdgBlocked
{
	slock_t		mutex;
	JdgBlockedRole role[JDG_BLOCKED_MAX];	/* under mutex */
} JdgBlocked;

extern void jdg_blocked_init(JdgBlocked *b);

/* removes all notes */
extern void jdg_blocked_reset(JdgBlocked *b);

/* adds a note for a role, or replaces it; a reason has at most 23 bytes */
extern void jdg_blocked_add(JdgBlocked *b, Oid role, const char *reason,
							TimestampTz until);
extern void jdg_blocked_remove(JdgBlocked *b, Oid role);

/* removes the notes with this reason; false: there were none */
extern bool jdg_blocked_remove_reason(JdgBlocked *b, const char *reason);

/* false: the role is not blocked, *out is unchanged */
extern bool jdg_blocked_find(JdgBlocked *b, Oid role, JdgBlockedRole *out);

#endif							/* JDG_SHARED_BLOCKED_H */
