/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Access rights: levels given by grant_access(), and owners.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_ACCESS_H
#define JDG_ACCESS_ACCESS_H

#include "fmgr.h"

/* is the role an operator (or superuser, or owner of the extension)? */
extern bool jdg_is_operator(Oid role);
extern bool jdg_is_monitor(Oid role);	/* an operator is one too */
extern bool jdg_has_access(Oid role);	/* at any level */

/*
 * The tenants to which the role is confined; NULL: it is not.  Such a role is
 * neither operator nor monitor.  Valid until rights of other roles are asked
 * for.
 */
extern const struct JdgConfined *jdg_confined(Oid role);

/* the level that a function requires of its caller */
typedef enum JdgLevel
{
	JDG_LEVEL_ANY,				/* monitor, user or operator */
	JDG_LEVEL_USER,				/* user or operator */
	JDG_LEVEL_USER_READS,		/* the same, for a function that changes
								 * nothing */
	JDG_LEVEL_OPERATOR
} JdgLevel;

/*
 * Raises UNAUTHORIZED unless the current user has the level.  A VOLATILE
 * function of level JDG_LEVEL_USER or JDG_LEVEL_OPERATOR changes something: it
 * also needs a transaction that is not read-only.
 */
extern void jdg_require_level(FunctionCallInfo fcinfo, JdgLevel level);

/* the same for a function of this name, written in SQL */
extern void jdg_require_level_of(const char *function, JdgLevel level);

/*
 * The head of an SQL-callable function.  The level of the caller is checked
 * before the arguments are read.
 */
#define JDG_FUNCTION(name, level) \
	PG_FUNCTION_INFO_V1(name); \
	static Datum name##_allowed(PG_FUNCTION_ARGS); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		jdg_require_level(fcinfo, level); \
		return name##_allowed(fcinfo); \
	} \
	static Datum \
	name##_allowed(PG_FUNCTION_ARGS)

/* may "role" act on objects of "owner": itself, a member, or an operator */
extern bool jdg_may_manage(Oid role, Oid owner);

/* the same without the operator */
extern bool jdg_owns(Oid role, Oid owner);

/*
 * May "role" run code of "other" without surprise?  It may if the code is its
 * own or that of a role it is a member of.  Superusers trust no role merely
 * because they are superusers.
 */
extern bool jdg_role_trusts(Oid role, Oid other);

/* the role that is given or loses a privilege, by its exact name */
extern Oid	jdg_grantee(const char *name);

/*
 * Says in a NOTICE if the role that was given a privilege has no access to
 * jadugar, so that it cannot use it.
 */
extern void jdg_note_no_access(Oid role);

/*
 * The OID of the role for whose objects a call acts; no login check.  A role
 * that was dropped is named by its OID, as views show it.
 */
extern Oid	jdg_owner_of_call(const char *owner_name);

/* the same for a call that only reads, which a monitor may make for any role */
extern Oid	jdg_owner_to_read(const char *owner_name);

/*
 * The same for rows with the label of a tenant, of which a confined role may
 * see some, whoever owns them: row_access.h.
 */
extern Oid	jdg_owner_of_rows_to_read(const char *owner_name);

/*
 * The first role of the first column of SPI_tuptable's n rows for which the
 * caller may act or that it may see; InvalidOid: there is none.  For hints that
 * name the owner of an object.  Inside jdg_internal_begin().
 */
extern Oid	jdg_visible_owner(int64 n);

/*
 * Returns the owner of the work that a call makes.  owner_name NULL means
 * the current user; any other name requires membership in that role or an
 * operator.  Refuses roles that may not log in
 * or connect.  Records the owner: see
 * access/owner.h.  Outside jdg_internal_begin().
 */
extern Oid	jdg_resolve_owner(const char *owner_name);

/* Raises the same errors if no worker can run work of the role. */
extern void jdg_require_may_work(Oid owner);

/* as jdg_resolve_owner() for objects that no worker runs: the role need not log in */
extern Oid	jdg_resolve_object_owner(const char *owner_name);

#endif							/* JDG_ACCESS_ACCESS_H */
