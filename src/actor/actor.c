/*-------------------------------------------------------------------------
 *
 * actor.c
 *	  Rows of actors and of their keys, see actor.h.
 *
 * Runs in sessions and in workers.  Order of locks: the actor, shared; a key;
 * its row.  Messages of one key run one at a time, since they have one
 * concurrency_key, so the row of a key is contended only by reset_actor().  A
 * message that finds no row takes the lock of the key instead, and looks again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/params.h"

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

void
jdg_actor_lock_key(const char *name, const char *key)
{
	jdg_lock_xact(JDG_LOCK_ACTOR_KEY, hash_combine(lock_of(name), lock_of(key)));
}

bool
jdg_actor_state_lock(const char *name, const char *key, Oid *owner,
					 Jsonb **state)
{
	static JdgQuery q = {
		"SELECT a.owner, s.state FROM jadugar_internal.actor_state s "
		"JOIN jadugar_internal.actor a ON a.name = s.actor "
		"WHERE s.actor = $1 AND s.key = $2 FOR UPDATE OF s", 2,
		{TEXTOID, TEXTOID}
	};
	Datum		v[2] = {CStringGetTextDatum(name), CStringGetTextDatum(key)};

	if (jdg_run(&q, v, NULL, 0) == 0)
	{
		jdg_actor_lock_key(name, key);
		if (jdg_run(&q, v, NULL, 0) == 0)
			return false;
	}
	*owner = jdg_col_oid(0, 1);
	*state = jdg_col_jsonb(0, 2, CurrentMemoryContext);
	return true;
}

void
jdg_actor_state_write(const char *name, const char *key, const char *tenant,
					  Jsonb *state)
{
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.actor_state s "
		"WHERE s.actor = $1 AND s.key = $2", 2, {TEXTOID, TEXTOID}
	};

	/* a key has a row except for its first message */
	static JdgQuery update = {
		"UPDATE jadugar_internal.actor_state s SET tenant = $tenant, "
		"state = $state, version = s.version + 1, updated_at = $now "
		"WHERE s.actor = $actor AND s.key = $key"
	};
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.actor_state AS s (actor, key, owner, "
		"tenant, state, version, updated_at) "
		"SELECT a.name, $key, a.owner, $tenant, $state, 1, $now "
		"FROM jadugar_internal.actor a WHERE a.name = $actor "
		"ON CONFLICT (actor, key) DO UPDATE SET owner = excluded.owner, "
		"tenant = excluded.tenant, state = excluded.state, "
		"version = s.version + 1, updated_at = excluded.updated_at"
	};
	Datum		v[2] = {CStringGetTextDatum(name), CStringGetTextDatum(key)};
	JdgParams	p = {0};

	if (state == NULL)
	{
		jdg_run(&forget, v, NULL, 0);
		return;
	}
	jdg_bind_text(&p, "tenant", tenant);
	jdg_bind_jsonb(&p, "state", state);
	jdg_bind_time(&p, "now", jdg_now());
	jdg_bind_text(&p, "actor", name);
	jdg_bind_text(&p, "key", key);
	if (jdg_run_params(&update, &p, 0) == 0)
		jdg_run_params(&insert, &p, 0);
}
