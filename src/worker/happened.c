/*-------------------------------------------------------------------------
 *
 * happened.c
 *	  Tells modules that this worker has started, and that it stops.
 *
 * In transactions of its own, between groups.
 *
 * A handler of these events needs a worker.  If that told of itself, each
 * worker that stops would make another one start, for ever.  So a worker tells
 * nothing before it has run something that may cause events, and is silent if
 * it never has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "miscadmin.h"
#include "shared/happening.h"
#include "shared/work.h"
#include "worker/worker.h"

static bool told = false;
static bool worked = false;		/* for others than handlers of such events */

void
jdg_worker_works(void)
{
	if (!jdg_quiet)
		worked = true;
}

static void
tell(JdgHappening kind)
{
	MemoryContext old = MemoryContextSwitchTo(jdg_group_context);
	JsonbParseState *st = NULL;

	jdg_work_begin();
	jdg_json_begin(&st);
	jdg_json_int64(&st, "pid", MyProcPid);
	if (kind == JDG_WORKER_STOPPED)
		jdg_json_int64(&st, "tasks", jdg_my_slot->tasks_done);
	jdg_happened(kind, jdg_my_slot->owner, psprintf("%d", MyProcPid),
				 jdg_json_finish(&st));
	jdg_work_end();
	MemoryContextSwitchTo(old);
}

void
jdg_worker_tell_start(void)
{
	if (told || !worked)
		return;
	told = true;
	if (jdg_happens(JDG_WORKER_STARTED))
		tell(JDG_WORKER_STARTED);
}

void
jdg_worker_tell_stop(void)
{
	bool		tells = told;

	/* an error does not bring it back here */
	told = worked = false;
	if (tells && jdg_happens(JDG_WORKER_STOPPED))
		tell(JDG_WORKER_STOPPED);
}
