/*-------------------------------------------------------------------------
 *
 * parse_cron.c
 *	  Reads a cron expression of five or six fields.
 *
 * Pure.  README.md has the grammar.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <stdio.h>
#include <string.h>

#include "timing/cron.h"
#include "timing/parse_cron.h"
#include "timing/print.h"
#include "timing/reader.h"

typedef struct Field
{
	const char *name;
	const char *plural;
	int			low;
	int			high;			/* the largest value that a user can write */
	int			last;			/* the last value of * and of n/s */
	const char *names;			/* of the values from low on, three letters
								 * each */
} Field;

static const Field fields[JDG_FIELDS] =
{
	[JDG_FIELD_SECOND] = {"second", "Seconds", 0, 59, 59, NULL},
	[JDG_FIELD_MINUTE] = {"minute", "Minutes", 0, 59, 59, NULL},
	[JDG_FIELD_HOUR] = {"hour", "Hours", 0, 23, 23, NULL},
	[JDG_FIELD_DOM] = {"day of month", "Days of the month", 1, 31, 31, NULL},
	[JDG_FIELD_MONTH] = {"month", "Months", 1, 12, 12,
	"janfebmaraprmayjunjulaugsepoctnovdec"},
	[JDG_FIELD_DOW] = {"weekday", "Weekdays", 0, 7, 6,
	"sunmontuewedthufrisat"},
};

/* The part between two commas that is being read. */
typedef struct Part
{
	JdgReader  *r;
	const Field *field;
	const char *p;
	const char *end;
	uint64_t	bits;			/* the plain values read so far */
} Part;

/* Number of bytes from "from" to quote in an error. */
static int
clip(const Part *part, const char *from)
{
	return jdg_reader_clip(from, part->end, 40);
}

/* Sets the hint with the range of the field.  Returns false. */
static bool
range_hint(JdgReader *r, const Field *f)
{
	if (f == &fields[JDG_FIELD_MONTH])
		return jdg_reader_hint(r, "Months range from 1 to 12, or JAN to DEC.");
	if (f == &fields[JDG_FIELD_DOW])
		return jdg_reader_hint(r, "Weekdays range from 0 (Sunday) to 6 "
							   "(Saturday), 7 is Sunday too; or SUN to SAT.");
	return jdg_reader_hint(r, "%s range from %d to %d.", f->plural, f->low,
						   f->high);
}

/*
 * Reports the text at part->p as out of place, or the end of the field as too
 * early.  Returns false.
 */
static bool
report_unexpected(Part *part)
{
	if (part->p == part->end)
		jdg_reader_fail(part->r, part->p, "the %s field ends too early",
						part->field->name);
	else if (*part->p & 0x80)
	{
		jdg_reader_fail(part->r, part->p,
						"the %s field has a character that is not ASCII",
						part->field->name);
		return jdg_reader_hint(part->r, "Write numbers with the digits 0 to "
							   "9, and names in English.");
	}
	else
		jdg_reader_fail(part->r, part->p, "unexpected \"%.*s\" in the %s "
						"field", clip(part, part->p), part->p,
						part->field->name);
	/* as pg_cron writes it */
	if (part->p < part->end && *part->p == '$' &&
		part->field == &fields[JDG_FIELD_DOM])
		return jdg_reader_hint(part->r, "The last day of the month is L.");
	return range_hint(part->r, part->field);
}

/* Reads ASCII digits.  A number of more than four digits reads as 9999. */
static bool
read_number(Part *part, int *value)
{
	if (part->p == part->end || !jdg_is_digit(*part->p))
		return report_unexpected(part);
	*value = 0;
	for (; part->p < part->end && jdg_is_digit(*part->p); part->p++)
		if (*value < 9999)
		{
			*value = *value * 10 + (*part->p - '0');
			if (*value > 9999)
				*value = 9999;
		}
	return true;
}

/* Reads a number or a name and checks its range.  *named: it was a name. */
static bool
read_value(Part *part, int *value, bool *named)
{
	const Field *f = part->field;
	const char *from = part->p;
	const char *to;

	*named = false;
	if (from < part->end && f->names != NULL && jdg_is_alpha(*from))
	{
		*named = true;
		for (to = from; to < part->end && jdg_is_alpha(*to);)
			to++;
		/* FRIL is the last Friday */
		if (f == &fields[JDG_FIELD_DOW] && to - from == 4 &&
			jdg_lower(to[-1]) == 'l')
			to--;
		for (int i = 0; to - from == 3 && f->low + i <= f->last; i++)
		{
			char		name[4] = {f->names[3 * i], f->names[3 * i + 1],
			f->names[3 * i + 2], '\0'};

			if (jdg_word_is(from, to, name))
			{
				*value = f->low + i;
				part->p = to;
				return true;
			}
		}
		jdg_reader_fail(part->r, from, "unrecognized %s \"%.*s\"", f->name,
						clip(part, from), from);
		if (jdg_word_is(from, to, "l"))
			return jdg_reader_hint(part->r, "L needs a weekday before it: 5L "
								   "is the last Friday of the month.");
		return range_hint(part->r, f);
	}
	if (!read_number(part, value))
		return false;
	if (*value < f->low || *value > f->high)
	{
		jdg_reader_fail(part->r, from, "%s %.*s is out of range", f->name,
						jdg_reader_clip(from, part->p, 20), from);
		return range_hint(part->r, f);
	}
	return true;
}

/*
 * Reads the step after the slash at part->p.  A step is at most "largest", the
 * distance from the first to the last value of the range; a range of one value
 * has step 1.
 */
static bool
read_step(Part *part, int largest, int *step)
{
	const char *from = ++part->p;

	if (largest < 1)
		largest = 1;
	if (!read_number(part, step))
		return jdg_reader_hint(part->r, "Write a step from 1 to %d after the "
							   "slash.", largest);
	if (*step >= 1 && *step <= largest)
		return true;
	if (*step == 0)
		jdg_reader_fail(part->r, from, "the step of the %s field is 0",
						part->field->name);
	else
		jdg_reader_fail(part->r, from, "step %.*s of the %s field is larger "
						"than its range", jdg_reader_clip(from, part->p, 20),
						from, part->field->name);
	return jdg_reader_hint(part->r, "Write a step from 1 to %d.", largest);
}

/* Adds the values to part->bits.  Weekday 7 becomes 0, Sunday. */
static void
add_range(Part *part, int low, int high, int step)
{
	for (int value = low; value <= high; value += step)
		part->bits |= UINT64_C(1) <<
			(part->field == &fields[JDG_FIELD_DOW] ? value % 7 : value);
}

/*
 * Reports a range whose end comes before its start.  The hint writes out the
 * values of the wrapped range, with the step if one follows.  Returns false.
 */
static bool
report_backwards(Part *part, const char *from, int low, int high, bool named)
{
	const Field *f = part->field;
	int			size = f->last - f->low + 1;
	int			count = ((high - low) % size + size) % size + 1;
	int			step = 1;
	const char *to = part->p;
	char		list[240];
	JdgText		out;

	if (part->p < part->end && *part->p == '/' && part->p + 1 < part->end &&
		jdg_is_digit(part->p[1]) && !read_step(part, count, &step))
		return false;
	jdg_text_init(&out, list, sizeof(list));
	if (!named && step == 1 && count > 12)
		jdg_text_add(&out, "%d-%d,%d-%d", low, f->last, f->low, high);
	else
		for (int i = 0; i < count; i += step)
		{
			int			at = (low - f->low + i) % size;

			jdg_text_add(&out, i > 0 ? "," : "");
			if (named)
				for (int letter = 0; letter < 3; letter++)
					jdg_text_add(&out, "%c", f->names[3 * at + letter] -
								 'a' + 'A');
			else
				jdg_text_add(&out, "%d", f->low + at);
		}
	jdg_reader_fail(part->r, from, "the range \"%.*s\" of the %s field runs "
					"backwards", jdg_reader_clip(from, to, 40), from,
					f->name);
	return jdg_reader_hint(part->r, "Write %s.", list);
}

/*
 * Reads the rest of L, L-n or LW, of which part->p is behind the L, and adds
 * it to cron.
 */
static bool
read_last_day(Part *part, JdgCron *cron)
{
	const char *from;
	int			n;

	if (part->p == part->end)
	{
		cron->dom_last |= 1;
		return true;
	}
	if (jdg_lower(*part->p) == 'w' && part->p + 1 == part->end)
	{
		part->p++;
		cron->dom_near |= 1;
		return true;
	}
	if (*part->p != '-')
		return report_unexpected(part);
	from = ++part->p;
	if (!read_number(part, &n))
		return jdg_reader_hint(part->r, "Write L-1 to L-30, L or LW.");
	if (n < 1 || n > 30)
	{
		jdg_reader_fail(part->r, from, "L-%.*s is out of range",
						jdg_reader_clip(from, part->p, 20), from);
		return jdg_reader_hint(part->r, "Write L-1 to L-30, L or LW.");
	}
	if (part->p < part->end)
	{
		report_unexpected(part);
		return jdg_reader_hint(part->r, "Write L-1 to L-30, L or LW.");
	}
	cron->dom_last |= UINT32_C(1) << n;
	return true;
}

/* Reads the suffix L or #n of a weekday, at part->p, and adds it to cron. */
static bool
read_weekday_suffix(Part *part, JdgCron *cron, int weekday)
{
	uint8_t		bit = (uint8_t) (1 << (weekday % 7));
	const char *from;
	int			n;

	if (jdg_lower(*part->p) == 'l')
	{
		part->p++;
		cron->dow_last |= bit;
		return true;
	}
	from = ++part->p;
	if (!read_number(part, &n))
		return jdg_reader_hint(part->r, "Write #1 to #5, or L for the last.");
	if (n < 1 || n > 5)
	{
		jdg_reader_fail(part->r, from, "#%.*s is out of range",
						jdg_reader_clip(from, part->p, 20), from);
		return jdg_reader_hint(part->r, "Write #1 to #5, or L for the last.");
	}
	cron->dow_nth[n - 1] |= bit;
	return true;
}

/*
 * Reads a value, a range or a value with a suffix, and the step.  Plain values
 * go to part->bits, others to cron.
 */
static bool
read_values(Part *part, JdgCron *cron)
{
	const Field *f = part->field;
	const char *from = part->p;
	int			low;
	int			high;
	int			step = 1;
	bool		named;
	bool		high_named;

	if (!read_value(part, &low, &named))
		return false;
	high = low;
	if (part->p < part->end && f == &fields[JDG_FIELD_DOM] &&
		jdg_lower(*part->p) == 'w')
	{
		part->p++;
		cron->dom_near |= UINT32_C(1) << low;
		return true;
	}
	if (part->p < part->end && f == &fields[JDG_FIELD_DOW] &&
		(jdg_lower(*part->p) == 'l' || *part->p == '#'))
		return read_weekday_suffix(part, cron, low);
	if (part->p < part->end && *part->p == '-')
	{
		part->p++;
		if (!read_value(part, &high, &high_named))
			return false;
		if (high < low)
			return report_backwards(part, from, low, high, named);
	}
	else if (part->p < part->end && *part->p == '/')
	{
		/* 7/s starts at the Sunday that begins the week */
		if (low > f->last)
			low = f->low;
		high = f->last;
	}
	if (part->p < part->end && *part->p == '/' &&
		!read_step(part, high - low, &step))
		return false;
	add_range(part, low, high, step);
	return true;
}

/* Reads all of a part, and adds its values to part->bits or to cron. */
static bool
read_part(Part *part, JdgCron *cron)
{
	const Field *f = part->field;
	bool		day = f == &fields[JDG_FIELD_DOM] ||
	f == &fields[JDG_FIELD_DOW];
	bool		ok;

	if (part->p == part->end)
	{
		jdg_reader_fail(part->r, part->p, "the %s field has an empty part",
						f->name);
		return jdg_reader_hint(part->r, "Write a value, or remove the comma.");
	}
	if (*part->p == '?' && !day)
	{
		report_unexpected(part);
		return jdg_reader_hint(part->r, "Write *; the question mark is for "
							   "days only.");
	}
	if (*part->p == '*' || *part->p == '?')
	{
		int			step = 1;

		part->p++;
		if (part->p < part->end && *part->p == '/' &&
			!read_step(part, f->high, &step))
			return false;
		add_range(part, f->low, f->last, step);
		ok = true;
	}
	else if (f == &fields[JDG_FIELD_DOM] && jdg_lower(*part->p) == 'l')
	{
		part->p++;
		ok = read_last_day(part, cron);
	}
	else
		ok = read_values(part, cron);
	return ok && (part->p == part->end || report_unexpected(part));
}

/*
 * Reads a field, [from, to), without its &.  Returns its plain values in
 * *bits; special days are added to cron.
 */
static bool
read_field(JdgReader *r, JdgFieldId id, const char *from, const char *to,
		   JdgCron *cron, uint64_t *bits)
{
	Part		part = {r, &fields[id], from, to, 0};

	for (;;)
	{
		const char *comma = memchr(part.p, ',', (size_t) (to - part.p));

		part.end = comma ? comma : to;
		if (!read_part(&part, cron))
			return false;
		if (comma == NULL)
			break;
		part.p = comma + 1;
	}
	*bits = part.bits;
	return true;
}

/*
 * Gives expressions of the same meaning the same bytes.  Removes special days
 * that the plain days contain.  If either day suffices and one field matches
 * every day, both fields match every day.
 */
static void
make_canonical(JdgCron *cron)
{
	if (cron->dom == JDG_BITS(1, 31))
		cron->dom_last = cron->dom_near = 0;
	cron->dow_last &= (uint8_t) ~cron->dow;
	for (int n = 0; n < 5; n++)
		cron->dow_nth[n] &= (uint8_t) ~cron->dow;
	if ((cron->flags & JDG_CRON_EITHER_DAY) &&
		(cron->dom == JDG_BITS(1, 31) || cron->dow == JDG_BITS(0, 6)))
	{
		cron->flags &= (uint8_t) ~JDG_CRON_EITHER_DAY;
		cron->dom = (uint32_t) JDG_BITS(1, 31);
		cron->dow = (uint8_t) JDG_BITS(0, 6);
		cron->dom_last = cron->dom_near = 0;
		cron->dow_last = 0;
		memset(cron->dow_nth, 0, sizeof(cron->dow_nth));
	}
}

/*
 * Reads the six fields, in the order of JdgFieldId, into cron.  As in Vixie
 * cron, a minute or hour that begins with * makes the expression count real
 * time, and a day field that begins with * or an & demands that both day
 * fields match.
 */
static bool
read_fields(JdgReader *r, const char *from[], const char *to[],
			JdgCron *cron)
{
	uint64_t	bits[JDG_FIELDS];
	bool		star[JDG_FIELDS];
	bool		both = false;

	for (int id = 0; id < JDG_FIELDS; id++)
	{
		if (id == JDG_FIELD_DOW && *from[id] == '&')
		{
			both = true;
			from[id]++;
		}
		star[id] = from[id] < to[id] &&
			(*from[id] == '*' || *from[id] == '?');
		if (!read_field(r, (JdgFieldId) id, from[id], to[id], cron, &bits[id]))
			return false;
	}
	cron->second = bits[JDG_FIELD_SECOND];
	cron->minute = bits[JDG_FIELD_MINUTE];
	cron->hour = (uint32_t) bits[JDG_FIELD_HOUR];
	cron->dom = (uint32_t) bits[JDG_FIELD_DOM];
	cron->month = (uint16_t) bits[JDG_FIELD_MONTH];
	cron->dow = (uint8_t) bits[JDG_FIELD_DOW];
	if (star[JDG_FIELD_MINUTE] || star[JDG_FIELD_HOUR])
		cron->flags |= JDG_CRON_REAL_TIME;
	if (!star[JDG_FIELD_DOM] && !star[JDG_FIELD_DOW] && !both)
		cron->flags |= JDG_CRON_EITHER_DAY;
	make_canonical(cron);
	if (jdg_cron_can_match(cron))
		return true;
	jdg_reader_fail(r, from[JDG_FIELD_DOM], "the expression can never match");
	return jdg_reader_hint(r, "No such day is in any of the months it names: "
						   "change the day, the weekday or the month.");
}

bool
jdg_parse_cron(JdgReader *r, const char *from, const char *to, JdgTiming *out)
{
	const char *begin[JDG_FIELDS + 1];
	const char *end[JDG_FIELDS + 1];
	int			count = 0;

	begin[0] = end[0] = from;
	for (const char *p = from; p < to;)
	{
		const char *start = p;

		while (p < to && !jdg_is_space(*p))
			p++;
		if (p > start)
		{
			/* slot 0 is for the seconds, or for the first field too many */
			if (count <= JDG_FIELDS)
			{
				begin[(count + 1) % (JDG_FIELDS + 1)] = start;
				end[(count + 1) % (JDG_FIELDS + 1)] = p;
			}
			count++;
		}
		else
			p++;
	}
	out->kind = JDG_TIMING_CRON;
	if (count == JDG_FIELDS)
		return read_fields(r, begin + 1, end + 1, &out->u.cron);
	if (count == JDG_FIELDS - 1)
	{
		static const char zero[] = "0";

		begin[0] = zero;
		end[0] = zero + 1;
		return read_fields(r, begin, end, &out->u.cron);
	}
	if (count < JDG_FIELDS)
		begin[0] = end[count];	/* position of the missing field */
	jdg_reader_fail(r, begin[0], "a cron expression has five or six fields, "
					"this one has %d", count);
	return jdg_reader_hint(r, "Write minute, hour, day of month, month and "
						   "weekday; with six fields, seconds come first.");
}
