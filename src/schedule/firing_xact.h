/*-------------------------------------------------------------------------
 *
 * firing_xact.h
 *	  A transaction that fires schedules, one after another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_FIRING_XACT_H
#define JDG_SCHEDULE_FIRING_XACT_H

#include "schedule/firing_state.h"
#include "schedule/schedule.h"

/*
 * Begin and commit a transaction that fires, as bookkeeper.  Running tasks
 * that an occurrence has replaced are stopped after the commit.
 */
extern void jdg_firing_begin(JdgFiring *f, JdgDb *db);
extern void jdg_firing_end(JdgFiring *f);

/* fires a schedule; the caller has locked its row, and no error escapes */
extern void jdg_firing_one(JdgFiring *f, const JdgSchedule *s);

/*
 * The same for those that a query has just selected (JDG_SCHEDULE_COLUMNS).
 * Returns how many have been dealt with.
 */
extern int64 jdg_firing_each(JdgFiring *f, int64 nrows);

#endif							/* JDG_SCHEDULE_FIRING_XACT_H */
