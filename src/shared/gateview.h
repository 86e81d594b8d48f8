/*-------------------------------------------------------------------------
 *
 * gateview.h
 *	  What views show of gates (gate.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_GATEVIEW_H
#define JDG_SHARED_GATEVIEW_H

#include "shared/gatetable.h"

/* what holds a task back at a gate */
typedef enum JdgRefusal
{
	JDG_NOT_REFUSED,
	JDG_REFUSED_PLACES,
	JDG_REFUSED_RATE,
	JDG_REFUSED_BREAKER,
	JDG_REFUSED_HOLD
} JdgRefusal;

/* the number of the first limit without room, and why; or -1 */
extern int	jdg_gates_refusing(const JdgLimits *limits, TimestampTz now,
							   JdgRefusal *why);

/* a gate as it is now */
typedef struct JdgGateState
{
	int32		in_use;
	int64		tokens;			/* that may begin at once; -1: no rate */
	int			parked;			/* lanes */
	JdgRefusal	why;
	TimestampTz next_at;		/* when the next one may begin; DT_NOEND: now,
								 * or not known */
	JdgHold		hold;			/* NONE: it is not held */
	TimestampTz hold_until;
	bool		guarded;		/* it has a breaker: */
	JdgBreakerView breaker;
} JdgGateState;

extern void jdg_gate_state(const JdgLimit *limit, TimestampTz now,
						   JdgGateState *state);

/* the state of a breaker, as views say it: "closed", "open" and others */
extern const char *jdg_breaker_word(const JdgBreakerView *v);

/* so many of all calls, in percent; 0 of none */
extern int32 jdg_breaker_percent(int32 n, int32 calls);

/*
 * For views: how many gates there are of jdg_max_gates, and a role that has
 * found no room for one in the last minute, or InvalidOid; *lacking_held gates
 * are that role's.
 */
extern void jdg_gates_state(TimestampTz now, JdgShareState *state,
							Oid *lacking, int32 *lacking_held);

#endif							/* JDG_SHARED_GATEVIEW_H */
