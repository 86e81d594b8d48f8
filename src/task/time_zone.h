/*-------------------------------------------------------------------------
 *
 * time_zone.h
 *	  The time zone of a task, as one of its settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TIME_ZONE_H
#define JDG_TASK_TIME_ZONE_H

#include "utils/jsonb.h"

/*
 * Settings (NULL: none) with this TimeZone, unless they have another one; in
 * the current context, or the settings themselves.
 */
extern Jsonb *jdg_settings_with_zone(Jsonb *settings, const char *zone);

#endif							/* JDG_TASK_TIME_ZONE_H */
