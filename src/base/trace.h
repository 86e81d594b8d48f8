/*-------------------------------------------------------------------------
 *
 * trace.h
 *	  Trace contexts of W3C: what they are, and those of an attempt.
 *
 * Nothing is stored: the id of an attempt's span follows from the database and
 * the attempt, so two processes compute the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_TRACE_H
#define JDG_BASE_TRACE_H

#include "utils/uuid.h"

/* lengths of texts, with a zero byte */
#define JDG_TRACE_ID_SIZE 33
#define JDG_TRACEPARENT_SIZE 56

/*
 * Is the text a traceparent, perhaps followed by a space and a tracestate?
 * "trace_id" receives its trace id, "flags" its flags.
 */
extern bool jdg_trace_parse(const char *trace, char *trace_id, uint8 *flags);

/*
 * The traceparent that an attempt of a task sends on, and its trace id.  "trace"
 * is the trace of the task; if it is none, or NULL, the task has a trace of its
 * own, which is not sampled.
 */
extern void jdg_trace_of_attempt(const pg_uuid_t *database, int64 task_id,
								 int32 attempt, const char *trace,
								 char *traceparent, char *trace_id);

/* the first 16 bytes of a digest of a text that begins with the database's id */
extern void jdg_trace_digest(const pg_uuid_t *database, const char *text,
							 uint8 *digest);

#endif							/* JDG_BASE_TRACE_H */
