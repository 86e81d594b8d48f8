/*-------------------------------------------------------------------------
 *
 * event_reader.c
 *	  Reading the event log for waits, see event_reader.h.
 *
 * Runs in the scheduler, in the transactions of events.c and event_apart.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "event/era.h"
#include "flow/run/event_reader.h"

void
jdg_event_reader_forget(JdgEventReader *r)
{
	if (r->mcxt != NULL)
		MemoryContextDelete(r->mcxt);
	memset(r, 0, sizeof(*r));
}

/* Finds the window of the cursor, or goes on with it. */
static void
find_window(JdgEventReader *r, const JdgCursor *c)
{
	JdgWindowSpec spec = {0};
	MemoryContext old;

	Assert(c->upto != NULL);
	spec.era = jdg_era_get(c->era);
	if (r->window != NULL &&
		jdg_window_is_between(r->window, spec.era, c->base, c->upto))
		return;
	jdg_event_reader_forget(r);
	r->mcxt = AllocSetContextCreate(TopMemoryContext,
									"jadugar events of flows",
									ALLOCSET_DEFAULT_SIZES);
	spec.base = c->base;
	spec.upto = c->upto;
	spec.after_id = c->after_id;
	spec.until_id = PG_INT64_MAX;
	spec.shards = 1;
	old = MemoryContextSwitchTo(r->mcxt);
	r->window = jdg_window_find(&spec);
	MemoryContextSwitchTo(old);
	r->notes = jdg_wait_notes(r->mcxt);
}

bool
jdg_event_reader_send(JdgEventReader *r, JdgEventTurn *t)
{
	MemoryContext event_mcxt = AllocSetContextCreate(CurrentMemoryContext,
													 "jadugar event",
													 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	bool		end = false;
	JdgEvent	e;
	JdgTopic	topic;

	/* later than "upto", or it would not show all that this has seen */
	PushActiveSnapshot(GetLatestSnapshot());
	find_window(r, &t->c);
	old = MemoryContextSwitchTo(event_mcxt);
	jdg_window_seek(r->window, t->c.after_id);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(event_mcxt);
		if (jdg_window_next(r->window, &e, &topic) != JDG_WINDOW_EVENT)
		{
			end = true;
			break;
		}
		if (!jdg_event_send(t, r->notes, &e, &topic))
			break;
		t->c.after_id = e.event_id;
		t->passed++;
		if (jdg_event_turn_is_over(t))
			break;
	}
	jdg_window_pause(r->window);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(event_mcxt);
	return end;
}
