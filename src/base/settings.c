/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Definition of jadugar's settings.
 *
 * doc/reference/settings.md has one entry for each; a test compares.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/fault.h"
#include "base/settings.h"

bool		jdg_enabled = true;
int			jdg_max_workers = 4;
int			jdg_max_workers_per_role = 0;
int			jdg_max_databases = 64;
int			jdg_worker_idle_timeout = 60000;
int			jdg_warm_workers = 1;
int			jdg_worker_max_tasks = 0;
int			jdg_worker_max_memory = 0;
double		jdg_group_commit_window = 5.0;
int			jdg_max_crashes = 3;
int			jdg_cancel_grace = 5000;
int			jdg_misfire_threshold = 5000;
int			jdg_misfire_grace = 3600;
int			jdg_history_retention = 30 * 24 * 60;
int			jdg_log_retention = 30 * 24 * 60;
int			jdg_max_result_size = 64;
int			jdg_clock_offset = 0;
int			jdg_task_max_attempts = 10;
int			jdg_schedule_max_attempts = 1;
int			jdg_task_timeout = 0;

static void
define_process_settings(void)
{
	DefineCustomBoolVariable("jadugar.enabled",
							 "Whether jadugar does any work on this server.",
							 "Off stops schedules and tasks in all databases: the switch for staging copies.",
							 &jdg_enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_workers",
							"Most workers of all databases and roles together.",
							"Each takes one of max_worker_processes while it runs.",
							&jdg_max_workers, 4, 1, 1024, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_workers_per_role",
							"Most workers of one role in one database.",
							"Zero means as many as jadugar.max_workers.",
							&jdg_max_workers_per_role, 0, 0, 1024, PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_databases",
							"Most databases of this server that can use jadugar.",
							NULL, &jdg_max_databases, 64, 1, 10000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_idle_timeout",
							"How long a worker without work stays, to be warm for the next task.",
							NULL, &jdg_worker_idle_timeout, 60000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.warm_workers",
							"How many idle workers of a role stay beyond jadugar.worker_idle_timeout.",
							"They leave when another role needs their place, or an hour after the role's last task.",
							&jdg_warm_workers, 1, 0, 1024, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_max_tasks",
							"A worker leaves after this many tasks.",
							"Zero sets no bound.",
							&jdg_worker_max_tasks, 0, 0, INT_MAX, PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_max_memory",
							"A worker whose own memory has grown past this leaves after its task.",
							"Zero sets no bound.",
							&jdg_worker_max_memory, 0, 0, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomRealVariable("jadugar.group_commit_window",
							 "How long a worker goes on adding quick tasks to one transaction.",
							 NULL, &jdg_group_commit_window, 5.0, 0.0, 1000.0,
							 PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_crashes",
							"A task that has killed this many workers fails with WORKER_CRASHED.",
							NULL, &jdg_max_crashes, 3, 1, 1000, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.cancel_grace",
							"How long a cancelled or timed-out task may go on before its worker is terminated.",
							NULL, &jdg_cancel_grace, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

static void
define_policy_settings(void)
{
	DefineCustomIntVariable("jadugar.misfire_threshold",
							"An occurrence that fires no later than this is on time.",
							NULL, &jdg_misfire_threshold, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.misfire_grace",
							"Missed occurrences older than this are recorded and not run.",
							NULL, &jdg_misfire_grace, 3600, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.history_retention",
							"How long the history is kept.",
							"Days are dropped whole, when their last minute is older than this.",
							&jdg_history_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.log_retention",
							"How long what tasks logged is kept.",
							NULL, &jdg_log_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_result_size",
							"A larger result of a task is not kept; a marker is kept instead.",
							NULL, &jdg_max_result_size, 64, 0, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.task_max_attempts",
							"How often an enqueued task is tried when its retry policy does not say.",
							NULL, &jdg_task_max_attempts, 10, 1, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.schedule_max_attempts",
							"How often an occurrence of a schedule is tried when its retry policy does not say.",
							NULL, &jdg_schedule_max_attempts, 1, 1, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.task_timeout",
							"How long a task may run when nothing else says so.",
							"Zero sets no bound.",
							&jdg_task_timeout, 0, 0, INT_MAX, PGC_USERSET,
							GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.clock_offset",
							"Seconds added to the clock that jadugar goes by.",
							"For tests only.",
							&jdg_clock_offset, 0, INT_MIN, INT_MAX, PGC_SIGHUP,
							GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL | GUC_UNIT_S,
							NULL, NULL, NULL);
}

/* Called once from _PG_init. */
void
jdg_define_settings(void)
{
	define_process_settings();
	define_policy_settings();
	jdg_fault_init();
	MarkGUCPrefixReserved("jadugar");
}
