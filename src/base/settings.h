/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings (GUCs) of jadugar; comments give their units.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SETTINGS_H
#define JDG_BASE_SETTINGS_H

/* server */
/* jadugar.log_failures */
typedef enum JdgLogFailures
{
	JDG_LOG_FAILURES_NONE,
	JDG_LOG_FAILURES_FINAL,		/* of tasks that are not tried again */
	JDG_LOG_FAILURES_ALL
} JdgLogFailures;

extern int	jdg_log_failures;	/* a JdgLogFailures */
extern bool jdg_enabled;
extern int	jdg_max_workers;
extern int	jdg_max_workers_per_role;
extern int	jdg_max_http_processes;
extern bool jdg_http_enabled;
extern int	jdg_http_idle_timeout;	/* ms */
extern int	jdg_http_max_transfers; /* of one process */
extern int	jdg_http_memory;	/* kB */
extern int	jdg_max_databases;
extern int	jdg_worker_idle_timeout;	/* ms */
extern int	jdg_warm_workers;
extern int	jdg_worker_max_tasks;	/* 0: no bound */
extern int	jdg_worker_max_memory;	/* kB, 0: no bound */
extern double jdg_group_commit_window;	/* ms */
extern int	jdg_max_crashes;
extern int	jdg_cancel_grace;	/* ms */
extern int	jdg_misfire_threshold;	/* ms */
extern int	jdg_misfire_grace;	/* s */
extern int	jdg_history_retention;	/* min */
extern int	jdg_log_retention;	/* min */
extern int	jdg_audit_retention;	/* min */
extern int	jdg_event_retention;	/* min */
extern int	jdg_event_max_hold; /* min */
extern uint64 jdg_lifecycle_kinds;	/* of jadugar.lifecycle_events, as bits */
extern int	jdg_event_dedup_window; /* s */
extern int	jdg_max_event_size; /* kB */
extern int	jdg_event_max_hops;
extern int	jdg_max_shards;
extern int	jdg_max_lanes;
extern int	jdg_max_gates;
extern int	jdg_event_notify_interval;	/* milliseconds */
extern int	jdg_max_parked;
extern int	jdg_max_result_size;	/* kB */
extern int	jdg_cache_max_size; /* kB */
extern int	jdg_max_blob_size;	/* kB */
extern int	jdg_max_blob_total; /* kB */
extern int	jdg_clock_offset;	/* s, for tests */


/* ranges of jadugar.http_allow_addresses, until it changes */
struct JdgCidr;
extern int	jdg_http_allow_n;
extern const struct JdgCidr *jdg_http_allow_ranges;
extern uint32 jdg_http_allow_changes;	/* how often it has changed */

/* defaults, per session */
extern int	jdg_task_max_attempts;
extern int	jdg_schedule_max_attempts;
extern int	jdg_task_timeout;	/* ms, 0: none */
extern char *jdg_tenant;		/* empty: none */

/* called once, by _PG_init */
extern void jdg_define_settings(void);

#endif							/* JDG_BASE_SETTINGS_H */
