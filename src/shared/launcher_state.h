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

/* for the launcher: was a scan asked for since the last call? */
extern bool jdg_launcher_take_scan(void);

#endif							/* JDG_SHARED_LAUNCHER_STATE_H */
