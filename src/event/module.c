/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of events in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "event/adopted.h"
#include "event/announce.h"
#include "event/charge.h"
#include "event/expire.h"
#include "event/feeds.h"
#include "event/full.h"
#include "event/lifecycle.h"
#include "event/notice.h"
#include "event/owned.h"
#include "event/upkeep.h"
#include "shared/wakeup.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.topic t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
		"WHERE t.owner = m.o AND t.topic_id >= 10", 2,
	{OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.event_type t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.event_grant t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.event_message t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.subscription t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.event t SET publisher = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.publisher = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.parked t "
		"SET event = t.event || jsonb_build_object('publisher', m.n) "
		"FROM unnest($1, $2) m(o, n) WHERE t.event IS NOT NULL "
	"AND (t.event->>'publisher')::oid = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static const JdgDuty duties[] = {
	{"feeds", JDG_DUTY_START, JDG_WAKE_EVENTS | JDG_WAKE_SWEEP |
	JDG_WAKE_FEEDS, true, jdg_event_feeds},
	{"full topics", JDG_DUTY_ADVANCE, JDG_WAKE_BACKLOG | JDG_WAKE_EVENTS, true,
	jdg_event_find_full},
	{"announce events", JDG_DUTY_START, JDG_WAKE_EVENTS | JDG_WAKE_SWEEP |
	JDG_WAKE_CONTROL | JDG_WAKE_FEEDS, false, jdg_event_announce},
	{"roll events", JDG_DUTY_UPKEEP, JDG_WAKE_EVENTS, true, jdg_event_roll},
	{"seal events", JDG_DUTY_UPKEEP, JDG_WAKE_EVENTS, true, jdg_event_seal},
	{"expire events", JDG_DUTY_UPKEEP, JDG_WAKE_EVENTS, true, jdg_event_expire},
	{"expire copied events", JDG_DUTY_UPKEEP, 0, true,
	jdg_event_expire_copied,.in_copies = true},
	{"subscriptions", JDG_DUTY_UPKEEP, JDG_WAKE_EVENTS, true,
	jdg_event_forget_subscriptions},
	{"message ids", JDG_DUTY_UPKEEP, 0, true, jdg_event_forget_messages},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_event_owned};

const JdgModule jdg_event_module = {
	.name = "event",
	.init = jdg_event_notice_init,
	.duties = duties,
	.died = jdg_event_charge,
	.roles = &roles,
	.adopted = jdg_events_adopted,
	.happened = jdg_event_happened,
};
