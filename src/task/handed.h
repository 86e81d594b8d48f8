/*-------------------------------------------------------------------------
 *
 * handed.h
 *	  HTTP tasks whose payload a flow fills in: a worker makes the payload, as
 *	  the owner, and hands the task over to the http process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_HANDED_H
#define JDG_TASK_HANDED_H

#include "task/task.h"

/*
 * The payload is known: checks it, and sets it.  As the task's owner, outside
 * bookkeeping; the attempt then ends with JDG_END_HANDED.
 */
extern void jdg_handed_take(JdgTask *task, Jsonb *payload);

/* writes the payload, and what it calls; inside bookkeeping */
extern void jdg_handed_write(JdgTask *task);

#endif							/* JDG_TASK_HANDED_H */
