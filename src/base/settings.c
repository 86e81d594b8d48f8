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

#include "base/cidr.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/happening.h"
#include "base/label.h"
#include "base/settings.h"

bool		jdg_enabled = true;
int			jdg_max_workers = 4;
int			jdg_max_workers_per_role = 0;
int			jdg_max_http_processes = 4;
bool		jdg_http_enabled = true;
int			jdg_http_idle_timeout = 600000;
int			jdg_http_max_transfers = 512;
int			jdg_http_memory = 128 * 1024;
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
int			jdg_audit_retention = 365 * 24 * 60;
int			jdg_event_retention = 30 * 24 * 60;
static char *lifecycle_events = NULL;
uint64		jdg_lifecycle_kinds = 0;
int			jdg_event_max_hold = 7 * 24 * 60;
int			jdg_event_dedup_window = 24 * 3600;
int			jdg_max_event_size = 1024;
int			jdg_event_max_hops = 64;
int			jdg_max_shards = 256;
int			jdg_max_lanes = 16384;
int			jdg_max_gates = 8192;
int			jdg_event_notify_interval = 20;
int			jdg_max_parked = 10000;
int			jdg_max_result_size = 64;
int			jdg_cache_max_size = 64 * 1024;
int			jdg_max_blob_size = 64 * 1024;
int			jdg_max_blob_total = 10 * 1024 * 1024;
static char *http_allow_addresses = NULL;
int			jdg_http_allow_n = 0;
const JdgCidr *jdg_http_allow_ranges = NULL;
uint32		jdg_http_allow_changes = 0;
int			jdg_clock_offset = 0;
int			jdg_task_max_attempts = 10;
int			jdg_schedule_max_attempts = 1;
int			jdg_task_timeout = 0;
char	   *jdg_tenant = NULL;
int			jdg_log_failures = JDG_LOG_FAILURES_FINAL;

static const struct config_enum_entry log_failures_options[] = {
	{"none", JDG_LOG_FAILURES_NONE, false},
	{"final", JDG_LOG_FAILURES_FINAL, false},
	{"all", JDG_LOG_FAILURES_ALL, false},
	{NULL, 0, false}
};

/* Settings of processes and their limits. */
static void
define_process_settings(void)
{
	DefineCustomBoolVariable("jadugar.enabled",
							 "Enables the work of jadugar on this server.",
							 "When off, schedules and tasks stop in all databases, for example on staging copies.",
							 &jdg_enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_workers",
							"Maximum number of workers across all databases and roles.",
							"Each running worker takes one of max_worker_processes.",
							&jdg_max_workers, 4, 1, 1024, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_workers_per_role",
							"Maximum number of workers of one role in one database.",
							"Zero means that only jadugar.max_workers limits them.",
							&jdg_max_workers_per_role, 0, 0, 1024, PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomBoolVariable("jadugar.http_enabled",
							 "Send requests of HTTP tasks.",
							 "When off, HTTP tasks wait, for example on staging copies.",
							 &jdg_http_enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.http_idle_timeout",
							"Time that the http process stays without requests before it exits.",
							NULL, &jdg_http_idle_timeout, 600000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.http_max_transfers",
							"Maximum number of requests that one http process has under way.",
							"A role may have as many as are free, so half of them if it is alone.",
							&jdg_http_max_transfers, 512, 2, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.http_memory",
							"Memory for the bodies of the requests that one http process has under way.",
							"A role may have as much as is free.",
							&jdg_http_memory, 128 * 1024, 1024, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_http_processes",
							"Maximum number of http processes, one for each database that sends requests.",
							"Each running one takes one of max_worker_processes. Zero turns HTTP tasks off.",
							&jdg_max_http_processes, 4, 0, 64, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_databases",
							"Maximum number of databases on this server that can use jadugar.",
							NULL, &jdg_max_databases, 64, 1, 10000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_idle_timeout",
							"Time that an idle worker stays connected before it exits.",
							NULL, &jdg_worker_idle_timeout, 60000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.warm_workers",
							"Number of idle workers of a role that stay beyond jadugar.worker_idle_timeout.",
							"They exit when another role needs their place, or an hour after the last task of the role.",
							&jdg_warm_workers, 1, 0, 1024, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_max_tasks",
							"Number of tasks after which a worker exits.",
							"Zero disables the limit.",
							&jdg_worker_max_tasks, 0, 0, INT_MAX, PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.worker_max_memory",
							"Allocated memory of a worker above which it exits after its task.",
							"Zero disables the limit.",
							&jdg_worker_max_memory, 0, 0, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomRealVariable("jadugar.group_commit_window",
							 "Time during which a worker adds quick tasks to one transaction.",
							 NULL, &jdg_group_commit_window, 5.0, 0.0, 1000.0,
							 PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_crashes",
							"Number of killed workers after which a task fails with WORKER_CRASHED.",
							NULL, &jdg_max_crashes, 3, 1, 1000, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.cancel_grace",
							"Time that a cancelled or timed-out task may continue before its worker is terminated.",
							NULL, &jdg_cancel_grace, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/*
 * jadugar.lifecycle_events: patterns between commas, each of which has to match
 * a type.  "extra" are the kinds that they match.
 */
static bool
check_lifecycle_events(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	uint64		kinds = 0;
	bool		valid = true;
	char	   *at;

	for (char *word = strtok_r(copy, ", ", &at); word != NULL && valid;
		 word = strtok_r(NULL, ", ", &at))
	{
		uint64		matched = jdg_happenings_of(word);

		kinds |= matched;
		valid = matched != 0;
		if (valid)
			continue;
		GUC_check_errdetail("There are no lifecycle events of type \"%s\".",
							word);
		GUC_check_errhint("The types are %s.", jdg_happenings_like(word));
	}
	pfree(copy);
	if (!valid)
		return false;
	*extra = jdg_guc_malloc(sizeof(kinds));
	if (*extra == NULL)
		return false;
	memcpy(*extra, &kinds, sizeof(kinds));
	return true;
}

static void
assign_lifecycle_events(const char *newval, void *extra)
{
	memcpy(&jdg_lifecycle_kinds, extra, sizeof(jdg_lifecycle_kinds));
}

/* Settings of events. */
static void
define_event_settings(void)
{
	DefineCustomIntVariable("jadugar.event_retention",
							"Time for which events are kept in topics without a retention of their own.",
							"Whole partitions are dropped, when their last event is older than this.",
							&jdg_event_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomStringVariable("jadugar.lifecycle_events",
							   "Types of events of jadugar itself that are written though no subscription asks for them.",
							   "Types and patterns of types, between commas.",
							   &lifecycle_events, "", PGC_SIGHUP,
							   GUC_LIST_INPUT, check_lifecycle_events,
							   assign_lifecycle_events, NULL);
	DefineCustomIntVariable("jadugar.event_max_hold",
							"Time for which events past their retention are kept for a subscription that needs them.",
							"In topics without a max_hold of their own.",
							&jdg_event_max_hold, 7 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.event_dedup_window",
							"Time during which a message_id names the same event.",
							NULL, &jdg_event_dedup_window, 24 * 3600, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_event_size",
							"Maximum size of the data of an event.",
							NULL, &jdg_max_event_size, 1024, 1, 128 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.event_max_hops",
							"Maximum number of events that follow from one another.",
							"An event follows from another one if a handler publishes it while it handles that one.",
							&jdg_event_max_hops, 64, 1, 10000, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_shards",
							"Maximum number of shards of subscriptions on this server.",
							"A subscription has one shard unless it asks for more.",
							&jdg_max_shards, 256, 1, 65536, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_lanes",
							"Maximum number of lanes of ready tasks on this server.",
							"A lane has the ready tasks of one role, queue, priority and tenant.",
							&jdg_max_lanes, 16384, 64, 1048576, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_gates",
							"Maximum number of limits that count something at a time on this server.",
							NULL, &jdg_max_gates, 8192, 64, 1048576, PGC_POSTMASTER,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.event_notify_interval",
							"Time between two notifications of the channel jadugar_events.",
							NULL, &jdg_event_notify_interval, 20, 0, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_parked",
							"Number of events that a shard of a subscription sets aside before it waits.",
							NULL, &jdg_max_parked, 10000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* what the setting jadugar.http_allow_addresses contains */
typedef struct AllowedAddresses
{
	int			n;
	JdgCidr		ranges[FLEXIBLE_ARRAY_MEMBER];
} AllowedAddresses;

/* jadugar.http_allow_addresses: ranges between commas. */
static bool
check_allow_addresses(char **newval, void **extra, GucSource source)
{
	AllowedAddresses *allowed = jdg_guc_malloc(offsetof(AllowedAddresses, ranges) +
											   sizeof(JdgCidr) * JDG_CIDRS_MAX);
	const char *what;
	size_t		position;

	*extra = allowed;
	if (allowed == NULL)
		return false;
	allowed->n = jdg_cidrs_parse(*newval, allowed->ranges, JDG_CIDRS_MAX, &what,
								 &position);
	if (allowed->n >= 0)
		return true;
	GUC_check_errdetail("Range at character %d: %s", (int) position + 1, what);
	GUC_check_errhint("Write ranges between commas, as in 10.1.0.0/16, fd00::/8.");
	return false;
}

static void
assign_allow_addresses(const char *newval, void *extra)
{
	const AllowedAddresses *allowed = extra;

	jdg_http_allow_n = allowed->n;
	jdg_http_allow_ranges = allowed->ranges;
	jdg_http_allow_changes++;
}

/* Settings of HTTP requests. */
static void
define_http_settings(void)
{
	DefineCustomStringVariable("jadugar.http_allow_addresses",
							   "Ranges of addresses that are not public, to which endpoints may connect.",
							   "An endpoint connects to those of them that its option allow_addresses names.",
							   &http_allow_addresses, "", PGC_SIGHUP, 0,
							   check_allow_addresses, assign_allow_addresses,
							   NULL);
}

/* jadugar.tenant: empty, or a label. */
static bool
check_tenant(char **newval, void **extra, GucSource source)
{
	const char *fault = **newval ? jdg_tenant_fault(*newval) : NULL;

	if (fault)
		GUC_check_errdetail("%s", fault);
	return fault == NULL;
}

/* Settings of blobs. */
static void
define_blob_settings(void)
{
	DefineCustomIntVariable("jadugar.max_blob_size",
							"Maximum size of a blob.",
							NULL, &jdg_max_blob_size, 64 * 1024, 0, 1000 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.max_blob_total",
							"Maximum size of all blobs of each database.",
							NULL, &jdg_max_blob_total, 10 * 1024 * 1024, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
}

/* Settings of schedules, retention, retries and tests. */
static void
define_policy_settings(void)
{
	DefineCustomIntVariable("jadugar.misfire_threshold",
							"Maximum delay of an occurrence that counts as on time.",
							NULL, &jdg_misfire_threshold, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.misfire_grace",
							"Maximum age of a missed occurrence that still runs.",
							"Older occurrences are recorded and skipped.",
							&jdg_misfire_grace, 3600, 0, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.history_retention",
							"Time for which the history is kept.",
							"Whole days are dropped, when their last minute is older than this.",
							&jdg_history_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.log_retention",
							"Time for which log entries of tasks are kept.",
							NULL, &jdg_log_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.audit_retention",
							"Time for which the audit trail is kept.",
							NULL, &jdg_audit_retention, 365 * 24 * 60, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL,
							NULL);
	DefineCustomIntVariable("jadugar.max_result_size",
							"Maximum size of the result of a task.",
							"A larger result is replaced by a marker.",
							&jdg_max_result_size, 64, 0, 1024 * 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.cache_max_size",
							"Maximum size of the cache of each database.",
							"Values that expire first are deleted beyond it.",
							&jdg_cache_max_size, 64 * 1024, 0, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.task_max_attempts",
							"Maximum number of attempts of an enqueued task if its retry policy sets none.",
							NULL, &jdg_task_max_attempts, 10, 1, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.schedule_max_attempts",
							"Maximum number of attempts of an occurrence of a schedule if its retry policy sets none.",
							NULL, &jdg_schedule_max_attempts, 1, 1, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.task_timeout",
							"Maximum duration of an attempt if neither the task nor its handler sets one.",
							"Zero disables the limit.",
							&jdg_task_timeout, 0, 0, INT_MAX, PGC_USERSET,
							GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("jadugar.tenant",
							   "Tenant of tasks, schedules, runs of flows and events for which a call names none.",
							   "Tasks and events that a task makes have the tenant of that task, if it has one.",
							   &jdg_tenant, "", PGC_USERSET, 0,
							   check_tenant, NULL, NULL);
	DefineCustomEnumVariable("jadugar.log_failures",
							 "Failed attempts of tasks that are written to the server's log.",
							 NULL, &jdg_log_failures, JDG_LOG_FAILURES_FINAL,
							 log_failures_options, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("jadugar.clock_offset",
							"Offset added to the clock of jadugar.",
							"For tests only.",
							&jdg_clock_offset, 0, INT_MIN, INT_MAX, PGC_SIGHUP,
							GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL | GUC_UNIT_S,
							NULL, NULL, NULL);
}

void
jdg_define_settings(void)
{
	define_process_settings();
	define_policy_settings();
	define_event_settings();
	define_blob_settings();
	define_http_settings();
	jdg_fault_init();
	MarkGUCPrefixReserved("jadugar");
}
