/*-------------------------------------------------------------------------
 *
 * serve.c
 *	  Messages and timers of flows, see serve.h.
 *
 * Runs in the scheduler, in its transactions.  Each run is served in a
 * subtransaction with its lock, in ascending order of the locks: an error in
 * one run does not hold up the others.  It is reported in the log, and the run
 * is served again a minute later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/spi.h"
#include "flow/run/drive.h"
#include "flow/run/due.h"
#include "flow/run/message.h"
#include "flow/run/request.h"
#include "flow/run/serve.h"

/* a message or a timer of a run */
typedef struct Input
{
	int64		run_id;
	int64		step_id;		/* of a timer */
	const JdgFlowMessage *message;	/* NULL: a timer */
} Input;

static void
serve(JdgRunState *rs, const Input *in)
{
	JdgFlowStep *step;

	if (in->message != NULL)
		jdg_serve_message(rs, in->message);
	else if ((step = jdg_step_get(rs, in->step_id)) != NULL)
		jdg_step_due(rs, step);
}

/* All messages and timers of one run, in one pass. */
static void
serve_run(const Input *in, int n)
{
	JdgPass    *pass;
	JdgRunState *rs;

	jdg_pass_lock(&in[0].run_id, 1);
	PushActiveSnapshot(GetTransactionSnapshot());
	pass = jdg_pass_begin();
	rs = jdg_pass_run(pass, in[0].run_id);
	for (int i = 0; i < n; i++)
	{
		if (rs != NULL)
			serve(rs, &in[i]);
		else if (in[i].message != NULL)
			jdg_flow_message_done(in[i].message->message_id);
		jdg_agenda_drive(pass, true);
	}
	jdg_pass_finish(pass);
	JDG_FAULT("flow-served");
	PopActiveSnapshot();
}

static bool gave_up = false;

void
jdg_flow_give_up(void)
{
	gave_up = true;
}

/* They cannot be served: try again later. */
static void
give_up(const Input *in, int n)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_step "
		"SET due = due + interval '1 minute' "
		"WHERE run_id = $1 AND step_id = $2", 2, {INT8OID, INT8OID}
	};

	gave_up = true;
	for (int i = 0; i < n; i++)
	{
		Datum		v[2] = {Int64GetDatum(in[i].run_id),
		Int64GetDatum(in[i].step_id)};

		if (in[i].message == NULL)
			jdg_run(&q, v, NULL, 0);
		else
			jdg_flow_message_keep(in[i].message->message_id);
	}
}

/* The same in a subtransaction; an error is logged. */
static void
try_serve_run(const Input *in, int n)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		JdgInternal st;

		jdg_internal_begin(&st);
		serve_run(in, n);
		jdg_internal_end(&st);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_error(mcxt);

		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);
		ereport(LOG,
				(errmsg("could not advance flow run %lld: %s",
						(long long) in[0].run_id, edata->message)));
		give_up(in, n);
	}
	PG_END_TRY();
}

/* In the order of locks; of one run messages come before timers. */
static int
compare_inputs(const void *a, const void *b)
{
	const Input *x = a;
	const Input *y = b;
	int64		mx = x->message ? x->message->message_id : PG_INT64_MAX;
	int64		my = y->message ? y->message->message_id : PG_INT64_MAX;

	if ((uint32) x->run_id != (uint32) y->run_id)
		return (uint32) x->run_id < (uint32) y->run_id ? -1 : 1;
	if (x->run_id != y->run_id)
		return x->run_id < y->run_id ? -1 : 1;
	if (mx != my)
		return mx < my ? -1 : 1;
	return x->step_id < y->step_id ? -1 : x->step_id > y->step_id;
}

/* Serve them, run by run. */
static void
serve_all(Input *in, int n)
{
	qsort(in, n, sizeof(Input), compare_inputs);
	for (int i = 0; i < n;)
	{
		int			k = i;

		while (k < n && in[k].run_id == in[i].run_id)
			k++;
		CHECK_FOR_INTERRUPTS();
		try_serve_run(&in[i], k - i);
		i = k;
	}
}

bool
jdg_flow_do_messages(int max)
{
	int			nmessages;
	bool		more;
	JdgFlowMessage *m = jdg_flow_messages_new(false, max, &nmessages, &more);
	Input	   *in = palloc(sizeof(Input) * Max(nmessages, 1));

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < nmessages; i++)
	{
		in[i].run_id = m[i].run_id;
		in[i].step_id = 0;
		in[i].message = &m[i];
	}
	serve_all(in, nmessages);
	return more;
}

int
jdg_flow_find_timers(JdgFlowTimer *timer, int max)
{
	static JdgQuery q = {
		"SELECT run_id, step_id FROM jadugar_internal.flow_step "
		"WHERE due <= $1 ORDER BY due LIMIT $2", 2, {TIMESTAMPTZOID, INT4OID}
	};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()), Int32GetDatum(max)};
	int			n = (int) jdg_run(&q, v, NULL, 0);

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < n; i++)
	{
		timer[i].run_id = jdg_col_int64(i, 1, 0);
		timer[i].step_id = jdg_col_int64(i, 2, 0);
	}
	return n;
}

void
jdg_flow_do_timers(const JdgFlowTimer *timer, int n)
{
	Input	   *in = palloc(sizeof(Input) * Max(n, 1));

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < n; i++)
	{
		in[i].run_id = timer[i].run_id;
		in[i].step_id = timer[i].step_id;
		in[i].message = NULL;
	}
	serve_all(in, n);
}

bool
jdg_flow_gave_up(void)
{
	bool		result = gave_up;

	gave_up = false;
	return result;
}

TimestampTz
jdg_flow_next_due(void)
{
	static JdgQuery q = {
		"SELECT due FROM jadugar_internal.flow_step WHERE due IS NOT NULL "
		"ORDER BY due LIMIT 1", 0
	};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, NULL, NULL, 1) == 0)
		return DT_NOEND;
	return jdg_col_time(0, 1, DT_NOEND);
}
