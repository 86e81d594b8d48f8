/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  Classifies the text of a command: SQL that may run, and how, or a
 *	  name.
 *
 * Runs in any process, in a transaction.  Only the raw parser is used.  It
 * looks nothing up and runs nothing, so a text is classified the same way for
 * every role, and objects that do not exist yet are no error here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/errors.h"
#include "handler/command.h"
#include "handler/parse.h"
#include "handler/placeholder.h"

/*
 * Errors of the parser that say something about the text.  Anything else
 * (a cancel, no memory) has to go on.  Swallowing the former needs no
 * subtransaction: the raw parser holds nothing but memory.
 */
static bool
is_about_the_text(int sqlerrcode)
{
	int			class = ERRCODE_TO_CATEGORY(sqlerrcode);

	return class == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		class == ERRCODE_DATA_EXCEPTION ||
		class == ERRCODE_FEATURE_NOT_SUPPORTED ||
		class == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/*
 * Raw parse trees, made in "apart", and no error; or NIL and the error,
 * copied into the current context.  Raises VALIDATION_ERROR for a parameter
 * other than $1 if "wanted" is given: it says what that is.
 */
static List *
parse(const char *text, const JdgCommandKind *wanted, MemoryContext apart,
	  ErrorData **error)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *volatile trees = NIL;
	volatile int level = 0;

	/* no notice that a long name would be cut as an identifier */
	if (strlen(text) >= NAMEDATALEN)
	{
		level = NewGUCNestLevel();
		(void) set_config_option("client_min_messages", "error",
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	*error = NULL;
	MemoryContextSwitchTo(apart);
	PG_TRY();
	{
		trees = raw_parser(text, RAW_PARSE_DEFAULT);
	}
	PG_CATCH();
	{
		if (!is_about_the_text(geterrcode()))
			PG_RE_THROW();
		*error = jdg_take_error(mcxt);
	}
	PG_END_TRY();
	if (wanted && *error == NULL)
		jdg_placeholders_check(text, trees, *wanted);
	MemoryContextSwitchTo(mcxt);
	if (level > 0)
		AtEOXact_GUC(false, level);
	return trees;
}

bool
jdg_command_is_sql(const char *text)
{
	ErrorData  *error;

	(void) parse(text, NULL, CurrentMemoryContext, &error);
	return error == NULL ||
		error->sqlerrcode != ERRCODE_SYNTAX_ERROR;
}

/* Is an option of this name given? */
static bool
has_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return true;
	}
	return false;
}

/*
 * Returns the boolean option of this name; the last one counts, false if
 * absent.
 */
static bool
option_is_on(List *options, const char *name)
{
	ListCell   *lc;
	bool		on = false;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			on = defGetBoolean(option);
	}
	return on;
}

/* Does the statement detach a partition concurrently? */
static bool
detaches_concurrently(AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (IsA(cmd, AlterTableCmd) && cmd->subtype == AT_DetachPartition &&
			IsA(cmd->def, PartitionCmd) &&
			((PartitionCmd *) cmd->def)->concurrent)
			return true;
	}
	return false;
}

/*
 * Is it a statement that the server refuses inside a transaction block?  Some
 * statements are refused only for certain objects, such as REINDEX of a
 * partitioned table: for those the user sets transaction => 'standalone'.
 */
static bool
is_standalone(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_VacuumStmt:
			return ((VacuumStmt *) stmt)->is_vacuumcmd;
		case T_IndexStmt:
			return ((IndexStmt *) stmt)->concurrent;
		case T_DropStmt:
			return ((DropStmt *) stmt)->concurrent;
		case T_ReindexStmt:
			{
				ReindexStmt *r = (ReindexStmt *) stmt;

				return (r->kind != REINDEX_OBJECT_INDEX &&
						r->kind != REINDEX_OBJECT_TABLE) ||
					option_is_on(r->params, "concurrently");
			}
		case T_ClusterStmt:
			return ((ClusterStmt *) stmt)->relation == NULL;
		case T_AlterTableStmt:
			return detaches_concurrently((AlterTableStmt *) stmt);
		case T_AlterDatabaseStmt:
			return has_option(((AlterDatabaseStmt *) stmt)->options,
							  "tablespace");
		case T_DiscardStmt:
			return ((DiscardStmt *) stmt)->target == DISCARD_ALL;
		case T_CallStmt:
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
		case T_AlterSystemStmt:
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
			return true;
		default:
			return false;
	}
}

/* Statements that make no sense in a task. */
static void
refuse_statement(Node *stmt)
{
	if (IsA(stmt, TransactionStmt))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a command must not contain transaction control"),
				 errdetail("jadugar begins and ends the transaction of a task itself."),
				 errhint("Remove BEGIN, COMMIT, and similar statements. A procedure run by CALL may commit.")));
	if (IsA(stmt, ListenStmt) || IsA(stmt, UnlistenStmt))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a command must not contain LISTEN or UNLISTEN"),
				 errdetail("Workers have no client that could receive notifications."),
				 errhint("Run LISTEN in a session of your own. A task may run NOTIFY.")));
	if (IsA(stmt, CopyStmt) && ((CopyStmt *) stmt)->filename == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a command must not contain COPY FROM STDIN or COPY TO STDOUT"),
				 errdetail("Workers have no client to copy from or to."),
				 errhint("Copy from or to a file or a program.")));
}

/*
 * Raises VALIDATION_ERROR if the text is too long or not valid in the
 * database's encoding.
 */
static void
check_text(const char *text)
{
	size_t		len = strlen(text);

	if (len > JDG_COMMAND_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("command is too long"),
				 errdetail("It has %zu bytes. The maximum is %d bytes.",
						   len, JDG_COMMAND_MAX),
				 errhint("Put the work into a function and call that.")));
	if (!pg_verifymbstr(text, len, true))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("command is not valid text in encoding \"%s\"",
						GetDatabaseEncodingName()),
				 errhint("Convert it to the encoding of the database.")));
}

/* Not SQL: is it at least one line that could be a handler's name? */
static bool
could_be_name(const char *text)
{
	if (strlen(text) > JDG_NAME_MAX)
		return false;
	for (const char *p = text; *p; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

/* See command.h.  The syntax error is in the caller's memory context. */
void
jdg_command_classify(const char *text, JdgCommandKind wanted,
					 JdgCommandKind *kind, bool *standalone,
					 ErrorData **syntax_error)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext apart;
	ErrorData  *error;
	List	   *trees;
	ListCell   *lc;

	*standalone = false;
	check_text(text);
	apart = AllocSetContextCreate(mcxt, "jadugar parse",
								  ALLOCSET_SMALL_SIZES);
	trees = parse(text, &wanted, apart, &error);
	if (error)
	{
		if (!could_be_name(text))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("command is not valid SQL: %s",
							jdg_excerpt(error->message)),
					 error->hint ? errhint("%s", error->hint) :
					 errhint("Correct the SQL at the indicated position."),
					 internalerrquery(strlen(text) < JDG_QUOTED_MAX ? text : NULL),
					 internalerrposition(error->cursorpos)));
		*kind = JDG_COMMAND_HANDLER;
		*syntax_error = error;
		MemoryContextDelete(apart);
		return;
	}
	*kind = JDG_COMMAND_SQL;
	*syntax_error = NULL;
	if (trees == NIL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("command is empty"),
				 errdetail("It contains neither an SQL statement nor the name of a handler."),
				 errhint("Write, for example, 'SELECT app.work($1)'.")));
	foreach(lc, trees)
	{
		Node	   *stmt = lfirst_node(RawStmt, lc)->stmt;

		refuse_statement(stmt);
		*standalone |= is_standalone(stmt);
	}
	MemoryContextDelete(apart);
}
