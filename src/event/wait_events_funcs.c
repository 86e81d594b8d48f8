/*-------------------------------------------------------------------------
 *
 * wait_events_funcs.c
 *	  SQL procedure wait_events(): sleep until events can be fetched.
 *
 * Runs in the session of a consumer, outside a transaction block.  Each look
 * is a transaction, so a backend that sleeps holds no snapshot and no lock.
 *
 * No wake-up is lost: the waiting backend counts itself in
 * JdgDb.fetch_waiters and enters the queue of JdgDb.fetchable before it looks;
 * whoever makes events available reads the count after its commit has become
 * visible.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "event/fetchable.h"
#include "event/reader.h"
#include "event/subscribed.h"
#include "exec/exec.h"
#include "shared/database.h"
#include "shared/shmem.h"

#define LONGEST_WAIT_MS (3600 * 1000)

typedef struct WaitArgs
{
	char	   *subscription;
	Interval   *timeout;
	char	   *owner;
	bool	   *news;			/* only returned */
} WaitArgs;

static const JdgArg wait_args[] = {
	{"subscription", TEXTOID, offsetof(WaitArgs, subscription), JDG_NEEDED},
	{"timeout", INTERVALOID, offsetof(WaitArgs, timeout)},
	{"owner", TEXTOID, offsetof(WaitArgs, owner)},
	{"news", BOOLOID, offsetof(WaitArgs, news)},
};

/* Raises CONFLICT where the procedure must not sleep. */
static void
refuse_sleep(FunctionCallInfo fcinfo)
{
	if (jdg_current_task != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.wait_events() cannot wait inside a task or a handler"),
				 errhint("Subscribe with a handler, or pass timeout => '0'.")));
	if (!jdg_call_may_commit(fcinfo))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.wait_events() cannot wait inside a transaction block"),
				 errdetail("It would keep the snapshot of the transaction."),
				 errhint("Run CALL outside a transaction block, or pass timeout => '0'.")));
}

/*
 * Looks at all shards of the subscription; false: nothing can be fetched.  The
 * events of a shard that another transaction has locked, such as one that has
 * fetched and not committed yet, cannot be fetched; its end is a wake-up.
 * *next is when that may change without a wake-up.  A subscription that was
 * dropped is news: the next call raises an error.
 */
static bool
look(int64 id, TimestampTz *next)
{
	const JdgSubscription *s = jdg_subscription_get(id);
	MemoryContext all;
	MemoryContext mcxt;
	MemoryContext old;
	bool		found = false;
	JdgCursor	c;
	bool		open;

	*next = DT_NOEND;
	if (s == NULL)
		return true;
	jdg_fetch_check(s);
	if (!jdg_fetch_is_active(s))
		return false;
	all = AllocSetContextCreate(CurrentMemoryContext, "jadugar wait_events",
								ALLOCSET_DEFAULT_SIZES);
	mcxt = AllocSetContextCreate(all, "jadugar event", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(all);
	for (int32 shard = 0; shard < s->shards && !found; shard++)
		found = jdg_fetch_look(s, shard, mcxt, &c, &open, next) &&
			!jdg_cursor_is_locked(id, shard);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(all);
	return found;
}

/* look(), after which a kept window has no resources of an aborted look. */
static bool
look_safely(int64 id, TimestampTz *next)
{
	bool		found;

	PG_TRY();
	{
		found = look(id, next);
	}
	PG_CATCH();
	{
		jdg_reader_forget();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return found;
}

static void
stop_waiting(int code, Datum db)
{
	ConditionVariableCancelSleep();
	pg_atomic_fetch_sub_u32(&((JdgDb *) DatumGetPointer(db))->fetch_waiters, 1);
}

/* Sleeps until there is something to fetch, or "until" has passed. */
static bool
sleep_until_news(int64 id, TimestampTz until)
{
	JdgDb	   *db = jdg_my_db();
	bool		found;

	pg_atomic_fetch_add_u32(&db->fetch_waiters, 1);
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	{
		ConditionVariablePrepareToSleep(&db->fetchable);
		for (;;)
		{
			TimestampTz next;
			long		ms;

			found = look_safely(id, &next);
			SPI_commit();
			if (found)
				break;
			ms = jdg_ms_until(until, LONGEST_WAIT_MS);
			if (ms == 0)
				break;
			(void) ConditionVariableTimedSleep(&db->fetchable,
											   Max(jdg_ms_until(next, ms), 1),
											   jdg_wait_task());
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	stop_waiting(0, PointerGetDatum(db));
	return found;
}

/* CALL wait_events(subscription, timeout, owner, INOUT news) */
JDG_FUNCTION(jdg_wait_events, JDG_LEVEL_USER)
{
	WaitArgs	a = {0};
	TimestampTz until;
	TimestampTz next;
	TupleDesc	desc;
	Datum		value;
	bool		isnull = false;
	int64		id;

	jdg_require_shmem();
	JDG_READ_ARGS("wait_events", wait_args, &a);
	until = jdg_give_up_at(a.timeout);
	if (until != DT_NOBEGIN)
		refuse_sleep(fcinfo);
	id = jdg_subscription_id(a.subscription, jdg_owner_of_call(a.owner));
	if (until == DT_NOBEGIN)
		value = BoolGetDatum(look_safely(id, &next));
	else
	{
		SPI_connect_ext(SPI_OPT_NONATOMIC);
		SPI_commit();
		value = BoolGetDatum(sleep_until_news(id, until));
		SPI_finish();
	}
	desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(desc, 1, "news", BOOLOID, -1, 0);
	desc = BlessTupleDesc(desc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
