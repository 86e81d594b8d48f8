/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options of servers and user mappings of the wrapper jadugar_http.
 *
 * One table describes all options (options.c).  The validator and the
 * processes that use the options read them by the same code, so what has been
 * accepted can be used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_OPTIONS_H
#define JDG_ENDPOINT_OPTIONS_H

#include "nodes/pg_list.h"

#include "base/rate.h"
#include "endpoint/address.h"
#include "endpoint/url.h"
#include "endpoint/value.h"
#include "shared/breaker.h"

/* the name of the wrapper */
#define JDG_WRAPPER "jadugar_http"

typedef enum JdgHttpVersion
{
	JDG_HTTP_AUTO,
	JDG_HTTP_1_1,
	JDG_HTTP_2
} JdgHttpVersion;

typedef enum JdgTlsMin
{
	JDG_TLS_1_2,
	JDG_TLS_1_3
} JdgTlsMin;

typedef enum JdgVerify
{
	JDG_VERIFY_FULL,
	JDG_VERIFY_NONE
} JdgVerify;

typedef enum JdgUnsafe
{
	JDG_UNSAFE_RETRY,
	JDG_UNSAFE_FAIL
} JdgUnsafe;

typedef enum JdgIdempotencyFormat
{
	JDG_IDEMPOTENCY_TEXT,
	JDG_IDEMPOTENCY_UUID
} JdgIdempotencyFormat;

/*
 * Options of a server.  Texts and lists are in the memory context in which the
 * options were read.
 */
typedef struct JdgEndpoint
{
	int32		endpoint_id;	/* 0: not known */
	Oid			server;
	Oid			owner;
	const char *name;
	uint32		generation;		/* another one if an option, the owner, or
								 * jadugar.http_allow_addresses has changed */

	/* where it leads to */
	bool		any_host;
	const char *base_url;		/* NULL if any_host */
	JdgUrl		base;			/* of base_url; path without its last slash */
	List	   *allow_hosts;	/* char *: names, or *.example.com; NIL: all */
	JdgPortList allow_ports;	/* of any_host */
	JdgAddressRules addresses;
	const char *proxy;			/* NULL: none */
	JdgUrl		proxy_url;

	/* bounds of a transfer */
	int64		timeout_us;
	int64		connect_timeout_us;
	JdgLowSpeed low_speed;
	int32		max_request;	/* bytes */
	int32		max_response;

	/* limits */
	int32		max_concurrency;
	JdgRate		rate;			/* rate 0: none */

	/* requests */
	List	   *headers;		/* char *: "Name: value" */
	List	   *keep_headers;	/* char *: in lower case */
	int32		redirects;
	JdgHttpVersion http_version;
	const char *api_key_header;
	const char *idempotency_header;
	JdgIdempotencyFormat idempotency_format;

	/* outcomes */
	List	   *expect;			/* char *: "204" or "2xx" */
	const char *retry;			/* a retry policy as JSON; NULL: none */
	int64		retry_after_max_us;
	JdgUnsafe	unsafe;
	JdgBreakerOptions breaker;
	const char *health_path;	/* NULL: none */

	/* TLS */
	const char *ca_file;		/* NULL: the system's */
	JdgTlsMin	tls_min;
	JdgVerify	verify;
} JdgEndpoint;

/*
 * Secrets of a user mapping; NULL: not given.  Texts are in the memory context
 * in which they were read.  They must not appear in any message.
 */
typedef struct JdgSecrets
{
	Oid			mapping;		/* InvalidOid: there is none */
	bool		own;			/* of the role itself, not of PUBLIC */
	uint32		generation;		/* another one if a secret has changed */
	const char *user;
	const char *password;
	const char *bearer_token;
	const char *api_key;
	const char *signing_secret;
	const char *signing_secret_old;
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token;
	const char *secret_path;
	const char *sslcert;		/* in PEM */
	const char *sslkey;			/* in PEM */
} JdgSecrets;

/*
 * Checks the options of a server, or those of a user mapping, as its validator:
 * raises an error that names the option and does not contain a secret.  It
 * reads neither tables nor files.
 */
extern void jdg_options_check_server(List *options);
extern void jdg_options_check_mapping(List *options);

/* raises an error for the first option: none is valid for that kind of object */
extern void jdg_options_refuse(List *options);

/* reads the options of a server, with defaults for the others */
extern void jdg_options_read_server(List *options, JdgEndpoint *e);

/* reads the options of a user mapping, and the files that they name */
extern void jdg_options_read_mapping(List *options, JdgSecrets *s);

/* the same, but a secret that is in a file is the name of the file */
extern void jdg_options_given_in_mapping(List *options, JdgSecrets *s);

#endif							/* JDG_ENDPOINT_OPTIONS_H */
