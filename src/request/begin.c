/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  Claims HTTP tasks, marks them and sends their requests.
 *
 * Runs in the process "jadugar http".  Tasks of all roles are claimed, one role
 * after another.  Their rows get state x and their start in one transaction,
 * which commits before any byte is sent: whatever happens then, the attempt
 * counts.  A task whose request cannot be made is settled in that transaction.
 *
 * The mark commits with synchronous_commit = local, so a standby that hangs
 * does not hold up requests; after a failover, marks that were not replicated
 * run again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "request/request.h"
#include "request/transfer.h"
#include "shared/database.h"
#include "shared/gate.h"
#include "shared/gateview.h"
#include "shared/guard.h"
#include "shared/lane.h"
#include "shared/work.h"
#include "task/claim.h"
#include "task/hold.h"
#include "task/settle.h"

/* tasks that one transaction marks */
#define BATCH 64

/* how long a request may take if nothing says */
#define LONGEST_MS (24 * 3600 * INT64CONST(1000))

/* the ticket of a call at a breaker is good for the settling, too */
#define SETTLE_MS 5000

/* the state of one call */
typedef struct Batch
{
	int			first;			/* of the slot's tasks */
	int			n;
	JdgTask		task[BATCH];
	JdgTransfer *transfer[BATCH];	/* NULL: its request cannot be made */
	JdgOutcome	outcome[BATCH]; /* of those */
} Batch;

/*
 * Requests of a batch run at the same time, so a task does not join the holder
 * of its key.
 */
static JdgJoin
join_batch(const JdgTask *task, int n)
{
	return task->state == JDG_STATE_KEY ? JDG_JOIN_NO : JDG_JOIN_YES;
}

/* the role whose tasks were claimed last */
static Oid	last = InvalidOid;

/* Claims tasks of these roles, which have some. */
static bool
claim(Batch *b, const Oid *owners, int nowners, MemoryContext mcxt)
{
	bool		any = false;

	b->first = jdg_http_slot->ntasks;
	for (int i = 0; i < nowners; i++)
	{
		int			room = Min(BATCH - b->n, JDG_GROUP_MAX - jdg_http_slot->ntasks);
		bool		more;

		if (room == 0)
			return true;
		b->n += jdg_claim(jdg_http_slot, owners[i], JDG_CARRIER_HTTP,
						  &b->task[b->n], room, join_batch, mcxt, &more);
		any |= more;
		last = owners[i];
	}
	return any;
}

/* --- requests ------------------------------------------------------------ */

/* the argument of make_request() */
typedef struct Making
{
	const JdgTask *task;
	JdgTransfer *t;
} Making;

/* Builds a request in the current memory context; raises what is wrong. */
static void
make_request(void *arg)
{
	Making	   *m = arg;
	JdgTransfer *t = m->t;
	JdgEndpoint e;
	JdgSecrets	secrets;

	if (!jdg_endpoint_get(m->task->endpoint_id, &e))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the endpoint of the task does not exist"),
				 errhint("Create the server again, then retry the task.")));
	if (!jdg_endpoint_may_use(&e, m->task->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("role \"%s\" may not use endpoint \"%s\"",
						GetUserNameFromId(m->task->owner, true),
						e.name),
				 errhint("Grant USAGE on the foreign server.")));
	jdg_endpoint_copy(&e, &t->endpoint);
	jdg_endpoint_secrets(&t->endpoint, m->task->owner, &secrets);
	jdg_request_build(m->task, &t->endpoint, &secrets, &t->request);
	t->http.certificate = secrets.sslcert;
	t->http.key = secrets.sslkey;
}

static int
allows(void *arg, const struct sockaddr *address)
{
	const JdgTransfer *t = arg;

	return jdg_address_decide(address, jdg_address_is_own(address),
							  &t->endpoint.addresses).verdict == JDG_ADDRESS_ALLOWED;
}

/* Sets the library's part of a transfer from its request. */
static void
set_http(JdgTransfer *t)
{
	const JdgRequest *r = &t->request;
	JdgHttpTransfer *h = &t->http;
	const char **headers;
	ListCell   *lc;

	headers = MemoryContextAlloc(t->mcxt, sizeof(char *) *
								 Max(list_length(r->headers), 1));
	foreach(lc, r->headers)
		headers[h->nheaders++] = lfirst(lc);
	h->method = r->method;
	h->url = r->url;
	h->headers = headers;
	h->body = r->has_body ? r->body : NULL;
	h->body_size = r->body_len;
	h->max_answer = r->max_response;
	h->connect_timeout = Max(r->connect_timeout_us / 1000, 1);
	h->low_speed = t->endpoint.low_speed.bytes;
	h->low_speed_time = (t->endpoint.low_speed.for_us + USECS_PER_SEC - 1) /
		USECS_PER_SEC;
	h->fresh = r->unsafe;
	h->http_version = t->endpoint.http_version == JDG_HTTP_2 ? 2 : 1;
	h->verify = t->endpoint.verify == JDG_VERIFY_FULL;
	h->tls_13 = t->endpoint.tls_min == JDG_TLS_1_3;
	h->ca_file = t->endpoint.ca_file;
	h->proxy = t->endpoint.proxy;
	h->caller = t;
	h->allows = allows;
}

/* When the attempt has to end, from now on: the task's time or the request's. */
static int64
time_of(const JdgTask *task, const JdgRequest *r)
{
	int64		ms = r->timeout_us > 0 ? r->timeout_us / 1000 : LONGEST_MS;

	if (task->timeout != NULL)
		ms = Min(ms, jdg_interval_us(task->timeout) / 1000);
	return Max(ms, 1);
}

/* The end of a task that is not sent. */
static void
set_unsent(JdgOutcome *o, TimestampTz now, int sqlerrcode, Jsonb *error)
{
	memset(o, 0, sizeof(*o));
	o->end = JDG_END_FAILED;
	o->no_retry = true;
	o->started_at = o->finished_at = now;
	o->worker_pid = MyProcPid;
	o->row_count = -1;
	o->sqlerrcode = sqlerrcode;
	o->error = error;
}

/* Seconds until the breaker of a task's endpoint lets requests through; or -1. */
static int64
seconds_open(const JdgTask *task, TimestampTz now)
{
	JdgEndpoint e;
	JdgLimit	limit[2];
	JdgGateState s;
	int			n;

	if (!jdg_endpoint_get(task->endpoint_id, &e))
		return -1;
	n = jdg_endpoint_limits(&e, task->host, limit);
	jdg_gate_state(&limit[n - 1], now, &s);
	if (!s.guarded || s.breaker.until == JDG_BREAKER_NEVER)
		return -1;
	return (Max(s.breaker.until - now, 0) + USECS_PER_SEC - 1) / USECS_PER_SEC;
}

/*
 * The end of a task that does not wait for a breaker: of its own endpoint, or of
 * its queue.
 */
static void
set_circuit_open(const JdgTask *task, TimestampTz now, JdgOutcome *o)
{
	char	   *name = jdg_endpoint_name(task->endpoint_id);
	int64		seconds = seconds_open(task, now);
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "code", jdg_error_name(JDG_ERRCODE_CIRCUIT_OPEN));
	jdg_json_text(&st, "sqlstate", unpack_sql_state(JDG_ERRCODE_CIRCUIT_OPEN));
	jdg_json_text(&st, "message",
				  psprintf("the circuit breaker for endpoint \"%s\" is open", name));
	jdg_json_text(&st, "hint", "See the view jadugar.breakers. Tasks with when_open \"wait\" wait for it.");
	jdg_json_text(&st, "kind", "circuit_open");
	if (seconds >= 0)
		jdg_json_int64(&st, "retry_after", seconds);
	jdg_json_bool(&st, "sent", false);
	set_unsent(o, now, JDG_ERRCODE_CIRCUIT_OPEN, jdg_json_finish(&st));
}

/*
 * Does an error come from the state of the server, so that the request may be
 * possible later?
 */
static bool
may_pass(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
	}
	return false;
}

/* The transfer of a task; NULL: it has an outcome, because that is not possible. */
static JdgTransfer *
make_transfer(const JdgTask *task, TimestampTz now, JdgOutcome *o)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext,
											   "jadugar request",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	JdgTransfer *t = palloc0(sizeof(JdgTransfer));
	Making		m = {task, t};
	ErrorData  *error = jdg_in_subxact(make_request, &m, old);

	MemoryContextSwitchTo(old);
	if (error != NULL)
	{
		MemoryContextDelete(mcxt);
		/* that concerns this process, and not the task */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		set_unsent(o, now, error->sqlerrcode, jdg_error_to_jsonb(error, NULL));
		o->no_retry = !may_pass(error->sqlerrcode);
		return NULL;
	}
	t->mcxt = mcxt;
	t->host = task->host ? MemoryContextStrdup(mcxt, task->host) : NULL;
	t->task_id = task->task_id;
	t->attempt = task->attempt;
	t->started_at = now;
	t->deadline = jdg_steady_ms() + time_of(task, &t->request);
	set_http(t);
	return t;
}

/*
 * A task whose limits have changed since it was claimed does not begin.  What
 * remains of the promised tokens is used here.
 */
static bool
may_begin(JdgTask *task, JdgTransfer *t, JdgSlotTask *st, TimestampTz now)
{
	int64		longest = (t->deadline - jdg_steady_ms() + SETTLE_MS) * 1000;
	int64		probe;

	if (task->limits == NULL)
		return true;
	task->limits->longest = longest;
	if (jdg_gates_begin(task->limits, now, &st->places) >= 0)
		return false;
	probe = jdg_gates_probe_time(&st->places);
	if (probe > 0)
		t->deadline = Min(t->deadline, jdg_steady_ms() + probe / 1000);
	return true;
}

/*
 * Makes the transfers of a batch.  From the first task on that may not begin,
 * the end of the transaction gives them back.
 */
static void
make_transfers(Batch *b, TimestampTz now)
{
	int			n;

	for (n = 0; n < b->n; n++)
	{
		JdgTransfer *t = NULL;

		if (b->task[n].circuit_open)
			set_circuit_open(&b->task[n], now, &b->outcome[n]);
		else
			t = make_transfer(&b->task[n], now, &b->outcome[n]);
		if (t != NULL &&
			!may_begin(&b->task[n], t, &jdg_http_slot->task[b->first + n], now))
		{
			MemoryContextDelete(t->mcxt);
			break;
		}
		b->transfer[n] = t;
	}
	while (b->n > n)
	{
		jdg_slot_unhold_last(jdg_http_slot);
		b->n--;
	}
}

/* --- marks --------------------------------------------------------------- */

/* Marks the rows of the tasks that have a transfer. */
static void
mark(const Batch *b, TimestampTz now)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = " JDG_SQL_STANDALONE ", "
		"started_at = $2 WHERE task_id = ANY ($1)", 2,
		{INT8ARRAYOID, TIMESTAMPTZOID}
	};
	Datum		ids[BATCH];
	Datum		v[2];
	int			n = 0;
	JdgInternal in;

	for (int i = 0; i < b->n; i++)
	{
		if (b->transfer[i] != NULL)
			ids[n++] = Int64GetDatum(b->task[i].task_id);
	}
	if (n == 0)
		return;
	v[0] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	v[1] = TimestampTzGetDatum(now);
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 0) != n)
		elog(ERROR, "a claimed task was not there any more");
	jdg_internal_end(&in);
}

/* Settles those that have none. */
static void
settle_unsendable(Batch *b)
{
	JdgTask    *tasks = palloc(sizeof(JdgTask) * BATCH);
	JdgOutcome *outcomes = palloc(sizeof(JdgOutcome) * BATCH);
	int			n = 0;

	for (int i = 0; i < b->n; i++)
	{
		if (b->transfer[i] != NULL)
			continue;
		tasks[n] = b->task[i];
		outcomes[n++] = b->outcome[i];
	}
	if (n > 0)
		jdg_settle(tasks, outcomes, n, NULL);
}

/* The slot shows the requests; those that have none go. */
static void
publish(Batch *b)
{
	JdgSlot    *slot = jdg_http_slot;
	JdgPlaces	given[BATCH];
	int			ngiven = 0;
	int			at = b->first;
	int64		now_ms = jdg_steady_ms();

	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < b->n; i++)
	{
		JdgTransfer *t = b->transfer[i];
		JdgSlotTask *st = &slot->task[b->first + i];

		if (t == NULL)
		{
			if (st->limited)
				given[ngiven++] = st->places;
			continue;
		}
		st->phase = JDG_TASK_RUNNING;
		st->standalone = true;
		st->started_at = t->started_at;
		st->deadline = t->started_at + (t->deadline - now_ms) * 1000;
		slot->task[at] = *st;
		jdg_transfers[at++] = t;
	}
	slot->ntasks = jdg_ntransfers = at;
	slot->state = JDG_SLOT_BUSY;
	SpinLockRelease(&slot->mutex);
	jdg_slot_give_back(given, ngiven);
}

/* the batch that is being made, or NULL */
static Batch *making = NULL;

void
jdg_requests_begin_failed(void)
{
	JdgPlaces	given[JDG_GROUP_MAX];
	int			n;

	bool		failed = making != NULL;

	for (int i = 0; failed && i < making->n; i++)
	{
		if (making->transfer[i] != NULL)
			MemoryContextDelete(making->transfer[i]->mcxt);
	}
	making = NULL;
	SpinLockAcquire(&jdg_http_slot->mutex);
	n = jdg_slot_take_out(jdg_http_slot, jdg_ntransfers, given);
	SpinLockRelease(&jdg_http_slot->mutex);
	jdg_slot_give_back(given, n);
	/* if it was after the commit, the scheduler settles them as lost */
	if (failed)
		jdg_requests_left(jdg_my_db());
}

bool
jdg_requests_begin(void)
{
	Batch	   *b = palloc0(sizeof(Batch));
	TimestampTz now;
	int			nowners;
	int			claimed;
	Oid		   *owners = jdg_lanes_owners(MyDatabaseId, JDG_CARRIER_HTTP, last,
										  &nowners);
	bool		more;

	if (nowners == 0)
		return false;
	jdg_work_begin_bare();
	making = b;
	more = claim(b, owners, nowners, CurrentMemoryContext);
	claimed = b->n;
	now = jdg_now();
	PushActiveSnapshot(GetTransactionSnapshot());
	make_transfers(b, now);
	mark(b, now);
	settle_unsendable(b);
	more |= b->n < claimed;
	PopActiveSnapshot();
	JDG_FAULT("http-before-mark");
	jdg_work_end_bare();
	JDG_FAULT("http-marked");
	making = NULL;
	publish(b);
	for (int i = 0; i < b->n; i++)
	{
		if (b->transfer[i] != NULL)
			jdg_connections_add(b->transfer[i]);
	}
	return more;
}
