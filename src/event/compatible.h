/*-------------------------------------------------------------------------
 *
 * compatible.h
 *	  Does a new version of an event type follow from the one before?
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_COMPATIBLE_H
#define JDG_EVENT_COMPATIBLE_H

#include "event/type.h"
#include "handler/function.h"

/*
 * Checks version "version" of a type, with a payload_type (InvalidOid: any
 * object), against the versions before in "type" (NULL: none).  Raises
 * VALIDATION_ERROR if an upcast or a downcast (NULL: none) converts other
 * types, or if an upcast is missing where the new version does more than add
 * attributes that may be null.
 */
extern void jdg_event_check_compatible(const char *name, int version,
									   const JdgEventType *type,
									   Oid payload_type,
									   const JdgFunction *upcast,
									   const JdgFunction *downcast);

#endif							/* JDG_EVENT_COMPATIBLE_H */
