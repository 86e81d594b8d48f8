/*-------------------------------------------------------------------------
 *
 * retry_after.c
 *	  The header Retry-After, see retry_after.h.
 *
 * Pure.  A value comes from a service, so anything may stand there: what is
 * not exactly one of the forms of RFC 9110 is as good as absent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <string.h>

#include "request/retry_after.h"

static const char *const month_names[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec"
};

static const char *const day_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
	"Saturday"
};

/* a text that is read from its beginning */
typedef struct Reader
{
	const char *at;
	const char *end;
} Reader;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Does the text go on with these bytes?  In the same case. */
static bool
take(Reader *r, const char *text)
{
	size_t		n = strlen(text);

	if ((size_t) (r->end - r->at) < n || memcmp(r->at, text, n) != 0)
		return false;
	r->at += n;
	return true;
}

/* Reads exactly so many digits. */
static bool
take_number(Reader *r, int digits, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++)
	{
		if (r->at == r->end || !is_digit(*r->at))
			return false;
		*value = *value * 10 + (*r->at++ - '0');
	}
	return true;
}

/* Reads a day of the week, the whole name or its first three letters. */
static bool
take_day_name(Reader *r, bool whole)
{
	for (int i = 0; i < 7; i++)
	{
		char		name[12];

		memset(name, 0, sizeof(name));
		memcpy(name, day_names[i], whole ? strlen(day_names[i]) : 3);
		if (take(r, name))
			return true;
	}
	return false;
}

static bool
take_month(Reader *r, int *month)
{
	for (*month = 1; *month <= 12; (*month)++)
	{
		if (take(r, month_names[*month - 1]))
			return true;
	}
	return false;
}

typedef struct Date
{
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
} Date;

static bool
take_time(Reader *r, Date *d)
{
	return take_number(r, 2, &d->hour) && take(r, ":") &&
		take_number(r, 2, &d->minute) && take(r, ":") &&
		take_number(r, 2, &d->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool
read_imf(Reader r, Date *d)
{
	return take_day_name(&r, false) && take(&r, ", ") &&
		take_number(&r, 2, &d->day) && take(&r, " ") &&
		take_month(&r, &d->month) && take(&r, " ") &&
		take_number(&r, 4, &d->year) && take(&r, " ") &&
		take_time(&r, d) && take(&r, " GMT") && r.at == r.end;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool
read_rfc850(Reader r, Date *d)
{
	return take_day_name(&r, true) && take(&r, ", ") &&
		take_number(&r, 2, &d->day) && take(&r, "-") &&
		take_month(&r, &d->month) && take(&r, "-") &&
		take_number(&r, 2, &d->year) && take(&r, " ") &&
		take_time(&r, d) && take(&r, " GMT") && r.at == r.end;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool
read_asctime(Reader r, Date *d)
{
	return take_day_name(&r, false) && take(&r, " ") &&
		take_month(&r, &d->month) && take(&r, " ") &&
		(take(&r, " ") ? take_number(&r, 1, &d->day) : take_number(&r, 2, &d->day)) &&
		take(&r, " ") && take_time(&r, d) && take(&r, " ") &&
		take_number(&r, 4, &d->year) && r.at == r.end;
}

/* The days from 1970 to a day of the Gregorian calendar. */
static int64_t
days_from_1970(int year, int month, int day)
{
	int64_t		y = month <= 2 ? year - 1 : year;
	int64_t		era = (y >= 0 ? y : y - 399) / 400;
	int64_t		of_era = y - era * 400;
	int64_t		of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t
seconds_of(const Date *d)
{
	return days_from_1970(d->year, d->month, d->day) * 86400 +
		d->hour * 3600 + d->minute * 60 + d->second;
}

static bool
is_valid(const Date *d)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	/* a leap second is a valid second */
	if (d->day < 1 || d->day > lengths[d->month - 1] || d->hour > 23 ||
		d->minute > 59 || d->second > 60)
		return false;
	return d->month != 2 || d->day < 29 ||
		(d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0));
}

/* A year of two digits is the last of that name up to 50 years from now. */
static void
set_century(Date *d, int64_t now)
{
	int64_t		this_year = 1970 + now / 31556952;
	int64_t		limit = this_year + 50;

	d->year += (int) (limit / 100 * 100);
	if (d->year > limit)
		d->year -= 100;
}

bool
jdg_http_date(const char *value, size_t len, int64_t now, int64_t *seconds)
{
	Reader		r = {value, value + len};
	Date		d = {0};

	if (read_rfc850(r, &d))
		set_century(&d, now);
	else if (!read_imf(r, &d) && !read_asctime(r, &d))
		return false;
	if (!is_valid(&d))
		return false;
	*seconds = seconds_of(&d);
	return true;
}

/* Reads seconds; a fraction counts as a whole one. */
static bool
read_seconds(Reader r, int64_t *us)
{
	const int64_t max = JDG_RETRY_AFTER_MAX / 1000000;
	int64_t		n = 0;
	bool		more = false;

	if (r.at == r.end || !is_digit(*r.at))
		return false;
	for (; r.at < r.end && is_digit(*r.at); r.at++)
	{
		n = n * 10 + (*r.at - '0');
		n = n > max ? max : n;
	}
	if (r.at < r.end)
	{
		if (!take(&r, ".") || r.at == r.end)
			return false;
		for (; r.at < r.end && is_digit(*r.at); r.at++)
			more |= *r.at != '0';
	}
	if (r.at < r.end)
		return false;
	n += more ? 1 : 0;
	*us = (n > max ? max : n) * 1000000;
	return true;
}

bool
jdg_retry_after(const char *value, size_t len, int64_t now, int64_t *us)
{
	int64_t		at;
	int64_t		wait;
	Reader		r;

	while (len > 0 && (value[0] == ' ' || value[0] == '\t'))
	{
		value++;
		len--;
	}
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	r.at = value;
	r.end = value + len;
	if (read_seconds(r, us))
		return true;
	if (!jdg_http_date(value, len, now, &at))
		return false;
	wait = at > now ? at - now : 0;
	if (wait > JDG_RETRY_AFTER_MAX / 1000000)
		wait = JDG_RETRY_AFTER_MAX / 1000000;
	*us = wait * 1000000;
	return true;
}
