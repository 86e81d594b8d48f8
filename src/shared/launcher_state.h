/*-------------------------------------------------------------------------
 *
 * launcher_state.h
 *	  The launcher as other processes see it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_LAUNCHER_STATE_H
#define JDG_SHARED_LAUNCHER_STATE_H

#include "base/module.h"

#define JDG_LOOK_AT_MAX 32

extern const JdgShmemPart jdg_launcher_shmem;

/* this process becomes the launcher, or stops being it */
extern void jdg_launcher_enter(void);
extern void jdg_launcher_leave(void);

/* the PID of the launcher, 0: there is none */
extern pid_t jdg_launcher_pid(void);

/*
 * Wakes the launcher; "scan": makes it read pg_database again.  Never fails.
 */
extern void jdg_launcher_wake(bool scan);

/*
 * The database may have got the extension, or work that no wake-up told of:
 * the launcher gives it an entry as soon as there is room, or has its scheduler
 * run all duties.  Never fails.
 */
extern void jdg_launcher_look_at(Oid dboid);

/*
 * For the launcher: the databases that were noted since the last call.
 * "dboids" has room for JDG_LOOK_AT_MAX; *all: there were more.
 */
extern int	jdg_launcher_take_look_at(Oid *dboids, bool *all);

/* for the launcher: was a scan asked for since the last call? */
extern bool jdg_launcher_take_scan(void);

#endif							/* JDG_SHARED_LAUNCHER_STATE_H */
