/*-------------------------------------------------------------------------
 *
 * occurrence.h
 *	  Turns an occurrence of a schedule into a task, or returns the reason
 *	  why not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_OCCURRENCE_H
#define JDG_SCHEDULE_OCCURRENCE_H

#include "queue/queue.h"
#include "schedule/firing_state.h"
#include "schedule/schedule.h"

/*
 * Make the task of an occurrence.  Returns NULL, or the reason for the
 * history why there is none.  "in_order": one of several that are made up
 * for, which run one after another where they may not overlap.  Inside
 * jdg_internal_begin().
 */
extern const char *jdg_fire_occurrence(JdgFiring *f, const JdgSchedule *s,
									   TimestampTz at, bool in_order);

/*
 * sets the task of an occurrence, except the fields that
 * jdg_schedule_complete() sets
 */
extern void jdg_occurrence_task(const JdgSchedule *s, TimestampTz at,
								JdgTask *task);

/*
 * Complete a task that jdg_schedule_task() has filled and that has its
 * run_at, and queue its wake-up for commit; "enqueue" inserts it too.  Also
 * for run_now(), in any backend.  The caller makes sure that the queue has
 * room.  Inside jdg_internal_begin().
 */
extern void jdg_schedule_complete(const JdgSchedule *s, JdgTask *t,
								  const JdgQueue *queue, TimestampTz now);
extern void jdg_schedule_enqueue(const JdgSchedule *s, JdgTask *t,
								 const JdgQueue *queue, TimestampTz now);

/*
 * The instant before which a schedule's occurrences are known to be finished,
 * for one that is due at "at"; the caller may move it.
 */
extern TimestampTz *jdg_occurrence_finished(int64 schedule_id, TimestampTz at);

/* forget all of these: a session may have put in a task of an earlier one */
extern void jdg_occurrence_forget(void);

#endif							/* JDG_SCHEDULE_OCCURRENCE_H */
