/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  Rows of jadugar.queue as structs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_QUEUE_QUEUE_H
#define JDG_QUEUE_QUEUE_H

#include "utils/timestamp.h"

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
	int64		max_depth;		/* 0: no limit */
	JdgOnFull	on_full;
	bool		isolate;
	JdgKeep		keep;			/* in the history */
	bool		paused;
} JdgQueue;

/*
 * The queue of that name or id for something that will name it: it can not be
 * dropped before this transaction ends.  False: no such queue.
 */
extern bool jdg_queue_use_by_name(const char *name, JdgQueue *queue);
extern bool jdg_queue_use_by_id(int32 queue_id, JdgQueue *queue);

/* false: no such queue */
extern bool jdg_queue_by_name(const char *name, JdgQueue *queue);
extern bool jdg_queue_by_id(int32 queue_id, JdgQueue *queue);

/* is pause_all() in force? */
extern bool jdg_claims_paused(void);

/* may the role put tasks into the queue? */
extern bool jdg_queue_usable(const JdgQueue *queue, Oid role);

#endif							/* JDG_QUEUE_QUEUE_H */
