/*-------------------------------------------------------------------------
 *
 * draft.h
 *	  Drafts: flows that are put together step by step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_DRAFT_H
#define JDG_FLOW_GRAPH_DRAFT_H

#include "utils/jsonb.h"

/*
 * The flow that the draft of that name of "owner" makes, not checked as a
 * whole, in the current context; NULL: there is no such draft.  A draft
 * without steps is a VALIDATION_ERROR.  Inside or outside
 * jdg_internal_begin().
 */
extern Jsonb *jdg_flow_draft(Oid owner, const char *name);

/* the same for views: NULL also for a draft without steps */
extern Jsonb *jdg_flow_draft_peek(Oid owner, const char *name);

/* drop it with its steps; false: there is none.  Inside or outside. */
extern bool jdg_flow_draft_drop(Oid owner, const char *name);

#endif							/* JDG_FLOW_GRAPH_DRAFT_H */
