/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of requests in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "request/process.h"
#include "request/rules.h"
#include "shared/wakeup.h"

static void
init(void)
{
	jdg_target_register(&jdg_request_rules);
	jdg_http_process_init();
}

static const JdgDuty duties[] = {
	{"http", JDG_DUTY_START,
		JDG_WAKE_WORK | JDG_WAKE_WORKER | JDG_WAKE_CONTROL, true,
	jdg_http_process_ensure},
	{NULL}
};

const JdgModule jdg_request_module = {
	.name = "request",
	.init = init,
	.duties = duties,
};
