/*-------------------------------------------------------------------------
 *
 * toplevel.h
 *	  Runs SQL outside a transaction, as a client's statement runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_TOPLEVEL_H
#define JDG_BASE_TOPLEVEL_H

#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * What to do when statement number n of so many begins, and, in its
 * transaction, when its rows have gone to "dest".
 */
typedef struct JdgToplevelCalls
{
	void		(*begins) (int n, int statements);
	void		(*ends) (DestReceiver *dest);
} JdgToplevelCalls;

/*
 * Runs each statement of "sql" in a transaction of its own, at top level, as
 * the current session user; "payload" is $1 (may be NULL).  Rows go to "dest".
 * Must be called outside a transaction; after an error the caller aborts the
 * current one.  "calls" may be NULL.  Returns the number of rows processed by
 * the last statement.
 */
extern uint64 jdg_toplevel_run(const char *sql, Jsonb *payload,
							   DestReceiver *dest,
							   const JdgToplevelCalls *calls);

/* the payload as $1, in the current context */
extern ParamListInfo jdg_payload_params(Jsonb *payload);

#endif							/* JDG_BASE_TOPLEVEL_H */
