/*-------------------------------------------------------------------------
 *
 * timing_fuzz.c
 *	  A libFuzzer target for src/timing, outside the server.
 *
 * For any bytes, parsing ends in a timing or in a complete error.  The text of
 * a timing reads back as the same bytes.  Instants ascend, and from any point
 * between two of them, the next one is the second.
 *
 * An input is the text to read.  If it has a zero byte, the bytes after the
 * last one are numbers, least significant byte first: the instants to ask for,
 * a zone with its changes near them, and an interval.
 *
 *-------------------------------------------------------------------------
 */
#include "timing_test.h"

/* ---- zones with arbitrary changes ---- */

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

/* Reads an instant in canonical text only: y-mm-dd hh:mm:ss[.f]+00[ BC] */
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
	if (year < -4713)
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

/* ---- properties of every timing ---- */

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

/*
 * From any point between two occurrences, the next one is the same; and after
 * the last one, there is none.  The search for an expression that counts real
 * time ends after 401 years, so for these only the first half holds.
 */
static void
check_between(const JdgTiming *t, const JdgZone *zone, int64_t anchor,
			  int64_t after, int64_t between)
{
	int64_t		next;
	int64_t		again;

	if (between < after)
		return;
	if (jdg_timing_next(t, zone, anchor, after, &next))
	{
		if (between >= next)
			between = next - 1;
		CHECK(jdg_timing_next(t, zone, anchor, between, &again) &&
			  again == next, "%" PRId64 " after %" PRId64 ", %" PRId64
			  " after %" PRId64, next, after, again, between);
	}
	else if (t->kind != JDG_TIMING_CRON ||
			 (t->u.cron.flags & JDG_CRON_REAL_TIME) == 0)
		CHECK(!jdg_timing_next(t, zone, anchor, between, &again),
			  "%" PRId64 " after %" PRId64 ", but none after %" PRId64, again,
			  between, after);
}

/* ---- the contents of an error ---- */

/* The number of bytes that follow this first one of a character, or -1. */
static int
utf8_follow(uint8_t c)
{
	if (c < 0x80)
		return 0;
	if (c >= 0xC2 && c < 0xE0)
		return 1;
	if (c >= 0xE0 && c < 0xF0)
		return 2;
	if (c >= 0xF0 && c < 0xF5)
		return 3;
	return -1;
}

/* Are these bytes whole characters of UTF-8? */
static bool
is_utf8(const char *string, size_t size)
{
	const uint8_t *p = (const uint8_t *) string;
	const uint8_t *end = p + size;

	while (p < end)
	{
		int			follow = utf8_follow(*p++);

		if (follow < 0 || follow > end - p)
			return false;
		for (; follow > 0; follow--)
			if ((*p++ & 0xC0) != 0x80)
				return false;
	}
	return true;
}

/* All three texts are present and not cut, not even within a character. */
static void
check_error(const char *given, size_t size, const JdgTimingError *err)
{
	size_t		message = strlen(err->message);
	size_t		detail = strlen(err->detail);
	size_t		hint = strlen(err->hint);

	CHECK(message > 0 && message < sizeof(err->message) - 1, "%s",
		  err->message);
	CHECK(detail > 0 && detail < sizeof(err->detail) - 1, "%s", err->detail);
	CHECK(hint > 0 && hint < sizeof(err->hint) - 1, "%s", err->hint);
	CHECK(err->hint[hint - 1] == '.', "%s", err->hint);
	CHECK(err->detail[detail - 1] == '.', "%s", err->detail);
	CHECK(err->position >= 1 && err->offset <= size, "%d", err->position);
	if (is_utf8(given, size))
		CHECK(is_utf8(err->message, message) && is_utf8(err->detail, detail) &&
			  is_utf8(err->hint, hint), "%s", err->message);
}

/* ---- an input ---- */

typedef struct Input
{
	const uint8_t *data;
	size_t		size;
} Input;

/* The next number, of so many bytes; zero at the end of the input. */
static int64_t
take(Input *in, int bytes)
{
	uint64_t	value = 0;

	for (int i = 0; i < bytes && in->size > 0; i++, in->data++, in->size--)
		value |= (uint64_t) *in->data << (8 * i);
	/* shorter numbers have a sign, too */
	if (bytes < 8 && (value >> (8 * bytes - 1)) != 0)
		value |= UINT64_MAX << (8 * bytes);
	return (int64_t) value;
}

#define OFFSET_MAX	(7 * 86400)

/* A zone with up to MAX_CHANGES changes around an instant. */
static void
take_zone(Input *in, int64_t near_us, TestZone *z)
{
	int64_t		at = near_us / US;
	int			changes = (int) (take(in, 1) & 0xFF) % (MAX_CHANGES + 1);

	z->changes = 0;
	z->offset[0] = (int32_t) (take(in, 3) % (OFFSET_MAX + 1));
	for (int i = 0; i < changes; i++)
	{
		int64_t		by = take(in, 4);

		/*
		 * the first change may be earlier, the others are later; all in range
		 */
		at += i == 0 ? by : llabs(by) + 1;
		if (at <= -INT64_C(211813488000) || at >= INT64_C(9223371331200))
			break;
		z->at[i] = at;
		z->offset[i + 1] = (int32_t) (take(in, 3) % (OFFSET_MAX + 1));
		z->changes++;
	}
}

static const TestZone plain_zone = {
	4, {0, 15552000, 820454400, 820540800}, {3600, 7200, 3600, -36000, 50400}
};

/* Checks instants at the numbers of the input, or at extremes without them. */
static void
check_instants(const JdgTiming *t, Input in)
{
	static const int64_t extremes[] = {
		INT64_MIN, -INT64_C(211813488000000000), -1, 0,
		INT64_C(820540800) * US, INT64_C(9223371331199999999),
		INT64_C(9223371331200000000), INT64_MAX
	};
	TestZone	test = plain_zone;
	JdgZone		zone = {test_offset, test_change, &test};

	if (in.size > 0)
	{
		int64_t		after = take(&in, 8);
		int64_t		anchor = take(&in, 8);
		int64_t		by = take(&in, 8);

		take_zone(&in, after, &test);
		check_ascending(t, &zone, anchor, after);
		if (by >= 0 && after <= INT64_MAX - by)
			check_between(t, &zone, anchor, after, after + by);
		return;
	}
	for (size_t i = 0; i < sizeof(extremes) / sizeof(extremes[0]); i++)
	{
		check_ascending(t, &zone, extremes[i], extremes[i]);
		check_ascending(t, &zone, extremes[i] / 7 * 3, extremes[i]);
	}
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	JdgTiming	t;
	JdgTiming	other;
	JdgTimingError err;
	Input		in = {data, 0};
	size_t		length = size;
	char	   *copy;
	int32_t		months;
	int32_t		days;

	while (length > 0 && data[length - 1] != 0)
		length--;
	if (length > 0)
	{
		in.data = data + length;
		in.size = size - length;
		length--;
	}
	else
		length = size;

	/* a copy, so that a sanitizer notices a read beyond its end */
	copy = malloc(length > 0 ? length : 1);
	memcpy(copy, data, length);
	if (jdg_timing_parse(copy, length, &t, &err, read_instant, NULL))
	{
		check_round_trip(&t);
		check_instants(&t, in);
	}
	else
		check_error(copy, length, &err);
	free(copy);

	/* checks the numbers as an interval and as an instant, and their order */
	months = (int32_t) take(&in, 2);
	days = (int32_t) take(&in, 3);
	if (jdg_timing_from_interval(months, days, take(&in, 8), &other, &err))
	{
		check_round_trip(&other);
		check_instants(&other, in);
		CHECK(jdg_timing_compare(&t, &other) == -jdg_timing_compare(&other, &t),
			  "order");
		CHECK((jdg_timing_compare(&t, &other) == 0) ==
			  (memcmp(&t, &other, sizeof(t)) == 0), "order");
	}
	if (jdg_timing_from_instant(take(&in, 8), &other, &err))
	{
		check_round_trip(&other);
		check_instants(&other, in);
	}
	return 0;
}
