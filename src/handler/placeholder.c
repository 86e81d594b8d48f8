/*-------------------------------------------------------------------------
 *
 * placeholder.c
 *	  The parameters that the text of a command uses.
 *
 * Runs in any process.  $1 is the only parameter of a command: the payload, an
 * event, or an array of events.
 * The server refuses others when it analyzes a statement, which for a task is
 * when it runs.  Parameters are found by the server's scanner, since walkers
 * over raw parse trees do not know all utility statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "parser/scanner.h"

#include "base/errors.h"
#include "handler/placeholder.h"

/* digits of a parameter's number that an error quotes */
#define DIGITS_MAX	10

/* Has the statement parameters of its own? */
static bool
has_own_parameters(Node *stmt)
{
	return IsA(stmt, PrepareStmt) ||
		(IsA(stmt, CreateFunctionStmt) &&
		 ((CreateFunctionStmt *) stmt)->sql_body != NULL);
}

/*
 * Does the token at this offset belong to such a statement?  Tokens come in
 * order: *current is the statement of the one before, from 0.
 */
static bool
is_of_another(List *trees, int *current, int at)
{
	for (; *current < list_length(trees); (*current)++)
	{
		RawStmt    *raw = list_nth_node(RawStmt, trees, *current);

		/* a length of 0 means up to the end of the text */
		if (raw->stmt_len == 0 || at < raw->stmt_location + raw->stmt_len)
			return at >= raw->stmt_location && has_own_parameters(raw->stmt);
	}
	return false;
}

/* In ereport(): what $1 is, and how its parts are written. */
static int
explain_argument(JdgCommandKind kind)
{
	switch (kind)
	{
		case JDG_COMMAND_EVENT:
			errdetail("A handler of events has one parameter, $1, which is the event.");
			return errhint("Write, for example, ($1).key or ($1).data->>'name'.");
		case JDG_COMMAND_EVENTS:
			errdetail("A handler with batch has one parameter, $1, which is an array of events.");
			return errhint("Write, for example, SELECT e.data->>'name' FROM unnest($1) e.");
		case JDG_COMMAND_SQL:
		case JDG_COMMAND_HANDLER:
		case JDG_COMMAND_FLOW:
		case JDG_COMMAND_HTTP:
			break;
	}
	errdetail("A command has one parameter, $1, which is the payload.");
	return errhint("Put all values into the payload, and write, for example, $1->>'name'.");
}

/* Raises the error for the parameter at this offset, "digits" long. */
static void
raise_no_parameter(const char *text, int at, size_t digits,
				   JdgCommandKind kind)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("there is no parameter $%s",
					pnstrdup(text +at + 1, Min(digits, DIGITS_MAX))),
			 explain_argument(kind),
			 internalerrquery(strlen(text) < JDG_QUOTED_MAX ? text : NULL),
			 internalerrposition(pg_mbstrlen_with_len(text, at) + 1)));
}

/*
 * Allocates in the current memory context.  The text has been parsed, so the
 * scanner has no error to raise, and has given its warnings already.
 */
void
jdg_placeholders_check(const char *text, List *trees, JdgCommandKind kind)
{
	core_yy_extra_type extra;
	core_yyscan_t scanner;
	core_YYSTYPE value;
	YYLTYPE		at;
	int			stmt = 0;

	if (strchr(text, '$') == NULL)
		return;
	scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	extra.escape_string_warning = false;
	while (core_yylex(&value, &at, scanner) != 0)
	{
		/* no other token begins like this */
		const char *digits = text +at + 1;
		size_t		n = text[at] == '$' ? strspn(digits, "0123456789") : 0;

		if (n > 0 && strspn(digits, "0") + 1 == n && digits[n - 1] == '1')
			continue;
		if (n > 0 && !is_of_another(trees, &stmt, at))
			raise_no_parameter(text, at, n, kind);
	}
	scanner_finish(scanner);
}
