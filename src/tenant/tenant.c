/*-------------------------------------------------------------------------
 *
 * tenant.c
 *	  Rows of jadugar_internal.tenant as structs, and lanes of labels.
 *
 * Runs in any process; reads without locks, and keeps the rows it has read
 * until the configuration changes.  It also keeps that a label was not
 * created, because each task with a label asks.  A tenant may change or be
 * dropped between two calls, so a result may be outdated.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "access/row_access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/locks.h"
#include "shared/lanekey.h"
#include "shared/quota.h"
#include "shared/shmem.h"
#include "tenant/tenant.h"

static JdgQuery by_name_query = {
	"SELECT " JDG_TENANT_COLUMNS " FROM jadugar_internal.tenant "
	"WHERE name = $1", 1, {TEXTOID}
};

static JdgQuery by_id_query = {
	"SELECT " JDG_TENANT_COLUMNS " FROM jadugar_internal.tenant "
	"WHERE tenant_id = $1", 1, {INT4OID}
};

/* when there are more, none is kept */
#define MAX_KEPT 4096

/* a label, and its tenant; tenant_id 0: it was not created */
typedef struct Named
{
	char		name[JDG_TENANT_BYTES_MAX + 1]; /* hash key */
	JdgTenant	tenant;
} Named;

/* the name of a tenant that is kept */
typedef struct Numbered
{
	int32		tenant_id;		/* hash key */
	char		name[JDG_TENANT_BYTES_MAX + 1];
} Numbered;

/* the rows read at this epoch of the configuration */
static MemoryContext kept_context = NULL;
static HTAB *named = NULL;
static HTAB *numbered = NULL;
static uint64 kept_epoch = 0;

/* Begins anew to keep rows. */
static void
reset_kept(void)
{
	HASHCTL		ctl = {0};

	named = NULL;
	numbered = NULL;
	if (kept_context == NULL)
		kept_context = AllocSetContextCreate(TopMemoryContext,
											 "jadugar tenants",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(kept_context);
	ctl.hcxt = kept_context;
	ctl.keysize = JDG_TENANT_BYTES_MAX + 1;
	ctl.entrysize = sizeof(Named);
	named = hash_create("jadugar tenants by name", 16, &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	ctl.keysize = sizeof(int32);
	ctl.entrysize = sizeof(Numbered);
	numbered = hash_create("jadugar tenants by id", 16, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Drops the rows that an older epoch has kept.  May rows of this epoch be
 * kept?
 */
static bool
keeping(uint64 epoch)
{
	if (epoch == 0)
		return false;
	if (epoch != kept_epoch || numbered == NULL)
	{
		kept_epoch = 0;
		reset_kept();
		kept_epoch = epoch;
	}
	return true;
}

/* Keeps a tenant under its name, or that there is none. */
static void
keep(const char *name, const JdgTenant *tenant)
{
	Named	   *n;
	Numbered   *id;

	if (hash_get_num_entries(named) >= MAX_KEPT)
		reset_kept();
	n = hash_search(named, name, HASH_ENTER, NULL);
	n->tenant.tenant_id = 0;
	if (tenant == NULL)
		return;
	n->tenant = *tenant;
	id = hash_search(numbered, &tenant->tenant_id, HASH_ENTER, NULL);
	strlcpy(id->name, name, sizeof(id->name));
}

/* See tenant.h. */
void
jdg_tenant_read(uint64 row, JdgTenant *tenant)
{
	bool		isnull;
	char	   *text;

	memset(tenant, 0, sizeof(*tenant));
	tenant->tenant_id = jdg_col_int32(row, 1, 0);
	text = jdg_col_text(row, 2, CurrentMemoryContext);

	strlcpy(tenant->name, text, sizeof(tenant->name));
	tenant->owner = jdg_col_oid(row, 3);
	tenant->weight = jdg_col_int32(row, 4, 1);
	tenant->max_concurrency = jdg_col_int32(row, 5, 0);
	tenant->rate = jdg_rate_read(row, 6);
	(void) jdg_col(row, 9, &isnull);
	tenant->caps_priority = !isnull;
	tenant->max_priority = jdg_col_int32(row, 9, 0);
	tenant->max_tasks = jdg_col_int64(row, 10, 0);
	tenant->enqueue = jdg_rate_read(row, 11);
	text = jdg_col_text(row, 14, CurrentMemoryContext);

	tenant->keep = strcmp(text, "failures") == 0 ? JDG_KEEP_FAILURES :
		strcmp(text, "none") == 0 ? JDG_KEEP_NONE : JDG_KEEP_ALL;
	tenant->paused = jdg_col_bool(row, 15);
	tenant->dropping = jdg_col_bool(row, 16);
}

/* Reads one tenant.  False: there is none. */
static bool
load(JdgQuery *query, Datum key, JdgTenant *tenant)
{
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(query, &key, NULL, 1) > 0;
	if (found)
		jdg_tenant_read(0, tenant);
	jdg_internal_end(&in);
	return found;
}

bool
jdg_tenant_by_name(const char *name, JdgTenant *tenant)
{
	uint64		epoch = jdg_config_epoch_of_command();
	Named	   *n;
	bool		found;

	if (strlen(name) > JDG_TENANT_BYTES_MAX)
		return false;
	if (keeping(epoch) &&
		(n = hash_search(named, name, HASH_FIND, NULL)) != NULL)
	{
		*tenant = n->tenant;
		return n->tenant.tenant_id != 0;
	}
	found = load(&by_name_query, CStringGetTextDatum(name), tenant);
	if (keeping(epoch))
		keep(name, found ? tenant : NULL);
	return found;
}

bool
jdg_tenant_by_id(int32 tenant_id, JdgTenant *tenant)
{
	uint64		epoch = jdg_config_epoch_of_command();
	Numbered   *id;
	bool		found;

	if (keeping(epoch) &&
		(id = hash_search(numbered, &tenant_id, HASH_FIND, NULL)) != NULL)
		return jdg_tenant_by_name(id->name, tenant);
	found = load(&by_id_query, Int32GetDatum(tenant_id), tenant);
	if (found && keeping(epoch))
		keep(tenant->name, tenant);
	return found;
}

bool
jdg_tenant_is_paused(const char *label)
{
	JdgTenant	tenant;

	return label != NULL && jdg_tenant_by_name(label, &tenant) && tenant.paused;
}

JdgKeep
jdg_tenant_keep(const char *label)
{
	JdgTenant	tenant;

	return label != NULL && jdg_tenant_by_name(label, &tenant) ? tenant.keep :
		JDG_KEEP_ALL;
}

int32
jdg_tenant_lane(const char *label)
{
	JdgTenant	tenant;
	uint32		hash;

	if (label == NULL)
		return 0;
	if (jdg_tenant_by_name(label, &tenant))
		return -tenant.tenant_id;
	hash = hash_bytes((const unsigned char *) label, strlen(label)) &
		(JDG_LANE_HTTP - 1);
	return hash == 0 ? 1 : (int32) hash;
}

int32
jdg_tenant_weight(int32 lane)
{
	JdgTenant	t;

	return lane < 0 && jdg_tenant_by_id(-lane, &t) ? t.weight : 1;
}

void
jdg_tenant_check(const JdgTenant *tenant)
{
	if (tenant->weight > JDG_WEIGHT_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("weight must be at most %d", JDG_WEIGHT_MAX),
				 errdetail("The value is %d.", tenant->weight)));
	jdg_rate_check("rate", &tenant->rate);
	jdg_rate_check("enqueue_rate", &tenant->enqueue);
}

/*
 * A number of tasks that was counted without a bound is not kept up to date,
 * so it is counted anew.
 */
void
jdg_tenant_need_quota(const JdgTenant *tenant)
{
	JdgQuota   *quota;

	if (tenant->max_tasks == 0)
		return;
	jdg_require_shmem();
	quota = jdg_quota_get(tenant->tenant_id);
	if (quota == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("too many tenants have max_tasks"),
				 errdetail("The maximum for the server is %d.", JDG_QUOTAS_MAX),
				 errhint("Leave out max_tasks, or drop tenants.")));
	jdg_quota_doubt(quota, tenant->tenant_id);
}

JdgLimit
jdg_tenant_enqueue_limit(const JdgTenant *tenant)
{
	return jdg_limit_of_id(JDG_SCOPE_ENQUEUE, tenant->tenant_id, tenant->owner, 0,
						   &tenant->enqueue);
}

void
jdg_tenant_lock(const char *name, Oid user, JdgTenant *tenant)
{
	static JdgQuery q = {
		"SELECT " JDG_TENANT_COLUMNS " FROM jadugar_internal.tenant "
		"WHERE name = $1 FOR UPDATE", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};

	Assert(jdg_is_bookkeeping());
	/* a confined role does not learn whether there is one */
	if (jdg_confined(user) != NULL &&
		jdg_row_access(user, InvalidOid, name) == JDG_ROW_HIDDEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for tenant \"%s\"", name)));
	if (jdg_run(&q, v, NULL, 1) == 0)
		jdg_tenant_missing(name);
	jdg_tenant_read(0, tenant);
	if (!jdg_may_manage(user, tenant->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to change tenant \"%s\"", name),
				 errdetail("It belongs to role \"%s\".",
						   jdg_role_name(tenant->owner)),
				 errhint("A tenant can be paused and resumed by its owner and by operators.")));
}

/* why no row can get the label of a tenant */
typedef enum Fault
{
	FAULT_NONE,
	FAULT_DROPPING,
	FAULT_DROPPED				/* the transaction's snapshot is older */
} Fault;

/* The fault of a tenant at this moment. */
static Fault
fault_now(int32 tenant_id)
{
	static JdgQuery q = {
		"SELECT dropping FROM jadugar_internal.tenant WHERE tenant_id = $1",
		1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(tenant_id)};
	JdgTenant	tenant;
	JdgInternal in;
	Fault		fault = FAULT_DROPPED;

	if (!IsolationUsesXactSnapshot())
		return jdg_tenant_by_id(tenant_id, &tenant) && tenant.dropping ?
			FAULT_DROPPING : FAULT_NONE;
	jdg_internal_begin(&in);
	if (jdg_run_latest(&q, v, NULL) > 0)
		fault = jdg_col_bool(0, 1) ? FAULT_DROPPING : FAULT_NONE;
	jdg_internal_end(&in);
	return fault;
}

/* Uses a label, unless it has a fault.  Sets *tenant then. */
static Fault
use(const char *label, JdgTenant *tenant)
{
	if (!jdg_tenant_by_name(label, tenant))
		return FAULT_NONE;
	if (tenant->dropping)
		return FAULT_DROPPING;
	jdg_lock_xact_shared(JDG_LOCK_TENANT, (uint32) tenant->tenant_id);
	AcceptInvalidationMessages();
	return fault_now(tenant->tenant_id);
}

bool
jdg_tenant_try_use(const char *label)
{
	JdgTenant	tenant;

	return label == NULL || use(label, &tenant) == FAULT_NONE;
}

void
jdg_tenant_use(const char *label)
{
	JdgTenant	tenant;

	if (label == NULL)
		return;
	switch (use(label, &tenant))
	{
		case FAULT_NONE:
			break;
		case FAULT_DROPPING:
			jdg_tenant_is_dropped(&tenant);
			break;
		case FAULT_DROPPED:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("tenant \"%s\" has been dropped", tenant.name),
					 errdetail("The snapshot of this transaction is older."),
					 errhint("Begin another transaction.")));
			break;
	}
}

void
jdg_tenant_is_dropped(const JdgTenant *tenant)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("tenant \"%s\" is being dropped", tenant->name),
			 errhint("Call jadugar.drop_tenant() again if that was interrupted.")));
	pg_unreachable();
}

void
jdg_tenant_missing(const char *name)
{
	jdg_check_tenant("name", name);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("tenant \"%s\" does not exist", name),
			 errhint("See the view jadugar.tenants, or create it with jadugar.create_tenant().")));
	pg_unreachable();
}
