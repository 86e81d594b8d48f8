/*-------------------------------------------------------------------------
 *
 * blob.c
 *	  Rows of jadugar_internal.blob, see blob.h.
 *
 * Runs in any backend and in our own processes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/owner.h"
#include "access/row_access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "base/settings.h"
#include "blob/blob.h"
#include "blob/total.h"

int64
jdg_blob_max_size(void)
{
	return (int64) jdg_max_blob_size * 1024;
}

/* Is it a character of the names in a media type (RFC 9110, token)? */
static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Is it "name/name", and perhaps parameters of printable ASCII? */
bool
jdg_blob_is_type(const char *type)
{
	const char *at = type;
	const char *slash;

	while (is_token_char(*at))
		at++;
	slash = at;
	if (at == type || *at++ != '/')
		return false;
	while (is_token_char(*at))
		at++;
	if (at == slash + 1)
		return false;
	while (*at == ' ')
		at++;
	if (*at != '\0' && *at != ';')
		return false;
	for (; *at != '\0'; at++)
	{
		if (*at < ' ' || *at > '~')
			return false;
	}
	return at - type <= JDG_BLOB_TYPE_MAX;
}

void
jdg_blob_check_type(const char *argument, const char *type)
{
	if (type == NULL || jdg_blob_is_type(type))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid media type"),
			 errdetail("%s is \"%s\".", argument, jdg_excerpt(type)),
			 errhint("Write it like \"application/pdf\" or \"text/plain; charset=utf-8\", with at most %d bytes of ASCII.",
					 JDG_BLOB_TYPE_MAX)));
}

static void
raise_missing(int64 blob_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("blob " INT64_FORMAT " does not exist", blob_id),
			 errhint("It may have expired. See the view jadugar.blobs.")));
}

/*
 * Raises an error unless the role may act on the blob.  False: for this role it
 * does not exist.
 */
static bool
check_access(const JdgBlob *blob, Oid role)
{
	if (jdg_may_manage_row(role, blob->owner, blob->tenant))
		return true;
	if (jdg_row_access(role, blob->owner, blob->tenant) == JDG_ROW_HIDDEN &&
		jdg_confined(role) != NULL)
		return false;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied for blob " INT64_FORMAT, blob->blob_id),
			 errdetail("It belongs to role \"%s\".", jdg_role_name(blob->owner)),
			 errhint("Act as a member of that role.")));
	return false;
}

/*
 * Reads a row, but for its data, inside jdg_internal_begin().  False: there is
 * none.
 */
static bool
read_row(int64 blob_id, Oid role, MemoryContext mcxt, JdgBlob *blob)
{
	static JdgQuery q = {
		"SELECT b.owner, b.tenant, b.type, b.size, b.expires_at "
		"FROM jadugar_internal.blob b "
		"WHERE b.blob_id = $1 AND b.expires_at > $2", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[2] = {Int64GetDatum(blob_id), TimestampTzGetDatum(jdg_now())};

	if (jdg_run(&q, v, NULL, 1) == 0)
		return false;
	blob->blob_id = blob_id;
	blob->owner = jdg_col_oid(0, 1);
	blob->tenant = jdg_col_text(0, 2, mcxt);
	blob->type = jdg_col_text(0, 3, mcxt);
	blob->size = jdg_col_int64(0, 4, 0);
	blob->expires_at = jdg_col_time(0, 5, DT_NOEND);
	blob->data = NULL;
	return check_access(blob, role);
}

static bytea *
read_data(int64 blob_id, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT b.data FROM jadugar_internal.blob b WHERE b.blob_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(blob_id)};
	MemoryContext old;
	bytea	   *data;
	bool		isnull;

	if (jdg_run(&q, v, NULL, 1) == 0)
		raise_missing(blob_id);
	old = MemoryContextSwitchTo(mcxt);
	data = DatumGetByteaPCopy(jdg_col(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return data;
}

void
jdg_blob_read(int64 blob_id, Oid role, bool with_data, JdgBlob *blob)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;

	jdg_internal_begin(&in);
	if (!read_row(blob_id, role, mcxt, blob))
		raise_missing(blob_id);
	if (with_data)
		blob->data = read_data(blob_id, mcxt);
	jdg_internal_end(&in);
}

bool
jdg_blob_find(int64 blob_id, Oid role, JdgBlob *blob)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = read_row(blob_id, role, mcxt, blob);
	jdg_internal_end(&in);
	return found;
}

int64
jdg_blob_write(Oid owner, const char *tenant, const char *type, bytea *data,
			   TimestampTz now, TimestampTz expires_at)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.blob (owner, tenant, type, size, "
		"created_at, expires_at, data) VALUES ($owner, $tenant, $type, $size, "
		"$created_at, $expires_at, $data) RETURNING blob_id"
	};
	int64		size = VARSIZE_ANY_EXHDR(data);
	JdgParams	p = {0};
	JdgInternal in;
	int64		id;

	if (!jdg_blob_total_add(size))
		return 0;
	jdg_bind_oid(&p, "owner", owner);
	jdg_bind_text(&p, "tenant", tenant);
	jdg_bind_text(&p, "type", type);
	jdg_bind_int64(&p, "size", size);
	jdg_bind_instant(&p, "created_at", now);
	jdg_bind_instant(&p, "expires_at", expires_at);
	jdg_bind(&p, "data", BYTEAOID, PointerGetDatum(data), false);
	jdg_internal_begin(&in);
	jdg_run_params(&q, &p, 1);
	id = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	return id;
}

void
jdg_blob_delete(int64 blob_id, Oid role, JdgBlob *blob)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.blob WHERE blob_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(blob_id)};
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;

	jdg_internal_begin(&in);
	if (!read_row(blob_id, role, mcxt, blob) || jdg_run(&q, v, NULL, 0) == 0)
		raise_missing(blob_id);
	jdg_blob_total_deleted(blob->size);
	jdg_internal_end(&in);
}
