/*-------------------------------------------------------------------------
 *
 * timing_fuzz.c
 *	  A libFuzzer target for src/timing, outside the server.
 *
 * Whatever the bytes, parsing ends in a timing or in an error; a timing's
 * text reads back as the same bytes; instants ascend.
 *
 *-------------------------------------------------------------------------
 */
#include "timing_test.h"

/* ---- zones with whatever changes ---- */

int32_t
test_offset(void *arg, int64_t utc_us)
{
	TestZone   *z = arg;
	int			i = 0;

	while (i < z->changes && utc_us >= z->at[i] * US)
		i++;
	return z->offset[i];
}

bool
test_change(void *arg, int64_t utc_us, int64_t *change_us)
{
	TestZone   *z = arg;

	for (int i = 0; i < z->changes; i++)
		if (z->at[i] * US > utc_us)
		{
			*change_us = z->at[i] * US;
			return true;
		}
	return false;
}

/* "at" in the canonical text only: at y-mm-dd hh:mm:ss[.f]+00[ BC] */
static bool
read_instant(void *arg, const char *text, size_t len, int64_t *instant_us,
			 JdgTimingError *err)
{
	char		copy[80];
	char		fraction[7] = "000000";
	long long	year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
	int			used = 0;
	int			used_fraction = 0;
	int64_t		days = 0;
	const char *rest;

	(void) arg;
	(void) err;
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (sscanf(copy, "%7lld-%2d-%2d %2d:%2d:%2d%n", &year, &month, &day,
			   &hour, &minute, &second, &used) != 6 ||
		month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
		hour < 0 || minute < 0 || second < 0 || minute > 59 || second > 59 ||
		year < 1 || year > 294276)
		return false;
	rest = copy + used;
	if (*rest == '.')
	{
		used_fraction = (int) strspn(rest + 1, "0123456789");
		if (used_fraction < 1 || used_fraction > 6)
			return false;
		memcpy(fraction, rest + 1, (size_t) used_fraction);
		rest += 1 + used_fraction;
	}
	if (strcmp(rest, "+00 BC") == 0)
		year = 1 - year;
	else if (strcmp(rest, "+00") != 0)
		return false;
	if (year < -4712)
		return false;
	/* the day number by Fliegel and Van Flandern, moved by whole cycles */
	year += 8000;
	{
		int64_t		a = (14 - month) / 12;
		int64_t		y = year + 4800 - a;
		int64_t		m = month + 12 * a - 3;

		days = day + (153 * m + 2) / 5 + 365 * y + y / 4 - y / 100 + y / 400 -
			32045 - 2451545 - 20 * INT64_C(146097);
	}
	*instant_us = ((days * DAY) + hour * 3600 + minute * 60 + second) * US +
		atoi(fraction);
	return true;
}

/* ---- what holds for every timing ---- */

bool
test_parse(const char *text, JdgTiming *t, JdgTimingError *err)
{
	return jdg_timing_parse(text, strlen(text), t, err, read_instant, NULL);
}

void
check_round_trip(const JdgTiming *t)
{
	char		canonical[JDG_TIMING_PRINT_SIZE];
	char		sentence[JDG_TIMING_DESCRIBE_SIZE];
	char		small[8];
	JdgTiming	again;
	JdgTimingError err;
	size_t		length = jdg_timing_print(t, canonical, sizeof(canonical));

	CHECK(length < sizeof(canonical) && strlen(canonical) == length, "%s", canonical);
	CHECK(test_parse(canonical, &again, &err), "%s: %s", canonical, err.message);
	CHECK(memcmp(t, &again, sizeof(again)) == 0, "%s", canonical);
	CHECK(jdg_timing_compare(t, &again) == 0, "%s", canonical);
	CHECK(jdg_timing_print(t, small, sizeof(small)) == length, "%s", canonical);
	length = jdg_timing_describe(t, sentence, sizeof(sentence));
	CHECK(length < sizeof(sentence) && length > 0, "%s: %s", canonical, sentence);
	CHECK(strstr(sentence, "  ") == NULL, "%s: %s", canonical, sentence);
}

void
check_ascending(const JdgTiming *t, const JdgZone *zone, int64_t anchor,
				int64_t after)
{
	int64_t		first = after;
	int64_t		next = 0;
	int64_t		last = 0;
	int64_t		n;

	for (n = 0; n < 20; n++)
	{
		if (!jdg_timing_next(t, zone, anchor, after, &next))
			break;
		CHECK(next > after, "%" PRId64 " after %" PRId64, next, after);
		after = next;
	}
	if (n > 0)
	{
		CHECK(jdg_timing_count(t, zone, anchor, first, after, 100, &last) == n,
			  "count %" PRId64, n);
		CHECK(last == after, "%" PRId64 " %" PRId64, last, after);
		CHECK(n == 1 || (jdg_timing_count(t, zone, anchor, first, after - 1,
										  100, &last) == n - 1),
			  "count %" PRId64, n);
	}
}

static const TestZone plain_zone = {
	4, {0, 15552000, 820454400, 820540800}, {3600, 7200, 3600, -36000, 50400}
};

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t extremes[] = {
		INT64_MIN, -INT64_C(211813488000000000), -1, 0,
		INT64_C(820540800) * US, INT64_C(9223371331199999999),
		INT64_C(9223371331200000000), INT64_MAX
	};
	TestZone	test = plain_zone;
	JdgZone		zone = {test_offset, test_change, &test};
	JdgTiming	t;
	JdgTimingError err;
	char	   *copy = malloc(size + 1);

	/* not terminated: nothing behind the end may be read */
	memcpy(copy, data, size);
	if (jdg_timing_parse(copy, size, &t, &err, read_instant, NULL))
	{
		check_round_trip(&t);
		for (size_t i = 0; i < sizeof(extremes) / sizeof(extremes[0]); i++)
		{
			check_ascending(&t, &zone, extremes[i], extremes[i]);
			check_ascending(&t, &zone, extremes[i] / 7 * 3, extremes[i]);
		}
	}
	else
	{
		CHECK(err.message[0] != '\0' && err.hint[0] != '\0', "no message");
		CHECK(err.position >= 1 && err.offset <= size, "%d", err.position);
	}
	free(copy);
	return 0;
}
