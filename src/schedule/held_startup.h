/*-------------------------------------------------------------------------
 *
 * held_startup.h
 *	  @startup schedules whose tenant is paused when the server starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_HELD_STARTUP_H
#define JDG_SCHEDULE_HELD_STARTUP_H

/* in SQL: is the tenant of schedule s paused? */
#define JDG_SQL_TENANT_OF_S_IS_PAUSED \
	"EXISTS (SELECT FROM jadugar_internal.tenant n " \
	"WHERE n.name = s.tenant AND n.paused_at IS NOT NULL OFFSET 0)"

/*
 * Holds a schedule whose occurrence is this start of the server, and whose row
 * is locked.  False: its tenant is not paused.  For the scheduler, inside its
 * transaction.
 */
extern bool jdg_schedule_hold_startup(int64 schedule_id);

#endif							/* JDG_SCHEDULE_HELD_STARTUP_H */
