/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  Data of events against the versions of their types.
 *
 * All functions run outside jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CONVERT_H
#define JDG_EVENT_CONVERT_H

#include "utils/jsonb.h"

#include "event/type.h"

/*
 * Raises VALIDATION_ERROR unless the data is what the version asks for.  Runs
 * as the owner of the type.
 */
extern void jdg_event_check_data(const JdgEventType *type, int version,
								 Jsonb *data);

/*
 * The payload_type of a version, or InvalidOid if it has none.  Raises an error
 * if it does not exist any more, or cannot be one.
 */
extern Oid	jdg_event_payload_type(const JdgEventType *type, int version);

/* can a type be a payload_type: composite, a domain over that or over jsonb? */
extern bool jdg_event_payload_type_ok(Oid type);

/* the key that the type takes from the data, or NULL */
extern char *jdg_event_key_of(const JdgEventType *type, Jsonb *data);

/*
 * Data of version "from" as version "to": upcasts or downcasts one after the
 * other, as the owner of the type, and passes on their errors.  The result is
 * in the current memory context.
 */
extern Jsonb *jdg_event_cast(const JdgEventType *type, int from, int to,
							 Jsonb *data);

#endif							/* JDG_EVENT_CONVERT_H */
