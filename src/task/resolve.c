/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  Decides when a waiting task may go on.
 *
 * Tasks wait in state d for the tasks they depend on, and in state k for
 * their concurrency key.  Neither is in the ready index, neither is polled.
 * Two paths lead out, and together they lose no wake-up:
 *
 * 1. A transaction that removes a task (a worker that settles, a session that
 *	  cancels) resolves in the same transaction the waiting tasks that it can
 *	  see.  It stores a failure in their rows of dependency, where it outlives
 *	  the history.  It never waits for a row: a locked child is handed to the
 *	  scheduler at commit.
 * 2. A transaction that inserts a waiting task notifies the scheduler at
 *	  commit, which examines the task once.  Each of its parents is then
 *	  - gone: resolved from its stored end (outcome.c), or
 *	  - present and held by no worker: a transaction will remove it with a
 *		snapshot that is later than now and therefore sees the child (sessions
 *		that remove tasks notify the scheduler themselves, since they are in
 *		no slot), or
 *	  - held by a worker, whose snapshot may be too old to see the child: the
 *		scheduler examines the child again after the worker's commit.
 *	  The scheduler reads the slots before it takes its snapshot, so a task
 *	  that it sees and that was in no slot has not been begun.
 *
 * Keys have the same two paths: key.c and README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "access/owner.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/params.h"
#include "shared/wakeup.h"
#include "task/outcome.h"
#include "task/resolve.h"
#include "task/wakeup.h"

/* Pause a locked task, for the role "by" or for none. */
void
jdg_task_pause(JdgTask *t, Oid by)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = $state, paused_by = $by, key_place = false "
		"WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	Assert(jdg_is_bookkeeping());
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_char(&p, "state", JDG_STATE_PAUSED);
	jdg_bind_text(&p, "by", OidIsValid(by) ? jdg_role_name(by) : NULL);
	jdg_run_params(&q, &p, 0);
	t->state = JDG_STATE_PAUSED;
	t->key_place = false;
	jdg_wake_at_commit(t->owner, t);
}

/*
 * Put a locked task into another state, and store its key_place; wake-ups at
 * commit.
 */
void
jdg_task_set_state(JdgTask *t, JdgTaskState state)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = $2, key_place = $3, "
		"paused_by = NULL WHERE task_id = $1", 3,
		{INT8OID, CHAROID, BOOLOID}
	};
	Datum		v[3] = {Int64GetDatum(t->task_id), CharGetDatum(state),
	BoolGetDatum(t->key_place)};

	Assert(jdg_is_bookkeeping());
	Assert(state != JDG_STATE_PAUSED);
	jdg_run(&q, v, NULL, 0);
	t->state = state;
	jdg_wake_at_commit(t->owner, t);
}

/* Its dependencies are satisfied: where does a task go from state d? */
static void
dependencies_satisfied(JdgTask *t)
{
	jdg_task_set_state(t, jdg_state_without_dependencies(t));
	JDG_FAULT("resolve-dependent");
}

/* Does the task still wait for another? */
bool
jdg_has_dependencies(int64 task_id)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.dependency WHERE task_id = $1 "
		"LIMIT 1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	Assert(jdg_is_bookkeeping());
	return jdg_run(&q, v, NULL, 1) > 0;
}

/*
 * A parent of a waiting child has ended: the child no longer waits for it, or
 * its row says that the parent failed.  "success" also if any end will do.
 * Does not need the child's row.  The
 * row of the dependency is locked by nobody but a transaction that removes
 * the child, and is then left to it.
 */
static void
store_end(const JdgTask *child, int64 parent_id, bool success)
{
	static JdgQuery delete = {
		"DELETE FROM jadugar_internal.dependency WHERE (task_id, parent_id) = "
		"(SELECT task_id, parent_id FROM jadugar_internal.dependency "
		"WHERE task_id = $1 AND parent_id = $2 FOR UPDATE SKIP LOCKED)",
		2, {INT8OID, INT8OID}
	};
	static JdgQuery fail = {
		"UPDATE jadugar_internal.dependency SET failed = true "
		"WHERE (task_id, parent_id) = "
		"(SELECT task_id, parent_id FROM jadugar_internal.dependency "
		"WHERE task_id = $1 AND parent_id = $2 AND NOT failed "
		"FOR UPDATE SKIP LOCKED)",
		2, {INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(child->task_id),
	Int64GetDatum(parent_id)};

	if (success || child->on_dependency_failure == JDG_FAILURE_RUN)
		jdg_run(&delete, v, NULL, 0);
	else
		jdg_run(&fail, v, NULL, 0);
}

/* Is the child cancelled when one of its parents fails? */
static bool
dies_with_parent(const JdgTask *child)
{
	return child->on_dependency_failure != JDG_FAILURE_WAIT &&
		child->on_dependency_failure != JDG_FAILURE_RUN;
}

void
jdg_parent_retried(int64 parent_id)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.dependency SET failed = false "
		"WHERE (task_id, parent_id) IN "
		"(SELECT task_id, parent_id FROM jadugar_internal.dependency "
		"WHERE parent_id = $1 AND failed FOR UPDATE SKIP LOCKED)", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(parent_id)};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 0);
}

static List *
add_id(List *ids, int64 id)
{
	int64	   *copy = palloc(sizeof(int64));

	*copy = id;
	return lappend(ids, copy);
}

/*
 * Does a task depend on one of these?  Probes the index straight: most often
 * there is nothing.
 */
bool
jdg_has_dependants(const JdgFinished *done, int n)
{
	Relation	heap = table_open(jdg_relation_oid("dependency"),
								  AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("dependency_parent"),
								   AccessShareLock);
	IndexScanDesc scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(),
											 1);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	bool		found = false;

	for (int i = 0; i < n && !found; i++)
	{
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
					Int64GetDatum(done[i].task_id));
		index_rescan(scan, &key, 1, NULL, 0);
		found = index_getnext_slot(scan, ForwardScanDirection, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return found;
}

/*
 * This transaction has removed tasks: resolves their dependants.  Cancelling
 * is left to the caller, because a chain of dependants may be longer than the
 * stack is deep.
 */
List *
jdg_resolve_finished(const JdgFinished *done, int n)
{
	static JdgQuery q = {
		"SELECT task_id, parent_id, any_end FROM jadugar_internal.dependency "
		"WHERE parent_id = ANY ($1) ORDER BY task_id", 1, {INT8ARRAYOID}
	};
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	Datum		v[1];
	int64	   *children;
	int64	   *parents;
	bool	   *any_end;
	int64		nrows;
	List	   *to_cancel = NIL;

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(done[i].task_id);
	v[0] = jdg_array(INT8OID, ids, NULL, n);
	nrows = jdg_run(&q, v, NULL, 0);
	if (nrows == 0)
		return NIL;
	children = jdg_col_int64s(nrows, 1, CurrentMemoryContext);
	parents = jdg_col_int64s(nrows, 2, CurrentMemoryContext);
	any_end = palloc(sizeof(bool) * nrows);
	for (int64 i = 0; i < nrows; i++)
		any_end[i] = jdg_col_bool(i, 3);
	for (int64 i = 0; i < nrows;)
	{
		int64		child_id = children[i];
		JdgTask		child;
		bool		alive = true;
		bool		locked;

		locked = jdg_task_load(child_id, true, &child, CurrentMemoryContext);
		if (!locked)
		{
			jdg_recheck_at_commit(child_id, false);
			if (!jdg_task_load(child_id, false, &child, CurrentMemoryContext))
				child.task_id = 0;	/* being removed */
		}
		for (; i < nrows && children[i] == child_id; i++)
		{
			for (int k = 0; k < n && child.task_id != 0; k++)
			{
				bool		success = done[k].success || any_end[i];

				if (done[k].task_id != parents[i])
					continue;
				store_end(&child, parents[i], success);
				if (!success && dies_with_parent(&child))
					alive = false;
			}
		}
		if (locked && !alive)
			to_cancel = add_id(to_cancel, child_id);
		else if (locked && child.state == JDG_STATE_DEPENDENCY &&
				 !jdg_has_dependencies(child_id))
			dependencies_satisfied(&child);
	}
	return to_cancel;
}

/* for qsort and bsearch */
int
jdg_compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

bool
jdg_is_running(int64 id, const int64 *running, int n)
{
	return bsearch(&id, running, n, sizeof(int64), jdg_compare_ids) != NULL;
}

/*
 * See the header of this file, path 2.  The task's row is locked, or not: then
 * this function locks it if there is anything to change.
 */
static JdgWaiting
resolve_dependent(JdgTask *t, bool locked, const int64 *running, int nrunning,
				  int64 *blocker)
{
	static JdgQuery q = {
		"SELECT d.parent_id, EXISTS (SELECT FROM jadugar_internal.task p "
		"WHERE p.task_id = d.parent_id OFFSET 0), d.failed, d.any_end "
		"FROM jadugar_internal.dependency d WHERE d.task_id = $1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(t->task_id)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *gone = palloc(sizeof(int64) * Max(n, 1));
	bool	   *failed = palloc(sizeof(bool) * Max(n, 1));
	bool	   *any_end = palloc(sizeof(bool) * Max(n, 1));
	int64		ngone = 0;
	int			held = 0;
	bool		changes = n == 0;
	bool		dies = false;

	for (int64 i = 0; i < n; i++)
	{
		int64		parent = jdg_col_int64(i, 1, 0);

		if (jdg_col_bool(i, 2))
		{
			if (!jdg_is_running(parent, running, nrunning))
				continue;
			*blocker = held++ == 0 ? parent : 0;
			continue;
		}
		gone[ngone] = parent;
		failed[ngone] = jdg_col_bool(i, 3);
		any_end[ngone] = jdg_col_bool(i, 4);
		changes |= !failed[ngone] || dies_with_parent(t);
		ngone++;
	}
	if (changes && !locked)
	{
		*blocker = 0;
		if (!jdg_task_load(t->task_id, true, t, CurrentMemoryContext))
			return JDG_WAITING_WATCH;	/* by a session that may change it */
		if (t->state == JDG_STATE_DEPENDENCY)
			return resolve_dependent(t, true, running, nrunning, blocker);
		jdg_task_unchanged(t);
		return JDG_WAITING_DONE;
	}
	for (int64 i = 0; i < ngone && changes; i++)
	{
		Oid			owner;
		char	   *tenant;

		if (!failed[i])
		{
			/* its end is not known: not success either */
			failed[i] = !any_end[i] &&
				jdg_outcome_of(gone[i], &owner, &tenant) != JDG_KNOWN_COMPLETED;
			store_end(t, gone[i], !failed[i]);
		}
		dies |= failed[i] && dies_with_parent(t);
	}
	if (dies)
		return JDG_WAITING_CANCEL;
	if (changes && !jdg_has_dependencies(t->task_id))
		dependencies_satisfied(t);
	return held > 0 ? JDG_WAITING_WATCH : JDG_WAITING_DONE;
}

JdgWaiting
jdg_resolve_waiting(int64 task_id, const int64 *running, int nrunning,
					int64 *blocker, JdgTask *t)
{
	Assert(jdg_is_bookkeeping());
	if (!jdg_task_load(task_id, false, t, CurrentMemoryContext) ||
		t->state != JDG_STATE_DEPENDENCY)
		return JDG_WAITING_DONE;
	return resolve_dependent(t, false, running, nrunning, blocker);
}
