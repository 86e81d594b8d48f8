/*-------------------------------------------------------------------------
 *
 * agenda.h
 *	  The next things to do in a pass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_AGENDA_H
#define JDG_FLOW_RUN_AGENDA_H

#include "flow/run/pass.h"

/*
 * Code that makes a node begin, end or be cancelled puts that on the agenda,
 * and drive.c takes one item after the other.  So neither a long chain nor a
 * deep container needs stack.
 *
 * The order is that of nested calls.  Items that are put while an item is done
 * come right after it, in the order in which they were put, and before all
 * earlier items.  Only ends of rows wait: they come when nothing else is left,
 * in the order in which they happened.
 */
typedef enum JdgAct
{
	JDG_ACT_BEGIN,				/* a row begins, or waits for the nodes in its
								 * "after" */
	JDG_ACT_RECHECK,			/* the same again, for a row that waits */
	JDG_ACT_FILL,				/* a container begins more children */
	JDG_ACT_CANCEL,
	JDG_ACT_SKIP_UNREACHED,		/* all that the run has not reached in it */
	JDG_ACT_CONCLUDE,			/* a container ends, after the cancelling in
								 * it */
	JDG_ACT_ENDED,				/* a row has ended: its followers react, then
								 * its container */
	JDG_ACT_NOTIFY				/* its container */
} JdgAct;

typedef struct JdgItem
{
	JdgAct		act;
	bool		quietly;		/* ENDED: its container knows */
	JdgRunState *rs;
	JdgFlowStep *step;
	void	   *arg;			/* FILL: of the kind; CONCLUDE: the deciding
								 * child, NULL: its time is over */
} JdgItem;

extern void jdg_agenda_put(JdgRunState *rs, JdgAct act, JdgFlowStep *step,
						   void *arg);
extern void jdg_agenda_ended(JdgRunState *rs, JdgFlowStep *step,
							 bool quietly);

/* the next item; ends: or else the next end.  False: there is none */
extern bool jdg_agenda_take(JdgPass *pass, bool ends, JdgItem *item);

#endif							/* JDG_FLOW_RUN_AGENDA_H */
