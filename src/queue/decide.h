/*-------------------------------------------------------------------------
 *
 * decide.h
 *	  What the end of an attempt means for its task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_DECIDE_H
#define JDG_DECIDE_H

#include "queue/settle.h"

/* what is decided about one task */
typedef struct JdgDecision
{
	bool		stays;			/* its row is put back */
	char		state;			/* then: its new state */
	TimestampTz run_at;
	char		status;			/* of the history row, '\0': none */
	const char *error_code;
} JdgDecision;

/* Also counts the attempt in "t".  Touches nothing but its arguments. */
extern void jdg_decide(JdgTask *t, const JdgOutcome *o, JdgDecision *d);

#endif							/* JDG_DECIDE_H */
