/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of blobs in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "blob/expire.h"
#include "blob/owned.h"
#include "blob/total.h"
#include "tenant/rows.h"

static const JdgShmemPart *const shmem[] = {&jdg_blob_shmem, NULL};

static const JdgDuty duties[] = {
	{"blobs", JDG_DUTY_UPKEEP, 0, true, jdg_blob_expire},
	{NULL}
};

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.blob t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_blob_owned};

/* at most 64 MB in one transaction, and one blob at least */
static JdgQuery drop_rows = {
	"WITH found AS MATERIALIZED (SELECT t.ctid AS tid, t.size "
	"FROM jadugar_internal.blob t WHERE t.tenant = $1 "
	"LIMIT " JDG_TENANT_BATCH " FOR UPDATE), "
	"sized AS (SELECT s.tid, sum(s.size) OVER (ROWS UNBOUNDED PRECEDING) "
	"- s.size AS before FROM found s), "
	"gone AS (DELETE FROM jadugar_internal.blob WHERE ctid = ANY (ARRAY("
	"SELECT z.tid FROM sized z WHERE z.before < 67108864)) RETURNING 1) "
	"SELECT count(*), CASE WHEN count(*) > 0 THEN $2 END FROM gone", 2,
	{TEXTOID, TIMESTAMPTZOID}
};

static const JdgTenantRows tenant_rows[] = {
	{"blobs", false, &drop_rows},
	{NULL}
};

const JdgModule jdg_blob_module = {
	.name = "blob",
	.init = jdg_blob_total_init,
	.shmem = shmem,
	.duties = duties,
	.roles = &roles,
	.tenant_rows = tenant_rows,
};
