/*-------------------------------------------------------------------------
 *
 * data.c
 *	  The argument of a step: {"input": ..., "steps": {name: result, ...}},
 *	  its payload filled in from that, or the result that it compensates.
 *
 * Runs in the worker that runs the step, inside the step's subtransaction and
 * before its deadline.  Rows are read without the lock of the run: those of
 * steps that have ended do not change.
 *
 * A step sees the results of its own block and of the blocks around it; in a
 * loop those of the previous pass too.  A result of an inner block hides one of
 * the same name further out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/jsonfields.h"
#include "base/spi.h"
#include "flow/graph/plan.h"
#include "flow/kind/kind.h"
#include "flow/run/data.h"
#include "flow/run/fill.h"
#include "flow/run/results.h"
#include "flow/run/run_row.h"
#include "flow/run/step_row.h"
#include "flow/run/value.h"

typedef struct Data
{
	JdgFlowRun	run;
	const JdgFlowPlan *plan;
	JdgFlowStepReader *reader;	/* NULL: none was needed yet */
	bool		results;		/* of steps are needed */
	JdgFlowResults steps;		/* these */
	JdgFlowStep step;			/* the one that runs */
	Jsonb	   *item;			/* of the innermost each; NULL: none */
	int			index;
} Data;

/* Most steps need no row but that of their run. */
static JdgFlowStepReader *
get_reader(Data *d)
{
	if (d->reader == NULL)
		d->reader = jdg_flow_step_reader();
	return d->reader;
}

/* Results of a block, by name; "depth" as in results.h. */
static void
push_block(Data *d, const JdgFlowNode *root, int64 base, int depth)
{
	JdgFlowBlock block = {&d->run, d->plan->graph, root, base, depth};

	if (d->results)
		jdg_flow_results_add(&d->steps, get_reader(d), &block);
}

static JdgFlowStep
read_row(Data *d, int64 step_id)
{
	JdgFlowStep s;

	if (!jdg_flow_step_read(get_reader(d), d->run.run_id, step_id, &s))
		elog(ERROR, "flow run " INT64_FORMAT " has no step " INT64_FORMAT,
			 d->run.run_id, step_id);
	return s;
}

/*
 * The blocks around a node of a block, outermost first, then this one.
 * Returns the number of blocks around it.
 */
static int
push_blocks(Data *d, const JdgFlowNode *root, int64 base)
{
	const JdgFlowNode *nodes = d->plan->graph->nodes;
	int			depth = 0;

	if (root->no != 0)
	{
		JdgFlowStep first = read_row(d, base);
		JdgFlowStep container = read_row(d, first.parent);

		depth = 1 + push_blocks(d, &nodes[nodes[container.node].block],
								container.base);
		/* of a loop, after its first pass */
		if (container.child_base == base && container.prev_base >= 0)
			push_block(d, root, container.prev_base, -1);
		if (first.item != NULL)
		{
			d->item = jdg_step_jsonb(first.item);
			d->index = first.idx;
		}
	}
	push_block(d, root, base, depth);
	return depth;
}

static bool
has_passes(const JdgFlowNode *node)
{
	return node->kind->children == JDG_CHILDREN_PASSES;
}

/* The condition of a loop sees the results of the pass that has ended. */
static void
push_pass(Data *d, const JdgFlowNode *node)
{
	if (has_passes(node) && d->step.child_base >= 0)
		push_block(d, &d->plan->graph->nodes[node->children[0]],
				   d->step.child_base, -1);
}

static Jsonb *
index_jsonb(int index)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(index);
	return JsonbValueToJsonb(&v);
}

/* The object with the input, the results and the item, in "mcxt". */
static Jsonb *
make_data(Data *d, MemoryContext mcxt)
{
	const JdgFlowNode *node = &d->plan->graph->nodes[d->step.node];
	JdgJsonField fields[4];
	int			n = 0;
	MemoryContext old;
	Jsonb	   *data;

	(void) push_blocks(d, &d->plan->graph->nodes[node->block], d->step.base);
	push_pass(d, node);
	fields[n++] = (JdgJsonField)
	{
		"input", 5, 0, d->run.input
	};
	if (d->results)
		fields[n++] = (JdgJsonField)
	{
		"steps", 5, 0, jdg_json_object(d->steps.field, d->steps.n)
	};
	if (d->item != NULL)
	{
		fields[n++] = (JdgJsonField)
		{
			"item", 4, 0, d->item
		};
		fields[n++] = (JdgJsonField)
		{
			"index", 5, 0, index_jsonb(d->index)
		};
	}
	old = MemoryContextSwitchTo(mcxt);
	data = jdg_json_object(fields, n);
	MemoryContextSwitchTo(old);
	return data;
}

/*
 * The row of the step that runs.  A step of the root block needs none of its
 * columns, unless it is a loop or compensates a result.
 */
static JdgFlowStep
own_row(Data *d, const JdgTask *task)
{
	JdgFlowStep s = {0};

	if (task->step_id >= d->plan->graph->nnodes ||
		task->flow_data == JDG_DATA_UNDO ||
		task->flow_data == JDG_DATA_UNDO_MAPPED ||
		has_passes(&d->plan->graph->nodes[task->step_id]))
		return read_row(d, task->step_id);
	s.node = (int) task->step_id;
	return s;
}

/*
 * Read the data that the task needs, into "mcxt".  Rows are read straight,
 * without a bookkeeping section.  *result is in the current context.
 */
static Jsonb *
read_data(const JdgTask *task, Jsonb **result, MemoryContext mcxt)
{
	Data		d = {0};
	JdgFlowRunReader *runs;
	Jsonb	   *data = NULL;

	PushActiveSnapshot(GetTransactionSnapshot());
	runs = jdg_flow_run_reader();
	if (!jdg_flow_run_read(runs, task->flow_run, &d.run))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("flow run %lld does not exist",
						(long long) task->flow_run)));
	jdg_flow_run_reader_end(runs);
	d.plan = jdg_flow_plan_get(d.run.version_id);
	d.results = task->flow_data != JDG_DATA_INPUT;
	d.step = own_row(&d, task);
	*result = jdg_step_jsonb(d.step.result);
	if (*result == NULL)
		*result = jdg_json_empty();
	if (task->flow_data != JDG_DATA_UNDO)
		data = make_data(&d, mcxt);
	if (d.reader != NULL)
		jdg_flow_step_reader_end(d.reader);
	PopActiveSnapshot();
	return data;
}

bool
jdg_flow_payload(const JdgTask *task, Jsonb **payload)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext rows;
	bool		whole = task->flow_data == JDG_DATA_RUN ||
	task->flow_data == JDG_DATA_INPUT;
	Jsonb	   *result;
	Jsonb	   *data;

	Assert(!jdg_is_bookkeeping());
	if (task->flow_run == 0 || jdg_payload_is_given(task))
		return false;
	/* there may be many of them, and more for the next task of the group */
	rows = AllocSetContextCreate(mcxt, "jadugar data of a step",
								 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(rows);
	data = read_data(task, &result, whole ? mcxt : rows);
	MemoryContextSwitchTo(mcxt);
	switch (task->flow_data)
	{
		case JDG_DATA_RUN:
		case JDG_DATA_INPUT:
			*payload = data;
			break;
		case JDG_DATA_UNDO:
			*payload = DatumGetJsonbPCopy(JsonbPGetDatum(result));
			break;
		case JDG_DATA_UNDO_MAPPED:
			/* it also sees the result that it compensates */
			*payload = jdg_fill_in(task->payload,
								   jdg_json_with(data, "result", result));
			break;
		case JDG_DATA_MAPPED:
			*payload = jdg_fill_in(task->payload, data);
			break;
		case JDG_DATA_UNDO_GIVEN:
		case JDG_DATA_NONE:
			break;
	}
	MemoryContextDelete(rows);
	return true;
}

Jsonb *
jdg_flow_result(Jsonb *row)
{
	JsonbIterator *it;
	JsonbValue	v;

	if (row == NULL || !JB_ROOT_IS_OBJECT(row) || JB_ROOT_COUNT(row) != 1)
		return row;
	it = JsonbIteratorInit(&row->root);
	(void) JsonbIteratorNext(&it, &v, true);	/* { */
	(void) JsonbIteratorNext(&it, &v, true);	/* key */
	(void) JsonbIteratorNext(&it, &v, true);
	return v.type == jbvBinary ? JsonbValueToJsonb(&v) : row;
}
