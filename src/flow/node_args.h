/*-------------------------------------------------------------------------
 *
 * node_args.h
 *	  From the arguments of a function to the object of a node of a flow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_NODE_ARGS_H
#define JDG_FLOW_NODE_ARGS_H

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef enum JdgFlowArgType
{
	JDG_FLOW_ARG_TEXT,
	JDG_FLOW_ARG_INT,
	JDG_FLOW_ARG_BOOL,
	JDG_FLOW_ARG_INTERVAL,
	JDG_FLOW_ARG_JSONB,
	JDG_FLOW_ARG_TEXTS,
	JDG_FLOW_ARG_FLOW,
	JDG_FLOW_ARG_FLOWS
} JdgFlowArgType;

typedef struct JdgFlowArg
{
	const char *name;			/* as in SQL */
	const char *key;			/* in the object */
	JdgFlowArgType type;
	bool		needed;
} JdgFlowArg;

/*
 * The object of what was given; NULL arguments are left out.  "instead": text
 * that takes the place of the first argument, or NULL.
 */
extern Jsonb *jdg_flow_make_node(FunctionCallInfo fcinfo,
								 const char *function,
								 const JdgFlowArg *args, int nargs,
								 const char *instead);

/* in the style in which flows have intervals, whatever the session's is */
extern char *jdg_flow_interval_text(const Interval *iv);

extern void jdg_flow_push_string(JsonbParseState **st,
								 JsonbIteratorToken token, const char *s);
extern void jdg_flow_push_jsonb(JsonbParseState **st,
								JsonbIteratorToken token, Jsonb *j);

#endif							/* JDG_FLOW_NODE_ARGS_H */
