/*-------------------------------------------------------------------------
 *
 * rate.c
 *	  How often something may happen, see rate.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/errors.h"
#include "base/interval.h"
#include "base/rate.h"
#include "base/spi.h"

/* the longest interval */
#define PER_DAYS_MAX 366

/* a rate is at most one in this time */
#define SPACING_MIN_US 1.0

/* what a burst may take */
#define BURST_MAX_US (100.0 * PER_DAYS_MAX * USECS_PER_DAY)

JdgRate
jdg_rate_read(uint64 row, int col)
{
	JdgRate		r = {0};
	Interval   *per = jdg_col_interval(row, col + 1, CurrentMemoryContext);

	r.rate = jdg_col_int32(row, col, 0);
	r.per = per ? jdg_interval_us(per) : USECS_PER_SEC;
	r.burst = jdg_col_int32(row, col + 2, Max(r.rate / 10, 1));
	return r;
}

void
jdg_rate_check_given(const char *what, bool lacks)
{
	if (lacks)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("an interval or a burst needs a rate"),
				 errhint("Give \"%s\", too.", what)));
}

void
jdg_rate_check(const char *what, const JdgRate *r)
{
	double		spacing;

	if (r->rate == 0)
		return;
	if (r->per <= 0 || r->per > PER_DAYS_MAX * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the interval of %s is out of range", what),
				 errdetail("The maximum is %d days.", PER_DAYS_MAX)));
	spacing = (double) r->per / r->rate;
	if (spacing < SPACING_MIN_US)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s is too high", what),
				 errdetail("The maximum is one in a microsecond."),
				 errhint("Give a lower rate, or a longer time for it.")));
	if (spacing * r->burst > BURST_MAX_US)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the burst of %s is too high", what),
				 errdetail("At this rate, %d would take more than 100 years.",
						   r->burst),
				 errhint("Give a lower burst.")));
}
