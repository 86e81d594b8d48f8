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

#include "handler/handler.h"
#include "task/task.h"

/*
 * The payload is known, and its handler accepts it ("handler" is NULL for the
 * command "http").  Checks the request, and sets the payload.  As the task's
 * owner, outside bookkeeping; the attempt then ends with JDG_END_HANDED.
 */
extern void jdg_handed_take(JdgTask *task, const JdgHandler *handler,
							Jsonb *payload);

/* writes the payload, and what it calls; inside bookkeeping */
extern void jdg_handed_write(JdgTask *task);

#endif							/* JDG_TASK_HANDED_H */
