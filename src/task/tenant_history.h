/*-------------------------------------------------------------------------
 *
 * tenant_history.h
 *	  max_history of tenants: how far their history goes back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TENANT_HISTORY_H
#define JDG_TASK_TENANT_HISTORY_H

#include "shared/database.h"

/*
 * Duty of the scheduler: counts the history of tenants with max_history, once
 * a day.
 */
extern TimestampTz jdg_tenant_history(JdgDb *db, uint32 why);

/*
 * Rows of the tenant that are older are too many, as last counted; DT_NOBEGIN:
 * none is known to be.
 */
extern TimestampTz jdg_tenant_history_limit(const char *tenant);

#endif							/* JDG_TASK_TENANT_HISTORY_H */
