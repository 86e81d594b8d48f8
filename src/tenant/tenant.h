/*-------------------------------------------------------------------------
 *
 * tenant.h
 *	  Rows of jadugar_internal.tenant as structs.
 *
 * A tenant is a label, a text, on tasks and other rows.  A label needs no row:
 * create_tenant() gives it a weight, limits and quotas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TENANT_TENANT_H
#define JDG_TENANT_TENANT_H

#include "base/label.h"
#include "base/rate.h"
#include "base/spi.h"
#include "limit/limit.h"
#include "queue/queue.h"

/* the greatest weight */
#define JDG_WEIGHT_MAX 1000

typedef struct JdgTenant
{
	int32		tenant_id;
	char		name[JDG_TENANT_BYTES_MAX + 1];
	Oid			owner;
	int32		weight;
	int32		max_concurrency;	/* 0: no limit */
	JdgRate		rate;			/* of tasks that begin */
	bool		caps_priority;
	int32		max_priority;	/* if caps_priority */
	int64		max_tasks;		/* unfinished ones; 0: no limit */
	JdgRate		enqueue;		/* of tasks that are enqueued */
	JdgKeep		keep;			/* in the history */
	bool		paused;
	bool		dropping;		/* drop_tenant() has begun */
} JdgTenant;

/*
 * The tenant of that name or id.  False: it was not created.  Rows are kept
 * until the configuration changes, so the result may be outdated.  Inside and
 * outside of jdg_internal_begin().
 */
extern bool jdg_tenant_by_name(const char *name, JdgTenant *tenant);
extern bool jdg_tenant_by_id(int32 tenant_id, JdgTenant *tenant);

/* is it the label of a tenant that is paused?  NULL is not. */
extern bool jdg_tenant_is_paused(const char *label);

/* what the history keeps of tasks with that label, or NULL */
extern JdgKeep jdg_tenant_keep(const char *label);

/*
 * The lane of a label: 0 for NULL, the negative id of a tenant that was
 * created, else a positive hash.
 */
extern int32 jdg_tenant_lane(const char *label);

/* the weight of the tenant with this lane */
extern int32 jdg_tenant_weight(int32 lane);

/* the columns that jdg_tenant_read() takes from a row of SPI_tuptable */
#define JDG_TENANT_COLUMNS \
	"tenant_id, name, owner, weight, max_concurrency, rate, per, burst, " \
	"max_priority, max_tasks, enqueue_rate, enqueue_per, enqueue_burst, " \
	"history, paused_at IS NOT NULL, dropping"

extern void jdg_tenant_read(uint64 row, JdgTenant *tenant);

/*
 * Raises VALIDATION_ERROR unless weight, rates and bursts are in range, and fit
 * together.
 */
extern void jdg_tenant_check(const JdgTenant *tenant);

/* makes an entry to count the tasks of a tenant with max_tasks, or CONFLICT */
extern void jdg_tenant_need_quota(const JdgTenant *tenant);

/* enqueue_rate, as the limit of a gate; its interval is 0 if there is none */
extern JdgLimit jdg_tenant_enqueue_limit(const JdgTenant *tenant);

/*
 * Locks the row of a tenant that the user may pause, which its owner and
 * operators may, and returns it as it then is.  "user" is the caller: the
 * current user is the bookkeeper.  Inside jdg_internal_begin().
 */
extern void jdg_tenant_lock(const char *name, Oid user, JdgTenant *tenant);

/*
 * For rows that will have the label: until the end of the transaction,
 * drop_tenant() waits.  Raises CONFLICT if that has begun, or if the tenant has
 * been dropped since the transaction took its snapshot; "try" returns false.  A
 * label that was not created is accepted, and so is NULL.
 */
extern void jdg_tenant_use(const char *label);
extern bool jdg_tenant_try_use(const char *label);

/* CONFLICT: drop_tenant() has begun */
JDG_NORETURN extern void jdg_tenant_is_dropped(const JdgTenant *tenant);

/* NOT_FOUND with the name */
JDG_NORETURN extern void jdg_tenant_missing(const char *name);

#endif							/* JDG_TENANT_TENANT_H */
