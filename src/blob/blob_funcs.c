/*-------------------------------------------------------------------------
 *
 * blob_funcs.c
 *	  SQL functions put_blob(), get_blob() and drop_blob().
 *
 * Run in any backend and in workers, as the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "blob/blob.h"
#include "exec/tenant.h"
#include "shared/shmem.h"

typedef struct BlobArgs
{
	bytea	   *data;
	char	   *type;
	Interval   *ttl;
	int64		id;
} BlobArgs;

#define FIELD(field) offsetof(BlobArgs, field)

static const JdgArg put_args[] = {
	{"data", BYTEAOID, FIELD(data), JDG_NEEDED},
	{"type", TEXTOID, FIELD(type)},
	{"ttl", INTERVALOID, FIELD(ttl), JDG_NEEDED},
};

static const JdgArg get_args[] = {
	{"id", INT8OID, FIELD(id), JDG_NEEDED},
};

static void
check_size(int64 size)
{
	if (size <= jdg_blob_max_size())
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("the blob is too large"),
			 errdetail("It has " INT64_FORMAT " bytes; the maximum is " INT64_FORMAT ".",
					   size, jdg_blob_max_size()),
			 errhint("See the setting jadugar.max_blob_size.")));
}

static void
raise_no_room(int64 size)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("there is no room for a blob of " INT64_FORMAT " bytes",
					size),
			 errdetail("All blobs of the database have at most %d kB.",
					   jdg_max_blob_total),
			 errhint("Drop blobs, or raise jadugar.max_blob_total.")));
}

/* put_blob(data, type, ttl) */
JDG_FUNCTION(jdg_put_blob, JDG_LEVEL_USER)
{
	BlobArgs	a = {0};
	TimestampTz now = jdg_now();
	TimestampTz expires_at;
	Oid			owner;
	char	   *tenant;
	int64		id;

	jdg_require_shmem();
	JDG_READ_ARGS("put_blob", put_args, &a);
	check_size(VARSIZE_ANY_EXHDR(a.data));
	jdg_blob_check_type("type", a.type);
	expires_at = jdg_time_after(now, jdg_check_interval("ttl", a.ttl, false));
	owner = jdg_resolve_object_owner(NULL);
	tenant = jdg_tenant_of_call(NULL);
	id = jdg_blob_write(owner, tenant, a.type, a.data, now, expires_at);
	if (id == 0)
		raise_no_room(VARSIZE_ANY_EXHDR(a.data));
	PG_RETURN_INT64(id);
}

/* get_blob(id) */
JDG_FUNCTION(jdg_get_blob, JDG_LEVEL_USER_READS)
{
	BlobArgs	a = {0};
	JdgBlob		blob;

	JDG_READ_ARGS("get_blob", get_args, &a);
	jdg_blob_read(a.id, GetUserId(), true, &blob);
	PG_RETURN_BYTEA_P(blob.data);
}

/* drop_blob(id) */
JDG_FUNCTION(jdg_drop_blob, JDG_LEVEL_USER)
{
	BlobArgs	a = {0};
	JdgBlob		blob;
	JdgInternal in;

	jdg_require_shmem();
	JDG_READ_ARGS("drop_blob", get_args, &a);
	jdg_blob_delete(a.id, GetUserId(), &blob);
	jdg_internal_begin(&in);
	jdg_audit_work("drop_blob", "blob", a.id, blob.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
