/*-------------------------------------------------------------------------
 *
 * adopted.h
 *	  Subscriptions that a copy of a database has brought along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_ADOPTED_H
#define JDG_EVENT_ADOPTED_H

#include "base/module.h"

/*
 * Begins an era of the log, unless the transactions of the copy have the ids
 * of this server.  Pauses subscriptions or moves them to the end of the log, as
 * adopt() was asked: see base/module.h.
 */
extern void jdg_events_adopted(const JdgAdoption *adoption);

#endif							/* JDG_EVENT_ADOPTED_H */
