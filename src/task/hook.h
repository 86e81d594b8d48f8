/*-------------------------------------------------------------------------
 *
 * hook.h
 *	  Hooks of handlers, cleanup and on_error, when a task has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_HOOK_H
#define JDG_TASK_HOOK_H

#include "task/decide.h"

/* has the end of the task hooks that may run? */
extern bool jdg_hooks_may_run(const JdgTask *t, const JdgOutcome *o);

/*
 * Enqueues the hooks of a task that has ended, each as a task of its own.
 * Inside jdg_internal_begin().
 */
extern void jdg_hooks_enqueue(const JdgTask *t, const JdgOutcome *o,
							  const JdgDecision *d);

#endif							/* JDG_TASK_HOOK_H */
