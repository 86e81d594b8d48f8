/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The launcher: one process per server that starts the schedulers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LAUNCHER_LAUNCHER_H
#define JDG_LAUNCHER_LAUNCHER_H

#include "shared/database.h"

/* called by _PG_init, in the postmaster; does nothing during pg_upgrade */
extern void jdg_launcher_register(void);

/* entry point of the background worker */
extern PGDLLEXPORT void jdg_launcher_main(Datum arg);

/*
 * Registers a scheduler for a database.  SIGUSR1 is sent to "notify" when it
 * starts or ends; 0: to no process.  Returns false if no background worker of
 * the server is free.
 */
extern bool jdg_scheduler_start(JdgDb *db, pid_t notify);

#endif							/* JDG_LAUNCHER_LAUNCHER_H */
