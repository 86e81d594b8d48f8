/*-------------------------------------------------------------------------
 *
 * cache_funcs.c
 *	  SQL functions cache_get(), cache_set() and cache_delete().
 *
 * Run in any backend and in workers, as the caller, on the caller's values.
 * On a standby the table cannot be read, and has no rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "access/access.h"
#include "actor/cache.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "shared/shmem.h"

typedef struct CacheArgs
{
	char	   *key;
	Jsonb	   *value;
	Interval   *ttl;
	bool		prefix;
} CacheArgs;

#define FIELD(field) offsetof(CacheArgs, field)

static const JdgArg get_args[] = {
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
};

static const JdgArg set_args[] = {
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
	{"value", JSONBOID, FIELD(value), JDG_NEEDED},
	{"ttl", INTERVALOID, FIELD(ttl), JDG_NEEDED},
};

static const JdgArg delete_args[] = {
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
	{"prefix", BOOLOID, FIELD(prefix), JDG_NEEDED},
};

/* cache_get(key) */
JDG_FUNCTION(jdg_cache_get, JDG_LEVEL_USER_READS)
{
	CacheArgs	a = {0};
	JdgCached	cached;

	JDG_READ_ARGS("cache_get", get_args, &a);
	jdg_cache_check_key(a.key);
	if (RecoveryInProgress() ||
		!jdg_cache_read(GetUserId(), a.key, false, &cached) ||
		cached.expires_at <= jdg_now())
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(cached.value);
}

/* cache_set(key, value, ttl) */
JDG_FUNCTION(jdg_cache_set, JDG_LEVEL_USER)
{
	CacheArgs	a = {0};
	JdgCached	cached;

	jdg_require_shmem();
	JDG_READ_ARGS("cache_set", set_args, &a);
	jdg_cache_check_key(a.key);
	cached.value = a.value;
	cached.expires_at = jdg_time_after(jdg_now(),
									   jdg_check_interval("ttl", a.ttl, false));
	cached.stale_until = cached.expires_at;
	jdg_cache_lock(GetUserId(), a.key);
	PG_RETURN_BOOL(jdg_cache_write(GetUserId(), a.key, &cached));
}

/* cache_delete(key, prefix) */
JDG_FUNCTION(jdg_cache_delete_values, JDG_LEVEL_USER)
{
	CacheArgs	a = {0};

	jdg_require_shmem();
	JDG_READ_ARGS("cache_delete", delete_args, &a);
	/* every key begins with the empty text */
	if (!a.prefix || a.key[0] != '\0')
		jdg_cache_check_key(a.key);
	if (!a.prefix)
		jdg_cache_lock(GetUserId(), a.key);
	PG_RETURN_INT64(jdg_cache_delete(GetUserId(), a.key, a.prefix));
}
