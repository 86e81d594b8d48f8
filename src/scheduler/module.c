/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of the scheduler in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "scheduler/pool.h"
#include "scheduler/starting.h"
#include "shared/wakeup.h"

static const JdgDuty duties[] = {
	{"roles", JDG_DUTY_CONTROL, JDG_WAKE_CONTROL, true, jdg_pool_roles_changed},
	{"started", JDG_DUTY_START, JDG_WAKE_ROUND, true, jdg_pool_check_started},
	{"pools", JDG_DUTY_START,
		JDG_WAKE_WORK | JDG_WAKE_WORKER | JDG_WAKE_CONTROL, true,
	jdg_pool_ensure},
	{NULL}
};

const JdgModule jdg_scheduler_module = {
	.name = "scheduler",
	.duties = duties,
};
