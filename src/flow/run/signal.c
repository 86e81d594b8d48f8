/*-------------------------------------------------------------------------
 *
 * signal.c
 *	  Signals, and decisions on approvals, that have arrived, see signal.h.
 *
 * They are messages that are kept until a wait takes them, in the order in
 * which they were sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"
#include "flow/run/message.h"
#include "flow/run/signal.h"

bool
jdg_take_signal(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	Jsonb	   *payload;

	if (rs->is_new)
		return false;
	if (!jdg_flow_signal_take(node->kind->message, rs->r.run_id,
							  node->kind->message_name(node), &payload))
		return false;
	node->kind->answer(rs, step, payload);
	return true;
}
