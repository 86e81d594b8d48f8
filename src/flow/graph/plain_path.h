/*-------------------------------------------------------------------------
 *
 * plain_path.h
 *	  Paths that may be evaluated anywhere: they consist of keys and
 *	  subscripts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PLAIN_PATH_H
#define JDG_FLOW_GRAPH_PLAIN_PATH_H

#include "flow/graph/object.h"

/*
 * Is a jsonpath plain?  Sets *step to the name in $.steps.NAME and its length,
 * or to NULL for a path of the input or of an item.  The name is not
 * terminated.
 */
extern bool jdg_path_is_plain(const char *text, const char **step, int *len);

/*
 * Raises VALIDATION_ERROR unless all paths in the value of a key are plain,
 * and few.  The value has been checked by jdg_object_template().
 */
extern void jdg_object_plain_paths(JdgFlowObject *o, const char *key);

#endif							/* JDG_FLOW_GRAPH_PLAIN_PATH_H */
