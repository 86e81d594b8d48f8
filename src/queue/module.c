/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of queues in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "queue/owned.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.queue t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o AND t.queue_id >= 10", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.queue_grant t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_queue_owned};

const JdgModule jdg_queue_module = {
	.name = "queue",
	.roles = &roles,
};
