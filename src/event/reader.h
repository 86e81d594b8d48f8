/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  Reading the events that a shard gets next: the window of its cursor.
 *
 * One process reads one shard after another.  All functions are about the
 * shard that jdg_reader_find() was last called for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_READER_H
#define JDG_EVENT_READER_H

#include "event/cursor.h"
#include "event/subscription.h"

/*
 * Finds the window of the cursor, unless the kept one is its.  If none is
 * open, opens one: c->upto is in the current memory context.
 */
extern void jdg_reader_find(const JdgSubscription *s, JdgCursor *c);

/*
 * Looks, without a lock, whether there may be something to do for the shard: an
 * event that was set aside and is due, or a window that has an event or must
 * end.  Finds the window.  If not, the cursor may stay as it is; *due is when
 * an event that was set aside will be due.  "mcxt" is reset.
 */
extern bool jdg_reader_has_work(const JdgSubscription *s, JdgCursor *c,
								TimestampTz now, MemoryContext mcxt,
								TimestampTz *due);

/*
 * The window is done: the next one begins where it ends, or the shard is done.
 * Also for a cursor whose window was not found here.
 *
 * A shard is behind from an event on that has waited for long before it is
 * gathered.  It has caught up at the end of a window that this transaction has
 * opened, and that tells modules.
 */
extern void jdg_reader_finish(JdgCursor *c);

/*
 * The kept window does not belong to the cursor any more, or an error may have
 * left it with resources of a transaction that was aborted.
 */
extern void jdg_reader_forget(void);

/* goes to the position; closes relations */
extern void jdg_reader_seek(int64 after_id);
extern void jdg_reader_pause(void);

/*
 * Does the event go to the subscription?  Puts its data into the version that
 * is wanted; an error of that is returned in *failed.
 */
extern bool jdg_reader_is_for(const JdgSubscription *s, JdgPending *p,
							  ErrorData **failed);

/* what jdg_reader_gather() has found */
typedef struct JdgGathered
{
	JdgPending *pending;
	int			n;
	bool		end;			/* the window has no more */
	ErrorData  *failed;			/* the last one could not be cast; or NULL */
} JdgGathered;

/*
 * Gathers up to "max" next events of the window, one if the cursor says so.
 * Moves the position past events that are not for the subscription and that
 * come before the first one.  Stops if the shard is to wait (c->retry_at), and
 * after "until" if there is nothing but such events.  "held": events that are
 * held behind earlier ones of their key do not come along, either.
 */
extern void jdg_reader_gather(const JdgSubscription *s, JdgCursor *c, int max,
							  TimestampTz until, bool held, JdgGathered *g);

#endif							/* JDG_EVENT_READER_H */
