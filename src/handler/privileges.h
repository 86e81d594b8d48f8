/*-------------------------------------------------------------------------
 *
 * privileges.h
 *	  Privileges that a role needs to use a handler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_PRIVILEGES_H
#define JDG_HANDLER_PRIVILEGES_H

#include "handler/handler.h"

/*
 * Tests whether the role may call the function of the handler and its hooks,
 * and use the endpoint of an HTTP handler.  Raises FORBIDDEN if not.  The hint
 * is the missing GRANT.
 */
extern void jdg_handler_require_privileges(const JdgHandler *h, Oid role);

/* the same, with a warning in place of the error */
extern void jdg_handler_warn_of_privileges(const JdgHandler *h, Oid role);

#endif							/* JDG_HANDLER_PRIVILEGES_H */
