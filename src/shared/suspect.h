/*-------------------------------------------------------------------------
 *
 * suspect.h
 *	  The tasks that were running when a process crashed the server.
 *
 * Shared memory is gone after a crash of any server process, so each worker
 * also notes its task in a file that it has mapped.  A worker that is only
 * asked to leave because another one crashed marks its note innocent in its
 * SIGQUIT handler; a note that is left when the server starts again is guilty.
 * The note of a process that sends requests names no task: all that were under
 * way are suspects.
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
#include "shared/slot.h"

typedef struct JdgSuspect
{
	TimestampTz server_start;
	TimestampTz started_at;		/* of the task */
	Oid			dboid;
	int32		attempt;
	int64		task_id;		/* 0: of requests */
	JdgCall		call;			/* a call, and no task */
	pid_t		pid;
	volatile char state;		/* 'R': running, else unused */
} JdgSuspect;

extern const JdgShmemPart jdg_suspects_shmem;

/*
 * For the launcher: creates the file with room for every slot, or warns that
 * it cannot.  Keeps the contents of an existing file.
 */
extern void jdg_suspect_create(void);

/*
 * For a worker: maps the note of its slot.  Does not fail: without a file, the
 * note is kept in the process and has no effect.
 */
extern void jdg_suspect_attach(int slotno);

/*
 * For a process that sends requests, connected to its database: notes that it may
 * have some.
 */
extern void jdg_suspect_requests(void);

/* For a worker: notes that it runs the task, and that the task has ended. */
extern void jdg_suspect_begin(int64 task_id, int32 attempt,
							  const JdgCall *call, TimestampTz started_at);
extern void jdg_suspect_end(void);	/* safe in a signal handler */

/*
 * For the launcher, before it starts a scheduler: moves the guilty notes to
 * shared memory, since new workers will overwrite those of the file.
 */
extern void jdg_suspect_collect(void);

/*
 * For the scheduler: the index of the next guilty note of this database after
 * that index (first: -1), or -1; and removes such a note, when its task has
 * been charged.
 */
extern int	jdg_suspect_next(int after, JdgSuspect *out);
extern void jdg_suspect_clear(int index);

static inline bool
jdg_suspect_is_requests(const JdgSuspect *s)
{
	return s->task_id == 0 && s->call.subscription_id == 0;
}

/* is there a guilty note of this task, so that it must not run yet? */
extern bool jdg_suspect_holds(Oid dboid, int64 task_id);

#endif							/* JDG_SHARED_SUSPECT_H */
