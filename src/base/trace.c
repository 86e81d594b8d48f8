/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Trace contexts of W3C, see trace.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "base/trace.h"

/* lengths of the ids in a traceparent, in bytes */
#define TRACE_BYTES 16
#define SPAN_BYTES 8

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Are these lower-case hexadecimal digits, and not all of them zero? */
static bool
is_id(const char *text, int len)
{
	bool		any = false;

	for (int i = 0; i < len; i++)
	{
		if (hex_value(text[i]) < 0)
			return false;
		any |= text[i] != '0';
	}
	return any;
}

static void
put_hex(char *out, const uint8 *bytes, int n)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < n; i++)
	{
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

bool
jdg_trace_parse(const char *trace, char *trace_id, uint8 *flags)
{
	/* "00-" trace id "-" span id "-" flags */
	if (trace == NULL || strlen(trace) < JDG_TRACEPARENT_SIZE - 1 ||
		hex_value(trace[0]) < 0 || hex_value(trace[1]) < 0 ||
		strncmp(trace, "ff", 2) == 0 || trace[2] != '-' ||
		!is_id(trace + 3, 32) || trace[35] != '-' || !is_id(trace + 36, 16) ||
		trace[52] != '-' || hex_value(trace[53]) < 0 || hex_value(trace[54]) < 0)
		return false;
	if (trace[55] != '\0' && trace[55] != ' ')
		return false;
	memcpy(trace_id, trace + 3, 32);
	trace_id[32] = '\0';
	*flags = (uint8) (hex_value(trace[53]) * 16 + hex_value(trace[54]));
	return true;
}

void
jdg_trace_digest(const pg_uuid_t *database, const char *text, uint8 *digest)
{
	uint8		whole[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, database->data, UUID_LEN) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) text, strlen(text)) < 0 ||
		pg_cryptohash_final(ctx, whole, sizeof(whole)) < 0)
		elog(ERROR, "could not compute a digest");
	pg_cryptohash_free(ctx);
	memcpy(digest, whole, TRACE_BYTES);
}

void
jdg_trace_of_attempt(const pg_uuid_t *database, int64 task_id, int32 attempt,
					 const char *trace, char *traceparent, char *trace_id)
{
	uint8		digest[TRACE_BYTES];
	uint8		flags = 0;
	char		what[64];
	char		span[SPAN_BYTES * 2 + 1];

	if (!jdg_trace_parse(trace, trace_id, &flags))
	{
		snprintf(what, sizeof(what), "trace " INT64_FORMAT, task_id);
		jdg_trace_digest(database, what, digest);
		put_hex(trace_id, digest, TRACE_BYTES);
	}
	snprintf(what, sizeof(what), "attempt " INT64_FORMAT " %d", task_id, attempt);
	jdg_trace_digest(database, what, digest);
	put_hex(span, digest, SPAN_BYTES);
	/* of the flags only "sampled" has a meaning in version 00 */
	snprintf(traceparent, JDG_TRACEPARENT_SIZE, "00-%s-%s-%02x", trace_id, span,
			 flags & 1);
}
