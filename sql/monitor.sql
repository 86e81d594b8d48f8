-- Views that combine several modules, and views of shared memory:
-- src/monitor/.

-- ----------------------------------------------------------- tasks and queues

CREATE VIEW jadugar.running WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE COALESCE(s.name, t.schedule) END AS name,
	w.phase,
	w.started_at,
	jadugar_internal._v_now() - w.started_at AS elapsed,
	w.deadline,
	t.scheduled_for,
	t.attempt + 1 AS attempt,
	t.priority,
	w.progress,
	w.pid,
	q.name AS queue,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.tenant,
	COALESCE(s.name, t.schedule) AS schedule,
	t.flow_run,
	t.step,
	p.wait_event_type,
	p.wait_event,
	CASE WHEN w.phase = 'running'
		THEN NULLIF(pg_catalog.pg_blocking_pids(w.pid), '{}')
	END AS blocked_by,
	t.trace,
	w.message,
	p.query AS statement,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(t.owner, t.tenant)
		THEN t.payload END AS payload
FROM jadugar_internal._v_slots() w
	JOIN jadugar_internal.task t ON t.task_id = w.task_id
	LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) p
		ON w.phase = 'running'
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = t.owner
WHERE w.phase <> 'claimed'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(t.owner, t.tenant));
COMMENT ON VIEW jadugar.running IS 'Tasks that workers are running now.';
COMMENT ON COLUMN jadugar.running.task_id IS 'Id of the task.';
COMMENT ON COLUMN jadugar.running.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.running.phase IS 'Phase: running, or done until its group commits.';
COMMENT ON COLUMN jadugar.running.started_at IS 'Start of this attempt.';
COMMENT ON COLUMN jadugar.running.elapsed IS 'Time since the start of this attempt.';
COMMENT ON COLUMN jadugar.running.deadline IS 'Instant at which the attempt times out, or NULL.';
COMMENT ON COLUMN jadugar.running.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.running.attempt IS 'Number of this attempt.';
COMMENT ON COLUMN jadugar.running.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.running.progress IS
	'Fraction done, as last reported by progress(), or NULL.';
COMMENT ON COLUMN jadugar.running.pid IS 'Process id of the worker.';
COMMENT ON COLUMN jadugar.running.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.running.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.running.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.running.schedule IS 'Schedule that created the task, or NULL.';
COMMENT ON COLUMN jadugar.running.flow_run IS 'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.running.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.running.wait_event_type IS
	'Type of the event that the worker waits for, as in pg_stat_activity.';
COMMENT ON COLUMN jadugar.running.wait_event IS
	'Event that the worker waits for, as in pg_stat_activity.';
COMMENT ON COLUMN jadugar.running.blocked_by IS 'Process ids whose locks it waits for, or NULL.';
COMMENT ON COLUMN jadugar.running.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.running.message IS 'Message of progress(), or NULL.';
COMMENT ON COLUMN jadugar.running.statement IS
	'Statement, as pg_stat_activity shows it to the reader.';
COMMENT ON COLUMN jadugar.running.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.running.payload IS 'Argument of the command.';

-- The subqueries count per owner and keep that order with OFFSET 0, so that
-- _v_sees() is called once per owner and not once per task; for a confined
-- reader, who sees no totals, they count per tenant, too. The reader sees its
-- own queues, the queues it may use, and the queues that hold a task that it
-- sees.
CREATE VIEW jadugar.queues WITH (security_barrier) AS
SELECT q.name,
	q.paused_at IS NOT NULL AS paused,
	q.paused_at,
	CASE WHEN n.oldest_ready IS NOT NULL
		THEN GREATEST(jadugar_internal._v_now() - n.oldest_ready, '0')
	END AS oldest_ready_age,
	COALESCE(n.ready, 0) AS ready,
	COALESCE(n.scheduled, 0) AS scheduled,
	COALESCE(n.running, 0) AS running,
	COALESCE(n.waiting, 0) AS waiting,
	COALESCE(n.paused, 0) AS paused_tasks,
	COALESCE(r.finished, 0) / 5.0::double precision AS finished_per_minute,
	COALESCE(r.failed, 0) / 5.0::double precision AS failed_per_minute,
	q.max_concurrency,
	q.max_depth,
	q.on_full,
	q.isolate,
	q.history,
	q.retention,
	COALESCE(a.rolname, q.owner::text::name) AS owner,
	q.paused_by,
	q.created_at,
	q.description
FROM jadugar_internal.queue q
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = q.owner
	LEFT JOIN (
		SELECT o.queue_id,
			pg_catalog.sum(o.ready)::bigint AS ready,
			pg_catalog.sum(o.scheduled)::bigint AS scheduled,
			pg_catalog.sum(o.waiting)::bigint AS waiting,
			pg_catalog.sum(o.paused)::bigint AS paused,
			pg_catalog.sum(o.running)::bigint AS running,
			pg_catalog.min(o.oldest_ready) AS oldest_ready
		FROM (
			SELECT t.queue_id, t.owner,
				CASE WHEN (SELECT jadugar_internal._v_is_confined())
					THEN t.tenant END AS tenant,
				pg_catalog.count(*) FILTER
					(WHERE t.state = 'r' AND w.task_id IS NULL) AS ready,
				pg_catalog.count(*) FILTER
					(WHERE t.state IN ('x', 'f') OR w.task_id IS NOT NULL) AS running,
				pg_catalog.count(*) FILTER (WHERE t.state = 's') AS scheduled,
				pg_catalog.count(*) FILTER (WHERE t.state IN ('d', 'k')) AS waiting,
				pg_catalog.count(*) FILTER (WHERE t.state = 'p') AS paused,
				pg_catalog.min(t.run_at) FILTER
					(WHERE t.state = 'r' AND w.task_id IS NULL) AS oldest_ready
			FROM jadugar_internal.task t
				LEFT JOIN jadugar_internal._v_slots() w
					ON w.task_id = t.task_id AND w.phase <> 'claimed'
			GROUP BY 1, 2, 3
			OFFSET 0) o
		WHERE (SELECT jadugar_internal._v_is_monitor())
			OR jadugar_internal._v_sees(o.owner, o.tenant)
		GROUP BY o.queue_id) n ON n.queue_id = q.queue_id
	LEFT JOIN (
		SELECT o.queue_id,
			pg_catalog.sum(o.finished)::bigint AS finished,
			pg_catalog.sum(o.failed)::bigint AS failed
		FROM (
			SELECT h.queue_id, h.owner,
				CASE WHEN (SELECT jadugar_internal._v_is_confined())
					THEN h.tenant END AS tenant,
				pg_catalog.count(*) FILTER (WHERE h.final) AS finished,
				pg_catalog.count(*) FILTER (WHERE h.status IN ('f', 'l')) AS failed
			FROM jadugar_internal.attempt h
			WHERE h.finished_at > (SELECT jadugar_internal._v_now() - '5 minutes'::interval)
				AND h.status <> 's'
			GROUP BY 1, 2, 3
			OFFSET 0) o
		WHERE (SELECT jadugar_internal._v_is_monitor())
			OR jadugar_internal._v_sees(o.owner, o.tenant)
		GROUP BY o.queue_id) r ON r.queue_id = q.queue_id
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(q.owner)
	OR n.queue_id IS NOT NULL
	OR (SELECT jadugar_internal._v_has_access())
		AND (q.queue_id = 1
			OR EXISTS (SELECT FROM jadugar_internal.queue_grant g
				WHERE g.queue_id = q.queue_id
					AND pg_catalog.pg_has_role(g.role, 'USAGE')));
COMMENT ON VIEW jadugar.queues IS
	'Queues, their limits, and counts of the tasks in them that the reader may see.';
COMMENT ON COLUMN jadugar.queues.name IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.queues.paused IS 'True if pause_queue() holds the queue.';
COMMENT ON COLUMN jadugar.queues.paused_at IS 'Instant at which pause_queue() was called, or NULL.';
COMMENT ON COLUMN jadugar.queues.oldest_ready_age IS
	'Age of the oldest ready task, since its run_at; or NULL.';
COMMENT ON COLUMN jadugar.queues.ready IS 'Number of tasks that could run now.';
COMMENT ON COLUMN jadugar.queues.scheduled IS 'Number of tasks whose run_at lies ahead.';
COMMENT ON COLUMN jadugar.queues.running IS 'Number of running tasks.';
COMMENT ON COLUMN jadugar.queues.waiting IS
	'Number of tasks that wait for a predecessor or a concurrency key.';
COMMENT ON COLUMN jadugar.queues.paused_tasks IS 'Number of tasks paused by pause_task().';
COMMENT ON COLUMN jadugar.queues.finished_per_minute IS
	'Tasks that finished, mean of the last 5 minutes.';
COMMENT ON COLUMN jadugar.queues.failed_per_minute IS
	'Attempts that failed, mean of the last 5 minutes.';
COMMENT ON COLUMN jadugar.queues.max_concurrency IS
	'Maximum number of its tasks that run at the same time.';
COMMENT ON COLUMN jadugar.queues.max_depth IS 'Maximum number of its unfinished tasks.';
COMMENT ON COLUMN jadugar.queues.on_full IS
	'Action when a task is added to a full queue: reject, block or drop_oldest.';
COMMENT ON COLUMN jadugar.queues.isolate IS 'True if each task has its own transaction.';
COMMENT ON COLUMN jadugar.queues.history IS
	'Attempts that the history keeps: all, failures or none.';
COMMENT ON COLUMN jadugar.queues.retention IS
	'Time for which attempts are kept, if shorter than the setting.';
COMMENT ON COLUMN jadugar.queues.owner IS 'Role that created it.';
COMMENT ON COLUMN jadugar.queues.paused_by IS 'Role that paused it.';
COMMENT ON COLUMN jadugar.queues.created_at IS 'Instant of its creation.';
COMMENT ON COLUMN jadugar.queues.description IS 'Text for readers.';

-- ------------------------------------------------------- workers and counters

CREATE VIEW jadugar.workers WITH (security_barrier) AS
SELECT w.pid,
	COALESCE(a.rolname, w.owner::text::name) AS owner,
	w.state,
	w.leaving,
	w.started_at,
	w.registered_at,
	w.idle_since,
	CASE WHEN NOT c.confined THEN w.task_id END AS task_id,
	CASE WHEN NOT c.confined THEN w.tasks END AS tasks,
	CASE WHEN NOT c.confined THEN w.tasks_done END AS tasks_done,
	CASE WHEN NOT c.confined THEN w.load END AS load,
	CASE WHEN NOT c.confined THEN w.memory END AS memory
FROM jadugar_internal._v_workers() w
	CROSS JOIN (SELECT jadugar_internal._v_is_confined() AS confined) c
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = w.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(w.owner);
COMMENT ON VIEW jadugar.workers IS 'Worker processes of this database.';
COMMENT ON COLUMN jadugar.workers.pid IS 'Process id; NULL while the process is being started.';
COMMENT ON COLUMN jadugar.workers.owner IS 'Role whose tasks it runs.';
COMMENT ON COLUMN jadugar.workers.state IS
	'State: starting, idle, busy, or dead while it is being cleaned up.';
COMMENT ON COLUMN jadugar.workers.leaving IS 'True if it exits after its group.';
COMMENT ON COLUMN jadugar.workers.started_at IS 'Start of the process.';
COMMENT ON COLUMN jadugar.workers.registered_at IS 'Instant at which the scheduler requested it.';
COMMENT ON COLUMN jadugar.workers.idle_since IS 'Instant since which it is idle, or NULL.';
COMMENT ON COLUMN jadugar.workers.task_id IS
	'Task that it runs now. This column and those that follow are NULL to a confined role.';
COMMENT ON COLUMN jadugar.workers.tasks IS 'Number of tasks in its present group.';
COMMENT ON COLUMN jadugar.workers.tasks_done IS 'Number of tasks it has run.';
COMMENT ON COLUMN jadugar.workers.load IS 'Fraction of its life spent in tasks, from 0 to 1.';
COMMENT ON COLUMN jadugar.workers.memory IS 'Allocated memory in bytes, after its last task.';

CREATE VIEW jadugar.stats WITH (security_barrier) AS
SELECT s.reset_at, s.enqueued, s.fired, s.completed, s.failed, s.retried,
	s.cancelled, s.lost, s.skipped, s.commits,
	s.wait_p50, s.wait_p95, s.wait_p99, s.run_p50, s.run_p95, s.run_p99,
	s.wait_histogram, s.run_histogram
FROM jadugar_internal._v_stats() s;
COMMENT ON VIEW jadugar.stats IS
	'Counters of this database since the server start or the last reset_stats().';
COMMENT ON COLUMN jadugar.stats.reset_at IS 'Instant since which the counters count.';
COMMENT ON COLUMN jadugar.stats.enqueued IS 'Tasks enqueued.';
COMMENT ON COLUMN jadugar.stats.fired IS 'Occurrences that created a task.';
COMMENT ON COLUMN jadugar.stats.completed IS 'Tasks that completed.';
COMMENT ON COLUMN jadugar.stats.failed IS 'Tasks that failed for good.';
COMMENT ON COLUMN jadugar.stats.retried IS 'Attempts that failed and are tried again.';
COMMENT ON COLUMN jadugar.stats.cancelled IS 'Tasks cancelled.';
COMMENT ON COLUMN jadugar.stats.lost IS 'Attempts lost because their worker died.';
COMMENT ON COLUMN jadugar.stats.skipped IS 'Occurrences that did not run.';
COMMENT ON COLUMN jadugar.stats.commits IS 'Commits of groups of tasks.';
COMMENT ON COLUMN jadugar.stats.wait_p50 IS 'Median time from ready to started.';
COMMENT ON COLUMN jadugar.stats.wait_p95 IS '95th percentile of the time from ready to started.';
COMMENT ON COLUMN jadugar.stats.wait_p99 IS '99th percentile of the time from ready to started.';
COMMENT ON COLUMN jadugar.stats.run_p50 IS 'Median time from started to finished.';
COMMENT ON COLUMN jadugar.stats.run_p95 IS '95th percentile of the time from started to finished.';
COMMENT ON COLUMN jadugar.stats.run_p99 IS '99th percentile of the time from started to finished.';
COMMENT ON COLUMN jadugar.stats.wait_histogram IS
	'Histogram of the times from ready to started, 32 counts.';
COMMENT ON COLUMN jadugar.stats.run_histogram IS
	'Histogram of the times from started to finished, 32 counts.';

CREATE FUNCTION jadugar.reset_stats()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_reset_stats';
COMMENT ON FUNCTION jadugar.reset_stats() IS 'Sets the counters of the view stats to zero.';

-- --------------------------------------------------------------------- health

-- Tasks that should have begun five seconds ago, by owner, queue and priority;
-- "overdue" counts those that should have begun five minutes ago. A recursion
-- finds these in the index task_ready, without reading the tasks between them;
-- of each, the first hundred tasks are looked at.
CREATE VIEW jadugar_internal._late WITH (security_barrier) AS
WITH RECURSIVE kind (owner, queue_id, priority) AS (
	(SELECT t.owner, t.queue_id, t.priority
		FROM jadugar_internal.task t
		WHERE t.state = 'r'
		ORDER BY t.owner, t.queue_id, t.priority DESC
		LIMIT 1)
	UNION ALL
	SELECT n.owner, n.queue_id, n.priority
	FROM kind k
		CROSS JOIN LATERAL (
			SELECT x.owner, x.queue_id, x.priority
			FROM (
				(SELECT t.owner, t.queue_id, t.priority
					FROM jadugar_internal.task t
					WHERE t.state = 'r' AND t.owner = k.owner
						AND t.queue_id = k.queue_id AND t.priority < k.priority
					ORDER BY t.priority DESC
					LIMIT 1)
				UNION ALL
				(SELECT t.owner, t.queue_id, t.priority
					FROM jadugar_internal.task t
					WHERE t.state = 'r' AND t.owner = k.owner
						AND t.queue_id > k.queue_id
					ORDER BY t.queue_id, t.priority DESC
					LIMIT 1)
				UNION ALL
				(SELECT t.owner, t.queue_id, t.priority
					FROM jadugar_internal.task t
					WHERE t.state = 'r' AND t.owner > k.owner
					ORDER BY t.owner, t.queue_id, t.priority DESC
					LIMIT 1)) x
			ORDER BY x.owner, x.queue_id, x.priority DESC
			LIMIT 1) n
), held AS MATERIALIZED (
	SELECT s.task_id FROM jadugar_internal._v_slots() s
)
SELECT k.owner, k.queue_id, k.priority, n.tasks, n.overdue, n.oldest
FROM kind k
	CROSS JOIN LATERAL (
		SELECT pg_catalog.count(*) AS tasks,
			pg_catalog.count(*) FILTER (WHERE t.run_at
				< (SELECT jadugar_internal._v_now() - '5 minutes'::interval)) AS overdue,
			pg_catalog.min(t.run_at) AS oldest
		FROM (SELECT x.task_id, x.run_at, x.tenant
			FROM jadugar_internal.task x
			WHERE x.state = 'r' AND x.owner = k.owner
				AND x.queue_id = k.queue_id AND x.priority = k.priority
				AND x.run_at < (SELECT jadugar_internal._v_now() - '5 seconds'::interval)
			ORDER BY x.run_at, x.task_id
			LIMIT 100) t
		WHERE t.task_id NOT IN (SELECT h.task_id FROM held h)
			AND NOT jadugar_internal._v_tenant_is_paused(t.tenant)) n
WHERE n.tasks > 0;
COMMENT ON VIEW jadugar_internal._late IS
	'Ready tasks that should have begun five seconds ago, by owner, queue and priority; at most 100 of each.';

CREATE VIEW jadugar.health WITH (security_barrier) AS
WITH late AS MATERIALIZED (
	SELECT o.owner, o.tasks, o.overdue, o.oldest,
		q.max_concurrency <= jadugar_internal._v_queue_load(q.queue_id) AS full
	FROM jadugar_internal._late o
		JOIN jadugar_internal.queue q ON q.queue_id = o.queue_id
	WHERE q.paused_at IS NULL
		AND ((SELECT jadugar_internal._v_is_monitor())
			OR jadugar_internal._v_owns(o.owner)
				AND NOT (SELECT jadugar_internal._v_is_confined()))
), crowded AS MATERIALIZED (
	SELECT pg_catalog.sum(l.tasks) AS tasks,
		pg_catalog.min(COALESCE(a.rolname, l.owner::text::name)::text COLLATE "C") AS role
	FROM late l
		LEFT JOIN pg_catalog.pg_roles a ON a.oid = l.owner
	WHERE l.full IS NOT TRUE AND jadugar_internal._v_no_worker(l.owner)
), positions AS MATERIALIZED (
	SELECT u.subscription_id, u.name, u.owner, c.lost, c.blocked,
		u.enabled AND u.paused_at IS NULL AND NOT c.lost AND NOT c.blocked AS active
	FROM jadugar_internal.subscription u
		CROSS JOIN LATERAL (SELECT
				COALESCE(pg_catalog.bool_or(y.lost_at IS NOT NULL), false) AS lost,
				COALESCE(pg_catalog.bool_or(y.retry_at = 'infinity'), false) AS blocked
			FROM jadugar_internal.event_cursor y
			WHERE y.subscription_id = u.subscription_id) c
	WHERE (SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(u.owner)
)
SELECT v.what,
	v.severity,
	v.detail,
	v.hint
FROM jadugar_internal._v_health() h
	LEFT JOIN (SELECT x.* FROM jadugar_internal.control x LIMIT 1) c ON true
	LEFT JOIN jadugar_internal._hold x ON true
	LEFT JOIN crowded w ON x.reason IS NULL AND w.tasks > 0
	CROSS JOIN LATERAL (VALUES
		(CASE WHEN h.preloaded THEN 'ok' ELSE 'error' END,
		 'library',
		 CASE WHEN h.preloaded THEN 'loaded at server start'
			ELSE 'the library was not loaded at server start' END,
		 CASE WHEN NOT h.preloaded
			THEN 'Add jadugar to shared_preload_libraries and restart the server.' END),
		(CASE WHEN h.enabled THEN 'ok' ELSE 'error' END,
		 'enabled',
		 CASE WHEN h.enabled THEN 'jadugar.enabled is on'
			ELSE 'jadugar.enabled is off: no work is done on this server' END,
		 CASE WHEN NOT h.enabled
			THEN 'Set jadugar.enabled = on and reload the configuration.' END),
		(CASE WHEN h.scheduler_pid IS NOT NULL THEN 'ok'
			WHEN h.preloaded AND h.enabled THEN 'error' ELSE 'warning' END,
		 'scheduler',
		 CASE WHEN h.scheduler_pid IS NOT NULL
			THEN pg_catalog.format('works as process %s', h.scheduler_pid)
			WHEN pg_catalog.pg_is_in_recovery()
			THEN 'sleeps until this standby is promoted'
			WHEN h.evicted_by IS NOT NULL
			THEN CASE WHEN h.evicted_by <> 0
				THEN pg_catalog.format('gave way to a command on this database by process %s', h.evicted_by)
				ELSE 'gave way to a command on this database' END
			WHEN NOT h.has_place
			THEN 'has no place: other databases use all of jadugar.max_databases'
			WHEN h.scheduler_failures > 0
			THEN pg_catalog.format('has ended %s times in a row', h.scheduler_failures)
			ELSE 'is not running' END,
		 CASE WHEN h.scheduler_pid IS NULL AND NOT h.has_place
			THEN 'Raise jadugar.max_databases and restart the server.'
			WHEN h.scheduler_pid IS NULL AND h.preloaded AND h.enabled
			THEN 'See the server log; max_worker_processes may be too low.' END),
		(CASE WHEN x.reason = 'not_adopted' THEN 'error' ELSE 'ok' END,
		 'identity',
		 CASE WHEN x.reason = 'not_adopted'
			THEN 'these schedules and tasks come from another database: nothing runs'
			ELSE 'schedules and tasks belong to this database' END,
		 CASE WHEN x.reason = 'not_adopted'
			THEN 'Call jadugar.adopt() to run them here.' END),
		(CASE WHEN c.paused_at IS NULL
				OR c.paused_until <= jadugar_internal._v_now() THEN 'ok' ELSE 'warning' END,
		 'paused',
		 CASE WHEN c.paused_at IS NULL
				OR c.paused_until <= jadugar_internal._v_now() THEN 'not paused'
			ELSE pg_catalog.format('paused by %s since %s%s%s', c.paused_by, c.paused_at,
				' until ' || c.paused_until::text, ': ' || c.pause_reason) END,
		 CASE WHEN c.paused_at IS NOT NULL
				AND (c.paused_until IS NULL OR c.paused_until > jadugar_internal._v_now())
			THEN 'Call jadugar.resume_all().' END),
		(CASE WHEN h.slot_wanted OR w.tasks > 0 THEN 'warning' ELSE 'ok' END,
		 'workers',
		 pg_catalog.format('%s of %s slots in use%s%s', h.slots_used, h.slots,
			CASE WHEN h.slot_wanted THEN ', and tasks wait for one' END,
			CASE WHEN w.tasks > 0
				THEN pg_catalog.format('; tasks have waited for a worker for more than five seconds: at least %s, among them tasks of role "%s"',
					w.tasks, w.role) END),
		 CASE WHEN h.slot_wanted AND h.slots_used < h.slots
			THEN 'Raise max_worker_processes and restart the server: slots are free, but no background process is.'
			WHEN h.slot_wanted OR w.tasks > 0
			THEN 'See jadugar.running. Raise jadugar.max_workers, jadugar.max_workers_per_role or max_worker_processes, call jadugar.scale_workers(), or wait.' END),
		(CASE WHEN h.http_lacks IS NOT NULL THEN 'error'
			WHEN pg_catalog.current_setting('jadugar.http_enabled', true) = 'off' THEN 'warning' ELSE 'ok' END,
		 'http',
		 CASE WHEN pg_catalog.current_setting('jadugar.http_enabled', true) = 'off'
			THEN 'jadugar.http_enabled is off: no request is sent'
			ELSE CASE h.http_lacks
				WHEN 'slot' THEN 'HTTP tasks wait: all of jadugar.max_http_processes are in use'
				WHEN 'place' THEN 'HTTP tasks wait: no background process is free for the one that sends requests'
				WHEN 'start' THEN 'HTTP tasks wait: the process that sends requests has ended at its start'
				ELSE 'no HTTP task waits for the process that sends requests' END END,
		 CASE WHEN pg_catalog.current_setting('jadugar.http_enabled', true) = 'off'
			THEN 'Set jadugar.http_enabled = on and reload the configuration.'
			ELSE CASE h.http_lacks
				WHEN 'slot' THEN 'Raise jadugar.max_http_processes and restart the server.'
				WHEN 'place' THEN 'Raise max_worker_processes and restart the server.'
				WHEN 'start' THEN 'See the server log; the library jadugar_http, which needs libcurl, may not be installed.' END END)
		) v (severity, what, detail, hint)
WHERE (SELECT jadugar_internal._v_has_access())
	AND (v.what <> 'workers' OR NOT (SELECT jadugar_internal._v_is_confined()))
UNION ALL
SELECT v.what,
	CASE WHEN v.lacking IS NULL THEN 'ok' ELSE 'warning' END,
	pg_catalog.format(CASE v.what
			WHEN 'gates' THEN 'limits that count something: %s of %s'
			ELSE 'lanes with tasks: %s of %s' END, v.used, v.size)
		|| CASE WHEN v.lacking IS NOT NULL
			THEN pg_catalog.format('; role "%s", which uses %s, finds no room for more',
				COALESCE(l.rolname::text, v.lacking::text), v.used_by_lacking) ELSE '' END
		|| CASE WHEN v.lacking <> v.most
			THEN pg_catalog.format('; role "%s" uses most: %s',
				COALESCE(m.rolname::text, v.most::text), v.used_by_most) ELSE '' END,
	CASE WHEN v.lacking IS NOT NULL
		THEN CASE v.what
			WHEN 'gates' THEN 'Let the role limit fewer things at a time, or raise jadugar.max_gates and restart the server. Its other tasks with a limit wait.'
			ELSE 'Let the role use fewer tenants, queues and priorities at a time, or raise jadugar.max_lanes and restart the server. Its tenants do not take turns.' END END
FROM jadugar_internal._v_shares() v
	LEFT JOIN pg_catalog.pg_roles l ON l.oid = v.lacking
	LEFT JOIN pg_catalog.pg_roles m ON m.oid = v.most
UNION ALL
SELECT v.reason,
	'error',
	CASE v.reason
		WHEN 'owner_missing'
		THEN pg_catalog.format('role "%s" owns tasks, schedules, flows or subscriptions and does not exist', o.name)
		WHEN 'owner_nologin'
		THEN pg_catalog.format('role "%s" owns tasks, schedules, flows or subscriptions and may not log in', a.rolname)
		ELSE pg_catalog.format('role "%s" owns tasks, schedules, flows or subscriptions and may not connect to the database', a.rolname) END,
	CASE v.reason
		WHEN 'owner_missing'
		THEN pg_catalog.format('Give them to another role with jadugar.reassign_owned(''%s'', ...), or drop them with jadugar.drop_owned(''%s'').', o.role, o.role)
		WHEN 'owner_nologin'
		THEN 'ALTER ROLE ... LOGIN, or give them to another role with jadugar.reassign_owned().'
		ELSE 'GRANT CONNECT ON DATABASE ... TO the role, or give them to another role with jadugar.reassign_owned().' END
FROM jadugar_internal.owner o
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = o.role
	CROSS JOIN LATERAL (SELECT CASE
		WHEN a.oid IS NULL THEN 'owner_missing'
		WHEN NOT a.rolcanlogin THEN 'owner_nologin'
		WHEN NOT pg_catalog.has_database_privilege(a.oid, pg_catalog.current_database()::text, 'CONNECT')
		THEN 'owner_noconnect' END) v (reason)
WHERE v.reason IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(o.role))
	AND (EXISTS (SELECT FROM jadugar_internal.schedule s WHERE s.owner = o.role)
		OR EXISTS (SELECT FROM jadugar_internal.task t WHERE t.owner = o.role)
		OR EXISTS (SELECT FROM jadugar_internal.subscription u WHERE u.owner = o.role)
		OR EXISTS (SELECT FROM jadugar_internal.flow_run r
			WHERE r.owner = o.role AND r.finished_at IS NULL))
UNION ALL
SELECT 'queue_paused',
	'warning',
	pg_catalog.format('queue "%s" is paused by %s since %s', q.name, q.paused_by, q.paused_at),
	'Call jadugar.resume_queue().'
FROM jadugar.queues q
WHERE q.paused
UNION ALL
SELECT 'tenant_paused',
	'warning',
	pg_catalog.format('tenant "%s" is paused by %s since %s%s', n.name, n.paused_by, n.paused_at,
		': ' || n.pause_reason),
	'Call jadugar.resume_tenant().'
FROM jadugar_internal.tenant n
WHERE n.paused_at IS NOT NULL AND NOT n.dropping
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(n.owner, n.name))
UNION ALL
SELECT 'failing_schedules',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'warning' END,
	CASE WHEN s.n = 0 THEN 'no schedule has failed in its last run'
		ELSE pg_catalog.format('schedules that failed in their last run, or cannot fire: %s%s, among them "%s"',
			CASE WHEN s.n > 100 THEN 'more than ' END, LEAST(s.n, 100), s.name) END,
	CASE WHEN s.n > 0 THEN 'See last_status and last_error in jadugar.schedules.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name
	FROM (SELECT y.name
		FROM jadugar_internal.schedule y
			LEFT JOIN jadugar_internal.schedule_stat t ON t.schedule_id = y.schedule_id
		WHERE (y.enabled AND t.last_status IN ('failed', 'lost') OR y.last_error IS NOT NULL)
			AND ((SELECT jadugar_internal._v_is_monitor())
				OR jadugar_internal._v_sees(y.owner, y.tenant))
		LIMIT 101) x) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'failed_flows',
	CASE WHEN s.n = 0 THEN 'ok' WHEN s.stuck > 0 THEN 'error' ELSE 'warning' END,
	CASE WHEN s.n = 0 THEN 'no run of a flow has failed in the last day'
		ELSE pg_catalog.format('runs of flows that failed in the last day: %s%s, not undone: %s',
			CASE WHEN s.n > 100 THEN 'more than ' END, LEAST(s.n, 100), s.stuck) END,
	CASE WHEN s.n > 0
		THEN 'See status and error in jadugar.flow_runs, and jadugar.explain_flow().' END
FROM (SELECT pg_catalog.count(*) AS n,
		pg_catalog.count(*) FILTER (WHERE x.status = 'p') AS stuck
	FROM (SELECT r.status
		FROM jadugar_internal.flow_run r
		WHERE r.status IN ('f', 't', 'p')
			AND r.finished_at > (SELECT jadugar_internal._v_now() - '1 day'::interval)
			AND ((SELECT jadugar_internal._v_is_monitor())
				OR jadugar_internal._v_sees(r.owner, r.tenant))
		ORDER BY r.finished_at DESC
		LIMIT 101) x) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'overdue',
	CASE WHEN s.tasks = 0 AND s.schedules = 0 THEN 'ok' ELSE 'warning' END,
	CASE WHEN s.tasks = 0 AND s.schedules = 0 THEN 'no work is late'
		ELSE pg_catalog.format('late by more than five minutes: at least %s tasks and %s schedules, since %s',
			s.tasks, s.schedules, s.oldest) END,
	CASE WHEN s.tasks > 0 OR s.schedules > 0
		THEN 'See waiting_for in jadugar.tasks, jadugar.queues and jadugar.workers.' END
FROM (SELECT COALESCE(pg_catalog.sum(x.tasks), 0) AS tasks,
		COALESCE(pg_catalog.sum(x.schedules), 0) AS schedules,
		pg_catalog.min(x.oldest) AS oldest
	FROM (
		SELECT l.overdue AS tasks, 0 AS schedules, l.oldest
		FROM late l
		WHERE l.overdue > 0
		UNION ALL
		SELECT pg_catalog.count(*), 0, pg_catalog.min(t.run_at)
		FROM (SELECT x.run_at
			FROM jadugar_internal.task x
				JOIN jadugar_internal.queue q ON q.queue_id = x.queue_id
			WHERE x.state = 's' AND q.paused_at IS NULL
				AND NOT jadugar_internal._v_tenant_is_paused(x.tenant)
				AND x.run_at < (SELECT jadugar_internal._v_now() - '5 minutes'::interval)
				AND ((SELECT jadugar_internal._v_is_monitor())
					OR jadugar_internal._v_sees(x.owner, x.tenant))
			ORDER BY x.run_at
			LIMIT 100) t
		UNION ALL
		SELECT 0, pg_catalog.count(*), pg_catalog.min(t.next_run_at)
		FROM (SELECT x.next_run_at
			FROM jadugar_internal.schedule x
			WHERE x.enabled AND x.paused_at IS NULL AND NOT x.held
				AND x.next_run_at < (SELECT jadugar_internal._v_now() - '5 minutes'::interval)
				AND ((SELECT jadugar_internal._v_is_monitor())
					OR jadugar_internal._v_sees(x.owner, x.tenant))
			ORDER BY x.next_run_at
			LIMIT 100) t) x) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'retrying_near_end',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'warning' END,
	CASE WHEN s.n = 0 THEN 'no task has only one attempt left after failures'
		ELSE pg_catalog.format('tasks with one attempt left, or in their last one: %s%s, among them %s',
			CASE WHEN s.n > 100 THEN 'more than ' END, LEAST(s.n, 100), s.task_id) END,
	CASE WHEN s.n > 0 THEN 'See the attempts of these tasks in jadugar.history.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.task_id) AS task_id
	FROM (SELECT t.task_id
		FROM jadugar_internal.task t
		WHERE t.attempt > 0 AND t.max_attempts > 1 AND t.attempt >= t.max_attempts - 1
			AND ((SELECT jadugar_internal._v_is_monitor())
				OR jadugar_internal._v_sees(t.owner, t.tenant))
		ORDER BY t.task_id
		LIMIT 101) x) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'topic_full',
	'error',
	pg_catalog.format('publishing in topic "%s" fails since %s: subscription "%s" of role "%s"%s has max_backlog (%s) events or more to come',
		t.name, t.full_since, t.full_by, t.full_by_owner,
		CASE WHEN NOT s.enabled THEN ', which is disabled,'
			WHEN s.paused_at IS NOT NULL THEN ', which is paused,' END, t.max_backlog),
	'Let the subscription go on, or drop it with jadugar.unsubscribe(); raise max_backlog; or revoke privilege hold with jadugar.revoke_topic(). After max_hold it is lost, and publishing goes on.'
FROM jadugar.topics t
	JOIN jadugar_internal.topic y ON y.name = t.name
	JOIN jadugar_internal.subscription s ON s.subscription_id = y.full_by
WHERE t.full_by IS NOT NULL
UNION ALL
SELECT 'lost_subscriptions',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'error' END,
	CASE WHEN s.n = 0 THEN 'no subscription has lost its position'
		ELSE pg_catalog.format('subscriptions that have lost their position, and wait: %s, among them "%s"',
			s.n, s.name) END,
	CASE WHEN s.n > 0
		THEN 'Call jadugar.resume_subscription() with lost => ''skip'', or jadugar.seek().' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name
	FROM positions x
	WHERE x.lost) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'blocked_subscriptions',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'error' END,
	CASE WHEN s.n = 0 THEN 'no subscription is blocked'
		ELSE pg_catalog.format('subscriptions blocked by an event that has failed: %s, among them "%s"',
			s.n, s.name) END,
	CASE WHEN s.n > 0
		THEN 'See error in jadugar.subscription_shards. Call jadugar.redrive() or jadugar.discard_events().' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name
	FROM positions x
	WHERE x.blocked) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'max_shards',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'error' END,
	CASE WHEN s.n = 0 THEN 'the server has room for all shards of subscriptions'
		ELSE pg_catalog.format('subscriptions with shards that get no events, as jadugar.max_shards is %s: %s, among them "%s"',
			pg_catalog.current_setting('jadugar.max_shards'), s.n, s.name) END,
	CASE WHEN s.n > 0
		THEN 'Raise jadugar.max_shards and restart the server, or drop subscriptions.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name
	FROM positions x
	WHERE x.active
		AND EXISTS (SELECT FROM jadugar_internal.event_cursor c
			WHERE c.subscription_id = x.subscription_id AND NOT c.done
				AND jadugar_internal._v_lacks_room(c.subscription_id, c.shard))) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'lagging_subscriptions',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'warning' END,
	CASE WHEN s.n = 0 THEN 'no subscription is late'
		ELSE pg_catalog.format('subscriptions late by more than five minutes: %s, among them "%s"%s',
			s.n, s.name, CASE WHEN s.no_worker > 0
				THEN pg_catalog.format('; their roles have no free worker: %s', s.no_worker) END) END,
	CASE WHEN s.n > 0
		THEN 'See lag, behind and status in jadugar.subscriptions, and jadugar.workers.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name,
		pg_catalog.count(*) FILTER (WHERE jadugar_internal._v_no_worker(x.owner)) AS no_worker
	FROM positions x
	WHERE x.active
		AND EXISTS (SELECT FROM jadugar_internal.event_cursor c
			WHERE c.subscription_id = x.subscription_id
				AND jadugar_internal._v_lag(c.subscription_id, c.shard) > '5 minutes'::interval)) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'broken_event_types',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'error' END,
	CASE WHEN s.n = 0 THEN 'all that event types need exists'
		ELSE pg_catalog.format('versions of event types whose payload_type, upcast or downcast does not exist: %s%s, among them of "%s"',
			CASE WHEN s.n > 100 THEN 'more than ' END, LEAST(s.n, 100), s.name) END,
	CASE WHEN s.n > 0
		THEN 'See problem in jadugar.event_types. Create it again, or call jadugar.register_event_type() with another one.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.min(x.name) AS name
	FROM (SELECT v.name
		FROM jadugar_internal.event_type y
			JOIN jadugar_internal.event_type_version v ON v.name = y.name
		WHERE ((SELECT jadugar_internal._v_is_monitor())
				OR jadugar_internal._v_owns(y.owner))
			AND jadugar_internal._v_event_type_problem(v.payload_type, v.upcast, v.downcast) IS NOT NULL
		LIMIT 101) x) s
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT 'dead_letters',
	CASE WHEN s.n = 0 THEN 'ok' ELSE 'warning' END,
	CASE WHEN s.n = 0 THEN 'no event is a dead letter'
		ELSE pg_catalog.format('events that are dead letters: %s%s',
			CASE WHEN s.n > 100 THEN 'more than ' END, LEAST(s.n, 100)) END,
	CASE WHEN s.n > 0
		THEN 'See jadugar.dead_letters. Call jadugar.redrive() or jadugar.discard_events().' END
FROM (SELECT pg_catalog.count(*) AS n
	FROM (SELECT FROM positions x
			CROSS JOIN LATERAL (SELECT FROM jadugar_internal.parked p
				WHERE p.subscription_id = x.subscription_id AND p.state = 'd'
				LIMIT 101) y
		LIMIT 101) z) s
WHERE (SELECT jadugar_internal._v_has_access());
COMMENT ON VIEW jadugar.health IS
	'State of jadugar in this database: one row for each check, and one for each problem found.';
COMMENT ON COLUMN jadugar.health.what IS 'Name of the check.';
COMMENT ON COLUMN jadugar.health.severity IS 'Severity: ok, warning or error.';
COMMENT ON COLUMN jadugar.health.detail IS 'State found.';
COMMENT ON COLUMN jadugar.health.hint IS 'Suggested action, or NULL if there is none.';
