/*-------------------------------------------------------------------------
 *
 * gatetable.h
 *	  The table of gates, and what a gate allows.
 *
 * For gate.c alone.  The caller of all functions holds JdgGatesLock, exclusively
 * where something changes.  "now" is in nanoseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_GATETABLE_H
#define JDG_SHARED_GATETABLE_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "storage/spin.h"

#include "base/module.h"
#include "shared/limit.h"
#include "shared/share.h"

/* why a gate lets nothing through until some time */
typedef enum JdgHold
{
	JDG_HOLD_NONE,
	JDG_HOLD_RETRY_AFTER		/* the service has asked for it */
} JdgHold;

typedef struct JdgGate
{
	/* under JdgGatesLock */
	Oid			dboid;			/* InvalidOid: not in use */
	JdgLimit	limit;			/* as it was seen last */
	JdgPlace	next;			/* with the same hash, or free */
	JdgShare   *share;			/* of the limit's owner */
	uint64		call;			/* the one that has used it last */
	int64		due;			/* ns: when the next task would be, if all
								 * came evenly */
	pairingheap parked;			/* lanes */
	int			nparked;
	dlist_node	node;			/* in waiting, if lanes are parked */
	bool		timed;			/* lanes were parked until some time */
	slock_t		mutex;
	/* under mutex */
	int32		in_use;			/* places */
	int32		promised;		/* tokens of tasks that have not begun */
	bool		waiting;		/* lanes are parked */
	JdgHold		hold;
	TimestampTz hold_from;
	TimestampTz hold_until;
	bool		guarded;		/* it has a breaker */
	JdgBreakerOptions options;
	JdgBreaker	breaker;
} JdgGate;

typedef struct JdgGates
{
	int64		empty_at;		/* ns: all rates were used up at this instant,
								 * as far as is known; 0: none was; -1: when
								 * the first gate is made */
	int			hand;			/* where to look for gates to forget */
	JdgPlace	free;
	uint64		calls;			/* a gate of the present call is not forgotten */
	dlist_head	waiting;		/* gates where lanes are parked */
	JdgGate		gate[FLEXIBLE_ARRAY_MEMBER];
} JdgGates;

/* tasks that may begin within this time are one wake-up */
#define JDG_TOGETHER_US 10000

extern const JdgShmemPart jdg_gates_shmem;

extern JdgGates *jdg_gates;
extern JdgShares *jdg_gate_shares;

/* the gate of a limit of this database; NULL: there is none, or no room */
extern JdgGate *jdg_gate_find(Oid dboid, const JdgLimit *l);
extern JdgGate *jdg_gate_get(const JdgLimit *l, int64 now);

/* might a gate be made for the limit? */
extern bool jdg_gate_may_make(const JdgLimit *l);

/* the time that a gate goes by when it is made */
extern int64 jdg_gate_first_due(const JdgLimit *l);

/* For gatefile.c: a gate as it was; false: there is no room. */
extern bool jdg_gate_restore(Oid dboid, const JdgLimit *l, int64 due);

/* places that are taken */
extern int32 jdg_gate_in_use(JdgGate *g);

/*
 * Says the rate of a gate no more than that of a new one?  Then as many tasks
 * may begin at once as the limit allows, whether it is kept or not.
 */
extern bool jdg_gate_is_full(const JdgGate *g, int64 now);

/* removes a gate that says nothing, or that is "gone" */
extern bool jdg_gate_forget(JdgGate *g, int64 now, bool gone);

/* corrects what an older limit or another clock has left */
extern void jdg_gate_correct(JdgGate *g);

/* the time that it goes by */
extern int64 jdg_gate_due_of(const JdgGate *g, int64 now);

/*
 * How many tasks may begin now, by the rate; and how many more may be claimed:
 * some of those are promised.
 */
extern int64 jdg_gate_tokens(const JdgGate *g, int64 now);
extern int64 jdg_gate_room(JdgGate *g, int64 now);

/*
 * When there is a token for one task more, by the rate.  DT_NOEND if there is no
 * rate, or all tokens that it can have are promised.
 */
extern TimestampTz jdg_gate_next(const JdgGate *g, int64 now);

/*
 * When lanes that are parked are to be made active, if no place is given back:
 * not for each task, if a rate lets several begin at once.  DT_NOEND if that
 * depends on places, or while one may begin now.
 */
extern TimestampTz jdg_gate_wake(JdgGate *g, int64 now);

/* the same for all but places: when a hold, a breaker and the rate let one through */
extern TimestampTz jdg_gate_opens_at(JdgGate *g, int64 now);

/* n tasks begin */
extern void jdg_gate_begin(JdgGate *g, int64 now, int32 n);

#endif							/* JDG_SHARED_GATETABLE_H */
