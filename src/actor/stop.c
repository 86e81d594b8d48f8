/*-------------------------------------------------------------------------
 *
 * stop.c
 *	  Keys of actors that a failed message has stopped, see stop.h.
 *
 * Runs in every process that settles ends of tasks, and in sessions.
 *
 * A message of an actor with on_failure "stop" that has failed for good leaves
 * a task in its place: paused, with the place of the concurrency_key.  So no
 * further message of the key becomes ready, and nothing looks for one.  The
 * task is inserted in the transaction that settles the failed message, before
 * the place is handed on.  It leaves when the failed message is retried, by
 * reset_actor(), or if a user resumes or cancels it.  Then the place goes to
 * the next message, as at every end of a task.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "actor/stop.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/spi.h"
#include "handler/command.h"
#include "task/locktask.h"
#include "task/settle.h"

/* the command of a task that holds a key; it runs if a user resumes it */
#define HOLDER_COMMAND \
	"SELECT 'The key goes on without the failed message.' AS note"

/* Is the task a message, or the holder of a key?  Then sets the actor's name. */
static bool
actor_of(const JdgTask *t, char **name)
{
	const char *from;
	const char *slash;

	if (!jdg_task_is_message(t))
		return false;
	from = t->concurrency_key + strlen(JDG_ACTOR_KEY_PREFIX);
	slash = strchr(from, '/');
	if (slash == NULL)
		return false;
	*name = pnstrdup(from, slash - from);
	return true;
}

/* Inserts the task that holds the key of a failed message. */
static void
insert_holder(const JdgTask *failed)
{
	JsonbParseState *st;
	JdgTask		t = {0};

	jdg_json_begin(&st);
	jdg_json_int64(&st, "failed_task", failed->task_id);
	t.payload = jdg_json_finish(&st);
	t.metadata = t.payload;
	t.task_id = jdg_task_next_id();
	t.owner = failed->owner;
	t.queue_id = failed->queue_id;
	t.priority = failed->priority;
	t.state = JDG_STATE_PAUSED;
	t.transaction = JDG_XACT_COMMITTED;
	t.max_attempts = 1;
	t.command_id = jdg_command_id(HOLDER_COMMAND, JDG_COMMAND_SQL, false);
	t.run_at = t.created_at = jdg_now();
	t.scheduled_for = t.started_at = DT_NOBEGIN;
	t.concurrency_key = failed->concurrency_key;
	t.key_place = true;
	t.tenant = failed->tenant;
	t.trace = failed->trace;
	jdg_task_insert(&t);
	JDG_FAULT("actor-stopped");
}

/* Does the failed task's actor want its key to stop? */
static bool
wants_stop(const JdgTask *t)
{
	JdgActor	actor;
	char	   *name;

	return actor_of(t, &name) && jdg_actor_find(name, &actor, CurrentMemoryContext) &&
		actor.stops && actor.owner == t->owner;
}

static void
decided(JdgEnds *ends)
{
	for (int i = 0; i < ends->n; i++)
	{
		const JdgDecision *d = &ends->decisions[i];
		JdgInternal in;

		/* discard() fails a message without stopping its key */
		if (!jdg_task_is_message(&ends->tasks[i]) || d->stays ||
			d->status != JDG_STATUS_FAILED ||
			ends->outcomes[i].end == JDG_END_DISCARDED)
			continue;
		jdg_internal_begin(&in);
		if (wants_stop(&ends->tasks[i]))
			insert_holder(&ends->tasks[i]);
		jdg_internal_end(&in);
	}
}

const JdgEndFollower jdg_actor_follower = {jdg_task_is_message, decided, NULL};

bool
jdg_actor_release(Oid owner, const char *concurrency_key, int64 failed, Oid by)
{
	static JdgQuery q = {
		"SELECT t.task_id, (t.metadata->>'failed_task')::bigint "
		"FROM jadugar_internal.task t "
		"WHERE t.owner = $1 AND t.concurrency_key = $2 AND t.key_place "
		"AND t.state = " JDG_SQL_PAUSED, 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(concurrency_key)};
	JdgTask		t;
	int64		id;

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 1) == 0 ||
		(failed != 0 && jdg_col_int64(0, 2, 0) != failed))
		return false;
	id = jdg_col_int64(0, 1, 0);
	if (jdg_task_hold(id, &t, CurrentMemoryContext) != JDG_HOLD_LOCKED ||
		t.state != JDG_STATE_PAUSED)
		return false;
	jdg_settle_drop(&t, "cancelled", by);
	return true;
}

void
jdg_actor_retried(const JdgTask *task)
{
	if (jdg_task_is_message(task))
		(void) jdg_actor_release(task->owner, task->concurrency_key,
								 task->task_id, InvalidOid);
}
