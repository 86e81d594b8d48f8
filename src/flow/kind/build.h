/*-------------------------------------------------------------------------
 *
 * build.h
 *	  From the arguments of a function or an operator to the object of a node.
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

/*
 * The same for an operator, whose operands become the children.  Plain
 * containers of the kind are merged: on the left, and with open_right on the
 * right.
 */
extern Datum jdg_build_operator(FunctionCallInfo fcinfo, const char *operator,
								const JdgKind *kind, bool open_right);

/* in the style that flows use, whatever IntervalStyle the session has */
extern char *jdg_flow_interval_text(const Interval *iv);

extern void jdg_flow_push_string(JsonbParseState **st,
								 JsonbIteratorToken token, const char *s);
extern void jdg_flow_push_jsonb(JsonbParseState **st,
								JsonbIteratorToken token, Jsonb *j);

#endif							/* JDG_FLOW_KIND_BUILD_H */
