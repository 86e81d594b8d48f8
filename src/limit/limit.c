/*-------------------------------------------------------------------------
 *
 * limit.c
 *	  Limits of handlers, roles and concurrency keys, and breakers of handlers
 *	  and queues, see limit.h.
 *
 * A process reads all rows of handlers and roles when it needs the first one,
 * and keeps them until the configuration changes.  There may be many keys: it
 * reads the rate of a key when it needs it, and keeps some.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/objects.h"
#include "base/spi.h"
#include "limit/breaker_options.h"
#include "limit/limit.h"
#include "shared/guard.h"

/* keys that are kept, with a rate or without */
#define KEYS_MAX 1024

/* the identity of a limit */
typedef struct LimitKey
{
	uint64		id[2];
	uint64		scope;
} LimitKey;

typedef struct Entry
{
	LimitKey	key;
	bool		none;			/* a key without a rate */
	JdgLimit	limit;
} Entry;

/* the rows read at this epoch of the configuration */
static HTAB *kept = NULL;
static uint64 kept_epoch = 0;
static bool exists[JDG_SCOPES];
static int	nkeys = 0;

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
		strcmp(word, "queue") == 0 ? JDG_SCOPE_QUEUE :
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
	nkeys = 0;
}

/* The breaker of a limit's row, as it is set and forced; NULL: it has none. */
static const JdgBreakerOptions *
read_breaker(const JdgLimit *l, uint64 row)
{
	Jsonb	   *options = jdg_col_jsonb(row, 9, CurrentMemoryContext);
	char	   *forced = jdg_col_text(row, 10, CurrentMemoryContext);
	JdgBreakerOptions o;

	if (options == NULL)
		return NULL;
	jdg_breaker_options_read(options, &o);
	if (forced != NULL)
	{
		o.forced = strcmp(forced, "open") == 0 ? JDG_FORCE_OPEN :
			JDG_FORCE_DISABLED;
		o.forced_until = jdg_col_time(row, 11, 0);
	}
	return jdg_breaker_keep(l, &o);
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
	if (scope == JDG_SCOPE_QUEUE)
		l = jdg_limit_of_id(JDG_SCOPE_QUEUE, jdg_col_int32(row, 12, 0),
							jdg_col_oid(row, 8), 0, NULL);
	if (scope != JDG_SCOPE_KEY)
		l.breaker = read_breaker(&l, row);
	l.max = scope == JDG_SCOPE_KEY ? 0 : jdg_col_int32(row, 4, 0);
	if (rate.rate > 0)
		jdg_limit_set_rate(&l, rate.rate, rate.per, rate.burst);
	key = key_of(&l);
	e = hash_search(kept, &key, HASH_ENTER, &found);
	e->none = false;
	e->limit = l;
	exists[scope] = true;
	nkeys += scope == JDG_SCOPE_KEY && !found;
}

#define COLUMNS \
	"SELECT l.scope, l.owner, l.name, l.max_concurrency, l.rate, l.per, l.burst"

/* Reads the rows, and one of a key, unless they are kept. */
static void
load(void)
{
	static JdgQuery q = {
		COLUMNS ", COALESCE(h.owner, q.owner, 0), l.breaker, l.forced, "
		"l.forced_until, l.queue_id FROM jadugar_internal.limit_of l "
		"LEFT JOIN jadugar_internal.handler h ON h.name = l.handler "
		"LEFT JOIN jadugar_internal.queue q ON q.queue_id = l.queue_id "
		"WHERE l.scope <> 'key' UNION ALL ("
		COLUMNS ", NULL, NULL, NULL, NULL, NULL FROM jadugar_internal.limit_of l "
		"WHERE l.scope = 'key' AND l.rate IS NOT NULL LIMIT 1)", 0, {0}
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

/* Reads the rate of a concurrency key; keeps also that there is none. */
static Entry *
read_key(Oid owner, const char *name, const LimitKey *key)
{
	static JdgQuery q = {
		COLUMNS " FROM jadugar_internal.limit_of l WHERE l.scope = 'key' "
		"AND l.owner = $1 AND l.name = $2 AND l.rate IS NOT NULL", 2,
		{OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	JdgInternal in;
	Entry	   *e;

	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 0) > 0)
		keep(0);
	jdg_internal_end(&in);
	e = hash_search(kept, key, HASH_FIND, NULL);
	if (e == NULL)
	{
		e = hash_search(kept, key, HASH_ENTER, NULL);
		e->none = true;
		nkeys++;
	}
	return e;
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
	if (e == NULL && scope == JDG_SCOPE_KEY)
	{
		if (nkeys >= KEYS_MAX)
		{
			kept_epoch = 0;
			load();
		}
		e = read_key(owner, name, &key);
	}
	if (e != NULL && !e->none)
		*limit = e->limit;
	return e != NULL && !e->none;
}

const JdgBreakerOptions *
jdg_limit_queue_breaker(int32 queue_id)
{
	JdgLimit	l = jdg_limit_of_id(JDG_SCOPE_QUEUE, queue_id, InvalidOid, 0, NULL);
	LimitKey	key = key_of(&l);
	Entry	   *e;

	if (!jdg_limits_exist(JDG_SCOPE_QUEUE))
		return NULL;
	e = hash_search(kept, &key, HASH_FIND, NULL);
	return e == NULL ? NULL : e->limit.breaker;
}
