/*-------------------------------------------------------------------------
 *
 * fields.h
 *	  The fields of a payload as structs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_FIELDS_H
#define JDG_REQUEST_FIELDS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* how the body of a response is kept */
typedef enum JdgResponseKind
{
	JDG_RESPONSE_AUTO,
	JDG_RESPONSE_JSON,
	JDG_RESPONSE_TEXT,
	JDG_RESPONSE_BASE64,
	JDG_RESPONSE_BLOB,
	JDG_RESPONSE_NONE
} JdgResponseKind;

typedef enum JdgBodyKind
{
	JDG_BODY_NONE,
	JDG_BODY_JSON,
	JDG_BODY_TEXT,
	JDG_BODY_BASE64,
	JDG_BODY_BLOB,
	JDG_BODY_FORM,
	JDG_BODY_MULTIPART
} JdgBodyKind;

/* a field of an object, in UTF-8: a parameter, a header */
typedef struct JdgField
{
	char	   *name;
	char	   *value;
	int			order;			/* among the fields of its object */
} JdgField;

/* a part of a multipart body */
typedef struct JdgPart
{
	char	   *name;
	char	   *filename;		/* NULL: none */
	char	   *type;			/* media type, or NULL */
	JdgBodyKind kind;			/* TEXT, BASE64 or BLOB */
	char	   *bytes;			/* of the first two: decoded */
	size_t		size;
	int64		blob_id;
} JdgPart;

/*
 * All texts are in UTF-8, whatever the encoding of the database is, but for the
 * name of the endpoint.
 */
typedef struct JdgPayload
{
	char	   *endpoint;
	char	   *url;			/* NULL: path */
	char	   *path;			/* with "{name}"; NULL: "/" */
	List	   *params;			/* JdgField *, each used in the path */
	List	   *query;			/* JdgField *, sorted by name */
	const char *method;
	List	   *headers;		/* JdgField * */
	JdgBodyKind body_kind;
	Jsonb	   *json;			/* JDG_BODY_JSON */
	char	   *bytes;			/* TEXT, BASE64 (decoded), FORM (encoded) */
	size_t		size;
	int64		blob_id;
	List	   *parts;			/* JdgPart * */
	char	   *content_type;
	List	   *expect;			/* char *; NIL: as the endpoint says */
	JdgResponseKind response;
	bool		fail_when_open;
	int64		timeout_us;		/* 0: none */
	char	   *idempotency_key;
} JdgPayload;

#endif							/* JDG_REQUEST_FIELDS_H */
