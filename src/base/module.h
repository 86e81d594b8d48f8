/*-------------------------------------------------------------------------
 *
 * module.h
 *	  The row of a module: its part in the work of the processes.
 *
 * A module is a folder of src/.  src/modulelist.h names the modules in order;
 * each that takes part defines one JdgModule, jdg_NAME_module, in its
 * module.c.  A member is NULL if the module has nothing to add.
 *
 * The order of the list is the order in which modules are initialized, and in
 * which loops over the modules call them, except where a member says
 * otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_MODULE_H
#define JDG_BASE_MODULE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/happening.h"

struct JdgCall;
struct JdgDb;
struct JdgDecision;
struct JdgFollow;
struct JdgOutcome;
struct JdgOwned;
struct JdgQuery;
struct JdgTask;
struct JdgTenantRows;

/*
 * A structure in shared memory.  "init" receives its address in each process
 * that attaches to it.  "found" is false in the first process, which
 * initializes the structure.
 */
typedef struct JdgShmemPart
{
	const char *name;			/* in pg_shmem_allocations */
	Size		(*size) (void);
	void		(*init) (void *at, bool found);
} JdgShmemPart;

/* The scheduler runs the duties that are due in this order. */
typedef enum JdgDutyPhase
{
	JDG_DUTY_CONTROL,			/* pauses, changed roles */
	JDG_DUTY_START,				/* workers for ready tasks */
	JDG_DUTY_FIRE,				/* schedules that are due */
	JDG_DUTY_ADVANCE,			/* tasks and runs that wait */
	JDG_DUTY_UPKEEP				/* with a short lock_timeout */
} JdgDutyPhase;

/*
 * A duty of the scheduler.  It runs in each round for which one of its wake
 * bits (shared/wakeup.h) was set, or which it asked for itself: "run" returns
 * the next instant at which it has to run, DT_NOEND if only a wake-up can
 * bring more work.  After an error the duty pauses, and the others go on.
 * It takes its own transactions
 * (shared/work.h) and gives others a turn after some 50 ms.  A list of duties
 * ends with a NULL name.
 *
 * "why" holds the wake bits of the duty that were set since its last run; all
 * of them in the scheduler's first round, after an error and after a reload.
 */
typedef struct JdgDuty
{
	const char *name;
	JdgDutyPhase phase;
	uint32		wake;			/* JDG_WAKE_* */
	bool		when_paused;	/* runs also while everything is paused */
	TimestampTz (*run) (struct JdgDb *db, uint32 why);
	bool		in_copies;		/* runs also in a subscriber that waits for
								 * adopt() */
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
	struct JdgFollow *follow;	/* NULL: no task may follow */
} JdgEnds;

/*
 * A follower of tasks' ends.  "concerns" is called for every task that ends,
 * and must be cheap.  If it is true for one of them, "decided" is called
 * before any row is written or locked for their ends; it may change decisions.
 * "written" is called inside bookkeeping when the rows have been written.  An
 * error rolls back the ends.
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
 * exist; the scheduler calls it outside a transaction.  "owned" are the kinds
 * of objects that reassign_owned() and drop_owned() deal with: access/owned.h.
 */
typedef struct JdgRoleUse
{
	struct JdgQuery *remap;
	void		(*dropped) (Oid role);
	const struct JdgOwned *owned;
} JdgRoleUse;

/* Treatment of pending work of a copied database, chosen in adopt(). */
typedef enum JdgPendingChoice
{
	JDG_PENDING_RUN,
	JDG_PENDING_PAUSE,
	JDG_PENDING_CANCEL
} JdgPendingChoice;

typedef struct JdgAdoption
{
	Oid			user;			/* the caller of adopt() */
	bool		file_copy;		/* has the ids of roles and transactions */
	bool		skip_missed;	/* else policies decide on missed occurrences */
	JdgPendingChoice pending;
} JdgAdoption;

typedef struct JdgModule
{
	const char *name;

	/* called by _PG_init of a preloaded library: settings, hooks, callbacks */
	void		(*init) (void);
	const JdgShmemPart *const *shmem;	/* ends with NULL */
	const JdgDuty *duties;
	const JdgEndFollower *follower;

	/*
	 * Sets the payload of a task that is known only when it runs, in the
	 * current memory context, as the task's owner.  Returns false if the task
	 * is not of this module.
	 */
	bool		(*payload) (const struct JdgTask *task, Jsonb **payload);

	/*
	 * A task in JDG_STATE_FLOW is not wanted any more: asks that what it has
	 * started ends.  The task ends later, with that.  The role "by" asks, or
	 * none.  Called inside bookkeeping.
	 */
	void		(*stop) (const struct JdgTask *task, Oid by);

	/*
	 * A session brings back a task that had finished: retry_task().  Its row
	 * is written.  Called inside bookkeeping.
	 */
	void		(*retried) (const struct JdgTask *task);

	/*
	 * A worker died in a call of this module that has no task: a handler of
	 * an event.  The scheduler calls it inside jdg_work_begin().
	 */
	void		(*died) (const struct JdgCall *call);
	const JdgRoleUse *roles;

	/* rows with the label of a tenant: tenant/rows.h */
	const struct JdgTenantRows *tenant_rows;

	/*
	 * The database is adopted.  Called inside bookkeeping, after owners have
	 * been mapped, and in reverse order: a module ends the tasks that it made
	 * before their own module does.
	 */
	void		(*adopted) (const JdgAdoption *adoption);

	/*
	 * Something happens in this transaction, and a bit in shared memory says
	 * that a module may ask for it.  "owner" is the role whose thing it is,
	 * "tenant" its label or NULL, "key" names the thing.  Inside or outside
	 * of bookkeeping.
	 */
	void		(*happened) (JdgHappening kind, Oid owner, const char *tenant,
							 const char *key, Jsonb *data);
} JdgModule;

/* each module that has a row defines its own in module.c */
#define JDG_FOLDER(name)
#define JDG_MODULE(name) extern const JdgModule jdg_##name##_module;
#include "modulelist.h"
#undef JDG_MODULE
#undef JDG_FOLDER

/* all of them, in order; ends with NULL */
extern const JdgModule *const jdg_modules[];

#define jdg_foreach_module(m) \
	for (const JdgModule *const *m##_at = jdg_modules, *m = *m##_at; \
		 m != NULL; m = *++m##_at)

#endif							/* JDG_BASE_MODULE_H */
