/*-------------------------------------------------------------------------
 *
 * run.c
 *	  A run that is being advanced, see run.h.
 *
 * Runs in workers and in the scheduler with the locks of the runs, and in
 * sessions for runs that they make.  A row is read at most once and written
 * at most once in a pass, whatever happens to it in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/locks.h"
#include "flow/run/run.h"
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

JdgAdvance *
jdg_advance_begin(void)
{
	JdgAdvance *adv = palloc0(sizeof(JdgAdvance));
	HASHCTL		ctl = {0};

	adv->now = jdg_now();
	ctl.keysize = sizeof(RowKey);
	ctl.entrysize = sizeof(RowEntry);
	ctl.hcxt = CurrentMemoryContext;
	adv->rows = hash_create("jadugar flow steps", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	adv->room = 64;
	adv->changed = palloc(sizeof(JdgFlowStep *) * adv->room);
	return adv;
}

static int
compare_locks(const void *a, const void *b)
{
	uint32		x = (uint32) *(const int64 *) a;
	uint32		y = (uint32) *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Lock runs, in an order that is the same for all.  What is read afterwards
 * with a new snapshot is as the holder before has left it.
 */
void
jdg_advance_lock(const int64 *run_ids, int n)
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

/* The run, read once; NULL: there is no such run. */
JdgRunState *
jdg_advance_run(JdgAdvance *adv, int64 run_id)
{
	ListCell   *lc;
	JdgRunState *rs;

	foreach(lc, adv->runs)
	{
		rs = lfirst(lc);
		if (rs->r.run_id == run_id)
			return rs;
	}
	rs = palloc0(sizeof(JdgRunState));
	if (adv->run_reader == NULL)
		adv->run_reader = jdg_flow_run_reader();
	if (!jdg_flow_run_read(adv->run_reader, run_id, &rs->r))
		return NULL;
	rs->stored = rs->r;
	rs->adv = adv;
	rs->plan = jdg_flow_plan_get(rs->r.version_id);
	adv->runs = lappend(adv->runs, rs);
	return rs;
}

/* A run that nobody else knows of yet. */
JdgRunState *
jdg_advance_new_run(JdgAdvance *adv, JdgFlowRun *r)
{
	JdgRunState *rs = palloc0(sizeof(JdgRunState));

	rs->adv = adv;
	rs->r = *r;
	ItemPointerSetInvalid(&rs->r.tid);
	rs->is_new = true;
	rs->plan = jdg_flow_plan_get(r->version_id);
	adv->runs = lappend(adv->runs, rs);
	return rs;
}

static JdgFlowStep *
keep(JdgAdvance *adv, const JdgFlowStep *step)
{
	RowKey		key = {step->run_id, step->step_id};
	RowEntry   *e;

	e = hash_search(adv->rows, &key, HASH_ENTER, NULL);
	e->step = palloc(sizeof(JdgFlowStep));
	*e->step = *step;
	return e->step;
}

/* The row, NULL: it is not there. */
JdgFlowStep *
jdg_step_get(JdgRunState *rs, int64 step_id)
{
	RowKey		key = {rs->r.run_id, step_id};
	RowEntry   *e = hash_search(rs->adv->rows, &key, HASH_FIND, NULL);
	JdgFlowStep step;

	if (e != NULL)
		return e->step;
	if (rs->is_new)
		return NULL;
	if (rs->adv->reader == NULL)
		rs->adv->reader = jdg_flow_step_reader();
	if (!jdg_flow_step_read(rs->adv->reader, rs->r.run_id, step_id, &step))
		return NULL;
	return keep(rs->adv, &step);
}

/* Rows that have been deleted; the reader's snapshot still has them. */
void
jdg_advance_forget(JdgRunState *rs, int64 first, int64 end)
{
	for (int64 id = first; id < end; id++)
	{
		RowKey		key = {rs->r.run_id, id};
		RowEntry   *e = hash_search(rs->adv->rows, &key, HASH_ENTER, NULL);

		e->step = NULL;
	}
}

/* This row is to be written. */
void
jdg_step_change(JdgRunState *rs, JdgFlowStep *step)
{
	JdgAdvance *adv = rs->adv;

	if (step->changed)
		return;
	step->changed = true;
	if (adv->nchanged == adv->room)
	{
		adv->room *= 2;
		adv->changed = repalloc_huge(adv->changed,
									 sizeof(JdgFlowStep *) * adv->room);
	}
	adv->changed[adv->nchanged++] = step;
}

/* A new row, in state running and with nothing in it. */
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
	step.started_at = rs->adv->now;
	kept = keep(rs->adv, &step);
	jdg_step_change(rs, kept);
	return kept;
}

/* Places for the rows of a body, so many times; returns the first. */
int64
jdg_block_make(JdgRunState *rs, const JdgFlowNode *body, int64 times)
{
	int64		base = rs->r.next_id;

	rs->r.next_id += (body->end - body->no) * times;
	return base;
}

bool
jdg_step_is_open(const JdgFlowStep *step)
{
	return step->state == JDG_STEP_RUNNING ||
		step->state == JDG_STEP_WAITING ||
		step->state == JDG_STEP_COMPENSATING;
}

/* a value of a row, to be looked into */
Jsonb *
jdg_step_jsonb(Jsonb *stored)
{
	return stored == NULL ? NULL : DatumGetJsonbP(PointerGetDatum(stored));
}

/* An error of ours, in the form of those that tasks raise. */
Jsonb *
jdg_flow_error(const char *code, const char *message, const char *detail)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "error_code", code);
	jdg_json_text(&st, "message", message);
	jdg_json_text(&st, "detail", detail);
	return jdg_json_finish(&st);
}

Jsonb *
jdg_flow_bool(bool b)
{
	JsonbValue	v;

	v.type = jbvBool;
	v.val.boolean = b;
	return JsonbValueToJsonb(&v);
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
		r->not_undone != stored->not_undone ||
		r->paused_at != stored->paused_at ||
		r->started_at != stored->started_at ||
		r->finished_at != stored->finished_at ||
		r->result != stored->result || r->error != stored->error ||
		r->reason != stored->reason;
}

/* Tasks that were made just now can be looked up. */
void
jdg_advance_write_tasks(JdgAdvance *adv)
{
	if (adv->tasks != NULL)
		jdg_task_writer_end(adv->tasks);
	adv->tasks = NULL;
}

/*
 * Tell containers of what has ended, end runs that are over, and write all
 * that has changed.
 */
void
jdg_advance_finish(JdgAdvance *adv)
{
	JdgFlowRun **runs;
	int			nruns = 0;
	ListCell   *lc;

	jdg_tell_containers(adv);
	/* runs that are made meanwhile come last in the list */
	foreach(lc, adv->runs)
	{
		jdg_run_settle(lfirst(lc));
		jdg_tell_containers(adv);
	}
	if (adv->reader != NULL)
		jdg_flow_step_reader_end(adv->reader);
	if (adv->run_reader != NULL)
		jdg_flow_run_reader_end(adv->run_reader);
	if (adv->tasks != NULL)
		jdg_task_writer_end(adv->tasks);
	if (adv->ntasks > 0)
		jdg_count_enqueued(adv->ntasks);
	JDG_FAULT("flow-tasks-written");
	jdg_flow_step_write(adv->changed, adv->nchanged);
	JDG_FAULT("flow-steps-written");
	runs = palloc(sizeof(JdgFlowRun *) * Max(list_length(adv->runs), 1));
	foreach(lc, adv->runs)
	{
		JdgRunState *rs = lfirst(lc);

		if (rs->is_new || has_changed(&rs->r, &rs->stored))
			runs[nruns++] = &rs->r;
	}
	jdg_flow_run_write(runs, nruns);
	/* the next pass, and what the caller does now, sees all of this */
	CommandCounterIncrement();
	JDG_FAULT("flow-runs-written");
}
