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

/* this process is the launcher, or is not any more */
extern void jdg_launcher_enter(void);
extern void jdg_launcher_leave(void);

/* its process, 0: there is none */
extern pid_t jdg_launcher_pid(void);

/* wake it; "scan": let it look at pg_database again.  Never fails. */
extern void jdg_launcher_wake(bool scan);

/* for the launcher: was a scan asked for since the last call? */
extern bool jdg_launcher_take_scan(void);

#endif							/* JDG_SHARED_LAUNCHER_STATE_H */
