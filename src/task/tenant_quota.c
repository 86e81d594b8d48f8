/*-------------------------------------------------------------------------
 *
 * tenant_quota.c
 *	  Quotas of tenants, see tenant_quota.h.
 *
 * Runs in any backend and in our own processes.  Tasks are counted in
 * shared/quota.h for tenants with max_tasks.  A tally (base/tally.h) has what
 * this transaction has inserted and deleted; at commit it is added.  A prepared transaction adds what it has inserted,
 * since the session that commits it does not know; the number is then too
 * high until it is counted again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/tally.h"
#include "shared/gate.h"
#include "shared/quota.h"
#include "task/tenant_quota.h"
#include "tenant/tenant.h"

/* a number that is too high is counted again after this time */
#define COUNT_AGAIN_US (10 * USECS_PER_SEC)

typedef struct Record
{
	JdgTallyRow of;				/* the tenant */
	JdgQuota   *quota;			/* NULL: none is free, nothing is counted */
	int64		inserted;
	int64		deleted;
} Record;

static void end_record(void *row, XactEvent event);
static void merge_records(void *into, const void *from);

static JdgTally tally = {sizeof(Record), end_record, merge_records};

void
jdg_tenant_quota_count(const char *label, int64 n)
{
	JdgTenant	tenant;
	Record	   *r;

	if (label == NULL || !jdg_tenant_by_name(label, &tenant) ||
		tenant.max_tasks == 0)
		return;
	r = jdg_tally_row(&tally, tenant.tenant_id);
	if (r->quota == NULL)
		r->quota = jdg_quota_get(tenant.tenant_id);
	if (n > 0)
		r->inserted += n;
	else
		r->deleted -= n;
}

int32
jdg_tenant_priority(const char *label, int32 priority)
{
	JdgTenant	tenant;

	if (label == NULL || !jdg_tenant_by_name(label, &tenant) ||
		!tenant.caps_priority)
		return priority;
	return Min(priority, tenant.max_priority);
}

/* The tasks by which this transaction changes the number. */
static int64
mine(int32 tenant_id)
{
	int64		n = 0;

	for (int i = 0; i < tally.n; i++)
	{
		const Record *r = jdg_tally_at(&tally, i);

		if (r->of.id == tenant_id)
			n += r->inserted - r->deleted;
	}
	return n;
}

/* Counts the tasks that are committed, those that this transaction ends too. */
static void
count_tasks(JdgQuota *quota, const JdgTenant *tenant)
{
	static JdgQuery q = {
		"SELECT count(*) FROM jadugar_internal.task WHERE tenant = $1",
		1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(tenant->name)};
	uint32		count = jdg_quota_count_begin(quota);
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_run_latest(&q, v, NULL);
	jdg_quota_count_end(quota, count,
						jdg_col_int64(0, 1, 0) - mine(tenant->tenant_id),
						jdg_now());
	jdg_internal_end(&in);
}

/* Has the tenant room for n more tasks? */
static bool
has_room(JdgQuota *quota, const JdgTenant *tenant, int64 n)
{
	TimestampTz counted_at;
	int64		tasks = jdg_quota_tasks(quota, tenant->tenant_id, &counted_at);

	if (tasks < 0)
	{
		count_tasks(quota, tenant);
		tasks = jdg_quota_tasks(quota, tenant->tenant_id, &counted_at);
	}
	/* another session counts: it raises the error if there is no room */
	if (tasks < 0)
		return true;
	return tasks + mine(tenant->tenant_id) + n <= tenant->max_tasks;
}

/* The same; what ended without being counted is counted now. */
static bool
try_tasks(const JdgTenant *tenant, int64 n)
{
	JdgQuota   *quota = jdg_quota_get(tenant->tenant_id);
	TimestampTz counted_at;

	/* full after a restore of too many tenants: then there is no quota */
	if (quota == NULL || has_room(quota, tenant, n))
		return true;
	(void) jdg_quota_tasks(quota, tenant->tenant_id, &counted_at);
	if (counted_at >= jdg_now() - COUNT_AGAIN_US)
		return false;
	count_tasks(quota, tenant);
	return has_room(quota, tenant, n);
}

/* Raises QUEUE_FULL. */
static void
check_tasks(const JdgTenant *tenant, int64 n)
{
	if (try_tasks(tenant, n))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_QUEUE_FULL),
			 errmsg("tenant \"%s\" has too many unfinished tasks", tenant->name),
			 errdetail("Its max_tasks is %lld.", (long long) tenant->max_tasks),
			 errhint("Enqueue later, or raise max_tasks with jadugar.alter_tenant().")));
}

/* Takes n from the rate, or raises RATE_LIMITED. */
static void
check_rate(const JdgTenant *tenant, int64 n)
{
	JdgLimit	limit = jdg_tenant_enqueue_limit(tenant);
	JdgRateResult r;

	if (n > tenant->enqueue.burst)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_RATE_LIMITED),
				 errmsg("tenant \"%s\" cannot enqueue %lld tasks at once",
						tenant->name, (long long) n),
				 errdetail("Its enqueue_burst is %d.", tenant->enqueue.burst),
				 errhint("Enqueue fewer tasks with each call, or raise enqueue_burst with jadugar.alter_tenant().")));
	r = jdg_gate_rate(&limit, jdg_now(), (int32) n);
	if (r.allowed)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_RATE_LIMITED),
			 errmsg("tenant \"%s\" enqueues tasks too fast", tenant->name),
			 errdetail("Try again in %.3f seconds.",
					   (double) r.retry_after / USECS_PER_SEC),
			 errhint("Wait, or raise enqueue_rate with jadugar.alter_tenant().")));
}

void
jdg_tenant_quota_check(const char *label, int64 n)
{
	JdgTenant	tenant;

	Assert(!jdg_is_bookkeeping());
	if (label == NULL || n == 0 || !jdg_tenant_by_name(label, &tenant))
		return;
	if (tenant.max_tasks > 0)
		check_tasks(&tenant, n);
	if (tenant.enqueue.rate > 0)
		check_rate(&tenant, n);
}

bool
jdg_tenant_quota_try(const char *label)
{
	JdgTenant	tenant;
	JdgLimit	limit;

	Assert(!jdg_is_bookkeeping());
	if (label == NULL || !jdg_tenant_by_name(label, &tenant))
		return true;
	if (tenant.max_tasks > 0 && !try_tasks(&tenant, 1))
		return false;
	if (tenant.enqueue.rate <= 0)
		return true;
	limit = jdg_tenant_enqueue_limit(&tenant);
	return jdg_gate_rate(&limit, jdg_now(), 1).allowed;
}

/* JdgTally.event */
static void
end_record(void *row, XactEvent event)
{
	const Record *r = row;

	if (r->quota == NULL)
		return;
	if (event == XACT_EVENT_COMMIT)
		jdg_quota_add(r->quota, r->of.id, r->inserted - r->deleted);
	else if (event == XACT_EVENT_PREPARE)
		jdg_quota_add(r->quota, r->of.id, r->inserted);
}

/* JdgTally.merge */
static void
merge_records(void *into, const void *from)
{
	Record	   *up = into;
	const Record *r = from;

	if (up->quota == NULL)
		up->quota = r->quota;
	up->inserted += r->inserted;
	up->deleted += r->deleted;
}

void
jdg_tenant_quota_init(void)
{
	jdg_tally_init(&tally);
}
