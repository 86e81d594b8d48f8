/*-------------------------------------------------------------------------
 *
 * sender.h
 *	  The process of each database that sends requests.
 *
 * There are jadugar.max_http_processes at most, in slots of their own (slot.h).
 *
 * JdgDb.http_wanted is one side of a pair: a scheduler that finds no slot sets it
 * and then looks once more; a process that frees its slot does that first and
 * then reads http_wanted.  So one of the two always sees the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SENDER_H
#define JDG_SHARED_SENDER_H

#include "shared/database.h"
#include "shared/slot.h"

/*
 * Wakes the process that sends the requests of a database; false: there is none.
 * For commit callbacks, too.
 */
extern bool jdg_http_notify(Oid dboid);

/* Has that process started? */
extern bool jdg_http_runs(Oid dboid);

/*
 * Asks the process that has been idle for longest to leave, but not that of this
 * database; false: none is idle.
 */
extern bool jdg_http_ask_idle_to_leave(Oid not_dboid);

/*
 * For the scheduler: no slot was free.  Asks the process of another database that
 * has been idle for longest to leave, if one is idle; its end wakes the scheduler.
 */
extern void jdg_http_want_slot(JdgDb *db);

/* does a database lack a slot, other than this one? */
extern bool jdg_http_slot_is_wanted(Oid not_dboid);

/* a slot is free: wakes the schedulers that lack one */
extern void jdg_http_offer_slot(void);

#endif							/* JDG_SHARED_SENDER_H */
