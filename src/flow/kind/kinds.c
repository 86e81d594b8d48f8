/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  The kinds of nodes that a flow may have, see kind.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"

const JdgKind *const jdg_kinds[] = {
	&jdg_kind_step,
	&jdg_kind_chain,
	&jdg_kind_parallel,
	&jdg_kind_race,
	&jdg_kind_branch,
	&jdg_kind_each,
	&jdg_kind_loop,
	&jdg_kind_sleep,
	&jdg_kind_sleep_until,
	&jdg_kind_wait_event,
	&jdg_kind_wait_signal,
	&jdg_kind_approval,
	&jdg_kind_sub_flow,
	NULL
};
