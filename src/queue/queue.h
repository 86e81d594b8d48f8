/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  Rows of jadugar_internal.queue as structs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_QUEUE_QUEUE_H
#define JDG_QUEUE_QUEUE_H

#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/rate.h"
#include "shared/wakeup.h"

/* queue_id of the queue that every database has */
#define JDG_DEFAULT_QUEUE		1

typedef enum JdgOnFull
{
	JDG_FULL_REJECT,
	JDG_FULL_BLOCK,
	JDG_FULL_DROP_OLDEST
} JdgOnFull;

typedef enum JdgKeep
{
	JDG_KEEP_ALL,
	JDG_KEEP_FAILURES,
	JDG_KEEP_NONE
} JdgKeep;

typedef struct JdgQueue
{
	int32		queue_id;
	char		name[256];
	Oid			owner;
	int32		max_concurrency;	/* 0: no limit */
	JdgRate		rate;			/* of tasks that begin */
	int64		max_depth;		/* 0: no limit */
	JdgOnFull	on_full;
	bool		isolate;
	JdgKeep		keep;			/* in the history */
	bool		paused;
} JdgQueue;

/*
 * Returns the queue of that name or id for a row that will refer to it: the
 * queue cannot be dropped before this transaction ends.  False: no such
 * queue.
 */
extern bool jdg_queue_use_by_name(const char *name, JdgQueue *queue);
extern bool jdg_queue_use_by_id(int32 queue_id, JdgQueue *queue);

/*
 * The same without waiting for a drop_queue() that has not committed.  Then
 * returns false and sets *busy.
 */
extern bool jdg_queue_try_use_by_id(int32 queue_id, JdgQueue *queue,
									bool *busy);

/* false: no such queue */
extern bool jdg_queue_by_name(const char *name, JdgQueue *queue);
extern bool jdg_queue_by_id(int32 queue_id, JdgQueue *queue);

/* the owner of a queue, InvalidOid if there is no such queue */
extern Oid	jdg_queue_owner(int32 queue_id);

/*
 * Lock the row of a queue that the user may change, and return its id.
 * "user" is the caller: the current user is the bookkeeper.  Inside
 * jdg_internal_begin().
 */
extern int32 jdg_queue_lock(const char *name, Oid user);

/* why the scheduler is woken when limits or pauses have changed */
#define JDG_WAKE_QUEUE_CHANGED \
	(JDG_WAKE_CONTROL | JDG_WAKE_LIMITS | JDG_WAKE_WORK | JDG_WAKE_KEYS)

/* is pause_all() in force? */
extern bool jdg_claims_paused(void);

/* may the role put tasks into the queue? */
extern bool jdg_queue_usable(const JdgQueue *queue, Oid role);

/*
 * jdg_queue_use_by_name() for tasks that a role puts in: NOT_FOUND or
 * FORBIDDEN where it may not.
 */
extern void jdg_queue_for_role(const char *name, Oid role, JdgQueue *queue);

/* NOT_FOUND with the name */
JDG_NORETURN extern void jdg_queue_missing(const char *name);

/*
 * Pauses one queue; running tasks go on.  False: it is paused.  Inside
 * jdg_internal_begin().
 */
extern bool jdg_queue_pause(int32 queue_id, Oid user);

#endif							/* JDG_QUEUE_QUEUE_H */
