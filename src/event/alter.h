/*-------------------------------------------------------------------------
 *
 * alter.h
 *	  Changing subscriptions, for alter_subscription() and subscribe().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_ALTER_H
#define JDG_EVENT_ALTER_H

#include "event/options.h"

/*
 * Change the owner's subscription of that name to the options that are given,
 * which have been checked, each by itself.  They lock the row, then the
 * cursors, then JDG_LOCK_SUBSCRIPTION: they wait for the transaction of a worker
 * that handles its events.  Outside jdg_internal_begin().  They raise
 * VALIDATION_ERROR for options that do not go together, and CONFLICT in a
 * handler of the same subscription.
 */

/*
 * Options whose names are in "reset" return to their defaults; NULL: none.
 * new_name: or NULL.  Raises NOT_FOUND, and CONFLICT for a new name that is
 * taken and for the shards of a replay.
 */
extern void jdg_subscription_alter(const JdgSubscriptionOptions *o, Oid owner,
								   ArrayType *reset, const char *new_name);

/*
 * All options that are not given return to their defaults.  Returns the id; 0:
 * there is no such subscription.  Raises CONFLICT for a replay.
 */
extern int64 jdg_subscription_replace(const JdgSubscriptionOptions *given,
									  Oid owner);

#endif							/* JDG_EVENT_ALTER_H */
