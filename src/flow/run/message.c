/*-------------------------------------------------------------------------
 *
 * message.c
 *	  Rows of jadugar_internal.flow_message, see message.h.
 *
 * Written by any session and process, without a lock; read and deleted by the
 * scheduler with the lock of the run.  A process that begins a wait deletes
 * the signal that it takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/columns.h"
#include "base/fault.h"
#include "base/spi.h"
#include "flow/run/message.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

/* bytes of payloads that are served in one transaction */
#define BATCH_BYTES_MAX (16 * 1024 * 1024)

static const char letters[] = {
	[JDG_MESSAGE_SIGNAL] = 's',
	[JDG_MESSAGE_VERDICT] = 'v',
	[JDG_MESSAGE_EVENT] = 'e',
	[JDG_MESSAGE_ABORT] = 'a',
	[JDG_MESSAGE_CANCEL] = 'c',
	[JDG_MESSAGE_SUB_ENDED] = 'd',
	[JDG_MESSAGE_TASK_ENDED] = 'f',
	[JDG_MESSAGE_PAUSE] = 'p',
	[JDG_MESSAGE_RESUME] = 'u',
	[JDG_MESSAGE_RETRY] = 'r',
	[JDG_MESSAGE_SKIP] = 'k',
	[JDG_MESSAGE_UNDO] = 'x',
	[JDG_MESSAGE_RUN_ENDED] = 'o'
};

char
jdg_message_kind_out(JdgMessageKind kind)
{
	return letters[kind];
}

char *
jdg_message_event(JdgMessageKind kind, const char *name)
{
	static const char *const prefixes[] = {
		[JDG_MESSAGE_SIGNAL] = "signal",
		[JDG_MESSAGE_VERDICT] = "approval",
		[JDG_MESSAGE_EVENT] = "event"
	};

	Assert(kind < lengthof(prefixes));
	return psprintf("%s:%s", prefixes[kind], name);
}

char *
jdg_message_event_subject(const char *type, const char *key)
{
	return key == NULL ? jdg_message_event(JDG_MESSAGE_EVENT, type) :
		psprintf("event:%s %s", type, key);
}

static JdgMessageKind
kind_in(char letter)
{
	return jdg_letter_in(letters, lengthof(letters), letter,
						 "kind of a flow message");
}

/* ----------------------------------- runs that this transaction asked */

/* runs of a transaction that are noted one by one; with more, all count */
#define ASKED_MAX 64

static int	nasked = 0;
static int64 asked[ASKED_MAX];

static void
forget_asked(void *arg)
{
	nasked = 0;
}

/* A subtransaction that rolls back leaves its notes: they do no harm. */
static void
note_asked(int64 run_id)
{
	static MemoryContextCallback callback = {.func = forget_asked};

	if (jdg_flow_asked(run_id))
		return;
	if (nasked == 0)
		MemoryContextRegisterResetCallback(TopTransactionContext, &callback);
	if (nasked < ASKED_MAX)
		asked[nasked] = run_id;
	nasked++;
}

bool
jdg_flow_asked(int64 run_id)
{
	for (int i = 0; i < Min(nasked, ASKED_MAX); i++)
	{
		if (asked[i] == run_id)
			return true;
	}
	return nasked > ASKED_MAX;
}

/* -------------------------------------------------------------- sending */

/* run_id 0 and wait_start 0: null */
static void
send_message(JdgMessageKind kind, int64 run_id, int64 step_id,
			 const char *name, Jsonb *payload, Oid role, int64 wait_start)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.flow_message (run_id, kind, step_id, "
		"name, role, at, payload, wait_start) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", 8,
		{INT8OID, CHAROID, INT8OID, TEXTOID, OIDOID, TIMESTAMPTZOID, JSONBOID,
		INT8OID}
	};
	Datum		v[8];
	char		n[9] = "        ";

	Assert(jdg_is_bookkeeping());
	jdg_put_int64(&v[0], &n[0], run_id, 0);
	v[1] = CharGetDatum(letters[kind]);
	v[2] = Int64GetDatum(step_id);
	jdg_put_text(&v[3], &n[3], name);
	v[4] = ObjectIdGetDatum(role);
	n[4] = OidIsValid(role) ? ' ' : 'n';
	v[5] = TimestampTzGetDatum(jdg_now());
	jdg_put_pointer(&v[6], &n[6], payload);
	jdg_put_int64(&v[7], &n[7], wait_start, 0);
	jdg_run(&q, v, n, 0);
	JDG_FAULT("flow-message-sent");
	jdg_wake_scheduler_at_commit(JDG_WAKE_FLOWS);
}

void
jdg_flow_message_as(JdgMessageKind kind, int64 run_id, int64 step_id, const char *name,
					Jsonb *payload, Oid role)
{
	Assert(jdg_is_bookkeeping());
	if (OidIsValid(role))
	{
		jdg_remember_role(role);
		note_asked(run_id);
	}
	send_message(kind, run_id, step_id, name, payload, role, 0);
}

void
jdg_flow_message(JdgMessageKind kind, int64 run_id, int64 step_id, const char *name,
				 Jsonb *payload)
{
	send_message(kind, run_id, step_id, name, payload, InvalidOid, 0);
}

void
jdg_flow_message_event(int64 run_id, int64 step_id, int64 wait_start,
					   Jsonb *result)
{
	send_message(JDG_MESSAGE_EVENT, run_id, step_id, NULL, result, InvalidOid,
				 wait_start);
}

JdgFlowMessage *
jdg_flow_messages_new(bool to_tasks, int max, int *n, bool *more)
{
	static JdgQuery q = {
		"SELECT message_id, run_id, kind, step_id, name, role, at, payload, "
		"wait_start "
		"FROM jadugar_internal.flow_message WHERE NOT seen "
		"AND (kind = $2) = $3 ORDER BY message_id LIMIT $1", 3,
		{INT4OID, CHAROID, BOOLOID}
	};
	Datum		v[3] = {Int32GetDatum(max),
		CharGetDatum(letters[JDG_MESSAGE_RUN_ENDED]),
	BoolGetDatum(to_tasks)};
	MemoryContext mcxt = CurrentMemoryContext;
	JdgFlowMessage *m;
	int64		bytes = 0;

	Assert(jdg_is_bookkeeping());
	*n = (int) jdg_run(&q, v, NULL, 0);
	*more = *n == max;
	m = palloc0(sizeof(JdgFlowMessage) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		m[i].message_id = jdg_col_int64(i, 1, 0);
		m[i].run_id = jdg_col_int64(i, 2, 0);
		m[i].kind = kind_in(jdg_col_char(i, 3));
		m[i].step_id = jdg_col_int64(i, 4, 0);
		m[i].name = jdg_col_text(i, 5, mcxt);
		m[i].role = jdg_col_oid(i, 6);
		m[i].at = jdg_col_time(i, 7, DT_NOBEGIN);
		m[i].payload = jdg_col_jsonb(i, 8, mcxt);
		m[i].wait_start = jdg_col_int64(i, 9, 0);
		bytes += m[i].payload ? VARSIZE(m[i].payload) : 0;
		if (bytes >= BATCH_BYTES_MAX && i + 1 < *n)
		{
			*n = i + 1;
			*more = true;
		}
	}
	return m;
}

void
jdg_flow_message_done(int64 message_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_message "
		"WHERE message_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(message_id)};

	jdg_run(&q, v, NULL, 0);
}

void
jdg_flow_cancel_done(int64 run_id, int64 step_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_message "
		"WHERE run_id = $1 AND step_id = $2 AND kind = $3", 3,
		{INT8OID, INT8OID, CHAROID}
	};
	Datum		v[3] = {Int64GetDatum(run_id), Int64GetDatum(step_id),
	CharGetDatum(letters[JDG_MESSAGE_CANCEL])};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 0);
}

void
jdg_flow_message_keep(int64 message_id)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_message SET seen = true "
		"WHERE message_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(message_id)};

	jdg_run(&q, v, NULL, 0);
}

void
jdg_flow_messages_again(bool all)
{
	static JdgQuery q = {
		/* a session may be deleting some: purge_completed() */
		"UPDATE jadugar_internal.flow_message SET seen = false "
		"WHERE message_id = "
		"ANY (ARRAY(SELECT message_id FROM jadugar_internal.flow_message "
		"WHERE seen AND (kind IN ($2, $3) OR $1) FOR UPDATE SKIP LOCKED))", 3,
		{BOOLOID, CHAROID, CHAROID}
	};
	Datum		v[3] = {BoolGetDatum(all),
		CharGetDatum(letters[JDG_MESSAGE_CANCEL]),
	CharGetDatum(letters[JDG_MESSAGE_RUN_ENDED])};

	jdg_run(&q, v, NULL, 0);
}

bool
jdg_flow_signal_take(JdgMessageKind kind, int64 run_id, const char *name,
					 Jsonb **payload)
{
	static JdgQuery q = {
		"SELECT message_id, payload FROM jadugar_internal.flow_message "
		"WHERE run_id = $1 AND kind = $2 AND name = $3 "
		"ORDER BY message_id LIMIT 1", 3, {INT8OID, CHAROID, TEXTOID}
	};
	Datum		v[3] = {Int64GetDatum(run_id), CharGetDatum(letters[kind]),
	CStringGetTextDatum(name)};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		id;

	if (jdg_run(&q, v, NULL, 1) == 0)
		return false;
	id = jdg_col_int64(0, 1, 0);
	*payload = jdg_col_jsonb(0, 2, mcxt);
	jdg_flow_message_done(id);
	return true;
}
