/*-------------------------------------------------------------------------
 *
 * cfunc.h
 *	  Finding C handlers in their libraries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_CFUNC_H
#define JDG_CFUNC_H

#include "jadugar_plugin.h"

/*
 * Load the library, if it is not yet, and find the handler in it; errors
 * where either is missing or was made for another jadugar.
 */
extern JadugarHandlerFunction jdg_cfunc_load(const char *library,
											 const char *symbol);

#endif							/* JDG_CFUNC_H */
