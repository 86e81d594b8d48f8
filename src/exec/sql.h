/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  Runs a task's SQL, inside and outside a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_SQL_H
#define JDG_EXEC_SQL_H

#include "tcop/dest.h"

#include "exec/exec.h"

/*
 * Runs SQL text as the current user, in the current transaction, with the
 * payload as $1.  If the text is a single statement, command_id > 0 keeps its
 * plan for later calls.
 */
extern void jdg_exec_sql(const char *sql, int64 command_id, Jsonb *payload,
						 JdgExecResult *res);

/*
 * The same; the rows go to a receiver, see rows.h.  Returns the number of rows
 * of the last statement.
 */
extern int64 jdg_exec_sql_rows(const char *sql, Jsonb *payload,
							   DestReceiver *dest);

/* the same with $1 of another type; a command always has the same */
extern void jdg_exec_sql_value(const char *sql, int64 command_id, Oid type,
							   Datum value, JdgExecResult *res);

/*
 * Runs SQL text at top level, each statement in a transaction of its own.
 * Must be called outside a transaction; after an error the caller aborts the
 * current one.
 */
extern void jdg_exec_standalone(const char *sql, Jsonb *payload,
								JdgExecResult *res);

#endif							/* JDG_EXEC_SQL_H */
