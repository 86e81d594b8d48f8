/*-------------------------------------------------------------------------
 *
 * slot.h
 *	  Worker slots: one per possible worker, and one per possible process that
 *	  sends requests, shared by all databases.
 *
 * A scheduler allocates a slot before it registers the worker, the worker
 * fills it, and it is released when the worker has ended:
 *
 *	FREE -> STARTING (scheduler) -> BUSY <-> IDLE (worker) -> FREE
 *	                                BUSY -> DEAD (inside a task) -> FREE
 *
 * The scheduler charges the task of a dead slot, then frees the slot.
 *
 * The slot of a process that sends requests (src/request/) has all requests that
 * are under way; "current" is not used, and it is never DEAD: the scheduler
 * settles the rows that it leaves, as after a crash.  A request to cancel is
 * left there only between the commit of the mark and the settling: in phase
 * RUNNING.
 *
 * A worker publishes a task in its slot before it locks the task's row, and
 * sets "locked" when it has the lock.  A request to cancel a task is left
 * only where "locked" is set: a worker that does not get the lock drops the
 * task without looking for requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SLOT_H
#define JDG_SHARED_SLOT_H

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/spin.h"

#include "base/module.h"
#include "base/settings.h"
#include "shared/limit.h"

/* maximum number of tasks in a group of a worker */
#define JDG_GROUP_MAX		128
#define JDG_MESSAGE_LEN		192

typedef enum JdgSlotState
{
	JDG_SLOT_FREE,
	JDG_SLOT_STARTING,			/* registered, not yet connected */
	JDG_SLOT_IDLE,
	JDG_SLOT_BUSY,
	JDG_SLOT_DEAD				/* ended inside a task: to be charged */
} JdgSlotState;

typedef enum JdgTaskPhase
{
	JDG_TASK_CLAIMED,
	JDG_TASK_RUNNING,
	JDG_TASK_DONE				/* ran, its group has not committed yet */
} JdgTaskPhase;

typedef enum JdgCancelKind
{
	JDG_CANCEL_NONE,
	JDG_CANCEL_TASK,			/* cancelled permanently */
	JDG_CANCEL_REPLACED,		/* cancelled: a newer occurrence took over */
	JDG_CANCEL_PAUSE			/* stopped and put back, paused */
} JdgCancelKind;

/* a call of a subscription's handler; subscription_id 0: none */
typedef struct JdgCall
{
	int64		subscription_id;
	int64		event_id;
	int64		last_id;		/* of a batch; else the same */
	int32		shard;
	int32		attempts;		/* that had failed before */
} JdgCall;

typedef struct JdgSlotTask
{
	int64		task_id;		/* of a call: its event, negative */
	Oid			owner;
	JdgCall		call;			/* a call, and no task */
	int			queue_id;
	int			attempt;
	JdgTaskPhase phase;
	JdgCancelKind cancel;
	TimestampTz cancelled_at;	/* time of the request */
	Oid			cancelled_by;	/* role that requested it, or InvalidOid */
	bool		locked;			/* this worker has locked the task's row */
	bool		limited;		/* it holds places */
	JdgPlaces	places;
	bool		standalone;
	/* of a request: */
	TimestampTz started_at;
	TimestampTz deadline;
} JdgSlotTask;

typedef struct JdgSlot
{
	slock_t		mutex;
	JdgSlotState state;
	bool		http;			/* of a process that sends requests */
	uint32		generation;		/* changes at every begin of a task */
	Oid			dboid;
	Oid			owner;
	pid_t		pid;
	Latch	   *latch;
	bool		wake;			/* woken, since tasks may be ready */
	bool		leave;			/* end after the current group */
	bool		help_known;		/* the scheduler knows that the role's workers
								 * hold less than is ready */
	int			ntasks;
	int			current;		/* index of the running task, or -1 */
	int			max_tasks;		/* room in "task" */
	JdgSlotTask *task;
	TimestampTz registered_at;
	TimestampTz started_at;		/* of the worker */
	TimestampTz task_started_at;
	TimestampTz deadline;		/* DT_NOEND: none */
	TimestampTz idle_since;
	bool		timed_out;		/* terminated for its deadline */
	bool		evicted;		/* terminated for a command on its database */
	double		progress;		/* from 0 to 1; < 0: unknown */
	char		message[JDG_MESSAGE_LEN];
	int64		tasks_done;
	int64		memory;			/* bytes, as last seen */
	int64		busy_us;		/* time spent in tasks, in microseconds */
} JdgSlot;

/* all slots: jdg_max_workers of them, then jdg_max_http_processes */
extern JdgSlot *jdg_slots;

static inline int
jdg_slots_count(void)
{
	return jdg_max_workers + jdg_max_http_processes;
}

/* the room for tasks of all slots together */
static inline int
jdg_slots_max_tasks(void)
{
	return jdg_max_workers * JDG_GROUP_MAX +
		jdg_max_http_processes * jdg_http_max_transfers;
}

extern const JdgShmemPart jdg_slots_shmem;

/*
 * Reserve a free slot, of a worker or of a process that sends requests; -1 if
 * there is none.  The caller registers a process with this number, or frees the
 * slot.  Takes JdgSharedLock.
 */
extern int	jdg_slot_allocate(Oid dboid, Oid owner);
extern int	jdg_slot_allocate_http(Oid dboid, Oid owner);

/* make it free; the caller offers it to others, see pool.h */
extern void jdg_slot_clear_all(JdgSlot *slot);

/*
 * Takes the tasks from number "first" on out of a slot, whose mutex the caller
 * holds, and returns how many had places.  These go to "given", to be given back
 * after the mutex.
 */
extern int	jdg_slot_take_out(JdgSlot *slot, int first, JdgPlaces *given);
extern void jdg_slot_give_back(const JdgPlaces *given, int n);

/* is the worker of this slot yet to start? */
extern bool jdg_slot_is_starting(JdgSlot *slot);

/*
 * The worker of this slot ends.  If it ends inside a task, the slot becomes
 * DEAD, the scheduler charges the task, and the result is true.
 */
extern bool jdg_slot_died(JdgSlot *slot);

/*
 * Does a dead worker leave this task to the scheduler?  No worker may run it
 * before it is charged.  Reads one word while no worker is dead.
 */
extern bool jdg_slot_died_with(Oid dboid, int64 task_id);

/* does a worker hold this task, with its row locked? */
extern bool jdg_slot_find_task(Oid dboid, int64 task_id, JdgTaskPhase *phase);

/*
 * Ask the worker that holds a task to stop it, for the role "by" or for none.
 * False: no worker holds it, or it has run already and only its commit is
 * outstanding, or it is a request whose mark has not committed, or the worker
 * has died and the scheduler is about to charge the task.
 */
extern bool jdg_slot_cancel_task(Oid dboid, int64 task_id, JdgCancelKind kind,
								 Oid by);

/*
 * The group ends without running the tasks from "first" on.  Those that have
 * no request to cancel are released: from here on, such a request finds no
 * worker and waits for the row.
 */
extern void jdg_slot_release_rest(JdgSlot *slot, int first);

/*
 * Terminate workers whose task has not stopped within jadugar.cancel_grace
 * of its cancel.  For the scheduler; returns the next instant to look again,
 * DT_NOEND if there is none.
 */
extern TimestampTz jdg_slots_enforce_cancels(Oid dboid);

/*
 * The ids of all tasks that workers of a database hold or try to lock, at
 * most jdg_slots_max_tasks().
 */
extern int	jdg_slots_running(Oid dboid, int64 *ids, int max);

#endif							/* JDG_SHARED_SLOT_H */
