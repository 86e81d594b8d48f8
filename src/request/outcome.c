/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  The end of a request, as the end of an attempt: see outcome.h.
 *
 * Runs in the process "jadugar http".
 *
 * A request that was not sent has had no effect: a task that is to stop, or a
 * process that leaves, gives it back, and the attempt does not count.  Of one
 * that was sent, and not answered, nobody knows the effect.  It is sent again
 * with the same idempotency key, or not at all: option "unsafe".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/json.h"
#include "request/outcome.h"
#include "request/response.h"

/* Was the request, or a part of it, sent? */
static bool
is_sent(const JdgTransfer *t)
{
	return t->own == NULL && t->http.sends > 0;
}

static const char *
phase_of(const JdgTransfer *t)
{
	switch (t->http.phase)
	{
		case JDG_HTTP_UNSENT:
			return "connecting";
		case JDG_HTTP_SENT:
			return "waiting for the response";
		case JDG_HTTP_ANSWERING:
			return "reading the response";
	}
	return NULL;
}

static void
init(const JdgTransfer *t, JdgOutcome *o)
{
	memset(o, 0, sizeof(*o));
	o->started_at = t->started_at;
	o->finished_at = t->ended_at;
	o->worker_pid = MyProcPid;
	o->row_count = -1;
}

/* It has ended without an answer. */
static void
fail(const JdgTransfer *t, JdgOutcome *o, JdgCallEnd end)
{
	JdgCallHealth health;

	o->end = JDG_END_FAILED;
	o->sqlerrcode = jdg_end_sqlerrcode(end);
	o->no_retry = jdg_end_class(&t->request, end, is_sent(t), &health) ==
		JDG_CALL_FINAL;
	o->error = jdg_end_error(&t->request, &t->endpoint, end, is_sent(t),
							 phase_of(t), t->http.message[0] ? t->http.message : NULL);
}

/* The task was asked to stop, and does. */
static void
set_cancelled(const JdgTransfer *t, const JdgSlotTask *st, JdgOutcome *o)
{
	o->end = st->cancel == JDG_CANCEL_PAUSE ? JDG_END_PAUSED :
		JDG_END_CANCELLED;
	o->reason = st->cancel == JDG_CANCEL_REPLACED ? "replaced" : "cancelled";
	o->by = st->cancelled_by;
	if (!is_sent(t))
		o->started_at = DT_NOBEGIN;
}

/* The process ended it; false: it is to be given back. */
static bool
set_stopped(const JdgTransfer *t, const JdgSlotTask *st, JdgOutcome *o)
{
	switch (t->stop)
	{
		case JDG_STOP_NOT:
			break;
		case JDG_STOP_CANCEL:
			set_cancelled(t, st, o);
			break;
		case JDG_STOP_DEADLINE:
			fail(t, o, JDG_CALL_END_TIMEOUT);
			break;
		case JDG_STOP_OPEN:
		case JDG_STOP_PROBE:
			return false;
		case JDG_STOP_SHUTDOWN:
			if (!is_sent(t))
				return false;
			fail(t, o, JDG_CALL_END_LOST);
			o->end = JDG_END_LOST;
			break;
	}
	return true;
}

void
jdg_transfer_response(const JdgTransfer *t, JdgResponse *resp)
{
	memset(resp, 0, sizeof(*resp));
	resp->status = t->http.status;
	resp->headers = t->http.head;
	resp->headers_len = t->http.head_size;
	resp->body = t->http.answer;
	resp->body_len = t->http.answer_size;
	resp->truncated = t->http.truncated;
	resp->size = t->http.answer_size;
	resp->us = t->took * 1000;
}

static void
set_answered(const JdgTransfer *t, const JdgTask *task, JdgOutcome *o)
{
	JdgResponse resp;
	JdgCallHealth health;
	int64		retry_after;
	JdgCallClass class;

	jdg_transfer_response(t, &resp);
	class = jdg_response_class(&t->request, &resp, &health);
	if (class == JDG_CALL_COMPLETED)
	{
		o->end = JDG_END_COMPLETED;
		o->result = jdg_response_result(task, &t->request, &t->endpoint, &resp);
		return;
	}
	o->end = JDG_END_FAILED;
	o->sqlerrcode = JDG_ERRCODE_HTTP_STATUS;
	o->http_status = resp.status;
	/* the policy says which statuses are tried again */
	if (jdg_response_retry_after(&t->endpoint, &resp, t->ended_at, &retry_after))
		o->not_before = t->ended_at + retry_after;
	else
		retry_after = -1;
	o->error = jdg_response_error(&t->request, &t->endpoint, &resp, retry_after);
}

bool
jdg_transfer_call_end(const JdgTransfer *t, JdgCallEnd *end)
{
	switch (t->http.end)
	{
		case JDG_HTTP_NOT_ENDED:
		case JDG_HTTP_STALE:
		case JDG_HTTP_LOCAL:
		case JDG_HTTP_ANSWERED:
			return false;
		case JDG_HTTP_NO_NAME:
			*end = JDG_CALL_END_RESOLVE;
			break;
		case JDG_HTTP_NO_CONNECTION:
			*end = JDG_CALL_END_CONNECT;
			break;
		case JDG_HTTP_NO_TLS:
			*end = JDG_CALL_END_TLS;
			break;
		case JDG_HTTP_BROKEN:
			*end = JDG_CALL_END_RESET;
			break;
		case JDG_HTTP_PROTOCOL:
			*end = JDG_CALL_END_PROTOCOL;
			break;
		case JDG_HTTP_SLOW:
			*end = JDG_CALL_END_TIMEOUT;
			break;
		case JDG_HTTP_REFUSED:
			*end = JDG_CALL_END_ADDRESS;
			break;
	}
	return true;
}

/* Its end cannot be settled: the error takes the place of what came back. */
static void
set_refused(const JdgTransfer *t, JdgOutcome *o)
{
	JsonbParseState *st;

	o->end = JDG_END_FAILED;
	o->no_retry = true;
	o->sqlerrcode = t->refusal_code;
	jdg_json_begin(&st);
	jdg_json_text(&st, "code", jdg_error_name(t->refusal_code));
	jdg_json_text(&st, "sqlstate", unpack_sql_state(t->refusal_code));
	jdg_json_text(&st, "message", t->refusal);
	jdg_json_text(&st, "detail", "The end of the request could not be written.");
	jdg_json_text(&st, "kind", "not_kept");
	if (t->http.status > 0)
		jdg_json_int64(&st, "status", t->http.status);
	jdg_json_bool(&st, "sent", is_sent(t));
	o->error = jdg_json_finish(&st);
}

/* Sets how the transfer itself ended; false: it is to be given back. */
static bool
set_end(const JdgTransfer *t, const JdgTask *task, const JdgSlotTask *st,
		JdgOutcome *o)
{
	JdgCallEnd	end;

	if (t->stop != JDG_STOP_NOT)
		return set_stopped(t, st, o);
	if (t->http.end == JDG_HTTP_ANSWERED)
		set_answered(t, task, o);
	else if (jdg_transfer_call_end(t, &end))
		fail(t, o, end);
	else
		return false;
	return true;
}

bool
jdg_transfer_outcome(const JdgTransfer *t, const JdgTask *task,
					 const JdgSlotTask *st, JdgOutcome *o)
{
	bool		ended;

	init(t, o);
	if (t->unsent != NULL)
		*o = *t->unsent;
	if (t->unsent == NULL && t->refusals >= JDG_REFUSALS_MAX)
		set_refused(t, o);
	ended = t->unsent != NULL || o->error != NULL || set_end(t, task, st, o);
	if (st->cancel == JDG_CANCEL_NONE)
		return ended;
	/* the request came after the end: it must not go on */
	if (!ended || (st->cancel != JDG_CANCEL_PAUSE &&
				   o->end != JDG_END_COMPLETED))
		set_cancelled(t, st, o);
	else if (st->cancel == JDG_CANCEL_PAUSE)
	{
		/* a pause stops the next attempt of what was sent */
		o->pause = true;
		o->by = st->cancelled_by;
	}
	return true;
}
