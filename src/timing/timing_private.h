/*-------------------------------------------------------------------------
 *
 * timing_private.h
 *	  What the files of src/timing share among themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_TIMING_PRIVATE_H
#define JDG_TIMING_TIMING_PRIVATE_H

#include "timing/timing.h"

#define JDG_US_PER_SECOND	INT64_C(1000000)
#define JDG_US_PER_MINUTE	(60 * JDG_US_PER_SECOND)
#define JDG_US_PER_HOUR		(3600 * JDG_US_PER_SECOND)
#define JDG_SECONDS_PER_DAY INT64_C(86400)
#define JDG_US_PER_DAY		(JDG_SECONDS_PER_DAY * JDG_US_PER_SECOND)

/* PostgreSQL's MIN_TIMESTAMP and END_TIMESTAMP: [first, end) */
#define JDG_INSTANT_MIN		INT64_C(-211813488000000000)
#define JDG_INSTANT_END		INT64_C(9223371331200000000)

/* bits lo to hi, both included */
#define JDG_BITS(lo, hi) \
	(((UINT64_C(1) << ((hi) - (lo) + 1)) - 1) << (lo))

/* the six fields of a cron expression */
typedef enum JdgFieldId
{
	JDG_FIELD_SECOND,
	JDG_FIELD_MINUTE,
	JDG_FIELD_HOUR,
	JDG_FIELD_DOM,
	JDG_FIELD_MONTH,
	JDG_FIELD_DOW
} JdgFieldId;

#define JDG_FIELDS 6

/* A bounded text: like snprintf, length grows past what fits. */
typedef struct JdgText
{
	char	   *buf;
	size_t		size;
	size_t		length;
} JdgText;

extern void jdg_text_init(JdgText *t, char *buf, size_t size);
extern void jdg_text_add(JdgText *t, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

/* A text being read. */
typedef struct JdgReader
{
	const char *text;
	const char *end;
	JdgTimingError *err;
} JdgReader;

/* Both return false, to be returned at once. */
extern bool jdg_reader_fail(JdgReader *r, const char *where,
							const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern bool jdg_reader_hint(JdgReader *r, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern int	jdg_reader_clip(const char *from, const char *to, int max);

static inline bool
jdg_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
jdg_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
jdg_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char
jdg_lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char) (c - 'A' + 'a') : c;
}

extern bool jdg_word_is(const char *from, const char *to, const char *word);

/* parse_cron.c, parse_interval.c */
extern bool jdg_parse_cron(JdgReader *r, const char *from, const char *to,
						   JdgTiming *out);
extern bool jdg_parse_interval(JdgReader *r, const char *from, const char *to,
							   bool unit_alone, JdgTiming *out);

/* calendar.c */
extern int64_t jdg_floor_div(int64_t a, int64_t b);
extern int64_t jdg_civil_to_day(int64_t year, int month, int day);
extern void jdg_civil_from_day(int64_t days, int64_t *year, int *month,
							   int *day);
extern int	jdg_month_length(int64_t year, int month);
extern int	jdg_weekday(int64_t day);
extern int64_t jdg_zone_offset(const JdgZone *zone, int64_t utc_us);
extern bool jdg_zone_change(const JdgZone *zone, int64_t utc_us,
							int64_t *change_us);
extern int64_t jdg_wall_reached(const JdgZone *zone, int64_t utc_us);
extern int64_t jdg_wall_first(const JdgZone *zone, int64_t wall_us);

/*
 * No zone is further than this from UTC: seven days is the limit of POSIX
 * zone strings.  Twice that bounds how far a clock can be set back.
 */
#define JDG_OFFSET_MAX_US	(8 * JDG_US_PER_DAY)

/* cron.c */
extern uint32_t jdg_cron_month(const JdgCron *c, int first_weekday, int length);
extern bool jdg_cron_can_match(const JdgCron *c);
extern bool jdg_cron_wall(const JdgCron *c, int64_t from_s, int64_t *wall_s);

#endif							/* JDG_TIMING_TIMING_PRIVATE_H */
