/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  The roles that own something here, and to whom this database belongs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_OWNER_H
#define JDG_ACCESS_OWNER_H

/* the name and the LOGIN attribute of a role; false if there is none */
extern bool jdg_role_read(Oid role, NameData *name, bool *can_login);

/* the name of a role, or its OID if it was dropped; palloc'd */
extern char *jdg_role_name(Oid role);

/*
 * The reason why work of a role cannot run in this database: owner_missing,
 * owner_nologin or owner_noconnect.  NULL: it can.  The server asks workers for
 * nothing else; a password's VALID UNTIL does not concern them, and a
 * CONNECTION LIMIT does not count them.
 */
extern const char *jdg_role_obstacle(Oid role);

/*
 * Is the role that has this OID the one that our tables mean by it?  Always,
 * but in a database that was restored and not adopted yet.
 */
extern bool jdg_role_is_meant(Oid role);

/*
 * The role that a stored OID means: before adopt() the role of that name,
 * else the role itself.  InvalidOid if there is none.  Inside
 * jdg_internal_begin().
 */
extern Oid	jdg_role_meant_by(Oid stored);

/*
 * Puts the role's name into jadugar_internal.owner, and sets
 * jadugar_internal.origin at first use: from then on our tables have its OID.
 * Inside jdg_internal_begin().
 */
extern void jdg_remember_role(Oid role);

/* The same for a role that is about to own something, outside. */
extern void jdg_owner_record(Oid owner, const NameData *name);

#endif							/* JDG_ACCESS_OWNER_H */
