/*-------------------------------------------------------------------------
 *
 * utility.h
 *	  DDL on our own tables, which no event trigger sees.
 *
 * The functions of event triggers would run as the owner of our tables.  With
 * session_replication_role = replica the server leaves out the ordinary ones,
 * but not those that are ENABLE ALWAYS.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_UTILITY_H
#define JDG_BASE_UTILITY_H

#include "nodes/plannodes.h"

/* Runs a utility statement of ours in the current transaction. */
extern void jdg_utility_run(const char *sql);

/*
 * Runs an ALTER TABLE of ours that cannot run in a transaction block, as
 * jdg_toplevel_run() does.
 */
extern void jdg_utility_run_toplevel(const char *sql);

/*
 * For the hook on utility statements: runs the statement and returns true if
 * it comes from jdg_utility_run_toplevel().
 */
extern bool jdg_utility_is_ours(PlannedStmt *pstmt, const char *sql);

#endif							/* JDG_BASE_UTILITY_H */
