/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  Strict conversion of payloads to composite types.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_PAYLOAD_H
#define JDG_HANDLER_PAYLOAD_H

#include "utils/jsonb.h"

/*
 * The type that the caller names as payload_type, and may use.  Raises
 * NOT_FOUND or FORBIDDEN.  Outside jdg_internal_begin().
 */
extern Oid	jdg_payload_type_find(const char *given);

/* the type of a stored name; InvalidOid if there is none */
extern Oid	jdg_payload_type_read(const char *stored);

/* is it a composite type, or a domain over one? */
extern bool jdg_payload_type_ok(Oid type);

/* has such a type a field of this name? */
extern bool jdg_payload_type_has(Oid type, const char *field);

/*
 * Would a payload make a value of the type?  VALIDATION_ERROR naming the
 * field if not.  Runs the checks of domains, as the current user.  Outside
 * jdg_internal_begin().
 */
extern void jdg_payload_check(Oid type, Jsonb *payload);

/*
 * Is the payload certainly a value of the type, as could be seen without any
 * code of users?  False says nothing.
 */
extern bool jdg_payload_is_plain(Oid type, Jsonb *payload);

/*
 * In PG_CATCH: the error, if it is one of user code that means "this input is
 * wrong", a copy in "mcxt", which becomes current.  Any other goes on.
 */
extern ErrorData *jdg_take_input_error(MemoryContext mcxt);

#endif							/* JDG_HANDLER_PAYLOAD_H */
