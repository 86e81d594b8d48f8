/*-------------------------------------------------------------------------
 *
 * object.h
 *	  The object of a node while a graph is made of it: its keys' values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_OBJECT_H
#define JDG_FLOW_GRAPH_OBJECT_H

#include "flow/graph/node.h"

/* one name of an "after" */
typedef struct JdgFlowAfter
{
	int			no;				/* the node that waits */
	const char *name;
} JdgFlowAfter;

/* one jsonpath of a node */
typedef struct JdgFlowPath
{
	int			no;
	bool		undoing;		/* of its compensation */
	const char *text;
} JdgFlowPath;

/* a graph that is being made */
typedef struct JdgFlowParse
{
	JdgFlowGraph *graph;
	bool		whole;
	int			room;			/* for nodes */
	int			nleaves;
	int			ncontainers;
	JdgFlowAfter *after;		/* in order of numbers */
	int			nafter;
	int			after_room;
	JdgFlowPath *paths;			/* in order of numbers */
	int			npaths;
	int			paths_room;
} JdgFlowParse;

/* more than a node of any kind may have */
#define JDG_OBJECT_MAX_KEYS 32

typedef struct JdgFlowObject
{
	JdgFlowParse *parse;
	JdgFlowNode *node;			/* being made of it */
	int			path_no;		/* the number its paths go by */
	int			depth;			/* of its node: how many containers deep */
	int			nkeys;
	JsonbValue	keys[JDG_OBJECT_MAX_KEYS];
	JsonbValue	values[JDG_OBJECT_MAX_KEYS];
} JdgFlowObject;

/*
 * Set the kind of the node, and a name for messages; refuse keys that the
 * kind does not have.  o->node->no has been set, and the name of a
 * compensation.
 */
extern void jdg_object_read(JdgFlowObject *o, JsonbContainer *json);

extern bool jdg_object_get(const JdgFlowObject *o, const char *key,
						   JsonbValue *v);
extern bool jdg_object_has(const JdgFlowObject *o, const char *key);
extern void jdg_object_need(JdgFlowObject *o, const char *key);

/* values by key; absent ones give NULL, false or "if_none" */
extern const char *jdg_object_text(JdgFlowObject *o, const char *key);
extern const char *jdg_object_name(JdgFlowObject *o, const char *key);
extern int	jdg_object_int(JdgFlowObject *o, const char *key, int min,
						   int if_none);
extern bool jdg_object_bool(JdgFlowObject *o, const char *key);
extern int	jdg_object_word(JdgFlowObject *o, const char *key,
							const char *const *words, int nwords,
							const char *hint);
extern Interval *jdg_object_interval(JdgFlowObject *o, const char *key);
extern Jsonb *jdg_object_jsonb(JdgFlowObject *o, const char *key);
extern Jsonb *jdg_object_object(JdgFlowObject *o, const char *key);
extern JsonbContainer *jdg_object_array(JdgFlowObject *o, const char *key);

#endif							/* JDG_FLOW_GRAPH_OBJECT_H */
