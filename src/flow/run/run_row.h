/*-------------------------------------------------------------------------
 *
 * run_row.h
 *	  Rows of jadugar_internal.flow_run as structs: read by index and written
 *	  straight.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_RUN_ROW_H
#define JDG_FLOW_RUN_RUN_ROW_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/compat.h"

/* flow_run.status, and flow_run.ending */
typedef enum JdgFlowStatus
{
	JDG_FLOW_STATUS_NONE,		/* null: a run that is not ending */
	JDG_FLOW_STATUS_RUNNING,
	JDG_FLOW_STATUS_ENDING,		/* live steps are being cancelled */
	JDG_FLOW_STATUS_COMPENSATING,
	JDG_FLOW_STATUS_COMPLETED,
	JDG_FLOW_STATUS_FAILED,
	JDG_FLOW_STATUS_CANCELLED,
	JDG_FLOW_STATUS_TIMED_OUT,
	JDG_FLOW_STATUS_COMPENSATED,
	JDG_FLOW_STATUS_COMPENSATION_FAILED
} JdgFlowStatus;

/* the letter in the table, '\0' for NONE, and back */
extern char jdg_flow_status_out(JdgFlowStatus status);
extern JdgFlowStatus jdg_flow_status_in(char letter);

typedef struct JdgFlowRun
{
	int64		run_id;
	Oid			owner;
	int64		version_id;
	JdgFlowStatus status;
	JdgFlowStatus ending;		/* its final status without compensation */
	bool		compensate;		/* when it fails */
	bool		pivoted;		/* a pivot has completed: no compensation */
	int			live;
	int64		next_id;
	int64		last_done;		/* -1: none */
	int64		done_count;		/* steps that could be undone when they ended */
	int			not_undone;
	int			depth;			/* sub_flows above it */
	int64		parent_run;		/* 0: none */
	int64		parent_step;
	int64		schedule_id;	/* 0: none */
	const char *schedule;		/* its name when the run began */
	TimestampTz scheduled_for;	/* DT_NOBEGIN: null, as all of these */
	int64		task_id;		/* that started it and waits; 0: none */
	Interval   *timeout;		/* of the whole run, from its start */
	TimestampTz paused_at;
	char	   *paused_by;		/* role that paused it, or NULL */
	char	   *ended_by;		/* role that aborted it, or NULL */
	TimestampTz created_at;
	TimestampTz started_at;
	TimestampTz finished_at;
	Jsonb	   *input;
	Jsonb	   *result;
	Jsonb	   *error;
	char	   *reason;
	char	   *idempotency_key;
	char	   *tenant;
	char	   *trace;
	char	   *timezone;		/* of its steps, from a schedule; or NULL */
	Jsonb	   *metadata;
	bool		quiet;			/* it causes no events: shared/happening.h */

	ItemPointerData tid;		/* of the row; invalid: there is none yet */
} JdgFlowRun;

extern int64 jdg_flow_run_next_id(void);

typedef struct JdgFlowRunReader JdgFlowRunReader;

/*
 * Reading: with an active snapshot that sees the changes of the rows'
 * writers.  Values live in the context that is current when they are read.
 * False: there is no such run.
 */
extern JdgFlowRunReader *jdg_flow_run_reader(void);
extern bool jdg_flow_run_read(JdgFlowRunReader *reader, int64 run_id,
							  JdgFlowRun *run);
extern void jdg_flow_run_reader_end(JdgFlowRunReader *reader);

/* one run, as it is now */
extern bool jdg_flow_run_load(int64 run_id, JdgFlowRun *run);

/*
 * Insert a run with an idempotency_key.  False: it is taken; the twin's end
 * is waited for.  Inside jdg_internal_begin().
 */
extern bool jdg_flow_run_insert_once(JdgFlowRun *run);

/*
 * Insert those that have no tid, and update the columns that may change in the
 * others; n pointers.
 */
extern void jdg_flow_run_write(JdgFlowRun **runs, int n);

/* NOT_FOUND with the id */
JDG_NORETURN extern void jdg_flow_run_not_found(int64 run_id);

/* has the run ended for good? */
extern bool jdg_flow_run_is_over(JdgFlowStatus status);

#endif							/* JDG_FLOW_RUN_RUN_ROW_H */
