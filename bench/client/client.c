/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Runs one statement repeatedly, and prints the times.
 *
 * Part of the benchmark only: a libpq client that measures the time of each
 * acknowledgement to the microsecond.
 *
 *		client CONNINFO SQL COUNT FIRST PAUSE_MS
 *
 * Prepares SQL, which takes an integer $1, and executes it COUNT times, with
 * FIRST, FIRST + 1 ..., each in a transaction of its own, with pauses of
 * PAUSE_MS.  Prints one line for each: $1, the first column of the result, and
 * the times at which it was sent and acknowledged, in microseconds since the
 * epoch.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "libpq-fe.h"

static PGconn *conn;

static long long
microseconds(void)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	return t.tv_sec * 1000000LL + t.tv_usec;
}

/* Exits if the statement has failed. */
static void
check(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "client: %s", PQerrorMessage(conn));
		exit(1);
	}
}

/* Executes the statement with n, and prints its line. */
static void
execute(int n)
{
	char		digits[12];
	const char *values[1] = {digits};
	long long	sent;
	long long	acknowledged;
	PGresult   *result;

	snprintf(digits, sizeof(digits), "%d", n);
	sent = microseconds();
	result = PQexecPrepared(conn, "s", 1, values, NULL, NULL, 0);
	acknowledged = microseconds();
	check(result);
	printf("%d %s %lld %lld\n", n,
		   PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "",
		   sent, acknowledged);
	PQclear(result);
}

int
main(int argc, char **argv)
{
	PGresult   *result;
	int			count;
	int			first;
	double		pause_ms;
	struct timespec pause;

	if (argc != 6)
	{
		fprintf(stderr, "usage: client CONNINFO SQL COUNT FIRST PAUSE_MS\n");
		return 2;
	}
	count = atoi(argv[3]);
	first = atoi(argv[4]);
	pause_ms = atof(argv[5]);
	pause.tv_sec = (time_t) (pause_ms / 1000);
	pause.tv_nsec = (long) ((pause_ms - pause.tv_sec * 1000.0) * 1e6);

	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "client: %s", PQerrorMessage(conn));
		return 1;
	}
	result = PQprepare(conn, "s", argv[2], 0, NULL);
	check(result);
	PQclear(result);
	for (int i = 0; i < count; i++)
	{
		execute(first + i);
		nanosleep(&pause, NULL);
	}
	PQfinish(conn);
	return 0;
}
