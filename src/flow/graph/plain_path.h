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

#include "utils/jsonpath.h"

#include "flow/graph/object.h"

/* paths of an option at most */
#define JDG_PLAIN_PATHS_MAX 100

/* what a path begins with */
typedef enum JdgPathRoot
{
	JDG_PATH_INPUT,
	JDG_PATH_ITEM,
	JDG_PATH_INDEX,
	JDG_PATH_STEP
} JdgPathRoot;

typedef struct JdgPlainPath
{
	JdgPathRoot root;
	const char *step;			/* of JDG_PATH_STEP: its name, not terminated */
	int32		len;
	JsonPathItem begin;			/* the parts behind it follow */
} JdgPlainPath;

/* Reads a jsonpath; false: it is not plain. */
extern bool jdg_plain_path_read(const char *text, int len, JdgPlainPath *path);

/*
 * The value that a path finds in the one it begins with; NULL: none.  The time
 * does not depend on the size of the value.
 */
extern Jsonb *jdg_plain_path_find(const JdgPlainPath *path, Jsonb *root);

/*
 * Raises VALIDATION_ERROR unless all paths in the value of a key are plain,
 * and few.  The value has been checked by jdg_object_template().
 */
extern void jdg_object_plain_paths(JdgFlowObject *o, const char *key);

#endif							/* JDG_FLOW_GRAPH_PLAIN_PATH_H */
