/*-------------------------------------------------------------------------
 *
 * actor.c
 *	  Rows of actors and of their keys, see actor.h.
 *
 * Runs in sessions and in workers.  Order of locks: the actor, shared; the row
 * of a key.  Messages of one key run one at a time, since they have one
 * concurrency_key, so the row of a key is contended only by reset_actor().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "actor/actor.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/spi.h"
#include "task/task.h"

bool
jdg_actor_find(const char *name, JdgActor *actor, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT a.owner, a.function, a.initial, a.queue_id, a.retry, "
		"a.on_failure = 'stop' FROM jadugar_internal.actor a "
		"WHERE a.name = $1", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};

	if (jdg_run_latest(&q, v, NULL) == 0)
		return false;
	actor->name = name;
	actor->owner = jdg_col_oid(0, 1);
	actor->function = jdg_col_text(0, 2, mcxt);
	actor->initial = jdg_col_jsonb(0, 3, mcxt);
	actor->queue_id = jdg_col_int32(0, 4, 0);
	actor->retry = jdg_col_jsonb(0, 5, mcxt);
	actor->stops = jdg_col_bool(0, 6);
	return true;
}

void
jdg_actor_read(const char *name, JdgActor *actor, MemoryContext mcxt)
{
	if (jdg_actor_find(name, actor, mcxt))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("actor \"%s\" does not exist", jdg_excerpt(name)),
			 errhint("See the view jadugar.actors, or register it with jadugar.register_actor().")));
}

void
jdg_actor_check_name(const char *name)
{
	jdg_check_name("actor", name);
	if (strchr(name, '/') != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the name of an actor must not contain \"/\""),
				 errdetail("The value is \"%s\".", jdg_excerpt(name)),
				 errhint("The slash separates the name from the key in concurrency_key.")));
}

void
jdg_actor_check_key(const char *key)
{
	int			len = strlen(key);

	if (len >= 1 && len <= JDG_ACTOR_KEY_MAX)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key of an actor"),
			 errdetail("The value is \"%s\", of %d bytes.", jdg_excerpt(key),
					   len),
			 errhint("Keys of actors have 1 to %d bytes.", JDG_ACTOR_KEY_MAX)));
}

static uint32
lock_of(const char *name)
{
	return hash_bytes((const unsigned char *) name, strlen(name));
}

void
jdg_actor_lock_use(const char *name)
{
	jdg_lock_xact_shared(JDG_LOCK_ACTOR, lock_of(name));
}

void
jdg_actor_lock_change(const char *name)
{
	jdg_lock_xact(JDG_LOCK_ACTOR, lock_of(name));
}

bool
jdg_actor_try_lock_change(const char *name)
{
	return jdg_try_lock_xact(JDG_LOCK_ACTOR, lock_of(name));
}

char *
jdg_actor_concurrency_key(const char *name, const char *key)
{
	return psprintf(JDG_ACTOR_KEY_PREFIX "%s/%s", name, key);
}

bool
jdg_actor_is_of_tenant(const char *of, const char *tenant)
{
	return of != NULL && tenant != NULL && strcmp(of, tenant) == 0;
}

void
jdg_actor_check_tenant(const JdgActor *actor, const char *key, const char *of,
					   const char *tenant)
{
	if (jdg_confined(jdg_section_caller()) == NULL ||
		jdg_actor_is_of_tenant(of, tenant))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("key \"%s\" of actor \"%s\" is already in use",
					jdg_excerpt(key), actor->name),
			 errdetail("Another tenant uses it."),
			 errhint("Begin the keys of each tenant with its name.")));
}

void
jdg_actor_check_key_tenant(const JdgActor *actor, const char *key,
						   const char *tenant)
{
	/* of the messages that wait, one tells: each was checked as this one is */
	static JdgQuery q = {
		"SELECT s.tenant FROM jadugar_internal.actor_state s "
		"WHERE s.actor = $1 AND s.key = $2 "
		"UNION ALL SELECT t.tenant FROM jadugar_internal.task t "
		"WHERE t.owner = $3 AND t.key_place AND t.concurrency_key = $4 "
		"UNION ALL (SELECT t.tenant FROM jadugar_internal.task t "
		"WHERE t.owner = $3 AND t.state = " JDG_SQL_KEY " "
		"AND t.concurrency_key = $4 ORDER BY t.task_id LIMIT 1)", 4,
		{TEXTOID, TEXTOID, OIDOID, TEXTOID}
	};
	Datum		v[4] = {CStringGetTextDatum(actor->name),
		CStringGetTextDatum(key), ObjectIdGetDatum(actor->owner),
	CStringGetTextDatum(jdg_actor_concurrency_key(actor->name, key))};
	int64		n;

	if (jdg_confined(jdg_section_caller()) == NULL)
		return;
	n = jdg_run_latest(&q, v, NULL);
	for (int64 i = 0; i < n; i++)
		jdg_actor_check_tenant(actor, key,
							   jdg_col_text(i, 1, CurrentMemoryContext), tenant);
}
