/*-------------------------------------------------------------------------
 *
 * parse_interval.c
 *	  Reads an interval from text, or makes a timing from the parts of one.
 *
 * Pure.  The units are PostgreSQL's.  Signs, "ago" and fractions of days are
 * refused, because a timing cannot use them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <string.h>

#include "timing/calendar.h"
#include "timing/parse_interval.h"
#include "timing/reader.h"

#define LIMITS_HINT \
	"Write an interval from 1 second to 1000 years."

/* limits of the parts of an interval */
#define MAX_MONTHS	(JDG_INTERVAL_MAX_YEARS * 12)
#define MAX_DAYS	(JDG_INTERVAL_MAX_YEARS * 366)
#define MAX_TIME_US (MAX_DAYS * JDG_US_PER_DAY)

typedef enum UnitKind
{
	UNIT_MONTH,
	UNIT_DAY,
	UNIT_TIME
} UnitKind;

typedef struct Unit
{
	const char *name;
	UnitKind	kind;
	int64_t		size;			/* months, days or microseconds */
} Unit;

static const Unit units[] =
{
	{"ms", UNIT_TIME, 1000},
	{"msec", UNIT_TIME, 1000},
	{"msecs", UNIT_TIME, 1000},
	{"millisecond", UNIT_TIME, 1000},
	{"milliseconds", UNIT_TIME, 1000},
	{"s", UNIT_TIME, JDG_US_PER_SECOND},
	{"sec", UNIT_TIME, JDG_US_PER_SECOND},
	{"secs", UNIT_TIME, JDG_US_PER_SECOND},
	{"second", UNIT_TIME, JDG_US_PER_SECOND},
	{"seconds", UNIT_TIME, JDG_US_PER_SECOND},
	{"m", UNIT_TIME, JDG_US_PER_MINUTE},
	{"min", UNIT_TIME, JDG_US_PER_MINUTE},
	{"mins", UNIT_TIME, JDG_US_PER_MINUTE},
	{"minute", UNIT_TIME, JDG_US_PER_MINUTE},
	{"minutes", UNIT_TIME, JDG_US_PER_MINUTE},
	{"h", UNIT_TIME, JDG_US_PER_HOUR},
	{"hr", UNIT_TIME, JDG_US_PER_HOUR},
	{"hrs", UNIT_TIME, JDG_US_PER_HOUR},
	{"hour", UNIT_TIME, JDG_US_PER_HOUR},
	{"hours", UNIT_TIME, JDG_US_PER_HOUR},
	{"d", UNIT_DAY, 1},
	{"day", UNIT_DAY, 1},
	{"days", UNIT_DAY, 1},
	{"w", UNIT_DAY, 7},
	{"week", UNIT_DAY, 7},
	{"weeks", UNIT_DAY, 7},
	{"mon", UNIT_MONTH, 1},
	{"mons", UNIT_MONTH, 1},
	{"month", UNIT_MONTH, 1},
	{"months", UNIT_MONTH, 1},
	{"y", UNIT_MONTH, 12},
	{"yr", UNIT_MONTH, 12},
	{"yrs", UNIT_MONTH, 12},
	{"year", UNIT_MONTH, 12},
	{"years", UNIT_MONTH, 12},
};

/* The sums so far.  No sum exceeds its limit. */
typedef struct Sums
{
	int64_t		months;
	int64_t		days;
	int64_t		time_us;
} Sums;

/* A number: its integral part, and its fraction in millionths. */
typedef struct Number
{
	int64_t		whole;
	int64_t		millionths;
} Number;

/* words of the calendar and the clock, which only a cron expression has */
static const char *const cron_words[] = {
	"at", "on", "noon", "midnight", "morning", "evening", "night",
	"weekday", "weekdays", "weekend", "monday", "tuesday", "wednesday",
	"thursday", "friday", "saturday", "sunday",
};

/*
 * Gives the hint for the word at "from": this one, or to write a cron
 * expression.
 */
static bool
hint_at_word(JdgReader *r, const char *from, const char *to, const char *hint)
{
	const char *end = from;

	while (end < to && jdg_is_alpha(*end))
		end++;
	for (size_t i = 0; i < sizeof(cron_words) / sizeof(cron_words[0]); i++)
		if (jdg_word_is(from, end, cron_words[i]))
			return jdg_reader_hint(r, "Write a cron expression, such as "
								   "0 3 * * * for 03:00 every day or "
								   "0 3 * * mon for 03:00 every Monday.");
	return jdg_reader_hint(r, "%s", hint);
}

static bool
report_too_long(JdgReader *r, const char *where)
{
	jdg_reader_fail(r, where, "the interval is longer than 1000 years");
	return jdg_reader_hint(r, LIMITS_HINT);
}

/*
 * Reads a decimal number at *p, and moves *p past it.  Accepts at most six
 * digits after the point.
 */
static bool
read_number(JdgReader *r, const char **p, const char *to, Number *number)
{
	const char *from = *p;
	int64_t		scale = 100000;

	number->whole = number->millionths = 0;
	for (; *p < to && jdg_is_digit(**p); (*p)++)
	{
		number->whole = number->whole * 10 + (**p - '0');
		if (number->whole > MAX_TIME_US)
			return report_too_long(r, from);
	}
	if (*p == to || **p != '.')
		return true;
	for ((*p)++; *p < to && jdg_is_digit(**p); (*p)++)
	{
		if (scale == 0)
		{
			jdg_reader_fail(r, from, "\"%.*s\" has more than six digits after "
							"the point", jdg_reader_clip(from, to, 40), from);
			return jdg_reader_hint(r, "Write at most six.");
		}
		number->millionths += scale * (**p - '0');
		scale /= 10;
	}
	return true;
}

/*
 * Adds a number of units to the sums.  Fails if a day or a longer unit has a
 * fraction, or if a sum would exceed its limit.
 */
static bool
add_part(JdgReader *r, const char *where, Sums *sums, const Unit *unit,
		 const Number *number)
{
	int64_t    *sum = unit->kind == UNIT_MONTH ? &sums->months :
	unit->kind == UNIT_DAY ? &sums->days : &sums->time_us;
	int64_t		limit = unit->kind == UNIT_MONTH ? MAX_MONTHS :
	unit->kind == UNIT_DAY ? MAX_DAYS : MAX_TIME_US;

	if (number->millionths != 0 && unit->kind != UNIT_TIME)
	{
		jdg_reader_fail(r, where, "a %s cannot be divided",
						unit->kind == UNIT_MONTH ? "month or year" :
						"day or week");
		return jdg_reader_hint(r, "Write whole numbers, and the rest in "
							   "smaller units.");
	}
	if (number->whole > limit / unit->size)
		return report_too_long(r, where);
	*sum += number->whole * unit->size;
	if (unit->kind == UNIT_TIME)
		*sum += unit->size / 1000 * number->millionths / 1000;
	return *sum <= limit || report_too_long(r, where);
}

/*
 * Reads the unit at *p, and moves *p past it.  Returns NULL if there is none.
 */
static const Unit *
read_unit(JdgReader *r, const char **p, const char *to)
{
	const char *from = *p;

	while (*p < to && jdg_is_alpha(**p))
		(*p)++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (jdg_word_is(from, *p, units[i].name))
			return &units[i];
	if (from == *p && from < to)
		jdg_reader_fail(r, from, "unexpected \"%.*s\" in an interval",
						jdg_reader_clip(from, to, 40), from);
	else if (from == to)
		jdg_reader_fail(r, from, "the interval ends without a unit");
	else
		jdg_reader_fail(r, from, "unrecognized unit \"%.*s\"",
						jdg_reader_clip(from, *p, 40), from);
	hint_at_word(r, from, to, "Valid units are seconds, minutes, hours, days, "
				 "weeks, months and years.");
	return NULL;
}

/*
 * Reads the rest of hh:mm or hh:mm:ss.  *p is at the first colon; the hours
 * have been read.
 */
static bool
read_clock(JdgReader *r, const char *from, const char **p, const char *to,
		   const Number *hours, Sums *sums)
{
	static const Unit sizes[] = {
		{"", UNIT_TIME, JDG_US_PER_MINUTE},
		{"", UNIT_TIME, JDG_US_PER_SECOND},
	};
	static const Unit hour = {"", UNIT_TIME, JDG_US_PER_HOUR};
	Number		number = {0, 0};

	if (!add_part(r, from, sums, &hour, hours))
		return false;
	for (int i = 0; i < 2 && *p < to && **p == ':'; i++)
	{
		const char *at = ++(*p);

		if (!read_number(r, p, to, &number))
			return false;
		if (at == *p || *at == '.' || number.whole > 59 ||
			(number.millionths != 0 && i == 0))
		{
			jdg_reader_fail(r, at, "minutes or seconds of the interval are out of range");
			return jdg_reader_hint(r, "Write hh:mm or hh:mm:ss, with minutes and "
								   "seconds from 0 to 59.");
		}
		if (!add_part(r, at, sums, &sizes[i], &number))
			return false;
	}
	return true;
}

/*
 * Checks the limits and sets *out.  where is the position for errors, NULL if
 * there is no text.
 */
static bool
set_interval(JdgReader *r, const char *where, const Sums *sums, JdgTiming *out)
{
	if (sums->months < 0 || sums->days < 0 || sums->time_us < 0)
	{
		jdg_reader_fail(r, where, "the interval has a negative part");
		return jdg_reader_hint(r, LIMITS_HINT);
	}
	if (sums->months == 0 && sums->days == 0 &&
		sums->time_us < JDG_INTERVAL_MIN_US)
	{
		if (sums->time_us == 0)
			jdg_reader_fail(r, where, "the interval is zero");
		else
			jdg_reader_fail(r, where, "the interval is shorter than 1 second");
		return jdg_reader_hint(r, LIMITS_HINT);
	}
	if (sums->months > MAX_MONTHS || sums->days > MAX_DAYS ||
		sums->time_us > MAX_TIME_US)
		return report_too_long(r, where);
	out->kind = JDG_TIMING_INTERVAL;
	out->u.step.months = (int32_t) sums->months;
	out->u.step.days = (int32_t) sums->days;
	out->u.step.time_us = sums->time_us;
	return true;
}

/* Reads one part: a number and its unit, or hours and minutes. */
static bool
read_part(JdgReader *r, const char **p, const char *to, Sums *sums)
{
	const char *from = *p;
	const Unit *unit;
	Number		number;

	if (*from == '-')
	{
		jdg_reader_fail(r, from, "the interval has a negative part");
		return jdg_reader_hint(r, LIMITS_HINT);
	}
	if (!jdg_is_digit(*from))
	{
		jdg_reader_fail(r, from, "unexpected \"%.*s\" in an interval",
						jdg_reader_clip(from, to, 40), from);
		return hint_at_word(r, from, to, "Write a number and a unit, such as "
							"90 seconds or 1 month.");
	}
	if (!read_number(r, p, to, &number))
		return false;
	if (*p < to && **p == ':' && number.millionths == 0 && (*p)[-1] != '.')
		return read_clock(r, from, p, to, &number, sums);
	while (*p < to && jdg_is_space(**p))
		(*p)++;
	unit = read_unit(r, p, to);
	return unit != NULL && add_part(r, from, sums, unit, &number);
}

bool
jdg_parse_interval(JdgReader *r, const char *from, const char *to,
				   bool unit_alone, JdgTiming *out)
{
	Sums		sums = {0, 0, 0};
	const char *p = from;
	const char *first = NULL;

	for (;;)
	{
		while (p < to && jdg_is_space(*p))
			p++;
		if (p == to)
			break;
		if (first == NULL && unit_alone && jdg_is_alpha(*p))
		{
			Number		one = {1, 0};
			const char *where = p;
			const Unit *unit = read_unit(r, &p, to);

			first = where;
			if (unit == NULL || !add_part(r, where, &sums, unit, &one))
				return false;
			while (p < to && jdg_is_space(*p))
				p++;
			if (p == to)
				break;
			jdg_reader_fail(r, p, "unexpected \"%.*s\" in an interval",
							jdg_reader_clip(p, to, 40), p);
			return hint_at_word(r, p, to, "Write a number before each unit, "
								"such as 1 hour 30 minutes.");
		}
		if (first == NULL)
			first = p;
		if (!read_part(r, &p, to, &sums))
			return false;
	}
	if (first == NULL)
	{
		jdg_reader_fail(r, p, "an interval must follow \"every\"");
		return jdg_reader_hint(r, "Write one, such as every 5 minutes.");
	}
	return set_interval(r, first, &sums, out);
}

bool
jdg_timing_from_interval(int32_t months, int32_t days, int64_t time_us,
						 JdgTiming *out, JdgTimingError *err)
{
	JdgReader	r = {"", "", err};
	Sums		sums = {months, days, time_us};

	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	if ((months == INT32_MAX && days == INT32_MAX && time_us == INT64_MAX) ||
		(months == INT32_MIN && days == INT32_MIN && time_us == INT64_MIN))
	{
		jdg_reader_fail(&r, NULL, "the interval is infinite");
		return jdg_reader_hint(&r, LIMITS_HINT);
	}
	return set_interval(&r, NULL, &sums, out);
}
