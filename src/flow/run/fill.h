/*-------------------------------------------------------------------------
 *
 * fill.h
 *	  Templates: paths in them are replaced by the values they find.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_FILL_H
#define JDG_FLOW_RUN_FILL_H

#include "flow/run/pass.h"

/* as the user, in a worker; a path that fails raises its error */
extern Jsonb *jdg_fill_in(Jsonb *template, Jsonb *data);

/*
 * The same in a pass, for a step that begins: paths are plain
 * (graph/plain_path.h), and see what a task of the step would see.  NULL: what
 * they have found is too large.
 */
extern Jsonb *jdg_step_fill_in(JdgRunState *rs, const JdgFlowStep *step,
							   Jsonb *template);

#endif							/* JDG_FLOW_RUN_FILL_H */
