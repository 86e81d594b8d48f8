/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  Gates: how many tasks may be under way, and how many may begin.
 *
 * A gate stands for one limit of one thing: a role, a tenant, a queue, a
 * handler, a key.  It counts the places that are taken, and knows when the
 * next task may begin, or be enqueued.  What it allows comes from the configuration; the
 * caller passes it with each call (JdgLimit).  A gate is made when it is
 * needed.  It is forgotten when it says nothing: no place is taken, no lane
 * is parked, and as many tasks may begin at once as the limit allows.  A role
 * has a share of the gates of the server (share.h); tasks whose limit finds no
 * room wait.
 *
 * A rate is the generic cell rate algorithm (ITU-T I.371).  "interval" is the
 * time from one task to the next; a gate keeps the time at which the next one
 * would be due if all came evenly.  A task may begin if that is at most
 * "tolerance" ahead.  So in any time T at most 1 + (T + tolerance) / interval
 * tasks begin.  A restart keeps rates (gatefile.h); after a crash, a gate lets
 * through what it would if nothing had been left at that instant.
 *
 * A task takes its tokens when it begins, so what a claim gives back is not
 * lost.  From the claim on they are promised to it.
 *
 * A gate may have a breaker (breaker.h): then a task is a call, from the claim
 * on.  guard.h has its end.  It may be held until some time.
 *
 * A lane whose next task is refused is parked at the gate (lane.h): it is not
 * read until a place is given back or the next task may begin.
 *
 * JdgGatesLock protects all of this, but for the places, the promised tokens, the
 * hold and the breaker, which have a spinlock for each gate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_GATE_H
#define JDG_SHARED_GATE_H

#include "shared/database.h"
#include "shared/lane.h"
#include "shared/limit.h"
#include "shared/share.h"

/*
 * Takes a place of each limit, and a token of each rate, which is promised, if
 * all limits have room for one task more at this time.  Returns -1, or the
 * number of the limit that refuses.  Takes JdgGatesLock if there are limits.
 */
extern int	jdg_gates_take(const JdgLimits *limits, TimestampTz now,
						   JdgPlaces *places);

/*
 * Gives places and promised tokens back, at most once each.  A call that has not
 * ended says nothing about the service.  Parked lanes become active, and
 * the scheduler is woken for them.  Takes JdgGatesLock if lanes are parked.
 */
extern void jdg_gates_give(const JdgPlaces *places);

/*
 * A task begins now, if all rates and breakers allow it, and uses the tokens that its places
 * hold; returns -1, or the number of the limit that refuses: it was changed,
 * or its breaker has opened.  Nothing gives that back.
 */
extern int	jdg_gates_begin(const JdgLimits *limits, TimestampTz now,
							JdgPlaces *places);

/*
 * Parks a lane at the limit that refuses its next task.  Not if there is room
 * now, nor if the configuration has changed since "epoch" was read
 * (jdg_gates_epoch()), before the limits were.
 */
extern void jdg_gates_park(const JdgLaneLook *look, const JdgLimits *limits,
						   TimestampTz now, uint32 epoch);
extern uint32 jdg_gates_epoch(JdgDb *db);

/*
 * Lanes of the same role and priority are parked at a limit that has room, and
 * their parties had less: they are let in first.  True: they need all the room,
 * and the lane is parked.  Takes JdgGatesLock if there are limits.
 */
extern bool jdg_gates_yield(const JdgLaneLook *look, const JdgLimits *limits,
							TimestampTz now, uint32 epoch);

/* how many tasks could begin now, at most "most" */
extern int	jdg_gates_room(const JdgLimits *limits, TimestampTz now, int most);

/*
 * A lane that was let in has been read, and may not have used all room of the
 * gate where it was parked before: others may.
 */
extern void jdg_gate_reopen(JdgPlace gate);

/*
 * The breaker of a gate has opened: lanes that are parked there are looked at
 * once more, as tasks in them may not want to wait for that.
 */
extern void jdg_gate_look_again(JdgPlace gate);

/*
 * For the scheduler.  "due" makes lanes active for which there is room now,
 * and returns when there will be more, DT_NOEND if that depends on places.
 * "changed" does so for all lanes: the configuration has changed.
 */
extern TimestampTz jdg_gates_due(JdgDb *db, TimestampTz now);
extern void jdg_gates_changed(JdgDb *db);

/* forgets all gates of a database that is gone */
extern void jdg_gates_drop(Oid dboid);

/*
 * For rate_limit() and enqueue_rate: takes "cost" tasks at once, if the rate
 * allows it.  Sets
 * how many would be allowed afterwards, and the times in microseconds until
 * the same would be allowed (0 if it was), and until all would.  Raises an error
 * if there is no room for the gate.
 */
typedef struct JdgRateResult
{
	bool		allowed;
	int64		remaining;
	int64		retry_after;
	int64		reset_after;
} JdgRateResult;

extern JdgRateResult jdg_gate_rate(const JdgLimit *limit, TimestampTz now,
								   int32 cost);

/* as many tasks may begin at once as the limit allows, by its rate */
extern void jdg_gate_reset(const JdgLimit *limit);

#endif							/* JDG_SHARED_GATE_H */
