/*-------------------------------------------------------------------------
 *
 * build.h
 *	  From the arguments of a function to the object of a node of a flow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_BUILD_H
#define JDG_FLOW_KIND_BUILD_H

#include "fmgr.h"

#include "flow/kind/kind.h"

/*
 * Make the object; NULL arguments are left out.  "instead": text that takes
 * the place of the first argument, or NULL.
 */
extern Jsonb *jdg_build_object(FunctionCallInfo fcinfo, const JdgKind *kind,
							   const char *instead);

/* the same, parsed to refuse invalid values */
extern Datum jdg_build_node(FunctionCallInfo fcinfo, const JdgKind *kind);

/* in the style that flows use, whatever IntervalStyle the session has */
extern char *jdg_flow_interval_text(const Interval *iv);

extern void jdg_flow_push_string(JsonbParseState **st,
								 JsonbIteratorToken token, const char *s);
extern void jdg_flow_push_jsonb(JsonbParseState **st,
								JsonbIteratorToken token, Jsonb *j);

#endif							/* JDG_FLOW_KIND_BUILD_H */
