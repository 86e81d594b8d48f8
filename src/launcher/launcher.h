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

/* from _PG_init, in the postmaster; does nothing during pg_upgrade */
extern void jdg_launcher_register(void);

/* entry point of the background worker */
extern PGDLLEXPORT void jdg_launcher_main(Datum arg);

/*
 * Register a scheduler for a database; "notify" is sent SIGUSR1 when it
 * starts or ends, 0: no process.  False: no background worker slot is free.
 */
extern bool jdg_scheduler_start(JdgDb *db, pid_t notify);

#endif							/* JDG_LAUNCHER_LAUNCHER_H */
