/*-------------------------------------------------------------------------
 *
 * group.h
 *	  Functions of parallel, race and each: children that run at once, and a
 *	  completion that decides when enough of them have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_GROUP_H
#define JDG_FLOW_KIND_GROUP_H

#include "lib/stringinfo.h"

#include "flow/graph/object.h"
#include "flow/run/pass.h"

/* keys: completion, n, concurrency; rest */
extern void jdg_parse_completion(JdgFlowObject *o);
extern void jdg_parse_rest(JdgFlowObject *o);

typedef enum JdgVerdict
{
	JDG_VERDICT_OPEN,			/* not decided yet */
	JDG_VERDICT_SUCCESS,
	JDG_VERDICT_FAILURE,		/* too many have failed */
	JDG_VERDICT_NO_QUORUM,		/* too few can still succeed */
	JDG_VERDICT_TOO_LARGE		/* a success whose result is too large */
} JdgVerdict;

/* the decision by the counts so far */
extern JdgVerdict jdg_group_verdict(const JdgFlowNode *node,
									const JdgFlowStep *step);

/* count a child that has ended, and decide */
extern JdgVerdict jdg_group_count(JdgRunState *rs, JdgFlowStep *step,
								  const JdgFlowStep *child, bool bad);

/* may one more child begin? */
extern bool jdg_group_has_room(const JdgFlowNode *node,
							   const JdgFlowStep *step);

/*
 * It is decided: children that are under way are cancelled, unless "rest"
 * says run, and then it concludes.
 */
extern void jdg_group_decided(JdgRunState *rs, JdgFlowStep *step,
							  JdgFlowStep *child);

/* the row ends by a verdict that "child" has led to */
extern void jdg_group_end(JdgRunState *rs, JdgFlowStep *step,
						  const JdgFlowStep *child, JdgVerdict verdict,
						  Jsonb *result);

/*
 * Add a value to a result.  *size is the sum so far; false: there is no more
 * room.
 */
extern bool jdg_group_push(JsonbParseState **st, const char *key,
						   Jsonb *value, Size *size);

/*
 * For the kind's resume: first for each child that has begun, the i-th of
 * which has the row "child", then once for the group.
 */
extern void jdg_group_resume_child(JdgRunState *rs, JdgFlowStep *step,
								   const JdgFlowNode *node,
								   JdgFlowStep *child, int i, int64 skip);
extern void jdg_group_resumed(JdgRunState *rs, JdgFlowStep *step);

/* for explain_flow() */
extern char *jdg_group_completion(const JdgFlowNode *node, const char *n);
extern void jdg_group_options(const JdgFlowNode *node, StringInfo line);

#endif							/* JDG_FLOW_KIND_GROUP_H */
