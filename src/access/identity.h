/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Distinguishes a database with its own rows from a copy of another one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_IDENTITY_H
#define JDG_ACCESS_IDENTITY_H

#include "utils/uuid.h"

#include "shared/database.h"

/*
 * May the work in this database run?  Not before its first use, when origin
 * is empty, and not in a copy before adopt().  Notes in JdgDb.not_adopted
 * whether it is a copy.  Outside a transaction.
 */
extern bool jdg_is_adopted(JdgDb *db);

/*
 * Raises CONFLICT in a copy before adopt().  For sessions, outside
 * jdg_internal_begin().
 */
extern void jdg_require_adopted(void);

/*
 * The id of this database, which no copy of it has.  In a transaction.
 */
extern void jdg_database_id(pg_uuid_t *id);

/* an id as text, palloc'd */
extern char *jdg_uuid_text(const pg_uuid_t *id);

/*
 * Has this database a subscription of logical replication, which may bring the
 * rows of another one?  Outside a transaction.
 */
extern bool jdg_is_subscriber(void);

#endif							/* JDG_ACCESS_IDENTITY_H */
