/*-------------------------------------------------------------------------
 *
 * tenant_quota.h
 *	  Quotas of tenants: max_priority, max_tasks, enqueue_rate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TENANT_QUOTA_H
#define JDG_TASK_TENANT_QUOTA_H

/* called once, by _PG_init */
extern void jdg_tenant_quota_init(void);

/*
 * Before a call enqueues n tasks with a label, or NULL: raises QUEUE_FULL if
 * the tenant has too many, RATE_LIMITED if that is too fast.  What is taken of
 * the rate stays taken, also after a rollback.  Outside jdg_internal_begin().
 */
extern void jdg_tenant_quota_check(const char *label, int64 n);

/* the same for one task; false instead of an error */
extern bool jdg_tenant_quota_try(const char *label);

/* a row with the label, or NULL, is inserted (1) or deleted (-1) */
extern void jdg_tenant_quota_count(const char *label, int64 n);

/* the priority, or max_priority of the tenant if that is lower */
extern int32 jdg_tenant_priority(const char *label, int32 priority);

#endif							/* JDG_TASK_TENANT_QUOTA_H */
