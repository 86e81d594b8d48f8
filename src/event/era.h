/*-------------------------------------------------------------------------
 *
 * era.h
 *	  Eras of the event log: the servers that have published its events.
 *
 * Rows of jadugar_internal.event_era.  Ids of transactions are of the server
 * that wrote them, and are compared only within an era.  Ids of events go on
 * from one era to the next, and tell to which one an event belongs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_ERA_H
#define JDG_EVENT_ERA_H

/* the events of an era: their ids are at least "first", and below "end" */
typedef struct JdgEra
{
	int64		first;
	int64		end;			/* PG_INT64_MAX: it is the present one */
} JdgEra;

/* the number of the present era */
extern int32 jdg_era_now(void);

/* which events are of an era that has not been forgotten */
extern JdgEra jdg_era_get(int32 era);

/* the era of an event; a forgotten one counts as the oldest that is known */
extern int32 jdg_era_of(int64 event_id);

/*
 * Begins an era: transactions have other ids from now on.  Waits for the
 * transactions that have published, and lets no other one publish before this
 * one ends.  Forgets eras to which no cursor belongs.
 * Inside jdg_internal_begin().
 */
extern void jdg_era_begin(void);

#endif							/* JDG_EVENT_ERA_H */
