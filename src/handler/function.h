/*-------------------------------------------------------------------------
 *
 * function.h
 *	  Functions that users name: handlers' functions and their hooks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_FUNCTION_H
#define JDG_HANDLER_FUNCTION_H

#include "utils/jsonb.h"

/* no name of a function with its arguments is longer, in bytes */
#define JDG_SIGNATURE_MAX	2000

typedef struct JdgFunction
{
	Oid			oid;
	Oid			argument;		/* type of its only one, or InvalidOid */
	Oid			result;
	bool		procedure;
	bool		returns_set;
	bool		returns_row;	/* a composite, or has OUT parameters */
} JdgFunction;

/*
 * Finds the function that a user names by "schema.f(args)" or, where only one
 * has that name, "schema.f".  The user must be allowed to execute it.  "what"
 * names the argument in messages.  Outside jdg_internal_begin().
 */
extern void jdg_function_find(const char *what, const char *given,
							  JdgFunction *f);

/*
 * The function of that name, whoever may execute it; InvalidOid if there is
 * none.  *why: the message of the error if there was one, or NULL.
 */
extern Oid	jdg_function_lookup(const char *given, const char **why);

/*
 * The function of a stored signature, as it is now.  The second returns false
 * if there is none that the current user can find; the first raises an error.
 */
extern void jdg_function_read(const char *signature, JdgFunction *f);
extern bool jdg_function_read_any(const char *signature, JdgFunction *f);

/*
 * The function of a stored signature, or InvalidOid if there is none.  Inside
 * jdg_internal_begin(), so that no privileges are needed.
 */
extern Oid	jdg_function_oid(const char *signature);

/* a signature that means the same function under any search_path */
extern char *jdg_function_signature(Oid function);

/* SELECT or CALL of it with $1, the payload */
extern char *jdg_function_call_sql(const JdgFunction *f);

#endif							/* JDG_HANDLER_FUNCTION_H */
