/*-------------------------------------------------------------------------
 *
 * confine.h
 *	  Tenants to which a role is confined, as granted by grant_tenant().
 *
 * access.h answers whether a role is confined; row_access.h what follows from
 * that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_CONFINE_H
#define JDG_ACCESS_CONFINE_H

#include "postgres_ext.h"

/* one tenant of a role */
typedef struct JdgConfinedTenant
{
	char	   *name;
	bool		user;			/* else monitor */
} JdgConfinedTenant;

typedef struct JdgConfined
{
	int			n;				/* 0: the role sees no row that has a label */
	JdgConfinedTenant *tenants; /* each name once, in the order of strcmp() */
} JdgConfined;

/*
 * Reads the tenants that were granted to the role, or to roles whose
 * privileges it has; "directly": to the role itself only.  NULL: there are
 * none.  The result is palloc'd in mcxt.
 */
extern JdgConfined *jdg_confined_read(Oid role, bool directly,
									  MemoryContext mcxt);

/* A copy, palloc'd in the current memory context; NULL of NULL. */
extern JdgConfined *jdg_confined_copy(const JdgConfined *c);

/* The tenant of that name; NULL: it is none of them, or the name is NULL. */
extern const JdgConfinedTenant *jdg_confined_find(const JdgConfined *c,
												  const char *name);

/*
 * The names of the tenants on which the role acts, as an array of text for a
 * query.
 */
extern Datum jdg_confined_user_names(const JdgConfined *c);

#endif							/* JDG_ACCESS_CONFINE_H */
