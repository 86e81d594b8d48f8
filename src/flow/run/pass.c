/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  A pass over some runs, see pass.h.
 *
 * Runs in workers and in the scheduler with the locks of the runs, and in
 * sessions for runs that they make.  A row is read at most once and written
 * at most once in a pass, however often it changes in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/spi.h"
#include "flow/run/pass.h"
#include "shared/happening.h"
#include "task/wakeup.h"

typedef struct RowKey
{
	int64		run_id;
	int64		step_id;
} RowKey;

typedef struct RowEntry
{
	RowKey		key;
	JdgFlowStep *step;
} RowEntry;

JdgPass *
jdg_pass_begin(void)
{
	JdgPass    *pass = palloc0(sizeof(JdgPass));
	HASHCTL		ctl = {0};

	Assert(jdg_is_bookkeeping());
	pass->now = jdg_now();
	ctl.keysize = sizeof(RowKey);
	ctl.entrysize = sizeof(RowEntry);
	ctl.hcxt = CurrentMemoryContext;
	pass->rows = hash_create("jadugar flow steps", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	pass->room = 64;
	pass->changed = palloc(sizeof(JdgFlowStep *) * pass->room);
	return pass;
}

static int
compare_locks(const void *a, const void *b)
{
	uint32		x = (uint32) *(const int64 *) a;
	uint32		y = (uint32) *(const int64 *) b;

	return x < y ? -1 : x > y;
}

void
jdg_pass_lock(const int64 *run_ids, int n)
{
	int64	   *sorted = palloc(sizeof(int64) * n);

	memcpy(sorted, run_ids, sizeof(int64) * n);
	qsort(sorted, n, sizeof(int64), compare_locks);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || compare_locks(&sorted[i], &sorted[i - 1]) != 0)
			jdg_lock_xact(JDG_LOCK_RUN, (uint32) sorted[i]);
	}
	pfree(sorted);
}

JdgRunState *
jdg_pass_run(JdgPass *pass, int64 run_id)
{
	ListCell   *lc;
	JdgRunState *rs;

	foreach(lc, pass->runs)
	{
		rs = lfirst(lc);
		if (rs->r.run_id == run_id)
			return rs;
	}
	rs = palloc0(sizeof(JdgRunState));
	if (pass->run_reader == NULL)
		pass->run_reader = jdg_flow_run_reader();
	if (!jdg_flow_run_read(pass->run_reader, run_id, &rs->r))
		return NULL;
	rs->stored = rs->r;
	rs->pass = pass;
	rs->plan = jdg_flow_plan_get(rs->r.version_id);
	pass->runs = lappend(pass->runs, rs);
	return rs;
}

JdgRunState *
jdg_pass_new_run(JdgPass *pass, const JdgFlowRun *r)
{
	JdgRunState *rs = palloc0(sizeof(JdgRunState));

	rs->pass = pass;
	rs->is_new = true;
	rs->plan = jdg_flow_plan_get(r->version_id);
	rs->r = *r;
	rs->r.run_id = jdg_flow_run_next_id();
	rs->r.status = JDG_FLOW_STATUS_RUNNING;
	rs->r.ending = JDG_FLOW_STATUS_NONE;
	rs->r.compensate = true;
	rs->r.pivoted = false;
	rs->r.live = rs->r.not_undone = 0;
	rs->r.next_id = rs->plan->graph->nnodes;
	rs->r.last_done = -1;
	rs->r.done_count = 0;
	rs->r.created_at = pass->now;
	rs->r.finished_at = DT_NOBEGIN;
	rs->r.result = rs->r.error = NULL;
	rs->r.reason = NULL;
	rs->r.quiet = r->quiet || jdg_quiet;
	ItemPointerSetInvalid(&rs->r.tid);
	pass->runs = lappend(pass->runs, rs);
	return rs;
}

static JdgFlowStep *
keep(JdgPass *pass, const JdgFlowStep *step)
{
	RowKey		key = {step->run_id, step->step_id};
	RowEntry   *e;

	e = hash_search(pass->rows, &key, HASH_ENTER, NULL);
	e->step = palloc(sizeof(JdgFlowStep));
	*e->step = *step;
	return e->step;
}

JdgFlowStep *
jdg_step_get(JdgRunState *rs, int64 step_id)
{
	RowKey		key = {rs->r.run_id, step_id};
	RowEntry   *e = hash_search(rs->pass->rows, &key, HASH_FIND, NULL);
	JdgFlowStep step;

	if (e != NULL)
		return e->step;
	if (rs->is_new)
		return NULL;
	if (rs->pass->reader == NULL)
		rs->pass->reader = jdg_flow_step_reader();
	if (!jdg_flow_step_read(rs->pass->reader, rs->r.run_id, step_id, &step))
		return NULL;
	return keep(rs->pass, &step);
}

/* The reader's snapshot still has the rows: they are marked as not there. */
void
jdg_steps_forget(JdgRunState *rs, int64 first, int64 end)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_step WHERE run_id = $1 AND step_id >= $2 "
		"AND step_id < $3", 3, {INT8OID, INT8OID, INT8OID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id), Int64GetDatum(first),
	Int64GetDatum(end)};

	if (first == end)
		return;
	jdg_run(&q, v, NULL, 0);
	for (int64 id = first; id < end; id++)
	{
		RowKey		key = {rs->r.run_id, id};
		RowEntry   *e = hash_search(rs->pass->rows, &key, HASH_ENTER, NULL);

		e->step = NULL;
	}
}

void
jdg_step_change(JdgRunState *rs, JdgFlowStep *step)
{
	JdgPass    *pass = rs->pass;

	if (step->changed)
		return;
	step->changed = true;
	if (pass->nchanged == pass->room)
	{
		pass->room *= 2;
		pass->changed = repalloc_huge(pass->changed,
									  sizeof(JdgFlowStep *) * pass->room);
	}
	pass->changed[pass->nchanged++] = step;
}

JdgFlowStep *
jdg_step_make(JdgRunState *rs, const JdgFlowNode *node, int64 parent,
			  int64 base, int idx)
{
	JdgFlowStep step;
	JdgFlowStep *kept;

	memset(&step, 0, sizeof(step));
	step.run_id = rs->r.run_id;
	step.step_id = jdg_step_place(node, base);
	step.node = node->no;
	step.parent = parent;
	step.base = base;
	step.idx = idx;
	step.state = JDG_STEP_RUNNING;
	step.child_base = step.prev_base = step.prev_done = -1;
	step.due = step.finished_at = DT_NOBEGIN;
	step.started_at = rs->pass->now;
	kept = keep(rs->pass, &step);
	jdg_step_change(rs, kept);
	return kept;
}

int64
jdg_block_make(JdgRunState *rs, const JdgFlowNode *body, int64 times)
{
	int64		base = rs->r.next_id;

	rs->r.next_id += (body->end - body->no) * times;
	return base;
}

/* Of most steps a run keeps no trace in its own row. */
static bool
has_changed(const JdgFlowRun *r, const JdgFlowRun *stored)
{
	return r->status != stored->status || r->ending != stored->ending ||
		r->compensate != stored->compensate ||
		r->pivoted != stored->pivoted || r->live != stored->live ||
		r->next_id != stored->next_id ||
		r->last_done != stored->last_done ||
		r->done_count != stored->done_count ||
		r->not_undone != stored->not_undone ||
		r->paused_at != stored->paused_at ||
		r->started_at != stored->started_at ||
		r->finished_at != stored->finished_at ||
		r->result != stored->result || r->error != stored->error ||
		r->reason != stored->reason ||
		r->paused_by != stored->paused_by || r->ended_by != stored->ended_by;
}

void
jdg_pass_write_tasks(JdgPass *pass)
{
	if (pass->tasks != NULL)
		jdg_task_writer_end(pass->tasks);
	pass->tasks = NULL;
}

void
jdg_pass_write(JdgPass *pass)
{
	JdgFlowRun **runs = palloc(sizeof(JdgFlowRun *) *
							   Max(list_length(pass->runs), 1));
	int			nruns = 0;
	ListCell   *lc;

	Assert(jdg_is_bookkeeping());
	if (pass->reader != NULL)
		jdg_flow_step_reader_end(pass->reader);
	if (pass->run_reader != NULL)
		jdg_flow_run_reader_end(pass->run_reader);
	jdg_pass_write_tasks(pass);
	if (pass->ntasks > 0)
		jdg_count_enqueued(pass->ntasks);
	JDG_FAULT("flow-tasks-written");
	jdg_flow_step_write(pass->changed, pass->nchanged);
	JDG_FAULT("flow-steps-written");
	foreach(lc, pass->runs)
	{
		JdgRunState *rs = lfirst(lc);

		if (rs->is_new || has_changed(&rs->r, &rs->stored))
			runs[nruns++] = &rs->r;
	}
	jdg_flow_run_write(runs, nruns);
	/* the next pass and the caller see all of this */
	CommandCounterIncrement();
	JDG_FAULT("flow-runs-written");
}
