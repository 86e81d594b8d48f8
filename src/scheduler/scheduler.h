/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  Launcher and scheduler: what the files of this folder share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_SCHEDULER_H
#define JDG_SCHEDULER_SCHEDULER_H

#include "shared/shmem.h"

/* launcher.c */
extern void jdg_launcher_register(void);
extern bool jdg_scheduler_start(JdgDb *db, pid_t notify);
extern PGDLLEXPORT void jdg_launcher_main(Datum arg);

/* scheduler.c */
extern PGDLLEXPORT void jdg_scheduler_main(Datum arg);

/* start and commit a transaction of the scheduler, as bookkeeper */
extern void jdg_work_begin(void);
extern void jdg_work_begin_async(void);
extern void jdg_work_end(void);

/* pool.c: returns when to come again */
extern TimestampTz jdg_pool_ensure(JdgDb *db);

/* starting.c */
extern int	jdg_workers_start(JdgDb *db, Oid owner, int n, bool grow,
							  TimestampTz *next);
extern void jdg_pool_check_started(JdgDb *db);
extern void jdg_pool_roles_changed(JdgDb *db);

/* due.c: future tasks, waiting tasks */
extern TimestampTz jdg_promote_due(void);
extern void jdg_waiting_sweep(void);
extern void jdg_waiting_resolve(JdgDb *db);

/* flows.c: returns when to come again */
extern TimestampTz jdg_flows_advance(bool sweep);

/* charge.c: tasks whose worker died */
extern TimestampTz jdg_charge_dead(JdgDb *db);
extern void jdg_charge_after_crash(JdgDb *db);
extern void jdg_fail_tasks_of_missing(Oid owner);

/* maintenance.c */
extern void jdg_maintain(void);
extern bool jdg_prune_runs(void);
extern void jdg_maintain_reset(void);

/* ddl_hook.c */
extern void jdg_hooks_init(void);

#endif							/* JDG_SCHEDULER_SCHEDULER_H */
