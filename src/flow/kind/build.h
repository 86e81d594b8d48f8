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
 * The object of what was given; NULL arguments are left out.  "instead": text
 * that takes the place of the first argument, or NULL.
 */
extern Jsonb *jdg_build_object(FunctionCallInfo fcinfo, const JdgKind *kind,
							   const char *instead);

/* the same, parsed to find out what is wrong with it */
extern Datum jdg_build_node(FunctionCallInfo fcinfo, const JdgKind *kind);

/* in the style in which flows have intervals, whatever the session's is */
extern char *jdg_flow_interval_text(const Interval *iv);

extern void jdg_flow_push_string(JsonbParseState **st,
								 JsonbIteratorToken token, const char *s);
extern void jdg_flow_push_jsonb(JsonbParseState **st,
								JsonbIteratorToken token, Jsonb *j);

#endif							/* JDG_FLOW_KIND_BUILD_H */
