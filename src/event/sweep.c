/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Sweeps of the scheduler over leaves or topics, see sweep.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/subxact.h"
#include "event/sweep.h"
#include "shared/work.h"

/* a sweep gives others a turn after this time in microseconds */
#define TURN_US (50 * 1000L)

/* Begins a sweep. */
static void
begin_sweep(JdgSweep *p, Datum *values)
{
	jdg_work_begin();
	p->count = jdg_run(p->list, values, NULL, 0);
	p->n = MemoryContextAlloc(TopMemoryContext,
							  sizeof(int32) * Max(p->count, 1));
	for (int64 i = 0; i < p->count; i++)
		p->n[i] = jdg_col_int32(i, 1, 0);
	p->next = 0;
	p->again = false;
	jdg_work_end();
}

/* Works on one number; an error is logged.  False: there is more to do. */
static bool
work_on(JdgSweep *p, int32 n)
{
	MemoryContext mcxt = CurrentMemoryContext;
	volatile bool done = true;

	PG_TRY();
	{
		done = p->work(n);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_abort_xact(mcxt);

		ereport(LOG, (errmsg(p->failed, n, edata->message)));
		FreeErrorData(edata);
	}
	PG_END_TRY();
	return done;
}

bool
jdg_sweep_run(JdgSweep *p, Datum *values, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();

	if (p->n == NULL)
		begin_sweep(p, values);
	else if (why != 0)
		p->again = true;
	while (p->next < p->count)
	{
		if (GetCurrentTimestamp() - began >= TURN_US)
			return false;
		CHECK_FOR_INTERRUPTS();
		if (work_on(p, p->n[p->next]))
			p->next++;
	}
	pfree(p->n);
	p->n = NULL;
	return !p->again;
}

TimestampTz
jdg_next_hour(void)
{
	TimestampTz now = jdg_now();

	return now - now % USECS_PER_HOUR + USECS_PER_HOUR;
}

TimestampTz
jdg_sweep_hourly(JdgSweep *p, Datum *values, uint32 why)
{
	return jdg_sweep_run(p, values, why) ? jdg_next_hour() : DT_NOBEGIN;
}
