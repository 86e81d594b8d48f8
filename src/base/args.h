/*-------------------------------------------------------------------------
 *
 * args.h
 *	  Reading and checking the arguments of SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_ARGS_H
#define JDG_BASE_ARGS_H

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* NULL where the argument is */
extern char *jdg_arg_text(FunctionCallInfo fcinfo, int n);
extern Interval *jdg_arg_interval(FunctionCallInfo fcinfo, int n);
extern Jsonb *jdg_arg_jsonb(FunctionCallInfo fcinfo, int n);

/* VALIDATION_ERROR where it is null; names are for the message */
extern char *jdg_need_text(FunctionCallInfo fcinfo, int n,
						   const char *function, const char *argument);

/* a name of something of ours: from 1 to 255 bytes on one line */
extern void jdg_check_name(const char *what, const char *name);

/* the OID of a role by its exact name; not PUBLIC */
extern Oid	jdg_role_by_name(const char *name);

#endif							/* JDG_BASE_ARGS_H */
