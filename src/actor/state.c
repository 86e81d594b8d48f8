/*-------------------------------------------------------------------------
 *
 * state.c
 *	  The states of the keys of actors, see state.h.
 *
 * Runs in sessions and in workers.  Messages of one key run one at a time,
 * since they have one concurrency_key, so the row of a key is contended only
 * by reset_actor(), which waits for the lock.
 *
 * A state is kept only at the top level of a worker's transaction: a task that
 * fails there rolls back all.  What a message stores last is what counts, so a
 * write in a subtransaction leaves the kept state as it is, to be written
 * again.  It lives in the transaction's memory and vanishes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/owner.h"
#include "actor/actor.h"
#include "actor/state.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/params.h"
#include "base/spi.h"

/* the state that this transaction keeps */
typedef struct Kept
{
	char	   *actor;
	char	   *key;
	char	   *tenant;
	char	   *concurrency_key;
	Jsonb	   *state;			/* NULL: the key is forgotten */
	int64		version;
	TimestampTz registered;
	bool		changed;		/* since it was written */
	bool		in_doubt;		/* the actor may have been dropped */
	MemoryContextCallback gone; /* the transaction has ended */
} Kept;

static Kept *kept = NULL;

/* the task that runs may keep a state */
static bool may_keep = false;

static void
forget_kept(void *arg)
{
	kept = NULL;
}

static bool
is_kept(const char *actor, const char *key)
{
	return kept != NULL && strcmp(kept->actor, actor) == 0 &&
		strcmp(kept->key, key) == 0;
}

static Jsonb *
copy_state(const Jsonb *state, MemoryContext mcxt)
{
	Jsonb	   *copy = MemoryContextAlloc(mcxt, VARSIZE(state));

	memcpy(copy, state, VARSIZE(state));
	return copy;
}

/* Keeps a state that was loaded. */
static void
keep(const char *actor, const char *key, const JdgActorState *loaded,
	 int64 version)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Kept	   *k = palloc0(sizeof(Kept));

	Assert(kept == NULL);
	k->actor = pstrdup(actor);
	k->key = pstrdup(key);
	k->tenant = loaded->tenant ? pstrdup(loaded->tenant) : NULL;
	k->concurrency_key = jdg_actor_concurrency_key(actor, key);
	k->state = copy_state(loaded->state, TopTransactionContext);
	k->version = version;
	k->registered = loaded->registered;
	k->gone.func = forget_kept;
	MemoryContextRegisterResetCallback(TopTransactionContext, &k->gone);
	MemoryContextSwitchTo(old);
	kept = k;
}

/* of the registration of which the state was loaded */
#define IS_REGISTERED \
	"EXISTS (SELECT FROM jadugar_internal.actor a WHERE a.name = s.actor " \
	"AND a.created_at = $registered OFFSET 0)"

/*
 * "version" is that of the new state; 0: the next one.  A row keeps its tenant;
 * a new one gets that of "of".
 */
static void
write_state(const char *actor, const char *key, const JdgActorState *of,
			Jsonb *state, int64 version)
{
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.actor_state s "
		"WHERE s.actor = $actor AND s.key = $key AND " IS_REGISTERED
	};
	static JdgQuery update = {
		"UPDATE jadugar_internal.actor_state s SET state = $state, "
		"version = COALESCE($version, s.version + 1), updated_at = $now "
		"WHERE s.actor = $actor AND s.key = $key AND " IS_REGISTERED
	};
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.actor_state AS s (actor, key, owner, "
		"tenant, state, version, updated_at) "
		"SELECT a.name, $key, a.owner, $tenant, $state, COALESCE($version, 1), "
		"$now FROM jadugar_internal.actor a "
		"WHERE a.name = $actor AND a.created_at = $registered "
		"ON CONFLICT (actor, key) DO UPDATE SET owner = excluded.owner, "
		"state = excluded.state, version = s.version + 1, "
		"updated_at = excluded.updated_at"
	};
	JdgParams	p = {0};

	jdg_bind_text(&p, "actor", actor);
	jdg_bind_text(&p, "key", key);
	jdg_bind_time(&p, "registered", of->registered);
	if (state == NULL)
	{
		jdg_run_params(&forget, &p, 0);
		return;
	}
	jdg_bind_text(&p, "tenant", of->tenant);
	jdg_bind_jsonb(&p, "state", state);
	jdg_bind_int64_or_null(&p, "version", version != 0 ? &version : NULL);
	jdg_bind_time(&p, "now", jdg_now());
	if (jdg_run_params(&update, &p, 0) == 0)
		jdg_run_params(&insert, &p, 0);
}

void
jdg_actor_state_flush(void)
{
	JdgActorState of = {0};

	if (kept == NULL || !kept->changed)
		return;
	of.tenant = kept->tenant;
	of.registered = kept->registered;
	write_state(kept->actor, kept->key, &of, kept->state, kept->version);
	kept->changed = GetCurrentTransactionNestLevel() > 1;
}

/*
 * Locks the row of a key; false: it has none.  The row is in the result of the
 * query: state, version and tenant, owner and created_at of the actor.
 */
static bool
lock_row(const char *actor, const char *key)
{
	static JdgQuery q = {
		"SELECT s.state, s.version, s.tenant, a.owner, a.created_at "
		"FROM jadugar_internal.actor_state s "
		"JOIN jadugar_internal.actor a ON a.name = s.actor "
		"WHERE s.actor = $1 AND s.key = $2 FOR UPDATE OF s", 2,
		{TEXTOID, TEXTOID}
	};
	Datum		v[2] = {CStringGetTextDatum(actor), CStringGetTextDatum(key)};

	return jdg_run(&q, v, NULL, 0) > 0;
}

/* The same for a row that it makes; false: another transaction has made one. */
static bool
make_row(const char *actor, const char *key, const char *tenant)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.actor_state AS s (actor, key, owner, "
		"tenant, state, version, updated_at) "
		"SELECT a.name, $key, a.owner, $tenant, a.initial, 0, $now "
		"FROM jadugar_internal.actor a WHERE a.name = $actor "
		"ON CONFLICT (actor, key) DO NOTHING "
		"RETURNING s.state, s.version, s.tenant, s.owner, (SELECT a.created_at "
		"FROM jadugar_internal.actor a WHERE a.name = s.actor)"
	};
	JdgParams	p = {0};

	jdg_bind_text(&p, "key", key);
	jdg_bind_text(&p, "tenant", tenant);
	jdg_bind_time(&p, "now", jdg_now());
	jdg_bind_text(&p, "actor", actor);
	return jdg_run_params(&q, &p, 0) > 0;
}

/*
 * Locks the row of a key, which is made if there is none, and reads it.
 * Returns its version.
 */
static int64
read_row(const char *actor, const char *key, const char *tenant, Oid role,
		 JdgActorState *row)
{
	Oid			owner;

	while (!lock_row(actor, key) && !make_row(actor, key, tenant))
	{
		JdgActor	a;

		jdg_actor_read(actor, &a, CurrentMemoryContext);
		CHECK_FOR_INTERRUPTS();
	}
	row->state = jdg_col_jsonb(0, 1, CurrentMemoryContext);
	row->tenant = jdg_col_text(0, 3, CurrentMemoryContext);
	owner = jdg_col_oid(0, 4);
	row->registered = jdg_col_time(0, 5, DT_NOBEGIN);
	if (owner != role)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("actor \"%s\" belongs to another role", actor),
				 errdetail("The message is a task of role \"%s\".",
						   jdg_role_name(role)),
				 errhint("Send it again.")));
	return jdg_col_int64(0, 2, 0);
}

void
jdg_actor_state_load(const char *actor, const char *key, const char *tenant,
					 Oid role, JdgActorState *loaded)
{
	bool		top = may_keep && GetCurrentTransactionNestLevel() == 1;
	int64		version;

	if (top && is_kept(actor, key) && kept->state != NULL && !kept->in_doubt)
	{
		loaded->tenant = kept->tenant ? pstrdup(kept->tenant) : NULL;
		loaded->registered = kept->registered;
		loaded->state = copy_state(kept->state, CurrentMemoryContext);
		return;
	}
	jdg_actor_state_flush();
	version = read_row(actor, key, tenant, role, loaded);
	if (top)
	{
		kept = NULL;
		keep(actor, key, loaded, version);
	}
}

void
jdg_actor_state_store(const char *actor, const char *key,
					  const JdgActorState *loaded, Jsonb *state)
{
	if (!may_keep || GetCurrentTransactionNestLevel() > 1 ||
		!is_kept(actor, key))
	{
		write_state(actor, key, loaded, state, 0);
		return;
	}
	if (kept->state)
		pfree(kept->state);
	kept->state = state ? copy_state(state, TopTransactionContext) : NULL;
	kept->version++;
	kept->changed = true;
}

void
jdg_actor_state_reset(const JdgActor *actor, const char *key,
					  const char *tenant, Jsonb *state)
{
	JdgActorState row;

	jdg_actor_state_flush();
	(void) read_row(actor->name, key, tenant, actor->owner, &row);
	jdg_actor_check_tenant(actor, key, row.tenant, tenant);
	write_state(actor->name, key, &row, state, 0);
}

void
jdg_actor_state_dropped(const char *actor)
{
	if (kept != NULL && strcmp(kept->actor, actor) == 0)
		kept->in_doubt = true;
}

void
jdg_actor_state_before(const JdgTask *next, bool fused)
{
	may_keep = next != NULL && fused;
	if (kept == NULL || (may_keep && next->concurrency_key != NULL &&
						 strcmp(next->concurrency_key, kept->concurrency_key) == 0))
		return;
	if (kept->changed)
	{
		JdgInternal in;

		PushActiveSnapshot(GetTransactionSnapshot());
		jdg_internal_begin(&in);
		jdg_actor_state_flush();
		jdg_internal_end(&in);
		PopActiveSnapshot();
		JDG_FAULT("actor-flushed");
	}
	kept = NULL;
}
