/*-------------------------------------------------------------------------
 *
 * replay_funcs.c
 *	  SQL function replay(): a subscription that handles events of the log
 *	  again, up to an end.
 *
 * Runs in the caller's process and transaction.  The new subscription has the
 * options of another one, whose row is locked.  Its cursors have an open window from the start:
 * without a base, up to the transactions that have ended now.  A shard is done
 * when that window is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "event/create.h"
#include "event/subscribed.h"
#include "handler/command.h"
#include "shared/shmem.h"

typedef struct ReplayArgs
{
	char	   *name;
	JdgSubscriptionOptions options; /* name, handler, shards, batch, owner */
	TimestampTz *start_time;
	int64	   *start_after;
	TimestampTz *until_time;
	int64	   *until_id;
} ReplayArgs;

#define FIELD(field) offsetof(ReplayArgs, field)

static const JdgArg replay_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"into_name", TEXTOID, FIELD(options.name), JDG_NEEDED},
	{"handler", TEXTOID, FIELD(options.handler)},
	{"start_time", TIMESTAMPTZOID, FIELD(start_time)},
	{"start_after", INT8OID, FIELD(start_after)},
	{"until_time", TIMESTAMPTZOID, FIELD(until_time)},
	{"until_id", INT8OID, FIELD(until_id)},
	{"shards", INT4OID, FIELD(options.shards)},
	{"batch", INT4OID, FIELD(options.batch)},
	{"owner", TEXTOID, FIELD(options.owner)},
};

/* Two ways to name one end of the events that are handled. */
static void
check_one(const char *first, bool has_first, const char *second,
		  bool has_second)
{
	if (has_first && has_second)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s and %s cannot be combined", first, second),
				 errhint("Pass one of them.")));
}

/* The command: that of the original unless handler or batch are given. */
static int64
command_of(const JdgSubscriptionOptions *given, const JdgSubscription *s,
		   Oid owner)
{
	JdgSubscriptionOptions o = *given;
	int			delivery = jdg_delivery_word(s->delivery);
	int32		batch = s->batch;

	if (o.handler == NULL && o.batch == NULL)
		return s->command_id;
	if (o.handler == NULL && s->command_id != 0)
		o.handler = jdg_command_get(s->command_id)->text;
	if (o.batch == NULL && batch != 0)
		o.batch = &batch;
	o.delivery = &delivery;
	jdg_subscription_check_delivery(&o);
	return jdg_subscription_command(&o, owner);
}

/*
 * The subscription whose options the new one has.  Its row is locked, as its
 * command and the other options must be of the same time.
 */
static const JdgSubscription *
find_original(const char *name, Oid owner)
{
	const JdgSubscription *s;
	JdgInternal in;
	int64		id;

	jdg_internal_begin(&in);
	id = jdg_subscription_find(name, owner, false);
	jdg_internal_end(&in);
	(void) jdg_subscription_settled(id, true);
	s = jdg_subscription_get(id);
	if (s == NULL)
		elog(ERROR, "subscription \"%s\" is gone", name);
	return s;
}

static void
read_range(const ReplayArgs *a, JdgSubscriptionRange *range)
{
	range->upto = jdg_xidset_take();
	if (a->start_after)
	{
		jdg_event_check_id("start_after", *a->start_after);
		range->after_id = *a->start_after;
	}
	else if (a->start_time)
		range->after_id = jdg_event_before(*a->start_time);
	if (a->until_id)
	{
		jdg_event_check_id("until_id", *a->until_id);
		range->until_id = a->until_id;
	}
	else if (a->until_time)
	{
		range->until_id = palloc(sizeof(int64));
		*range->until_id = jdg_event_before(*a->until_time);
	}
}

/* replay(name, into_name, handler, ...) returns the id */
JDG_FUNCTION(jdg_replay, JDG_LEVEL_USER)
{
	ReplayArgs	a = {0};
	JdgSubscriptionRange range = {0};
	const JdgSubscription *s;
	int64		command_id;
	int64		id;
	Oid			owner;

	jdg_require_shmem();
	JDG_READ_ARGS("replay", replay_args, &a);
	jdg_check_name("subscription", a.options.name);
	check_one("start_time", a.start_time != NULL,
			  "start_after", a.start_after != NULL);
	check_one("until_time", a.until_time != NULL,
			  "until_id", a.until_id != NULL);
	jdg_subscription_check(&a.options);
	owner = jdg_resolve_owner(a.options.owner);
	s = find_original(a.name, owner);
	command_id = command_of(&a.options, s, owner);
	read_range(&a, &range);
	id = jdg_subscription_create(&a.options, owner, s, command_id, &range);
	if (id == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" already exists",
						a.options.name),
				 errhint("Drop it first with jadugar.unsubscribe(), or choose another name.")));
	PG_RETURN_INT64(id);
}
