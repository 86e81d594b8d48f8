/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory: which databases have jadugar, and what workers do.
 *
 * Nothing here is the only copy of something promised: a server crash
 * empties it, and launcher, schedulers and workers fill it again from the
 * tables.
 *
 * Locks, in the order in which they may be taken:
 *
 *	JdgShared->lock (LWLock)	  allocation of JdgDb entries and of slots, and
 *								  counting tasks over all slots
 *	JdgDb.mutex (spinlock)		  the wake-up state of one database
 *	JdgDb.marks_mutex (spinlock)  its marks in the ready index
 *	JdgSlot.mutex (spinlock)	  what one worker does
 *
 * A commit callback takes spinlocks only, never the LWLock: an error there
 * would be a PANIC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SHMEM_H
#define JDG_SHARED_SHMEM_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "shared/suspect.h"

/* a group holds at most so many tasks */
#define JDG_GROUP_MAX		32
#define JDG_MESSAGE_LEN		192
#define JDG_RECHECK_MAX		256
#define JDG_BUCKETS			32	/* powers of two of microseconds */

/* reasons to wake a scheduler, bits of JdgDb.wake */
#define JDG_WAKE_SCHEDULES	0x01	/* schedules or future tasks changed */
#define JDG_WAKE_WORK		0x02	/* ready tasks may need a worker */
#define JDG_WAKE_RECHECK	0x04	/* waiting tasks to look at again */
#define JDG_WAKE_SWEEP		0x08	/* look at every waiting task again */
#define JDG_WAKE_WORKER		0x10	/* a worker has ended or a slot is free */
#define JDG_WAKE_CONTROL	0x20	/* paused, resumed, adopted, limits
									 * changed */
#define JDG_WAKE_FLOWS		0x40	/* messages or timers of flows */
#define JDG_WAKE_ALL		0x7f

typedef enum JdgDbState
{
	JDG_DB_FREE,				/* entry unused */
	JDG_DB_UNKNOWN,				/* to be looked at by a scheduler */
	JDG_DB_STARTING,			/* a scheduler was registered */
	JDG_DB_ACTIVE,				/* its scheduler is elected */
	JDG_DB_NONE					/* has no jadugar */
} JdgDbState;

/* a task that waits and may have become runnable, or one that has finished */
typedef struct JdgRecheck
{
	int64		task_id;
	bool		finished;		/* look at what waits for it instead */
} JdgRecheck;

typedef struct JdgStats
{
	pg_atomic_uint64 enqueued;
	pg_atomic_uint64 completed;
	pg_atomic_uint64 failed;
	pg_atomic_uint64 retried;
	pg_atomic_uint64 cancelled;
	pg_atomic_uint64 lost;
	pg_atomic_uint64 skipped;
	pg_atomic_uint64 fired;
	pg_atomic_uint64 groups;
	pg_atomic_uint64 wait_hist[JDG_BUCKETS];
	pg_atomic_uint64 run_hist[JDG_BUCKETS];
	pg_atomic_uint64 reset_at;	/* TimestampTz */
} JdgStats;

/* a role whose tasks can not be run now, and why */
typedef struct JdgBlocked
{
	Oid			owner;
	TimestampTz until;			/* when the scheduler tries again */
	char		reason[24];
} JdgBlocked;

/* JdgDb.slot_wanted: does the database lack a slot? */
typedef enum JdgWant
{
	JDG_WANT_NONE,
	JDG_WANT_LIKED,				/* to make a pool larger */
	JDG_WANT_PROMISED,			/* for a role without worker; one is leaving */
	JDG_WANT_MUST				/* for a role without worker */
} JdgWant;

/* a place in the ready index among tasks of one owner, queue and priority */
typedef struct JdgPosition
{
	TimestampTz run_at;
	int64		task_id;
} JdgPosition;

#define JDG_MARK_RING	8
#define JDG_MARK_WAYS	8
#define JDG_MARK_SETS	32
#define JDG_MARKS_MAX	(JDG_MARK_WAYS * JDG_MARK_SETS)

/* see task/marks.c */
typedef struct JdgMark
{
	Oid			owner;			/* InvalidOid: unused */
	int32		queue_id;
	int32		priority;
	uint32		incarnation;	/* of this entry */
	uint32		published;		/* how many positions so far */
	JdgPosition position;		/* nothing is ready before */
	JdgPosition ring[JDG_MARK_RING];	/* the last ones published */
} JdgMark;

#define JDG_BLOCKED_MAX 16
#define JDG_WAITING_MAX 8

typedef struct JdgDb
{
	/* under JdgShared->lock */
	Oid			dboid;
	JdgDbState	state;
	pid_t		scheduler_pid;
	pid_t		waiting_pid[JDG_WAITING_MAX];	/* schedulers not elected */
	int			failures;		/* schedulers that ended badly in a row */
	TimestampTz retry_at;		/* do not start one before */
	pid_t		evicted_by;		/* a backend wants us out of the database */

	slock_t		mutex;
	/* under mutex */
	Latch	   *scheduler_latch;	/* NULL: none */
	uint32		wake;			/* JDG_WAKE_* */
	int			nrecheck;
	JdgRecheck	recheck[JDG_RECHECK_MAX];
	JdgBlocked	blocked[JDG_BLOCKED_MAX];	/* owner InvalidOid: unused */

	slock_t		marks_mutex;	/* taken alone */
	/* under marks_mutex */
	uint32		marks_made;		/* counts incarnations */
	uint32		marks_lost;		/* changes when some were forgotten */
	JdgMark		mark[JDG_MARK_SETS][JDG_MARK_WAYS];

	pg_atomic_uint32 maybe_created; /* CREATE EXTENSION has committed */
	pg_atomic_uint32 not_adopted;	/* here and origin differ */
	pg_atomic_uint32 used;		/* somebody has committed work here */
	pg_atomic_uint32 slot_wanted;	/* JdgWant */
	pg_atomic_uint32 refused;	/* a queue's limit has held somebody back */
	pg_atomic_uint32 interest;	/* tell the scheduler of every commit */
	pg_atomic_uint32 waiters;	/* backends in wait() */
	pg_atomic_uint32 paused;	/* copy of control.paused_at IS NOT NULL */
	pg_atomic_uint64 next_due;	/* when the scheduler will look for tasks
								 * whose run_at has come */
	ConditionVariable finished; /* some tasks have finished */
	JdgStats	stats;
} JdgDb;

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
	JDG_CANCEL_TASK,			/* cancelled for good */
	JDG_CANCEL_REPLACED,		/* cancelled: a newer occurrence took over */
	JDG_CANCEL_PAUSE			/* stop it and put it back, paused */
} JdgCancelKind;

typedef struct JdgSlotTask
{
	int64		task_id;
	int			queue_id;
	int			attempt;
	JdgTaskPhase phase;
	JdgCancelKind cancel;
	TimestampTz cancelled_at;	/* when that was asked for */
	bool		locked;			/* this worker has locked the task's row */
	bool		limited;		/* its queue has a limit */
	bool		standalone;
} JdgSlotTask;

typedef struct JdgSlot
{
	slock_t		mutex;
	JdgSlotState state;
	uint32		generation;		/* changes with every task begun */
	Oid			dboid;
	Oid			owner;
	pid_t		pid;
	Latch	   *latch;
	bool		wake;			/* work may be there */
	bool		leave;			/* end after the current group */
	bool		help_known;		/* the scheduler knows that its role has more
								 * to do than its workers hold */
	int			ntasks;
	int			current;		/* index of the running task, or -1 */
	JdgSlotTask task[JDG_GROUP_MAX];
	TimestampTz registered_at;
	TimestampTz started_at;		/* of the worker */
	TimestampTz task_started_at;
	TimestampTz deadline;		/* DT_NOEND: none */
	TimestampTz idle_since;
	bool		timed_out;		/* terminated for its deadline */
	bool		evicted;		/* terminated for a command on its database */
	double		progress;		/* < 0: none given */
	char		message[JDG_MESSAGE_LEN];
	int64		tasks_done;
	int64		memory;			/* bytes, as last seen */
	int64		busy_us;		/* time spent in tasks */
} JdgSlot;

/* what the workers of a role in a database do; leaving ones do not count */
typedef struct JdgPoolState
{
	int			workers;
	int			idle;
	int			starting;
	int			stuck;			/* will not claim soon */
	int64		tasks_done;		/* by those that are there */
} JdgPoolState;

/* what start_workers(), stop_workers() and scale_workers() ask for */
typedef struct JdgPool
{
	Oid			dboid;			/* InvalidOid: unused */
	Oid			owner;
	int			min;
	int			max;			/* -1: the settings decide */
} JdgPool;

#define JDG_POOLS_MAX 64

typedef struct JdgSharedState
{
	LWLock	   *lock;
	Latch	   *launcher_latch; /* NULL: none; under launcher_mutex */
	slock_t		launcher_mutex;
	bool		launcher_scan;	/* look at pg_database again */
	pid_t		launcher_pid;
	pg_atomic_uint32 dead;		/* slots in state JDG_SLOT_DEAD */
	int			ndbs;
	int			nslots;
	JdgSlot    *slots;
	JdgDb	   *dbs;
	JdgSuspect *guilty;			/* nslots notes: see suspect.h */
	bool		notes_collected;	/* by the first launcher */
	JdgPool		pools[JDG_POOLS_MAX];	/* under lock */
} JdgSharedState;

/* a task of this process ran SET CONSTRAINTS: set by our utility hook */
extern bool jdg_set_constraints_used;

extern JdgSharedState *JdgShared;

/* setup */
extern void jdg_shmem_init(void);
extern void jdg_require_shmem(void);

/* this process's database: an error if there is no room */
extern JdgDb *jdg_my_db(void);

/* databases; the returned entry stays valid for the life of the server */
extern JdgDb *jdg_db_lookup(Oid dboid, bool create);
extern void jdg_db_wake(JdgDb *db, uint32 why);
extern uint32 jdg_db_take_wake(JdgDb *db);
extern bool jdg_db_is_woken(JdgDb *db);
extern void jdg_db_recheck(JdgDb *db, int64 task_id, bool finished);
extern int	jdg_db_take_rechecks(JdgDb *db, JdgRecheck *out);
extern void jdg_db_block(JdgDb *db, Oid owner, const char *reason,
						 TimestampTz until);
extern void jdg_db_unblock(JdgDb *db, Oid owner);
extern bool jdg_db_unblock_reason(JdgDb *db, const char *reason);
extern bool jdg_db_blocked(JdgDb *db, Oid owner, JdgBlocked *out);
extern void jdg_launcher_wake(bool scan);
extern void jdg_wake_all_schedulers(uint32 why);

/* slots */
extern int	jdg_slot_allocate(Oid dboid, Oid owner);
extern void jdg_slot_release(int slotno);
extern void jdg_slot_free_unstarted(int slotno);
extern bool jdg_slot_find_task(Oid dboid, int64 task_id, JdgTaskPhase *phase);
extern bool jdg_slot_died(JdgSlot *slot);
extern bool jdg_slot_died_with(Oid dboid, int64 task_id);
extern bool jdg_slot_cancel_task(Oid dboid, int64 task_id, JdgCancelKind kind);
extern void jdg_slot_give_up(JdgSlot *slot, int first);
extern TimestampTz jdg_slots_enforce_cancels(Oid dboid);
extern int	jdg_slots_running(Oid dboid, int64 *ids, int max);
extern int	jdg_slots_queue_load(Oid dboid, int queue_id);
extern int	jdg_slots_held(Oid dboid, Oid owner, int queue_id);

/* pools */
extern int	jdg_slots_of(Oid dboid, Oid owner, JdgPoolState *p);
extern bool jdg_slot_wake_idle(Oid dboid, Oid owner);
extern bool jdg_slots_call(Oid dboid, Oid owner);
extern void jdg_slots_know(Oid dboid, Oid owner, bool known);
extern void jdg_slots_leave(Oid dboid, Oid owner, int keep);
extern void jdg_slots_evict(Oid dboid);
extern bool jdg_slot_may_leave(JdgSlot *slot, int min_workers, int min_idle);
extern bool jdg_slot_is_wanted(void);
extern bool jdg_slot_yield(JdgSlot *slot);
extern void jdg_slot_want(JdgDb *db, bool must);
extern void jdg_slot_offer(void);
extern bool jdg_slot_ask_idle_to_leave(JdgDb *db, Oid not_owner);
extern bool jdg_queue_has_room(JdgDb *db, int queue_id, int limit);
extern void jdg_queue_room_made(Oid dboid);

/* true: set; false: the table of overrides is full */
extern bool jdg_pool_set(Oid dboid, Oid owner, int min, int max);
extern bool jdg_pool_get(Oid dboid, Oid owner, int *min, int *max);

extern void jdg_stats_reset(JdgStats *stats);
extern int	jdg_hist_bucket(int64 microseconds);

#endif							/* JDG_SHARED_SHMEM_H */
