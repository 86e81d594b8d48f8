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

#endif							/* JDG_REQUEST_PAYLOAD_H */
