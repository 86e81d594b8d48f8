/*-------------------------------------------------------------------------
 *
 * event_apart.h
 *	  Roles whose waits are served apart from those of others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EVENT_APART_H
#define JDG_FLOW_RUN_EVENT_APART_H

#include "event/cursor.h"

/*
 * Rows of event_cursor with JDG_CURSOR_FLOWS.  Other values of "shard" are
 * roles that are served apart.
 */
typedef enum JdgFlowCursor
{
	JDG_FLOW_CURSOR_COMMON,		/* the log before it is needed by no wait */
	JDG_FLOW_CURSOR_OTHERS		/* of the other roles, while some are apart;
								 * else theirs is the common one */
} JdgFlowCursor;

/* finds the roles that are served apart; after a start and after errors */
extern void jdg_apart_load(void);

/* the roles, in ascending order */
extern int	jdg_apart_roles(const Oid **roles);
extern bool jdg_apart_has(Oid role);

/* the cursor of the other roles */
extern JdgFlowCursor jdg_apart_others(void);

/*
 * Serves a role apart from now on.  "c" is the position of the others, which
 * is written.  Without effect if too many roles are served apart.
 */
extern void jdg_apart_begin(Oid role, JdgCursor *c);

/*
 * Gives the roles their turns, each in a transaction of its own; false: there
 * is more to read.  A role that has caught up with the others is served with
 * them.  Outside a transaction.
 */
extern bool jdg_apart_read(void);

/* nothing waits any more: all cursors have been deleted */
extern void jdg_apart_forget(void);

#endif							/* JDG_FLOW_RUN_EVENT_APART_H */
