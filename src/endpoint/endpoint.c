/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  Endpoints, see endpoint.h.
 *
 * Runs in any process.  Servers are read through the system caches, so a
 * statement sees what its own transaction has changed.
 *
 * Options that have been read are kept in one memory context.  When a server,
 * the configuration or jadugar.http_allow_addresses has changed, the context
 * goes with the transaction that notices it, and an empty one takes its place:
 * what was returned before stays valid until then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/spi.h"
#include "endpoint/endpoint.h"

/* an endpoint whose options are kept */
typedef struct Entry
{
	int32		endpoint_id;
	bool		exists;
	JdgEndpoint e;
} Entry;

/* a name whose number is kept */
typedef struct KnownName
{
	char		name[NAMEDATALEN];
	int32		endpoint_id;
} KnownName;

/* what is kept; valid for this epoch and setting, while no server changes */
static MemoryContext kept = NULL;
static HTAB *entries = NULL;
static HTAB *names = NULL;
static uint64 kept_epoch = 0;
static uint32 kept_setting = 0;
static bool outdated = true;

static JdgQuery name_query = {
	"SELECT name, forced, until FROM jadugar_internal.endpoint "
	"WHERE endpoint_id = $1",
	1, {INT4OID}
};

static JdgQuery id_query = {
	"SELECT endpoint_id FROM jadugar_internal.endpoint WHERE name = $1",
	1, {TEXTOID}
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.endpoint (name) VALUES ($1) "
	"ON CONFLICT (name) DO NOTHING RETURNING endpoint_id",
	1, {TEXTOID},
	.config = true
};

/* ------------------------------------------------------------------- reading */

/* A number for the options, which another value changes. */
static uint32
generation_of(const ForeignServer *server)
{
	uint32		hash = hash_uint32(server->owner);
	ListCell   *lc;

	foreach(lc, server->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const char *value = strVal(def->arg);

		hash = hash_combine(hash, hash_bytes((const unsigned char *) def->defname,
											 strlen(def->defname)));
		hash = hash_combine(hash, hash_bytes((const unsigned char *) value,
											 strlen(value)));
	}
	return hash_combine(hash, hash_uint32(jdg_http_allow_changes));
}

bool
jdg_endpoint_of_server(Oid oid, JdgEndpoint *e)
{
	ForeignServer *server = GetForeignServerExtended(oid, FSV_MISSING_OK);
	JdgCidr    *ranges;

	if (server == NULL ||
		server->fdwid != get_foreign_data_wrapper_oid(JDG_WRAPPER, true))
		return false;
	jdg_options_read_server(server->options, e);
	e->server = oid;
	e->owner = server->owner;
	e->name = server->servername;
	e->generation = generation_of(server);
	ranges = palloc(sizeof(JdgCidr) * (jdg_http_allow_n + 1));
	if (jdg_http_allow_n > 0)
		memcpy(ranges, jdg_http_allow_ranges, sizeof(JdgCidr) * jdg_http_allow_n);
	e->addresses.allowed_by_setting = (JdgCidrs)
	{
		jdg_http_allow_n, ranges
	};
	return true;
}

bool
jdg_endpoint_by_name(const char *name, JdgEndpoint *e)
{
	Oid			oid = strlen(name) < NAMEDATALEN ?
	get_foreign_server_oid(name, true) : InvalidOid;

	return OidIsValid(oid) && jdg_endpoint_of_server(oid, e);
}

/* Reads the options anew: texts of *from may go at any time. */
void
jdg_endpoint_copy(const JdgEndpoint *from, JdgEndpoint *e)
{
	int32		endpoint_id = from->endpoint_id;
	JdgBreakerOptions breaker = from->breaker;

	if (!jdg_endpoint_of_server(from->server, e))
		jdg_endpoint_missing(from->name);
	e->endpoint_id = endpoint_id;
	e->breaker.forced = breaker.forced;
	e->breaker.forced_until = breaker.forced_until;
}

void
jdg_endpoint_missing(const char *name)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("endpoint \"%s\" does not exist", name),
			 errhint("See the view jadugar.endpoints. CREATE SERVER makes one.")));
}

/* ------------------------------------------------------------------- keeping */

static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	outdated = true;
}

/* Begins with nothing that is kept. */
static void
clear(uint64 epoch)
{
	HASHCTL		by_id = {.keysize = sizeof(int32),.entrysize = sizeof(Entry)};
	HASHCTL		by_name = {.keysize = NAMEDATALEN,.entrysize = sizeof(KnownName)};
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, server_changed, (Datum) 0);
		registered = true;
	}
	if (kept != NULL)
		MemoryContextSetParent(kept, TopTransactionContext);
	entries = names = NULL;
	kept = AllocSetContextCreate(TopMemoryContext, "jadugar endpoints",
								 ALLOCSET_DEFAULT_SIZES);
	by_id.hcxt = by_name.hcxt = kept;
	entries = hash_create("jadugar endpoints", 16, &by_id,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	names = hash_create("jadugar names of endpoints", 16, &by_name,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	kept_epoch = epoch;
	kept_setting = jdg_http_allow_changes;
	outdated = false;
}

/* May what is kept be used, and more be kept?  Drops what is outdated. */
static bool
keeping(void)
{
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch == 0)
		return false;
	if (outdated || epoch != kept_epoch || kept_setting != jdg_http_allow_changes)
		clear(epoch);
	return true;
}

/* The name of an endpoint, and what a role has decided about its breaker. */
static char *
read_row(int32 endpoint_id, JdgBreakerForce *forced, TimestampTz *until)
{
	Datum		v[1] = {Int32GetDatum(endpoint_id)};
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;
	char	   *name = NULL;
	char	   *state = NULL;

	jdg_internal_begin(&in);
	if (jdg_run_latest(&name_query, v, NULL) > 0)
	{
		name = jdg_col_text(0, 1, mcxt);
		state = jdg_col_text(0, 2, mcxt);
		*until = jdg_col_time(0, 3, 0);
	}
	jdg_internal_end(&in);
	*forced = state == NULL ? JDG_FORCE_AUTO :
		strcmp(state, "open") == 0 ? JDG_FORCE_OPEN :
		strcmp(state, "disabled") == 0 ? JDG_FORCE_DISABLED : JDG_FORCE_AUTO;
	return name;
}

char *
jdg_endpoint_name(int32 endpoint_id)
{
	JdgBreakerForce forced;
	TimestampTz until;

	return read_row(endpoint_id, &forced, &until);
}

/* Reads an endpoint in the current memory context. */
static bool
read_endpoint(int32 endpoint_id, JdgEndpoint *e)
{
	JdgBreakerForce forced;
	TimestampTz until = 0;
	char	   *name = read_row(endpoint_id, &forced, &until);

	if (name == NULL || !jdg_endpoint_by_name(name, e))
		return false;
	e->endpoint_id = endpoint_id;
	e->breaker.forced = forced;
	e->breaker.forced_until = until;
	return true;
}

/*
 * A server may change while it is read, which an entry would not notice.  So
 * the mark is looked at again before the entry is made.
 */
bool
jdg_endpoint_get(int32 endpoint_id, JdgEndpoint *e)
{
	MemoryContext old;
	Entry	   *entry;
	bool		exists;

	if (!keeping())
		return read_endpoint(endpoint_id, e);
	entry = hash_search(entries, &endpoint_id, HASH_FIND, NULL);
	if (entry != NULL)
	{
		*e = entry->e;
		return entry->exists;
	}
	old = MemoryContextSwitchTo(kept);
	exists = read_endpoint(endpoint_id, e);
	MemoryContextSwitchTo(old);
	if (outdated)
		return exists;
	entry = hash_search(entries, &endpoint_id, HASH_ENTER, NULL);
	entry->exists = exists;
	entry->e = *e;
	return exists;
}

/* Looks up the number of a name, whatever the transaction's snapshot is. */
static int32
find_id(Datum name)
{
	return jdg_run_latest(&id_query, &name, NULL) > 0 ? jdg_col_int32(0, 1, 0) : 0;
}

/*
 * Finds or makes the number of a name.  Another transaction may make it at the
 * same time: then the insertion waits for that one.
 */
static int32
make_id(const char *name)
{
	Datum		v[1] = {CStringGetTextDatum(name)};
	JdgInternal in;
	int32		id;

	jdg_internal_begin(&in);
	id = find_id(v[0]);
	if (id == 0 && jdg_run(&insert_query, v, NULL, 0) > 0)
		id = jdg_col_int32(0, 1, 0);
	if (id == 0)
		id = find_id(v[0]);
	jdg_internal_end(&in);
	if (id == 0)
		elog(ERROR, "endpoint \"%s\" has no number", name);
	return id;
}

/* Keeps the number of a name, but not if this transaction has made it. */
static void
keep_id(const char *name, int32 id)
{
	KnownName  *known;

	if (strlen(name) >= NAMEDATALEN || !keeping())
		return;
	known = hash_search(names, name, HASH_ENTER, NULL);
	known->endpoint_id = id;
}

int32
jdg_endpoint_intern(const char *name)
{
	Oid			server = strlen(name) < NAMEDATALEN ?
	get_foreign_server_oid(name, true) : InvalidOid;
	ForeignServer *s = OidIsValid(server) ?
	GetForeignServerExtended(server, FSV_MISSING_OK) : NULL;
	KnownName  *known;
	int32		id;

	if (s == NULL || s->fdwid != get_foreign_data_wrapper_oid(JDG_WRAPPER, true))
		jdg_endpoint_missing(name);
	known = keeping() ? hash_search(names, name, HASH_FIND, NULL) : NULL;
	if (known != NULL)
		return known->endpoint_id;
	id = make_id(name);
	keep_id(name, id);
	return id;
}

int32
jdg_endpoint_known(const char *name)
{
	KnownName  *known = strlen(name) < NAMEDATALEN && keeping() ?
	hash_search(names, name, HASH_FIND, NULL) : NULL;
	JdgInternal in;
	int32		id;

	if (known != NULL)
		return known->endpoint_id;
	jdg_internal_begin(&in);
	id = find_id(CStringGetTextDatum(name));
	jdg_internal_end(&in);
	if (id != 0)
		keep_id(name, id);
	return id;
}

/* -------------------------------------------------------------------- rights */

bool
jdg_endpoint_may_use(const JdgEndpoint *e, Oid role)
{
	return jdg_foreign_server_acl_ok(e->server, role);
}

bool
jdg_endpoint_may_manage(const JdgEndpoint *e, Oid role)
{
	return jdg_may_manage(role, e->owner);
}

void
jdg_endpoint_require_manage(const JdgEndpoint *e, Oid role)
{
	if (!jdg_endpoint_may_manage(e, role))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for endpoint \"%s\"", e->name),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(e->owner)),
				 errhint("Act as a member of that role, or as an operator.")));
}

/* ------------------------------------------------------------------- secrets */

/*
 * Reads the mapping of a role, InvalidOid: of PUBLIC, by one of the functions
 * of options.h.  False: there is none.
 */
static bool
read_mapping(const JdgEndpoint *e, Oid role, JdgSecrets *s,
			 void (*read) (List *options, JdgSecrets *s))
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
										ObjectIdGetDatum(role),
										ObjectIdGetDatum(e->server));
	List	   *options = NIL;
	Oid			mapping;
	Datum		datum;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return false;
	mapping = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	read(options, s);
	s->mapping = mapping;
	s->own = OidIsValid(role);
	return true;
}

/* A number for the secrets, which another one changes. */
static uint32
generation_of_secrets(const JdgSecrets *s)
{
	const char *const values[] = {
		s->user, s->password, s->bearer_token, s->api_key, s->signing_secret,
		s->signing_secret_old, s->access_key_id, s->secret_access_key,
		s->session_token, s->secret_path, s->sslcert, s->sslkey
	};
	uint32		hash = hash_uint32(s->mapping);

	for (int i = 0; i < lengthof(values); i++)
	{
		const char *v = values[i] ? values[i] : "";

		hash = hash_combine(hash, hash_bytes((const unsigned char *) v, strlen(v)));
	}
	return hash;
}

void
jdg_endpoint_secrets(const JdgEndpoint *e, Oid role, JdgSecrets *s)
{
	memset(s, 0, sizeof(*s));
	if (!read_mapping(e, role, s, jdg_options_read_mapping))
		(void) read_mapping(e, InvalidOid, s, jdg_options_read_mapping);
	s->generation = generation_of_secrets(s);
}

void
jdg_endpoint_secrets_given(const JdgEndpoint *e, Oid role, JdgSecrets *s)
{
	memset(s, 0, sizeof(*s));
	if (!read_mapping(e, role, s, jdg_options_given_in_mapping))
		(void) read_mapping(e, InvalidOid, s, jdg_options_given_in_mapping);
}

/* --------------------------------------------------------------------- hosts */

/* Does a pattern match: a host, or "*.example.com" for all below it? */
static bool
host_matches(const char *pattern, const char *host, size_t len)
{
	size_t		n = strlen(pattern);

	if (strncmp(pattern, "*.", 2) != 0)
		return n == len && memcmp(pattern, host, n) == 0;
	return len > n - 1 && memcmp(host + len - (n - 1), pattern + 1, n - 1) == 0;
}

bool
jdg_endpoint_allows_host(const JdgEndpoint *e, const JdgUrl *url)
{
	size_t		len = strlen(url->host);
	bool		port = false;
	ListCell   *lc;

	for (int i = 0; i < e->allow_ports.n; i++)
		port |= url->port >= e->allow_ports.ports[i].from &&
			url->port <= e->allow_ports.ports[i].to;
	if (!e->any_host || !port)
		return false;
	/* a final dot makes no other host */
	if (len > 0 && url->host[len - 1] == '.')
		len--;
	foreach(lc, e->allow_hosts)
	{
		if (host_matches(lfirst(lc), url->host, len))
			return true;
	}
	return e->allow_hosts == NIL;
}
