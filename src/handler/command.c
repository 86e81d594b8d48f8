/*-------------------------------------------------------------------------
 *
 * command.c
 *	  Rows of jadugar_internal.command: texts that many tasks share, and
 *	  their ids.
 *
 * Runs in any process.  Two caches per process, text to id and id to text,
 * hold only rows seen as committed, since a row of our own transaction may
 * yet roll back.  The caches are emptied when either grows large and when the
 * table's relation cache entry is invalidated.  DROP EXTENSION does that, and
 * unused.c when it raises here.command_floor.  A transaction that begins after
 * that must not get the id of an older row for a text, neither from the table
 * nor from a cache.
 *
 * A new text is inserted even if another transaction is inserting it too: a
 * writer never waits for another here, and twins do no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/params.h"
#include "handler/command.h"

#define MAX_RESOLVERS	4
#define CACHE_ENTRIES	4096
#define CACHE_BYTES		(8 * 1024 * 1024)

typedef struct TextKey
{
	int64		hash;			/* of the text, seeded with kind and mode */
} TextKey;

typedef struct TextEntry
{
	TextKey		key;
	JdgCommand *command;
} TextEntry;

typedef struct IdEntry
{
	int64		command_id;
	JdgCommand *command;
} IdEntry;

static MemoryContext cache_mcxt;
static HTAB *by_text;
static HTAB *by_id;
static size_t cache_bytes;
static Oid	cache_relid;
static bool cache_stale;
static bool callback_registered;

static JdgQuery find_query = {
	"SELECT command_id, xmin FROM jadugar_internal.command "
	"WHERE hash = $hash AND kind = $kind AND standalone = $standalone "
	"AND text = $text AND unused_since IS NULL AND command_id >= "
	"(SELECT h.command_floor FROM jadugar_internal.here h) "
	"ORDER BY command_id LIMIT 1"
};

static JdgQuery above_floor_query = {
	"SELECT FROM jadugar_internal.here WHERE command_floor <= $1",
	1, {INT8OID}
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.command (hash, kind, standalone, text) "
	"VALUES ($hash, $kind, $standalone, $text) RETURNING command_id"
};

static JdgQuery get_query = {
	"SELECT kind, standalone, text, xmin FROM jadugar_internal.command "
	"WHERE command_id = $1",
	1, {INT8OID}
};

static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == cache_relid || relid == InvalidOid)
		cache_stale = true;
}

static HTAB *
make_table(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl;

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = cache_mcxt;
	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Empties the caches if they are stale or full, and makes them if there are
 * none.  Commands that were returned stay valid until the transaction ends.
 */
static void
cache_ready(void)
{
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		callback_registered = true;
	}
	if (cache_mcxt != NULL && !cache_stale && cache_bytes < CACHE_BYTES &&
		hash_get_num_entries(by_id) < CACHE_ENTRIES &&
		hash_get_num_entries(by_text) < CACHE_ENTRIES)
		return;
	if (cache_mcxt != NULL)
	{
		MemoryContextSetParent(cache_mcxt, TopTransactionContext);
		cache_mcxt = NULL;
	}
	cache_relid = jdg_relation_oid("command");
	cache_stale = false;
	cache_bytes = 0;
	cache_mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar commands",
									   ALLOCSET_DEFAULT_SIZES);
	by_text = make_table("jadugar commands by text", sizeof(TextKey),
						 sizeof(TextEntry));
	by_id = make_table("jadugar commands by id", sizeof(int64),
					   sizeof(IdEntry));
}

/* Returns a command in mcxt, with a copy of the text. */
static JdgCommand *
make_command(MemoryContext mcxt, int64 command_id, JdgCommandKind kind,
			 bool standalone, const char *text)
{
	JdgCommand *command = MemoryContextAlloc(mcxt, sizeof(JdgCommand));

	command->command_id = command_id;
	command->kind = kind;
	command->standalone = standalone;
	command->text = MemoryContextStrdup(mcxt, text);
	return command;
}

static int64
hash_of(const char *text, JdgCommandKind kind)
{
	return DatumGetInt64(hash_any_extended((const unsigned char *) text,
										   strlen(text), kind));
}

/* Was the row at this column made by the transaction that looks at it? */
static bool
row_is_ours(int col)
{
	bool		isnull;
	Datum		xmin = jdg_col(0, col, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

const JdgCommand *
jdg_command_known(const char *text, JdgCommandKind kind)
{
	TextKey		key = {hash_of(text, kind)};
	TextEntry  *entry;

	cache_ready();
	entry = hash_search(by_text, &key, HASH_FIND, NULL);
	if (entry && entry->command->kind == kind &&
		strcmp(entry->command->text, text) == 0)
		return entry->command;
	return NULL;
}

/*
 * Do later transactions find this id, too?  One that keeps its snapshot may
 * see a floor that has been raised since.
 */
static bool
is_above_floor(int64 command_id)
{
	Datum		value = Int64GetDatum(command_id);

	return !IsolationUsesXactSnapshot() ||
		jdg_run_latest(&above_floor_query, &value, NULL) > 0;
}

/* The id of a text, inserted if it is new; "*keep": it can be cached. */
static int64
find_or_insert(const char *text, JdgCommandKind kind, bool standalone, bool *keep)
{
	JdgParams	p = {0};
	int64		id;

	*keep = false;
	jdg_bind_int64(&p, "hash", hash_of(text, kind));
	jdg_bind_char(&p, "kind", kind);
	jdg_bind_bool(&p, "standalone", standalone);
	jdg_bind_text(&p, "text", text);
	if (jdg_run_params(&find_query, &p, 1) == 0)
	{
		if (jdg_run_params(&insert_query, &p, 0) != 1)
			elog(ERROR, "could not insert a command");
		return jdg_col_int64(0, 1, 0);
	}
	id = jdg_col_int64(0, 1, 0);
	*keep = !row_is_ours(2) && is_above_floor(id) && !cache_stale;
	return id;
}

int64
jdg_command_id(const char *text, JdgCommandKind kind, bool standalone)
{
	const JdgCommand *known = jdg_command_known(text, kind);
	TextKey		key = {hash_of(text, kind)};
	JdgInternal in;
	bool		keep;
	JdgCommand *c;
	TextEntry  *entry;
	int64		id;

	if (known && known->standalone == standalone)
		return known->command_id;
	jdg_internal_begin(&in);
	id = find_or_insert(text, kind, standalone, &keep);
	jdg_internal_end(&in);
	if (!keep)
		return id;

	/* a text with the same hash makes room; the id table stays as it is */
	c = make_command(cache_mcxt, id, kind, standalone, text);
	cache_bytes += strlen(text);
	entry = hash_search(by_text, &key, HASH_ENTER, NULL);
	entry->command = c;
	return id;
}

/*
 * Reads a command by its id, and caches it if its row is committed.  Valid
 * until the transaction ends at least.  Raises INTERNAL_ERROR if it does not
 * exist.
 */
static JdgCommand *
load(int64 command_id)
{
	Datum		value = Int64GetDatum(command_id);
	JdgInternal in;
	IdEntry    *entry;
	char	   *text;
	bool		keep;
	JdgCommand *c;

	jdg_internal_begin(&in);
	if (jdg_run(&get_query, &value, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("command %lld does not exist", (long long) command_id),
				 errdetail("A task or schedule refers to it."),
				 errhint("Rows of jadugar_internal.command must not be deleted manually.")));
	text = jdg_col_text(0, 3, CurrentMemoryContext);

	keep = !row_is_ours(4) && !cache_stale;
	c = make_command(keep ? cache_mcxt : TopTransactionContext, command_id,
					 jdg_col_char(0, 1), jdg_col_bool(0, 2), text);
	jdg_internal_end(&in);
	if (keep)
	{
		cache_bytes += strlen(c->text);
		entry = hash_search(by_id, &command_id, HASH_ENTER, NULL);
		entry->command = c;
	}
	return c;
}

const JdgCommand *
jdg_command_get(int64 command_id)
{
	IdEntry    *entry;

	cache_ready();
	entry = hash_search(by_id, &command_id, HASH_FIND, NULL);
	return entry ? entry->command : load(command_id);
}

static JdgNameResolver resolvers[MAX_RESOLVERS];
static int	nresolvers = 0;

void
jdg_command_register_resolver(JdgNameResolver resolver)
{
	if (nresolvers == MAX_RESOLVERS)
		elog(ERROR, "too many resolvers of command names");
	resolvers[nresolvers++] = resolver;
}

char *
jdg_command_resolve_name(Oid owner, const char *name)
{
	char	   *sql = NULL;

	for (int i = 0; i < nresolvers && sql == NULL; i++)
		sql = resolvers[i] (owner, name);
	return sql;
}
