/*-------------------------------------------------------------------------
 *
 * handler.h
 *	  Handlers: rows of jadugar_internal.handler, name resolution, payload checks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_HANDLER_H
#define JDG_HANDLER_HANDLER_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/expectrows.h"
#include "base/xactmode.h"

typedef enum JdgHandlerKind
{
	JDG_HANDLER_FUNCTION,
	JDG_HANDLER_SQL,
	JDG_HANDLER_C,
	JDG_HANDLER_HTTP
} JdgHandlerKind;

typedef struct JdgHandler
{
	char	   *name;
	JdgHandlerKind kind;
	Oid			owner;
	char	   *function;		/* signature, as regprocedure prints it */
	char	   *sql;
	char	   *call_sql;		/* calls the function, once made */
	char	   *library;
	char	   *symbol;
	Jsonb	   *request;		/* of HTTP handlers: request/template.h */
	char	   *payload_type;	/* as regtype prints it, or NULL */
	char	   *validate;		/* signatures of hooks, or NULL */
	char	   *cleanup;
	char	   *on_error;
	Oid			function_oid;	/* of these signatures, or InvalidOid */
	Oid			validate_oid;
	Oid			cleanup_oid;
	Oid			on_error_oid;
	int32		queue_id;		/* 0: none given */
	bool		has_priority;
	int32		priority;
	Interval   *timeout;
	Jsonb	   *retry;
	JdgXactMode transaction;
	bool		isolate;
	JdgExpectRows expect_rows;
	bool		standalone;		/* its SQL cannot run in a transaction */
} JdgHandler;

/*
 * Returns the handler of a name, if "role" may use it: its own, a
 * superuser's, the extension owner's, or granted.  NULL if none has that
 * name; FORBIDDEN if one has and the role may not use it.  The result stays
 * valid until the transaction ends at least, and must not be changed.
 */
extern JdgHandler *jdg_handler_get(const char *name, Oid role);

/* The same, but NULL for one that the role may not use. */
extern JdgHandler *jdg_handler_get_usable(const char *name, Oid role);

/*
 * Reads the handler of this name without checks into mcxt; NULL if none has
 * that name.  Inside jdg_internal_begin().
 */
extern JdgHandler *jdg_handler_read(const char *name, MemoryContext mcxt);

/*
 * Check a payload as the current user: strict conversion to the payload
 * type, then the validate hook.  Raises VALIDATION_ERROR naming the field.
 * Outside jdg_internal_begin().
 */
extern void jdg_handler_check_payload(const JdgHandler *h, Jsonb *payload);

/*
 * The hooks of the handler that a command names, as they are registered now;
 * NULL where there is none.  Raises nothing.  Inside jdg_internal_begin().
 */
extern void jdg_handler_hooks(int64 command_id, MemoryContext mcxt,
							  const char **cleanup, const char **on_error);

/*
 * SQL text with $1 jsonb that runs the handler (function and sql kinds); it
 * lives as long as the handler.  Resolves the function as it is now.
 */
extern const char *jdg_handler_sql(JdgHandler *h);

#endif							/* JDG_HANDLER_HANDLER_H */
