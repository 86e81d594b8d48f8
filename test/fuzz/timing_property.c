/*-------------------------------------------------------------------------
 *
 * timing_property.c
 *	  Compares src/timing with a slow and simple implementation.
 *
 * Makes random timings from a specification of its own, which it matches field
 * by field.  Compares every instant in a few days around offset changes with a
 * clock that it moves second by second.
 *
 * Usage: timing_property [seed [count]]
 *
 *-------------------------------------------------------------------------
 */
#include "timing_test.h"

/* ---- random ---- */

static uint64_t random_state;

static uint64_t
random_bits(void)
{
	/* splitmix64 */
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static int
pick(int low, int high)
{
	return low + (int) (random_bits() % (uint64_t) (high - low + 1));
}

static bool
chance(int percent)
{
	return pick(1, 100) <= percent;
}

/* ---- a cron expression as a specification, matched field by field ---- */

typedef enum ItemKind
{
	ITEM_STAR, ITEM_VALUE, ITEM_RANGE, ITEM_FROM, ITEM_LAST, ITEM_BEFORE_LAST,
	ITEM_NEAR, ITEM_LAST_NEAR, ITEM_NTH, ITEM_LAST_WEEKDAY
} ItemKind;

typedef struct Item
{
	ItemKind	kind;
	int			a;
	int			b;
	int			step;
} Item;

typedef struct Spec
{
	int			fields;
	bool		both;
	int			count[6];
	Item		item[6][4];
} Spec;

static const int low_of[6] = {0, 0, 0, 1, 1, 0};
static const int high_of[6] = {59, 59, 23, 31, 12, 6};
static const int step_of[6] = {59, 59, 23, 31, 12, 7};

/* A random item.  "first": it may be a star. */
static Item
random_item(int field, bool first)
{
	Item		item = {ITEM_VALUE, 0, 0, 1};
	int			low = low_of[field];
	int			high = high_of[field];
	int			roll = pick(0, 99);

	item.a = chance(75) ? pick(low, high) : chance(50) ? low : high;
	item.b = item.a;
	if (first && roll < 25)
		item.kind = ITEM_STAR;
	else if (roll < 40)
	{
		item.kind = ITEM_RANGE;
		item.b = pick(item.a, field == 5 ? 7 : high);
	}
	else if (roll < 50 && item.a < high)
		item.kind = ITEM_FROM;
	else if (field == 3 && roll < 70)
	{
		item.kind = (ItemKind) pick(ITEM_LAST, ITEM_LAST_NEAR);
		if (item.kind == ITEM_BEFORE_LAST)
			item.a = pick(1, 30);
	}
	else if (field == 5 && roll < 70)
	{
		item.kind = chance(50) ? ITEM_NTH : ITEM_LAST_WEEKDAY;
		item.b = pick(1, 5);
	}
	if (item.kind == ITEM_STAR && chance(50))
		item.step = pick(1, step_of[field]);
	else if (item.kind == ITEM_FROM)
		item.step = pick(1, high - item.a);
	else if (item.kind == ITEM_RANGE && item.b > item.a && chance(40))
		item.step = pick(1, item.b - item.a);
	return item;
}

/* A random expression. */
static void
random_spec(Spec *s)
{
	static const Item star = {ITEM_STAR, 0, 0, 1};
	static const Item zero = {ITEM_VALUE, 0, 0, 1};

	s->fields = chance(30) ? 6 : 5;
	s->both = chance(20);
	for (int field = 0; field < 6; field++)
	{
		s->count[field] = chance(65) ? 1 : pick(2, 4);
		for (int i = 0; i < s->count[field]; i++)
			s->item[field][i] = random_item(field, i == 0 || chance(10));
		/* enough expressions that match within a few days */
		if (field >= 3 && chance(50))
		{
			s->count[field] = 1;
			s->item[field][0] = star;
		}
	}
	if (s->fields == 5)
	{
		s->count[0] = 1;
		s->item[0][0] = zero;
	}
}

/* Writes a value of a field as a number or as a name. */
static void
write_value(char *out, int field, int value)
{
	static const char *const month_names[] = {
		"jan", "FEB", "Mar", "apr", "MAY", "jun", "Jul", "aug", "SEP", "Oct",
		"nov", "dEc"
	};
	static const char *const day_names[] = {
		"sun", "MON", "Tue", "wed", "THU", "fri", "Sat"
	};

	if (field == 4 && value > 0 && chance(30))
		strcpy(out, month_names[value - 1]);
	else if (field == 5 && value < 7 && chance(30))
		strcpy(out, day_names[value]);
	else
		sprintf(out, chance(5) ? "%02d" : "%d", value);
}

/* Writes the expression, with names, letter case and white space at random. */
static void
write_spec(const Spec *s, char *out)
{
	char		a[16];
	char		b[16];

	*out = '\0';
	for (int field = 6 - s->fields; field < 6; field++)
	{
		strcat(out, *out ? (chance(10) ? " \t" : " ") : "");
		if (field == 5 && s->both)
			strcat(out, "&");
		for (int i = 0; i < s->count[field]; i++)
		{
			const Item *item = &s->item[field][i];

			out += strlen(out);
			if (i > 0)
				*out++ = ',';
			write_value(a, field, field == 3 && item->kind == ITEM_BEFORE_LAST ?
						0 : item->a);
			switch (item->kind)
			{
				case ITEM_STAR:
					sprintf(out, field == 3 && chance(10) ? "?" : "*");
					break;
				case ITEM_VALUE:
				case ITEM_FROM:
					sprintf(out, "%s", a);
					break;
				case ITEM_RANGE:
					write_value(b, field, item->b);
					sprintf(out, "%s-%s", a, b);
					break;
				case ITEM_LAST:
					sprintf(out, chance(50) ? "L" : "l");
					break;
				case ITEM_BEFORE_LAST:
					sprintf(out, "L-%d", item->a);
					break;
				case ITEM_NEAR:
					sprintf(out, chance(50) ? "%dW" : "%dw", item->a);
					break;
				case ITEM_LAST_NEAR:
					sprintf(out, "LW");
					break;
				case ITEM_NTH:
					sprintf(out, "%s#%d", a, item->b);
					break;
				case ITEM_LAST_WEEKDAY:
					sprintf(out, "%sL", a);
					break;
			}
			if (item->step > 1 || item->kind == ITEM_FROM)
				sprintf(out + strlen(out), "/%d", item->step);
		}
	}
}

/* ---- dates, counted up day by day ---- */

typedef struct Date
{
	int			year;
	int			month;
	int			day;
	int			weekday;
} Date;

static int
length_of(int year, int month)
{
	if (month == 2)
		return year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

#define FIRST_YEAR 1990
#define YEARS 130

static Date dates[YEARS * 366];
static int	date_count;
static int	date_epoch;			/* index of 2000-01-01 */

/* Fills "dates" with all days of 130 years. */
static void
fill_dates(void)
{
	Date		d = {FIRST_YEAR, 1, 1, 1};	/* 1990-01-01 was a Monday */

	while (d.year < FIRST_YEAR + YEARS)
	{
		if (d.year == 2000 && d.month == 1 && d.day == 1)
			date_epoch = date_count;
		dates[date_count++] = d;
		d.weekday = (d.weekday + 1) % 7;
		if (++d.day > length_of(d.year, d.month))
		{
			d.day = 1;
			if (++d.month > 12)
			{
				d.month = 1;
				d.year++;
			}
		}
	}
}

/* Is d the working day nearest to day n of its month? */
static bool
is_near(int n, const Date *d)
{
	int			length = length_of(d->year, d->month);
	int			best = 0;

	if (n > length)
		return false;
	/* the nearest working day; no day is equally near on both sides */
	for (int day = 1; day <= length; day++)
	{
		int			weekday = (d->weekday + 70 + day - d->day) % 7;

		if (weekday != 0 && weekday != 6 &&
			(best == 0 || abs(day - n) < abs(best - n)))
			best = day;
	}
	return best == d->day;
}

/* Does a value of the day d, or of a time on it, match the item? */
static bool
item_matches(const Item *item, int field, int value, const Date *d)
{
	int			length = length_of(d->year, d->month);

	switch (item->kind)
	{
		case ITEM_STAR:
			return (value - low_of[field]) % item->step == 0;
		case ITEM_VALUE:
			return value == item->a;
		case ITEM_RANGE:
			if (value >= item->a && value <= item->b &&
				(value - item->a) % item->step == 0)
				return true;
			return field == 5 && value == 0 && item->b == 7 &&
				(7 - item->a) % item->step == 0;
		case ITEM_FROM:
			return value >= item->a && (value - item->a) % item->step == 0;
		case ITEM_LAST:
			return value == length;
		case ITEM_BEFORE_LAST:
			return value == length - item->a;
		case ITEM_NEAR:
			return is_near(item->a, d);
		case ITEM_LAST_NEAR:
			/* no later working day in the month */
			for (int day = d->day + 1; day <= length; day++)
			{
				int			weekday = (d->weekday + day - d->day) % 7;

				if (weekday != 0 && weekday != 6)
					return false;
			}
			return d->weekday != 0 && d->weekday != 6;
		case ITEM_NTH:
			return value == item->a && (d->day - 1) / 7 + 1 == item->b;
		case ITEM_LAST_WEEKDAY:
			return value == item->a && d->day + 7 > length;
	}
	return false;
}

static bool
field_matches(const Spec *s, int field, int value, const Date *d)
{
	for (int i = 0; i < s->count[field]; i++)
		if (item_matches(&s->item[field][i], field, value, d))
			return true;
	return false;
}

static bool
starred(const Spec *s, int field)
{
	return s->item[field][0].kind == ITEM_STAR;
}

/* Do month, day of month and weekday match? */
static bool
day_matches(const Spec *s, const Date *d)
{
	bool		dom = field_matches(s, 3, d->day, d);
	bool		dow = field_matches(s, 5, d->weekday, d);

	if (!field_matches(s, 4, d->month, d))
		return false;
	if (starred(s, 3) || starred(s, 5) || s->both)
		return dom && dow;
	return dom || dow;
}

/* ---- a clock moved second by second ---- */

#define WINDOW_DAYS 3
#define LEAD_DAYS 12

static int64_t expected[(WINDOW_DAYS + LEAD_DAYS) * 86400];
static int	expected_count;

/* Does the reading match?  Keeps the fields and the day of the last call. */
static bool
wall_matches(const Spec *s, int64_t wall)
{
	static const Spec *known;
	static int64_t known_day = -1;
	static bool known_match;
	static bool hours[24];
	static bool minutes[60];
	static bool seconds[60];
	static uint64_t known_state;
	int64_t		day = wall / DAY;	/* wall is never before 2000 */
	int			second = (int) (wall % DAY);
	const Date *d = &dates[date_epoch + day];

	if (known != s || known_state != random_state)
	{
		known = s;
		known_state = random_state;
		known_day = -1;
		for (int i = 0; i < 60; i++)
		{
			seconds[i] = field_matches(s, 0, i, d);
			minutes[i] = field_matches(s, 1, i, d);
			if (i < 24)
				hours[i] = field_matches(s, 2, i, d);
		}
	}
	if (known_day != day)
	{
		known_day = day;
		known_match = day_matches(s, d);
	}
	return known_match && hours[second / 3600] && minutes[second / 60 % 60] &&
		seconds[second % 60];
}

/*
 * Fills "expected" with every instant from "from" to "to", in seconds.  The
 * clock starts so early that it has shown every reading that it shows again
 * later.
 */
static void
expect(const Spec *s, TestZone *z, int64_t from, int64_t to)
{
	int64_t		at = from - LEAD_DAYS * DAY;
	int64_t		shown = at + test_offset(z, at * US);
	bool		real_time = starred(s, 1) || starred(s, 2);

	expected_count = 0;
	for (at++; at <= to; at++)
	{
		int64_t		wall = at + test_offset(z, at * US);
		bool		due = false;

		if (real_time)
			due = wall_matches(s, wall);
		else
			for (; shown < wall; shown++)
				due |= wall_matches(s, shown + 1);
		if (due && at >= from)
			expected[expected_count++] = at * US;
	}
}

/* Up to five random changes of the offset, near "middle" (in seconds). */
static void
random_zone(TestZone *z, int64_t middle)
{
	static const int32_t shifts[] = {
		3600, -3600, 1800, -1800, 7200, -7200, 86400, -86400, 82800, 75, -1172,
		600, -600
	};
	int64_t		at = middle - pick(0, 2) * DAY / 2;

	z->changes = pick(0, 5);
	z->offset[0] = chance(20) ? pick(-50000, 50000) : pick(-12, 12) * 3600;
	for (int i = 0; i < z->changes; i++)
	{
		int			shift = shifts[pick(0, 12)];

		/* stay within the limits of zones */
		if (z->offset[i] + shift > 7 * 86400 || z->offset[i] + shift < -7 * 86400)
			shift = -shift;
		z->offset[i + 1] = z->offset[i] + shift;
		at += chance(50) ? pick(1, 200) * 600 : pick(60, 100000);
		z->at[i] = at;
	}
}

/* jdg_timing_next() finds the first expected instant later than "after". */
static void
check_after(const JdgTiming *t, const JdgZone *zone, int64_t to, int64_t after,
			const char *text)
{
	int			low = 0;
	int			high = expected_count;
	int64_t		next;

	while (low < high)
	{
		int			half = (low + high) / 2;

		if (expected[half] > after)
			high = half;
		else
			low = half + 1;
	}
	if (!jdg_timing_next(t, zone, 0, after, &next))
		CHECK(low == expected_count, "%s: none after %" PRId64, text, after);
	else if (low < expected_count)
		CHECK(next == expected[low], "%s: %" PRId64 " after %" PRId64
			  " instead of %" PRId64, text, next, after, expected[low]);
	else
		CHECK(next > to * US, "%s: %" PRId64 " after %" PRId64, text, next,
			  after);
}

/* Compares all instants in some days with the clock, and others at random. */
static void
check_window(const JdgTiming *t, const Spec *s, const char *text)
{
	int64_t		middle = (int64_t) pick(40, 20000) * DAY;
	int64_t		from = middle - DAY;
	int64_t		to = middle + (WINDOW_DAYS - 1) * DAY;
	TestZone	test;
	JdgZone		zone = {test_offset, test_change, &test};
	int64_t		next = from * US - 1;
	int64_t		last = 0;

	random_zone(&test, middle);
	expect(s, &test, from, to);
	for (int i = 0; i < expected_count; i++)
	{
		CHECK(jdg_timing_next(t, &zone, 0, next, &next), "%s: none", text);
		CHECK(next == expected[i], "%s: %" PRId64 " instead of %" PRId64
			  ", number %d", text, next, expected[i], i);
	}
	if (expected_count > 0)
		CHECK(jdg_timing_count(t, &zone, 0, from * US - 1, to * US, 10000000,
							   &last) == expected_count &&
			  last == expected[expected_count - 1], "%s: count", text);
	if (jdg_timing_next(t, &zone, 0, next, &next))
		CHECK(next > to * US, "%s: one too many, %" PRId64, text, next);

	/* from any point, also within a second and at a change */
	for (int i = 0; i < 200; i++)
		check_after(t, &zone, to, from * US +
					(int64_t) (random_bits() % (uint64_t) ((to - from) * US)),
					text);
	for (int i = 0; i < test.changes; i++)
		for (int by = -1; by <= 1; by++)
			if (test.at[i] > from && test.at[i] < to)
				check_after(t, &zone, to, test.at[i] * US + by, text);

	/* from so far before that the search skips spans */
	if (jdg_timing_next(t, &zone, 0, (from - pick(1, 90) * DAY) * US, &next) &&
		next >= from * US && next <= to * US)
		CHECK(expected_count > 0 && next == expected[0],
			  "%s: from far before, %" PRId64, text, next);
}

/* Far ahead, in UTC: the day of the next instant is the first that matches. */
static void
check_far(const JdgTiming *t, const Spec *s, const char *text)
{
	int			day = pick(0, 365 * 60);
	int64_t		next;
	bool		found = jdg_timing_next(t, NULL, 0, day * DAY * US - 1, &next);

	CHECK(found, "%s: none", text);
	for (; date_epoch + day < date_count; day++)
		if (day_matches(s, &dates[date_epoch + day]))
		{
			CHECK(next / US / DAY == day, "%s: day %" PRId64 " instead of %d",
				  text, next / US / DAY, day);
			return;
		}
}

/* Does any day in 130 years match?  The rarest expressions may need more. */
static bool
ever_matches(const Spec *s)
{
	for (int i = 0; i < date_count; i++)
		if (day_matches(s, &dates[i]))
			return true;
	return false;
}

/* Checks a random cron expression.  Returns whether its window had any. */
static int
check_cron(void)
{
	Spec		s;
	char		written[512];
	JdgTiming	t;
	JdgTimingError err;

	random_spec(&s);
	write_spec(&s, written);
	if (!test_parse(written, &t, &err))
	{
		CHECK(strcmp(err.message, "the expression can never match") == 0,
			  "%s: %s", written, err.message);
		CHECK(!ever_matches(&s), "%s: %s", written, err.message);
		return 0;
	}
	check_round_trip(&t);
	for (int i = 0; i < 10; i++)
		check_far(&t, &s, written);
	check_window(&t, &s, written);
	return expected_count > 0;
}

/* The first instant at which the clock shows "wall" or later, in seconds. */
static int64_t
first_instant(TestZone *z, int64_t wall)
{
	int64_t		at = wall - 8 * DAY;

	while (at + test_offset(z, at * US) < wall)
		at++;
	return at;
}

/* Checks five occurrences of a random interval against the calendar. */
static void
check_interval(void)
{
	int			months = chance(40) ? pick(1, 30) : 0;
	int			days = months == 0 || chance(30) ? pick(1, 40) : 0;
	int64_t		time = chance(30) ? pick(1, 100000) : 0;
	int			anchor_day = pick(100, 20000);
	int64_t		anchor = anchor_day * DAY + pick(0, 86399);
	TestZone	test;
	JdgZone		zone = {test_offset, test_change, &test};
	JdgTiming	t;
	JdgTimingError err;
	int64_t		wall;
	int64_t		previous = anchor * US;

	random_zone(&test, anchor + pick(1, 60) * DAY);
	CHECK(jdg_timing_from_interval(months, days, time * US, &t, &err), "%s",
		  err.message);
	check_round_trip(&t);
	wall = anchor + test_offset(&test, anchor * US);
	for (int k = 1; k < 6; k++)
	{
		Date		d = dates[date_epoch + wall / DAY];
		int			month = d.month - 1 + k * months;
		int			year = d.year + month / 12;
		int			index = date_epoch;
		int64_t		due;
		int64_t		next;

		month = month % 12 + 1;
		if (d.day > length_of(year, month))
			d.day = length_of(year, month);
		while (dates[index].year != year || dates[index].month != month ||
			   dates[index].day != d.day)
			index++;
		due = first_instant(&test, (index - date_epoch + k * days) * DAY +
							wall % DAY) * US + k * time * US;
		CHECK(jdg_timing_next(&t, &zone, anchor * US, due - 1, &next) &&
			  next == due, "months %d days %d time %" PRId64 " k %d: %" PRId64
			  " instead of %" PRId64, months, days, time, k, next, due);
		if (due > previous)
			CHECK(jdg_timing_next(&t, &zone, anchor * US, previous, &next) &&
				  next == due, "after %" PRId64 " k %d: %" PRId64
				  " instead of %" PRId64, previous, k, next, due);
		previous = due;
	}
	CHECK(jdg_timing_from_interval(0, 0, (time + 1) * US + 7, &t, &err), "%s",
		  err.message);
	check_round_trip(&t);
	check_ascending(&t, &zone, anchor * US, anchor * US - 5);
	check_ascending(&t, &zone, anchor * US, anchor * US + pick(0, 1 << 30));
}

/* Checks a random instant: it occurs once. */
static void
check_instant(void)
{
	static const int64_t span = INT64_C(9223371331200000000) / 2;
	int64_t		us = (int64_t) (random_bits() % (uint64_t) span) * 2;
	JdgTiming	t;
	JdgTimingError err;
	int64_t		next;

	if (chance(50))
		us %= INT64_C(1000000000000000);
	if (chance(30))
		us = -us % INT64_C(211813488000000000);
	if (chance(50))
		us -= us % US;
	CHECK(jdg_timing_from_instant(us, &t, &err), "%s", err.message);
	check_round_trip(&t);
	CHECK(jdg_timing_next(&t, NULL, 0, us - 1, &next) && next == us, "at");
	CHECK(!jdg_timing_next(&t, NULL, 0, us, &next), "at");
}

/*
 * Changes of the offset within the last days of the range of instants, where
 * an instant plus twice the largest offset is out of range.
 */
static void
check_end(void)
{
	static const char *const texts[] = {
		"* * * * 1", "0 0 * * *", "*/7 * * * * *", "every 1 day", "0 0 L * *"
	};
	int64_t		end = INT64_C(9223371331200);
	TestZone	test = {
		3, {end - 3 * DAY, end - 2 * DAY, end - 100}, {0, 3600, -604800, 604800}
	};
	JdgZone		zone = {test_offset, test_change, &test};
	JdgTiming	t;
	JdgTimingError err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		CHECK(test_parse(texts[i], &t, &err), "%s", err.message);
		for (int64_t before = 17 * DAY; before > 0; before = before * 2 / 3)
			check_ascending(&t, &zone, (end - 40 * DAY) * US,
							(end - before) * US - 1);
	}
}

int
main(int argc, char **argv)
{
	uint64_t	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	int			count = argc > 2 ? atoi(argv[2]) : 300;
	int			with_instants = 0;

	fill_dates();
	check_end();
	for (int i = 0; i < count; i++)
	{
		random_state = seed * UINT64_C(1000003) + (uint64_t) i;
		random_state = random_bits();
		with_instants += check_cron();
		check_interval();
		check_instant();
	}
	printf("timing: seed %" PRIu64 ", %d timings, %d of them due in their "
		   "window\n", seed, count, with_instants);
	return 0;
}
