/*-------------------------------------------------------------------------
 *
 * agenda.h
 *	  What is to be done next in a pass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_AGENDA_H
#define JDG_FLOW_RUN_AGENDA_H

#include "flow/run/pass.h"

/*
 * No node begins, ends or is cancelled by a call of what it follows from:
 * that puts it on the agenda, and drive.c takes one item after the other, so
 * neither a long chain nor a deep container needs stack.
 *
 * The order is that of calls all the same: what is put while an item is done
 * is done right after it, in the order in which it was put, before anything
 * that was put earlier.  Only ends wait: they are dealt with in the order in
 * which they came to pass, when nothing else is left to be done.
 */
typedef enum JdgAct
{
	JDG_ACT_BEGIN,				/* a row that is there begins or has to wait,
								 * for what "after" names */
	JDG_ACT_RECHECK,			/* the same once more, for one that waits */
	JDG_ACT_FILL,				/* a container begins more children */
	JDG_ACT_CANCEL,
	JDG_ACT_SKIP_UNREACHED,		/* skip what the run has not reached in it */
	JDG_ACT_CONCLUDE,			/* a container ends; what was to be cancelled
								 * in it before has been */
	JDG_ACT_ENDED,				/* a row has ended: its followers are next,
								 * then its container */
	JDG_ACT_TELL				/* its container */
} JdgAct;

typedef struct JdgItem
{
	JdgAct		act;
	bool		quietly;		/* ENDED: its container knows */
	JdgRunState *rs;
	JdgFlowStep *step;
	void	   *arg;			/* FILL: of the kind's own; CONCLUDE: the
								 * child that has decided, NULL: the time */
} JdgItem;

extern void jdg_agenda_put(JdgRunState *rs, JdgAct act, JdgFlowStep *step,
						   void *arg);
extern void jdg_agenda_ended(JdgRunState *rs, JdgFlowStep *step,
							 bool quietly);

/* the next item; ends: or else the next end.  False: there is none */
extern bool jdg_agenda_take(JdgPass *pass, bool ends, JdgItem *item);

#endif							/* JDG_FLOW_RUN_AGENDA_H */
