/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Functions of all waits: wait_event, wait_signal, approval.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_WAIT_H
#define JDG_FLOW_KIND_WAIT_H

#include "flow/graph/object.h"
#include "flow/run/pass.h"

/* key: on_timeout */
extern void jdg_parse_on_timeout(JdgFlowObject *o);

/*
 * The row names the message that it waits for, and the end of its time.  A
 * message that arrived before ends the wait at once.
 */
extern void jdg_wait_begin(JdgRunState *rs, JdgFlowStep *step);

/* the time is over; jdg_wait_due() first looks for a message that is kept */
extern void jdg_wait_timed_out(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_wait_due(JdgRunState *rs, JdgFlowStep *step);

/* "signal:name", for the row and for views */
extern char *jdg_wait_event_name(const JdgFlowNode *node);

#endif							/* JDG_FLOW_KIND_WAIT_H */
