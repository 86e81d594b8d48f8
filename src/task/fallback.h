/*-------------------------------------------------------------------------
 *
 * fallback.h
 *	  The command that a task tries when its own has failed for good.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_FALLBACK_H
#define JDG_TASK_FALLBACK_H

#include "task/decide.h"

/*
 * The task, whose attempt has failed, goes on with the command of its policy:
 * sets its fields, and writes its row if it has one.  Raises nothing if that
 * command does not exist; the attempt will.  Inside jdg_internal_begin().
 */
extern void jdg_fallback_begin(JdgTask *task, const JdgOutcome *o,
							   const JdgDecision *d);

/*
 * What the command of the task gets: "payload", which is the task's, or in a
 * fallback {"payload", "error"}.
 */
extern Jsonb *jdg_fallback_payload(const JdgTask *task, Jsonb *payload);

/*
 * Outcomes of tasks, in which the error of a fallback has the first one as its
 * cause.  The same array if there is none.
 */
extern const JdgOutcome *jdg_fallback_outcomes(const JdgTask *tasks,
											   const JdgOutcome *o, int n);

/* the hooks of the first command's handler, signatures; or NULL */
extern void jdg_fallback_hooks(const JdgTask *task, const char **cleanup,
							   const char **on_error);

/*
 * The first command of a task in its fallback, and the options that follow
 * from it.
 */
typedef struct JdgFirstCommand
{
	char	   *text;
	char	   *kind;			/* a JdgCommandKind */
	bool		standalone;
	char	   *transaction;	/* a JdgXactMode */
	char	   *rows;			/* jdg_expect_rows_out() */
	bool		isolate;
} JdgFirstCommand;

extern void jdg_fallback_first(const JdgTask *task, JdgFirstCommand *first);

#endif							/* JDG_TASK_FALLBACK_H */
