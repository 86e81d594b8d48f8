/*-------------------------------------------------------------------------
 *
 * owner_names.h
 *	  Names of the roles in jadugar_internal.owner, by which adopt() finds them again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_OWNER_NAMES_H
#define JDG_ACCESS_OWNER_NAMES_H

#include "shared/database.h"

/* duty of the scheduler, hourly: takes over new names of renamed roles */
extern TimestampTz jdg_owner_names(JdgDb *db, uint32 why);

#endif							/* JDG_ACCESS_OWNER_NAMES_H */
