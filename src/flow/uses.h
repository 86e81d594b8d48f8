/*-------------------------------------------------------------------------
 *
 * uses.h
 *	  The flows and runs that use a queue or a handler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_USES_H
#define JDG_FLOW_USES_H

typedef struct JdgFlowUses
{
	int64		flows;			/* whose newest version uses it */
	char	   *names;			/* some of them, quoted; NULL: none */
	int64		runs;			/* that may still use it */
	int64	   *run_ids;
} JdgFlowUses;

/*
 * Reads what other transactions have committed by now.  Inside
 * jdg_internal_begin(); in the current context.
 */
extern void jdg_flow_uses_of_queue(int32 queue_id, JdgFlowUses *uses);
extern void jdg_flow_uses_of_handler(const char *handler, JdgFlowUses *uses);

/*
 * Asks the runs to end in the name of a role, as abort_flow() does, and notes
 * in the audit trail that "function" did so.  Inside jdg_internal_begin().
 */
extern void jdg_flow_uses_abort(const JdgFlowUses *uses, Oid role,
								const char *function);

#endif							/* JDG_FLOW_USES_H */
