/*-------------------------------------------------------------------------
 *
 * happening.c
 *	  The types of lifecycle events, see happening.h.
 *
 * Runs in any process.  doc/reference/events.md describes each type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/happening.h"

static const char *const types[] = {
	[JDG_TASK_ENQUEUED] = "task.enqueued",
	[JDG_TASK_COMPLETED] = "task.completed",
	[JDG_TASK_FAILED] = "task.failed",
	[JDG_TASK_RETRYING] = "task.retrying",
	[JDG_TASK_CANCELLED] = "task.cancelled",
	[JDG_TASK_LOST] = "task.lost",
	[JDG_SCHEDULE_FIRED] = "schedule.fired",
	[JDG_SCHEDULE_MISSED] = "schedule.missed",
	[JDG_SCHEDULE_PAUSED] = "schedule.paused",
	[JDG_SCHEDULE_RESUMED] = "schedule.resumed",
	[JDG_FLOW_STARTED] = "flow.started",
	[JDG_FLOW_COMPLETED] = "flow.completed",
	[JDG_FLOW_FAILED] = "flow.failed",
	[JDG_FLOW_CANCELLED] = "flow.cancelled",
	[JDG_FLOW_TIMED_OUT] = "flow.timed_out",
	[JDG_FLOW_COMPENSATED] = "flow.compensated",
	[JDG_FLOW_COMPENSATION_FAILED] = "flow.compensation_failed",
	[JDG_FLOW_STEP_STARTED] = "step.started",
	[JDG_FLOW_STEP_COMPLETED] = "step.completed",
	[JDG_FLOW_STEP_FAILED] = "step.failed",
	[JDG_FLOW_STEP_SKIPPED] = "step.skipped",
	[JDG_FLOW_STEP_CANCELLED] = "step.cancelled",
	[JDG_FLOW_STEP_TIMED_OUT] = "step.timed_out",
	[JDG_FLOW_STEP_COMPENSATED] = "step.compensated",
	[JDG_FLOW_STEP_COMPENSATION_FAILED] = "step.compensation_failed",
	[JDG_WORKER_STARTED] = "worker.started",
	[JDG_WORKER_STOPPED] = "worker.stopped",
	[JDG_QUEUE_PAUSED] = "queue.paused",
	[JDG_QUEUE_RESUMED] = "queue.resumed",
	[JDG_QUEUE_FULL] = "queue.full",
	[JDG_SUBSCRIPTION_PARKED] = "subscription.parked",
	[JDG_SUBSCRIPTION_DEAD] = "subscription.dead",
	[JDG_SUBSCRIPTION_BLOCKED] = "subscription.blocked",
	[JDG_SUBSCRIPTION_LOST] = "subscription.lost",
	[JDG_SUBSCRIPTION_CAUGHT_UP] = "subscription.caught_up",
	[JDG_ENDPOINT_OPENED] = "endpoint.opened",
	[JDG_ENDPOINT_CLOSED] = "endpoint.closed",
};

StaticAssertDecl(lengthof(types) == JDG_HAPPENINGS, "types of happenings");

const char *
jdg_happening_type(JdgHappening kind)
{
	return types[kind];
}

/*
 * After a mismatch only the last * needs to take one character more, so the
 * time is at most the product of both lengths.
 */
bool
jdg_pattern_matches(const char *pattern, const char *name)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (*name)
	{
		if (*pattern == '*')
		{
			star = ++pattern;
			retry = name;
		}
		else if (*pattern == *name)
		{
			pattern++;
			name++;
		}
		else if (star != NULL)
		{
			pattern = star;
			name = ++retry;
		}
		else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

uint64
jdg_happenings_of(const char *pattern)
{
	uint64		kinds = 0;

	for (int i = 0; i < JDG_HAPPENINGS; i++)
	{
		if (jdg_pattern_matches(pattern, types[i]))
			kinds |= UINT64CONST(1) << i;
	}
	return kinds;
}

/* Have both texts the same first word?  It ends with a dot. */
static bool
begin_alike(const char *a, const char *b)
{
	const char *dot = strchr(a, '.');

	return dot != NULL && strncmp(a, b, dot - a + 1) == 0;
}

char *
jdg_happenings_like(const char *pattern)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < JDG_HAPPENINGS; i++)
	{
		if (begin_alike(types[i], pattern))
			appendStringInfo(&text, "%s%s", text.len ? ", " : "", types[i]);
	}
	if (text.len > 0)
		return text.data;

	for (int i = 0; i < JDG_HAPPENINGS; i++)
	{
		if (i == 0 || !begin_alike(types[i], types[i - 1]))
			appendStringInfo(&text, "%s%.*s.*", text.len ? ", " : "",
							 (int) strcspn(types[i], "."), types[i]);
	}
	return text.data;
}
