/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  Reads a timing: distinguishes the forms, and reads the simple ones.
 *
 * Pure.  parse_cron.c and parse_interval.c read cron expressions and
 * intervals.  For any bytes the result is either a timing in canonical form or
 * an error with its position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <string.h>

#include "timing/calendar.h"
#include "timing/parse.h"
#include "timing/parse_cron.h"
#include "timing/parse_interval.h"
#include "timing/reader.h"

#define FORMS_HINT \
	"Write a cron expression such as 0 3 * * *, an interval such as " \
	"every 5 minutes, at and a timestamp, @daily, @startup or manual."

static const struct
{
	const char *name;
	const char *cron;			/* NULL: @startup, not a cron expression */
}			macros[] =

{
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@startup", NULL},
};

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && jdg_is_space(*p))
		p++;
	return p;
}

static const char *
skip_word(const char *p, const char *end)
{
	while (p < end && !jdg_is_space(*p))
		p++;
	return p;
}

/*
 * Checks that nothing but white space follows "after".  word, which ends at
 * "to", is quoted in the error.
 */
static bool
expect_end(JdgReader *r, const char *after, const char *word, const char *to)
{
	const char *p = skip_space(after, r->end);

	if (p == r->end)
		return true;
	jdg_reader_fail(r, p, "unexpected text after \"%.*s\"",
					jdg_reader_clip(word, to, 40), word);
	return jdg_reader_hint(r, "Remove what follows \"%.*s\".",
						   jdg_reader_clip(word, to, 40), word);
}

/* Reads a word that begins with @, [from, to).  Nothing may follow it. */
static bool
parse_macro(JdgReader *r, const char *from, const char *to, JdgTiming *out)
{
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
	{
		if (!jdg_word_is(from, to, macros[i].name))
			continue;
		if (!expect_end(r, to, from, to))
			return false;
		if (macros[i].cron == NULL)
		{
			out->kind = JDG_TIMING_STARTUP;
			return true;
		}
		return jdg_parse_cron(r, macros[i].cron,
							  macros[i].cron + strlen(macros[i].cron), out);
	}
	jdg_reader_fail(r, from, "unrecognized macro \"%.*s\"",
					jdg_reader_clip(from, to, 40), from);
	if (jdg_word_is(from, to, "@reboot"))
		return jdg_reader_hint(r, "Write @startup.");
	if (jdg_word_is(from, to, "@every"))
		return jdg_reader_hint(r, "Write every and an interval, without @.");
	return jdg_reader_hint(r, "Valid macros are @hourly, @daily, @midnight, @weekly, "
						   "@monthly, @yearly, @annually and @startup.");
}

/*
 * Reads the timestamp after "at".  The error is written first, because
 * parse_instant may replace its message; success clears it.
 */
static bool
parse_at(JdgReader *r, const char *word, const char *to, JdgTiming *out,
		 JdgInstantParser parse_instant, void *arg)
{
	const char *from = skip_space(to, r->end);
	const char *end = r->end;
	int64_t		instant;

	while (end > from && jdg_is_space(end[-1]))
		end--;
	if (from == end)
	{
		jdg_reader_fail(r, word, "a timestamp must follow \"at\"");
		return jdg_reader_hint(r, "Write one, such as "
							   "at 2026-12-01 09:00+01.");
	}
	jdg_reader_fail(r, from, "\"%.*s\" is not a timestamp",
					jdg_reader_clip(from, end, 60), from);
	jdg_reader_hint(r, "Write date, time and zone, such as "
					"at 2026-12-01 09:00+01.");
	if (parse_instant == NULL ||
		!parse_instant(arg, from, (size_t) (end - from), &instant, r->err))
		return false;
	if (instant < JDG_INSTANT_MIN || instant >= JDG_INSTANT_END)
	{
		jdg_reader_fail(r, from, "a timing cannot be infinite");
		return jdg_reader_hint(r, "Write a finite timestamp, or manual.");
	}
	out->kind = JDG_TIMING_ONCE;
	out->u.once_us = instant;
	memset(r->err, 0, sizeof(*r->err));
	return true;
}

/* yyyy-mm-dd..., or yyyy/mm/dd */
static bool
looks_like_date(const char *from, const char *to)
{
	int			digits = 0;

	while (from < to && jdg_is_digit(*from))
		from++, digits++;
	return digits == 4 && to - from >= 2 &&
		(*from == '-' || *from == '/') && jdg_is_digit(from[1]) &&
		(memchr(from + 1, *from, (size_t) (to - from - 1)) != NULL);
}

/*
 * Is this an interval without "every": a number with a unit or a colon on it,
 * or a word after it and no * in the text?  No valid cron expression begins
 * like that.
 */
static bool
looks_like_interval(JdgReader *r, const char *from, const char *to)
{
	const char *p = from;
	const char *next = skip_space(to, r->end);

	if (*p == '-' || *p == '+')
		p++;
	if (p == to || !jdg_is_digit(*p))
		return false;
	while (p < to && (jdg_is_digit(*p) || *p == '.'))
		p++;
	if (p < to && (jdg_is_alpha(*p) || *p == ':'))
		return true;
	if (memchr(from, '*', (size_t) (r->end - from)) != NULL)
		return false;
	return p == to && next < r->end && jdg_is_alpha(*next);
}

/*
 * Reads the text as the form that its first word announces.  On failure *out
 * may be filled in part.
 */
static bool
parse_forms(JdgReader *r, JdgTiming *out, JdgInstantParser parse_instant,
			void *arg)
{
	const char *from = skip_space(r->text, r->end);
	const char *to = skip_word(from, r->end);

	if (from == r->end)
	{
		jdg_reader_fail(r, r->text, "the timing is empty");
		return jdg_reader_hint(r, FORMS_HINT);
	}
	if (*from == '@')
		return parse_macro(r, from, to, out);
	if (jdg_word_is(from, to, "manual"))
	{
		out->kind = JDG_TIMING_MANUAL;
		return expect_end(r, to, from, to);
	}
	if (jdg_word_is(from, to, "at"))
		return parse_at(r, from, to, out, parse_instant, arg);
	if (jdg_word_is(from, to, "every"))
		return jdg_parse_interval(r, to, r->end, true, out);
	if (looks_like_date(from, to))
	{
		jdg_reader_fail(r, from, "a timestamp needs \"at\" before it");
		return jdg_reader_hint(r, "Write at %.*s.",
							   jdg_reader_clip(from, r->end, 60), from);
	}
	if (looks_like_interval(r, from, to))
		return jdg_parse_interval(r, from, r->end, false, out);
	if (jdg_is_alpha(*from))
	{
		jdg_reader_fail(r, from, "unexpected \"%.*s\" in a timing",
						jdg_reader_clip(from, to, 40), from);
		return jdg_reader_hint(r, FORMS_HINT);
	}
	return jdg_parse_cron(r, from, r->end, out);
}

bool
jdg_timing_parse(const char *text, size_t len, JdgTiming *out,
				 JdgTimingError *err, JdgInstantParser parse_instant,
				 void *arg)
{
	JdgReader	r;
	bool		ok;

	r.text = text;
	r.end = text +len;

	r.err = err;
	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	if (len > JDG_TIMING_MAX_TEXT)
	{
		jdg_reader_fail(&r, text +JDG_TIMING_MAX_TEXT,
						"the timing is longer than %d bytes",
						JDG_TIMING_MAX_TEXT);
		jdg_reader_hint(&r, "Write it shorter, with ranges and steps.");
		return false;
	}
	ok = parse_forms(&r, out, parse_instant, arg);
	if (!ok)
		memset(out, 0, sizeof(*out));
	return ok;
}

bool
jdg_timing_from_instant(int64_t instant_us, JdgTiming *out,
						JdgTimingError *err)
{
	JdgReader	r = {"", "", err};

	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	if (instant_us < JDG_INSTANT_MIN || instant_us >= JDG_INSTANT_END)
	{
		jdg_reader_fail(&r, NULL, "a timing cannot be infinite");
		return jdg_reader_hint(&r, "Give a finite timestamp, or use manual.");
	}
	out->kind = JDG_TIMING_ONCE;
	out->u.once_us = instant_us;
	return true;
}
