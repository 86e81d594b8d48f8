/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Schedules that are due and whose tenant is paused, see held.h.
 *
 * Runs in the scheduler process only, which alone sets and clears
 * schedule.held.  A schedule that is due while its tenant is paused is held:
 * it leaves the index of what is due, and keeps its next_run_at.  When the
 * tenant is resumed, the scheduler releases it.  Then it is late, and its
 * misfire policy decides.
 *
 * The tenant's row says whether it is paused, at the moment of the UPDATE that
 * holds.  A resume that commits later wakes the scheduler, which then looks at
 * what it has held: nothing stays held.
 *
 * A @startup schedule is held if the server starts while its tenant is paused.
 * Its occurrence is the last start of the server: held_startup.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "postmaster/postmaster.h"

#include "base/fault.h"
#include "base/params.h"
#include "schedule/held.h"
#include "schedule/held_startup.h"
#include "shared/work.h"
#include "tenant/tenant.h"

#define IS_PAUSED JDG_SQL_TENANT_OF_S_IS_PAUSED

/* rows that one transaction releases */
#define BATCH "1000"

void
jdg_schedules_hold(JdgDueRow *rows, int n)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule s SET held = true "
		"WHERE s.schedule_id = ANY ($1) AND " IS_PAUSED, 1, {INT8ARRAYOID}
	};
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	int			nids = 0;
	Datum		v[1];

	for (int i = 0; i < n; i++)
	{
		JdgTenant	tenant;

		if (rows[i].s.tenant == NULL ||
			!jdg_tenant_by_name(rows[i].s.tenant, &tenant) || !tenant.paused)
			continue;
		ids[nids++] = Int64GetDatum(rows[i].s.schedule_id);
		rows[i].fired = true;
	}
	if (nids == 0)
		return;
	v[0] = jdg_array(INT8OID, ids, NULL, nids);
	(void) jdg_run(&q, v, NULL, 0);
}

/*
 * One transaction.  Returns the number of schedules that are to be released,
 * up to a batch, and in *done of those that it has released.
 */
static int64
release_batch(int64 *done)
{
	/* one step for each tenant that has held schedules */
#define TO_RELEASE \
	"WITH RECURSIVE l(tenant) AS ((SELECT h.tenant " \
	"FROM jadugar_internal.schedule h WHERE h.held " \
	"ORDER BY h.tenant LIMIT 1) UNION ALL " \
	"SELECT (SELECT h.tenant FROM jadugar_internal.schedule h " \
	"WHERE h.held AND h.tenant > l.tenant ORDER BY h.tenant LIMIT 1) " \
	"FROM l WHERE l.tenant IS NOT NULL) " \
	"SELECT h.schedule_id FROM jadugar_internal.schedule h " \
	"WHERE h.held AND h.tenant = ANY (ARRAY(SELECT s.tenant FROM l s " \
	"WHERE s.tenant IS NOT NULL AND NOT " IS_PAUSED ")) " \
	"AND NOT (h.timing OPERATOR(jadugar.=) '@startup'::jadugar.timing " \
	"AND h.last_startup IS DISTINCT FROM $1) " \
	"LIMIT " BATCH

	static JdgQuery release = {
		"UPDATE jadugar_internal.schedule SET held = false "
		"WHERE schedule_id = ANY (ARRAY(" TO_RELEASE
		" FOR UPDATE OF h SKIP LOCKED))", 1, {TIMESTAMPTZOID}
	};
	static JdgQuery left = {
		"SELECT count(*) FROM (" TO_RELEASE ") x", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(PgStartTime)};
	int64		n;

	jdg_work_begin();
	*done = jdg_run(&release, v, NULL, 0);
	jdg_run(&left, v, NULL, 1);
	n = jdg_col_int64(0, 1, 0);
	if (*done > 0)
		JDG_FAULT("tenant-released");
	jdg_work_end();
	return n;
}

bool
jdg_schedules_release(void)
{
	int64		done;
	int64		left;

	do
	{
		CHECK_FOR_INTERRUPTS();
		left = release_batch(&done);
	} while (done > 0 && left > 0);
	return left == 0;
}
