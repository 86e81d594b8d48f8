/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options of servers and user mappings, see options.h.
 *
 * The tables below are all that exists; doc/reference/endpoints.md has the
 * same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/errors.h"
#include "endpoint/options.h"
#include "endpoint/secret_file.h"
#include "endpoint/value.h"

#define DAY_MS (24 * 3600 * 1000)
#define HOUR_MS (3600 * 1000)

/* the largest value that can be allocated */
#define SIZE_MAX_BYTES 0x3fffffff

static const char *const http_versions[] = {"auto", "1.1", "2", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const verify_words[] = {"full", "none", NULL};
static const char *const unsafe_words[] = {"retry", "fail", NULL};
static const char *const format_words[] = {"text", "uuid", NULL};

/* What is read of a server; the last ones are put in their place later. */
typedef struct ServerFields
{
	JdgEndpoint e;
	int			http_version;
	int			tls_min;
	int			verify;
	int			unsafe;
	int			format;
	int64		per_us;
	int32		burst;
} ServerFields;

#define AT(field) offsetof(ServerFields, field)

static const JdgOption server_options[] = {
	{"base_url", JDG_VALUE_URL, AT(e.base_url),.also = AT(e.base)},
	{"any_host", JDG_VALUE_BOOL, AT(e.any_host)},
	{"allow_hosts", JDG_VALUE_HOSTS, AT(e.allow_hosts)},
	{"allow_ports", JDG_VALUE_PORTS, AT(e.allow_ports)},
	{"timeout", JDG_VALUE_DURATION, AT(e.timeout_us),.min = 1,.max = DAY_MS},
	{"connect_timeout", JDG_VALUE_DURATION, AT(e.connect_timeout_us),.min = 1,.max = HOUR_MS},
	{"low_speed", JDG_VALUE_LOW_SPEED, AT(e.low_speed)},
	{"max_request", JDG_VALUE_SIZE, AT(e.max_request),.min = 1,.max = SIZE_MAX_BYTES},
	{"max_response", JDG_VALUE_SIZE, AT(e.max_response),.min = 1,.max = SIZE_MAX_BYTES},
	{"max_concurrency", JDG_VALUE_INT, AT(e.max_concurrency),.min = 1,.max = 10000},
	{"rate", JDG_VALUE_INT, AT(e.rate.rate),.min = 1,.max = INT_MAX,
	.hint = "Give a number of requests. The option per has the time that it is about."},
	{"per", JDG_VALUE_DURATION, AT(per_us),.min = 1,.max = INT_MAX},
	{"burst", JDG_VALUE_INT, AT(burst),.min = 1,.max = INT_MAX},
	{"headers", JDG_VALUE_HEADERS, AT(e.headers)},
	{"keep_headers", JDG_VALUE_HEADER_NAMES, AT(e.keep_headers)},
	{"redirects", JDG_VALUE_INT, AT(e.redirects),.min = 0,.max = 20},
	{"http_version", JDG_VALUE_WORD, AT(http_version),.words = http_versions},
	{"breaker", JDG_VALUE_BOOL, AT(e.breaker.on)},
	{"breaker_window", JDG_VALUE_DURATION, AT(e.breaker.window_us),.min = 1000,.max = HOUR_MS},
	{"breaker_min_calls", JDG_VALUE_INT, AT(e.breaker.min_calls),.min = 1,.max = 1000000},
	{"breaker_failure_pct", JDG_VALUE_INT, AT(e.breaker.failure_pct),.min = 1,.max = 100},
	{"breaker_consecutive", JDG_VALUE_INT, AT(e.breaker.consecutive),.min = 0,.max = 1000000},
	{"breaker_slow_after", JDG_VALUE_DURATION, AT(e.breaker.slow_after_us),.min = 0,.max = DAY_MS},
	{"breaker_slow_pct", JDG_VALUE_INT, AT(e.breaker.slow_pct),.min = 1,.max = 100},
	{"breaker_open_for", JDG_VALUE_DURATION, AT(e.breaker.open_for_us),.min = 100,.max = DAY_MS},
	{"breaker_open_max", JDG_VALUE_DURATION, AT(e.breaker.open_max_us),.min = 100,.max = DAY_MS},
	{"breaker_half_open", JDG_VALUE_INT, AT(e.breaker.half_open),.min = 1,.max = 10},
	{"breaker_ramp", JDG_VALUE_DURATION, AT(e.breaker.ramp_us),.min = 0,.max = HOUR_MS},
	{"retry", JDG_VALUE_POLICY, AT(e.retry)},
	{"retry_after_max", JDG_VALUE_DURATION, AT(e.retry_after_max_us),.min = 0,.max = INT_MAX},
	{"unsafe", JDG_VALUE_WORD, AT(unsafe),.words = unsafe_words},
	{"expect", JDG_VALUE_STATUSES, AT(e.expect)},
	{"api_key_header", JDG_VALUE_HEADER_NAME, AT(e.api_key_header)},
	{"idempotency_header", JDG_VALUE_HEADER_NAME, AT(e.idempotency_header)},
	{"idempotency_format", JDG_VALUE_WORD, AT(format),.words = format_words},
	{"allow_addresses", JDG_VALUE_CIDRS, AT(e.addresses.allow)},
	{"deny_addresses", JDG_VALUE_CIDRS, AT(e.addresses.deny)},
	{"health_path", JDG_VALUE_PATH, AT(e.health_path)},
	{"ca_file", JDG_VALUE_FILE, AT(e.ca_file),.superuser = true},
	{"tls_min", JDG_VALUE_WORD, AT(tls_min),.words = tls_versions},
	{"verify", JDG_VALUE_WORD, AT(verify),.words = verify_words},
	{"proxy", JDG_VALUE_URL, AT(e.proxy),.superuser = true,.also = AT(e.proxy_url)},
	{NULL}
};

#undef AT
#define AT(field) offsetof(JdgSecrets, field)

/* each but the first can also be given as NAME_file, by superusers */
static const JdgOption mapping_options[] = {
	{"user", JDG_VALUE_USER, AT(user)},
	{"password", JDG_VALUE_SECRET, AT(password)},
	{"bearer_token", JDG_VALUE_SECRET, AT(bearer_token)},
	{"api_key", JDG_VALUE_SECRET, AT(api_key)},
	{"signing_secret", JDG_VALUE_SECRET, AT(signing_secret)},
	{"signing_secret_old", JDG_VALUE_SECRET, AT(signing_secret_old)},
	{"access_key_id", JDG_VALUE_SECRET, AT(access_key_id)},
	{"secret_access_key", JDG_VALUE_SECRET, AT(secret_access_key)},
	{"session_token", JDG_VALUE_SECRET, AT(session_token)},
	{"secret_path", JDG_VALUE_SECRET_PATH, AT(secret_path)},
	{"sslcert", JDG_VALUE_PEM, AT(sslcert)},
	{"sslkey", JDG_VALUE_PEM, AT(sslkey)},
	{NULL}
};

/* --------------------------------------------------------------- finding one */

/* The option of that name, or NULL. */
static const JdgOption *
find(const JdgOption *table, const char *name)
{
	for (const JdgOption *o = table; o->name; o++)
	{
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

/* The option of a user mapping; *file: its value is the name of a file. */
static const JdgOption *
find_in_mapping(const char *name, bool *file)
{
	size_t		len = strlen(name);
	char		base[NAMEDATALEN];

	*file = false;
	if (len <= 5 || len >= sizeof(base) || strcmp(name + len - 5, "_file") != 0)
		return find(mapping_options, name);
	*file = true;
	strlcpy(base, name, len - 5 + 1);
	return strcmp(base, "user") == 0 ? NULL : find(mapping_options, base);
}

/* Lists the names of a table for a hint. */
static char *
names_of(const JdgOption *table)
{
	StringInfoData s;

	initStringInfo(&s);
	for (const JdgOption *o = table; o->name; o++)
		appendStringInfo(&s, "%s%s", s.len > 0 ? ", " : "", o->name);
	return s.data;
}

JDG_NORETURN static void
refuse_name(const char *name, const JdgOption *table)
{
	bool		file;

	if (table == server_options && find_in_mapping(name, &file))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\" of a server", name),
				 errdetail("It is an option of user mappings, since all roles can read the options of a server."),
				 errhint("Give it in CREATE USER MAPPING.")));
	if (table == mapping_options && find(server_options, name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\" of a user mapping", name),
				 errdetail("It is an option of servers."),
				 errhint("Give it in CREATE SERVER or ALTER SERVER.")));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 table == server_options ?
			 errhint("Valid options of a server are: %s.", names_of(table)) :
			 table == mapping_options ?
			 errhint("Valid options of a user mapping are: %s; with the suffix _file, all but user name a file.",
					 names_of(table)) :
			 errhint("There are no valid options in this context.")));
}

/* Refuses an option that only superusers may give. */
static void
require_superuser(const char *name)
{
	if (superuser())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to set option \"%s\"", name),
			 errdetail("Only superusers may set it, and change other options while it is set.")));
}

void
jdg_options_refuse(List *options)
{
	if (options != NIL)
		refuse_name(linitial_node(DefElem, options)->defname, NULL);
}

/* -------------------------------------------------------------------- server */

static ServerFields
server_defaults(void)
{
	ServerFields f = {{0}};
	JdgEndpoint *e = &f.e;

	e->timeout_us = 30 * USECS_PER_SEC;
	e->connect_timeout_us = 5 * USECS_PER_SEC;
	e->max_request = 64 * 1024 * 1024;
	e->max_response = 1024 * 1024;
	e->breaker = (JdgBreakerOptions)
	{
		.on = true,.window_us = 60 * USECS_PER_SEC,.min_calls = 20,
			.failure_pct = 50,.consecutive = 10,.slow_pct = 100,
			.open_for_us = 30 * USECS_PER_SEC,
			.open_max_us = 300 * USECS_PER_SEC,.half_open = 3,
			.ramp_us = 10 * USECS_PER_SEC
	};
	e->retry_after_max_us = USECS_PER_HOUR;
	e->api_key_header = "X-API-Key";
	e->idempotency_header = "Idempotency-Key";
	e->expect = list_make1("2xx");
	f.per_us = USECS_PER_SEC;
	return f;
}

/* Puts the fields that depend on others into their place. */
static void
complete(ServerFields *f)
{
	JdgEndpoint *e = &f->e;

	e->http_version = (JdgHttpVersion) f->http_version;
	e->tls_min = (JdgTlsMin) f->tls_min;
	e->verify = (JdgVerify) f->verify;
	e->unsafe = (JdgUnsafe) f->unsafe;
	e->idempotency_format = (JdgIdempotencyFormat) f->format;
	e->rate.per = f->per_us;
	e->rate.burst = f->burst > 0 ? f->burst : Max(e->rate.rate / 10, 1);
	/* with any_host there are many services */
	if (e->max_concurrency == 0)
		e->max_concurrency = e->any_host ? 64 : 16;
	e->breaker.open_max_us = Max(e->breaker.open_max_us, e->breaker.open_for_us);
	if (e->any_host && e->allow_ports.n == 0)
	{
		e->allow_ports.n = 2;
		e->allow_ports.ports[0] = (JdgPorts)
		{
			80, 80
		};
		e->allow_ports.ports[1] = (JdgPorts)
		{
			443, 443
		};
	}
}

static ServerFields
read_server(List *options)
{
	ServerFields f = server_defaults();
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const JdgOption *o = find(server_options, def->defname);

		if (o == NULL)
			refuse_name(def->defname, server_options);
		jdg_value_read(o, defGetString(def), &f);
	}
	complete(&f);
	return f;
}

/* Is an option of this name in the list? */
static bool
is_given(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, name) == 0)
			return true;
	}
	return false;
}

/* Refuses an option without the one that it belongs to. */
static void
require_other(List *options, const char *name, const char *other)
{
	if (is_given(options, name) && !is_given(options, other))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("option \"%s\" needs option \"%s\"", name, other)));
}

/* Refuses two options of which at most one may be given. */
static void
forbid_both(List *options, const char *name, const char *other)
{
	if (is_given(options, name) && is_given(options, other))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"%s\" and \"%s\" cannot both be given",
						name, other)));
}

/* Superusers only: options that reach files or weaken the checks. */
static void
check_server_rights(List *options, const JdgEndpoint *e)
{
	for (const JdgOption *o = server_options; o->name; o++)
	{
		if (o->superuser && is_given(options, o->name))
			require_superuser(o->name);
	}
	if (e->verify == JDG_VERIFY_NONE)
		require_superuser("verify");
}

void
jdg_options_check_server(List *options)
{
	JdgEndpoint e = read_server(options).e;

	check_server_rights(options, &e);
	if (e.any_host)
		forbid_both(options, "base_url", "any_host");
	else if (e.base_url == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a server needs option \"base_url\", or \"any_host\" instead"),
				 errhint("Give base_url, as in OPTIONS (base_url 'https://api.example.com/v1').")));
	if (!e.any_host && (is_given(options, "allow_hosts") || is_given(options, "allow_ports")))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"allow_hosts\" and \"allow_ports\" need option \"any_host\"")));
	require_other(options, "per", "rate");
	require_other(options, "burst", "rate");
	if (e.any_host && is_given(options, "health_path"))
		forbid_both(options, "health_path", "any_host");
	if (is_given(options, "proxy") && e.proxy_url.path_len > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid value for option \"%s\"", "proxy"),
				 errdetail("The URL of a proxy has no path.")));
	jdg_rate_check("rate", &e.rate);
}

void
jdg_options_read_server(List *options, JdgEndpoint *e)
{
	*e = read_server(options).e;
}

/* ------------------------------------------------------------------- mapping */

/* Reads a user mapping: "files" the files that it names, too. */
static void
read_mapping(List *options, bool files, JdgSecrets *s)
{
	ListCell   *lc;

	memset(s, 0, sizeof(*s));
	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const char *value = defGetString(def);
		bool		is_file;
		const JdgOption *o = find_in_mapping(def->defname, &is_file);

		if (o == NULL)
			refuse_name(def->defname, mapping_options);
		if (!is_file)
			jdg_value_read(o, value, s);
		else if (files)
			*(const char **) ((char *) s + o->offset) =
				jdg_secret_file_read(o, value);
		else
		{
			JdgOption	as_file = {def->defname, JDG_VALUE_FILE, o->offset};

			jdg_value_read(&as_file, value, s);
		}
	}
}

void
jdg_options_check_mapping(List *options)
{
	JdgSecrets	s;
	ListCell   *lc;

	read_mapping(options, false, &s);
	foreach(lc, options)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;
		bool		file;
		const JdgOption *o = find_in_mapping(name, &file);

		if (!file)
			continue;
		require_superuser(name);
		forbid_both(options, o->name, name);
	}
	if ((s.password == NULL) != (s.user == NULL))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"user\" and \"password\" need each other")));
	if (s.user && s.bearer_token)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"user\" and \"bearer_token\" cannot both be given"),
				 errdetail("Both are sent in the header Authorization.")));
	if ((s.access_key_id == NULL) != (s.secret_access_key == NULL) ||
		(s.session_token && s.access_key_id == NULL))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"access_key_id\" and \"secret_access_key\" need each other"),
				 errdetail("Option \"session_token\" needs both.")));
	if ((s.sslcert == NULL) != (s.sslkey == NULL))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options \"sslcert\" and \"sslkey\" need each other")));
	if (s.signing_secret_old && s.signing_secret == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("option \"%s\" needs option \"%s\"", "signing_secret_old",
						"signing_secret")));
}

void
jdg_options_read_mapping(List *options, JdgSecrets *s)
{
	read_mapping(options, true, s);
}

void
jdg_options_given_in_mapping(List *options, JdgSecrets *s)
{
	read_mapping(options, false, s);
}
