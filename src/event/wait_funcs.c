/*-------------------------------------------------------------------------
 *
 * wait_funcs.c
 *	  SQL function wait_delivered(): sleep until subscriptions have dealt with
 *	  an event.
 *
 * Runs in any backend.  While asleep this code holds no snapshot, no lock and
 * no SPI connection; the statement that called it keeps its own snapshot, as
 * any does.
 *
 * An event is over for a subscription when the position of its shard is past
 * it.  No wake-up is lost: the waiting backend counts itself in
 * JdgDb.event_waiters and enters the queue of JdgDb.delivered before it reads
 * positions, and a worker reads the count after its commit has become visible.
 * A session that drops a subscription or gives up events wakes the scheduler,
 * which broadcasts.  On a standby nobody does, so there, and only there, the
 * waiting backend looks again every LOOK_AGAIN_MS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "event/cursor.h"
#include "event/grant.h"
#include "event/parked.h"
#include "event/read.h"
#include "event/subscribed.h"
#include "event/subscription.h"
#include "exec/exec.h"
#include "shared/database.h"
#include "shared/shmem.h"

#define LOOK_AGAIN_MS	5000
#define LONGEST_WAIT_MS (3600 * 1000)

#define NAMES_MAX		100

typedef struct WaitArgs
{
	int64		event_id;
	ArrayType  *by;
	Interval   *timeout;
	char	   *owner;
} WaitArgs;

static const JdgArg wait_args[] = {
	{"event_id", INT8OID, offsetof(WaitArgs, event_id), JDG_NEEDED},
	{"by", TEXTARRAYOID, offsetof(WaitArgs, by)},
	{"timeout", INTERVALOID, offsetof(WaitArgs, timeout)},
	{"owner", TEXTOID, offsetof(WaitArgs, owner)},
};

/* an event, and those who are to deal with it */
typedef struct Awaited
{
	JdgEvent	event;
	JdgTopic	topic;
	int64	   *subscriptions;	/* some may be dropped meanwhile */
	int			n;
} Awaited;

/* How far the subscriptions are; the words are the results of the function. */
typedef enum Progress
{
	PROGRESS_HANDLED,
	PROGRESS_PARKED,			/* some have set it aside */
	PROGRESS_PENDING
} Progress;

static const char *const progress_words[] = {"handled", "parked", "timeout"};

/* Reads the event; raises NOT_FOUND if the caller may not see it. */
static void
read_event(int64 event_id, Awaited *a)
{
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = jdg_event_get(event_id, 0, &a->event, &a->topic);
	PopActiveSnapshot();
	if (!found || jdg_event_access(GetUserId(), &a->topic, &a->event) == JDG_EVENT_HIDDEN)
		jdg_event_missing(event_id);
}

/* Raises CONFLICT where waiting would never end. */
static void
refuse_hopeless(const Awaited *a, TimestampTz until)
{
	long long	id = (long long) a->event.event_id;

	if (FullTransactionIdEquals(a->event.xid, GetTopFullTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("event %lld was published by the current transaction", id),
				 errdetail("No subscription gets it before this transaction has committed."),
				 errhint("Commit first, then wait.")));
	if (jdg_current_task != NULL && until != DT_NOBEGIN &&
		(jdg_current_task->task_id != 0 || jdg_current_task->event != NULL))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot wait for event %lld inside a task or a handler",
						id),
				 errdetail("If all workers wait, none is left for what they wait for."),
				 errhint("Subscribe to an event that the other subscription publishes.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the current transaction would not see what the handlers of event %lld do",
						id),
				 errdetail("The isolation level of the transaction is \"%s\".",
						   GetConfigOption("transaction_isolation", false, false)),
				 errhint("Wait in a READ COMMITTED transaction.")));
}

/* Finds all subscriptions of a role. */
static void
find_all(Awaited *a, Oid owner)
{
	static JdgQuery q = {
		"SELECT subscription_id FROM jadugar_internal.subscription "
		"WHERE owner = $1", 1, {OIDOID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[1] = {ObjectIdGetDatum(owner)};
	JdgInternal in;

	jdg_internal_begin(&in);
	a->n = (int) jdg_run_latest(&q, v, NULL);
	a->subscriptions = jdg_col_int64s(a->n, 1, mcxt);
	jdg_internal_end(&in);
}

/* Finds those of the argument "by", which the event must be for. */
static void
find_named(Awaited *a, ArrayType *by, Oid owner)
{
	Datum	   *elems;
	bool	   *nulls;

	deconstruct_array(by, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &a->n);
	if (a->n < 1 || a->n > NAMES_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"by\" must have 1 to %d elements", NAMES_MAX),
				 errdetail("It has %d.", a->n),
				 errhint("Pass NULL for all subscriptions of the owner.")));
	a->subscriptions = palloc(sizeof(int64) * a->n);
	for (int i = 0; i < a->n; i++)
	{
		const JdgSubscription *s;
		char	   *name;

		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("argument \"by\" must not contain null"),
					 errdetail("Element %d is null.", i + 1)));
		name = TextDatumGetCString(elems[i]);
		a->subscriptions[i] = jdg_subscription_id(name, owner);
		s = jdg_subscription_get(a->subscriptions[i]);
		if (s != NULL && !jdg_subscription_is_offered(s, &a->event, &a->topic))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("subscription \"%s\" does not get event %lld", name,
							(long long) a->event.event_id),
					 errdetail("The event has the type \"%s\" and is in topic \"%s\".",
							   a->event.type, a->topic.name),
					 errhint("See types, topics, keys and headers in the view jadugar.subscriptions.")));
	}
}

/* How far is one subscription?  One that was dropped has nothing to do. */
static Progress
progress_of(int64 subscription_id, const Awaited *a)
{
	const JdgSubscription *s = jdg_subscription_get(subscription_id);
	int64		event_id = a->event.event_id;
	JdgCursor	c;
	JdgParked	parked;

	if (s == NULL || !jdg_subscription_is_offered(s, &a->event, &a->topic))
		return PROGRESS_HANDLED;
	while (!jdg_cursor_read(subscription_id, a->event.slot % s->shards, &c))
	{
		const JdgSubscription *now = jdg_subscription_get(subscription_id);

		if (now == NULL || now->shards == s->shards)
			return PROGRESS_HANDLED;
		s = now;
	}
	if (!jdg_cursor_has_passed(&c, event_id,
							   U64FromFullTransactionId(a->event.xid)))
		return c.blocked_id == event_id && c.attempts > 0 ?
			PROGRESS_PARKED : PROGRESS_PENDING;
	return c.parked > 0 && jdg_parked_read(subscription_id, event_id, &parked) ?
		PROGRESS_PARKED : PROGRESS_HANDLED;
}

static Progress
look(const Awaited *a, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	Progress	all = PROGRESS_HANDLED;

	for (int i = 0; i < a->n && all != PROGRESS_PENDING; i++)
		all = Max(all, progress_of(a->subscriptions[i], a));
	MemoryContextSwitchTo(old);
	MemoryContextReset(mcxt);
	return all;
}

static void
stop_waiting(int code, Datum db)
{
	ConditionVariableCancelSleep();
	pg_atomic_fetch_sub_u32(&((JdgDb *) DatumGetPointer(db))->event_waiters, 1);
}

/* Sleeps until all have dealt with the event, or "until" has passed. */
static Progress
sleep_until_over(const Awaited *a, TimestampTz until)
{
	JdgDb	   *db = jdg_my_db();
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar wait_delivered",
											   ALLOCSET_DEFAULT_SIZES);
	Progress	progress;

	pg_atomic_fetch_add_u32(&db->event_waiters, 1);
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	{
		ConditionVariablePrepareToSleep(&db->delivered);
		for (;;)
		{
			long		ms;

			progress = look(a, mcxt);
			if (progress != PROGRESS_PENDING)
				break;
			ms = jdg_ms_until(until, RecoveryInProgress() ? LOOK_AGAIN_MS :
							  LONGEST_WAIT_MS);
			if (ms == 0)
				break;
			(void) ConditionVariableTimedSleep(&db->delivered, ms,
											   jdg_wait_task());
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	stop_waiting(0, PointerGetDatum(db));
	MemoryContextDelete(mcxt);
	return progress;
}

/* wait_delivered(event_id, by, timeout, owner) */
JDG_FUNCTION(jdg_wait_delivered, JDG_LEVEL_ANY)
{
	WaitArgs	args = {0};
	Awaited		a = {0};
	TimestampTz until;
	Oid			owner;

	JDG_READ_ARGS("wait_delivered", wait_args, &args);
	until = jdg_give_up_at(args.timeout);
	jdg_require_shmem();
	read_event(args.event_id, &a);
	refuse_hopeless(&a, until);
	owner = jdg_owner_to_read(args.owner);
	if (args.by)
		find_named(&a, args.by, owner);
	else
		find_all(&a, owner);
	PG_RETURN_TEXT_P(cstring_to_text(progress_words[sleep_until_over(&a, until)]));
}
