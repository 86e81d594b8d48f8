/*-------------------------------------------------------------------------
 *
 * zones.h
 *	  Rows of jadugar_internal.zone: the rules by which schedules were computed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_ZONES_H
#define JDG_SCHEDULE_ZONES_H

#include "utils/timestamp.h"

/*
 * A hash of a zone's rules around an instant that stays the same for years, so
 * that it can be compared.  When that instant moves on, next instants are
 * computed anew for nothing.  jdg_zone_note() keeps it in
 * jadugar_internal.zone.
 */
extern int64 jdg_zone_rules(const char *zone, TimestampTz now);
extern void jdg_zone_note(const char *zone);

#endif							/* JDG_SCHEDULE_ZONES_H */
