/*-------------------------------------------------------------------------
 *
 * c.h
 *	  Finding C handlers in their libraries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_C_H
#define JDG_EXEC_C_H

#include "jadugar_plugin.h"

/*
 * Load the library, if it is not yet, and find the handler in it; errors
 * where either is missing or was made for another jadugar.
 */
extern JadugarHandlerFunction jdg_cfunc_load(const char *library,
											 const char *symbol);

#endif							/* JDG_EXEC_C_H */
