/*-------------------------------------------------------------------------
 *
 * oldrows.c
 *	  Deletion of old rows of a table, in turns of the scheduler.
 *
 * Runs in the scheduler.  Each batch is a transaction of its own, and reads
 * its rows in the order of an index on their time.  A crash undoes at most one
 * batch, whose rows are found again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "shared/oldrows.h"
#include "shared/work.h"

TimestampTz
jdg_old_rows_find(JdgQuery *find, TimestampTz after, TimestampTz before)
{
	Datum		v[2] = {TimestampTzGetDatum(after), TimestampTzGetDatum(before)};

	return jdg_run(find, v, NULL, 0) == 0 ? DT_NOEND :
		jdg_col_time(0, 1, DT_NOEND);
}

bool
jdg_old_rows_delete(JdgQuery *find, JdgQuery *delete, TimestampTz *reached,
					TimestampTz limit)
{
	TimestampTz began = GetCurrentTimestamp();

	while (GetCurrentTimestamp() - began < JDG_OLD_ROWS_TURN_US)
	{
		TimestampTz last;

		CHECK_FOR_INTERRUPTS();
		jdg_work_begin();
		last = jdg_old_rows_find(find, *reached, limit);
		if (last != DT_NOEND)
		{
			Datum		v[2] = {TimestampTzGetDatum(*reached),
			TimestampTzGetDatum(last)};

			jdg_run(delete, v, NULL, 0);
		}
		jdg_work_end();
		if (last == DT_NOEND)
		{
			*reached = DT_NOBEGIN;
			return true;
		}
		*reached = last;
	}
	return false;
}
