/*-------------------------------------------------------------------------
 *
 * timing.h
 *	  Values of timings: cron expressions, intervals, instants, server start.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.  The same code runs in the server, under a fuzzer
 * and in the property test.  Instants are microseconds since 2000-01-01 00:00
 * UTC, as PostgreSQL's TimestampTz.  See README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_TIMING_H
#define JDG_TIMING_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum JdgTimingKind
{
	JDG_TIMING_CRON = 1,
	JDG_TIMING_INTERVAL,
	JDG_TIMING_ONCE,
	JDG_TIMING_MANUAL,
	JDG_TIMING_STARTUP
} JdgTimingKind;

/* the expression counts real time: see README.md, "Instants" */
#define JDG_CRON_REAL_TIME	0x01
/* day of month or weekday suffices, instead of both */
#define JDG_CRON_EITHER_DAY	0x02

/* Sets of the values that match; bit n stands for value n. */
typedef struct JdgCron
{
	uint64_t	second;			/* bits 0-59 */
	uint64_t	minute;			/* bits 0-59 */
	uint32_t	hour;			/* bits 0-23 */
	uint32_t	dom;			/* bits 1-31, days of the month */
	uint32_t	dom_last;		/* bit n: n days before the last, L-n */
	uint32_t	dom_near;		/* bit n: nW; bit 0: LW */
	uint16_t	month;			/* bits 1-12 */
	uint8_t		dow;			/* bits 0-6 from Sunday */
	uint8_t		dow_last;		/* bit d: the month's last day d, dL */
	uint8_t		dow_nth[5];		/* [n - 1] bit d: the nth day d, d#n */
	uint8_t		flags;			/* JDG_CRON_... */
	uint8_t		unused[6];
} JdgCron;

/* The length of an interval; its parts are added in this order. */
typedef struct JdgStep
{
	int32_t		months;
	int32_t		days;
	int64_t		time_us;		/* elapsed time, in microseconds */
} JdgStep;

/*
 * A timing.  It always has this size and is filled with zeroes before any
 * member is set.  A timing has one canonical form, so equal timings are equal
 * bytes.
 */
typedef struct JdgTiming
{
	int32_t		vl_len_;		/* varlena header, set by the type's I/O only */
	uint8_t		kind;			/* JdgTimingKind */
	uint8_t		unused[3];
	union
	{
		JdgCron		cron;
		JdgStep		step;
		int64_t		once_us;
	}			u;
} JdgTiming;

/* Why a text or value is no timing. */
typedef struct JdgTimingError
{
	int			position;		/* 1-based, in UTF-8 characters; 0 none */
	size_t		offset;			/* the same place in bytes, from 0 */
	char		message[256];	/* the error, without the position */
	char		detail[320];	/* the value, a whole sentence */
	char		hint[320];		/* how to correct it, a whole sentence */
} JdgTimingError;

/* A time zone, as a source of offsets.  A NULL JdgZone stands for UTC. */
typedef struct JdgZone
{
	/* seconds east of UTC at that instant */
	int32_t		(*utc_offset) (void *arg, int64_t utc_us);
	/* finds the first later change of the offset; false: there is none */
	bool		(*next_change) (void *arg, int64_t utc_us,
								int64_t *change_us);
	void	   *arg;
} JdgZone;

/* the shortest and the longest interval that a timing can have */
#define JDG_INTERVAL_MIN_US		INT64_C(1000000)
#define JDG_INTERVAL_MAX_YEARS	1000

/* maximum length of the text of a timing, in bytes */
#define JDG_TIMING_MAX_TEXT		(16 * 1024)
/* buffer sizes that hold every canonical text, and every description */
#define JDG_TIMING_PRINT_SIZE	1024
#define JDG_TIMING_DESCRIBE_SIZE 2048

#endif							/* JDG_TIMING_TIMING_H */
