/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Events of the log for runs that wait for them, see events.h.
 *
 * Runs in the scheduler, which reads the log with cursors of its own, window
 * by window, as workers read it for subscriptions (event/README.md).  They
 * exist while something waits.  In one transaction, each wait that an event is
 * for gets a message, and the cursor moves: serve.c then answers the waits
 * under the locks of their runs.  flow/README.md has the argument why each
 * event reaches each wait once.
 *
 * A turn reads for a limited time, looks at a limited number of waits and
 * sends a limited number of messages; then it is the turn of other duties.  If
 * events are left, the role that has taken most of the turn is served apart
 * from the others (event_apart.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/fault.h"
#include "base/spi.h"
#include "event/era.h"
#include "flow/run/event_apart.h"
#include "flow/run/event_reader.h"
#include "flow/run/events.h"
#include "flow/run/wait_start.h"
#include "shared/work.h"

/* a turn, in microseconds and messages */
#define TURN_US (50 * 1000)
#define TURN_SENT 256

/* events after which the cursor is written though none was for a wait */
#define PASSED_MAX 64

static JdgEventReader reader;
static bool reading = true;		/* it has just started, or an error has left
								 * the round */
static bool careful = false;	/* until events are read without an error */
static bool awaited = false;
static bool settle = false;
static bool events_left = false;
static bool messages_left = false;

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

/* Nothing waits any more. */
static void
end_reading(const JdgCursor *c)
{
	jdg_wait_starts_passed(c->era, c->upto);
	jdg_cursor_delete(JDG_CURSOR_FLOWS);
	jdg_apart_forget();
	awaited = false;
}

/*
 * The window has been read.  One that was of no interest is forgotten, if it
 * is small: the next one begins where it began.
 */
static void
end_window(JdgEventTurn *t)
{
	if (t->nexcept == 0)
		jdg_wait_starts_passed(t->c.era, t->c.upto);
	jdg_cursor_end_window(&t->c);
	jdg_cursor_write(&t->c);
}

/*
 * Reads the window of the cursor, or a part of it.  False: there is more to
 * read.
 */
static bool
read_window(JdgEventTurn *t)
{
	JdgCursor  *c = &t->c;
	bool		old = c->upto != NULL || c->era < jdg_era_now();

	if (c->upto == NULL)
		c->upto = c->era < jdg_era_now() ? jdg_xidset_all() :
			jdg_xidset_take();
	if (!jdg_event_reader_send(&reader, t))
	{
		Oid			greedy = jdg_event_turn_greedy(t);

		jdg_cursor_write(c);
		if (OidIsValid(greedy))
			jdg_apart_begin(greedy, c);
		return false;
	}
	if (!old && !jdg_event_is_awaited())
		end_reading(c);
	else if (old || settle || t->sent > 0 || t->passed >= PASSED_MAX ||
			 (t->nexcept > 0 && t->passed > 0))
		end_window(t);
	jdg_event_reader_forget(&reader);

	/*
	 * what was published since "upto" of an old window has been read by
	 * nobody
	 */
	return !old;
}

/* The turn of all roles that are not served apart; false: there is more. */
static bool
take_turn(void)
{
	JdgEventTurn t;

	jdg_event_turn_begin(&t, TURN_US, TURN_SENT);
	t.nexcept = jdg_apart_roles(&t.except);
	t.careful = careful;
	awaited = jdg_cursor_read(JDG_CURSOR_FLOWS, jdg_apart_others(), &t.c) ||
		make_cursor(&t.c);
	return !awaited || read_window(&t);
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
	bool		done;
	uint32		begun;

	if (all || settle)
		set_types(db);
	begun = jdg_wanted_begun(&db->wanted);
	jdg_wanted_read(&db->wanted);
	jdg_work_begin_async();
	if (reading)
	{
		careful = true;
		jdg_event_reader_forget(&reader);
		jdg_apart_load();
	}
	reading = true;
	done = take_turn();
	JDG_FAULT("flow-events-sent");
	jdg_work_end();
	JDG_FAULT("flow-events-committed");
	events_left = !done;
	if (done)
		settle = careful = false;
	done &= jdg_apart_read();
	reading = false;
	return (awaited || jdg_wanted_set(&db->wanted, 0, begun)) && done;
}

void
jdg_flow_events_settle(JdgDb *db)
{
	settle = true;
	jdg_db_wake(db, JDG_WAKE_WAITS);
}

void
jdg_flow_events_set_behind(bool behind)
{
	messages_left = behind;
}

bool
jdg_flow_events_are_behind(Oid wait_owner)
{
	return events_left || messages_left || jdg_apart_has(wait_owner);
}

void
jdg_flow_events_adopted(void)
{
	JdgCursor	c;

	Assert(jdg_is_bookkeeping());
	if (!jdg_cursor_read(JDG_CURSOR_FLOWS, JDG_FLOW_CURSOR_COMMON, &c))
		(void) make_cursor(&c);
}
