/*-------------------------------------------------------------------------
 *
 * quota.h
 *	  The numbers of unfinished tasks of tenants.
 *
 * One entry for each tenant with a max_tasks, of all databases.  The number is
 * that of committed tasks: transactions add what they have inserted
 * and deleted when they have committed, so it may exceed a bound by what is
 * not committed at the moment.  It is unknown at first, and counted when it is
 * needed.  It may be too high, after an end that was not reported; so it is
 * counted again before a bound is enforced.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_QUOTA_H
#define JDG_SHARED_QUOTA_H

#include "base/module.h"

typedef struct JdgQuota JdgQuota;

extern const JdgShmemPart jdg_quotas_shmem;

/* number of entries of the server */
#define JDG_QUOTAS_MAX 4096

/*
 * The entry of a tenant of this database; NULL if there is none, and none is
 * free.  Takes JdgSharedLock.
 */
extern JdgQuota *jdg_quota_get(int32 tenant_id);

/* frees the entry of a tenant that was dropped; takes JdgSharedLock */
extern void jdg_quota_forget(int32 tenant_id);

/*
 * The functions below do nothing if the entry is no longer that of the tenant.
 * They take its mutex only, and never fail.
 */

/* n tasks have come, or gone */
extern void jdg_quota_add(JdgQuota *q, int32 tenant_id, int64 n);

/* the number is unknown from now on; that of all tenants of a database */
extern void jdg_quota_doubt(JdgQuota *q, int32 tenant_id);
extern void jdg_quotas_doubt(Oid dboid);

/* the number of tasks, -1: unknown; and when it was counted */
extern int64 jdg_quota_tasks(JdgQuota *q, int32 tenant_id,
							 TimestampTz *counted_at);

/* count rows between these two, with a snapshot taken after the first */
extern uint32 jdg_quota_count_begin(JdgQuota *q);
extern void jdg_quota_count_end(JdgQuota *q, uint32 count, int64 rows,
								TimestampTz now);

#endif							/* JDG_SHARED_QUOTA_H */
