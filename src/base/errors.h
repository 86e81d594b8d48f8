/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  SQLSTATEs of class JD and their stable names.
 *
 * The names appear in history.error_code and in the view error_codes.  Both
 * are made from the table in errors.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_ERRORS_H
#define JDG_BASE_ERRORS_H

#include "utils/elog.h"
#include "utils/jsonb.h"
#include "utils/palloc.h"

#define JDG_ERRCODE_VALIDATION_ERROR		MAKE_SQLSTATE('J','D','0','0','1')
#define JDG_ERRCODE_NOT_FOUND				MAKE_SQLSTATE('J','D','0','0','2')
#define JDG_ERRCODE_UNAUTHORIZED			MAKE_SQLSTATE('J','D','0','0','3')
#define JDG_ERRCODE_FORBIDDEN				MAKE_SQLSTATE('J','D','0','0','4')
#define JDG_ERRCODE_CONFLICT				MAKE_SQLSTATE('J','D','0','0','5')
#define JDG_ERRCODE_TASK_NOT_FOUND			MAKE_SQLSTATE('J','D','0','0','6')
#define JDG_ERRCODE_TASK_ALREADY_REGISTERED MAKE_SQLSTATE('J','D','0','0','7')
#define JDG_ERRCODE_TASK_EXECUTION_ERROR	MAKE_SQLSTATE('J','D','0','0','8')
#define JDG_ERRCODE_TASK_TIMEOUT			MAKE_SQLSTATE('J','D','0','0','9')
#define JDG_ERRCODE_WORKER_CRASHED			MAKE_SQLSTATE('J','D','0','1','0')
#define JDG_ERRCODE_LEASE_LOST				MAKE_SQLSTATE('J','D','0','1','1')
#define JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED MAKE_SQLSTATE('J','D','0','1','2')
#define JDG_ERRCODE_QUEUE_FULL				MAKE_SQLSTATE('J','D','0','1','3')
#define JDG_ERRCODE_RATE_LIMITED			MAKE_SQLSTATE('J','D','0','1','4')
#define JDG_ERRCODE_CIRCUIT_OPEN			MAKE_SQLSTATE('J','D','0','1','5')
#define JDG_ERRCODE_PLUGIN_NOT_FOUND		MAKE_SQLSTATE('J','D','0','1','6')
#define JDG_ERRCODE_PLUGIN_ALREADY_REGISTERED MAKE_SQLSTATE('J','D','0','1','7')
#define JDG_ERRCODE_PLUGIN_INITIALIZATION_FAILED MAKE_SQLSTATE('J','D','0','1','8')
#define JDG_ERRCODE_PLUGIN_STOP_FAILED		MAKE_SQLSTATE('J','D','0','1','9')
#define JDG_ERRCODE_INTERNAL_ERROR			MAKE_SQLSTATE('J','D','0','2','0')
#define JDG_ERRCODE_POSITION_LOST			MAKE_SQLSTATE('J','D','0','2','2')
#define JDG_ERRCODE_SERVICE_UNAVAILABLE		MAKE_SQLSTATE('J','D','0','2','3')
#define JDG_ERRCODE_HTTP_STATUS				MAKE_SQLSTATE('J','D','0','2','4')
#define JDG_ERRCODE_ADDRESS_REFUSED			MAKE_SQLSTATE('J','D','0','2','5')

/* Raised by snooze() and discard() to leave a task; never seen by a user. */
#define JDG_ERRCODE_SNOOZE					MAKE_SQLSTATE('J','D','Z','0','1')
#define JDG_ERRCODE_DISCARD					MAKE_SQLSTATE('J','D','Z','0','2')

/* Raised by jdg_lock_extension() in our processes, which then exit. */
#define JDG_ERRCODE_NOT_INSTALLED			MAKE_SQLSTATE('J','D','Z','0','3')

/*
 * The stable name of an error.  Errors of other classes are errors of the
 * task's own work, "TASK_EXECUTION_ERROR".
 */
extern const char *jdg_error_name(int sqlerrcode);

/*
 * How serious an error is.  Errors of other classes are JDG_SEVERITY_ERROR.
 */
typedef enum JdgSeverity
{
	JDG_SEVERITY_ERROR,			/* "error" */
	JDG_SEVERITY_WARNING,		/* "warning": the request was wrong */
	JDG_SEVERITY_INFO			/* "info": what was asked for is not there */
} JdgSeverity;

extern JdgSeverity jdg_error_severity(int sqlerrcode);

/*
 * The SQLSTATE that a user means: it may be one, the two characters of a
 * class, or a name in the view error_codes.  NULL: none of these.  The result
 * may be "code" itself.
 */
extern const char *jdg_error_sqlstate(const char *code);

/* is it a name in the view error_codes? */
extern bool jdg_error_is_name(const char *code);

/* where an error was raised in the text of a command; 0: unknown */
typedef struct JdgErrorPlace
{
	int			statement;		/* number of the statement, from 1 */
	int			position;		/* character of the text, from 1 */
} JdgErrorPlace;

/*
 * In PG_CATCH: ends the handling of the error, and returns a copy of it in
 * "mcxt", which becomes the current memory context.  The error may be too
 * large to be copied.  Then the copy says so, and has the same code.  A
 * handler that raises some errors again looks at geterrcode() first.
 */
extern ErrorData *jdg_take_error(MemoryContext mcxt);

/*
 * In PG_CATCH: discards the violation of a unique constraint, for which the
 * caller then raises an error of its own.  Raises any other error again.
 */
extern void jdg_discard_duplicate(MemoryContext mcxt);

/* maximum size of a field of an error that is kept, in bytes */
#define JDG_ERROR_FIELD_MAX (16 * 1024)

/*
 * An error as the history keeps it, with all fields that the server log would
 * have.  A text longer than JDG_ERROR_FIELD_MAX is cut, see jdg_clip().
 * "place" may be NULL.  Allocated in the current context.
 */
extern Jsonb *jdg_error_to_jsonb(const ErrorData *edata,
								 const JdgErrorPlace *place);

/*
 * An error with another one as its cause: that which it came from, or which
 * the work that raised it was to make up for.  If the error has a cause, the
 * other one becomes the last of the chain.  Returns "error" itself if either
 * is NULL, or if the chain would be too long or too large.
 */
extern Jsonb *jdg_error_with_cause(Jsonb *error, Jsonb *cause);

/*
 * Limits a text to so many bytes.  Returns the text itself, or a cut copy that
 * ends in a marker with its size.
 */
extern const char *jdg_clip(const char *text, int max);

/*
 * A value of a user for an error message: the value itself, or a copy of its
 * first 200 bytes followed by "...".
 */
extern const char *jdg_excerpt(const char *value);

#endif							/* JDG_BASE_ERRORS_H */
