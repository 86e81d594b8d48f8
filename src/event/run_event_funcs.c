/*-------------------------------------------------------------------------
 *
 * run_event_funcs.c
 *	  SQL function run_event(): runs the handler of a subscription for an
 *	  event in the session, for tests of handlers.
 *
 * Runs in the caller's backend and transaction, as the caller.  It runs the
 * handler as a worker does (exec/here.h), but reads no position and moves
 * none, and sets no event aside.  The outcome is returned as jsonb with the
 * fields of task_info.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "event/current.h"
#include "event/grant.h"
#include "event/read.h"
#include "event/reader.h"
#include "event/subscribed.h"
#include "exec/here.h"
#include "handler/command.h"
#include "handler/privileges.h"
#include "shared/shmem.h"

typedef struct RunArgs
{
	char	   *name;
	int64		event_id;
	char	   *owner;
} RunArgs;

static const JdgArg run_args[] = {
	{"name", TEXTOID, offsetof(RunArgs, name), JDG_NEEDED},
	{"event_id", INT8OID, offsetof(RunArgs, event_id), JDG_NEEDED},
	{"owner", TEXTOID, offsetof(RunArgs, owner)},
};

/*
 * The subscription, whose handler the caller trusts: it runs with the rights
 * of the caller.
 */
static const JdgSubscription *
find_subscription(const RunArgs *a)
{
	Oid			owner = jdg_owner_of_call(a->owner);
	const JdgSubscription *s = jdg_subscription_get(jdg_subscription_id(a->name, owner));

	if (s == NULL)
		elog(ERROR, "subscription \"%s\" is gone", a->name);
	if (!jdg_role_trusts(GetUserId(), s->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to run the handler of subscription \"%s\"",
						s->name),
				 errdetail("It would run code of role \"%s\" with the rights of role \"%s\".",
						   jdg_role_name(s->owner), jdg_role_name(GetUserId())),
				 errhint("Run SET ROLE first, to act as that role.")));
	return s;
}

/* The event, as the handler gets it.  Raises an error if it does not. */
static void
find_event(int64 event_id, const JdgSubscription *s, JdgPending *p)
{
	ErrorData  *failed = NULL;

	if (!jdg_event_get(event_id, 0, &p->event, &p->topic) ||
		jdg_event_access(GetUserId(), &p->topic, &p->event) != JDG_EVENT_WHOLE)
		jdg_event_missing(event_id);
	if (!jdg_subscription_is_offered(s, &p->event, &p->topic) ||
		!jdg_reader_is_for(s, p, &failed))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("subscription \"%s\" does not get event %lld", s->name,
						(long long) event_id),
				 errdetail("The event has the type \"%s\" and is in topic \"%s\".",
						   p->event.type, p->topic.name),
				 errhint("See types, topics, keys, headers and filter in the view jadugar.subscriptions.")));
	if (failed != NULL)
		ReThrowError(failed);
}

/* The handler that a command names, which the caller may use; else NULL. */
static JdgHandler *
find_handler(const JdgCommand *command, Jsonb *data)
{
	JdgHandler *h;

	if (command->standalone)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.run_event() cannot run a handler that must run outside a transaction"),
				 errhint("Publish an event, and let the subscription deliver it.")));
	if (command->kind != JDG_COMMAND_HANDLER)
		return NULL;
	h = jdg_handler_get(command->text, GetUserId());
	if (h == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", command->text),
				 errhint("Register it again with jadugar.register_handler().")));
	if (h->kind == JDG_HANDLER_HTTP)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.run_event() cannot run a handler that sends a request"),
				 errhint("Publish an event, and let the subscription deliver it.")));
	jdg_handler_require_privileges(h, GetUserId());
	jdg_handler_check_payload(h, data);
	return h;
}

/* run_event(name, event_id, owner) */
JDG_FUNCTION(jdg_run_event_here, JDG_LEVEL_USER)
{
	RunArgs		a = {0};
	const JdgSubscription *s;
	const JdgCommand *command;
	JdgPending	p;
	JdgCurrentEvent current;
	JdgTask		t = {0};
	JdgHereWork work = {&t};

	jdg_require_shmem();
	JDG_READ_ARGS("run_event", run_args, &a);
	s = find_subscription(&a);
	if (s->delivery == JDG_DELIVERY_FETCH)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" has no handler", s->name),
				 errdetail("Consumers outside the server handle its events.")));
	find_event(a.event_id, s, &p);
	command = jdg_command_get(s->command_id);
	work.handler = find_handler(command, p.event.data);
	work.command = command->text;

	/* a call has no task */
	t.task_id = s->delivery == JDG_DELIVERY_TASK ? jdg_task_next_id() : 0;
	t.owner = GetUserId();
	t.payload = work.handler ? p.event.data :
		jdg_event_info_jsonb(&p.event, &p.topic);
	t.settings = s->settings;
	t.expect_rows = work.handler ? work.handler->expect_rows : JDG_ROWS_ANY;
	t.tenant = p.event.tenant;
	t.trace = p.event.trace;
	jdg_current_event_set(&current, s, p.event.slot % s->shards, 0, &p, 1);
	work.event = &current;
	jdg_event_argument(s, &p, 1, &work.type, &work.value);
	PG_RETURN_JSONB_P(jdg_here_try(&work));
}
