/*-------------------------------------------------------------------------
 *
 * check.h
 *	  The rules about a request that depend on its endpoint and owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_CHECK_H
#define JDG_REQUEST_CHECK_H

#include "endpoint/endpoint.h"
#include "request/payload.h"

/*
 * May tasks of the role send this?  Raises FORBIDDEN or VALIDATION_ERROR.  The
 * URL is checked when it is made.
 */
extern void jdg_request_check(const JdgPayload *p, const JdgEndpoint *e,
							  Oid role);

#endif							/* JDG_REQUEST_CHECK_H */
