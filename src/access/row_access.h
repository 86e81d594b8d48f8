/*-------------------------------------------------------------------------
 *
 * row_access.h
 *	  What a role may do with a row that has an owner and the label of a
 *	  tenant.
 *
 * Things without a label, such as queues and handlers, belong to their owner:
 * access.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_ROW_ACCESS_H
#define JDG_ACCESS_ROW_ACCESS_H

#include "access/access.h"

typedef enum JdgRowAccess
{
	JDG_ROW_HIDDEN,
	JDG_ROW_OUTLINE,			/* without payload, result and the like */
	JDG_ROW_WHOLE
} JdgRowAccess;

/* how much the role sees of a row; it has access at some level */
extern JdgRowAccess jdg_row_access(Oid role, Oid owner, const char *tenant);

/*
 * May the role act on a row?  As jdg_may_manage(), and if the role is confined,
 * the tenant is one of those on which it acts.
 */
extern bool jdg_may_manage_row(Oid role, Oid owner, const char *tenant);

/*
 * May the role replace code of this owner, which rows of any tenant may run?
 * It has the rights of the owner, and is not confined to fewer tenants.
 */
extern bool jdg_may_replace(Oid role, Oid owner);

/*
 * The parameter of a query that selects rows on which the role may act, beside
 * their owner: its tenants as text[]; null for a role that is not confined.
 */
extern void jdg_put_tenants(Datum *value, char *isnull, Oid role);

/*
 * The label of a row that the current user makes, or gives another label.
 * "tenant" is the label that was asked for, or NULL.  A role that acts on one
 * tenant makes rows of it without asking.  Raises FORBIDDEN for a label that
 * the role may not use, and VALIDATION_ERROR if it has to name one.  Outside
 * jdg_internal_begin().
 */
extern const char *jdg_tenant_of_new_row(const char *tenant);

#endif							/* JDG_ACCESS_ROW_ACCESS_H */
