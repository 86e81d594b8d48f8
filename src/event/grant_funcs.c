/*-------------------------------------------------------------------------
 *
 * grant_funcs.c
 *	  grant_topic(), revoke_topic(), grant_event_type(),
 *	  revoke_event_type().
 *
 * Runs in the caller's process.  The row of the topic or the type is locked
 * first, so that the grant is not left behind when it is dropped.
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
#include "base/errors.h"
#include "base/spi.h"
#include "event/grant.h"
#include "event/typerow.h"

typedef struct GrantArgs
{
	char	   *name;			/* of a topic, or a pattern of types */
	char	   *role;
	JdgEventPrivilege privilege;
} GrantArgs;

#define FIELD(field) offsetof(GrantArgs, field)

#define COMMON_ARGS(words) \
	{"role", TEXTOID, FIELD(role), JDG_NEEDED}, \
	{"privilege", TEXTOID, FIELD(privilege), JDG_NEEDED, (words)}

static const JdgArg topic_args[] = {
	{"topic", TEXTOID, FIELD(name), JDG_NEEDED},
	COMMON_ARGS(jdg_topic_privilege_words)
};

static const JdgArg type_args[] = {
	{"type", TEXTOID, FIELD(name), JDG_NEEDED},
	COMMON_ARGS(jdg_event_privilege_words)
};

static JdgQuery grant_query = {
	"INSERT INTO jadugar_internal.event_grant (topic_id, type, role, privilege) "
	"VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
	4, {INT4OID, TEXTOID, OIDOID, TEXTOID},
	.config = true
};

static JdgQuery revoke_query = {
	"DELETE FROM jadugar_internal.event_grant "
	"WHERE topic_id = $1 AND type = $2 AND role = $3 AND privilege = $4",
	4, {INT4OID, TEXTOID, OIDOID, TEXTOID},
	.config = true
};

/* Writes or removes a grant; false: it was there, or there was none. */
static bool
change_grant(int32 topic_id, const char *type, Oid role,
			 JdgEventPrivilege privilege, bool grant)
{
	Datum		v[4] = {Int32GetDatum(topic_id), CStringGetTextDatum(type),
		ObjectIdGetDatum(role),
	CStringGetTextDatum(jdg_topic_privilege_words[privilege])};

	if (grant)
		jdg_remember_role(role);
	return jdg_run(grant ? &grant_query : &revoke_query, v, NULL, 0) > 0;
}

/* Changes a grant on a topic. */
static void
change_topic(const GrantArgs *a, bool grant)
{
	Oid			role = jdg_grantee(a->role);
	JdgInternal in;
	JdgTopic	topic;
	bool		changed;

	jdg_internal_begin(&in);
	jdg_topic_lock(a->name, in.save_user, &topic);
	if (grant && topic.topic_id == JDG_TOPIC_JADUGAR &&
		a->privilege == JDG_EVENT_PUBLISH)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("privilege \"publish\" on topic \"jadugar\" cannot be granted"),
				 errdetail("Only jadugar itself publishes there.")));
	changed = change_grant(topic.topic_id, "", role, a->privilege, grant);
	if (!changed && !grant)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("privilege \"%s\" on topic \"%s\" is not granted to role \"%s\"",
						jdg_topic_privilege_words[a->privilege], a->name,
						a->role)));
	if (changed)
		jdg_audit_grant(grant ? "grant_topic" : "revoke_topic", "topic",
						a->name, topic.owner,
						jdg_topic_privilege_words[a->privilege], a->role);
	jdg_internal_end(&in);
	if (grant)
		jdg_note_no_access(role);
}

/*
 * The owner of a type grants it.  A pattern, or a type that is not registered,
 * concerns types of other roles, so only operators grant it.
 */
static void
check_may_grant(const char *type, Oid user)
{
	if (strchr(type, '*') == NULL && jdg_event_type_lock(type, user))
		return;
	if (jdg_is_operator(user))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to grant event type \"%s\"", type),
			 strchr(type, '*') ?
			 errdetail("It is a pattern, which may match types of other roles.") :
			 errdetail("The type is not registered, so it has no owner."),
			 strchr(type, '*') ?
			 errhint("Grant the types that you own one by one, or ask an operator.") :
			 errhint("Register it first with jadugar.register_event_type(), or ask an operator.")));
}

/* Changes a grant on a type or a pattern of types. */
static void
change_type(const GrantArgs *a, bool grant)
{
	Oid			role = jdg_grantee(a->role);
	JdgInternal in;
	bool		changed;

	jdg_event_type_check_pattern("type", a->name);
	jdg_internal_begin(&in);
	check_may_grant(a->name, in.save_user);
	changed = change_grant(0, a->name, role, a->privilege, grant);
	if (!changed && !grant)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("privilege \"%s\" on event type \"%s\" is not granted to role \"%s\"",
						jdg_event_privilege_words[a->privilege], a->name,
						a->role)));
	if (changed)
		jdg_audit_grant(grant ? "grant_event_type" : "revoke_event_type",
						"event type", a->name, jdg_event_type_owner(a->name),
						jdg_event_privilege_words[a->privilege], a->role);
	jdg_internal_end(&in);
	if (grant)
		jdg_note_no_access(role);
}

/* grant_topic(topic, role, privilege) */
JDG_FUNCTION(jdg_grant_topic, JDG_LEVEL_USER)
{
	GrantArgs	a;

	JDG_READ_ARGS("grant_topic", topic_args, &a);
	change_topic(&a, true);
	PG_RETURN_VOID();
}

/* revoke_topic(topic, role, privilege) */
JDG_FUNCTION(jdg_revoke_topic, JDG_LEVEL_USER)
{
	GrantArgs	a;

	JDG_READ_ARGS("revoke_topic", topic_args, &a);
	change_topic(&a, false);
	PG_RETURN_VOID();
}

/* grant_event_type(type, role, privilege) */
JDG_FUNCTION(jdg_grant_event_type, JDG_LEVEL_USER)
{
	GrantArgs	a;

	JDG_READ_ARGS("grant_event_type", type_args, &a);
	change_type(&a, true);
	PG_RETURN_VOID();
}

/* revoke_event_type(type, role, privilege) */
JDG_FUNCTION(jdg_revoke_event_type, JDG_LEVEL_USER)
{
	GrantArgs	a;

	JDG_READ_ARGS("revoke_event_type", type_args, &a);
	change_type(&a, false);
	PG_RETURN_VOID();
}
