/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Rows of jadugar.run and the partitions they go to.
 *
 * A partition holds one day, UTC, by finished_at.  The scheduler makes today
 * and tomorrow ahead of time; whoever writes first on a day makes sure of
 * it.  A partition is made as a plain table and attached, so that no reader
 * of the history is ever waited for, and it is a member of the extension.
 *
 * Makers of a partition exclude each other by a lock of our own, held until
 * they commit: see core/lock.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/history.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "core/lock.h"
#include "core/spi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* the last day whose partition this process has seen committed */
static DateADT known_day = 0;

/* the day whose partition this process made last, and in which transaction */
static DateADT made_day = 0;
static TransactionId made_in = InvalidTransactionId;

static DateADT
day_of(TimestampTz t)
{
	return (DateADT) (t >= 0 ? t / USECS_PER_DAY :
					  -((USECS_PER_DAY - 1 - t) / USECS_PER_DAY));
}

static void
partition_name(DateADT day, char *name, size_t size)
{
	int			y,
				m,
				d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	snprintf(name, size, "history_%04d%02d%02d", y, m, d);
}

static void
run_utility(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s: %s",
			 SPI_result_code_string(rc), sql);
}

/* ISO, whatever DateStyle says */
static char *
iso_midnight(DateADT day)
{
	int			y,
				m,
				d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	return psprintf("%04d-%02d-%02d 00:00:00+00", y, m, d);
}

static void
make_partition(DateADT day, const char *name)
{
	ObjectAddress part,
				ext;
	char	   *from = iso_midnight(day);
	char	   *to = iso_midnight(day + 1);

	/* not where a user's settings would put it; the caller's level ends this */
	(void) set_config_option("default_tablespace", "", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("default_table_access_method", "heap",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	/* nor with event triggers, which would run as the tables' owner */
	(void) set_config_option("session_replication_role", "replica",
							 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	run_utility(psprintf("CREATE TABLE jadugar.%s (LIKE jadugar.run "
						 "INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", name));
	run_utility(psprintf("REVOKE ALL ON jadugar.%s FROM PUBLIC", name));
	run_utility(psprintf("ALTER TABLE jadugar.%s ENABLE ROW LEVEL SECURITY",
						 name));
	run_utility(psprintf("ALTER TABLE jadugar.run ATTACH PARTITION "
						 "jadugar.%s FOR VALUES FROM ('%s') TO ('%s')",
						 name, from, to));
	ObjectAddressSet(part, RelationRelationId, jdg_relation_oid(name));
	ObjectAddressSet(ext, ExtensionRelationId, jdg_extension_oid(false));
	recordDependencyOn(&part, &ext, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
}

/*
 * Make sure that the partition for the day of "when" exists.  Inside
 * jdg_internal_begin().
 */
void
jdg_history_ensure_partition(TimestampTz when)
{
	DateADT		day = day_of(when);
	char		name[NAMEDATALEN];

	if (day == known_day)
		return;
	partition_name(day, name, sizeof(name));
	if (!OidIsValid(get_relname_relid(name, jdg_schema_oid())))
	{
		jdg_lock_xact(JDG_LOCK_PARTITION, day);
		/* whoever had the lock may have made it: our caches do not know yet */
		AcceptInvalidationMessages();
		if (!OidIsValid(get_relname_relid(name, jdg_schema_oid())))
		{
			make_partition(day, name);
			made_day = day;
			made_in = GetTopTransactionId();
		}
	}
	/* not known before it is committed */
	if (day != made_day || !TransactionIdIsCurrentTransactionId(made_in))
		known_day = day;
}

/*
 * Names of the partitions whose last instant lies before "limit", also of
 * those that were detached and not dropped yet, in mcxt.
 * Inside jdg_internal_begin().
 */
List *
jdg_history_expired(TimestampTz limit, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT c.relname::text FROM pg_class c "
		"WHERE c.relnamespace = 'jadugar'::regnamespace "
		"AND c.relkind = 'r' AND c.relname ~ '^history_[0-9]{8}$' "
		"AND c.relname < $1 ORDER BY 1", 1, {NAMEOID}
	};
	char		name[NAMEDATALEN] = {0};
	Datum		v[1] = {NameGetDatum((Name) name)};
	List	   *names = NIL;
	int64		n;

	partition_name(day_of(limit), name, sizeof(name));
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		char	   *s = jdg_col_text(i, 1, mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		names = lappend(names, s);
		MemoryContextSwitchTo(old);
	}
	return names;
}

/* Set what an attempt's row takes from its task; everything else null. */
void
jdg_history_from_task(JdgHistory *h, const JdgTask *t)
{
	memset(h, 0, sizeof(*h));
	h->task_id = t->task_id;
	h->owner = t->owner;
	h->queue_id = t->queue_id;
	h->command_id = t->command_id;
	h->schedule_id = t->schedule_id;
	h->attempt = t->attempt;
	h->priority = t->priority;
	h->scheduled_for = t->scheduled_for;
	h->enqueued_at = t->created_at;
	h->started_at = DT_NOBEGIN;
	h->scheduled_until = DT_NOBEGIN;
	h->row_count = -1;
	h->payload = t->payload;
	h->tenant = t->tenant;
	h->trace = t->trace;
	h->metadata = t->metadata;
}

/* Inside jdg_internal_begin(). */
void
jdg_history_insert(const JdgHistory *h)
{
	static JdgQuery q = {
		"INSERT INTO jadugar.run (run_id, task_id, owner, queue_id, "
		"command_id, schedule_id, attempt, priority, worker_pid, status, "
		"final, scheduled_for, enqueued_at, started_at, finished_at, "
		"row_count, reason, schedule, occurrences, scheduled_until, payload, "
		"result, error_code, sqlstate, error, tenant, trace, metadata, "
		"options) VALUES (nextval('jadugar.run_id_seq'), "
		"$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
		"$16, coalesce($17, (SELECT s.name FROM jadugar.schedule s "
		"WHERE s.schedule_id = $5)), $18, $19, $20, $21, $22, $23, $24, $25, "
		"$26, $27, $28)", 28,
		{INT8OID, OIDOID, INT4OID, INT8OID, INT8OID, INT4OID, INT4OID, INT4OID,
			CHAROID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
			TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID,
			JSONBOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID,
		JSONBOID, JSONBOID}
	};
	Datum		v[28];
	char		n[29];

	jdg_history_ensure_partition(h->finished_at);
	memset(n, ' ', sizeof(n));
	jdg_put_int64(&v[0], &n[0], h->task_id, 0);
	v[1] = ObjectIdGetDatum(h->owner);
	v[2] = Int32GetDatum(h->queue_id);
	v[3] = Int64GetDatum(h->command_id);
	jdg_put_int64(&v[4], &n[4], h->schedule_id, 0);
	v[5] = Int32GetDatum(h->attempt);
	v[6] = Int32GetDatum(h->priority);
	v[7] = Int32GetDatum(h->worker_pid);
	n[7] = h->worker_pid == 0 ? 'n' : ' ';
	v[8] = CharGetDatum(h->status);
	v[9] = BoolGetDatum(h->final);
	jdg_put_time(&v[10], &n[10], h->scheduled_for);
	jdg_put_time(&v[11], &n[11], h->enqueued_at);
	jdg_put_time(&v[12], &n[12], h->started_at);
	v[13] = TimestampTzGetDatum(h->finished_at);
	jdg_put_int64(&v[14], &n[14], h->row_count, -1);
	jdg_put_text(&v[15], &n[15], h->reason);
	jdg_put_text(&v[16], &n[16], h->schedule);
	jdg_put_int64(&v[17], &n[17], h->occurrences, 0);
	jdg_put_time(&v[18], &n[18], h->scheduled_until);
	jdg_put_pointer(&v[19], &n[19], h->payload);
	jdg_put_pointer(&v[20], &n[20], h->result);
	jdg_put_text(&v[21], &n[21], h->error_code);
	jdg_put_text(&v[22], &n[22], h->sqlstate);
	jdg_put_pointer(&v[23], &n[23], h->error);
	jdg_put_text(&v[24], &n[24], h->tenant);
	jdg_put_text(&v[25], &n[25], h->trace);
	jdg_put_pointer(&v[26], &n[26], h->metadata);
	jdg_put_pointer(&v[27], &n[27], h->options);
	n[28] = '\0';
	jdg_run(&q, v, n, 0);
}
