/*-------------------------------------------------------------------------
 *
 * rate.h
 *	  How often something may happen: a number in a time, and a burst.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_RATE_H
#define JDG_BASE_RATE_H

/* at most "rate" in "per" microseconds, and so many at once */
typedef struct JdgRate
{
	int32		rate;			/* 0: no limit */
	int64		per;			/* microseconds */
	int32		burst;
} JdgRate;

/*
 * Reads a rate from three columns of a row of SPI_tuptable.  An interval that
 * is null is a second, a burst that is null is a tenth of the rate, at least 1.
 */
extern JdgRate jdg_rate_read(uint64 row, int col);

/*
 * Raises VALIDATION_ERROR if an interval or a burst was given without the rate
 * of this name: "lacks".
 */
extern void jdg_rate_check_given(const char *what, bool lacks);

/*
 * Raises VALIDATION_ERROR if a rate is higher than one in a microsecond, if its
 * interval is longer than a year, or if its burst would take more than 100
 * years.  "what" is the name of the rate.
 */
extern void jdg_rate_check(const char *what, const JdgRate *rate);

#endif							/* JDG_BASE_RATE_H */
