/*-------------------------------------------------------------------------
 *
 * suspect.h
 *	  Which task was running when a process killed the server.
 *
 * Shared memory is gone after a crash of any server process, so each worker
 * also notes its task in a file that it has mapped.  A worker that is only
 * asked to leave because another one crashed marks its note innocent in its
 * SIGQUIT handler; a note that is left when the server starts again is guilty.
 *
 * The file need not survive a power cut: notes carry the start time of the
 * postmaster, and only those of the running one count.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SUSPECT_H
#define JDG_SHARED_SUSPECT_H

#include "datatype/timestamp.h"

#include "base/module.h"

typedef struct JdgSuspect
{
	TimestampTz server_start;
	TimestampTz started_at;		/* of the task */
	Oid			dboid;
	int32		attempt;
	int64		task_id;
	pid_t		pid;
	volatile char state;		/* 'R': running, else nothing */
} JdgSuspect;

extern const JdgShmemPart jdg_suspects_shmem;

/* launcher: make the file with room for every slot */
extern void jdg_suspect_create(void);

/* worker: map the note of its slot; never fails, works without a file */
extern void jdg_suspect_attach(int slotno);
extern void jdg_suspect_begin(int64 task_id, int32 attempt,
							  TimestampTz started_at);
extern void jdg_suspect_end(void);	/* safe in a signal handler */

/* launcher: take the guilty notes over; scheduler: deal with its own */
extern void jdg_suspect_collect(void);
extern int	jdg_suspect_next(JdgSuspect *out);
extern void jdg_suspect_clear(int index);

#endif							/* JDG_SHARED_SUSPECT_H */
