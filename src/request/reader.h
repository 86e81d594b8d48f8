/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  Values of a payload: their types, and errors about them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_READER_H
#define JDG_REQUEST_READER_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "base/compat.h"

/*
 * Raises VALIDATION_ERROR: the key of the payload is not valid.  "what" is a
 * whole sentence about the value, "hint" another one or NULL.
 */
JDG_NORETURN extern void jdg_payload_fault(const char *key, const char *what,
										   const char *hint);

/* the same with an excerpt of the value */
JDG_NORETURN extern void jdg_payload_fault_at(const char *key, const char *what,
											  const char *value,
											  const char *hint);

/* the same for one of the parameters, or one of the headers */
JDG_NORETURN extern void jdg_payload_fault_parameter(const char *key,
													 const char *what,
													 const char *name,
													 const char *hint);
JDG_NORETURN extern void jdg_payload_fault_header(const char *key,
												  const char *what,
												  const char *name,
												  const char *hint);

/* the value as a text in UTF-8; raises an error if it is no string */
extern char *jdg_payload_string(const char *key, const JsonbValue *v);

/* the same for a string, a number or a boolean */
extern char *jdg_payload_scalar(const char *key, const JsonbValue *v);

/* a positive whole number */
extern int64 jdg_payload_id(const char *key, const JsonbValue *v);

/*
 * The fields of an object as a list of JdgField, sorted by name.  A field that
 * is null is left out; one that is an array is one field for each element.
 */
extern List *jdg_payload_fields(const char *key, const JsonbValue *v);

/* the elements of an array: a list of JsonbValue * */
extern List *jdg_payload_elements(const char *key, const JsonbValue *v);

/* bytes of base64 */
extern char *jdg_payload_base64(const char *key, const JsonbValue *v,
								size_t *size);

#endif							/* JDG_REQUEST_READER_H */
