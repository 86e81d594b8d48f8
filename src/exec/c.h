/*-------------------------------------------------------------------------
 *
 * c.h
 *	  Loads and runs C handlers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_C_H
#define JDG_EXEC_C_H

#include "exec/exec.h"
#include "jadugar_plugin.h"

/*
 * Loads the library, unless this process has loaded it, and returns the
 * address of the handler, which stays valid until the process ends.  Raises
 * NOT_FOUND if the library has no such function, VALIDATION_ERROR if it has no
 * JADUGAR_MODULE or was compiled for an incompatible interface, and the
 * server's own errors if it cannot be loaded.
 */
extern JadugarHandlerFunction jdg_cfunc_load(const char *library,
											 const char *symbol);

/*
 * Runs a C handler as the current user, in the current transaction.  The
 * result is in the caller's memory context.
 */
extern void jdg_exec_c(const JdgHandler *h, Jsonb *payload,
					   JdgExecResult *res);

#endif							/* JDG_EXEC_C_H */
