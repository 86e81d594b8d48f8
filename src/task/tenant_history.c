/*-------------------------------------------------------------------------
 *
 * tenant_history.c
 *	  max_history of tenants, see tenant_history.h.
 *
 * Runs in the scheduler, once a day and at its start.  The history is read
 * from its newest row back, in turns of 50 ms, each batch in a transaction of
 * its own.  The days of a tenant (UTC) are kept as long as all rows from their
 * beginning on are no more than max_history.  Today is always kept.  The limits
 * are in memory only: retention.c deletes by them, and after a crash they are
 * found anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/params.h"
#include "shared/oldrows.h"
#include "shared/work.h"
#include "task/tenant_history.h"

/* a tenant with max_history */
typedef struct Counted
{
	char	   *name;
	int64		max_history;
	int64		rows;			/* from today back */
	TimestampTz limit;			/* DT_NOBEGIN: not too many so far */
} Counted;

/* a pass, or the last one */
typedef struct Pass
{
	MemoryContext mcxt;
	Counted    *tenants;
	int			n;
	TimestampTz before;			/* what is later has been read */
} Pass;

static Pass *pass = NULL;		/* in progress */
static Pass *done = NULL;

static TimestampTz
day_of(TimestampTz t)
{
	/* days of timestamps begin at midnight UTC */
	TimestampTz rest = t % USECS_PER_DAY;

	return t - (rest < 0 ? rest + USECS_PER_DAY : rest);
}

static void
free_pass(Pass *p)
{
	if (p != NULL)
		MemoryContextDelete(p->mcxt);
}

static void
begin_pass(void)
{
	static JdgQuery q = {
		"SELECT name, max_history FROM jadugar_internal.tenant "
		"WHERE max_history IS NOT NULL ORDER BY name", 0
	};
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar tenant history",
											   ALLOCSET_SMALL_SIZES);
	Pass	   *p = MemoryContextAllocZero(mcxt, sizeof(Pass));
	int64		n;

	jdg_work_begin();
	n = jdg_run(&q, NULL, NULL, 0);
	p->tenants = MemoryContextAllocZero(mcxt, sizeof(Counted) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		p->tenants[i].name = jdg_col_text(i, 1, mcxt);
		p->tenants[i].max_history = jdg_col_int64(i, 2, 0);
		p->tenants[i].limit = DT_NOBEGIN;
	}
	jdg_work_end();
	p->n = (int) n;
	p->mcxt = mcxt;
	p->before = DT_NOEND;
	MemoryContextSetParent(mcxt, TopMemoryContext);
	pass = p;
}

/* Adds rows of a day to those of a tenant, later days first. */
static void
add_rows(const char *name, TimestampTz day, int64 rows)
{
	TimestampTz today = day_of(jdg_now());

	for (int i = 0; i < pass->n; i++)
	{
		Counted    *c = &pass->tenants[i];

		if (strcmp(c->name, name) != 0)
			continue;
		c->rows += rows;
		if (c->rows > c->max_history && c->limit == DT_NOBEGIN)
			c->limit = Min(day + USECS_PER_DAY, today);
	}
}

/* Reads a batch.  Returns false if there are no more rows. */
static bool
count_some(void)
{
	static JdgQuery q = {
		"WITH part AS (SELECT h.finished_at, h.tenant "
		"FROM jadugar_internal.attempt h WHERE h.finished_at < $1 "
		"ORDER BY h.finished_at DESC "
		"FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) "
		"SELECT p.tenant, date_bin('1 day', p.finished_at, "
		"'2000-01-01 00:00+00'), count(*), min(min(p.finished_at)) OVER () "
		"FROM part p GROUP BY 1, 2 ORDER BY 2 DESC",
		1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(pass->before)};
	int64		n;

	jdg_work_begin();
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		char	   *name = jdg_col_text(i, 1, CurrentMemoryContext);

		if (name != NULL)
			add_rows(name, jdg_col_time(i, 2, DT_NOBEGIN),
					 jdg_col_int64(i, 3, 0));
	}
	if (n > 0)
		pass->before = jdg_col_time(0, 4, DT_NOBEGIN);
	jdg_work_end();
	return n > 0;
}

TimestampTz
jdg_tenant_history(JdgDb *db, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();

	if (pass == NULL)
		begin_pass();
	while (pass->n > 0 && GetCurrentTimestamp() - began < JDG_OLD_ROWS_TURN_US)
	{
		CHECK_FOR_INTERRUPTS();
		if (!count_some())
			break;
		if (GetCurrentTimestamp() - began >= JDG_OLD_ROWS_TURN_US)
			return DT_NOBEGIN;
	}
	free_pass(done);
	done = pass;
	pass = NULL;
	return day_of(jdg_now()) + USECS_PER_DAY + USECS_PER_MINUTE;
}

TimestampTz
jdg_tenant_history_limit(const char *tenant)
{
	for (int i = 0; done != NULL && i < done->n; i++)
	{
		if (strcmp(done->tenants[i].name, tenant) == 0)
			return done->tenants[i].limit;
	}
	return DT_NOBEGIN;
}
