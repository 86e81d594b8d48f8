/*-------------------------------------------------------------------------
 *
 * gone.h
 *	  Removal of what the tables still say of roles that were dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_GONE_H
#define JDG_ACCESS_GONE_H

#include "shared/database.h"

/* duty of the scheduler, daily */
extern TimestampTz jdg_gone_roles(JdgDb *db, uint32 why);

#endif							/* JDG_ACCESS_GONE_H */
