/*-------------------------------------------------------------------------
 *
 * topic.h
 *	  Topics: parts of the event log, rows of jadugar_internal.topic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_TOPIC_H
#define JDG_EVENT_TOPIC_H

#include "postgres_ext.h"

#include "base/args.h"
#include "base/compat.h"

/* the built-in topics, and the first id of others */
#define JDG_TOPIC_DEFAULT	1
#define JDG_TOPIC_STREAMS	2
#define JDG_TOPIC_JADUGAR	3
#define JDG_TOPIC_FIRST		10

typedef struct JdgTopic
{
	int32		topic_id;
	char		name[JDG_NAME_MAX + 1];
	Oid			owner;
	bool		registered_only;	/* only registered types */
	bool		index_keys;		/* new leaves have an index of keys */
	int32		leaf;			/* the one for new events; 0: none yet */
	int64		max_backlog;	/* events that a subscription may have to
								 * come; 0: no limit */
	bool		full;			/* one has reached that */
	bool		archives;		/* leaves are kept in schema jadugar_archive */
} JdgTopic;

/*
 * Read a topic as it is now, whatever the transaction's snapshot shows; false:
 * it does not exist.
 */
extern bool jdg_topic_by_name(const char *name, JdgTopic *topic);
extern bool jdg_topic_by_id(int32 topic_id, JdgTopic *topic);

/* the same, raises NOT_FOUND */
extern void jdg_topic_need(const char *name, JdgTopic *topic);

/*
 * Locks the row of a topic that the caller may change until the transaction
 * ends, and returns the topic.  Raises NOT_FOUND or FORBIDDEN.  Inside
 * jdg_internal_begin(); "user" is the caller.
 */
extern void jdg_topic_lock(const char *name, Oid user, JdgTopic *topic);

/*
 * Keeps a topic from being dropped until the transaction ends; false: it does
 * not exist.  Inside jdg_internal_begin().
 */
extern bool jdg_topic_hold(int32 topic_id);

#endif							/* JDG_EVENT_TOPIC_H */
