/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  Quotas of tenants, see quota.h.
 *
 * Runs in any process.  The entries are an open hash table.  A place that was
 * freed is used again, and the places after it stay where they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "shared/quota.h"
#include "shared/shmem.h"

struct JdgQuota
{
	/* changed under JdgSharedLock and the mutex, read under one of them */
	Oid			dboid;
	int32		tenant_id;		/* 0: free; -1: freed */
	slock_t		mutex;
	/* under mutex */
	bool		known;
	int64		tasks;
	uint32		count;			/* number of the last count */
	bool		counting;
	int64		since;			/* added since it has begun */
	TimestampTz counted_at;
};

static JdgQuota *quotas = NULL;

static Size
quotas_size(void)
{
	return sizeof(JdgQuota) * JDG_QUOTAS_MAX;
}

static void
quotas_init(void *at, bool found)
{
	quotas = at;
	if (found)
		return;
	memset(quotas, 0, quotas_size());
	for (int i = 0; i < JDG_QUOTAS_MAX; i++)
		SpinLockInit(&quotas[i].mutex);
}

const JdgShmemPart jdg_quotas_shmem = {
	"jadugar quotas", quotas_size, quotas_init
};

/*
 * The entry of the tenant, or NULL; then *room is a place for it, or NULL.
 * Under JdgSharedLock.
 */
static JdgQuota *
find(int32 tenant_id, JdgQuota **room)
{
	uint32		at = hash_combine(murmurhash32(MyDatabaseId),
								  murmurhash32((uint32) tenant_id));

	*room = NULL;
	for (int i = 0; i < JDG_QUOTAS_MAX; i++)
	{
		JdgQuota   *q = &quotas[(at + i) % JDG_QUOTAS_MAX];

		if (q->tenant_id == tenant_id && q->dboid == MyDatabaseId)
			return q;
		if (q->tenant_id <= 0 && *room == NULL)
			*room = q;
		if (q->tenant_id == 0)
			break;
	}
	return NULL;
}

/* Under JdgSharedLock, exclusively. */
static void
set_entry(JdgQuota *q, Oid dboid, int32 tenant_id)
{
	SpinLockAcquire(&q->mutex);
	q->dboid = dboid;
	q->tenant_id = tenant_id;
	q->known = q->counting = false;
	q->tasks = q->since = 0;
	q->count++;
	q->counted_at = DT_NOBEGIN;
	SpinLockRelease(&q->mutex);
}

JdgQuota *
jdg_quota_get(int32 tenant_id)
{
	JdgQuota   *room;
	JdgQuota   *q;

	LWLockAcquire(JdgSharedLock, LW_SHARED);
	q = find(tenant_id, &room);
	LWLockRelease(JdgSharedLock);
	if (q != NULL)
		return q;
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	q = find(tenant_id, &room);
	if (q == NULL && room != NULL)
	{
		q = room;
		set_entry(q, MyDatabaseId, tenant_id);
	}
	LWLockRelease(JdgSharedLock);
	return q;
}

void
jdg_quota_forget(int32 tenant_id)
{
	JdgQuota   *room;
	JdgQuota   *q;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	q = find(tenant_id, &room);
	if (q != NULL)
		set_entry(q, InvalidOid, -1);
	LWLockRelease(JdgSharedLock);
}

/* Is it that of the tenant?  Under its mutex. */
static bool
is_of(const JdgQuota *q, int32 tenant_id)
{
	return q->tenant_id == tenant_id && q->dboid == MyDatabaseId;
}

void
jdg_quota_add(JdgQuota *q, int32 tenant_id, int64 n)
{
	SpinLockAcquire(&q->mutex);
	if (is_of(q, tenant_id))
	{
		q->tasks += n;
		q->since += n;
	}
	SpinLockRelease(&q->mutex);
}

void
jdg_quota_doubt(JdgQuota *q, int32 tenant_id)
{
	SpinLockAcquire(&q->mutex);
	if (is_of(q, tenant_id))
	{
		q->known = q->counting = false;
		q->counted_at = DT_NOBEGIN;
	}
	SpinLockRelease(&q->mutex);
}

void
jdg_quotas_doubt(Oid dboid)
{
	for (int i = 0; i < JDG_QUOTAS_MAX; i++)
	{
		JdgQuota   *q = &quotas[i];

		if (q->dboid != dboid)
			continue;
		SpinLockAcquire(&q->mutex);
		if (q->dboid == dboid)
		{
			q->known = q->counting = false;
			q->counted_at = DT_NOBEGIN;
		}
		SpinLockRelease(&q->mutex);
	}
}

int64
jdg_quota_tasks(JdgQuota *q, int32 tenant_id, TimestampTz *counted_at)
{
	int64		tasks = -1;

	SpinLockAcquire(&q->mutex);
	if (is_of(q, tenant_id) && q->known)
		tasks = Max(q->tasks, 0);
	*counted_at = q->counted_at;
	SpinLockRelease(&q->mutex);
	return tasks;
}

uint32
jdg_quota_count_begin(JdgQuota *q)
{
	uint32		count;

	SpinLockAcquire(&q->mutex);
	count = ++q->count;
	q->counting = true;
	q->since = 0;
	SpinLockRelease(&q->mutex);
	return count;
}

/*
 * A transaction that has committed and has not reported it yet may be counted
 * twice, never left out.
 */
void
jdg_quota_count_end(JdgQuota *q, uint32 count, int64 rows, TimestampTz now)
{
	SpinLockAcquire(&q->mutex);
	if (q->counting && q->count == count)
	{
		q->tasks = rows + q->since;
		q->known = true;
		q->counting = false;
		q->counted_at = now;
	}
	SpinLockRelease(&q->mutex);
}
