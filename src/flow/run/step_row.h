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

/* flow_step.state */
#define JDG_STEP_WAITING		'w' /* for what "after" names */
#define JDG_STEP_RUNNING		'r'
#define JDG_STEP_COMPLETED		'c'
#define JDG_STEP_FAILED			'f'
#define JDG_STEP_SKIPPED		's'
#define JDG_STEP_CANCELLED		'x'
#define JDG_STEP_TIMED_OUT		't'
#define JDG_STEP_COMPENSATING	'k'
#define JDG_STEP_COMPENSATED	'u'
#define JDG_STEP_NOT_UNDONE		'p' /* its compensation has failed */

/* See sql/20_tables.sql.  Pointers are NULL where the column is. */
typedef struct JdgFlowStep
{
	/* the key of the table in which rows are kept in memory */
	int64		run_id;
	int64		step_id;

	int			node;
	int64		parent;			/* -1: none */
	int64		base;
	int			idx;			/* -1: null */
	char		state;
	int64		task_id;		/* 0: null */
	int			attempts;
	TimestampTz due;			/* DT_NOBEGIN: null, as all of these */
	char	   *event;
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
	int64		prev_done;		/* -1: null */
	TimestampTz started_at;
	TimestampTz finished_at;
	Jsonb	   *item;			/* these may still be toasted */
	Jsonb	   *found;			/* items, filter, what a condition said */
	Jsonb	   *result;
	Jsonb	   *error;
	char	   *reason;

	/* of the one who keeps it */
	bool		undoable;		/* a sub_flow, whose run can be undone */
	ItemPointerData tid;		/* of the row in the table */
	bool		stored;			/* is in the table */
	bool		changed;
} JdgFlowStep;

typedef struct JdgFlowStepReader JdgFlowStepReader;

/*
 * Reading: with an active snapshot, which sees what the rows' writers have
 * done.  Values live in the context that is current when they are read.
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
