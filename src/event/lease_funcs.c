/*-------------------------------------------------------------------------
 *
 * lease_funcs.c
 *	  SQL functions ack(), nack(), extend_lease(), release_lease().
 *
 * Run in the session of a consumer, in its transaction: if that is rolled
 * back, the lease is as it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/interval.h"
#include "event/lease.h"
#include "shared/shmem.h"

typedef struct LeaseArgs
{
	char	   *token;
	int64	   *up_to;			/* ack() */
	int64		event_id;		/* nack() */
	char	   *error;
	Interval   *retry_in;
	bool		dead;
	Interval   *lease;			/* extend_lease() */
} LeaseArgs;

#define FIELD(field) offsetof(LeaseArgs, field)
#define TOKEN_ARG {"token", TEXTOID, FIELD(token), JDG_NEEDED}

static const JdgArg ack_args[] = {
	TOKEN_ARG,
	{"up_to", INT8OID, FIELD(up_to)},
};

static const JdgArg nack_args[] = {
	TOKEN_ARG,
	{"event_id", INT8OID, FIELD(event_id), JDG_NEEDED},
	{"error", TEXTOID, FIELD(error)},
	{"retry_in", INTERVALOID, FIELD(retry_in)},
	{"dead", BOOLOID, FIELD(dead), JDG_NEEDED},
};

static const JdgArg extend_args[] = {
	TOKEN_ARG,
	{"lease", INTERVALOID, FIELD(lease), JDG_NEEDED},
};

static const JdgArg release_args[] = {TOKEN_ARG};

/* ack(token, up_to) */
JDG_FUNCTION(jdg_ack, JDG_LEVEL_USER)
{
	LeaseArgs	a = {0};
	const JdgSubscription *s;
	JdgCursor	c;

	jdg_require_shmem();
	JDG_READ_ARGS("ack", ack_args, &a);
	s = jdg_lease_hold(a.token, &c);
	jdg_lease_ack(s, &c, a.up_to);
	jdg_lease_write(s, &c, c.upto != NULL);
	JDG_FAULT("fetch-acked");
	PG_RETURN_VOID();
}

/* What nack() says of the event. */
static void
read_failure(const LeaseArgs *a, JdgCallFailure *f)
{
	ErrorData	edata = {0};

	if (a->dead && a->retry_in)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("retry_in and dead cannot be combined")));
	if (a->retry_in)
	{
		(void) jdg_check_interval("retry_in", a->retry_in, true);
		f->delay_us = Max(jdg_interval_us(a->retry_in), 1);
	}
	edata.sqlerrcode = f->sqlerrcode = JDG_ERRCODE_TASK_EXECUTION_ERROR;
	edata.message = a->error ? a->error :
		"the consumer could not handle the event";
	f->error = jdg_error_to_jsonb(&edata, NULL);
	f->by_consumer = true;
	f->discarded = a->dead;
}

/* nack(token, event_id, error, retry_in, dead) */
JDG_FUNCTION(jdg_nack, JDG_LEVEL_USER)
{
	LeaseArgs	a = {0};
	JdgCallFailure failure = {0};
	const JdgSubscription *s;
	JdgCursor	c;

	jdg_require_shmem();
	JDG_READ_ARGS("nack", nack_args, &a);
	read_failure(&a, &failure);
	s = jdg_lease_hold(a.token, &c);
	jdg_lease_nack(s, &c, a.event_id, &failure);
	jdg_lease_write(s, &c, c.upto != NULL);
	JDG_FAULT("fetch-nacked");
	PG_RETURN_VOID();
}

/* extend_lease(token, lease) returns its end */
JDG_FUNCTION(jdg_extend_lease, JDG_LEVEL_USER)
{
	LeaseArgs	a = {0};
	const JdgSubscription *s;
	JdgCursor	c;

	jdg_require_shmem();
	JDG_READ_ARGS("extend_lease", extend_args, &a);
	(void) jdg_lease_until(jdg_now(), a.lease);
	s = jdg_lease_hold(a.token, &c);
	c.lease.until = jdg_lease_until(jdg_now(), a.lease);
	jdg_lease_write(s, &c, false);
	PG_RETURN_TIMESTAMPTZ(c.lease.until);
}

/* release_lease(token) */
JDG_FUNCTION(jdg_release_lease, JDG_LEVEL_USER)
{
	LeaseArgs	a = {0};
	const JdgSubscription *s;
	JdgCursor	c;

	jdg_require_shmem();
	JDG_READ_ARGS("release_lease", release_args, &a);
	s = jdg_lease_hold(a.token, &c);
	jdg_lease_end(&c);
	jdg_lease_write(s, &c, true);
	JDG_FAULT("fetch-released");
	PG_RETURN_VOID();
}
