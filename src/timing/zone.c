/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  The server's time zones as JdgZone.
 *
 * Runs in any process.  A pg_tz lives as long as its process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "timing/zone.h"

/* difference between a pg_time_t and a TimestampTz, in seconds */
#define EPOCH_SECONDS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* the span that the fingerprint of a zone covers around its instant */
#define FINGERPRINT_BEFORE	(INT64CONST(366) * USECS_PER_DAY)
#define FINGERPRINT_AFTER	(INT64CONST(15) * 366 * USECS_PER_DAY)

#define LETTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Rounds down, so that an offset holds from its very first microsecond. */
static pg_time_t
to_time(int64 us)
{
	int64		seconds = us / USECS_PER_SEC;

	if (us % USECS_PER_SEC < 0)
		seconds--;
	return (pg_time_t) (seconds + EPOCH_SECONDS);
}

/* JdgZone.utc_offset of a pg_tz. */
static int32
zone_offset(void *arg, int64_t utc_us)
{
	pg_time_t	time = to_time(utc_us);
	struct pg_tm *tm = pg_localtime(&time, (pg_tz *) arg);

	return tm != NULL ? (int32) tm->tm_gmtoff : 0;
}

/*
 * JdgZone.next_change of a pg_tz.  Skips boundaries at which only the
 * abbreviation changes.  pg_next_dst_boundary() finds none if it starts
 * exactly at the last one in its table, even if the zone's rule continues:
 * then it is called again from one second later.
 */
static bool
zone_change(void *arg, int64_t utc_us, int64_t *change_us)
{
	pg_time_t	time = to_time(utc_us);

	for (;;)
	{
		long int	before_offset;
		long int	after_offset;
		int			before_dst;
		int			after_dst;
		pg_time_t	boundary;
		pg_time_t	retry = time + 1;
		int			result;

		result = pg_next_dst_boundary(&time, &before_offset, &before_dst,
									  &boundary, &after_offset, &after_dst,
									  (pg_tz *) arg);
		if (result == 0)
			result = pg_next_dst_boundary(&retry, &before_offset, &before_dst,
										  &boundary, &after_offset,
										  &after_dst, (pg_tz *) arg);
		if (result != 1 || boundary <= time)
			return false;
		if (before_offset != after_offset)
		{
			int64		seconds = (int64) boundary - EPOCH_SECONDS;

			if (seconds >= END_TIMESTAMP / USECS_PER_SEC)
				return false;
			*change_us = seconds * USECS_PER_SEC;
			return true;
		}
		time = boundary;
	}
}

pg_tz *
jdg_zone_lookup(const char *name)
{
	pg_tz	   *tz;

	if (name == NULL)
		return session_timezone;
	/* POSIX counts these to the west, unlike SET timezone and ISO 8601 */
	if (name[0] != '\0' && name[0] != '<' &&
		strcspn(name, LETTERS) == strlen(name))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("time zone \"%s\" is ambiguous", name),
				 errdetail("An offset without a name counts to the west of Greenwich in POSIX, and to the east elsewhere."),
				 errhint("Use a name such as Europe/Berlin, or Etc/GMT-2 for two hours to the east.")));
	tz = name[0] == '\0' ? NULL : pg_tzset(name);
	if (tz == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("time zone \"%s\" not recognized", name),
				 errdetail("The server has no time zone with this name."),
				 errhint("Use a name from the view pg_timezone_names, such as Europe/Berlin.")));
	if (!pg_tz_acceptable(tz))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("time zone \"%s\" uses leap seconds", name),
				 errdetail("PostgreSQL does not support leap seconds."),
				 errhint("Use a name from the view pg_timezone_names, such as Europe/Berlin.")));
	return tz;
}

void
jdg_zone_init(JdgZone *zone, pg_tz *tz)
{
	zone->utc_offset = zone_offset;
	zone->next_change = zone_change;
	zone->arg = tz;
}

/* Hashes the eight bytes of value, the lowest first, with FNV-1a. */
static uint64
hash_int64(uint64 hash, int64 value)
{
	for (int i = 0; i < 8; i++)
		hash = (hash ^ (((uint64) value >> (8 * i)) & 0xFF)) *
			UINT64CONST(0x100000001B3);
	return hash;
}

uint64
jdg_zone_fingerprint(pg_tz *tz, TimestampTz at)
{
	int64_t		change = at - FINGERPRINT_BEFORE;
	uint64		hash = hash_int64(UINT64CONST(0xCBF29CE484222325),
								  zone_offset(tz, change));

	while (zone_change(tz, change, &change) &&
		   change <= at + FINGERPRINT_AFTER)
	{
		hash = hash_int64(hash, change);
		hash = hash_int64(hash, zone_offset(tz, change));
	}
	return hash;
}
