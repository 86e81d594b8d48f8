/*-------------------------------------------------------------------------
 *
 * results.c
 *	  Results of steps, by name, see results.h.
 *
 * Runs in workers.  Each step of a long chain may ask for the results of all
 * steps before it.  A process therefore keeps those at the beginning of a block
 * that cannot change any more, and reads only the rows after them.  It does so
 * for one block of each depth.
 *
 * A row cannot change any more if its node and all before it in the block are
 * done, and the block is a chain: retry_step() goes back to the first child of
 * a chain that is not done, and a result is never replaced.  Other workers may
 * have run steps in between: their rows are read, and kept then.
 *
 * Rows may be those of the transaction that is under way, so all is forgotten
 * when a transaction aborts.  A run is known by its id and its start: a new
 * installation of the extension counts from 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "flow/kind/kind.h"
#include "flow/run/resume.h"
#include "flow/run/results.h"
#include "flow/run/value.h"

/* blocks in each other of which something is kept */
#define KEPT_BLOCKS	4

/* results that are kept of a block, in bytes; others are read for each step */
#define KEPT_MAX	(4 * 1024 * 1024)

/* a block of fewer nodes is read for each step */
#define KEPT_MIN_NODES	16

typedef struct Kept
{
	MemoryContext mcxt;			/* NULL: nothing is kept */
	int64		run_id;
	TimestampTz created_at;
	int64		base;
	int			next;			/* number of the first node that is not known */
	int			done_end;		/* end of the latest container that is done */
	Size		size;
	JdgFlowResults results;		/* sorted */
} Kept;

static Kept kept[KEPT_BLOCKS];

static void
forget(Kept *k)
{
	if (k->mcxt != NULL)
		MemoryContextDelete(k->mcxt);
	memset(k, 0, sizeof(*k));
}

static void
forget_at_abort(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_ABORT)
		return;
	for (int i = 0; i < KEPT_BLOCKS; i++)
		forget(&kept[i]);
}

/* May results of the block be kept? */
static bool
may_be_kept(const JdgFlowBlock *b)
{
	return b->depth >= 0 && b->depth < KEPT_BLOCKS &&
		b->root->kind->children == JDG_CHILDREN_IN_ORDER &&
		b->root->end - b->root->no >= KEPT_MIN_NODES;
}

/* What is kept of the block, perhaps nothing yet. */
static Kept *
kept_of(const JdgFlowBlock *b)
{
	static bool registered = false;
	Kept	   *k = &kept[b->depth];

	if (k->mcxt != NULL && k->run_id == b->run->run_id &&
		k->created_at == b->run->created_at && k->base == b->base)
		return k;
	forget(k);
	if (!registered)
		RegisterXactCallback(forget_at_abort, NULL);
	registered = true;
	k->mcxt = AllocSetContextCreate(TopMemoryContext,
									"jadugar results of steps",
									ALLOCSET_DEFAULT_SIZES);
	k->run_id = b->run->run_id;
	k->created_at = b->run->created_at;
	k->base = b->base;
	k->next = b->root->no + 1;
	return k;
}

bool
jdg_flow_has_result(const JdgFlowStep *s)
{
	return s->result != NULL &&
		(s->state == JDG_STEP_COMPLETED || s->state == JDG_STEP_COMPENSATING ||
		 s->state == JDG_STEP_COMPENSATED || s->state == JDG_STEP_COMPENSATION_FAILED);
}

/* Makes room for n more. */
static void
make_room(JdgFlowResults *results, int n)
{
	if (results->n + n <= results->room)
		return;
	results->room = Max(results->n + n, Max(2 * results->room, 16));
	results->field = results->field == NULL ?
		palloc(sizeof(JdgJsonField) * results->room) :
		repalloc_huge(results->field, sizeof(JdgJsonField) * results->room);
}

/* Adds one, which is not copied. */
static void
append(JdgFlowResults *results, const char *name, Jsonb *value)
{
	make_room(results, 1);
	results->field[results->n] = (JdgJsonField)
	{
		.key = name,.len = strlen(name),.order = results->n,.value = value
	};
	results->n++;
}

/* Collects the result of a row, if it has one that others see. */
static void
append_row(JdgFlowResults *results, const JdgFlowNode *node,
		   const JdgFlowStep *s)
{
	if (node->named && jdg_flow_has_result(s))
		append(results, node->name, jdg_step_jsonb(s->result));
}

/* Puts the last one in its place; those before it are sorted. */
static void
sort_last(JdgFlowResults *results)
{
	JdgJsonField last = results->field[results->n - 1];
	int			i = results->n - 1;

	for (; i > 0; i--)
	{
		if (jdg_json_compare_fields(&results->field[i - 1], &last) < 0)
			break;
		results->field[i] = results->field[i - 1];
	}
	results->field[i] = last;
}

/* Keeps a result.  False: there are too many. */
static bool
keep(Kept *k, const char *name, const Jsonb *value)
{
	Size		size = VARSIZE(value) + strlen(name) + sizeof(JdgJsonField);
	MemoryContext old;
	Jsonb	   *copy;

	if (k->size + size > KEPT_MAX)
		return false;
	old = MemoryContextSwitchTo(k->mcxt);
	copy = palloc(VARSIZE(value));
	memcpy(copy, value, VARSIZE(value));
	append(&k->results, pstrdup(name), copy);
	MemoryContextSwitchTo(old);
	sort_last(&k->results);
	k->size += size;
	return true;
}

/* Do all nodes from "from" to this one belong to other blocks? */
static bool
are_elsewhere(const JdgFlowGraph *graph, int from, const JdgFlowNode *node)
{
	for (int i = from; i < node->no; i++)
	{
		if (graph->nodes[i].block == node->block)
			return false;
	}
	return true;
}

/*
 * Is the row as it will always be?  So are rows in a container that is done,
 * once they have ended.  The row of a chain in the chain is passed over while
 * it is open, unless others will see its result.
 */
static bool
is_final(const Kept *k, const JdgFlowNode *node, const JdgFlowStep *s)
{
	return jdg_resume_is_done(node, s, -1) || jdg_flow_has_result(s) ||
		(node->no < k->done_end && !jdg_step_is_open(s)) ||
		(node->kind->children == JDG_CHILDREN_IN_ORDER && !node->named);
}

/* Keeps what the next row says.  False: it is not kept. */
static bool
keep_row(Kept *k, const JdgFlowGraph *graph, const JdgFlowNode *node,
		 const JdgFlowStep *s)
{
	if (!is_final(k, node, s) || !are_elsewhere(graph, k->next, node))
		return false;
	if (node->named && jdg_flow_has_result(s) &&
		!keep(k, node->name, jdg_step_jsonb(s->result)))
		return false;
	k->next = node->no + 1;
	if (jdg_resume_is_done(node, s, -1))
		k->done_end = Max(k->done_end, node->end);
	return true;
}

/* Collects those, after the ones that are there. */
static void
append_all(JdgFlowResults *results, const JdgFlowResults *more)
{
	if (more->n == 0)
		return;
	make_room(results, more->n);
	for (int i = 0; i < more->n; i++)
	{
		JdgJsonField *f = &results->field[results->n];

		*f = more->field[i];
		f->order = results->n++;
	}
}

void
jdg_flow_results_add(JdgFlowResults *results, JdgFlowStepReader *reader,
					 const JdgFlowBlock *block)
{
	const JdgFlowNode *root = block->root;
	int64		base = block->base;
	int64		end = base + root->end - root->no;
	Kept	   *k = may_be_kept(block) ? kept_of(block) : NULL;
	bool		keeping = k != NULL;
	JdgFlowResults fresh = {0};
	JdgFlowStep s;

	/* a compensation sees the result of the whole block */
	if (keeping && root->named &&
		jdg_flow_step_read(reader, block->run->run_id, base, &s))
		append_row(&fresh, root, &s);
	jdg_flow_step_range(reader, block->run->run_id,
						base + (keeping ? k->next - root->no : 0), end);
	while (jdg_flow_step_next(reader, &s))
	{
		const JdgFlowNode *node = &block->graph->nodes[s.node];

		keeping = keeping && keep_row(k, block->graph, node, &s);
		if (!keeping)
			append_row(&fresh, node, &s);
	}
	if (k != NULL)
		append_all(results, &k->results);
	append_all(results, &fresh);
}
