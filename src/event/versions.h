/*-------------------------------------------------------------------------
 *
 * versions.h
 *	  The argument "versions": in which versions events are wanted.
 *
 * An object such as {"order.created": 1}.  Types that it does not name are
 * wanted in their latest versions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_VERSIONS_H
#define JDG_EVENT_VERSIONS_H

#include "utils/jsonb.h"

#include "event/type.h"

/*
 * Raises VALIDATION_ERROR or NOT_FOUND unless all types are registered and
 * have these versions.  NULL is accepted.  Outside jdg_internal_begin().
 */
extern void jdg_event_check_versions(const Jsonb *versions);

/* the version in which events of the type are wanted; "versions" may be NULL */
extern int	jdg_event_version_wanted(const Jsonb *versions,
									 const JdgEventType *type);

#endif							/* JDG_EVENT_VERSIONS_H */
