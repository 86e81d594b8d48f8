/*-------------------------------------------------------------------------
 *
 * grant.h
 *	  Who may publish and read events.
 *
 * Privileges are read with the latest snapshot, and kept by each process until
 * the configuration changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_GRANT_H
#define JDG_EVENT_GRANT_H

#include "event/event.h"
#include "event/topic.h"
#include "event/type.h"

typedef enum JdgEventPrivilege
{
	JDG_EVENT_READ,
	JDG_EVENT_PUBLISH,
	JDG_EVENT_HOLD				/* of topics only */
} JdgEventPrivilege;

/* the words of the enum: those of topics, and those of types */
extern const char *const jdg_topic_privilege_words[];
extern const char *const jdg_event_privilege_words[];

/*
 * May the role publish events of the type in the topic?  Its owner may, roles
 * to which the type or the topic was granted, and without a registered type
 * the owner of the topic, and in the built-in topics everybody.
 */
extern bool jdg_event_may_publish(Oid role, const JdgTopic *topic,
								  const JdgEventType *type, const char *name);

/*
 * May the role know the definition of the type?  Confined roles may if it is
 * their own or was granted to them, other roles always.
 */
extern bool jdg_event_may_know(Oid role, const JdgEventType *type);

/*
 * Do subscriptions of the role count for the topic's max_backlog?  Those of its
 * owner, of roles to which that was granted, and of operators do.
 */
extern bool jdg_event_may_hold(Oid role, const JdgTopic *topic);

/* how much of an event a role may see */
typedef enum JdgEventAccess
{
	JDG_EVENT_HIDDEN,
	JDG_EVENT_OUTLINE,			/* without data and headers: a monitor */
	JDG_EVENT_WHOLE
} JdgEventAccess;

/*
 * The access of a role to an event of this topic.  Roles that may act for the
 * publisher, owners of the topic and of the type, roles to which one of them
 * was granted, and operators see all of it.  Of the event, the columns type,
 * version, published_at and publisher count.
 */
extern JdgEventAccess jdg_event_access(Oid role, const JdgTopic *topic,
									   const JdgEvent *e);

#endif							/* JDG_EVENT_GRANT_H */
