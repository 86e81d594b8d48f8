/*-------------------------------------------------------------------------
 *
 * subscription_funcs.c
 *	  subscribe(), unsubscribe(), pause_subscription(),
 *	  resume_subscription(), seek().
 *
 * Runs in the caller's process.  Arguments are checked as the caller, then
 * rows are written.  Functions that change a subscription lock its row, and
 * those that move it also its cursors: they wait for the transaction of a
 * worker that handles its events.  The scheduler makes the feeds when the
 * transaction has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "event/alter.h"
#include "event/create.h"
#include "event/cursor.h"
#include "event/era.h"
#include "event/options.h"
#include "event/reshard.h"
#include "event/subscribed.h"
#include "event/subscription.h"
#include "event/xidset.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/wakeup.h"

static const char *const start_words[] = {"now", "beginning", NULL};

static const char *const dead_words[] = {"restrict", "drop", NULL};

static const char *const lost_words[] = {"stop", "skip", NULL};

/* where a subscription begins */
typedef struct Start
{
	int		   *word;			/* in start_words: 0 now, 1 beginning */
	TimestampTz *time;
	int64	   *after;
} Start;

typedef struct SubscribeArgs
{
	JdgSubscriptionOptions options;
	Start		start;
	bool		or_replace;
} SubscribeArgs;

#define FIELD(field) offsetof(SubscribeArgs, field)

static const JdgArg subscribe_args[] = {
	JDG_SUBSCRIPTION_WHICH_ARGS(JDG_NEEDED),
	{"start", TEXTOID, FIELD(start.word), JDG_OPTIONAL, start_words},
	{"start_time", TIMESTAMPTZOID, FIELD(start.time)},
	{"start_after", INT8OID, FIELD(start.after)},
	JDG_SUBSCRIPTION_HOW_ARGS,
	{"or_replace", BOOLOID, FIELD(or_replace), JDG_DEFAULT,.if_null = false},
};

/* the other functions */
typedef struct NameArgs
{
	char	   *name;
	char	   *owner;
	Start		start;			/* seek() */
	int			dead_letters;	/* unsubscribe(): in dead_words */
	int			lost;			/* resume_subscription(): in lost_words */
} NameArgs;

static const JdgArg name_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg resume_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"lost", TEXTOID, offsetof(NameArgs, lost), JDG_NEEDED, lost_words},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg seek_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"start", TEXTOID, offsetof(NameArgs, start.word), JDG_OPTIONAL,
	start_words},
	{"start_time", TIMESTAMPTZOID, offsetof(NameArgs, start.time)},
	{"start_after", INT8OID, offsetof(NameArgs, start.after)},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg unsubscribe_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"dead_letters", TEXTOID, offsetof(NameArgs, dead_letters), JDG_NEEDED,
	dead_words},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static JdgQuery seek_query = {
	"UPDATE jadugar_internal.event_cursor SET era = $era, "
	"base_xmax = $base_xmax, base_xip = $base_xip, upto_xmax = NULL, upto_xip = NULL, "
	"after_id = $after_id, in_a_row = 0, retry_at = NULL, blocked_id = NULL, "
	"attempts = 0, errors = NULL, charged = NULL, lost_at = NULL, "
	JDG_CURSOR_NO_LEASE " "
	"WHERE subscription_id = $subscription_id"
};

/*
 * Reads the position at which a subscription begins: after an id of the log, or
 * if nothing is given, after the transactions that have ended now.
 */
static void
read_start(const Start *start, JdgSubscriptionRange *range)
{
	bool		beginning = start->word && *start->word == 1;

	if ((start->time != NULL) + (start->after != NULL) + beginning > 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("start, start_time and start_after cannot be combined"),
				 errhint("Pass one of them.")));
	if (start->after)
	{
		jdg_event_check_id("start_after", *start->after);
		range->after_id = *start->after;
	}
	else if (start->time)
		range->after_id = jdg_event_before(*start->time);
	else if (!beginning)
		range->base = jdg_xidset_take();
}

/*
 * Creates the subscription, or changes the one of that name, which keeps its
 * position, events that were set aside, counters, and whether it is paused.
 */
static int64
put_subscription(const SubscribeArgs *a, Oid owner, int64 command_id,
				 const JdgSubscriptionRange *range)
{
	const JdgSubscriptionOptions *o = &a->options;
	JdgInternal in;
	int64		id;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (a->or_replace && (id = jdg_subscription_replace(o, owner)) != 0)
			break;
		id = jdg_subscription_create(o, owner, NULL, command_id, range);
		if (id != 0)
			return id;
		/* another session has just made one of that name; look again */
		if (!a->or_replace)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("subscription \"%s\" already exists", o->name),
					 errhint("Choose another name, change the subscription with jadugar.alter_subscription(), or pass or_replace => true to jadugar.subscribe().")));
	}
	jdg_internal_begin(&in);
	jdg_audit_detail("subscribe", "subscription", o->name, owner, "replaced",
					 NULL);
	jdg_internal_end(&in);
	return id;
}

/* subscribe(name, types, handler, ...) returns the id */
JDG_FUNCTION(jdg_subscribe, JDG_LEVEL_USER)
{
	SubscribeArgs a = {0};
	JdgSubscriptionOptions *o = &a.options;
	JdgSubscriptionRange range = {0};
	int64		command_id;
	Oid			owner;

	jdg_require_shmem();
	JDG_READ_ARGS("subscribe", subscribe_args, &a);
	jdg_check_name("subscription", o->name);
	jdg_subscription_check(o);
	jdg_subscription_check_delivery(o);
	owner = jdg_resolve_owner(o->owner);
	read_start(&a.start, &range);
	jdg_check_fallback(o->retry, owner);
	command_id = jdg_subscription_command(o, owner);
	PG_RETURN_INT64(put_subscription(&a, owner, command_id, &range));
}

/* unsubscribe(name, dead_letters, owner) */
JDG_FUNCTION(jdg_unsubscribe, JDG_LEVEL_USER)
{
	static JdgQuery count = {
		"SELECT count(*) FROM jadugar_internal.parked "
		"WHERE subscription_id = $1", 1, {INT8OID}
	};
	static JdgQuery drops[] = {
		{"DELETE FROM jadugar_internal.event_cursor WHERE subscription_id = $1",
		1, {INT8OID}},
		{"DELETE FROM jadugar_internal.parked WHERE subscription_id = $1",
		1, {INT8OID}},
		{"DELETE FROM jadugar_internal.subscription WHERE subscription_id = $1",
		1, {INT8OID},.config = true},
	};
	NameArgs	a = {0};
	JdgInternal in;
	Oid			owner;
	int64		id;
	Datum		v[1];

	JDG_READ_ARGS("unsubscribe", unsubscribe_args, &a);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	id = jdg_subscription_find(a.name, owner, true);
	v[0] = Int64GetDatum(id);
	if (id != 0)
	{
		jdg_subscription_lock(id);
		jdg_run(&count, v, NULL, 1);
		if (a.dead_letters == 0 && jdg_col_int64(0, 1, 0) > 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("cannot drop subscription \"%s\" because it has set events aside",
							a.name),
					 errdetail("Their number is %lld.",
							   (long long) jdg_col_int64(0, 1, 0)),
					 errhint("Pass dead_letters => 'drop' to give them up.")));
		for (int i = 0; i < lengthof(drops); i++)
			jdg_run(&drops[i], v, NULL, 0);
		jdg_audit("unsubscribe", "subscription", a.name, owner);
		jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	}
	jdg_internal_end(&in);
	PG_RETURN_BOOL(id != 0);
}

/* pause_subscription(name, owner) */
JDG_FUNCTION(jdg_pause_subscription, JDG_LEVEL_USER)
{
	static JdgQuery pause = {
		"UPDATE jadugar_internal.subscription SET paused_at = $2, "
		"paused_by = $3 WHERE subscription_id = $1 AND paused_at IS NULL",
		3, {INT8OID, TIMESTAMPTZOID, NAMEOID},
		.config = true
	};
	NameArgs	a = {0};
	JdgInternal in;
	Datum		v[3];
	NameData	user;
	Oid			owner;
	bool		changed;

	JDG_READ_ARGS("pause_subscription", name_args, &a);
	namestrcpy(&user, GetUserNameFromId(GetUserId(), false));
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	v[0] = Int64GetDatum(jdg_subscription_find(a.name, owner, false));
	v[1] = TimestampTzGetDatum(jdg_now());
	v[2] = NameGetDatum(&user);
	changed = jdg_run(&pause, v, NULL, 0) > 0;
	if (changed)
		jdg_audit("pause_subscription", "subscription", a.name, owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_BOOL(changed);
}

/*
 * Lets lost shards go on with the events that are there.  Returns whether
 * there were any; with "stop", they raise POSITION_LOST.
 */
static bool
resume_lost(const NameArgs *a, int64 id)
{
	static JdgQuery find = {
		"SELECT shard FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND lost_at IS NOT NULL ORDER BY shard",
		1, {INT8OID}
	};
	static JdgQuery skip = {
		"UPDATE jadugar_internal.event_cursor SET lost_at = NULL, "
		"retry_at = NULL, blocked_id = NULL, attempts = 0, errors = NULL, "
		"charged = NULL WHERE subscription_id = $1 AND lost_at IS NOT NULL",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(id)};
	int64		n = jdg_run(&find, v, NULL, 0);

	if (n == 0)
		return false;
	if (a->lost == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_POSITION_LOST),
				 errmsg("subscription \"%s\" has lost its position", a->name),
				 errdetail("Events were dropped before it handled them, or it has kept a topic full for too long. The first shard concerned is %d.",
						   jdg_col_int32(0, 1, 0)),
				 errhint("Pass lost => 'skip' to go on with the events that are there, or move it with jadugar.seek().")));
	jdg_subscription_lock(id);
	return jdg_run(&skip, v, NULL, 0) > 0;
}

/* resume_subscription(name, lost, owner) */
JDG_FUNCTION(jdg_resume_subscription, JDG_LEVEL_USER)
{
	static JdgQuery resume = {
		"UPDATE jadugar_internal.subscription SET paused_at = NULL, "
		"paused_by = NULL WHERE subscription_id = $1 AND paused_at IS NOT NULL",
		1, {INT8OID},
		.config = true
	};
	NameArgs	a = {0};
	JdgInternal in;
	Datum		v[1];
	Oid			owner;
	int64		id;
	bool		changed;

	JDG_READ_ARGS("resume_subscription", resume_args, &a);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	id = jdg_subscription_find(a.name, owner, false);
	v[0] = Int64GetDatum(id);
	changed = resume_lost(&a, id);
	changed |= jdg_run(&resume, v, NULL, 0) > 0;
	if (changed)
		jdg_audit("resume_subscription", "subscription", a.name, owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_BOOL(changed);
}

/* seek(name, start, ...) */
JDG_FUNCTION(jdg_seek, JDG_LEVEL_USER)
{
	static JdgQuery active = {
		"SELECT enabled AND paused_at IS NULL, replay "
		"FROM jadugar_internal.subscription "
		"WHERE subscription_id = $1", 1, {INT8OID}
	};
	NameArgs	a = {0};
	JdgSubscriptionRange range = {0};
	JdgParams	p = {0};
	JdgInternal in;
	Oid			owner;
	int64		id;
	Datum		v[1];

	JDG_READ_ARGS("seek", seek_args, &a);
	/* a null that was meant as a position must not pass over all events */
	if (!a.start.word && !a.start.time && !a.start.after)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("start, start_time and start_after are all null"),
				 errhint("Pass one of them; start => 'now' passes over all events that have committed.")));
	read_start(&a.start, &range);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	id = jdg_subscription_find(a.name, owner, false);
	jdg_subscription_lock(id);
	v[0] = Int64GetDatum(id);
	jdg_run(&active, v, NULL, 1);
	if (jdg_col_bool(0, 2))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot move replay \"%s\"", a.name),
				 errdetail("It handles the events that there were when it began."),
				 errhint("Begin another one with jadugar.replay().")));
	if (jdg_col_bool(0, 1))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" is not paused", a.name),
				 errhint("Pause it first with jadugar.pause_subscription().")));
	jdg_bind_int32(&p, "era", jdg_era_now());
	jdg_cursor_bind_set(&p, "base_xmax", "base_xip", range.base);
	jdg_bind_int64(&p, "after_id", range.after_id);
	jdg_bind_int64(&p, "subscription_id", id);
	jdg_run_params(&seek_query, &p, 0);
	jdg_reshard_here(id);
	jdg_audit("seek", "subscription", a.name, owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
