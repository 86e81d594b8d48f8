/*-------------------------------------------------------------------------
 *
 * dead_letter_funcs.c
 *	  redrive(), discard_events().
 *
 * Runs in the caller's process.  Both lock the cursors of the subscription:
 * they wait for the transaction of a worker that handles its events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "event/subscribed.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

typedef struct ParkedArgs
{
	char	   *subscription;
	ArrayType  *event_ids;
	char	   *key;
	char	   *error_code;
	char	   *owner;
} ParkedArgs;

static const JdgArg parked_args[] = {
	{"subscription", TEXTOID, offsetof(ParkedArgs, subscription), JDG_NEEDED},
	{"event_ids", INT8ARRAYOID, offsetof(ParkedArgs, event_ids)},
	{"key", TEXTOID, offsetof(ParkedArgs, key)},
	{"error_code", TEXTOID, offsetof(ParkedArgs, error_code)},
	{"owner", TEXTOID, offsetof(ParkedArgs, owner)},
};

#define CHOSEN \
	"subscription_id = $1 AND ($2 IS NULL OR event_id = ANY ($2)) " \
	"AND ($3 IS NULL OR key = $3)"

/* $5: a SQLSTATE, or the class that it begins with.  $6: a name */
#define FAILED_WITH(error) \
	"AND ($5 IS NULL OR starts_with(" error "->>'sqlstate', $5)) " \
	"AND ($6 IS NULL OR " \
	"jadugar_internal._v_error_name(" error "->>'sqlstate') = $6)"

#define PARAMS 6, {INT8OID, INT8ARRAYOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}

/* an event for which the whole shard waits goes on, too */
static JdgQuery unblock_query = {
	"UPDATE jadugar_internal.event_cursor SET retry_at = NULL, attempts = 0, "
	"in_a_row = 0, errors = NULL, charged = NULL "
	"WHERE subscription_id = $1 AND blocked_id IS NOT NULL "
	"AND ($2 IS NULL OR blocked_id = ANY ($2)) AND $3 IS NULL "
	FAILED_WITH("errors->-1"),
	PARAMS
};

static JdgQuery redrive_query = {
	"UPDATE jadugar_internal.parked SET state = 'r', attempts = 0, "
	"next_at = $4 WHERE " CHOSEN " AND state = 'd' " FAILED_WITH("errors->-1"),
	PARAMS
};

/* the position moves past an event for which the whole shard waits */
static JdgQuery skip_query = {
	"UPDATE jadugar_internal.event_cursor SET after_id = blocked_id, "
	"retry_at = NULL, attempts = 0, in_a_row = 0, errors = NULL, "
	"blocked_id = NULL WHERE subscription_id = $1 AND blocked_id IS NOT NULL "
	"AND upto_xmax IS NOT NULL AND charged IS NULL AND attempts > 0 "
	"AND retry_at IS NOT NULL "
	"AND ($2 IS NULL OR blocked_id = ANY ($2)) AND $3 IS NULL "
	FAILED_WITH("errors->-1"),
	PARAMS
};

static JdgQuery discard_query = {
	"DELETE FROM jadugar_internal.parked WHERE " CHOSEN " "
	FAILED_WITH("errors->-1"),
	PARAMS
};

static JdgQuery count_query = {
	"UPDATE jadugar_internal.event_cursor c SET parked = (SELECT count(*) "
	"FROM jadugar_internal.parked p WHERE p.subscription_id = $1 "
	"AND p.shard = c.shard) WHERE c.subscription_id = $1",
	1, {INT8OID}
};

/* the first event of each key that is not held any more goes on */
static JdgQuery release_query = {
	"UPDATE jadugar_internal.parked SET state = 'r', next_at = $2 "
	"WHERE subscription_id = $1 AND state = 'h' AND event_id = ANY (ARRAY("
	"SELECT min(f.event_id) FROM jadugar_internal.parked f "
	"WHERE f.subscription_id = $1 AND f.holds_key GROUP BY f.key))",
	2, {INT8OID, TIMESTAMPTZOID}
};

static void
check_error_code(const char *code)
{
	if (code != NULL && jdg_error_sqlstate(code) == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid error code \"%s\"", jdg_excerpt(code)),
				 errhint("Give a SQLSTATE ('40001'), its class ('40'), or a name from jadugar.error_codes ('TASK_TIMEOUT').")));
}

/*
 * Reads the arguments, locks the subscription, and binds what is chosen.
 * Returns the owner.
 */
static Oid
begin(FunctionCallInfo fcinfo, const char *function, ParkedArgs *a,
	  JdgInternal *in, Datum *v, char *nulls)
{
	bool		named;
	Oid			owner;
	int64		id;

	JDG_READ_ARGS(function, parked_args, a);
	check_error_code(a->error_code);
	named = a->error_code != NULL && jdg_error_is_name(a->error_code);
	owner = jdg_owner_of_call(a->owner);
	jdg_internal_begin(in);
	id = jdg_subscription_find(a->subscription, owner, false);
	jdg_subscription_lock(id);
	v[0] = Int64GetDatum(id);
	jdg_put_pointer(&v[1], &nulls[1], a->event_ids);
	jdg_put_text(&v[2], &nulls[2], a->key);
	v[3] = TimestampTzGetDatum(jdg_now());
	jdg_put_text(&v[4], &nulls[4], named ? NULL : a->error_code);
	jdg_put_text(&v[5], &nulls[5], named ? a->error_code : NULL);
	nulls[0] = nulls[3] = ' ';
	return owner;
}

/* Notes that events of the subscription of another role have changed. */
static void
audit(const char *function, const ParkedArgs *a, Oid owner, int64 n)
{
	if (n > 0 && jdg_audit_is_other(owner))
		jdg_audit_detail(function, "subscription", a->subscription, owner,
						 psprintf("number " INT64_FORMAT, n), NULL);
}

/*
 * Says which of the chosen events are held, so that they do not become due:
 * each behind the first event of its key.
 */
static void
report_held(const Datum *v, const char *nulls)
{
	static JdgQuery q = {
		"SELECT p.event_id, f.event_id, f.state = 'd', count(*) OVER () "
		"FROM jadugar_internal.parked p, LATERAL (SELECT f.event_id, f.state "
		"FROM jadugar_internal.parked f WHERE f.subscription_id = $1 "
		"AND f.key = p.key AND f.holds_key ORDER BY f.event_id LIMIT 1) f "
		"WHERE p.subscription_id = $1 AND p.event_id = ANY ($2) "
		"AND ($3 IS NULL OR p.key = $3) AND p.state = 'h' "
		"AND f.event_id <> ALL ($2) ORDER BY p.event_id LIMIT 1",
		3, {INT8OID, INT8ARRAYOID, TEXTOID}
	};
	int64		held;
	int64		first;
	bool		dead;

	if (nulls[1] == 'n' || jdg_run(&q, (Datum *) v, nulls, 1) == 0)
		return;
	held = jdg_col_int64(0, 1, 0);
	first = jdg_col_int64(0, 2, 0);
	dead = jdg_col_bool(0, 3);
	ereport(NOTICE,
			(errmsg("event %lld is held behind event %lld", (long long) held,
					(long long) first),
			 errdetail("Event %lld has the same key and is %s. The number of events that are held is %lld.",
					   (long long) first, dead ? "dead" : "to be retried",
					   (long long) jdg_col_int64(0, 4, 0)),
			 dead ?
			 errhint("Redrive or discard event %lld; those behind it follow.",
					 (long long) first) :
			 errhint("It becomes due when event %lld has been handled.",
					 (long long) first)));
}

/* redrive(subscription, event_ids, key, error_code, owner) returns the number */
JDG_FUNCTION(jdg_redrive, JDG_LEVEL_USER)
{
	ParkedArgs	a = {0};
	JdgInternal in;
	Datum		v[6];
	char		nulls[6];
	Oid			owner;
	int64		n;

	owner = begin(fcinfo, "redrive", &a, &in, v, nulls);
	n = jdg_run(&redrive_query, v, nulls, 0);
	n += jdg_run(&unblock_query, v, nulls, 0);
	audit("redrive", &a, owner, n);
	report_held(v, nulls);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_INT64(n);
}

/* discard_events(subscription, event_ids, key, error_code, owner) returns the number */
JDG_FUNCTION(jdg_discard_events, JDG_LEVEL_USER)
{
	ParkedArgs	a = {0};
	JdgInternal in;
	Datum		v[6];
	char		nulls[6];
	Datum		w[2];
	Oid			owner;
	int64		n;

	owner = begin(fcinfo, "discard_events", &a, &in, v, nulls);
	n = jdg_run(&discard_query, v, nulls, 0);
	n += jdg_run(&skip_query, v, nulls, 0);
	audit("discard_events", &a, owner, n);
	w[0] = v[0];
	w[1] = v[3];
	jdg_run(&count_query, w, NULL, 0);
	jdg_run(&release_query, w, NULL, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	PG_RETURN_INT64(n);
}
