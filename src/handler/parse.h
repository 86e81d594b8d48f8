/*-------------------------------------------------------------------------
 *
 * parse.h
 *	  Classifies the text of a command: SQL that may run, and how, or a
 *	  name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_PARSE_H
#define JDG_HANDLER_PARSE_H

#include "utils/elog.h"

#include "handler/command.h"

/*
 * Parses a command as SQL, whose $1 is that of commands of the kind "wanted".
 * Where the text is not SQL, kind is
 * JDG_COMMAND_HANDLER and the caller looks it up as a handler.  Raises
 * VALIDATION_ERROR with the parser's position for SQL that cannot be run
 * (empty, transaction control, LISTEN, a parameter other than $1).
 */
extern void jdg_command_classify(const char *text, JdgCommandKind wanted,
								 JdgCommandKind *kind, bool *standalone,
								 ErrorData **syntax_error);

/* is it SQL, acceptable or not?  Also true for empty texts and comments */
extern bool jdg_command_is_sql(const char *text);

#endif							/* JDG_HANDLER_PARSE_H */
