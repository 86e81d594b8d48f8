/*-------------------------------------------------------------------------
 *
 * retry.h
 *	  Retry policies: jsonb objects made by retry_policy().
 *
 * Keys: max_attempts, backoff, delay, max_delay, factor, delays, jitter,
 * retry_on, discard_on, fallback; delays in seconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RETRY_H
#define JDG_TASK_RETRY_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* raises VALIDATION_ERROR; policy may be NULL */
extern void jdg_retry_check(Jsonb *policy);

/* max_attempts of the policy, or if_none */
extern int32 jdg_retry_max_attempts(Jsonb *policy, int32 if_none);

/*
 * Is an attempt that ended with this error tried again?  http_status is the
 * status of the answer if the error is HTTP_STATUS, else 0.
 */
extern bool jdg_retry_wanted(Jsonb *policy, int sqlerrcode, int http_status);

/* the command that runs once when the task has failed for good; or NULL */
extern char *jdg_retry_fallback(Jsonb *policy);

/* microseconds to wait after attempt number n (1 is the first) */
extern int64 jdg_retry_delay(Jsonb *policy, int attempt);

#endif							/* JDG_TASK_RETRY_H */
