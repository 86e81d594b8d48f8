/*-------------------------------------------------------------------------
 *
 * backlog.h
 *	  Events that shards have not passed yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_BACKLOG_H
#define JDG_EVENT_BACKLOG_H

#include "event/cursor.h"
#include "event/leaf.h"
#include "event/subscription.h"

/*
 * A search in leaves for events that subscriptions want, and that the positions
 * of their shards have not passed.  Events that were set aside do not count.
 * It can go on in a later transaction: its place is kept in plain values, and
 * leaves come in order of their numbers.  Rows before its place are not looked
 * at again.
 */
typedef struct JdgBacklogPlace
{
	int32		leaf;			/* 0: at the begin */
	uint64		xid;
	int64		event_id;
} JdgBacklogPlace;

/* a subscription */
typedef struct JdgBacklogParty
{
	const JdgSubscription *s;	/* NULL: it is left out */
	const JdgCursor *cursors;	/* some or all of its shards */
	int			ncursors;
	int64	   *events;			/* of each of them; zero at the begin */
} JdgBacklogParty;

typedef struct JdgBacklogSearch
{
	/* set by the caller */
	JdgBacklogParty *parties;
	int			nparties;
	uint64		from;			/* jdg_backlog_from(), the lowest of all */
	int64		until_id;		/* events behind it are not looked at */
	int64		most;			/* it ends when a shard has as many events */
	int64		looks;			/* rows that it may look at, visible or not,
								 * and once more for each further party that a
								 * row concerns; those left */
	/* zero at the begin */
	JdgBacklogPlace place;
	int			found;			/* the party of the shard that has "most" */
	TimestampTz oldest;			/* of all events that count; 0: none */
} JdgBacklogSearch;

/* how a step of a search has ended */
typedef enum JdgBacklogStep
{
	JDG_BACKLOG_LESS,			/* at the end of the leaves */
	JDG_BACKLOG_MOST,			/* a shard has "most"; its place is the last
								 * of these events */
	JDG_BACKLOG_UNKNOWN			/* "looks" is used up */
} JdgBacklogStep;

/* The first transaction with events that the position may not have passed. */
extern uint64 jdg_backlog_from(const JdgCursor *c);

/*
 * Goes on with a search in n leaves, which may be sorted.  Leaves that all
 * positions have passed are left out.  With an active snapshot, in the current
 * memory context.
 */
extern JdgBacklogStep jdg_backlog_search(JdgBacklogSearch *search,
										 JdgLeaf *leaves, int n);

/*
 * Goes on with counting rows of n leaves from a transaction on, whatever they
 * are and also those of transactions that were rolled back.  That is far
 * cheaper than a search, and never less.  "events" is the count up to "place";
 * it ends when there are "most" rows.
 */
extern JdgBacklogStep jdg_backlog_rows(JdgBacklogPlace *place, uint64 from,
									   int64 *events, int64 most,
									   int64 looks, JdgLeaf *leaves, int n);

/* the leaves of topics, or of all, in which the search of a shard looks */
extern int	jdg_backlog_leaves(const JdgCursor *c, const int32 *topics, int n,
							   JdgLeaf **leaves);

/* has the position of a shard passed all events of a sealed leaf? */
extern bool jdg_backlog_has_passed_leaf(const JdgCursor *c,
										const JdgLeaf *leaf);

#endif							/* JDG_EVENT_BACKLOG_H */
