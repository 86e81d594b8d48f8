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

/* delete completed runs of these roles, an oid[], and count them; how many */
extern int64 jdg_flow_purge_completed(TimestampTz before, Datum owners,
									  JdgAuditTally *tally);

#endif							/* JDG_FLOW_RUN_PRUNE_H */
