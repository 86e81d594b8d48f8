/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  Inserting prepared tasks: dependencies.
 *
 * Runs in the caller's backend, inside jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/row_access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "task/enqueue.h"
#include "task/locktask.h"
#include "task/outcome.h"

/* Raises TASK_NOT_FOUND for an id that was never given to a task. */
static void
check_known(int64 task_id)
{
	static JdgQuery known = {
		"SELECT $1 > 0 AND $1 <= last_value AND is_called "
		"FROM jadugar_internal.task_id_seq", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	jdg_run(&known, v, NULL, 0);
	if (!jdg_col_bool(0, 1))
		jdg_task_missing(task_id);
}

/*
 * Does a new task have to wait for a parent that is gone, since that failed?
 * Raises an error if it could never run.
 */
static bool
waits_for_gone(const JdgTask *t, int64 parent, Oid role)
{
	Oid			owner;
	char	   *tenant;
	JdgKnown	known = jdg_outcome_of(parent, &owner, &tenant);

	if (!OidIsValid(owner))
		check_known(parent);
	else if (!jdg_may_manage_row(role, owner, tenant))
		jdg_task_missing(parent);
	if (known == JDG_KNOWN_COMPLETED ||
		t->on_dependency_failure == JDG_FAILURE_RUN)
		return false;
	if (known == JDG_KNOWN_NOT)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED),
				 errmsg("it is not known whether task %lld in depends_on has succeeded",
						(long long) parent),
				 errdetail("It has finished, and its history has been removed."),
				 errhint("Leave it out, or pass on_dependency_failure => 'run'.")));
	if (t->on_dependency_failure == JDG_FAILURE_CANCEL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED),
				 errmsg("task %lld in depends_on has not succeeded",
						(long long) parent),
				 errhint("Retry it first, or pass on_dependency_failure => 'run' or 'wait'.")));
	return true;
}

/*
 * One dependency of a task that is being enqueued: insert it if the parent
 * is unfinished or is to be retried; true then.
 */
static bool
add_dependency(const JdgTask *t, int64 parent, Oid role)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.dependency (task_id, parent_id, failed) "
		"VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 3,
		{INT8OID, INT8OID, BOOLOID}
	};
	Datum		v[3];
	JdgTask		p;
	bool		gone = !jdg_task_load(parent, false, &p, CurrentMemoryContext);

	if (!gone && !jdg_may_manage_row(role, p.owner, p.tenant))
		jdg_task_missing(parent);
	if (gone && !waits_for_gone(t, parent, role))
		return false;
	v[0] = Int64GetDatum(t->task_id);
	v[1] = Int64GetDatum(parent);
	v[2] = BoolGetDatum(gone);
	jdg_run(&insert, v, NULL, 0);
	return true;
}

/* The task waits for the end of another one, whatever that end is. */
static void
wait_for_end(const JdgTask *t, int64 parent)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.dependency (task_id, parent_id, any_end) "
		"VALUES ($1, $2, true) ON CONFLICT DO NOTHING", 2,
		{INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(t->task_id), Int64GetDatum(parent)};

	jdg_run(&insert, v, NULL, 0);
}

/* State of a new task, from its dependencies, run_at and key. */
void
jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
			   int64 runs_before, Oid role)
{
	bool		waits = runs_before != 0;

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < nparents; i++)
		waits |= add_dependency(t, parents[i], role);
	if (runs_before != 0)
		wait_for_end(t, runs_before);
	if (waits)
		t->state = JDG_STATE_DEPENDENCY;
	else
		t->state = jdg_state_without_dependencies(t);
}
