/*-------------------------------------------------------------------------
 *
 * audit_retention.h
 *	  Deletion of old rows of jadugar_internal.audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_AUDIT_RETENTION_H
#define JDG_ACCESS_AUDIT_RETENTION_H

#include "shared/database.h"

/* a duty of the scheduler, hourly */
extern TimestampTz jdg_audit_retention_duty(JdgDb *db, uint32 why);

#endif							/* JDG_ACCESS_AUDIT_RETENTION_H */
