/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Rows of jadugar_internal.audit: which role changed what.
 *
 * All functions write a row in the current transaction.  The row exists if and
 * only if that commits.  "function" is the name of the SQL function that is
 * called, "owner" the role whose thing it changes; InvalidOid: no role's.
 *
 * Each function of ours that changes something calls one of them, except those
 * that test/sql/audit.sql lists.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_AUDIT_H
#define JDG_ACCESS_AUDIT_H

#include "postgres_ext.h"

/* a longer text is cut, and says so */
#define JDG_AUDIT_TEXT_MAX 2048

/*
 * A definition or an access has changed: "kind" and "name" say which, such as
 * queue and mail.  name NULL: there is only one of the kind.
 */
extern void jdg_audit(const char *function, const char *kind,
					  const char *name, Oid owner);

/* the same, with what there is to say of the change, and why; or NULL */
extern void jdg_audit_detail(const char *function, const char *kind,
							 const char *name, Oid owner, const char *detail,
							 const char *reason);

/* a privilege on such a thing is given to or taken from a role */
extern void jdg_audit_grant(const char *function, const char *kind,
							const char *name, Oid owner,
							const char *privilege, const char *role);

/* Is it work of another role than the caller's?  Inside and outside. */
extern bool jdg_audit_is_other(Oid owner);

/* Work has changed, such as task 42; no row is written for the caller's own. */
extern void jdg_audit_work(const char *function, const char *kind, int64 id,
						   Oid owner);

/* the same for a number of things; the row is always written */
extern void jdg_audit_number(const char *function, const char *kind,
							 Oid owner, int64 n);

/*
 * Is work that is made for this role given to it by an operator, or work of it
 * taken by one?  A member of the role makes work of its own.
 */
extern bool jdg_audit_is_given(Oid owner);

/* Work is made; no row is written unless an operator gives it to the role. */
extern void jdg_audit_given(const char *function, const char *kind, int64 id,
							Oid owner);

/*
 * Work of many roles that one call changes: one row for each role other than
 * the caller, with the number.  The tally is in the current memory context.
 */
typedef struct JdgAuditTally JdgAuditTally;

extern JdgAuditTally *jdg_audit_tally(void);
extern void jdg_audit_count(JdgAuditTally *tally, Oid owner, int64 n);
extern void jdg_audit_counted(JdgAuditTally *tally, const char *function,
							  const char *kind);

#endif							/* JDG_ACCESS_AUDIT_H */
