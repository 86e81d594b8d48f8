/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  How tasks ended that are gone, for those that depend on them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_OUTCOME_H
#define JDG_TASK_OUTCOME_H

#include "task/decide.h"
#include "task/task.h"

typedef enum JdgKnown
{
	JDG_KNOWN_COMPLETED,
	JDG_KNOWN_FAILED,			/* or cancelled */
	JDG_KNOWN_NOT				/* its end has been forgotten */
} JdgKnown;

/*
 * How has a task ended that has no row any more?  Sets its owner, or
 * InvalidOid if that is not known, and its tenant, or NULL.  Inside
 * jdg_internal_begin().
 */
extern JdgKnown jdg_outcome_of(int64 task_id, Oid *owner, char **tenant);

/* tasks did not complete, and their queues keep no history of that */
extern void jdg_outcomes_keep(const JdgTask *const *tasks, int n,
							  TimestampTz now);

/*
 * Before a partition of the history is deleted; all that an older database
 * knew.  Single rows: see retention.c.  Inside jdg_internal_begin().
 */
extern void jdg_outcomes_forget_partition(const char *name);
extern void jdg_outcomes_forget_all(void);

#endif							/* JDG_TASK_OUTCOME_H */
