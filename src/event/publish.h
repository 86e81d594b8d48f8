/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  Publishing: events are written in the transaction of the caller.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_PUBLISH_H
#define JDG_EVENT_PUBLISH_H

#include "event/event.h"
#include "event/type.h"

/* the events of one call, which have type, version and topic in common */
typedef struct JdgPublisher
{
	/* set by the caller, then checked by jdg_publish_begin() */
	const char *type;
	int			version;		/* 0: the latest */
	const char *topic_name;		/* NULL: that of the type, or "default" */
	char	   *tenant;			/* NULL: see jdg_tenant_of_call() */
	char	   *trace;
	/* private */
	Oid			role;
	const JdgEventType *registered; /* NULL: the type is not */
	JdgTopic	topic;
	int64		cause;			/* the event that is handled; 0: none */
	int			hops;
	Jsonb	   *inherited;		/* headers that come from it, or NULL */
	JdgRows    *rows;
	JdgEvent	event;			/* the columns that all have */
} JdgPublisher;

/*
 * Checks the type, the topic and the privileges of the current user.  The
 * memory context must live until jdg_publish_end().
 */
extern void jdg_publish_begin(JdgPublisher *p);

/* what is particular to one event */
typedef struct JdgPublication
{
	Jsonb	   *data;
	char	   *key;			/* NULL: from the data, if the type says so */
	Jsonb	   *headers;		/* may be NULL */
	char	   *message_id;		/* may be NULL */
} JdgPublication;

/*
 * Checks an event, and sets its key; code of the type's owner may run.  All
 * events are checked before the first is added.
 */
extern void jdg_publish_check(JdgPublisher *p, JdgPublication *event);

/*
 * Adds an event, and returns its id.  If the role has used the message_id
 * before, returns the id of that event; waits for a transaction that uses it.
 */
extern int64 jdg_publish_add(JdgPublisher *p, const JdgPublication *event);

/*
 * Publishes an event of jadugar itself, in topic "jadugar", as if the role had
 * for a tenant, or for none (NULL).
 * Nothing is published before the topic has its first leaf, which a transaction
 * left open would keep from others: the scheduler makes it, or who subscribes.
 */
extern void jdg_publish_own(const char *type, Oid role, const char *tenant,
							const char *key, Jsonb *data);

/* writes the events */
extern void jdg_publish_end(JdgPublisher *p);

#endif							/* JDG_EVENT_PUBLISH_H */
