/*-------------------------------------------------------------------------
 *
 * role_notice.h
 *	  Hints after statements on roles that leave work of jadugar behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LAUNCHER_ROLE_NOTICE_H
#define JDG_LAUNCHER_ROLE_NOTICE_H

#include "nodes/nodes.h"
#include "nodes/pg_list.h"

/*
 * The roles of REASSIGN OWNED, DROP OWNED or DROP ROLE that own objects of
 * jadugar in this database; NIL for other statements.  Before the statement.
 */
extern List *jdg_role_notice_find(Node *stmt);

/* one NOTICE for each; after the statement */
extern void jdg_role_notice_give(List *found);

#endif							/* JDG_LAUNCHER_ROLE_NOTICE_H */
