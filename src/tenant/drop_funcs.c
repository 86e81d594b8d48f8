/*-------------------------------------------------------------------------
 *
 * drop_funcs.c
 *	  CALL drop_tenant(): a tenant goes with its rows, in many transactions.
 *
 * Runs in the caller's backend.  Each step is committed, and finds again what
 * is left: after a crash, an error or a cancel, another call goes on.  Several
 * calls may go on at a time.  Each transaction that ends or deletes something
 * locks the row of the tenant, or raises an error if another call has deleted
 * it: the name may have another tenant by then.
 *
 * 1.  The row says "dropping", and that the tenant is paused.  From then on no
 *     call makes work for the tenant, also not of its tasks, schedules and runs
 *     (jdg_tenant_use()).
 * 2.  Transactions that have made work before that are waited for: they hold
 *     JDG_LOCK_TENANT shared.
 * 3.  Schedules are deleted, runs of flows are asked to end without
 *     compensation, tasks are cancelled.  What these ends make, such as the
 *     hooks of handlers, is cancelled in the next round.  Between two rounds
 *     the session sleeps until something has finished.
 * 4.  The modules delete their rows (JdgModule.tenant_rows).
 * 5.  The row itself goes.
 *
 * While it sleeps or waits, the session holds no snapshot and no row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/module.h"
#include "base/params.h"
#include "exec/exec.h"
#include "flow/run/message.h"
#include "flow/run/run_row.h"
#include "shared/database.h"
#include "shared/quota.h"
#include "shared/shmem.h"
#include "task/locktask.h"
#include "task/relane.h"
#include "task/settle.h"
#include "task/wakeup.h"
#include "tenant/rows.h"
#include "tenant/tenant.h"

/* tasks and runs that one transaction ends */
#define BATCH 1000

/* prepared transactions end something without a signal */
#define LOOK_AGAIN_MS 5000

typedef struct DropArgs
{
	char	   *name;
	int64	   *removed;		/* only returned */
} DropArgs;

static const JdgArg drop_args[] = {
	{"name", TEXTOID, offsetof(DropArgs, name), JDG_NEEDED},
	{"removed", INT8OID, offsetof(DropArgs, removed)},
};

/* a call */
typedef struct Drop
{
	Oid			user;
	int32		tenant_id;
	char		name[JDG_TENANT_BYTES_MAX + 1];
	int64		asked;			/* runs up to this id were asked to end */
	int64		removed;		/* rows */
} Drop;

/*
 * Raises CONFLICT if the tenant is granted: without it, the roles would not be
 * confined any more.
 */
static void
refuse_if_granted(const Drop *d)
{
	static JdgQuery q = {
		"SELECT r.rolname::text FROM jadugar_internal.tenant_grant g "
		"JOIN pg_roles r ON r.oid = g.role WHERE g.tenant_id = $1 "
		"ORDER BY 1", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(d->tenant_id)};

	if (jdg_run(&q, v, NULL, 1) == 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("cannot drop tenant \"%s\" because it is granted", d->name),
			 errdetail("Role \"%s\" is confined to it.",
					   jdg_col_text(0, 1, CurrentMemoryContext)),
			 errhint("Call jadugar.revoke_tenant() first. Without its last tenant, a role is not confined any more.")));
}

JDG_NORETURN static void
raise_gone(const Drop *d)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("tenant \"%s\" does not exist any more", d->name),
			 errdetail("Another session has dropped it.")));
	pg_unreachable();
}

/*
 * Locks the row of the tenant until the end of the transaction, so that no
 * other call deletes it.  Raises NOT_FOUND if one has.
 */
static void
hold(const Drop *d)
{
	static JdgQuery q = {
		"SELECT FROM jadugar_internal.tenant WHERE tenant_id = $1 "
		"FOR KEY SHARE", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(d->tenant_id)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 1) == 0)
		raise_gone(d);
}

/* Step 1. */
static void
begin_drop(Drop *d)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.tenant SET dropping = true, "
		"paused_at = coalesce(paused_at, $at), "
		"paused_by = coalesce(paused_by, $by), "
		"pause_reason = coalesce(pause_reason, 'drop_tenant') "
		"WHERE tenant_id = $tenant_id AND NOT dropping",
		.config = true
	};
	JdgTenant	tenant;
	JdgParams	p = {0};
	JdgInternal in;
	NameData	who;

	namestrcpy(&who, GetUserNameFromId(d->user, false));
	jdg_bind_time(&p, "at", jdg_now());
	jdg_bind(&p, "by", NAMEOID, NameGetDatum(&who), false);
	jdg_internal_begin(&in);
	jdg_tenant_lock(d->name, d->user, &tenant);
	d->tenant_id = tenant.tenant_id;
	refuse_if_granted(d);
	jdg_bind_int32(&p, "tenant_id", d->tenant_id);
	if (jdg_run_params(&q, &p, 0) > 0)
		jdg_audit("drop_tenant", "tenant", d->name, tenant.owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	SPI_commit();
	JDG_FAULT("tenant-dropping");
}

/*
 * Step 2.  Their runs may have lower ids than those that were asked to end
 * before.
 */
static void
wait_for_users(Drop *d)
{
	jdg_lock_xact(JDG_LOCK_TENANT, (uint32) d->tenant_id);
	SPI_commit();
	d->asked = 0;
	JDG_FAULT("tenant-waited");
}

/*
 * Asks unfinished runs to end; returns the number of those that are left.  A
 * run that has failed is left as long as it may be retried: a request to do
 * so may have been made before the drop.
 */
static int64
end_runs(Drop *d)
{
	static JdgQuery q = {
		"SELECT run_id FROM jadugar_internal.flow_run "
		"WHERE tenant = $1 AND run_id > $2 AND finished_at IS NULL "
		"ORDER BY run_id LIMIT " CppAsString2(BATCH), 2, {TEXTOID, INT8OID}
	};
	static JdgQuery left = {
		"SELECT count(*) FROM jadugar_internal.flow_run r "
		"WHERE tenant = $1 AND (finished_at IS NULL "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_message m "
		"WHERE m.run_id = r.run_id AND m.kind IN ($2, $3) AND NOT m.seen))",
		3, {TEXTOID, CHAROID, CHAROID}
	};
	Datum		v[3] = {CStringGetTextDatum(d->name)};
	int64		n;

	do
	{
		JdgInternal in;
		int64	   *ids;

		jdg_internal_begin(&in);
		hold(d);
		v[1] = Int64GetDatum(d->asked);
		n = jdg_run(&q, v, NULL, 0);
		ids = jdg_col_int64s(n, 1, CurrentMemoryContext);
		for (int64 i = 0; i < n; i++)
			jdg_flow_message_as(JDG_MESSAGE_ABORT, ids[i], 0, "kill", NULL,
								d->user);
		if (n > 0)
			d->asked = ids[n - 1];
		jdg_internal_end(&in);
		SPI_commit();
	} while (n == BATCH);
	{
		JdgInternal in;

		jdg_internal_begin(&in);
		v[1] = CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_RETRY));
		v[2] = CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_SKIP));
		jdg_run(&left, v, NULL, 1);
		n = jdg_col_int64(0, 1, 0);
		jdg_internal_end(&in);
	}
	return n;
}

/* Cancels one task, or asks its worker to. */
static void
end_task(const Drop *d, int64 task_id)
{
	JdgInternal in;
	JdgTask		t;

	jdg_internal_begin(&in);
	if (jdg_task_stop(task_id, JDG_CANCEL_TASK, d->user, &t,
					  CurrentMemoryContext) == JDG_HOLD_LOCKED)
		jdg_settle_cancel(&t, "cancelled", d->user);
	jdg_internal_end(&in);
}

/*
 * Cancels the tasks, in batches.  Steps of flows end with their runs, but
 * compensations do not: a run that compensates waits for the one under way,
 * which could not begin for a tenant that is paused.  Returns the number of
 * tasks that are left.
 */
static int64
end_tasks(const Drop *d)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task t "
		"WHERE tenant = $1 AND task_id > $2 AND (flow_run IS NULL "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_run r "
		"WHERE r.run_id = t.flow_run AND r.status = $3)) "
		"ORDER BY task_id LIMIT " CppAsString2(BATCH), 3,
		{TEXTOID, INT8OID, CHAROID}
	};
	static JdgQuery left = {
		"SELECT count(*) FROM jadugar_internal.task WHERE tenant = $1",
		1, {TEXTOID}
	};
	Datum		v[3] = {CStringGetTextDatum(d->name)};
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar drop_tenant",
											   ALLOCSET_DEFAULT_SIZES);
	JdgInternal in;
	int64		last = 0;
	int64		n;

	do
	{
		int64	   *ids;

		MemoryContextReset(mcxt);
		jdg_internal_begin(&in);
		hold(d);
		v[1] = Int64GetDatum(last);
		v[2] = CharGetDatum(jdg_flow_status_out(JDG_FLOW_STATUS_COMPENSATING));
		n = jdg_run(&q, v, NULL, 0);
		ids = jdg_col_int64s(n, 1, mcxt);
		jdg_internal_end(&in);
		for (int64 i = 0; i < n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			end_task(d, ids[i]);
		}
		if (n > 0)
			last = ids[n - 1];
		JDG_FAULT("tenant-cancel");
		SPI_commit();
	} while (n == BATCH);
	jdg_internal_begin(&in);
	jdg_run(&left, v, NULL, 1);
	n = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	MemoryContextDelete(mcxt);
	return n;
}

/* Deletes the rows of a module. */
static void
delete_rows(Drop *d, const JdgTenantRows *rows)
{
	Datum		v[2] = {CStringGetTextDatum(d->name),
	TimestampTzGetDatum(DT_NOBEGIN)};
	bool		more;

	do
	{
		JdgInternal in;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		hold(d);
		jdg_run(rows->drop, v, NULL, 1);
		d->removed += jdg_col_int64(0, 1, 0);
		v[1] = jdg_col(0, 2, &isnull);
		more = !isnull;
		jdg_internal_end(&in);
		JDG_FAULT("tenant-delete");
		SPI_commit();
	} while (more);
}

/* Lets the modules delete their rows: those of a phase. */
static void
delete_all(Drop *d, bool work)
{
	jdg_foreach_module(m)
	{
		for (const JdgTenantRows *r = m->tenant_rows; r && r->kind; r++)
		{
			if (r->drop != NULL && r->makes_work == work)
				delete_rows(d, r);
		}
	}
}

static void
stop_waiting(int code, Datum db)
{
	ConditionVariableCancelSleep();
	pg_atomic_fetch_sub_u32(&((JdgDb *) DatumGetPointer(db))->waiters, 1);
}

/*
 * Ends runs and then tasks, which runs may have made.  Returns the number of
 * those that are left.
 */
static int64
end_all(Drop *d)
{
	int64		left = end_runs(d);

	left += end_tasks(d);
	SPI_commit();
	return left;
}

/*
 * Step 3.  The session enters the queue of JdgDb.finished before it looks, so
 * that it misses no end: see task/wait_funcs.c.  After a time all runs are
 * asked again: some may have begun meanwhile.
 */
static void
end_work(Drop *d)
{
	JdgDb	   *db = jdg_db_lookup(MyDatabaseId, true);

	if (db == NULL)
		elog(ERROR, "jadugar is not active in this database");
	pg_atomic_fetch_add_u32(&db->waiters, 1);
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	{
		for (;;)
		{
			delete_all(d, true);
			if (end_all(d) == 0)
				break;
			ConditionVariablePrepareToSleep(&db->finished);
			if (end_all(d) > 0 &&
				ConditionVariableTimedSleep(&db->finished, LOOK_AGAIN_MS,
											jdg_wait_task()))
				d->asked = 0;
			ConditionVariableCancelSleep();
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	stop_waiting(0, PointerGetDatum(db));
}

/* Step 5. */
static void
end_drop(Drop *d)
{
	static JdgQuery grants = {
		"DELETE FROM jadugar_internal.tenant_grant WHERE tenant_id = $1",
		1, {INT4OID},.config = true
	};
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.tenant WHERE tenant_id = $1",
		1, {INT4OID},.config = true
	};
	JdgTenant	tenant;
	Datum		v[1] = {Int32GetDatum(d->tenant_id)};
	JdgInternal in;

	jdg_internal_begin(&in);
	/* not hold(): two calls would wait for one another */
	jdg_tenant_lock(d->name, d->user, &tenant);
	if (tenant.tenant_id != d->tenant_id)
		raise_gone(d);
	refuse_if_granted(d);
	jdg_run(&grants, v, NULL, 0);
	d->removed += jdg_run(&q, v, NULL, 0);
	jdg_relane_request();
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	/* after a rollback, the entry is made again */
	jdg_quota_forget(d->tenant_id);
	JDG_FAULT("tenant-removed");
	SPI_commit();
}

static void
refuse(FunctionCallInfo fcinfo)
{
	if (jdg_current_task != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drop_tenant() cannot run inside a task"),
				 errdetail("It waits for tasks to end, and could wait for its own.")));
	if (!jdg_call_may_commit(fcinfo))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drop_tenant() cannot run inside a transaction block"),
				 errhint("It commits each of its steps. Run CALL outside a transaction block.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drop_tenant() needs isolation level READ COMMITTED"),
				 errhint("Set default_transaction_isolation to 'read committed'.")));
}

/* CALL drop_tenant(name text, INOUT removed bigint) */
JDG_FUNCTION(jdg_drop_tenant, JDG_LEVEL_OPERATOR)
{
	DropArgs	a;
	Drop		d = {0};

	JDG_READ_ARGS("drop_tenant", drop_args, &a);
	jdg_require_shmem();
	refuse(fcinfo);
	jdg_check_tenant("name", a.name);
	strlcpy(d.name, a.name, sizeof(d.name));
	d.user = GetUserId();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_drop(&d);
	/* running tasks may be among the users */
	(void) end_all(&d);
	wait_for_users(&d);
	end_work(&d);
	JDG_FAULT("tenant-ended");
	delete_all(&d, false);
	end_drop(&d);
	SPI_finish();
	{
		TupleDesc	desc = CreateTemplateTupleDesc(1);
		Datum		value = Int64GetDatum(d.removed);
		bool		isnull = false;

		TupleDescInitEntry(desc, 1, "removed", INT8OID, -1, 0);
		desc = BlessTupleDesc(desc);
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
	}
}
