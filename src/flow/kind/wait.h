/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  What waits have in common: wait_event, wait_signal, approval.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_WAIT_H
#define JDG_FLOW_KIND_WAIT_H

#include "flow/graph/object.h"
#include "flow/run/pass.h"

/* key: on_timeout */
extern void jdg_parse_on_timeout(JdgFlowObject *o);

/* the row says what it waits for, and until when */
extern void jdg_wait_open(JdgRunState *rs, JdgFlowStep *step);

/* the same for what may have come before: then it ends at once */
extern void jdg_wait_begin(JdgRunState *rs, JdgFlowStep *step);

/* it did not come in time; or, of what jdg_wait_begin() looks for, just now */
extern void jdg_wait_timed_out(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_wait_due(JdgRunState *rs, JdgFlowStep *step);

/* "signal:name": what the row says, and views show */
extern char *jdg_wait_event_name(const JdgFlowNode *node);

#endif							/* JDG_FLOW_KIND_WAIT_H */
