/*-------------------------------------------------------------------------
 *
 * drive.c
 *	  The loop that works off the agenda, see drive.h and agenda.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/fault.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/begin.h"
#include "flow/run/cancel.h"
#include "flow/run/drive.h"
#include "flow/run/end.h"
#include "flow/run/ending.h"
#include "flow/run/notify.h"
#include "flow/run/value.h"

/* A container ends: a child has decided it, or its time is over. */
static void
conclude(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child)
{
	if (child != NULL)
		jdg_step_node(rs, step)->kind->conclude(rs, step, child);
	else
		jdg_step_end(rs, step, JDG_STEP_TIMED_OUT, NULL,
					 jdg_flow_error("TASK_TIMEOUT", "it did not end in time",
									NULL), NULL);
}

/* Do one item. */
static void
act(const JdgItem *item)
{
	JdgRunState *rs = item->rs;
	JdgFlowStep *step = item->step;
	const JdgFlowNode *node = jdg_step_node(rs, step);

	switch (item->act)
	{
		case JDG_ACT_BEGIN:
			jdg_step_begin(rs, step);
			break;
		case JDG_ACT_RECHECK:
			jdg_step_recheck(rs, step);
			break;
		case JDG_ACT_FILL:
			node->kind->fill(rs, step, item->arg);
			break;
		case JDG_ACT_CANCEL:
			jdg_step_cancel(rs, step);
			break;
		case JDG_ACT_SKIP_UNREACHED:
			jdg_skip_unreached(rs, node, step->base);
			break;
		case JDG_ACT_CONCLUDE:
			conclude(rs, step, item->arg);
			break;
		case JDG_ACT_ENDED:
			jdg_step_ended(rs, step, item->quietly);
			break;
		case JDG_ACT_NOTIFY:
			jdg_container_notify(rs, step);
			break;
	}
}

void
jdg_agenda_drive(JdgPass *pass, bool ends)
{
	JdgItem		item;

	while (jdg_agenda_take(pass, ends, &item))
	{
		CHECK_FOR_INTERRUPTS();
		act(&item);
	}
	if (ends)
		JDG_FAULT("flow-told");
}

void
jdg_pass_finish(JdgPass *pass)
{
	ListCell   *lc;

	jdg_agenda_drive(pass, true);
	/* a run that is made meanwhile is appended to the list */
	foreach(lc, pass->runs)
	{
		jdg_run_settle(lfirst(lc));
		jdg_agenda_drive(pass, true);
	}
	jdg_pass_write(pass);
}
