/*-------------------------------------------------------------------------
 *
 * pass.h
 *	  A pass: some runs under their locks, with their rows in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_PASS_H
#define JDG_FLOW_RUN_PASS_H

#include "utils/hsearch.h"

#include "flow/graph/plan.h"
#include "flow/run/run_row.h"
#include "flow/run/step_row.h"
#include "task/settle.h"

struct JdgAgenda;
struct JdgFollow;

/*
 * A pass locks some runs, applies messages, timers or ends of tasks to them,
 * and writes them.  All that it makes lives in the context it was begun in.
 */
typedef struct JdgPass
{
	TimestampTz now;
	HTAB	   *rows;			/* of flow_step, by run and step */
	JdgFlowStep **changed;
	int			nchanged;
	int			room;
	List	   *runs;			/* of JdgRunState */
	struct JdgAgenda *agenda;	/* NULL: nothing was ever put on it */
	JdgFlowStepReader *reader;
	JdgFlowRunReader *run_reader;
	JdgTaskWriter *tasks;		/* NULL: none made so far */
	int64		ntasks;

	struct JdgFollow *follow;	/* steps that may run at once; NULL: none */

	/* tasks that this transaction is settling, if it is */
	JdgTask    *settling;
	JdgDecision *decisions;
	int			nsettling;
} JdgPass;

/* a run in a pass */
typedef struct JdgRunState
{
	JdgPass    *pass;
	JdgFlowRun	r;
	const JdgFlowPlan *plan;
	bool		is_new;			/* not visible to others yet */
	JdgFlowRun	stored;			/* as it is in the table */
} JdgRunState;

/* All of these are called inside jdg_internal_begin(). */
extern JdgPass *jdg_pass_begin(void);

/*
 * Lock runs, in an order that is the same in all processes.  A snapshot taken
 * afterwards sees the changes of earlier holders of the locks.  Inside or
 * outside.
 */
extern void jdg_pass_lock(const int64 *run_ids, int n);

/* a run that is in the table; NULL: there is no such run */
extern JdgRunState *jdg_pass_run(JdgPass *pass, int64 run_id);

/*
 * A new run.  Its id, status and counters are set here, the other fields are
 * those of "r".  In a quiet process it is quiet, too.
 */
extern JdgRunState *jdg_pass_new_run(JdgPass *pass, const JdgFlowRun *r);

/* write all that has changed; nothing is left to be done */
extern void jdg_pass_write(JdgPass *pass);

/* write the tasks made so far, so that they can be looked up */
extern void jdg_pass_write_tasks(JdgPass *pass);

static inline const JdgFlowNode *
jdg_step_node(const JdgRunState *rs, const JdgFlowStep *step)
{
	return &rs->plan->graph->nodes[step->node];
}

/* where the row of a node lies in a block */
static inline int64
jdg_step_place(const JdgFlowNode *node, int64 base)
{
	return base + node->no - node->block;
}

/* a row, read once; NULL: it is not there */
extern JdgFlowStep *jdg_step_get(JdgRunState *rs, int64 step_id);

/* a new row, in state running and with nothing in it */
extern JdgFlowStep *jdg_step_make(JdgRunState *rs, const JdgFlowNode *node,
								  int64 parent, int64 base, int idx);

/* this row is to be written */
extern void jdg_step_change(JdgRunState *rs, JdgFlowStep *step);

/* delete rows from first up to but not including "end" */
extern void jdg_steps_forget(JdgRunState *rs, int64 first, int64 end);

/* places for the rows of a body, so many times; returns the first */
extern int64 jdg_block_make(JdgRunState *rs, const JdgFlowNode *body,
							int64 times);

#endif							/* JDG_FLOW_RUN_PASS_H */
