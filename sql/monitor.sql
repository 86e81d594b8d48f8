-- Monitoring: views of more than one module, and of shared memory. They are
-- filtered as those of task_views.sql.

-- ----------------------------------------------------------- tasks and queues

CREATE VIEW jadugar.running WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END AS name,
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
	s.name AS schedule,
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
		OR jadugar_internal._v_owns(t.owner)
		THEN t.payload END AS payload
FROM jadugar_internal._v_slots() w
	JOIN jadugar_internal.task t ON t.task_id = w.task_id
	LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) p
		ON w.phase = 'running'
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = t.owner
WHERE w.phase <> 'claimed'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(t.owner));
COMMENT ON VIEW jadugar.running IS 'Tasks that workers are running now.';

-- Counts are made per owner first, so that the right to see them is asked
-- once per owner and not once per task (OFFSET 0 keeps it there). Seen are the caller's own queues,
-- those that it may use, and those that hold a task of its own.
CREATE VIEW jadugar.queues WITH (security_barrier) AS
SELECT q.name AS queue,
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
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = q.owner
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
				pg_catalog.count(*) FILTER
					(WHERE t.state = 'r' AND w.task_id IS NULL) AS ready,
				pg_catalog.count(*) FILTER
					(WHERE t.state = 'x' OR w.task_id IS NOT NULL) AS running,
				pg_catalog.count(*) FILTER (WHERE t.state = 's') AS scheduled,
				pg_catalog.count(*) FILTER (WHERE t.state IN ('d', 'k')) AS waiting,
				pg_catalog.count(*) FILTER (WHERE t.state = 'p') AS paused,
				pg_catalog.min(t.run_at) FILTER
					(WHERE t.state = 'r' AND w.task_id IS NULL) AS oldest_ready
			FROM jadugar_internal.task t
				LEFT JOIN jadugar_internal._v_slots() w
					ON w.task_id = t.task_id AND w.phase <> 'claimed'
			GROUP BY t.queue_id, t.owner
			OFFSET 0) o
		WHERE (SELECT jadugar_internal._v_is_monitor())
			OR jadugar_internal._v_owns(o.owner)
		GROUP BY o.queue_id) n ON n.queue_id = q.queue_id
	LEFT JOIN (
		SELECT o.queue_id,
			pg_catalog.sum(o.finished)::bigint AS finished,
			pg_catalog.sum(o.failed)::bigint AS failed
		FROM (
			SELECT h.queue_id, h.owner,
				pg_catalog.count(*) FILTER (WHERE h.final) AS finished,
				pg_catalog.count(*) FILTER (WHERE h.status IN ('f', 'l')) AS failed
			FROM jadugar_internal.attempt h
			WHERE h.finished_at > (SELECT jadugar_internal._v_now() - '5 minutes'::interval)
				AND h.status <> 's'
			GROUP BY h.queue_id, h.owner
			OFFSET 0) o
		WHERE (SELECT jadugar_internal._v_is_monitor())
			OR jadugar_internal._v_owns(o.owner)
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

-- ------------------------------------------------------- workers and counters

CREATE VIEW jadugar.workers WITH (security_barrier) AS
SELECT w.pid,
	COALESCE(a.rolname, w.owner::text::name) AS role,
	w.state,
	w.leaving,
	w.started_at,
	w.registered_at,
	w.idle_since,
	w.task_id,
	w.tasks,
	w.tasks_done,
	w.load,
	w.memory
FROM jadugar_internal._v_workers() w
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = w.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(w.owner);
COMMENT ON VIEW jadugar.workers IS 'Worker processes of this database.';

CREATE VIEW jadugar.stats WITH (security_barrier) AS
SELECT s.reset_at, s.enqueued, s.fired, s.completed, s.failed, s.retried,
	s.cancelled, s.lost, s.skipped, s.commits,
	s.wait_p50, s.wait_p95, s.wait_p99, s.run_p50, s.run_p95, s.run_p99,
	s.wait_histogram, s.run_histogram
FROM jadugar_internal._v_stats() s;
COMMENT ON VIEW jadugar.stats IS
	'Counters of this database since the server start or the last reset_stats().';

CREATE FUNCTION jadugar.reset_stats()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_reset_stats';
COMMENT ON FUNCTION jadugar.reset_stats() IS 'Sets the counters of the view stats to zero.';

-- --------------------------------------------------------------------- health

CREATE VIEW jadugar.health WITH (security_barrier) AS
SELECT v.what,
	v.severity,
	v.detail,
	v.hint
FROM jadugar_internal._v_health() h
	LEFT JOIN (SELECT x.* FROM jadugar_internal.control x LIMIT 1) c ON true
	LEFT JOIN jadugar_internal._hold x ON true
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
			THEN pg_catalog.format('gave way to a command on this database by process %s', h.evicted_by)
			WHEN h.scheduler_failures > 0
			THEN pg_catalog.format('has ended %s times in a row', h.scheduler_failures)
			ELSE 'is not running' END,
		 CASE WHEN h.scheduler_pid IS NULL AND h.preloaded AND h.enabled
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
		(CASE WHEN h.slot_wanted THEN 'warning' ELSE 'ok' END,
		 'workers',
		 pg_catalog.format('%s of %s slots in use%s', h.slots_used, h.slots,
			CASE WHEN h.slot_wanted THEN ', and tasks wait for one' END),
		 CASE WHEN h.slot_wanted
			THEN 'Raise jadugar.max_workers or max_worker_processes, or wait.' END)
		) v (severity, what, detail, hint)
WHERE (SELECT jadugar_internal._v_has_access())
UNION ALL
SELECT CASE WHEN a.oid IS NULL THEN 'owner_missing' ELSE 'owner_nologin' END,
	'error',
	CASE WHEN a.oid IS NULL
		THEN pg_catalog.format('role "%s" owns tasks, schedules or flows and does not exist', o.name)
		ELSE pg_catalog.format('role "%s" owns tasks, schedules or flows and may not log in', a.rolname) END,
	CASE WHEN a.oid IS NULL
		THEN 'Cancel its tasks and clear_schedules(), or give them to another role.'
		ELSE 'ALTER ROLE ... LOGIN, or give them to another role.' END
FROM jadugar_internal.owner o
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = o.role
WHERE (a.oid IS NULL OR NOT a.rolcanlogin)
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(o.role))
	AND (EXISTS (SELECT FROM jadugar_internal.schedule s WHERE s.owner = o.role)
		OR EXISTS (SELECT FROM jadugar_internal.task t WHERE t.owner = o.role)
		OR EXISTS (SELECT FROM jadugar_internal.flow_run r
			WHERE r.owner = o.role AND r.finished_at IS NULL))
UNION ALL
SELECT 'queue_paused',
	'warning',
	pg_catalog.format('queue "%s" is paused by %s since %s', q.queue, q.paused_by, q.paused_at),
	'Call jadugar.resume_queue().'
FROM jadugar.queues q
WHERE q.paused;
COMMENT ON VIEW jadugar.health IS
	'State of jadugar in this database: one row for each check, and one for each problem found.';
