/*-------------------------------------------------------------------------
 *
 * decide.c
 *	  Decides the effect of an attempt's end on its task: whether the task
 *	  is over or runs again, when, and the status in the history.
 *
 * Only arithmetic on the arguments: no table, no lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/settings.h"
#include "task/decide.h"
#include "task/retry.h"

/* Does the policy try the task again after this error? */
static bool
is_tried_again(const JdgTask *t, int sqlerrcode, int http_status)
{
	return t->fallback == NULL && t->attempt < t->max_attempts &&
		jdg_retry_wanted(t->retry, sqlerrcode, http_status);
}

/*
 * The attempt failed: the task is tried again after the delay of its policy,
 * if attempts are left and the policy retries this error.
 */
static void
decide_failed(JdgTask *t, const JdgOutcome *o, JdgDecision *d)
{
	d->status = JDG_STATUS_FAILED;
	d->error_code = jdg_error_name(o->sqlerrcode);
	t->attempt++;
	if (!o->no_retry && is_tried_again(t, o->sqlerrcode, o->http_status))
	{
		int64		delay = jdg_retry_delay(t->retry, t->attempt);

		d->stays = true;
		d->run_at = Max(o->finished_at + delay, o->not_before);
		d->state = o->pause ? JDG_STATE_PAUSED : d->run_at > o->finished_at ? JDG_STATE_SCHEDULED : jdg_ready_state(t);
	}
}

/*
 * The worker died.  Its transaction was rolled back, so the task runs again at
 * once, or after seconds if that repeats.  As after any failed attempt, there
 * must be attempts left, and the policy must retry this error.
 * jadugar.max_crashes may end it earlier.
 */
static void
decide_crashed(JdgTask *t, const JdgOutcome *o, JdgDecision *d)
{
	d->error_code = "WORKER_CRASHED";
	t->attempt++;
	t->crashes++;
	t->isolate = t->transaction != JDG_XACT_HTTP;
	if (t->crashes >= jdg_max_crashes ||
		!is_tried_again(t, JDG_ERRCODE_WORKER_CRASHED, 0))
	{
		d->status = JDG_STATUS_FAILED;
		return;
	}
	d->status = JDG_STATUS_LOST;
	d->stays = true;
	d->run_at = t->crashes == 1 ? t->run_at :
		o->finished_at + (t->crashes - 1) * USECS_PER_SEC;
	d->state = t->crashes == 1 ? jdg_ready_state(t) : JDG_STATE_SCHEDULED;
}

static void
decide_lost(JdgTask *t, const JdgOutcome *o, JdgDecision *d)
{
	decide_failed(t, o, d);
	d->error_code = "WORKER_CRASHED";
	if (o->guilty && ++t->crashes >= jdg_max_crashes)
		d->stays = false;
	if (d->stays)
		d->status = JDG_STATUS_LOST;
}

/*
 * The task has failed for good.  If its policy has a fallback, it goes on with
 * that at once, or when it is resumed.  Not if the task has asked for its end
 * itself, or has had its fallback.
 */
static void
decide_fallback(const JdgTask *t, const JdgOutcome *o, JdgDecision *d)
{
	if (d->stays || d->status != JDG_STATUS_FAILED ||
		o->end == JDG_END_DISCARDED || t->fallback != NULL ||
		jdg_retry_fallback(t->retry) == NULL)
		return;
	d->stays = true;
	d->fallback = true;
	d->state = o->pause ? JDG_STATE_PAUSED : JDG_STATE_READY;
	d->run_at = o->finished_at;
}

void
jdg_decide(JdgTask *t, const JdgOutcome *o, JdgDecision *d)
{
	memset(d, 0, sizeof(*d));
	switch (o->end)
	{
		case JDG_END_COMPLETED:
			d->status = JDG_STATUS_COMPLETED;
			t->attempt++;
			break;
		case JDG_END_FAILED:
			decide_failed(t, o, d);
			break;
		case JDG_END_CANCELLED:
			d->status = JDG_STATUS_CANCELLED;
			if (o->started_at != DT_NOBEGIN)
				t->attempt++;
			break;
		case JDG_END_DISCARDED:
			d->status = JDG_STATUS_FAILED;
			d->error_code = "TASK_EXECUTION_ERROR";
			t->attempt++;
			break;
		case JDG_END_SNOOZED:
			d->stays = true;
			d->state = JDG_STATE_SCHEDULED;
			d->run_at = o->finished_at + o->snooze_us;
			break;
		case JDG_END_LOST:
			decide_lost(t, o, d);
			break;
		case JDG_END_CRASHED:
			decide_crashed(t, o, d);
			break;
		case JDG_END_PAUSED:
			d->stays = true;
			d->state = JDG_STATE_PAUSED;
			d->run_at = t->run_at;
			break;
		case JDG_END_HANDED:
			d->stays = true;
			d->state = o->pause ? JDG_STATE_PAUSED : jdg_ready_state(t);
			d->run_at = t->run_at;
			break;
		case JDG_END_AWAITS:
			d->stays = true;
			d->state = JDG_STATE_FLOW;
			d->run_at = t->run_at;
			break;
	}
	decide_fallback(t, o, d);
}
