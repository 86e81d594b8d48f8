/*-------------------------------------------------------------------------
 *
 * step_row.h
 *	  Rows of jadugar_internal.flow_step as structs: read by index and written in
 *	  bulk, straight.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_STEP_ROW_H
#define JDG_FLOW_RUN_STEP_ROW_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* flow_step.state, in the order in which states are shown */
typedef enum JdgStepState
{
	JDG_STEP_WAITING,			/* for the nodes in "after" */
	JDG_STEP_RUNNING,
	JDG_STEP_COMPLETED,
	JDG_STEP_FAILED,
	JDG_STEP_SKIPPED,
	JDG_STEP_CANCELLED,
	JDG_STEP_TIMED_OUT,
	JDG_STEP_COMPENSATING,
	JDG_STEP_COMPENSATED,
	JDG_STEP_COMPENSATION_FAILED
} JdgStepState;

#define JDG_STEP_STATES (JDG_STEP_COMPENSATION_FAILED + 1)

/* the letter in the table, and back; the word that views show */
extern char jdg_step_state_out(JdgStepState state);
extern JdgStepState jdg_step_state_in(char letter);
extern const char *jdg_step_state_word(JdgStepState state);

/* See sql/flow.sql.  Pointers are NULL where the column is. */
typedef struct JdgFlowStep
{
	/* the key of the table in which rows are kept in memory */
	int64		run_id;
	int64		step_id;

	int			node;
	int64		parent;			/* -1: none */
	int64		base;
	int			idx;			/* -1: null */
	JdgStepState state;
	int64		task_id;		/* 0: null */
	int			attempts;
	TimestampTz due;			/* DT_NOBEGIN: null, as all of these */
	char	   *event;
	int64		wait_start;		/* of an open wait for an event; 0: null */
	Oid			wait_owner;		/* the same; InvalidOid: null */
	int64		child_run;		/* 0: null */
	int			total;
	int			started;
	int			ended;
	int			succeeded;
	int			failed;
	int			waiting;
	int64		child_base;		/* -1: null */
	int64		prev_base;		/* -1: null */
	bool		cancelling;
	int64		done_no;		/* in the order of completion; 0: none */
	int64		prev_done;		/* -1: null */
	TimestampTz started_at;
	TimestampTz finished_at;
	Jsonb	   *item;			/* these may still be toasted */
	Jsonb	   *found;			/* items, filter, what a condition said */
	Jsonb	   *result;
	Jsonb	   *error;
	char	   *reason;

	/* not columns */
	bool		undoable;		/* a sub_flow, whose run can be undone */
	ItemPointerData tid;		/* of the row in the table */
	bool		stored;			/* is in the table */
	bool		changed;
} JdgFlowStep;

static inline bool
jdg_step_is_open(const JdgFlowStep *step)
{
	return step->state == JDG_STEP_RUNNING ||
		step->state == JDG_STEP_WAITING ||
		step->state == JDG_STEP_COMPENSATING;
}

/* has it ended in a way that on_failure is about? */
static inline bool
jdg_step_is_bad(const JdgFlowStep *step)
{
	return step->state == JDG_STEP_FAILED ||
		step->state == JDG_STEP_TIMED_OUT ||
		step->state == JDG_STEP_CANCELLED;
}

typedef struct JdgFlowStepReader JdgFlowStepReader;

/*
 * Reading: with an active snapshot that sees the changes of the rows' writers.
 * Values live in the context that is current when they are read.
 */
extern JdgFlowStepReader *jdg_flow_step_reader(void);
extern bool jdg_flow_step_read(JdgFlowStepReader *r, int64 run_id,
							   int64 step_id, JdgFlowStep *step);

/* rows from first up to but not including "end", in order; false: no more */
extern void jdg_flow_step_range(JdgFlowStepReader *r, int64 run_id,
								int64 first, int64 end);
extern bool jdg_flow_step_next(JdgFlowStepReader *r, JdgFlowStep *step);
extern void jdg_flow_step_reader_end(JdgFlowStepReader *r);

/* insert those that are not stored and update the others; n pointers */
extern void jdg_flow_step_write(JdgFlowStep **steps, int n);

#endif							/* JDG_FLOW_RUN_STEP_ROW_H */
