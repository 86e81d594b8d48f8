/*-------------------------------------------------------------------------
 *
 * fork.c
 *	  A new run that goes on where another one was: fork_flow().
 *
 * Runs in a session, which only reads the run that the new one is made of,
 * without its lock.  Rows of the outermost block are copied up to the step
 * from which the new run goes on; containers of that step are open again.
 * Only the other run compensates its steps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/spi.h"
#include "flow/kind/kind.h"
#include "flow/run/begin.h"
#include "flow/run/drive.h"
#include "flow/run/fork.h"
#include "flow/run/happened.h"

/* The row of a node as the other run has it. */
static JdgFlowStep *
copy_row(JdgFork *f, const JdgFlowNode *node)
{
	JdgFlowStep *old = jdg_step_get(f->from, node->no);
	JdgFlowStep *new = jdg_step_make(f->rs, node, node->parent, 0,
									 old->idx);
	bool		changed = new->changed;

	*new = *old;
	new->run_id = f->rs->r.run_id;
	new->stored = false;
	new->changed = changed;
	new->task_id = new->child_run = 0;
	new->child_base = new->prev_base = new->prev_done = -1;
	new->done_no = 0;
	return new;
}

void
jdg_fork_copy(JdgFork *f, const JdgFlowNode *node)
{
	for (int i = node->no; i < node->end; i++)
	{
		const JdgFlowNode *n = &f->rs->plan->graph->nodes[i];
		JdgFlowStep *old;

		if (n->block != 0)
			continue;
		old = jdg_step_get(f->from, n->no);
		if (old == NULL || jdg_step_is_open(old))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("step \"%s\" of flow run %lld has not ended",
							n->name, (long long) f->from->r.run_id),
					 errhint("Fork from there, or wait until it has ended.")));
		(void) copy_row(f, n);
	}
}

bool
jdg_fork_has_completed(JdgFork *f, const JdgFlowNode *node)
{
	JdgFlowStep *old = jdg_step_get(f->from, node->no);

	return old != NULL && old->state == JDG_STEP_COMPLETED;
}

void
jdg_fork_into(JdgFork *f, const JdgFlowNode *node, int idx)
{
	const JdgFlowNode *nodes = f->rs->plan->graph->nodes;
	JdgFlowStep *step;
	int			path = 0;

	if (node == f->target)
	{
		jdg_node_begin(f->rs, node, node->parent, 0, idx, NULL);
		return;
	}
	while (nodes[node->children[path]].end <= f->target->no)
		path++;
	step = jdg_step_make(f->rs, node, node->parent, 0, idx);
	step->total = node->nchildren;
	node->kind->fork(f, step, path);
}

int64
jdg_flow_fork(const JdgFlowRun *from, const JdgFlowNode *target)
{
	JdgPass    *pass = jdg_pass_begin();
	JdgFlowRun	r = *from;
	JdgFork		f;

	Assert(jdg_is_bookkeeping());
	r.depth = 0;
	r.parent_run = r.parent_step = r.schedule_id = r.task_id = 0;
	r.scheduled_for = r.paused_at = DT_NOBEGIN;
	r.paused_by = r.ended_by = NULL;
	r.started_at = pass->now;
	r.idempotency_key = NULL;
	f.from = jdg_pass_run(pass, from->run_id);
	if (f.from == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("flow run %lld does not exist any more",
						(long long) from->run_id)));
	f.rs = jdg_pass_new_run(pass, &r);
	/* one that is gone fails the step that needs it, if the run gets there */
	(void) jdg_flow_queues_use(&f.rs->plan->queues, true);
	f.rs->r.next_id = from->next_id;
	jdg_run_started(f.rs);
	f.target = &f.rs->plan->graph->nodes[target->no];
	jdg_fork_into(&f, &f.rs->plan->graph->nodes[0], -1);
	/* it is only read, without its lock */
	pass->runs = list_delete_ptr(pass->runs, f.from);
	jdg_pass_finish(pass);
	return f.rs->r.run_id;
}
