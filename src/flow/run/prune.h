/*-------------------------------------------------------------------------
 *
 * prune.h
 *	  Deleting old runs, and rows that only they needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_PRUNE_H
#define JDG_FLOW_RUN_PRUNE_H

#include "utils/timestamp.h"

#include "access/audit.h"

/*
 * Delete runs that had finished "before", among some whose ids come after
 * *after, which is advanced.  False: there can be no more.  For a transaction
 * of its own.  Inside jdg_internal_begin(), as those below.
 */
extern bool jdg_flow_prune_some(int64 *after, TimestampTz before);

/* delete versions and messages that no run needs */
extern void jdg_flow_prune_unused(TimestampTz now);

/*
 * Delete completed runs that had finished before an instant, of these roles, an
 * oid[], and of these tenants, a text[], null: of any.  Counts them, and returns
 * their number.
 */
extern int64 jdg_flow_purge_completed(const Datum *which, const char *nulls,
									  JdgAuditTally *tally);

/* deletes finished runs of a tenant that is dropped: tenant/rows.h */
extern struct JdgQuery jdg_flow_drop_of_tenant;

#endif							/* JDG_FLOW_RUN_PRUNE_H */
