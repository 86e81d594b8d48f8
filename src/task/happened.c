/*-------------------------------------------------------------------------
 *
 * happened.c
 *	  Tells modules what happens to tasks, see happened.h.
 *
 * Runs in any process, in the transaction in which it happens.  Data has ids,
 * names and states, never payloads, results or texts of commands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "handler/command.h"
#include "queue/queue.h"
#include "shared/happening.h"
#include "task/happened.h"

static void
add_attempt(JsonbParseState **st, const JdgTaskNews *n)
{
	jdg_json_text(st, "status", n->status);
	if (n->task_id != 0)
		jdg_json_int64(st, "attempt", n->attempt);
	else
		jdg_json_int64(st, "occurrences", n->occurrences);
	jdg_json_text(st, "error_code", n->error_code);
	jdg_json_text(st, "reason", n->reason);
	if (n->attempt_id != 0)
		jdg_json_int64(st, "attempt_id", n->attempt_id);
}

void
jdg_task_happened(const JdgTaskNews *n)
{
	bool		of_schedule = n->kind == JDG_SCHEDULE_FIRED ||
	n->kind == JDG_SCHEDULE_MISSED;
	const JdgCommand *command = jdg_command_get(n->command_id);
	JsonbParseState *st = NULL;
	JdgQueue	queue;

	jdg_json_begin(&st);
	if (n->task_id != 0)
		jdg_json_int64(&st, "task_id", n->task_id);
	if (command->kind == JDG_COMMAND_HANDLER)
		jdg_json_text(&st, "name", command->text);
	if (jdg_queue_by_id(n->queue_id, &queue))
		jdg_json_text(&st, "queue", queue.name);
	if (n->schedule_id != 0)
	{
		jdg_json_int64(&st, "schedule_id", n->schedule_id);
		jdg_json_text(&st, "schedule", n->schedule);
	}
	if (n->status != NULL)
		add_attempt(&st, n);
	jdg_happened_to(n->kind, n->owner, n->tenant, of_schedule ? n->schedule :
					psprintf("%lld", (long long) n->task_id),
					jdg_json_finish(&st));
}
