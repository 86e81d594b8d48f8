/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  Running a task's SQL, inside and outside a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_SQL_H
#define JDG_EXEC_SQL_H

#include "exec/exec.h"

/*
 * Run SQL text with $1, as the current user, in the current transaction;
 * command_id > 0 keeps the plan of a single statement.
 */
extern void jdg_exec_sql(const char *sql, int64 command_id, Jsonb *payload,
						 JdgExecResult *res);

/* run SQL text at top level, outside any transaction; each statement its own */
extern void jdg_exec_standalone(const char *sql, Jsonb *payload,
								JdgExecResult *res);

#endif							/* JDG_EXEC_SQL_H */
