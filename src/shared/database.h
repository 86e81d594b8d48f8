/*-------------------------------------------------------------------------
 *
 * database.h
 *	  Databases that have jadugar: one JdgDb each in shared memory.
 *
 * An entry stays where it is for the life of the server, but may be given to
 * another database: the launcher frees entries of dropped databases, and an
 * entry in state NONE without process, news and pins is anybody's.  So an
 * entry is kept across transactions only by its scheduler.  Within one,
 * functions of the extension hold a lock on it, which keeps the state from
 * becoming NONE; CREATE EXTENSION and COMMIT PREPARED pin the entry.  A
 * wake-up that reaches the wrong database does no harm.
 *
 * The parts of an entry have locks of their own, see their headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_DATABASE_H
#define JDG_SHARED_DATABASE_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"

#include "base/module.h"
#include "shared/blocked.h"
#include "shared/counters.h"
#include "shared/mark.h"
#include "shared/wakeup.h"
#include "shared/wanted.h"

typedef enum JdgDbState
{
	JDG_DB_FREE,				/* entry unused */
	JDG_DB_UNKNOWN,				/* a scheduler has to look for the extension */
	JDG_DB_STARTING,			/* a scheduler is registered */
	JDG_DB_ACTIVE,				/* its scheduler is elected */
	JDG_DB_NONE					/* has no jadugar */
} JdgDbState;

/* JdgDb.slot_wanted: does the database lack a worker slot? */
typedef enum JdgSlotWanted
{
	JDG_SLOT_WANTED_NONE,
	JDG_SLOT_WANTED_GROW,		/* to make a pool larger */
	JDG_SLOT_WANTED_PROMISED,	/* for a role without worker; one is leaving */
	JDG_SLOT_WANTED_MUST		/* for a role without worker */
} JdgSlotWanted;

/* JdgDb.feeds: has each shard of an active subscription a feed? */
typedef enum JdgFeeds
{
	JDG_FEEDS_UNKNOWN,			/* no scheduler runs that makes them */
	JDG_FEEDS_COMPLETE,
	JDG_FEEDS_LEFT_OUT			/* jadugar.max_shards is too low */
} JdgFeeds;

#define JDG_WAITING_MAX 8

/* what keeps the process "jadugar http" from running although it is wanted */
typedef enum JdgHttpLacks
{
	JDG_HTTP_LACKS_NOTHING,
	JDG_HTTP_LACKS_SLOT,		/* those of max_http_processes are in use */
	JDG_HTTP_LACKS_PLACE,		/* so are those of max_worker_processes */
	JDG_HTTP_LACKS_START		/* it has ended before it could work */
} JdgHttpLacks;

typedef struct JdgDb
{
	/* under JdgSharedLock */
	Oid			dboid;
	JdgDbState	state;
	pid_t		scheduler_pid;
	pid_t		waiting_pid[JDG_WAITING_MAX];	/* schedulers not elected */
	int			failures;		/* consecutive failures of schedulers */
	int64		retry_at;		/* no scheduler is started before; steady ms */
	pid_t		evicted_by;		/* the last of the backends that keep us out;
								 * 0: unknown, or none does */

	JdgWakeup	wakeup;
	JdgBlocked	blocked;
	JdgCounters counters;
	JdgWanted	wanted;			/* events that flows wait for */

	slock_t		due_mutex;
	JdgMark		due;			/* in the index task_due; under due_mutex */

	/*
	 * Tasks have become ready, in lanes that the table may not have.  Equal
	 * to lanes_known if a scheduler has searched the index since then.
	 */
	pg_atomic_uint32 orphans;	/* rows in state x may be left */
	pg_atomic_uint32 lanes_lost;
	pg_atomic_uint32 lanes_known;

	/* shared/gate.h */
	pg_atomic_uint32 gates_epoch;	/* changes with the limits */
	pg_atomic_uint64 gates_due; /* when the scheduler looks at them, or
								 * before; DT_NOEND: when it is woken */

	pg_atomic_uint32 evictors;	/* backends that keep us out */
	pg_atomic_uint32 pins;		/* backends that need this entry to stay */
	pg_atomic_uint32 maybe_created; /* CREATE EXTENSION has committed */
	pg_atomic_uint32 not_adopted;	/* differs from jadugar_internal.origin */
	pg_atomic_uint32 used;		/* a transaction has committed work here */
	pg_atomic_uint32 slot_wanted;	/* JdgSlotWanted */
	pg_atomic_uint32 http_wanted;	/* shared/sender.h */
	pg_atomic_uint32 http_left; /* its process has ended as it should */
	pg_atomic_uint32 http_lacks;	/* JdgHttpLacks */
	pg_atomic_uint32 interest;	/* wake the scheduler at every commit of a
								 * worker */
	pg_atomic_uint32 waiters;	/* backends in wait() */
	pg_atomic_uint32 event_waiters; /* backends in wait_delivered() */
	pg_atomic_uint32 limited_news;	/* published in a topic with max_backlog
									 * since the scheduler has looked */
	pg_atomic_uint32 fetch_waiters; /* backends in wait_events() */
	pg_atomic_uint64 published[64]; /* events of the topics of each bit,
									 * shared/feed.h */
	pg_atomic_uint32 feeds;		/* JdgFeeds */
	pg_atomic_uint64 cached;	/* bytes in the cache, never too few:
								 * actor/cache_size.c */
	pg_atomic_uint64 happenings;	/* shared/happening.h */
	pg_atomic_uint32 happening_pins;
	pg_atomic_uint32 paused;	/* copy of control.paused_at IS NOT NULL */
	pg_atomic_uint64 next_due;	/* when the scheduler will look for tasks
								 * whose run_at has come */
	pg_atomic_uint64 fetch_due; /* TimestampTz: when a lease or a wait of an
								 * outside consumer's shard ends at the
								 * earliest, or before; DT_NOEND: none */
	ConditionVariable finished; /* some tasks have finished */
	ConditionVariable delivered;	/* some subscriptions have moved on */
	ConditionVariable fetchable;	/* some events may be fetched */
} JdgDb;

/* all entries, jdg_max_databases of them */
extern JdgDb *jdg_dbs;

extern const JdgShmemPart jdg_databases_shmem;

/*
 * The entry of a database, or NULL if there is none ("create": if there is
 * no room).  Takes JdgSharedLock.
 */
extern JdgDb *jdg_db_lookup(Oid dboid, bool create);

/*
 * The entry of this process's database, made if there is none.  Waits while
 * the launcher looks for databases that need none; an error if there is no
 * room.
 */
extern JdgDb *jdg_my_db(void);

/*
 * The same, and the entry stays that of the database until jdg_db_unpin().
 * jdg_db_pin() does not wait, and returns NULL if there is no room.
 */
extern JdgDb *jdg_my_db_pin(void);
extern JdgDb *jdg_db_pin(Oid dboid);

/* never fails */
extern void jdg_db_unpin(JdgDb *db);

/* Do statements on this database keep our processes out? */
static inline bool
jdg_db_is_evicted(JdgDb *db)
{
	return pg_atomic_read_u32(&db->evictors) != 0;
}

/*
 * Positions of subscriptions have moved in a transaction that has committed:
 * notifies backends in wait_delivered().  Never fails.
 */
extern void jdg_db_delivered(JdgDb *db);

/*
 * Events may be fetched since a transaction has committed: notifies backends
 * in wait_events().  Never fails.
 */
extern void jdg_db_fetchable(JdgDb *db);

/*
 * Makes fetch_due no later than "due", an instant or DT_NOEND; true: it was
 * later.  Never fails.
 */
extern bool jdg_db_lower_fetch_due(JdgDb *db, TimestampTz due);

/*
 * Tasks may be ready or due anywhere: the indexes are searched from their
 * fronts.  Never fails.
 */
extern void jdg_db_lose_marks(JdgDb *db);

/* an entry may have become available: wakes those who wait for one */
extern void jdg_dbs_changed(void);

/* wake the scheduler of one database, or of all; never fails */
extern void jdg_db_wake(JdgDb *db, uint32 why);
extern void jdg_dbs_wake(uint32 why);

#endif							/* JDG_SHARED_DATABASE_H */
