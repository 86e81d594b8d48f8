/*-------------------------------------------------------------------------
 *
 * results.h
 *	  Results of steps, by name, for the argument of a step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_RESULTS_H
#define JDG_FLOW_RUN_RESULTS_H

#include "base/jsonfields.h"
#include "flow/graph/plan.h"
#include "flow/run/run_row.h"
#include "flow/run/step_row.h"

/* results that have been collected; begin with zeros */
typedef struct JdgFlowResults
{
	JdgJsonField *field;
	int			n;
	int			room;
} JdgFlowResults;

/* has a row a result that other steps see? */
extern bool jdg_flow_has_result(const JdgFlowStep *s);

/* a block whose results are collected */
typedef struct JdgFlowBlock
{
	const JdgFlowRun *run;
	const JdgFlowGraph *graph;
	const JdgFlowNode *root;	/* its outermost node */
	int64		base;			/* where its rows begin */
	int			depth;			/* number of blocks around it; -1: a former
								 * pass, of which nothing is kept */
} JdgFlowBlock;

/*
 * Collects the results of a block.  They hide results of the same name that
 * were collected before.  They are valid until the next call for a block of
 * the same depth, or until the transaction ends.
 */
extern void jdg_flow_results_add(JdgFlowResults *results,
								 JdgFlowStepReader *reader,
								 const JdgFlowBlock *block);

#endif							/* JDG_FLOW_RUN_RESULTS_H */
