/*-------------------------------------------------------------------------
 *
 * type.h
 *	  Types of events, rows of jadugar_internal.event_type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_TYPE_H
#define JDG_EVENT_TYPE_H

#include "datatype/timestamp.h"
#include "utils/jsonpath.h"

/* limits of names, keys and message ids, in bytes */
#define JDG_EVENT_TYPE_MAX	128
#define JDG_EVENT_KEY_MAX	512

/* limit of the versions of a type */
#define JDG_EVENT_VERSIONS_MAX	1000

typedef struct JdgEventVersion
{
	char	   *payload_type;	/* qualified; NULL: any object */
	Oid			payload_oid;	/* its OID; InvalidOid: not looked up yet */
	char	   *upcast;			/* signature, from the version before; or NULL */
	char	   *downcast;		/* signature, to the version before; or NULL */
} JdgEventVersion;

typedef struct JdgEventType
{
	char	   *name;
	Oid			owner;
	int32		topic_id;
	JsonPath   *key;			/* of the key in the data; or NULL */
	int			latest;			/* number of versions */
	TimestampTz created_at;
	JdgEventVersion *version;	/* version n is version[n - 1] */
} JdgEventType;

/*
 * The type as it is now, whatever the transaction's snapshot shows; NULL: it
 * is not registered.  Valid as long as the current memory context, but not
 * beyond the transaction.
 */
extern const JdgEventType *jdg_event_type(const char *name);

/* its owner; InvalidOid: it is not registered */
extern Oid	jdg_event_type_owner(const char *name);

/*
 * Was an event of the type's name published as one of this type?  Not if it is
 * older, of another topic, or was not of a registered type: the type's owner has
 * no rights to it then, and code of the type does not convert it.  "type" may be NULL.
 */
extern bool jdg_event_type_covers(const JdgEventType *type, int32 topic_id,
								  int version, TimestampTz published_at);

/*
 * Raise VALIDATION_ERROR unless the name of a type, or a pattern of types, is
 * one.  "argument" is its argument.
 */
extern void jdg_event_type_check_name(const char *argument, const char *name);
extern void jdg_event_type_check_pattern(const char *argument,
										 const char *pattern);

#endif							/* JDG_EVENT_TYPE_H */
