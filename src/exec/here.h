/*-------------------------------------------------------------------------
 *
 * here.h
 *	  Runs work in the session that asks for it, in its transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_HERE_H
#define JDG_EXEC_HERE_H

#include "utils/jsonb.h"

#include "handler/handler.h"
#include "task/task.h"

/* the work of a task, or of a handler of events */
typedef struct JdgHereWork
{
	const JdgTask *task;		/* settings, payload, expect_rows, ... */
	JdgHandler *handler;		/* NULL: the command is SQL */
	const char *command;
	const struct JdgCurrentEvent *event;	/* NULL: that of the caller */
	Oid			type;			/* of $1 of SQL; InvalidOid: the payload */
	Datum		value;			/* $1 */
} JdgHereWork;

/*
 * Runs the work in a subtransaction, as the current user.  Returns the outcome
 * as jsonb with the fields of task_info; an error of the work is one.  Nothing
 * is written to our tables.
 */
extern Jsonb *jdg_here_try(const JdgHereWork *w);

/* takes a row of a result; what it leaves in the current context is freed */
typedef void (*JdgTakeRow) (Jsonb *row, void *arg);

/*
 * Calls a handler in the current transaction, as the current user; its errors
 * are raised.  Calls take() for each row, or for the first one.  "read_only":
 * whatever the handler does, the server refuses to change data.  The handler
 * must not be in C or standalone.
 */
extern void jdg_here_call(JdgHandler *h, Jsonb *payload, bool first_only,
						  bool read_only, JdgTakeRow take, void *arg);

/*
 * The same for SQL text that may run in a transaction; take() is called for
 * the first row.
 */
extern void jdg_here_call_sql(const char *sql, Jsonb *payload, JdgTakeRow take,
							  void *arg);

#endif							/* JDG_EXEC_HERE_H */
