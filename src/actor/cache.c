/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Rows of the cache, see cache.h.
 *
 * Runs in any process.  The table is read and written directly, without SQL:
 * a hit costs as much as a look into the index, and a transaction that keeps
 * its snapshot writes the cache without a serialization failure.
 *
 * All who write a value take a lock on the hash of its role and key first, and
 * hold it until their transaction ends.  So of two rows of a key one is always
 * visible to the latest snapshot.  Only the scheduler deletes rows without that
 * lock.  The hash has a seed that no role knows, or a role could look for keys
 * that make another one wait.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "actor/cache.h"
#include "actor/cache_size.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/objects.h"
#include "base/rows.h"
#include "base/settings.h"

/* columns of jadugar_internal.cache, in the order of sql/cache.sql */
enum
{
	A_OWNER = 1, A_KEY, A_VALUE, A_BYTES, A_EXPIRES_AT, A_STALE_UNTIL,
	A_LAST = A_STALE_UNTIL
};

/* bytes of a row besides its value and key */
#define ROW_OVERHEAD 64

typedef struct CacheShared
{
	uint64		seed;			/* of the hash of keys */
} CacheShared;

static CacheShared *shared = NULL;

static Size
cache_size(void)
{
	return sizeof(CacheShared);
}

static void
cache_init(void *at, bool found)
{
	shared = at;
	if (!found && !pg_strong_random(&shared->seed, sizeof(shared->seed)))
		elog(ERROR, "could not generate a random seed");
}

const JdgShmemPart jdg_cache_shmem = {"jadugar cache", cache_size, cache_init};

void
jdg_cache_check_key(const char *key)
{
	int			len = strlen(key);

	if (len >= 1 && len <= JDG_CACHE_KEY_MAX)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key of the cache"),
			 errdetail("The value is \"%s\", of %d bytes.", jdg_excerpt(key),
					   len),
			 errhint("Keys of the cache have 1 to %d bytes.",
					 JDG_CACHE_KEY_MAX)));
}

static uint32
lock_of(Oid owner, const char *key)
{
	uint64		h = hash_bytes_extended((const unsigned char *) key, strlen(key),
										shared->seed);

	return (uint32) hash_combine64(h, hash_bytes_uint32_extended(owner, shared->seed));
}

void
jdg_cache_lock(Oid owner, const char *key)
{
	jdg_lock_xact(JDG_LOCK_CACHE, lock_of(owner, key));
}

void
jdg_cache_unlock(Oid owner, const char *key)
{
	jdg_unlock_xact(JDG_LOCK_CACHE, lock_of(owner, key));
}

bool
jdg_cache_claim_refresh(Oid owner, const char *key)
{
	return jdg_try_lock_xact(JDG_LOCK_CACHE_REFRESH, lock_of(owner, key));
}

/* a scan of rows of a role */
typedef struct CacheScan
{
	Relation	heap;
	Relation	index;
	Snapshot	snapshot;		/* registered, or NULL: the active one */
	IndexScanDesc scan;
	TupleTableSlot *slot;
} CacheScan;

static void
add_key(ScanKey keys, int *n, int attno, StrategyNumber strategy,
		RegProcedure procedure, Datum value, const CacheScan *s)
{
	ScanKeyInit(&keys[*n], attno, strategy, procedure, value);
	keys[(*n)++].sk_collation = s->index->rd_indcollation[attno - 1];
}

/*
 * Begins a scan of the rows of a role with this key; "below" not NULL: with
 * the keys from there to below that one.
 */
static void
begin_scan(CacheScan *s, Oid owner, const char *key, const char *below,
		   LOCKMODE lockmode, bool latest)
{
	ScanKeyData keys[3];
	int			n = 0;

	s->heap = table_open(jdg_relation_oid("cache"), lockmode);
	s->index = index_open(jdg_relation_oid("cache_pkey"), AccessShareLock);
	s->snapshot = latest ? RegisterSnapshot(GetLatestSnapshot()) : NULL;
	add_key(keys, &n, A_OWNER, BTEqualStrategyNumber, F_OIDEQ,
			ObjectIdGetDatum(owner), s);
	if (below == NULL)
		add_key(keys, &n, A_KEY, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(key), s);
	else
	{
		add_key(keys, &n, A_KEY, BTGreaterEqualStrategyNumber, F_TEXT_GE,
				CStringGetTextDatum(key), s);
		add_key(keys, &n, A_KEY, BTLessStrategyNumber, F_TEXT_LT,
				CStringGetTextDatum(below), s);
	}
	s->scan = jdg_index_beginscan(s->heap, s->index,
								  s->snapshot ? s->snapshot : GetActiveSnapshot(),
								  n);
	s->slot = table_slot_create(s->heap, NULL);
	index_rescan(s->scan, keys, n, NULL, 0);
}

static bool
next_row(CacheScan *s)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(s->scan, ForwardScanDirection, s->slot);
}

/* The lock on the table stays until the end of the transaction. */
static void
end_scan(CacheScan *s)
{
	ExecDropSingleTupleTableSlot(s->slot);
	index_endscan(s->scan);
	if (s->snapshot)
		UnregisterSnapshot(s->snapshot);
	index_close(s->index, NoLock);
	table_close(s->heap, NoLock);
}

bool
jdg_cache_read(Oid owner, const char *key, bool latest, JdgCached *cached)
{
	CacheScan	s;
	bool		found;
	bool		isnull;

	begin_scan(&s, owner, key, NULL, AccessShareLock, latest);
	found = next_row(&s);
	if (found)
	{
		cached->value = DatumGetJsonbPCopy(slot_getattr(s.slot, A_VALUE, &isnull));
		cached->expires_at = DatumGetTimestampTz(slot_getattr(s.slot, A_EXPIRES_AT, &isnull));
		cached->stale_until = DatumGetTimestampTz(slot_getattr(s.slot, A_STALE_UNTIL, &isnull));
	}
	end_scan(&s);
	return found;
}

/*
 * The first key behind all keys with this prefix, in the order of bytes; in
 * the current memory context.
 */
static char *
key_behind(const char *prefix)
{
	int			len = strlen(prefix);
	char	   *key = pstrdup(prefix);

	while (len > 0 && (unsigned char) key[len - 1] == 0xff)
		len--;
	if (len == 0)
	{
		/* no key is as long */
		key = palloc(JDG_CACHE_KEY_MAX + 2);
		memset(key, 0xff, JDG_CACHE_KEY_MAX + 1);
		key[JDG_CACHE_KEY_MAX + 1] = '\0';
		return key;
	}
	key[len - 1] = (char) ((unsigned char) key[len - 1] + 1);
	key[len] = '\0';
	return key;
}

int64
jdg_cache_delete(Oid owner, const char *key, bool prefix)
{
	CacheScan	s;
	int64		n = 0;

	begin_scan(&s, owner, key, prefix ? key_behind(key) : NULL,
			   RowExclusiveLock, true);
	while (next_row(&s))
	{
		TM_FailureData tmfd;

		/* a row that another transaction has deleted does not count */
		if (table_tuple_delete(s.heap, &s.slot->tts_tid,
							   GetCurrentCommandId(true), s.scan->xs_snapshot,
							   InvalidSnapshot, true, &tmfd, false) == TM_Ok)
			n++;
	}
	end_scan(&s);
	CommandCounterIncrement();
	return n;
}

/* Inserts a row; the role has no other one of this key. */
static void
insert_row(Oid owner, const char *key, const JdgCached *cached, int32 bytes)
{
	JdgRows    *rows = jdg_rows_open(jdg_relation_oid("cache"), A_LAST);
	Datum		values[A_LAST];
	bool		isnull[A_LAST] = {false};

	values[A_OWNER - 1] = ObjectIdGetDatum(owner);
	values[A_KEY - 1] = CStringGetTextDatum(key);
	values[A_VALUE - 1] = JsonbPGetDatum(cached->value);
	values[A_BYTES - 1] = Int32GetDatum(bytes);
	values[A_EXPIRES_AT - 1] = TimestampTzGetDatum(cached->expires_at);
	values[A_STALE_UNTIL - 1] = TimestampTzGetDatum(cached->stale_until);
	jdg_rows_put(rows, values, isnull);
	jdg_rows_close(rows);
}

bool
jdg_cache_write(Oid owner, const char *key, const JdgCached *cached)
{
	int32		bytes = VARSIZE(cached->value) + strlen(key) + ROW_OVERHEAD;
	bool		room = jdg_cache_has_room(bytes);

	(void) jdg_cache_delete(owner, key, false);
	JDG_FAULT("cache-write");
	PushActiveSnapshot(GetLatestSnapshot());
	if (room)
		insert_row(owner, key, cached, bytes);
	PopActiveSnapshot();
	return room;
}
