/*-------------------------------------------------------------------------
 *
 * limit.c
 *	  Limits of handlers, roles and concurrency keys, see limit.h.
 *
 * A process reads all rows when it needs the first one, and keeps them until
 * the configuration changes.  Keys without a rate are left out, as there may be
 * many.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/objects.h"
#include "base/spi.h"
#include "limit/limit.h"

/* the identity of a limit */
typedef struct LimitKey
{
	uint64		id[2];
	uint64		scope;
} LimitKey;

typedef struct Entry
{
	LimitKey	key;
	JdgLimit	limit;
} Entry;

/* the rows read at this epoch of the configuration */
static HTAB *kept = NULL;
static uint64 kept_epoch = 0;
static bool exists[JDG_SCOPES];

JdgLimit
jdg_limit_of_id(JdgScope scope, uint64 id, Oid owner, int32 max,
				const JdgRate *rate)
{
	JdgLimit	l = {.scope = scope,.owner = owner,.id = {id, 0},.max = max};

	if (rate != NULL && rate->rate > 0)
		jdg_limit_set_rate(&l, rate->rate, rate->per, rate->burst);
	return l;
}

JdgLimit
jdg_limit_named(JdgScope scope, Oid owner, const char *name)
{
	const unsigned char *s = (const unsigned char *) name;
	JdgLimit	l = {.scope = scope,.owner = owner};

	/* 128 bits: two names do not meet */
	l.id[0] = hash_bytes_extended(s, strlen(name), owner);
	l.id[1] = hash_bytes_extended(s, strlen(name), ~(uint64) owner);
	return l;
}

static LimitKey
key_of(const JdgLimit *l)
{
	LimitKey	key = {{l->id[0], l->id[1]}, l->scope};

	return key;
}

static JdgScope
scope_of(const char *word)
{
	return strcmp(word, "handler") == 0 ? JDG_SCOPE_HANDLER :
		strcmp(word, "owner") == 0 ? JDG_SCOPE_OWNER : JDG_SCOPE_KEY;
}

/* Makes an empty table. */
static void
clear(void)
{
	HASHCTL		ctl = {.keysize = sizeof(LimitKey),.entrysize = sizeof(Entry),
	.hcxt = TopMemoryContext};

	if (kept != NULL)
		hash_destroy(kept);
	kept = NULL;
	kept = hash_create("jadugar limits", 64, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	memset(exists, 0, sizeof(exists));
}

/* Keeps a row of the query's result. */
static void
keep(uint64 row)
{
	JdgScope	scope = scope_of(jdg_col_text(row, 1, CurrentMemoryContext));
	JdgLimit	l = jdg_limit_named(scope, jdg_col_oid(row, 2),
									jdg_col_text(row, 3, CurrentMemoryContext));
	JdgRate		rate = jdg_rate_read(row, 5);
	LimitKey	key;
	Entry	   *e;
	bool		found;

	if (scope == JDG_SCOPE_HANDLER)
		l.owner = jdg_col_oid(row, 8);
	l.max = scope == JDG_SCOPE_KEY ? 0 : jdg_col_int32(row, 4, 0);
	if (rate.rate > 0)
		jdg_limit_set_rate(&l, rate.rate, rate.per, rate.burst);
	key = key_of(&l);
	e = hash_search(kept, &key, HASH_ENTER, &found);
	e->limit = l;
	exists[scope] = true;
}

/* Reads the rows, unless they are kept. */
static void
load(void)
{
	static JdgQuery q = {
		"SELECT l.scope, l.owner, l.name, l.max_concurrency, l.rate, l.per, "
		"l.burst, h.owner FROM jadugar_internal.limit_of l "
		"LEFT JOIN jadugar_internal.handler h ON h.name = l.handler "
		"WHERE l.scope <> 'key' OR l.rate IS NOT NULL", 0, {0}
	};
	uint64		epoch = jdg_config_epoch_of_command();
	JdgInternal in;
	int64		n;

	if (kept != NULL && epoch == kept_epoch)
		return;
	/* an error leaves nothing that is valid */
	kept_epoch = 0;
	clear();
	jdg_internal_begin(&in);
	n = jdg_run(&q, NULL, NULL, 0);
	for (int64 i = 0; i < n; i++)
		keep(i);
	jdg_internal_end(&in);
	if (epoch == jdg_config_epoch_of_command())
		kept_epoch = epoch;
}

bool
jdg_limits_exist(JdgScope scope)
{
	load();
	return exists[scope];
}

bool
jdg_limit_get(JdgScope scope, Oid owner, const char *name, JdgLimit *limit)
{
	JdgLimit	l;
	LimitKey	key;
	Entry	   *e;

	if (!jdg_limits_exist(scope))
		return false;
	l = jdg_limit_named(scope, owner, name);
	key = key_of(&l);
	e = hash_search(kept, &key, HASH_FIND, NULL);
	if (e != NULL)
		*limit = e->limit;
	return e != NULL;
}
