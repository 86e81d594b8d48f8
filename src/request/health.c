/*-------------------------------------------------------------------------
 *
 * health.c
 *	  Tells the gates of endpoints how calls go: see guard.h.
 *
 * Runs in the process "jadugar http".
 *
 * A breaker learns the end of a call when it ends, not when its task is
 * settled, which may have to wait.  A call that goes on is slow for a breaker as
 * soon as slow_after has passed.  A response that asks for a wait holds its
 * endpoint, or the host if payloads name it.
 *
 * The deadline of a call says nothing if it had less time than the endpoint has
 * to connect: a role could open the breaker for all others.
 *
 * If a breaker has opened, requests that were not sent yet go back: they were
 * claimed while it was closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "request/response.h"
#include "request/transfer.h"
#include "shared/gate.h"
#include "shared/guard.h"

static JdgBreakerEnd
end_of_health(JdgCallHealth health)
{
	switch (health)
	{
		case JDG_CALL_GOOD:
			return JDG_BREAKER_GOOD;
		case JDG_CALL_BAD:
			return JDG_BREAKER_FAILED;
		case JDG_CALL_SAYS_NOTHING:
			break;
	}
	return JDG_BREAKER_RETURNED;
}

/* A response asks that nothing is sent for a while. */
static void
hold(const JdgTransfer *t, int64 us)
{
	JdgLimit	limit[2];
	int			n = jdg_endpoint_limits(&t->endpoint, t->host, limit);

	jdg_gates_hold(&limit[n - 1], t->ended_at + us, JDG_HOLD_RETRY_AFTER);
}

/* What the end of a transfer says about the service. */
static JdgBreakerEnd
end_of(const JdgTransfer *t)
{
	JdgCallHealth health = JDG_CALL_SAYS_NOTHING;
	JdgResponse resp;
	JdgCallEnd	end;
	int64		us;

	if ((t->stop == JDG_STOP_DEADLINE && !t->hasty) ||
		t->stop == JDG_STOP_PROBE)
		return JDG_BREAKER_FAILED;
	if (t->stop != JDG_STOP_NOT)
		return JDG_BREAKER_RETURNED;
	if (t->http.end == JDG_HTTP_ANSWERED)
	{
		jdg_transfer_response(t, &resp);
		(void) jdg_response_class(&t->request, &resp, &health);
		if (jdg_response_retry_after(&t->endpoint, &resp, t->ended_at, &us))
			hold(t, us);
	}
	else if (jdg_transfer_call_end(t, &end))
		(void) jdg_end_class(&t->request, end, t->http.sends > 0, &health);
	return end_of_health(health);
}

/*
 * A breaker of this task has opened: tasks that wait for another limit of the
 * same gate, and are not to wait for a breaker, fail.
 */
static void
fail_waiting(const JdgPlaces *places)
{
	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		if (places->at[i] != JDG_PLACE_NONE)
			jdg_gate_look_again(places->at[i]);
	}
}

/* Returns whether a breaker has opened. */
static bool
tell_end(int i)
{
	JdgTransfer *t = jdg_transfers[i];
	JdgSlotTask *st = &jdg_http_slot->task[i];
	bool		probing;
	bool		opened;

	if (t->told)
		return false;
	t->told = true;
	probing = jdg_gates_are_probing(&st->places);
	opened = jdg_gates_ended(&st->places, end_of(t),
							 t->ended_at - t->started_at);
	if (opened || probing)
		jdg_endpoint_changed(t);
	if (opened)
		fail_waiting(&st->places);
	return opened;
}

/*
 * Tells that a call is slow if it is; returns ms until it will be, or -1.  The
 * places change only here and when the task goes.
 */
static long
tell_slow(int i, bool *opened)
{
	JdgTransfer *t = jdg_transfers[i];
	JdgSlotTask *st = &jdg_http_slot->task[i];
	int64		us = jdg_now() - t->started_at;
	int64		at;
	bool		now = false;

	if (t->endpoint.breaker.slow_after_us == 0)
		return -1;
	at = jdg_gates_slow(&st->places, Max(us, 1), &now);
	if (now)
	{
		jdg_endpoint_changed(t);
		fail_waiting(&st->places);
	}
	*opened |= now;
	return at == 0 ? -1 : (long) (Max(at - us, 0) / 1000 + 1);
}

/* A breaker has opened: what was not sent behind it goes back. */
static void
return_unsent(void)
{
	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];

		if (!t->ended && t->http.phase == JDG_HTTP_UNSENT &&
			jdg_gates_are_open(&jdg_http_slot->task[i].places))
			jdg_transfer_stop(t, JDG_STOP_OPEN);
	}
}

long
jdg_requests_tell(void)
{
	bool		opened = false;
	long		next = -1;

	for (int i = 0; i < jdg_ntransfers; i++)
	{
		long		ms;

		if (!jdg_http_slot->task[i].limited)
			continue;
		if (jdg_transfers[i]->ended)
			opened |= tell_end(i);
		else if ((ms = tell_slow(i, &opened)) >= 0)
			next = next < 0 ? ms : Min(next, ms);
	}
	if (opened)
		return_unsent();
	return next;
}
