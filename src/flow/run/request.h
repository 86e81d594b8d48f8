/*-------------------------------------------------------------------------
 *
 * request.h
 *	  Requests to a run that arrive as messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_REQUEST_H
#define JDG_FLOW_RUN_REQUEST_H

#include "flow/run/message.h"
#include "flow/run/pass.h"

/*
 * Serve a message.  Deletes it, or keeps it until a step has ended or a wait
 * takes it.
 */
extern void jdg_serve_message(JdgRunState *rs, const JdgFlowMessage *m);

#endif							/* JDG_FLOW_RUN_REQUEST_H */
