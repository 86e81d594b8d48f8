/*-------------------------------------------------------------------------
 *
 * request.h
 *	  What a message asks of a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_REQUEST_H
#define JDG_FLOW_RUN_REQUEST_H

#include "flow/run/message.h"
#include "flow/run/pass.h"

/*
 * Do it.  step_id: of the wait that an event is for.  The message goes, unless
 * it is kept until a step has ended or a wait takes it.
 */
extern void jdg_serve_message(JdgRunState *rs, int64 step_id,
							  const JdgFlowMessage *m);

#endif							/* JDG_FLOW_RUN_REQUEST_H */
