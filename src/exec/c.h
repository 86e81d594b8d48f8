/*-------------------------------------------------------------------------
 *
 * c.h
 *	  Finding and running C handlers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_C_H
#define JDG_EXEC_C_H

#include "exec/exec.h"
#include "jadugar_plugin.h"

/*
 * Load the library, if it is not yet, and find the handler in it; errors
 * where either is missing or was made for another jadugar.
 */
extern JadugarHandlerFunction jdg_cfunc_load(const char *library,
											 const char *symbol);

/* run a C handler, in the current transaction */
extern void jdg_exec_c(const JdgHandler *h, Jsonb *payload,
					   JdgExecResult *res);

#endif							/* JDG_EXEC_C_H */
