/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Values of options, see value.h.
 *
 * Everybody can read the options of a server, and those of a user mapping are
 * secrets.  An error shows a value if it is short and of a kind that cannot be
 * a secret, else only the place of the fault.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/errors.h"
#include "endpoint/address.h"
#include "endpoint/header.h"
#include "endpoint/url.h"
#include "endpoint/value.h"

/* bounds of lists and texts of one option */
#define ITEMS_MAX 200
#define HEADERS_BYTES_MAX (64 * 1024)
#define SECRET_BYTES_MAX (64 * 1024)

/* Refuses a value that can be shown. */
JDG_NORETURN static void
refuse(const JdgOption *option, const char *value, const char *detail,
	   const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for option \"%s\": \"%s\"", option->name,
					jdg_excerpt(value)),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
}

/* Refuses a value that is not shown, at a byte of it. */
JDG_NORETURN static void
refuse_at(const JdgOption *option, const char *value, size_t position,
		  const char *detail, const char *hint)
{
	int			character = pg_mbstrlen_with_len(value, (int) position) + 1;

	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for option \"%s\" at character %d",
					option->name, character),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

/* Refuses a number that is not within its bounds. */
static void
refuse_range(const JdgOption *option, const char *value, const char *unit)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("value for option \"%s\" is out of range: \"%s\"",
					option->name, jdg_excerpt(value)),
			 errdetail("The minimum is %d%s, the maximum is %d%s.", option->min,
					   unit, option->max, unit)));
}

/* -------------------------------------------------------------- plain values */

/* Reads a number as in postgresql.conf. */
static int
read_number(const JdgOption *option, const char *value, int unit,
			const char *unit_name)
{
	const char *hint = NULL;
	int			n;

	if (option->min == 0 && pg_strcasecmp(value, "off") == 0)
		return 0;
	if (!parse_int(value, &n, unit, &hint))
		refuse(option, value, NULL, option->hint ? option->hint : hint);
	if (n < option->min || n > option->max)
		refuse_range(option, value, unit_name);
	return n;
}

static int
read_word(const JdgOption *option, const char *value)
{
	char		list[200] = "";

	for (int i = 0; option->words[i]; i++)
	{
		if (pg_strcasecmp(option->words[i], value) == 0)
			return i;
		if (i > 0)
			strlcat(list, ", ", sizeof(list));
		strlcat(list, option->words[i], sizeof(list));
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for option \"%s\": \"%s\"", option->name,
					jdg_excerpt(value)),
			 errhint("Available values: %s.", list)));
	return 0;
}

/* "100 B/s, 30 s": a size a second, and a duration */
static JdgLowSpeed
read_low_speed(const JdgOption *option, const char *value)
{
	static const char *const form = "Write a speed and a time, as in 100 B/s, 30 s.";
	JdgLowSpeed result = {0};
	char	   *speed = pstrdup(value);
	char	   *comma = strchr(speed, ',');
	char	   *slash = strstr(speed, "/s");
	int			ms;

	if (pg_strcasecmp(value, "off") == 0)
		return result;
	if (comma == NULL || slash == NULL || slash > comma ||
		strspn(slash + 2, " \t") != comma - slash - 2)
		refuse(option, value, NULL, form);
	*slash = '\0';
	if (!parse_int(speed, &result.bytes, GUC_UNIT_BYTE, NULL) ||
		!parse_int(comma + 1, &ms, GUC_UNIT_MS, NULL) ||
		result.bytes < 1 || ms < 1000)
		refuse(option, value, "The speed is at least 1 B/s, the time at least 1 s.", form);
	result.for_us = (int64) ms * 1000;
	return result;
}

static const char *
read_url(const JdgOption *option, const char *value, JdgUrl *url)
{
	JdgUrlFault fault;
	char	   *copy = pstrdup(value);

	if (!jdg_url_parse(copy, strlen(copy), url, &fault))
		refuse_at(option, value, fault.position, fault.what, fault.hint);
	if (url->query != NULL)
		refuse_at(option, value, url->query - copy - 1,
				  "The URL has a query, which every role could read.",
				  "Give parameters in the payload, and secrets in a user mapping.");
	/* a path of a request is appended to it */
	while (url->path_len > 0 && url->path[url->path_len - 1] == '/')
		url->path_len--;
	return copy;
}

static const char *
read_path(const JdgOption *option, const char *value)
{
	JdgUrlFault fault;

	if (!jdg_url_check_path(value, strlen(value), &fault))
		refuse_at(option, value, fault.position, fault.what, fault.hint);
	return pstrdup(value);
}

/* A secret may have been given a secret instead: it is not shown. */
static const char *
read_file_name(const JdgOption *option, const char *value)
{
	if (!is_absolute_path(value))
		refuse_at(option, value, 0, "The path is not absolute.", NULL);
	return pstrdup(value);
}

static const char *
read_header_name(const JdgOption *option, const char *value)
{
	if (!jdg_header_is_name(value, strlen(value)))
		refuse(option, value, "It is not the name of a header.", NULL);
	if (jdg_header_is_reserved(value, strlen(value)) ||
		jdg_header_is_credential(value, strlen(value)))
		refuse(option, value, "The header is set by jadugar.", NULL);
	return pstrdup(value);
}

/* --------------------------------------------------------------------- lists */

/*
 * Takes the next item of a list between commas, without the spaces around it,
 * in lower case.  *at is NULL after the last one.  Returns NULL if there is
 * none.
 */
static char *
next_item(const JdgOption *option, const char *value, const char **at)
{
	const char *p;
	size_t		len;
	char	   *item;

	if (*at == NULL || value[strspn(value, " \t")] == '\0')
		return NULL;
	p = *at + strspn(*at, " \t");
	len = strcspn(p, ",");
	*at = p[len] == ',' ? p + len + 1 : NULL;
	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	if (len == 0)
		refuse(option, value, "The list has an empty item.", NULL);
	item = pnstrdup(p, len);
	for (char *c = item; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return item;
}

/* Reads a list whose items a function checks: why not, or NULL. */
static List *
read_list(const JdgOption *option, const char *value,
		  const char *(*fault_of) (const char *item))
{
	const char *at = value;
	List	   *list = NIL;
	char	   *item;

	while ((item = next_item(option, value, &at)) != NULL)
	{
		const char *fault = fault_of(item);

		if (fault)
			refuse(option, item, fault, NULL);
		if (list_length(list) == ITEMS_MAX)
			refuse(option, value, "The list has more than 200 items.", NULL);
		list = lappend(list, item);
	}
	return list;
}

static const char *
header_name_fault(const char *item)
{
	return jdg_header_is_name(item, strlen(item)) ? NULL
		: "It is not the name of a header.";
}

/* a host, or "*." and a name, for all names below it */
static const char *
host_fault(const char *item)
{
	bool		below = strncmp(item, "*.", 2) == 0;
	const char *host = item + (below ? 2 : 0);
	char		normal[JDG_HOST_SIZE];
	JdgHostKind kind;
	JdgUrlFault fault;

	if (!jdg_host_parse(host, strlen(host), normal, &kind, &fault))
		return fault.what;
	if (below && kind != JDG_HOST_NAME)
		return "There are no names below an address.";
	/* the form in which hosts of URLs are compared */
	return strcmp(normal, host) == 0 ? NULL
		: "An IPv6 address must be in its short form.";
}

/* "204", or "2xx" for a hundred of them */
static const char *
status_fault(const char *item)
{
	bool		hundred = strlen(item) == 3 && strcmp(item + 1, "xx") == 0;

	if (strlen(item) == 3 && item[0] >= '1' && item[0] <= '5' &&
		(hundred || strspn(item, "0123456789") == 3))
		return NULL;
	return "It is neither a status as 204 nor a class as 2xx.";
}

static JdgPortList
read_ports(const JdgOption *option, const char *value)
{
	const char *at = value;
	JdgPortList list = {0};
	char	   *item;

	while ((item = next_item(option, value, &at)) != NULL)
	{
		char	   *end;
		unsigned long from = strtoul(item, &end, 10);
		unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		if (item[0] < '1' || item[0] > '9' || *end != '\0' || from > to ||
			to > 65535 || strspn(item, "0123456789-") != strlen(item))
			refuse(option, item, "It is neither a port nor a range as 8000-8999.", NULL);
		if (list.n == JDG_PORTS_MAX)
			refuse(option, value, "The list has more than 32 items.", NULL);
		list.ports[list.n].from = from;
		list.ports[list.n++].to = to;
	}
	return list;
}

static JdgCidrs
read_cidrs(const JdgOption *option, const char *value)
{
	JdgCidr    *ranges = palloc(sizeof(JdgCidr) * JDG_CIDRS_MAX);
	JdgCidrs	list;
	const char *what;
	size_t		position;

	list.n = jdg_cidrs_parse(value, ranges, JDG_CIDRS_MAX, &what, &position);
	list.ranges = ranges;
	if (list.n < 0)
		refuse_at(option, value, position, what,
				  "Write ranges between commas, as in 10.1.0.0/16, fd00::/8.");
	return list;
}

/* ---------------------------------------------------------------------- JSON */

/* Parses a JSON object; the parser raises the error if it is no JSON. */
static Jsonb *
read_object(const JdgOption *option, const char *value)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														  CStringGetDatum(value)));

	if (!JB_ROOT_IS_OBJECT(json))
		refuse(option, value, "It is not a JSON object.", NULL);
	return json;
}

/* Makes the line of a header, or refuses it. */
static char *
read_header(const JdgOption *option, const char *name, const JsonbValue *v)
{
	size_t		len = strlen(name);

	if (!jdg_header_is_name(name, len))
		refuse(option, name, "It is not the name of a header.", NULL);
	if (jdg_header_is_reserved(name, len))
		refuse(option, name, "The header is set by jadugar.", NULL);
	if (jdg_header_sounds_secret(name, len))
		refuse(option, name,
			   "Every role can read the options of a server, and the header may be a secret.",
			   "Give secrets in a user mapping, and other headers in the payload.");
	if (v->type != jbvString ||
		!jdg_header_is_value(v->val.string.val, v->val.string.len))
		refuse(option, name,
			   "The value of the header is not a string without control characters.",
			   NULL);
	return psprintf("%s: %.*s", name, v->val.string.len, v->val.string.val);
}

static List *
read_headers(const JdgOption *option, const char *value)
{
	Jsonb	   *json = read_object(option, value);
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	List	   *list = NIL;
	size_t		bytes = 0;

	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
	{
		char	   *name = pnstrdup(v.val.string.val, v.val.string.len);
		char	   *line;

		(void) JsonbIteratorNext(&it, &v, true);
		line = read_header(option, name, &v);
		bytes += strlen(line);
		if (list_length(list) == ITEMS_MAX || bytes > HEADERS_BYTES_MAX)
			refuse(option, value, "There are more than 200 headers, or 64 kB of them.", NULL);
		list = lappend(list, line);
	}
	return list;
}

/* ------------------------------------------------------------------- secrets */

void
jdg_value_check_secret(const JdgOption *option, const char *value)
{
	size_t		len = strlen(value);
	JdgUrlFault fault;

	if (len == 0)
		refuse_at(option, value, 0, "The value is empty.", NULL);
	if (len > SECRET_BYTES_MAX)
		refuse_at(option, value, 0, "The value is longer than 64 kB.", NULL);
	if (option->kind == JDG_VALUE_SECRET_PATH &&
		!jdg_url_check_path(value, len, &fault))
		refuse_at(option, value, fault.position, fault.what, fault.hint);
	for (size_t i = 0; i < len && option->kind != JDG_VALUE_PEM; i++)
	{
		if ((unsigned char) value[i] < 0x20 || value[i] == 0x7f)
			refuse_at(option, value, i, "The value has a control character.", NULL);
		if (option->kind == JDG_VALUE_USER && value[i] == ':')
			refuse_at(option, value, i, "The name of a user has no colon.", NULL);
	}
	if (option->kind == JDG_VALUE_PEM && strstr(value, "-----BEGIN ") == NULL)
		refuse_at(option, value, 0, "The value is not in PEM format.",
				  "The option takes the contents, not the name of a file.");
}

/* --------------------------------------------------------------- all of them */

void
jdg_value_read(const JdgOption *option, const char *value, void *target)
{
	void	   *field = (char *) target + option->offset;
	bool		flag;

	switch (option->kind)
	{
		case JDG_VALUE_BOOL:
			if (!parse_bool(value, &flag))
				refuse(option, value, "It is not a Boolean value.", NULL);
			*(bool *) field = flag;
			break;
		case JDG_VALUE_INT:
			*(int32 *) field = read_number(option, value, 0, "");
			break;
		case JDG_VALUE_DURATION:
			*(int64 *) field =
				(int64) read_number(option, value, GUC_UNIT_MS, " ms") * 1000;
			break;
		case JDG_VALUE_SIZE:
			*(int32 *) field = read_number(option, value, GUC_UNIT_BYTE, " B");
			break;
		case JDG_VALUE_WORD:
			*(int *) field = read_word(option, value);
			break;
		case JDG_VALUE_LOW_SPEED:
			*(JdgLowSpeed *) field = read_low_speed(option, value);
			break;
		case JDG_VALUE_URL:
			*(const char **) field =
				read_url(option, value, (JdgUrl *) ((char *) target + option->also));
			break;
		case JDG_VALUE_PATH:
			*(const char **) field = read_path(option, value);
			break;
		case JDG_VALUE_FILE:
			*(const char **) field = read_file_name(option, value);
			break;
		case JDG_VALUE_HEADERS:
			*(List **) field = read_headers(option, value);
			break;
		case JDG_VALUE_HEADER_NAME:
			*(const char **) field = read_header_name(option, value);
			break;
		case JDG_VALUE_HEADER_NAMES:
			*(List **) field = read_list(option, value, header_name_fault);
			break;
		case JDG_VALUE_HOSTS:
			*(List **) field = read_list(option, value, host_fault);
			break;
		case JDG_VALUE_PORTS:
			*(JdgPortList *) field = read_ports(option, value);
			break;
		case JDG_VALUE_STATUSES:
			*(List **) field = read_list(option, value, status_fault);
			break;
		case JDG_VALUE_CIDRS:
			*(JdgCidrs *) field = read_cidrs(option, value);
			break;
		case JDG_VALUE_POLICY:
			(void) read_object(option, value);
			*(const char **) field = pstrdup(value);
			break;
		case JDG_VALUE_USER:
		case JDG_VALUE_SECRET:
		case JDG_VALUE_PEM:
		case JDG_VALUE_SECRET_PATH:
			jdg_value_check_secret(option, value);
			*(const char **) field = pstrdup(value);
			break;
	}
}
