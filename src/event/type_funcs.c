/*-------------------------------------------------------------------------
 *
 * type_funcs.c
 *	  register_event_type(), drop_event_type().
 *
 * Runs in the caller's process.  Arguments are checked as the caller, then the
 * row of the type is locked and written.  A version is known by its
 * payload_type: it changes only if the type does not exist any more, while its
 * upcast and downcast may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonpath.h"
#include "utils/lsyscache.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/params.h"
#include "event/compatible.h"
#include "event/convert.h"
#include "event/topic.h"
#include "event/grant.h"
#include "event/typerow.h"
#include "handler/function.h"
#include "handler/payload.h"

typedef struct RegisterArgs
{
	char	   *type;
	char	   *payload_type;
	int32	   *version;
	char	   *upcast;
	char	   *downcast;
	char	   *topic;
	char	   *key;
	char	   *description;
	char	   *owner;
} RegisterArgs;

#define FIELD(field) offsetof(RegisterArgs, field)

static const JdgArg register_args[] = {
	{"type", TEXTOID, FIELD(type), JDG_NEEDED},
	{"payload_type", TEXTOID, FIELD(payload_type)},
	{"version", INT4OID, FIELD(version)},
	{"upcast", TEXTOID, FIELD(upcast)},
	{"downcast", TEXTOID, FIELD(downcast)},
	{"topic", TEXTOID, FIELD(topic)},
	{"key", TEXTOID, FIELD(key)},
	{"description", TEXTOID, FIELD(description)},
	{"owner", TEXTOID, FIELD(owner)},
};

static const JdgArg drop_args[] = {
	{"type", TEXTOID, 0, JDG_NEEDED},
};

/* a call of register_event_type(), checked */
typedef struct Registration
{
	RegisterArgs a;
	Oid			owner;
	Oid			payload_type;	/* InvalidOid: any object */
	JdgFunction upcast;			/* oid InvalidOid: none */
	JdgFunction downcast;
	int			version;		/* to be written */
	const char *replaced;		/* its payload_type, which does not exist */
	const JdgEventType *old;	/* as it is registered now; or NULL */
} Registration;

static JdgQuery type_query = {
	"INSERT INTO jadugar_internal.event_type AS t (name, owner, topic_id, key, "
	"version, description, created_at) VALUES ($name, $owner, $topic_id, "
	"$key, $version, $description, $now) ON CONFLICT (name) DO UPDATE SET "
	"key = coalesce(excluded.key, t.key), "
	"version = greatest(excluded.version, t.version), "
	"description = coalesce(excluded.description, t.description) "
	"WHERE t.owner = excluded.owner AND t.topic_id = excluded.topic_id "
	"AND t.version >= excluded.version - 1",
	.config = true
};

static JdgQuery version_query = {
	"INSERT INTO jadugar_internal.event_type_version AS v (name, version, "
	"payload_type, upcast, downcast, created_at) VALUES ($name, $version, "
	"$payload_type, $upcast, $downcast, $now) "
	"ON CONFLICT (name, version) DO UPDATE SET "
	"payload_type = excluded.payload_type, "
	"upcast = coalesce(excluded.upcast, v.upcast), "
	"downcast = coalesce(excluded.downcast, v.downcast) "
	"WHERE v.payload_type IS NOT DISTINCT FROM excluded.payload_type "
	"OR v.payload_type = $replaced",
	.config = true
};

static void
check_key_path(const char *key)
{
	MemoryContext mcxt = CurrentMemoryContext;

	if (key == NULL)
		return;
	if (strlen(key) > JDG_EVENT_KEY_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"key\" is too long"),
				 errdetail("It has %zu bytes. The maximum is %d.", strlen(key),
						   JDG_EVENT_KEY_MAX)));
	PG_TRY();
	{
		(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(key));
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_input_error(mcxt);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"key\" is not a path of type jsonpath"),
				 errdetail("The value is \"%s\": %s.", jdg_excerpt(key),
						   edata->message),
				 errhint("Write it like \"$.customer.id\".")));
	}
	PG_END_TRY();
}

/*
 * Finds the payload_type, which the owner must be allowed to use.  A call that
 * names neither a version nor a payload_type concerns the latest version.
 */
static void
read_payload_type(Registration *r)
{
	if (r->a.payload_type == NULL && r->a.version == NULL && r->old != NULL)
		r->a.payload_type = r->old->version[r->old->latest - 1].payload_type;
	if (r->a.payload_type == NULL)
		return;
	r->payload_type = jdg_payload_type_find(r->a.payload_type);
	if (!jdg_event_payload_type_ok(r->payload_type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload_type must be a composite type, or a domain over one or over jsonb"),
				 errdetail("The value is \"%s\".",
						   jdg_excerpt(r->a.payload_type)),
				 errhint("Create one with CREATE TYPE ... AS (field type, ...), or name a table.")));
	if (!jdg_type_acl_ok(r->payload_type, r->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for type %s",
						format_type_be(r->payload_type)),
				 errdetail("Role \"%s\" owns the event type and may not use it.",
						   jdg_role_name(r->owner))));
	r->a.payload_type = format_type_be_qualified(r->payload_type);
}

/* Finds an upcast or a downcast, which runs as the owner of the type. */
static void
read_cast(const char *argument, const char *given, Oid owner, JdgFunction *f)
{
	f->oid = InvalidOid;
	if (given == NULL)
		return;
	jdg_function_find(argument, given, f);
	if (f->procedure || f->returns_set || !OidIsValid(f->argument))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a function of one argument", argument),
				 errdetail("The value is \"%s\".", jdg_excerpt(given)),
				 errhint("Use a function from jsonb to jsonb, or from one composite type to the other.")));
	if (func_volatile(f->oid) == PROVOLATILE_VOLATILE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be immutable or stable", argument),
				 errdetail("Function %s is volatile.",
						   jdg_function_signature(f->oid)),
				 errhint("Declare it IMMUTABLE or STABLE.")));
	if (!jdg_proc_acl_ok(f->oid, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for function %s",
						jdg_function_signature(f->oid)),
				 errdetail("It runs as role \"%s\", which owns the event type.",
						   jdg_role_name(owner))));
}

/* Finds the owner, and what is registered under the name. */
static void
read_owner(Registration *r)
{
	r->old = jdg_event_type(r->a.type);
	if (r->old == NULL)
	{
		r->owner = jdg_resolve_object_owner(r->a.owner);
		return;
	}
	r->owner = r->old->owner;
	if (r->a.owner && jdg_role_by_name(r->a.owner) != r->owner)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("event type \"%s\" belongs to role \"%s\"", r->a.type,
						jdg_role_name(r->owner)),
				 errhint("Types change their owner with jadugar.reassign_owned().")));
	if (!jdg_may_manage(GetUserId(), r->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to change event type \"%s\"",
						r->a.type),
				 errdetail("It belongs to role \"%s\".",
						   jdg_role_name(r->owner)),
				 errhint("Choose another name: names of types are unique in the database.")));
	/* its code runs as the owner */
	(void) jdg_resolve_object_owner(jdg_role_name(r->owner));
}

/* the topic that the type belongs to */
static int32
find_topic(const Registration *r)
{
	JdgTopic	topic;

	if (r->old != NULL && r->a.topic == NULL)
		return r->old->topic_id;
	jdg_topic_need(r->a.topic ? r->a.topic : "default", &topic);
	if (r->old != NULL && r->old->topic_id != topic.topic_id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("event type \"%s\" belongs to another topic", r->a.type),
				 errdetail("The topic given is \"%s\".", topic.name),
				 errhint("Drop the type first with jadugar.drop_event_type().")));
	if (topic.topic_id == JDG_TOPIC_JADUGAR ||
		!jdg_event_may_publish(r->owner, &topic, NULL, r->a.type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for topic \"%s\"", topic.name),
				 errdetail("Role \"%s\" may not publish there.",
						   jdg_role_name(r->owner)),
				 errhint("The owner of the topic can allow it with jadugar.grant_topic().")));
	return topic.topic_id;
}

/* are both NULL or the same? */
static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Does the payload_type of a registered version not exist any more? */
static bool
is_gone(const JdgEventType *type, int version)
{
	const char *name = type->version[version - 1].payload_type;
	Oid			oid = name ? jdg_payload_type_read(name) : InvalidOid;

	return name != NULL &&
		(!OidIsValid(oid) || !jdg_event_payload_type_ok(oid));
}

/* The version of the registration, see the head of the file. */
static int
choose_version(Registration *r)
{
	int			latest = r->old ? r->old->latest : 0;
	int			version = r->a.version ? *r->a.version : latest + 1;

	if (version < 1 || version > latest + 1 ||
		version > JDG_EVENT_VERSIONS_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid version %d of event type \"%s\"", version,
						r->a.type),
				 errdetail("The next version is %d. The maximum is %d.",
						   latest + 1, JDG_EVENT_VERSIONS_MAX)));
	if (r->a.version == NULL && latest > 0 &&
		same_text(r->old->version[latest - 1].payload_type,
				  r->a.payload_type))
		return latest;
	if (version <= latest && is_gone(r->old, version))
		r->replaced = r->old->version[version - 1].payload_type;
	else if (version <= latest &&
			 !same_text(r->old->version[version - 1].payload_type,
						r->a.payload_type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("version %d of event type \"%s\" has another payload_type",
						version, r->a.type),
				 errdetail("It is %s.",
						   r->old->version[version - 1].payload_type ?
						   r->old->version[version - 1].payload_type : "not set"),
				 errhint("Leave version out to register a new one.")));
	return version;
}

static void
bind_cast(JdgParams *p, const char *name, const JdgFunction *f)
{
	jdg_bind_text(p, name, OidIsValid(f->oid) ?
				  jdg_function_signature(f->oid) : NULL);
}

/*
 * Locks the row of a type that was registered before.  Raises CONFLICT if it
 * is not the one with which the registration was compared.
 */
static void
lock_old(const Registration *r)
{
	static JdgQuery q = {
		"SELECT t.version, (SELECT v.payload_type "
		"FROM jadugar_internal.event_type_version v "
		"WHERE v.name = $1 AND v.version = $2) "
		"FROM jadugar_internal.event_type t WHERE t.name = $1 AND t.owner = $3 "
		"FOR UPDATE", 3, {TEXTOID, INT2OID, OIDOID}
	};
	int			before = Min(r->version, r->old->latest + 1) - 1;
	Datum		v[3] = {CStringGetTextDatum(r->a.type), Int16GetDatum(before),
	ObjectIdGetDatum(r->owner)};
	bool		isnull;

	if (jdg_run(&q, v, NULL, 1) == 1 &&
		DatumGetInt16(jdg_col(0, 1, &isnull)) >= before &&
		(before == 0 ||
		 same_text(jdg_col_text(0, 2, CurrentMemoryContext),
				   r->old->version[before - 1].payload_type)))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("event type \"%s\" was changed by another session at the same time",
					r->a.type),
			 errhint("Try again.")));
}

/* Writes type and version. */
static void
write_registration(const Registration *r, int32 topic_id)
{
	TimestampTz now = jdg_now();
	JdgParams	p = {0};
	JdgParams	v = {0};
	JdgInternal in;

	jdg_bind_text(&p, "name", r->a.type);
	jdg_bind_oid(&p, "owner", r->owner);
	jdg_bind_int32(&p, "topic_id", topic_id);
	jdg_bind_text(&p, "key", r->a.key);
	jdg_bind(&p, "version", INT2OID, Int16GetDatum(r->version), false);
	jdg_bind_text(&p, "description", r->a.description);
	jdg_bind_time(&p, "now", now);
	jdg_bind_text(&v, "name", r->a.type);
	jdg_bind(&v, "version", INT2OID, Int16GetDatum(r->version), false);
	jdg_bind_text(&v, "payload_type", r->a.payload_type);
	bind_cast(&v, "upcast", &r->upcast);
	bind_cast(&v, "downcast", &r->downcast);
	jdg_bind_time(&v, "now", now);
	jdg_bind_text(&v, "replaced", r->replaced);

	jdg_internal_begin(&in);
	jdg_remember_role(r->owner);
	if (!jdg_topic_hold(topic_id))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the topic of event type \"%s\" does not exist",
						r->a.type),
				 errdetail("It has just been dropped.")));
	if (r->old != NULL)
		lock_old(r);
	/* another session may have registered the name at the same time */
	if (jdg_run_params(&type_query, &p, 0) != 1 ||
		jdg_run_params(&version_query, &v, 0) != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("event type \"%s\" was registered by another session at the same time",
						r->a.type),
				 errhint("Try again.")));
	jdg_audit_detail("register_event_type", "event type", r->a.type, r->owner,
					 psprintf("version %d", r->version), NULL);
	jdg_internal_end(&in);
}

/* register_event_type(type, payload_type, ...) returns the version */
JDG_FUNCTION(jdg_register_event_type, JDG_LEVEL_USER)
{
	Registration r = {{0}};
	int32		topic_id;

	JDG_READ_ARGS("register_event_type", register_args, &r.a);
	jdg_event_type_check_name("type", r.a.type);
	check_key_path(r.a.key);
	jdg_check_description(r.a.description);
	read_owner(&r);
	read_payload_type(&r);
	read_cast("upcast", r.a.upcast, r.owner, &r.upcast);
	read_cast("downcast", r.a.downcast, r.owner, &r.downcast);
	topic_id = find_topic(&r);
	r.version = choose_version(&r);
	jdg_event_check_compatible(r.a.type, r.version, r.old, r.payload_type,
							   OidIsValid(r.upcast.oid) ? &r.upcast : NULL,
							   OidIsValid(r.downcast.oid) ? &r.downcast : NULL);
	write_registration(&r, topic_id);
	PG_RETURN_INT32(r.version);
}

/* drop_event_type(type) */
JDG_FUNCTION(jdg_drop_event_type, JDG_LEVEL_USER)
{
	static JdgQuery drops[] = {
		{"DELETE FROM jadugar_internal.event_grant "
		"WHERE topic_id = 0 AND type = $1", 1, {TEXTOID},.config = true},
		{"DELETE FROM jadugar_internal.event_type_version WHERE name = $1",
		1, {TEXTOID},.config = true},
		{"DELETE FROM jadugar_internal.event_type WHERE name = $1",
		1, {TEXTOID},.config = true},
	};
	char	   *name;
	JdgInternal in;
	Datum		v[1];

	JDG_READ_ARGS("drop_event_type", drop_args, &name);
	jdg_event_type_check_name("type", name);
	v[0] = CStringGetTextDatum(name);
	jdg_internal_begin(&in);
	if (!jdg_event_type_lock(name, in.save_user))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("event type \"%s\" is not registered", name),
				 errhint("See the view jadugar.event_types.")));
	jdg_audit("drop_event_type", "event type", name,
			  jdg_event_type_owner(name));
	for (int i = 0; i < lengthof(drops); i++)
		jdg_run(&drops[i], v, NULL, 0);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
