/*-------------------------------------------------------------------------
 *
 * private.h
 *	  Between the files that make a graph of a value: graph*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PRIVATE_H
#define JDG_FLOW_GRAPH_PRIVATE_H

#include "flow/graph/graph.h"

/* keys of a node's object; the first ones name its form */
typedef enum JdgFlowKey
{
	JDG_KEY_STEP, JDG_KEY_CHAIN, JDG_KEY_PARALLEL, JDG_KEY_RACE,
	JDG_KEY_BRANCH, JDG_KEY_EACH, JDG_KEY_LOOP, JDG_KEY_SLEEP,
	JDG_KEY_SLEEP_UNTIL, JDG_KEY_WAIT_EVENT, JDG_KEY_WAIT_SIGNAL,
	JDG_KEY_APPROVAL, JDG_KEY_SUB_FLOW,
	/* options */
	JDG_KEY_NAME, JDG_KEY_ON_FAILURE, JDG_KEY_TIMEOUT, JDG_KEY_AFTER,
	JDG_KEY_JOIN, JDG_KEY_JOIN_N,
	JDG_KEY_COMMAND, JDG_KEY_PAYLOAD, JDG_KEY_QUEUE, JDG_KEY_PRIORITY,
	JDG_KEY_RETRY, JDG_KEY_TRANSACTION, JDG_KEY_ISOLATE, JDG_KEY_SETTINGS,
	JDG_KEY_METADATA, JDG_KEY_CONCURRENCY_KEY, JDG_KEY_COMPENSATE,
	JDG_KEY_COMPENSATE_RETRY, JDG_KEY_PIVOT,
	JDG_KEY_COMPLETION, JDG_KEY_N, JDG_KEY_CONCURRENCY, JDG_KEY_REST,
	JDG_KEY_THEN, JDG_KEY_ELSE, JDG_KEY_DO, JDG_KEY_WHILE, JDG_KEY_MAX,
	JDG_KEY_DELAY, JDG_KEY_FILTER, JDG_KEY_ON_TIMEOUT, JDG_KEY_APPROVERS,
	JDG_KEY_MESSAGE, JDG_KEY_VERSION
} JdgFlowKey;

#define JDG_KEY_FORMS	(JDG_KEY_SUB_FLOW + 1)
#define JDG_KEY_COUNT	(JDG_KEY_VERSION + 1)

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

/* the object of one node, read but not looked at yet */
typedef struct JdgFlowObject
{
	JdgFlowParse *parse;
	JdgFlowNode *node;			/* being made of it */
	int			path_no;		/* the number its paths go by */
	uint64		has;			/* bit for each key */
	JsonbValue	v[JDG_KEY_COUNT];
} JdgFlowObject;

#define jdg_flow_has(o, key) (((o)->has & (UINT64CONST(1) << (key))) != 0)

/* values.c: values by key; absent ones give NULL, 0 or "if_none" */
extern const char *jdg_flow_key_name(JdgFlowKey key);
extern void jdg_flow_read_object(JdgFlowObject *o, JsonbContainer *json);
extern void jdg_flow_need(JdgFlowObject *o, JdgFlowKey key);
extern const char *jdg_flow_get_text(JdgFlowObject *o, JdgFlowKey key);
extern const char *jdg_flow_get_name(JdgFlowObject *o, JdgFlowKey key);
extern int	jdg_flow_get_int(JdgFlowObject *o, JdgFlowKey key, int min,
							 int if_none);
extern bool jdg_flow_get_bool(JdgFlowObject *o, JdgFlowKey key);
extern int	jdg_flow_get_word(JdgFlowObject *o, JdgFlowKey key,
							  const char *const *words, int nwords,
							  const char *hint);
extern Interval *jdg_flow_get_interval(JdgFlowObject *o, JdgFlowKey key);
extern Jsonb *jdg_flow_get_jsonb(JdgFlowObject *o, JdgFlowKey key);
extern Jsonb *jdg_flow_get_object(JdgFlowObject *o, JdgFlowKey key);
extern JsonbContainer *jdg_flow_get_array(JdgFlowObject *o, JdgFlowKey key);

/* texts.c: conditions, paths and templates */
extern bool jdg_flow_text_is_path(const char *text);
extern const char *jdg_flow_get_condition(JdgFlowObject *o, JdgFlowKey key);
extern const char *jdg_flow_get_items(JdgFlowObject *o);
extern const char *jdg_flow_get_instant(JdgFlowObject *o);
extern Jsonb *jdg_flow_get_template(JdgFlowObject *o, JdgFlowKey key,
									bool *has_paths);

/* task.c: what a step and its compensation say of their tasks */
extern void jdg_flow_parse_task(JdgFlowObject *o);
extern void jdg_flow_parse_compensation(JdgFlowObject *o);

/* check.c, data.c: once all nodes are there */
extern void jdg_flow_index_names(JdgFlowParse *p);
extern int	jdg_flow_find_named(const JdgFlowGraph *graph, const char *name,
								int len);
extern void jdg_flow_check_after(JdgFlowParse *p);
extern void jdg_flow_check_data(JdgFlowParse *p);

/* the innermost container of both, or one of them if it holds the other */
extern int	jdg_flow_common(const JdgFlowGraph *graph, int a, int b);

/* 'step "charge"', for messages */
extern const char *jdg_flow_label(const JdgFlowNode *node);

#endif							/* JDG_FLOW_GRAPH_PRIVATE_H */
