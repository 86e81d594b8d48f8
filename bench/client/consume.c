/*-------------------------------------------------------------------------
 *
 * consume.c
 *	  A client that empties a queue like pgmq's in batches.
 *
 * Part of the benchmark only.
 *
 *		consume CONNINFO BATCH
 *
 * Until the queue is empty, reads BATCH messages, inserts a row for each by a
 * prepared statement of its own, and archives them, all in one transaction.
 * The inserts are sent in a pipeline, so that the client waits for no
 * unnecessary round trip.  bench/floor/batch.sql defines the functions.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpq-fe.h"

static PGconn *conn;

static void
fail(void)
{
	fprintf(stderr, "consume: %s", PQerrorMessage(conn));
	exit(1);
}

/* Exits if the statement has failed; returns its result. */
static PGresult *
check(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		PQresultStatus(result) != PGRES_TUPLES_OK)
		fail();
	return result;
}

static void
prepare(const char *name, const char *sql)
{
	PQclear(check(PQprepare(conn, name, sql, 0, NULL)));
}

/* Reads the results of n statements of a pipeline, and its synchronization. */
static void
drain_pipeline(int n)
{
	PGresult   *result;

	for (int i = 0; i < n; i++)
	{
		PQclear(check(PQgetResult(conn)));
		if (PQgetResult(conn) != NULL)
			fail();
	}
	result = PQgetResult(conn);
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		fail();
	PQclear(result);
}

/* One batch, in one transaction.  Returns false if the queue was empty. */
static int
run_batch(const char *size)
{
	PGresult   *messages;
	int			n;

	PQclear(check(PQexec(conn, "BEGIN")));
	messages = check(PQexecPrepared(conn, "read", 1, &size, NULL, NULL, 0));
	n = PQntuples(messages);
	if (n > 0)
	{
		const char *ids = PQgetvalue(messages, 0, 2);

		PQenterPipelineMode(conn);
		for (int i = 0; i < n; i++)
		{
			const char *message = PQgetvalue(messages, i, 1);

			if (!PQsendQueryPrepared(conn, "work", 1, &message, NULL, NULL, 0))
				fail();
		}
		if (!PQsendQueryPrepared(conn, "archive", 1, &ids, NULL, NULL, 0) ||
			!PQsendQueryParams(conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) ||
			!PQpipelineSync(conn))
			fail();
		drain_pipeline(n + 2);
		PQexitPipelineMode(conn);
	}
	else
		PQclear(check(PQexec(conn, "COMMIT")));
	PQclear(messages);
	return n > 0;
}

int
main(int argc, char **argv)
{
	if (argc != 3)
	{
		fprintf(stderr, "usage: consume CONNINFO BATCH\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail();
	prepare("read", "SELECT msg_id, message, array_agg(msg_id) OVER () "
			"FROM batch.read(30, $1)");
	prepare("work",
			"INSERT INTO effect VALUES (($1::jsonb->>'n')::integer)");
	prepare("archive", "SELECT batch.archive($1)");
	while (run_batch(argv[2]))
		;
	PQfinish(conn);
	return 0;
}
