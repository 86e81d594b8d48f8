/*-------------------------------------------------------------------------
 *
 * happening.h
 *	  What modules are told of, the types of its events, and patterns of types.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_HAPPENING_H
#define JDG_BASE_HAPPENING_H

/* what may happen, and be told to modules: shared/happening.h */
typedef enum JdgHappening
{
	JDG_TASK_ENQUEUED,
	JDG_TASK_COMPLETED,
	JDG_TASK_FAILED,
	JDG_TASK_RETRYING,
	JDG_TASK_CANCELLED,
	JDG_TASK_LOST,
	JDG_SCHEDULE_FIRED,
	JDG_SCHEDULE_MISSED,
	JDG_SCHEDULE_PAUSED,
	JDG_SCHEDULE_RESUMED,
	JDG_FLOW_STARTED,
	JDG_FLOW_COMPLETED,
	JDG_FLOW_FAILED,
	JDG_FLOW_CANCELLED,
	JDG_FLOW_TIMED_OUT,
	JDG_FLOW_COMPENSATED,
	JDG_FLOW_COMPENSATION_FAILED,
	JDG_FLOW_STEP_STARTED,
	JDG_FLOW_STEP_COMPLETED,
	JDG_FLOW_STEP_FAILED,
	JDG_FLOW_STEP_SKIPPED,
	JDG_FLOW_STEP_CANCELLED,
	JDG_FLOW_STEP_TIMED_OUT,
	JDG_FLOW_STEP_COMPENSATED,
	JDG_FLOW_STEP_COMPENSATION_FAILED,
	JDG_WORKER_STARTED,
	JDG_WORKER_STOPPED,
	JDG_QUEUE_PAUSED,
	JDG_QUEUE_RESUMED,
	JDG_QUEUE_FULL,
	JDG_SUBSCRIPTION_PARKED,
	JDG_SUBSCRIPTION_DEAD,
	JDG_SUBSCRIPTION_BLOCKED,
	JDG_SUBSCRIPTION_LOST,
	JDG_SUBSCRIPTION_CAUGHT_UP,
	JDG_ENDPOINT_OPENED,
	JDG_ENDPOINT_CLOSED,
	JDG_HAPPENINGS
} JdgHappening;

/* the type of its event, such as "task.completed" */
extern const char *jdg_happening_type(JdgHappening kind);

/* Does a pattern, in which * stands for any characters, match a name? */
extern bool jdg_pattern_matches(const char *pattern, const char *name);

/* the kinds whose types match a pattern, as bits */
extern uint64 jdg_happenings_of(const char *pattern);

/*
 * For a hint about a pattern that matches no type: the types that begin like
 * it, or else the first words of all types, between commas.
 */
extern char *jdg_happenings_like(const char *pattern);

#endif							/* JDG_BASE_HAPPENING_H */
