/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  The running task, the callbacks through which it reports, and the place
 *	  of its errors.
 *
 * Runs in workers, and in any backend that is in run_task().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/exec.h"

JdgExecHooks jdg_exec_hooks;

void
jdg_exec_statement(int n, int statements, const char *text, int start)
{
	JdgCurrentTask *t = jdg_current_task;

	if (t != NULL)
	{
		t->statement = n;
		t->statements = statements;
		t->statement_text = text;

		t->statement_start = start;
	}
	if (jdg_exec_hooks.statement)
		jdg_exec_hooks.statement();
}

void
jdg_exec_check_rows(JdgExpectRows expect, int64 rows)
{
	if (expect == JDG_ROWS_ANY || rows < 0 || rows == 1 ||
		(expect == JDG_ROWS_SOME && rows > 0))
		return;
	if (rows == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_TASK_EXECUTION_ERROR),
				 errmsg("command returned or changed no row"),
				 errdetail("Its expect_rows is \"%s\".",
						   jdg_expect_rows_words[expect]),
				 errhint("See whether its conditions match. If no row is a good end, pass expect_rows => 'any'.")));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_TASK_EXECUTION_ERROR),
			 errmsg("command returned or changed %lld rows instead of one",
					(long long) rows),
			 errdetail("Its expect_rows is \"%s\".",
					   jdg_expect_rows_words[expect]),
			 errhint("If more rows are a good end, pass expect_rows => 'some'.")));
}

JdgErrorPlace
jdg_exec_error_place(const ErrorData *edata)
{
	JdgErrorPlace place = {0, 0};
	const JdgCurrentTask *t = jdg_current_task;

	if (t == NULL || t->statement == 0)
		return place;
	if (t->statements > 1)
		place.statement = t->statement;
	/* SPI makes a position in its text one in an internal query */
	if (edata->cursorpos > 0)
		place.position = edata->cursorpos;
	else if (edata->internalpos > 0 && edata->internalquery != NULL &&
			 t->statement_text != NULL &&
			 strcmp(edata->internalquery, t->statement_text) == 0)
		place.position = t->statement_start + edata->internalpos;
	return place;
}

void
jdg_exec_add_hint(ErrorData *edata, bool standalone)
{
	if (edata->hint != NULL)
		return;
	switch (edata->sqlerrcode)
	{
		case ERRCODE_INVALID_TRANSACTION_TERMINATION:
			if (!standalone)
				edata->hint = "Enqueue the task with transaction => 'standalone', outside a transaction of its own.";
			break;
		case ERRCODE_ACTIVE_SQL_TRANSACTION:
			if (!standalone)
				edata->hint = "Enqueue the task with transaction => 'standalone' if it cannot run in a transaction, or with 'repeatable read' or 'serializable' for another isolation level.";
			break;
		case ERRCODE_UNDEFINED_PARAMETER:
			edata->hint = "The payload is $1 in the statements of the text. Code inside of a statement, such as a DO block, reads it by jadugar.current_task().";
			break;
		default:
			break;
	}
}
