/*-------------------------------------------------------------------------
 *
 * charge.h
 *	  Settles tasks whose worker process ended while it ran them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_CHARGE_H
#define JDG_TASK_CHARGE_H

#include "shared/database.h"

/*
 * Duty of the scheduler: settles tasks whose worker has died.  The first call
 * also settles those that ran when the server went down.
 */
extern TimestampTz jdg_charge(JdgDb *db, uint32 why);

/* fail all tasks of a role that does not exist; outside a transaction */
extern void jdg_charge_tasks_of_role(Oid owner);

#endif							/* JDG_TASK_CHARGE_H */
