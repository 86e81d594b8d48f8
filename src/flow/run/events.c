/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Events of the log for runs that wait for them, see events.h.
 *
 * Runs in the scheduler, which reads the log with a cursor of its own, window
 * by window, as workers read it for subscriptions (event/README.md).  The
 * cursor exists while something waits.  In one transaction, each wait that an
 * event is for gets a message, and the cursor moves: serve.c then answers the
 * waits under the locks of their runs.  flow/README.md has the argument why
 * each event reaches each wait once.
 *
 * A round reads for a limited time and sends a limited number of messages;
 * then it is the turn of other duties.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/fault.h"
#include "base/spi.h"
#include "event/era.h"
#include "event/window.h"
#include "flow/run/event_waits.h"
#include "flow/run/events.h"
#include "flow/run/wait_start.h"
#include "shared/work.h"

/* events after which the cursor is written though none was for a wait */
#define PASSED_MAX 64

/* the window that is being read; in a memory context of its own */
static JdgWindow *window = NULL;	/* NULL: none is kept */
static MemoryContext mcxt = NULL;

static bool reading = false;	/* an error has left the round */
static bool awaited = false;
static bool settle = false;
static bool behind = false;

/* ------------------------------------------------------------ the window */

static void
forget_window(void)
{
	if (mcxt != NULL)
		MemoryContextDelete(mcxt);
	window = NULL;
	mcxt = NULL;
	jdg_event_waits_window(NULL);
}

/* Finds the window of the cursor, or goes on with it. */
static void
find_window(JdgCursor *c)
{
	JdgWindowSpec spec = {0};
	MemoryContext old;

	spec.era = jdg_era_get(c->era);
	if (window != NULL &&
		jdg_window_is_between(window, spec.era, c->base, c->upto))
		return;
	forget_window();
	if (c->upto == NULL)
		c->upto = c->era < jdg_era_now() ? jdg_xidset_all() :
			jdg_xidset_take();
	/* later than "upto", or it would not show all that this has seen */
	PushActiveSnapshot(GetLatestSnapshot());
	mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar events of flows",
								 ALLOCSET_DEFAULT_SIZES);
	spec.base = c->base;
	spec.upto = c->upto;
	spec.after_id = c->after_id;
	spec.until_id = PG_INT64_MAX;
	spec.shards = 1;
	old = MemoryContextSwitchTo(mcxt);
	window = jdg_window_find(&spec);
	MemoryContextSwitchTo(old);
	jdg_event_waits_window(mcxt);
	PopActiveSnapshot();
}

/* Sends the next events of the window; false: the window has more. */
static bool
send_events(JdgEventRound *r)
{
	MemoryContext event_mcxt = AllocSetContextCreate(CurrentMemoryContext,
													 "jadugar event",
													 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(event_mcxt);
	bool		end = false;
	JdgEvent	e;
	JdgTopic	topic;

	PushActiveSnapshot(GetLatestSnapshot());
	jdg_window_seek(window, r->c.after_id);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(event_mcxt);
		if (!jdg_window_next(window, &e, &topic))
		{
			end = true;
			break;
		}
		if (!jdg_event_send(r, &e, &topic))
			break;
		r->c.after_id = e.event_id;
		r->passed++;
		if ((r->passed % 16 == 0 || r->sent > 0) && jdg_event_round_is_over(r))
			break;
	}
	jdg_window_pause(window);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(event_mcxt);
	return end;
}

/* ------------------------------------------------------------- the cursor */

/* Makes the cursor, if something has begun to wait. */
static bool
make_cursor(JdgCursor *c)
{
	memset(c, 0, sizeof(*c));
	c->subscription_id = JDG_CURSOR_FLOWS;
	if (!jdg_wait_start_first(c))
		return false;
	jdg_cursor_insert(c);
	return true;
}

/*
 * Reads the window of the cursor, or a part of it.  A window that was of no
 * interest is forgotten, if it is small: the next one begins where it began.
 * False: there is more to read.
 */
static bool
read_window(JdgEventRound *r)
{
	bool		old = r->c.upto != NULL || r->c.era < jdg_era_now();

	find_window(&r->c);
	if (!send_events(r))
	{
		jdg_cursor_write(&r->c);
		return false;
	}
	if (!old && !jdg_event_is_awaited())
	{
		jdg_wait_starts_passed(&r->c);
		jdg_cursor_delete(JDG_CURSOR_FLOWS);
		awaited = false;
	}
	else if (old || settle || r->sent > 0 || r->passed >= PASSED_MAX)
	{
		jdg_wait_starts_passed(&r->c);
		jdg_cursor_end_window(&r->c);
		jdg_cursor_write(&r->c);
	}
	forget_window();

	/*
	 * what was published since "upto" of an old window has been read by
	 * nobody
	 */
	return !old;
}

bool
jdg_flow_events_awaited(void)
{
	return awaited;
}

bool
jdg_flow_events_are_over(void)
{
	return awaited && !jdg_event_is_awaited();
}

/* ------------------------------------------ types that wake the scheduler */

static void
set_types(JdgDb *db)
{
	uint32		begun = jdg_wanted_begun(&db->wanted);
	uint64		bits;

	jdg_work_begin();
	bits = jdg_event_awaited_types();
	jdg_work_end();
	if (!jdg_wanted_set(&db->wanted, bits, begun))
		jdg_db_wake(db, JDG_WAKE_WAITS);
}

/* ---------------------------------------------------------------- a round */

bool
jdg_flow_events_read(JdgDb *db, bool all)
{
	JdgEventRound r = {0};
	bool		done = true;
	uint32		begun;

	if (reading)
		forget_window();
	reading = true;
	if (all || settle)
		set_types(db);
	begun = jdg_wanted_begun(&db->wanted);
	jdg_wanted_read(&db->wanted);
	r.start = GetCurrentTimestamp();
	jdg_work_begin_async();
	awaited = jdg_cursor_read(JDG_CURSOR_FLOWS, 0, &r.c) ||
		make_cursor(&r.c);
	if (awaited)
		done = read_window(&r);
	JDG_FAULT("flow-events-sent");
	jdg_work_end();
	JDG_FAULT("flow-events-committed");
	reading = false;
	if (done)
		settle = false;
	return (awaited || jdg_wanted_set(&db->wanted, 0, begun)) && done;
}

void
jdg_flow_events_settle(JdgDb *db)
{
	settle = true;
	jdg_db_wake(db, JDG_WAKE_WAITS);
}

void
jdg_flow_events_set_behind(bool is_behind)
{
	behind = is_behind;
}

bool
jdg_flow_events_are_behind(void)
{
	return behind;
}

void
jdg_flow_events_adopted(void)
{
	JdgCursor	c;

	Assert(jdg_is_bookkeeping());
	if (!jdg_cursor_read(JDG_CURSOR_FLOWS, 0, &c))
		(void) make_cursor(&c);
}
