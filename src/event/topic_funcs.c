/*-------------------------------------------------------------------------
 *
 * topic_funcs.c
 *	  create_topic(), alter_topic(), drop_topic().
 *
 * Runs in the caller's process.  Changes lock the topic's row first.  The
 * leaves of a topic that is dropped are left to the scheduler (upkeep.c):
 * nobody sees their events any more, and a session that drops a partition
 * would stop all readers of the log until it commits.
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
#include "base/interval.h"
#include "base/locks.h"
#include "base/params.h"
#include "event/leaf.h"
#include "event/topic.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

static const char *const roll_words[] = {"hour", "day", "month", NULL};

static const char *const expire_words[] = {"drop", "detach", NULL};

static const char *const events_words[] = {"restrict", "drop", NULL};

/* create_topic(), alter_topic() */
typedef struct TopicArgs
{
	char	   *name;
	Interval   *retention;
	bool	   *keep;
	int		   *roll;			/* in roll_words */
	bool	   *index_keys;
	bool	   *registered_only;
	int64	   *max_backlog;
	Interval   *max_hold;
	int		   *on_expire;		/* in expire_words */
	char	   *description;
	char	   *owner;			/* create_topic() only */
	ArrayType  *reset;			/* alter_topic() only */
} TopicArgs;

#define FIELD(field) offsetof(TopicArgs, field)

#define TOPIC_ARGS \
	{"name", TEXTOID, FIELD(name), JDG_NEEDED}, \
	{"retention", INTERVALOID, FIELD(retention), JDG_RESETTABLE}, \
	{"keep", BOOLOID, FIELD(keep), JDG_RESETTABLE}, \
	{"roll", TEXTOID, FIELD(roll), JDG_RESETTABLE, roll_words}, \
	{"index_keys", BOOLOID, FIELD(index_keys), JDG_RESETTABLE}, \
	{"registered_only", BOOLOID, FIELD(registered_only), JDG_RESETTABLE}, \
	{"max_backlog", INT8OID, FIELD(max_backlog), JDG_RESETTABLE}, \
	{"max_hold", INTERVALOID, FIELD(max_hold), JDG_RESETTABLE}, \
	{"on_expire", TEXTOID, FIELD(on_expire), JDG_RESETTABLE, expire_words}, \
	{"description", TEXTOID, FIELD(description), JDG_RESETTABLE}

static const JdgArg create_args[] = {
	TOPIC_ARGS,
	{"owner", TEXTOID, FIELD(owner)},
};

static const JdgArg alter_args[] = {
	TOPIC_ARGS,
	{"reset", TEXTARRAYOID, FIELD(reset)},
};

typedef struct DropArgs
{
	char	   *name;
	int			events;			/* in events_words */
} DropArgs;

static const JdgArg drop_args[] = {
	{"name", TEXTOID, offsetof(DropArgs, name), JDG_NEEDED},
	{"events", TEXTOID, offsetof(DropArgs, events), JDG_NEEDED, events_words},
};

static JdgQuery create_query = {
	"INSERT INTO jadugar_internal.topic (name, owner, retention, keep, roll, "
	"index_keys, registered_only, max_backlog, max_hold, on_expire, "
	"description, created_at) "
	"VALUES ($name, $owner, $retention, coalesce($keep, false), "
	"coalesce($roll, 'day'), coalesce($index_keys, false), "
	"coalesce($registered_only, false), $max_backlog, $max_hold, "
	"coalesce($on_expire, 'drop'), $description, $created_at) "
	"ON CONFLICT (name) DO NOTHING RETURNING topic_id",
	.config = true
};

/* $reset: names of options that go back to their defaults, or NULL */
static JdgQuery alter_query = {
	"UPDATE jadugar_internal.topic SET "
	"retention = CASE WHEN 'retention' = ANY ($reset) THEN NULL "
	"ELSE coalesce($retention, retention) END, "
	"keep = CASE WHEN 'keep' = ANY ($reset) THEN false "
	"ELSE coalesce($keep, keep) END, "
	"roll = CASE WHEN 'roll' = ANY ($reset) THEN 'day' "
	"ELSE coalesce($roll, roll) END, "
	"index_keys = CASE WHEN 'index_keys' = ANY ($reset) THEN false "
	"ELSE coalesce($index_keys, index_keys) END, "
	"registered_only = CASE WHEN 'registered_only' = ANY ($reset) THEN false "
	"ELSE coalesce($registered_only, registered_only) END, "
	"max_backlog = CASE WHEN 'max_backlog' = ANY ($reset) THEN NULL "
	"ELSE coalesce($max_backlog, max_backlog) END, "
	"full_since = CASE WHEN 'max_backlog' = ANY ($reset) THEN NULL "
	"ELSE full_since END, "
	"full_by = CASE WHEN 'max_backlog' = ANY ($reset) THEN NULL "
	"ELSE full_by END, "
	"max_hold = CASE WHEN 'max_hold' = ANY ($reset) THEN NULL "
	"ELSE coalesce($max_hold, max_hold) END, "
	"on_expire = CASE WHEN 'on_expire' = ANY ($reset) THEN 'drop' "
	"ELSE coalesce($on_expire, on_expire) END, "
	"description = CASE WHEN 'description' = ANY ($reset) THEN NULL "
	"ELSE coalesce($description, description) END "
	"WHERE topic_id = $topic_id",
	.config = true
};

static JdgQuery used_query = {
	"SELECT (SELECT count(*) FROM jadugar_internal.event_type t "
	"WHERE t.topic_id = $1), "
	"(SELECT count(*) FROM jadugar_internal.subscription s "
	"WHERE $1 = ANY (s.topics))",
	1, {INT4OID}
};

static JdgQuery drop_queries[] = {
	{"DELETE FROM jadugar_internal.event_grant WHERE topic_id = $1",
	1, {INT4OID},.config = true},
	{"DELETE FROM jadugar_internal.topic WHERE topic_id = $1",
	1, {INT4OID},.config = true},
};

/* Checks and binds the options that both functions share. */
static void
bind_options(JdgParams *p, const TopicArgs *a)
{
	if (a->retention)
		jdg_check_interval("retention", a->retention, false);
	if (a->max_hold)
		jdg_check_interval("max_hold", a->max_hold, true);
	if (a->max_backlog && *a->max_backlog <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_backlog must be greater than zero"),
				 errdetail("The value is %lld.", (long long) *a->max_backlog),
				 errhint("Leave max_backlog out for no limit.")));
	jdg_check_description(a->description);
	jdg_bind_interval(p, "retention", a->retention);
	jdg_bind_bool_or_null(p, "keep", a->keep);
	jdg_bind_text(p, "roll", a->roll ? roll_words[*a->roll] : NULL);
	jdg_bind_bool_or_null(p, "index_keys", a->index_keys);
	jdg_bind_bool_or_null(p, "registered_only", a->registered_only);
	jdg_bind_int64_or_null(p, "max_backlog", a->max_backlog);
	jdg_bind_interval(p, "max_hold", a->max_hold);
	jdg_bind_text(p, "on_expire", a->on_expire ? expire_words[*a->on_expire] :
				  NULL);
	jdg_bind_text(p, "description", a->description);
}

/* Names are unique in the database, so another role may own the topic. */
static void
raise_exists(const char *name, Oid user)
{
	JdgTopic	topic;
	bool		may_change = !jdg_topic_by_name(name, &topic) ||
	jdg_may_manage(user, topic.owner);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("topic \"%s\" already exists", name),
			 may_change ? 0 :
			 errdetail("It belongs to role \"%s\".", jdg_role_name(topic.owner)),
			 may_change ?
			 errhint("Change it with jadugar.alter_topic(), or choose another name.") :
			 errhint("Choose another name: names of topics are unique in the database.")));
}

/* create_topic(name, ...) returns its id */
JDG_FUNCTION(jdg_create_topic, JDG_LEVEL_USER)
{
	static const char *const reserved_names[] = {NULL};
	TopicArgs	a = {0};
	JdgParams	p = {0};
	Oid			user = GetUserId();
	Oid			owner;
	JdgInternal in;
	int32		topic_id;

	jdg_require_shmem();
	JDG_READ_ARGS("create_topic", create_args, &a);
	jdg_check_name("topic", a.name);
	jdg_check_not_reserved("topic", a.name, reserved_names);
	owner = jdg_resolve_object_owner(a.owner);
	jdg_bind_text(&p, "name", a.name);
	jdg_bind_oid(&p, "owner", owner);
	bind_options(&p, &a);
	jdg_bind_time(&p, "created_at", jdg_now());

	jdg_internal_begin(&in);
	if (jdg_run_params(&create_query, &p, 0) != 1)
		raise_exists(a.name, user);
	topic_id = jdg_col_int32(0, 1, 0);
	jdg_lock_xact(JDG_LOCK_LEAF, (uint32) topic_id);
	jdg_leaf_make(topic_id, a.index_keys && *a.index_keys);
	jdg_audit("create_topic", "topic", a.name, owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_INT32(topic_id);
}

/* alter_topic(name, ...) */
JDG_FUNCTION(jdg_alter_topic, JDG_LEVEL_USER)
{
	TopicArgs	a = {0};
	JdgParams	p = {0};
	bool		reset[lengthof(alter_args)] = {0};
	JdgInternal in;
	JdgTopic	topic;

	JDG_READ_ARGS("alter_topic", alter_args, &a);
	if (a.reset)
		jdg_args_reset(fcinfo, alter_args, lengthof(alter_args), a.reset,
					   reset);
	bind_options(&p, &a);
	jdg_bind(&p, "reset", TEXTARRAYOID, PointerGetDatum(a.reset), a.reset == NULL);

	jdg_internal_begin(&in);
	jdg_topic_lock(a.name, in.save_user, &topic);
	if (a.max_backlog && topic.topic_id == JDG_TOPIC_JADUGAR)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("topic \"%s\" cannot have a max_backlog", a.name),
				 errdetail("Its events are part of changes that must not fail.")));
	jdg_bind_int32(&p, "topic_id", topic.topic_id);
	jdg_run_params(&alter_query, &p, 0);
	jdg_audit("alter_topic", "topic", a.name, topic.owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* Raises CONFLICT if types name the topic, or if its events would be lost. */
static void
refuse_if_used(const DropArgs *a, Datum topic_id)
{
	bool		has_events = a->events == 0 &&
	!jdg_leaf_topic_is_empty(DatumGetInt32(topic_id), true);
	int64		types;
	int64		subscriptions;

	jdg_run_latest(&used_query, &topic_id, NULL);
	types = jdg_col_int64(0, 1, 0);
	subscriptions = jdg_col_int64(0, 2, 0);
	if (types + subscriptions > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop topic \"%s\" because it is in use",
						a->name),
				 jdg_confined(jdg_section_caller()) != NULL ? 0 :
				 errdetail("Types: %lld, subscriptions: %lld.",
						   (long long) types, (long long) subscriptions),
				 errhint("Drop them first with jadugar.drop_event_type() and jadugar.unsubscribe().")));
	if (has_events)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop topic \"%s\" because it has events",
						a->name),
				 errhint("Pass events => 'drop' to drop them, too.")));
}

/* drop_topic(name, events) */
JDG_FUNCTION(jdg_drop_topic, JDG_LEVEL_USER)
{
	DropArgs	a;
	JdgInternal in;
	JdgTopic	topic;
	Datum		topic_id;

	JDG_READ_ARGS("drop_topic", drop_args, &a);
	jdg_internal_begin(&in);
	jdg_topic_lock(a.name, in.save_user, &topic);
	if (topic.topic_id < JDG_TOPIC_FIRST)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("topic \"%s\" cannot be dropped", a.name),
				 errdetail("It is built in.")));
	if (a.events != 0 && jdg_confined(in.save_user) != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to drop events of all tenants"),
				 errhint("Ask an operator to drop topic \"%s\".", a.name)));
	topic_id = Int32GetDatum(topic.topic_id);
	refuse_if_used(&a, topic_id);
	for (int i = 0; i < lengthof(drop_queries); i++)
		jdg_run(&drop_queries[i], &topic_id, NULL, 0);
	jdg_audit("drop_topic", "topic", a.name, topic.owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
