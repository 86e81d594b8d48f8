/*-------------------------------------------------------------------------
 *
 * texts.h
 *	  Conditions, paths and templates in a flow, and the SQL made of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_TEXTS_H
#define JDG_FLOW_GRAPH_TEXTS_H

#include "fmgr.h"

#include "flow/graph/object.h"

/* "$" begins a path, "$1" and the like an SQL expression */
extern bool jdg_text_is_path(const char *text);

/* is this string of a payload a path: "$", "$.x", "$[0]"?  "$$..." is not */
extern bool jdg_flow_is_path(const char *s, int len);

/*
 * Call an input function with a text of the value of "key".  If it refuses the
 * text, raises a VALIDATION_ERROR.
 */
extern Datum jdg_text_read(PGFunction input, JdgFlowObject *o,
						   const char *key, const char *text);

/* check a path, and keep it for jdg_flow_check_paths() */
extern void jdg_text_take_path(JdgFlowObject *o, const char *key,
							   const char *text);

/* an SQL expression or a path, and the command that evaluates it */
extern const char *jdg_object_condition(JdgFlowObject *o, const char *key);
extern const char *jdg_condition_command(const JdgFlowNode *node);

/*
 * JSON that may hold paths.  *has_paths is true also of strings that begin
 * with "$$": they are to be changed too.
 */
extern Jsonb *jdg_object_template(JdgFlowObject *o, const char *key,
								  bool *has_paths);

/* the hint of kinds whose text is a condition */
#define JDG_CONDITION_HINT \
	"Write a path that begins with $, or SQL that has the data as $1."

#endif							/* JDG_FLOW_GRAPH_TEXTS_H */
