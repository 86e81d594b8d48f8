/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  Reasons to wake a database's scheduler.
 *
 * All functions here take the spinlock of one JdgWakeup and cannot fail, so
 * commit callbacks may call them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_WAKEUP_H
#define JDG_SHARED_WAKEUP_H

#include "storage/latch.h"
#include "storage/spin.h"

#define JDG_RECHECK_MAX		256

/* reasons to wake a scheduler, bits of JdgWakeup.why */
#define JDG_WAKE_SCHEDULES	0x01	/* schedules or future tasks changed */
#define JDG_WAKE_WORK		0x02	/* ready tasks may need a worker */
#define JDG_WAKE_RECHECK	0x04	/* waiting tasks to check again */
#define JDG_WAKE_SWEEP		0x08	/* check every waiting task again */
#define JDG_WAKE_WORKER		0x10	/* a worker has ended or a slot is free */
#define JDG_WAKE_CONTROL	0x20	/* paused, resumed, adopted, limits or
									 * roles changed */
#define JDG_WAKE_FLOWS		0x40	/* messages or timers of flows */
#define JDG_WAKE_NAMES		0x80	/* roles were renamed */
#define JDG_WAKE_KEYS		0x100	/* look at every concurrency key */
#define JDG_WAKE_UNIQUE		0x200	/* look at every unique key */
#define JDG_WAKE_EVENTS		0x400	/* topics changed */
#define JDG_WAKE_FEEDS		0x800	/* a feed is due earlier */
#define JDG_WAKE_WAITS		0x1000	/* events that flows may wait for */
#define JDG_WAKE_BACKLOG	0x2000	/* news in a topic with max_backlog */
#define JDG_WAKE_CACHE		0x4000	/* the cache is larger than its bound */
#define JDG_WAKE_GATES		0x8000	/* lanes are parked until earlier */
#define JDG_WAKE_LIMITS		0x10000 /* limits or pauses changed */
#define JDG_WAKE_ALL		0x1ffff

/* a duty with this bit runs in every round */
#define JDG_WAKE_ROUND		0x80000000

/* a task that waits and may have become runnable, or one that has finished */
typedef struct JdgRecheck
{
	int64		task_id;
	bool		finished;		/* check its dependents instead */
} JdgRecheck;

typedef struct JdgWakeup
{
	slock_t		mutex;
	/* under mutex */
	Latch	   *latch;			/* of the scheduler, NULL: none is elected */
	uint32		why;			/* JDG_WAKE_*, not yet taken */
	int			nrecheck;
	JdgRecheck	recheck[JDG_RECHECK_MAX];
} JdgWakeup;

extern void jdg_wakeup_init(JdgWakeup *w);

/* clears all reasons, and the scheduler */
extern void jdg_wakeup_reset(JdgWakeup *w);

/* sets the scheduler that is woken from now on; NULL: none */
extern void jdg_wakeup_set_latch(JdgWakeup *w, Latch *latch);

/* adds reasons and wakes the scheduler, if there is one */
extern void jdg_wakeup_request(JdgWakeup *w, uint32 why);

/* for the scheduler: returns the reasons so far, and clears them */
extern uint32 jdg_wakeup_take(JdgWakeup *w);

/* the reasons that the scheduler has not taken */
extern uint32 jdg_wakeup_peek(JdgWakeup *w);

/*
 * Adds a waiting task to be checked again, or (finished) a task whose
 * dependents are to be checked.  If there is no room, all waiting tasks are
 * checked.  Does not wake: jdg_wakeup_request() follows.
 */
extern void jdg_wakeup_recheck(JdgWakeup *w, int64 task_id, bool finished);

/* moves the list to "out", which has room for JDG_RECHECK_MAX */
extern int	jdg_wakeup_take_rechecks(JdgWakeup *w, JdgRecheck *out);

#endif							/* JDG_SHARED_WAKEUP_H */
