/*-------------------------------------------------------------------------
 *
 * firing_private.h
 *	  What firing.c, misfire.c, occurrence.c and startup.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_FIRING_PRIVATE_H
#define JDG_SCHEDULE_FIRING_PRIVATE_H

#include "schedule/firing.h"

/* schedules fired in one transaction, and tasks made of one of them */
#define JDG_FIRE_BATCH	256

/* the first transaction is smaller: workers start while the rest is fired */
#define JDG_FIRE_FIRST	JDG_GROUP_MAX

/* One transaction that fires schedules. */
typedef struct JdgFiring
{
	JdgDb	   *db;
	TimestampTz now;
	bool		startup;		/* the server has started: not by the clock */
	MemoryContext mcxt;			/* lives as long as the transaction */
	int64		fired;
	int64		skipped;
	int			postponed;		/* schedules to be tried again soon */
	List	   *replaced;		/* running tasks, pointers to int64 */
} JdgFiring;

/* A schedule whose row is locked. */
typedef struct JdgDueRow
{
	JdgSchedule s;
	ItemPointerData tid;
	bool		fired;
} JdgDueRow;

/* firing.c */
extern void jdg_firing_begin(JdgFiring *f, JdgDb *db);
extern void jdg_firing_end(JdgFiring *f);
extern int64 jdg_firing_each(JdgFiring *f, int64 nrows);

/* plain.c */
extern void jdg_fire_plain(JdgFiring *f, JdgDueRow *rows, int n);

/* misfire.c */
extern void jdg_fire_schedule(JdgFiring *f, JdgSchedule *s);
extern void jdg_fire_at_startup(JdgFiring *f, JdgSchedule *s);
extern void jdg_fire_advance(JdgSchedule *s, TimestampTz after);
extern const char *jdg_fire_owner_problem(Oid owner);
extern bool jdg_fire_on_time(const JdgFiring *f, TimestampTz at);

/* occurrence.c */
extern const char *jdg_fire_occurrence(JdgFiring *f, const JdgSchedule *s,
									   TimestampTz at, bool in_order);

extern void jdg_occurrence_forget(void);
extern void jdg_occurrence_task(const JdgSchedule *s, TimestampTz at,
								JdgTask *task);
extern TimestampTz *jdg_occurrence_finished(int64 schedule_id, TimestampTz at);

/* startup.c */
extern void jdg_startup_resume(JdgDb *db, bool *pending);

#endif							/* JDG_SCHEDULE_FIRING_PRIVATE_H */
