/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  The payload of an HTTP task as a struct.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_PAYLOAD_H
#define JDG_REQUEST_PAYLOAD_H

#include "request/fields.h"

/*
 * Reads a payload in the current memory context, by all rules that need
 * neither endpoint nor tables.  Raises VALIDATION_ERROR with the key, the value
 * and what is wrong with it.  In a transaction.
 */
extern void jdg_payload_read(const Jsonb *json, JdgPayload *p);

/* The method of a payload that was checked.  Raises nothing. */
extern const char *jdg_payload_method(const Jsonb *json);

/*
 * Is it a method whose request has its effect again if it is sent again?  PUT
 * and DELETE have it once.
 */
extern bool jdg_method_is_unsafe(const char *method);

#endif							/* JDG_REQUEST_PAYLOAD_H */
