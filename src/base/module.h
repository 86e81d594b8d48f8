/*-------------------------------------------------------------------------
 *
 * module.h
 *	  The row of a module: where it takes part in the work of the others.
 *
 * A module is a folder of src/.  src/modulelist.h names the modules in order;
 * each that takes part defines one JdgModule, jdg_NAME_module, in its
 * module.c.  A member is NULL where the module has nothing to add.
 *
 * The order of the list is the order in which modules are initialized and in
 * which the loops below call them, except where a member says otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_MODULE_H
#define JDG_BASE_MODULE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

struct JdgDb;
struct JdgDecision;
struct JdgFollow;
struct JdgOutcome;
struct JdgQuery;
struct JdgTask;

/*
 * A structure in shared memory.  "init" gets its address in each process
 * that attaches to it; "found" is false for the first one, which fills it.
 */
typedef struct JdgShmemPart
{
	const char *name;			/* in pg_shmem_allocations */
	Size		(*size) (void);
	void		(*init) (void *at, bool found);
} JdgShmemPart;

/* The scheduler does what is due in this order. */
typedef enum JdgDutyPhase
{
	JDG_DUTY_CONTROL,			/* pauses, changed roles */
	JDG_DUTY_START,				/* what must be on time: firing, workers */
	JDG_DUTY_ADVANCE,			/* tasks and runs that wait */
	JDG_DUTY_UPKEEP				/* with a short lock_timeout */
} JdgDutyPhase;

/*
 * A duty of the scheduler.  It runs in each round that one of its wake bits
 * (shared/wakeup.h) woke, or that it asked for itself: "run" returns the next
 * instant at which it has to run, DT_NOEND if only a wake-up can bring more
 * work.  An error ends the round; the duty runs again after a minute, or when
 * woken.  It takes its own transactions (shared/work.h) and gives others a
 * turn after some 50 ms.  A list of duties ends with a NULL name.
 *
 * "why" holds those of its wake bits that were set since its last run; all of
 * them in the scheduler's first round, after an error and after a reload.
 */
typedef struct JdgDuty
{
	const char *name;
	JdgDutyPhase phase;
	uint32		wake;			/* JDG_WAKE_* */
	bool		when_paused;	/* runs also while everything is paused */
	TimestampTz (*run) (struct JdgDb *db, uint32 why);
} JdgDuty;

/* The ends of some tasks, as jdg_settle() writes them. */
typedef struct JdgEnds
{
	struct JdgTask *tasks;
	const struct JdgOutcome *outcomes;
	struct JdgDecision *decisions;
	int			n;
	bool		final;			/* this transaction settles and commits at
								 * once; false in a session that cancels */
	struct JdgFollow *follow;	/* task/follow.h; NULL: nothing may follow */
} JdgEnds;

/*
 * A follower of tasks' ends.  "concerns" is asked of every task that ends
 * and must be cheap.  If it is true for one of them, "decided" is called
 * before anything is written or locked for their ends; it may change
 * decisions.  "written" is called inside bookkeeping when the
 * rows have been written.  An error rolls back the ends.
 */
typedef struct JdgEndFollower
{
	bool		(*concerns) (const struct JdgTask *task);
	void		(*decided) (JdgEnds *ends);
	void		(*written) (JdgEnds *ends);
} JdgEndFollower;

/*
 * Roles in the module's tables.  Each query of "remap" moves ownership from
 * the roles of its first argument, an array, to those of its second; the list
 * ends with a NULL text.  "dropped" settles work of a role that does not
 * exist; the scheduler calls it outside a transaction.
 */
typedef struct JdgRoleUse
{
	struct JdgQuery *remap;
	void		(*dropped) (Oid role);
} JdgRoleUse;

/* What adopt() was asked to do with work that the copy brought along. */
typedef enum JdgPendingChoice
{
	JDG_PENDING_RUN,
	JDG_PENDING_PAUSE,
	JDG_PENDING_CANCEL
} JdgPendingChoice;

typedef struct JdgAdoption
{
	Oid			user;			/* who adopts */
	bool		skip_missed;	/* else policies decide on missed occurrences */
	JdgPendingChoice pending;
} JdgAdoption;

typedef struct JdgModule
{
	const char *name;

	/* in _PG_init of a preloaded library: settings, hooks, callbacks */
	void		(*init) (void);
	const JdgShmemPart *const *shmem;	/* ends with NULL */
	const JdgDuty *duties;
	const JdgEndFollower *follower;

	/*
	 * Sets the payload of a task that is known only when it runs, in the
	 * current memory context, as the task's owner; false: it is not a task of
	 * this module.
	 */
	bool		(*payload) (const struct JdgTask *task, Jsonb **payload);
	const JdgRoleUse *roles;

	/*
	 * The database is adopted: inside bookkeeping, owners are mapped already.
	 * Called in reverse order: a module ends what it made of the others' work
	 * before they do.
	 */
	void		(*adopted) (const JdgAdoption *adoption);
} JdgModule;

/* all modules that have a row, in order; ends with NULL */
extern const JdgModule *const jdg_modules[];

#define jdg_foreach_module(m) \
	for (const JdgModule *const *m##_at = jdg_modules, *m = *m##_at; \
		 m != NULL; m = *++m##_at)

#endif							/* JDG_BASE_MODULE_H */
