/*-------------------------------------------------------------------------
 *
 * limit.h
 *	  Limits as they are configured, and the places that they give; for gates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_LIMIT_H
#define JDG_SHARED_LIMIT_H

#include "shared/breaker.h"

/* what a limit is of */
typedef enum JdgScope
{
	/* nothing begins until the configuration changes: */
	JDG_SCOPE_PAUSED,			/* a queue or tenant that is paused */
	JDG_SCOPE_NO_ENDPOINT,		/* id: endpoint_id, its server is gone */
	JDG_SCOPE_OWNER,			/* id: role */
	JDG_SCOPE_TENANT,			/* id: tenant_id */
	JDG_SCOPE_QUEUE,			/* id: queue_id */
	JDG_SCOPE_HANDLER,			/* id: hash of the name */
	JDG_SCOPE_KEY,				/* id: role, hash of the key */
	JDG_SCOPE_NAME,				/* id: role, hash of a name of rate_limit() */
	JDG_SCOPE_ENDPOINT,			/* id: endpoint_id */
	JDG_SCOPE_HOST,				/* id: endpoint_id, hash of the host */
	JDG_SCOPE_ENQUEUE			/* id: tenant_id; tasks that are enqueued */
} JdgScope;

#define JDG_SCOPES (JDG_SCOPE_ENQUEUE + 1)

/* does a limit of this scope let nothing through? */
static inline bool
jdg_scope_is_closed(JdgScope scope)
{
	return scope == JDG_SCOPE_PAUSED || scope == JDG_SCOPE_NO_ENDPOINT;
}

/* a limit, as configured */
typedef struct JdgLimit
{
	JdgScope	scope;
	Oid			owner;			/* of the thing, for share.h; or InvalidOid */
	uint64		id[2];
	int32		max;			/* tasks under way at once; 0: no limit */
	int64		interval;		/* ns, at least 1; 0: no rate */
	int64		tolerance;		/* ns */
	const JdgBreakerOptions *breaker;	/* of jdg_breaker_keep(); NULL: none */
} JdgLimit;

/* limits that one task may have */
#define JDG_LIMITS_MAX	7

/* the limits of a task, in the order in which they are asked */
typedef struct JdgLimits
{
	int			n;
	int64		longest;		/* us: a task takes no longer; 0: not known */
	JdgLimit	limit[JDG_LIMITS_MAX];
} JdgLimits;

/* the number of a gate with a place that is taken; NONE: of no gate */
typedef int32 JdgPlace;

#define JDG_PLACE_NONE (-1)

/*
 * The places that one task holds, by the number of its limit.  Until it begins,
 * it also holds tokens of rates.  A task of a limit with a breaker is a call.
 */
typedef struct JdgPlaces
{
	JdgPlace	at[JDG_LIMITS_MAX];
	uint32		tokens;			/* a bit for each limit with one */
	JdgBreakerCall call[JDG_LIMITS_MAX];
} JdgPlaces;

/* the longest interval and tolerance: a hundred years */
#define JDG_RATE_MAX_NS (INT64CONST(100) * 366 * 86400 * 1000000000)

/*
 * Sets interval and tolerance: "rate" tasks in "per" microseconds, at most
 * "burst" of them at once.  All are positive.
 */
extern void jdg_limit_set_rate(JdgLimit *limit, int32 rate, int64 per,
							   int32 burst);

#endif							/* JDG_SHARED_LIMIT_H */
