/*-------------------------------------------------------------------------
 *
 * happened.h
 *	  Tells modules what happens to tasks: shared/happening.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_HAPPENED_H
#define JDG_TASK_HAPPENED_H

#include "base/module.h"

/* what has happened to a task, or to a schedule if task_id is 0 */
typedef struct JdgTaskNews
{
	JdgHappening kind;
	Oid			owner;
	const char *tenant;			/* or NULL */
	int64		task_id;
	int64		command_id;
	int32		queue_id;
	int64		schedule_id;	/* 0: none */
	const char *schedule;
	/* of an attempt, or of occurrences that were missed */
	const char *status;			/* NULL: of neither */
	int32		attempt;
	int64		attempt_id;		/* 0: the history does not have it */
	int64		occurrences;
	const char *error_code;
	const char *reason;
} JdgTaskNews;

/* the caller has asked jdg_happens() */
extern void jdg_task_happened(const JdgTaskNews *news);

#endif							/* JDG_TASK_HAPPENED_H */
