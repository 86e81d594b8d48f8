/*-------------------------------------------------------------------------
 *
 * group.c
 *	  Functions of parallel, race and each, see group.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"

#include "base/errors.h"
#include "base/json.h"
#include "flow/graph/names.h"
#include "flow/kind/group.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/resume.h"
#include "flow/run/value.h"

/*
 * Maximum size of the results in a group's result: a value of type jsonb holds
 * 256 MB, and this one becomes part of others.
 */
#define MAX_RESULTS	(200 * 1024 * 1024)

/* ------------------------------------------------------------------- keys */

void
jdg_parse_completion(JdgFlowObject *o)
{
	static const char *const completions[] = {
		"all", "any", "n_of_m", "all_done", "best_effort"
	};
	JdgFlowNode *node = o->node;

	node->completion = jdg_object_word(o, "completion", completions,
									   lengthof(completions),
									   "Valid values are \"all\", \"any\", \"n_of_m\", \"all_done\", and \"best_effort\".");
	node->n = jdg_object_int(o, "n", 1, 0);
	if ((node->completion == JDG_COMPLETE_N) != (node->n > 0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 node->n > 0 ?
				 errmsg("\"n\" of %s requires the completion \"n_of_m\"",
						jdg_flow_label(node)) :
				 errmsg("completion \"n_of_m\" of %s requires \"n\"",
						jdg_flow_label(node))));
	node->concurrency = jdg_object_int(o, "concurrency", 1, 0);
}

void
jdg_parse_rest(JdgFlowObject *o)
{
	static const char *const rests[] = {"cancel", "run"};

	o->node->rest_runs = jdg_object_word(o, "rest", rests, lengthof(rests),
										 "Valid values are \"cancel\" and \"run\".") == 1;
}

/* ------------------------------------------------------------------ a run */

bool
jdg_group_has_room(const JdgFlowNode *node, const JdgFlowStep *step)
{
	return step->started < step->total &&
		(node->concurrency == 0 ||
		 step->started - step->ended - step->waiting < node->concurrency);
}

JdgVerdict
jdg_group_verdict(const JdgFlowNode *node, const JdgFlowStep *s)
{
	bool		all = s->ended == s->total;
	int			left = s->total - s->ended;

	switch (node->completion)
	{
		case JDG_COMPLETE_ALL:
			return s->failed > 0 ? JDG_VERDICT_FAILURE :
				all ? JDG_VERDICT_SUCCESS : JDG_VERDICT_OPEN;
		case JDG_COMPLETE_ANY:
			return s->succeeded > 0 ? JDG_VERDICT_SUCCESS :
				all ? JDG_VERDICT_NO_QUORUM : JDG_VERDICT_OPEN;
		case JDG_COMPLETE_N:
			return s->succeeded >= node->n ? JDG_VERDICT_SUCCESS :
				s->succeeded + left < node->n ? JDG_VERDICT_NO_QUORUM :
				JDG_VERDICT_OPEN;
		case JDG_COMPLETE_ALL_DONE:
			return !all ? JDG_VERDICT_OPEN :
				s->failed > 0 ? JDG_VERDICT_FAILURE : JDG_VERDICT_SUCCESS;
		case JDG_COMPLETE_BEST_EFFORT:
			return all ? JDG_VERDICT_SUCCESS : JDG_VERDICT_OPEN;
	}
	return JDG_VERDICT_OPEN;
}

JdgVerdict
jdg_group_count(JdgRunState *rs, JdgFlowStep *step, const JdgFlowStep *child,
				bool bad)
{
	step->ended++;
	step->succeeded += child->state == JDG_STEP_COMPLETED;
	step->failed += bad;
	jdg_step_change(rs, step);
	return jdg_group_verdict(jdg_step_node(rs, step), step);
}

void
jdg_group_decided(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child)
{
	if (!jdg_step_node(rs, step)->rest_runs && step->ended < step->started)
		jdg_children_cancel(rs, step);
	jdg_agenda_put(rs, JDG_ACT_CONCLUDE, step, child);
}

bool
jdg_group_push(JsonbParseState **st, const char *key, Jsonb *value,
			   Size *size)
{
	if (value == NULL)
		return true;
	*size += toast_raw_datum_size(PointerGetDatum(value));
	if (*size > MAX_RESULTS)
		return false;
	jdg_json_jsonb(st, key, jdg_step_jsonb(value));
	return true;
}

static Jsonb *
no_quorum(const JdgFlowNode *node, const JdgFlowStep *step)
{
	return jdg_flow_error("TASK_EXECUTION_ERROR",
						  "too few of its steps can still succeed",
						  psprintf("%d of %d have succeeded, %d have ended, %d must succeed.",
								   step->succeeded, step->total, step->ended,
								   node->completion == JDG_COMPLETE_N ? node->n : 1));
}

void
jdg_group_end(JdgRunState *rs, JdgFlowStep *step, const JdgFlowStep *child,
			  JdgVerdict verdict, Jsonb *result)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	switch (verdict)
	{
		case JDG_VERDICT_SUCCESS:
			jdg_step_end(rs, step, JDG_STEP_COMPLETED, result, NULL, NULL);
			break;
		case JDG_VERDICT_FAILURE:
			/* with all_done, the last child is no better reason than others */
			if (jdg_child_failed(rs, child) &&
				node->completion != JDG_COMPLETE_ALL_DONE)
				jdg_step_fail_with(rs, step, child, result);
			else
				jdg_step_end(rs, step, JDG_STEP_FAILED, result,
							 jdg_flow_error("TASK_EXECUTION_ERROR",
											"some of its steps have failed",
											psprintf("%d of %d have failed.",
													 step->failed, step->total)), NULL);
			break;
		case JDG_VERDICT_NO_QUORUM:
			jdg_step_end(rs, step, JDG_STEP_FAILED, result,
						 no_quorum(node, step), NULL);
			break;
		case JDG_VERDICT_TOO_LARGE:
			jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
						 jdg_flow_error("TASK_EXECUTION_ERROR",
										"the combined results of its steps are too large",
										psprintf("The limit is %d MB.",
												 MAX_RESULTS / (1024 * 1024))), NULL);
			break;
		case JDG_VERDICT_OPEN:
			break;
	}
}

void
jdg_group_resume_child(JdgRunState *rs, JdgFlowStep *step,
					   const JdgFlowNode *node, JdgFlowStep *child, int i,
					   int64 skip)
{
	/* a child may have been skipped because another one failed */
	bool		done = jdg_resume_is_done(node, child, skip) &&
	(child->state != JDG_STEP_SKIPPED ||
	 (child->reason != NULL && strcmp(child->reason, JDG_SKIPPED_MANUALLY) == 0));

	child->idx = i;
	if (done)
	{
		step->ended++;
		step->succeeded += child->state == JDG_STEP_COMPLETED;
	}
	else
		jdg_resume_step(rs, child, skip);
}

void
jdg_group_resumed(JdgRunState *rs, JdgFlowStep *step)
{
	if (step->ended == step->total)
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
	else
		jdg_agenda_put(rs, JDG_ACT_FILL, step, NULL);
}

/* ------------------------------------------------------------------- text */

/* n: the word for JDG_COMPLETE_N */
char *
jdg_group_completion(const JdgFlowNode *node, const char *n)
{
	switch (node->completion)
	{
		case JDG_COMPLETE_ALL:
			return "all";
		case JDG_COMPLETE_ANY:
			return "any";
		case JDG_COMPLETE_N:
			return pstrdup(n);
		case JDG_COMPLETE_ALL_DONE:
			return "all_done";
		case JDG_COMPLETE_BEST_EFFORT:
			return "best_effort";
	}
	return NULL;
}

void
jdg_group_options(const JdgFlowNode *node, StringInfo line)
{
	if (node->concurrency > 0)
		jdg_explain_option(line, "concurrency",
						   psprintf("%d", node->concurrency));
	if (node->rest_runs)
		jdg_explain_option(line, "rest", "run");
}
