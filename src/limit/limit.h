/*-------------------------------------------------------------------------
 *
 * limit.h
 *	  Limits of handlers, roles and concurrency keys, and breakers of handlers
 *	  and queues: jadugar_internal.limit_of.
 *
 * Limits of queues and tenants are columns of their rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LIMIT_LIMIT_H
#define JDG_LIMIT_LIMIT_H

#include "base/rate.h"
#include "shared/gate.h"

/* the limit of a thing with a number and an owner */
extern JdgLimit jdg_limit_of_id(JdgScope scope, uint64 id, Oid owner,
								int32 max, const JdgRate *rate);

/*
 * Is there a limit of this scope, or a breaker?  Of keys, only those with a rate count: the
 * places of a key are not a gate's (task/key.h).  Rows are kept until the
 * configuration changes.
 */
extern bool jdg_limits_exist(JdgScope scope);

/*
 * The limit of a handler (owner InvalidOid), with its breaker, of a role (name ""), or the rate
 * of a key; false: it has none.  Rows are kept until the configuration
 * changes.
 */
extern bool jdg_limit_get(JdgScope scope, Oid owner, const char *name,
						  JdgLimit *limit);

/* the breaker of a queue, for its limit; NULL: it has none */
extern const JdgBreakerOptions *jdg_limit_queue_breaker(int32 queue_id);

/* the same limit without maximum and rate, for its gate */
extern JdgLimit jdg_limit_named(JdgScope scope, Oid owner, const char *name);

#endif							/* JDG_LIMIT_LIMIT_H */
