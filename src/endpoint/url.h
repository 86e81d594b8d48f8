/*-------------------------------------------------------------------------
 *
 * url.h
 *	  URLs of endpoints and of requests: parsing and checks.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.
 *
 * This is the only parser.  It accepts less than others do, so that no two
 * programs read another host from the same text: see README.md, "URLs".
 * Whether the address of a host may be connected to is not decided here but
 * by address.h, for each connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_URL_H
#define JDG_ENDPOINT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* maximum length of a URL, in bytes */
#define JDG_URL_MAX 8192

/* maximum length of a name of a host, without a final dot */
#define JDG_HOST_MAX 253

/* room for a host and a zero byte */
#define JDG_HOST_SIZE 256

typedef enum JdgUrlScheme
{
	JDG_URL_HTTP,
	JDG_URL_HTTPS
} JdgUrlScheme;

typedef enum JdgHostKind
{
	JDG_HOST_NAME,				/* to be resolved */
	JDG_HOST_IPV4,				/* four decimal numbers */
	JDG_HOST_IPV6				/* in brackets in the URL */
} JdgHostKind;

/*
 * A URL.  "path" and "query" point into the text that was parsed, and are as
 * they were there: percent-encoded.
 */
typedef struct JdgUrl
{
	JdgUrlScheme scheme;
	JdgHostKind kind;
	char		host[JDG_HOST_SIZE];	/* in lower case, without brackets; an
										 * IPv6 address in its short form */
	uint16_t	port;			/* that of the scheme, if none is given */
	bool		port_given;
	const char *path;			/* begins with a slash, or is empty */
	size_t		path_len;
	const char *query;			/* without the question mark; NULL: none */
	size_t		query_len;
} JdgUrl;

/* why a text was refused; all texts are constants */
typedef struct JdgUrlFault
{
	const char *what;			/* a sentence */
	const char *hint;			/* a sentence, or NULL */
	size_t		position;		/* byte, from 0 */
} JdgUrlFault;

/*
 * Parses a whole text, which need not end with a zero byte.  Returns false and
 * sets the fault if it is no http or https URL that is safe to use.
 */
extern bool jdg_url_parse(const char *text, size_t len, JdgUrl *url,
						  JdgUrlFault *fault);

/*
 * Checks a host, which is given without brackets if it is an IPv6 address, and
 * writes its normal form to "host" (JDG_HOST_SIZE).
 */
extern bool jdg_host_parse(const char *text, size_t len, char *host,
						   JdgHostKind *kind, JdgUrlFault *fault);

/*
 * Checks a percent-encoded path: it begins with one slash, and after decoding
 * has no segment "..", no backslash and no control byte.
 */
extern bool jdg_url_check_path(const char *text, size_t len,
							   JdgUrlFault *fault);

/* Checks a percent-encoded query, without its question mark. */
extern bool jdg_url_check_query(const char *text, size_t len,
								JdgUrlFault *fault);

/* "http" or "https" */
extern const char *jdg_url_scheme_name(JdgUrlScheme scheme);

/* the port of a scheme */
extern uint16_t jdg_url_default_port(JdgUrlScheme scheme);

#endif							/* JDG_ENDPOINT_URL_H */
