/*-------------------------------------------------------------------------
 *
 * body.c
 *	  Bodies of requests, see body.h.
 *
 * The bytes depend on the payload and its blobs only, so all attempts send the
 * same: the boundary of a multipart body is no random number, but one that
 * does not occur in its parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/json.h"
#include "blob/blob.h"
#include "endpoint/header.h"
#include "request/body.h"
#include "request/encode.h"
#include "request/reader.h"

/* maximum number of parts of a multipart body */
#define PARTS_MAX 1000

/* length of a boundary, without a zero byte */
#define BOUNDARY_LEN 24

char *
jdg_body_of_form(List *fields, size_t *size)
{
	StringInfoData s;
	ListCell   *lc;

	initStringInfo(&s);
	foreach(lc, fields)
	{
		const JdgField *f = lfirst(lc);
		size_t		name = strlen(f->name);
		size_t		value = strlen(f->value);

		enlargeStringInfo(&s, (int) (JDG_ENCODED_MAX(name + value) + 2));
		if (s.len > 0)
			s.data[s.len++] = '&';
		s.len += (int) jdg_percent_encode(JDG_ENCODE_FORM, f->name, name,
										  s.data + s.len);
		s.data[s.len++] = '=';
		s.len += (int) jdg_percent_encode(JDG_ENCODE_FORM, f->value, value,
										  s.data + s.len);
	}
	s.data[s.len] = '\0';
	*size = (size_t) s.len;
	return s.data;
}

/* Reads a key of a part. */
static void
read_part_key(const char *key, JdgPart *part, const char *name,
			  const JsonbValue *v)
{
	JdgBodyKind kind = JDG_BODY_NONE;

	if (strcmp(name, "name") == 0)
		part->name = jdg_payload_string(key, v);
	else if (strcmp(name, "filename") == 0)
		part->filename = jdg_payload_string(key, v);
	else if (strcmp(name, "type") == 0)
	{
		part->type = jdg_payload_string(key, v);
		jdg_blob_check_type(key, part->type);
	}
	else if (strcmp(name, "text") == 0)
	{
		kind = JDG_BODY_TEXT;
		part->bytes = jdg_payload_scalar(key, v);
		part->size = strlen(part->bytes);
	}
	else if (strcmp(name, "base64") == 0)
	{
		kind = JDG_BODY_BASE64;
		part->bytes = jdg_payload_base64(key, v, &part->size);
	}
	else if (strcmp(name, "blob") == 0)
	{
		kind = JDG_BODY_BLOB;
		part->blob_id = jdg_payload_id(key, v);
	}
	else
		jdg_payload_fault_at(key, "A part has a key that is not recognized.", name,
							 "The keys of a part are name, text, base64, blob, filename and type.");
	if (kind == JDG_BODY_NONE)
		return;
	if (part->kind != JDG_BODY_NONE)
		jdg_payload_fault(key, "A part has more than one of text, base64 and blob.", NULL);
	part->kind = kind;
}

JdgPart *
jdg_body_read_part(const char *key, const JsonbValue *v)
{
	JdgPart    *part = palloc0(sizeof(JdgPart));
	JsonbIterator *it;
	JsonbValue	item;

	if (v->type != jbvBinary)
		jdg_payload_fault(key, "A part is not an object.", NULL);
	it = JsonbIteratorInit(v->val.binary.data);
	if (JsonbIteratorNext(&it, &item, true) != WJB_BEGIN_OBJECT)
		jdg_payload_fault(key, "A part is not an object.", NULL);
	while (JsonbIteratorNext(&it, &item, true) == WJB_KEY)
	{
		char	   *name = pnstrdup(item.val.string.val, item.val.string.len);

		(void) JsonbIteratorNext(&it, &item, true);
		if (item.type != jbvNull)
			read_part_key(key, part, name, &item);
	}
	if (part->name == NULL)
		jdg_payload_fault(key, "A part has no name.", NULL);
	if (part->kind == JDG_BODY_NONE)
		jdg_payload_fault(key, "A part has none of text, base64 and blob.", NULL);
	/* they stand in a header of the part */
	if (!jdg_header_is_value(part->name, strlen(part->name)) ||
		(part->filename != NULL &&
		 !jdg_header_is_value(part->filename, strlen(part->filename))))
		jdg_payload_fault(key, "The name or the filename of a part has a control character.",
						  NULL);
	return part;
}

static void
check_size(int64 size, int64 max)
{
	if (size <= max)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("the body of the request is too large"),
			 errdetail("It has at least " INT64_FORMAT " bytes. The endpoint's maximum is " INT64_FORMAT ".",
					   size, max),
			 errhint("See the option max_request of the endpoint.")));
}

/*
 * Reads a blob; one that has gone is a fault of the payload.  With data it is
 * in the current memory context.
 */
static void
read_blob(int64 blob_id, Oid role, bool with_data, int64 room, JdgBlob *blob)
{
	if (!jdg_blob_find(blob_id, role, blob))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("blob " INT64_FORMAT " does not exist", blob_id),
				 errdetail("The body of the request is in it."),
				 errhint("It may have expired. See the view jadugar.blobs.")));
	check_size(blob->size, room);
	if (with_data)
		jdg_blob_read(blob_id, role, true, blob);
}

void
jdg_body_check(const JdgPayload *p, Oid role, int64 max)
{
	int64		size = (int64) p->size;
	JdgBlob		blob;
	ListCell   *lc;

	if (list_length(p->parts) > PARTS_MAX)
		jdg_payload_fault("multipart", "It has more than 1000 parts.", NULL);
	if (p->body_kind == JDG_BODY_BLOB)
	{
		read_blob(p->blob_id, role, false, max, &blob);
		size = blob.size;
	}
	if (p->body_kind == JDG_BODY_JSON)
		size = jdg_json_text_size(p->json, max);
	foreach(lc, p->parts)
	{
		const JdgPart *part = lfirst(lc);

		if (part->kind == JDG_BODY_BLOB)
		{
			read_blob(part->blob_id, role, false, max, &blob);
			size += blob.size;
		}
		else
			size += (int64) part->size;
		check_size(size, max);
	}
	check_size(size, max);
}

/* A value of a jsonb, whose size was checked, as the text that is sent, in UTF-8. */
static void
make_json(const JdgPayload *p, JdgBody *body)
{
	char	   *text = JsonbToCString(NULL, &p->json->root, VARSIZE(p->json));

	body->bytes = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	body->size = strlen(body->bytes);
	body->type = "application/json";
}

/* The bytes of a part and the type that they have by themselves. */
static void
part_bytes(const JdgPart *part, Oid role, int64 room, JdgBody *body)
{
	JdgBlob		blob;

	memset(body, 0, sizeof(*body));
	if (part->kind != JDG_BODY_BLOB)
	{
		body->bytes = part->bytes;
		body->size = part->size;
		body->type = part->kind == JDG_BODY_BASE64 || part->filename ?
			"application/octet-stream" : NULL;
		return;
	}
	read_blob(part->blob_id, role, true, room, &blob);
	body->bytes = VARDATA_ANY(blob.data);
	body->size = VARSIZE_ANY_EXHDR(blob.data);
	body->type = blob.type ? blob.type : "application/octet-stream";
}

/* Does the boundary occur in the bytes? */
static bool
occurs(const char *boundary, const JdgBody *body)
{
	const char *at = body->bytes;
	size_t		left = body->size;

	while (left >= BOUNDARY_LEN)
	{
		const char *hit = memchr(at, boundary[0], left - BOUNDARY_LEN + 1);

		if (hit == NULL)
			return false;
		if (memcmp(hit, boundary, BOUNDARY_LEN) == 0)
			return true;
		left -= (size_t) (hit + 1 - at);
		at = hit + 1;
	}
	return false;
}

/* Chooses a boundary that none of the parts has in it. */
static void
choose_boundary(const JdgBody *bodies, int n, char *boundary)
{
	uint64		hash = 0;
	bool		taken = true;

	for (int i = 0; i < n; i++)
		hash = hash_combine64(hash, hash_bytes_extended((const unsigned char *) bodies[i].bytes,
														(int) bodies[i].size, i));
	for (uint64 k = 0; taken; k++)
	{
		snprintf(boundary, BOUNDARY_LEN + 1, "jadugar-%016llx",
				 (unsigned long long) (hash + k));
		taken = false;
		for (int i = 0; i < n && !taken; i++)
			taken = occurs(boundary, &bodies[i]);
	}
}

/* Adds a text in quotes, as browsers do. */
static void
add_quoted(StringInfo s, const char *text)
{
	appendStringInfoChar(s, '"');
	for (; *text; text ++)
	{
		if (*text == '"')
			appendStringInfoString(s, "%22");
		else
			appendStringInfoChar(s, *text);
	}
	appendStringInfoChar(s, '"');
}

static void
add_part(StringInfo s, const JdgPart *part, const JdgBody *body,
		 const char *boundary)
{
	const char *type = part->type ? part->type : body->type;

	appendStringInfo(s, "--%s\r\nContent-Disposition: form-data; name=", boundary);
	add_quoted(s, part->name);
	if (part->filename)
	{
		appendStringInfoString(s, "; filename=");
		add_quoted(s, part->filename);
	}
	if (type)
		appendStringInfo(s, "\r\nContent-Type: %s", type);
	appendStringInfoString(s, "\r\n\r\n");
	appendBinaryStringInfo(s, body->bytes, (int) body->size);
	appendStringInfoString(s, "\r\n");
}

static void
make_multipart(const JdgPayload *p, Oid role, int64 max, JdgBody *body)
{
	int			n = list_length(p->parts);
	JdgBody    *bodies = palloc(sizeof(JdgBody) * n);
	char		boundary[BOUNDARY_LEN + 1];
	int64		size = 0;
	StringInfoData s;

	for (int i = 0; i < n; i++)
	{
		part_bytes(list_nth(p->parts, i), role, max - size, &bodies[i]);
		size += (int64) bodies[i].size;
		check_size(size, max);
	}
	choose_boundary(bodies, n, boundary);
	initStringInfo(&s);
	for (int i = 0; i < n; i++)
		add_part(&s, list_nth(p->parts, i), &bodies[i], boundary);
	appendStringInfo(&s, "--%s--\r\n", boundary);
	body->bytes = s.data;
	body->size = (size_t) s.len;
	body->type = psprintf("multipart/form-data; boundary=%s", boundary);
}

void
jdg_body_make(const JdgPayload *p, Oid role, int64 max, JdgBody *body)
{
	JdgBlob		blob;

	memset(body, 0, sizeof(*body));
	jdg_body_check(p, role, max);
	body->bytes = p->bytes;
	body->size = p->size;
	switch (p->body_kind)
	{
		case JDG_BODY_NONE:
			return;
		case JDG_BODY_JSON:
			make_json(p, body);
			break;
		case JDG_BODY_TEXT:
			body->type = "text/plain; charset=utf-8";
			break;
		case JDG_BODY_BASE64:
			body->type = "application/octet-stream";
			break;
		case JDG_BODY_BLOB:
			read_blob(p->blob_id, role, true, max, &blob);
			body->bytes = VARDATA_ANY(blob.data);
			body->size = VARSIZE_ANY_EXHDR(blob.data);
			body->type = blob.type ? blob.type : "application/octet-stream";
			break;
		case JDG_BODY_FORM:
			body->type = "application/x-www-form-urlencoded";
			break;
		case JDG_BODY_MULTIPART:
			make_multipart(p, role, max, body);
			break;
	}
	check_size((int64) body->size, max);
	if (p->content_type)
		body->type = p->content_type;
}
