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
	bool		changed;		/* since it was written */
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
keep(const char *actor, const char *key, const char *tenant,
	 const Jsonb *state, int64 version)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Kept	   *k = palloc0(sizeof(Kept));

	Assert(kept == NULL);
	k->actor = pstrdup(actor);
	k->key = pstrdup(key);
	k->tenant = tenant ? pstrdup(tenant) : NULL;
	k->concurrency_key = jdg_actor_concurrency_key(actor, key);
	k->state = copy_state(state, TopTransactionContext);
	k->version = version;
	k->gone.func = forget_kept;
	MemoryContextRegisterResetCallback(TopTransactionContext, &k->gone);
	MemoryContextSwitchTo(old);
	kept = k;
}

/*
 * "version" is that of the new state; 0: the next one.  A row keeps its tenant;
 * a new one gets this one.  With "own_only", a row of another tenant stays as it
 * is.
 */
static void
write_state(const char *actor, const char *key, const char *tenant,
			Jsonb *state, int64 version, bool own_only)
{
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.actor_state s "
		"WHERE s.actor = $1 AND s.key = $2 AND (NOT $3 OR s.tenant = $4)", 4,
		{TEXTOID, TEXTOID, BOOLOID, TEXTOID}
	};
	static JdgQuery update = {
		"UPDATE jadugar_internal.actor_state s SET state = $state, "
		"version = COALESCE($version, s.version + 1), updated_at = $now "
		"WHERE s.actor = $actor AND s.key = $key "
		"AND (NOT $own_only OR s.tenant = $tenant)"
	};
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.actor_state AS s (actor, key, owner, "
		"tenant, state, version, updated_at) "
		"SELECT a.name, $key, a.owner, $tenant, $state, COALESCE($version, 1), "
		"$now FROM jadugar_internal.actor a WHERE a.name = $actor "
		"ON CONFLICT (actor, key) DO UPDATE SET owner = excluded.owner, "
		"state = excluded.state, version = s.version + 1, "
		"updated_at = excluded.updated_at "
		"WHERE NOT $own_only OR s.tenant = excluded.tenant"
	};
	Datum		v[4] = {CStringGetTextDatum(actor), CStringGetTextDatum(key),
	BoolGetDatum(own_only)};
	char		nulls[] = {' ', ' ', ' ', tenant ? ' ' : 'n'};
	JdgParams	p = {0};

	if (tenant)
		v[3] = CStringGetTextDatum(tenant);
	if (state == NULL)
	{
		jdg_run(&forget, v, nulls, 0);
		return;
	}
	jdg_bind_text(&p, "tenant", tenant);
	jdg_bind_jsonb(&p, "state", state);
	jdg_bind_int64_or_null(&p, "version", version != 0 ? &version : NULL);
	jdg_bind_time(&p, "now", jdg_now());
	jdg_bind_text(&p, "actor", actor);
	jdg_bind_text(&p, "key", key);
	jdg_bind(&p, "own_only", BOOLOID, BoolGetDatum(own_only), false);
	if (jdg_run_params(&update, &p, 0) == 0)
		jdg_run_params(&insert, &p, 0);
}

void
jdg_actor_state_write(const char *actor, const char *key, const char *tenant,
					  Jsonb *state, bool own_only)
{
	write_state(actor, key, tenant, state, 0, own_only);
}

void
jdg_actor_state_flush(void)
{
	if (kept == NULL || !kept->changed)
		return;
	write_state(kept->actor, kept->key, kept->tenant, kept->state,
				kept->version, false);
	kept->changed = GetCurrentTransactionNestLevel() > 1;
}

/*
 * Locks and reads the row of a key; false: it has none.  The row is in the
 * result of the query: state, version, owner of the actor, tenant.
 */
static bool
lock_row(const char *actor, const char *key)
{
	static JdgQuery q = {
		"SELECT s.state, s.version, a.owner, s.tenant "
		"FROM jadugar_internal.actor_state s "
		"JOIN jadugar_internal.actor a ON a.name = s.actor "
		"WHERE s.actor = $1 AND s.key = $2 FOR UPDATE OF s", 2,
		{TEXTOID, TEXTOID}
	};
	Datum		v[2] = {CStringGetTextDatum(actor), CStringGetTextDatum(key)};

	return jdg_run(&q, v, NULL, 0) > 0;
}

/* Makes the row of a key; false: another transaction has made one. */
static bool
make_row(const char *actor, const char *key, const char *tenant)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.actor_state AS s (actor, key, owner, "
		"tenant, state, version, updated_at) "
		"SELECT a.name, $key, a.owner, $tenant, a.initial, 0, $now "
		"FROM jadugar_internal.actor a WHERE a.name = $actor "
		"ON CONFLICT (actor, key) DO NOTHING "
		"RETURNING s.state, s.version, s.owner, s.tenant"
	};
	JdgParams	p = {0};

	jdg_bind_text(&p, "key", key);
	jdg_bind_text(&p, "tenant", tenant);
	jdg_bind_time(&p, "now", jdg_now());
	jdg_bind_text(&p, "actor", actor);
	return jdg_run_params(&q, &p, 0) > 0;
}

/* The state, with the row as lock_row() reads it. */
static Jsonb *
read_row(const char *actor, Oid role, int64 *version, char **tenant)
{
	Oid			owner = jdg_col_oid(0, 3);

	if (owner != role)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("actor \"%s\" belongs to another role", actor),
				 errdetail("The message is a task of role \"%s\".",
						   jdg_role_name(role)),
				 errhint("Reassign the tasks, too: jadugar.reassign_owned().")));
	*version = jdg_col_int64(0, 2, 0);
	*tenant = jdg_col_text(0, 4, CurrentMemoryContext);
	return jdg_col_jsonb(0, 1, CurrentMemoryContext);
}

Jsonb *
jdg_actor_state_load(const char *actor, const char *key, const char *tenant,
					 Oid role, char **of)
{
	bool		top = may_keep && GetCurrentTransactionNestLevel() == 1;
	int64		version;
	Jsonb	   *state;

	if (top && is_kept(actor, key) && kept->state != NULL)
	{
		*of = kept->tenant ? pstrdup(kept->tenant) : NULL;
		return copy_state(kept->state, CurrentMemoryContext);
	}
	jdg_actor_state_flush();
	while (!lock_row(actor, key) && !make_row(actor, key, tenant))
	{
		JdgActor	a;

		jdg_actor_read(actor, &a, CurrentMemoryContext);
		CHECK_FOR_INTERRUPTS();
	}
	state = read_row(actor, role, &version, of);
	if (top)
	{
		kept = NULL;
		keep(actor, key, *of, state, version);
	}
	return state;
}

void
jdg_actor_state_store(const char *actor, const char *key, const char *tenant,
					  Jsonb *state)
{
	if (!may_keep || GetCurrentTransactionNestLevel() > 1 ||
		!is_kept(actor, key))
	{
		write_state(actor, key, tenant, state, 0, false);
		return;
	}
	if (kept->state)
		pfree(kept->state);
	kept->state = state ? copy_state(state, TopTransactionContext) : NULL;
	kept->version++;
	kept->changed = true;
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
