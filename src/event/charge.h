/*-------------------------------------------------------------------------
 *
 * charge.h
 *	  Charges an event whose worker died while a handler ran.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CHARGE_H
#define JDG_EVENT_CHARGE_H

#include "utils/jsonb.h"

#include "shared/slot.h"

/*
 * Applies on_failure to the event with the error WORKER_CRASHED.  In the
 * scheduler, before any worker takes the shard again.
 */
extern void jdg_event_charge(const JdgCall *call);

/*
 * The same with the error of a transaction that could not commit.  In the
 * worker.
 */
extern void jdg_event_charge_commit(const JdgCall *call, int sqlerrcode,
									Jsonb *error);

#endif							/* JDG_EVENT_CHARGE_H */
