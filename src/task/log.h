/*-------------------------------------------------------------------------
 *
 * log.h
 *	  Rows of jadugar_internal.log: messages of tasks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_LOG_H
#define JDG_TASK_LOG_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* a longer message is cut, and says so */
#define JDG_LOG_MESSAGE_MAX (64 * 1024)

/*
 * Writes an entry, inside jdg_internal_begin().  A longer message and larger
 * fields are cut.  task_id 0: not from a task.
 */
extern void jdg_log_insert(int64 task_id, int attempt, Oid owner,
						   TimestampTz at, const char *level,
						   const char *message, Jsonb *fields,
						   const char *tenant);

#endif							/* JDG_TASK_LOG_H */
