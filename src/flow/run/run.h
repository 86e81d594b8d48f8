/*-------------------------------------------------------------------------
 *
 * run.h
 *	  A run that is being advanced: its rows in memory, under its lock.
 *
 * Only flow/ includes this.  All of it inside jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_RUN_H
#define JDG_FLOW_RUN_RUN_H

#include "utils/hsearch.h"

#include "flow/graph/plan.h"
#include "flow/run/run_row.h"
#include "flow/run/step_row.h"
#include "task/decide.h"

/* flow_step.reason of what skip_step() passes over */
#define JDG_BY_HAND "manual"

struct JdgRunState;

/*
 * One pass: some runs are locked, told what has happened, and written.
 * Everything it makes lives in the context it was begun in.
 */
typedef struct JdgAdvance
{
	TimestampTz now;
	HTAB	   *rows;			/* of flow_step, by run and step */
	JdgFlowStep **changed;
	int			nchanged;
	int			room;
	List	   *runs;			/* of JdgRunState */
	struct JdgEnded *ended;		/* in order; told up to "ntold" */
	int			nended;
	int			ntold;
	int			room_ended;
	JdgFlowStepReader *reader;
	JdgFlowRunReader *run_reader;
	JdgTaskWriter *tasks;		/* NULL: none made so far */
	int64		ntasks;

	struct JdgFollow *follow;	/* steps that may run at once; NULL: none */

	/* tasks that this transaction is settling, if it is */
	JdgTask    *settling;
	JdgDecision *decisions;
	int			nsettling;
} JdgAdvance;

typedef struct JdgRunState
{
	JdgAdvance *adv;
	JdgFlowRun	r;
	const JdgFlowPlan *plan;
	bool		is_new;			/* nobody else knows of it */
	JdgFlowRun	stored;			/* as it is in the table */
	List	   *to_begin;		/* see redo.h */
} JdgRunState;

/* a row that has ended, of which others are to be told */
typedef struct JdgEnded
{
	JdgRunState *rs;
	JdgFlowStep *step;
	bool		quietly;		/* not its container, which knows */
} JdgEnded;

/* run.c */
extern JdgAdvance *jdg_advance_begin(void);
extern void jdg_advance_lock(const int64 *run_ids, int n);
extern JdgRunState *jdg_advance_run(JdgAdvance *adv, int64 run_id);
extern JdgRunState *jdg_advance_new_run(JdgAdvance *adv, JdgFlowRun *r);
extern void jdg_advance_write_tasks(JdgAdvance *adv);
extern void jdg_advance_finish(JdgAdvance *adv);

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

extern JdgFlowStep *jdg_step_get(JdgRunState *rs, int64 step_id);
extern JdgFlowStep *jdg_step_make(JdgRunState *rs, const JdgFlowNode *node,
								  int64 parent, int64 base, int idx);
extern void jdg_advance_forget(JdgRunState *rs, int64 first, int64 end);
extern void jdg_step_change(JdgRunState *rs, JdgFlowStep *step);
extern int64 jdg_block_make(JdgRunState *rs, const JdgFlowNode *body,
							int64 times);
extern bool jdg_step_is_open(const JdgFlowStep *step);
extern Jsonb *jdg_step_jsonb(Jsonb *stored);
extern Jsonb *jdg_flow_error(const char *code, const char *message,
							 const char *detail);
extern Jsonb *jdg_flow_bool(bool b);

/* begin.c */
extern void jdg_node_begin(JdgRunState *rs, const JdgFlowNode *node,
						   int64 parent, int64 base, int idx, Jsonb *item);
extern void jdg_step_begin(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_step_start(JdgRunState *rs, JdgFlowStep *step);
extern bool jdg_step_task(JdgRunState *rs, JdgFlowStep *step,
						  const JdgTask *template);
extern void jdg_step_start_task(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_step_start_wait(JdgRunState *rs, JdgFlowStep *step,
								TimestampTz due);
extern TimestampTz jdg_step_timeout(JdgRunState *rs, const JdgFlowNode *node);
extern void jdg_run_begin(JdgRunState *rs);

/* join.c */
typedef enum JdgReady
{
	JDG_READY_WAIT,
	JDG_READY_GO,
	JDG_READY_NEVER
} JdgReady;
extern JdgReady jdg_step_ready(JdgRunState *rs, const JdgFlowNode *node,
							   int64 base);

/* end.c */
extern void jdg_step_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state,
						 Jsonb *result, Jsonb *error, const char *reason);
extern void jdg_leaf_end(JdgRunState *rs, JdgFlowStep *step, JdgStepState state,
						 Jsonb *result, Jsonb *error, const char *reason);
extern void jdg_step_end_quietly(JdgRunState *rs, JdgFlowStep *step,
								 JdgStepState state, const char *reason);
extern void jdg_step_fail_with(JdgRunState *rs, JdgFlowStep *step,
							   const JdgFlowStep *child, Jsonb *result);
extern bool jdg_step_is_bad(const JdgFlowStep *step);
extern void jdg_skip_subtree(JdgRunState *rs, const JdgFlowNode *node,
							 int64 parent, int64 base);
extern void jdg_skip_unreached(JdgRunState *rs, const JdgFlowNode *node,
							   int64 base);
extern void jdg_step_never(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_tell_containers(JdgAdvance *adv);

/* cancel.c */
extern void jdg_step_cancel(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_step_cancel_task(JdgRunState *rs, JdgFlowStep *step);
extern bool jdg_task_cancel(JdgRunState *rs, JdgFlowStep *step);

/* ending.c */
extern void jdg_run_fail(JdgRunState *rs, JdgFlowStatus ending, Jsonb *error,
						 const char *reason);
extern void jdg_run_root_ended(JdgRunState *rs, JdgFlowStep *root);
extern void jdg_run_tell_parent(JdgRunState *rs);
extern void jdg_run_leave_undone(JdgRunState *rs);
extern void jdg_run_settle(JdgRunState *rs);
extern void jdg_compensation_ended(JdgRunState *rs, JdgFlowStep *step,
								   bool success, Jsonb *error);

/* advance.c */
extern void jdg_task_told(JdgRunState *rs, int64 step_id, Jsonb *payload);

/* request.c */
struct JdgFlowMessage;
extern void jdg_serve_message(JdgRunState *rs, int64 step_id,
							  const struct JdgFlowMessage *m);

/* answer.c: what ends a wait */
extern bool jdg_take_signal(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_container_timed_out(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_step_due(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_RUN_H */
