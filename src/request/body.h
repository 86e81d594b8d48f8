/*-------------------------------------------------------------------------
 *
 * body.h
 *	  Bodies of requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_BODY_H
#define JDG_REQUEST_BODY_H

#include "request/fields.h"

/* the bytes of a body, and what they are */
typedef struct JdgBody
{
	char	   *bytes;			/* NULL: there is no body */
	size_t		size;
	const char *type;			/* media type; NULL: none */
} JdgBody;

/* a form as application/x-www-form-urlencoded, of JdgFields */
extern char *jdg_body_of_form(List *fields, size_t *size);

/* reads an element of the key "multipart" */
extern JdgPart *jdg_body_read_part(const char *key, const JsonbValue *v);

/*
 * Checks that the body can be sent by tasks of a role: blobs are there and the
 * role may read them, and it has at most so many bytes.  Reads no data of
 * blobs.  Raises VALIDATION_ERROR or FORBIDDEN.
 */
extern void jdg_body_check(const JdgPayload *p, Oid role, int64 max);

/* The same, and makes the body in the current memory context. */
extern void jdg_body_make(const JdgPayload *p, Oid role, int64 max,
						  JdgBody *body);

#endif							/* JDG_REQUEST_BODY_H */
