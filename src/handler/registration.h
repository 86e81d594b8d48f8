/*-------------------------------------------------------------------------
 *
 * registration.h
 *	  A handler to be registered: the arguments of register_...handler().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_REGISTRATION_H
#define JDG_HANDLER_REGISTRATION_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/expectrows.h"

/* NULL: not given; names are resolved already */
typedef struct JdgRegistration
{
	const char *name;
	const char *kind;
	const char *by;				/* the SQL function */
	const char *function;
	const char *sql;
	const char *library;
	const char *symbol;
	Jsonb	   *request;		/* of an HTTP handler: request/template.h */
	const char *payload_type;
	const char *validate;
	const char *cleanup;
	const char *on_error;
	const char *version;
	const char *queue;
	int32		queue_id;		/* 0: none */
	int32	   *priority;
	Interval   *timeout;
	Jsonb	   *retry;
	const char *transaction;
	bool	   *isolate;
	JdgExpectRows *expect_rows;
	const char *description;
	bool		or_replace;
	bool		moved;			/* out: it has replaced an HTTP handler of
								 * another endpoint */
} JdgRegistration;

/* insert or replace; returns the name, as the SQL functions do */
extern Datum jdg_handler_write(JdgRegistration *r);

#endif							/* JDG_HANDLER_REGISTRATION_H */
