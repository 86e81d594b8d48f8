/*-------------------------------------------------------------------------
 *
 * remember.c
 *	  When an endpoint has answered last, and when it has not: the table
 *	  endpoint_stat, for the view endpoints.
 *
 * Runs in the process "jadugar http", in the transaction that settles.  A row is
 * written at most once a second, or if success and failure have changed places.
 * A row that another transaction has locked is left out: this process waits for
 * no lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "request/text.h"
#include "request/transfer.h"

#define PERIOD_MS 1000
/* kept of a message, in bytes */
#define MESSAGE_MAX 1024

/* what this process has written last about an endpoint */
typedef struct Memory
{
	int32		endpoint_id;	/* hash key */
	int64		written;		/* steady ms */
	bool		good;
} Memory;

static HTAB *memories = NULL;

/* Is it time to write?  Notes that it is written. */
static bool
is_due(int32 endpoint_id, bool good)
{
	int64		now = jdg_steady_ms();
	Memory	   *m;
	bool		found;

	if (memories == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int32);
		ctl.entrysize = sizeof(Memory);
		memories = hash_create("jadugar endpoints", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS);
	}
	m = hash_search(memories, &endpoint_id, HASH_ENTER, &found);
	if (found && m->good == good && now - m->written < PERIOD_MS)
		return false;
	m->good = good;
	m->written = now;
	return true;
}

static void
write_row(int32 endpoint_id, TimestampTz at, const char *error)
{
	static JdgQuery update = {
		"UPDATE jadugar_internal.endpoint_stat SET "
		"last_success_at = CASE WHEN $3 IS NULL THEN $2 ELSE last_success_at END, "
		"last_error_at = CASE WHEN $3 IS NULL THEN last_error_at ELSE $2 END, "
		"last_error = COALESCE($3, last_error) WHERE endpoint_id = "
		"(SELECT endpoint_id FROM jadugar_internal.endpoint_stat "
		"WHERE endpoint_id = $1 FOR UPDATE SKIP LOCKED)",
		3, {INT4OID, TIMESTAMPTZOID, TEXTOID}
	};
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.endpoint_stat "
		"SELECT $1, CASE WHEN $3 IS NULL THEN $2 END, "
		"CASE WHEN $3 IS NOT NULL THEN $2 END, $3 "
		"WHERE NOT EXISTS (SELECT FROM jadugar_internal.endpoint_stat "
		"WHERE endpoint_id = $1)",
		3, {INT4OID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		v[3] = {Int32GetDatum(endpoint_id), TimestampTzGetDatum(at), 0};
	char		nulls[3] = {' ', ' ', error == NULL ? 'n' : ' '};

	if (error != NULL)
		v[2] = CStringGetTextDatum(error);
	if (jdg_run(&update, v, nulls, 0) == 0)
		jdg_run(&insert, v, nulls, 0);
}

void
jdg_endpoint_remember(const JdgTransfer *t, const JdgOutcome *o)
{
	char	   *message;
	bool		good;

	if (o->end == JDG_END_COMPLETED)
		good = true;
	else if (o->end == JDG_END_FAILED || o->end == JDG_END_LOST)
		good = false;
	else
		return;
	if (t->unsent != NULL || !is_due(t->endpoint.endpoint_id, good))
		return;
	message = good || o->error == NULL ? NULL :
		jdg_json_get_text(o->error, "message");
	write_row(t->endpoint.endpoint_id, o->finished_at, good ? NULL :
			  message ? jdg_text_cut(message, MESSAGE_MAX) : "");
}
