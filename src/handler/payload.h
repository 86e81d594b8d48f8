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

/* is it a composite type, or a domain over one? */
extern bool jdg_payload_type_ok(Oid type);

/*
 * Would a payload make a value of the type?  VALIDATION_ERROR naming the
 * field if not.  Runs the checks of domains, as the current user.  Outside
 * jdg_internal_begin().
 */
extern void jdg_payload_check(Oid type, Jsonb *payload);

/* errors of user code that mean "this input is wrong", not "not now" */
extern bool jdg_error_blames_input(const ErrorData *edata);

#endif							/* JDG_HANDLER_PAYLOAD_H */
