/*-------------------------------------------------------------------------
 *
 * cron.h
 *	  Which days and wall clock readings a cron expression matches.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_CRON_H
#define JDG_TIMING_CRON_H

#include "timing/timing.h"

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

extern uint32_t jdg_cron_month(const JdgCron *c, int first_weekday, int length);
extern bool jdg_cron_can_match(const JdgCron *c);
extern bool jdg_cron_wall(const JdgCron *c, int64_t from_s, int64_t *wall_s);

#endif							/* JDG_TIMING_CRON_H */
