/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Blobs of a role, for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "blob/owned.h"
#include "blob/total.h"

static JdgQuery list = {
	"SELECT t.blob_id::text, NULL::text FROM jadugar_internal.blob t "
	"WHERE t.owner = $1 ORDER BY t.blob_id", 1, {OIDOID}
};

static void
reassign_blobs(JdgHandover *h)
{
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.blob SET owner = $2 WHERE owner = $1",
		2, {OIDOID, OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

static void
drop_blobs(JdgHandover *h)
{
	static JdgQuery size = {
		"SELECT sum(t.size)::bigint FROM jadugar_internal.blob t "
		"WHERE t.owner = $1", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.blob WHERE owner = $1", 1, {OIDOID}},
		{NULL}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};

	if (!h->dry_run)
	{
		jdg_run(&size, v, NULL, 1);
		jdg_blob_total_deleted(jdg_col_int64(0, 1, 0));
	}
	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_blob_owned[] = {
	{"blobs", reassign_blobs, drop_blobs},
	{NULL}
};
