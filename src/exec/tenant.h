/*-------------------------------------------------------------------------
 *
 * tenant.h
 *	  The tenant of what a call makes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_TENANT_H
#define JDG_EXEC_TENANT_H

/*
 * The label that is given, else that of the running task or event, else
 * jadugar.tenant; NULL: none.  A caller who is confined gets one of its tenants,
 * or an error: access/row_access.h.  Raises VALIDATION_ERROR for a text that
 * cannot be a label.  In the current memory context.  Outside
 * jdg_internal_begin().
 */
extern char *jdg_tenant_of_call(const char *given);

/*
 * Raises the errors of jdg_tenant_of_call(NULL) for a call that makes a row in
 * some cases only, so that they do not depend on the case.
 */
extern void jdg_tenant_check_call(void);

#endif							/* JDG_EXEC_TENANT_H */
