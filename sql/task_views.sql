-- Views: all that a user sees of jadugar. Each is filtered by the owner of
-- the row and is a security barrier. A member of the owning role sees the row
-- whole; an operator sees every row whole; a monitor sees every row, payloads
-- and other contents as NULL. Functions in a view are called as the reader,
-- so what is read from shared memory is filtered in C, src/monitor/.

-- ---------------------------------------------------- from shared memory

CREATE FUNCTION jadugar_internal._v_now()
	RETURNS timestamptz
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_now';
COMMENT ON FUNCTION jadugar_internal._v_now() IS 'Returns the current time of jadugar''s clock.';

CREATE FUNCTION jadugar_internal._v_slots(
	OUT task_id bigint, OUT owner oid, OUT queue_id integer,
	OUT attempt integer, OUT pid integer, OUT phase text,
	OUT standalone boolean, OUT progress double precision, OUT message text,
	OUT started_at timestamptz, OUT deadline timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 10
	AS 'MODULE_PATHNAME', 'jdg_v_slots';
COMMENT ON FUNCTION jadugar_internal._v_slots() IS
	'Returns the tasks held by workers of this database that the caller may see.';

CREATE FUNCTION jadugar_internal._v_queue_load(queue_id integer)
	RETURNS integer
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_queue_load';
COMMENT ON FUNCTION jadugar_internal._v_queue_load(integer) IS
	'Returns the number of tasks of a queue held by workers.';

CREATE FUNCTION jadugar_internal._v_workers(
	OUT pid integer, OUT owner oid, OUT state text, OUT tasks integer,
	OUT task_id bigint, OUT load double precision, OUT tasks_done bigint,
	OUT memory bigint, OUT registered_at timestamptz,
	OUT started_at timestamptz, OUT idle_since timestamptz,
	OUT leaving boolean)
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 10
	AS 'MODULE_PATHNAME', 'jdg_v_workers';
COMMENT ON FUNCTION jadugar_internal._v_workers() IS
	'Returns the workers of this database that the caller may see.';

CREATE FUNCTION jadugar_internal._v_stats(
	OUT reset_at timestamptz, OUT enqueued bigint, OUT fired bigint,
	OUT completed bigint, OUT failed bigint, OUT retried bigint,
	OUT cancelled bigint, OUT lost bigint, OUT skipped bigint,
	OUT commits bigint,
	OUT wait_p50 interval, OUT wait_p95 interval, OUT wait_p99 interval,
	OUT run_p50 interval, OUT run_p95 interval, OUT run_p99 interval,
	OUT wait_histogram bigint[], OUT run_histogram bigint[])
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 1
	AS 'MODULE_PATHNAME', 'jdg_v_stats';
COMMENT ON FUNCTION jadugar_internal._v_stats() IS 'Returns the counters of this database.';

CREATE FUNCTION jadugar_internal._v_health(
	OUT preloaded boolean, OUT enabled boolean, OUT launcher_pid integer,
	OUT scheduler_pid integer, OUT scheduler_failures integer,
	OUT evicted_by integer, OUT slots integer, OUT slots_used integer,
	OUT slot_wanted boolean)
	RETURNS record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_health';
COMMENT ON FUNCTION jadugar_internal._v_health() IS
	'Returns the state of jadugar in this database from shared memory.';

-- Why no task at all is begun in this database; NULL: nothing holds it. The
-- tables have one row each, which LIMIT makes the planner believe.
CREATE VIEW jadugar_internal._hold WITH (security_barrier) AS
SELECT CASE
		WHEN h.id IS NULL OR o.id <> h.id OR h.database <> d.oid
			THEN 'not_adopted'
		WHEN NOT v.preloaded OR NOT v.enabled THEN 'disabled'
		WHEN c.paused_at IS NOT NULL
			AND (c.paused_until IS NULL OR c.paused_until > jadugar_internal._v_now())
			THEN 'paused'
	END AS reason
FROM pg_catalog.pg_database d
	CROSS JOIN jadugar_internal._v_health() v
	LEFT JOIN (SELECT x.* FROM jadugar_internal.here x LIMIT 1) h ON true
	LEFT JOIN (SELECT x.* FROM jadugar_internal.origin x LIMIT 1) o ON true
	LEFT JOIN (SELECT x.* FROM jadugar_internal.control x LIMIT 1) c ON true
WHERE d.datname = pg_catalog.current_database();
COMMENT ON VIEW jadugar_internal._hold IS 'Reasons why no task starts in this database.';

-- ------------------------------------------------------------------ tasks

-- The columns of the view tasks, and then those of a finished task.
CREATE TYPE jadugar.task_info AS (
	task_id		bigint,
	name		text,
	command		text,
	status		text,
	waiting_for	text,
	queue		text,
	priority	integer,
	payload		jsonb,
	owner		name,
	tenant		text,
	attempt		integer,
	max_attempts integer,
	run_at		timestamptz,
	created_at	timestamptz,
	started_at	timestamptz,
	progress	double precision,
	message		text,
	schedule	text,
	scheduled_for timestamptz,
	unique_key	text,
	concurrency_key text,
	flow_run	bigint,
	step		text,
	depends_on	bigint[],
	metadata	jsonb,
	trace		text,
	timeout		interval,
	finished_at	timestamptz,
	duration	interval,
	result		jsonb,
	error		jsonb,
	error_code	text,
	sqlstate	text,
	reason		text
);
COMMENT ON TYPE jadugar.task_info IS
	'A task, finished or not: the columns of the view tasks, followed by its outcome.';

CREATE VIEW jadugar.tasks WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END AS name,
	c.text AS command,
	CASE
		WHEN w.phase <> 'claimed' OR t.state = 'x' THEN 'running'
		WHEN t.state = 's' THEN 'scheduled'
		WHEN t.state = 'p' THEN 'paused'
		ELSE 'pending'
	END AS status,
	CASE
		WHEN t.state = 'd' THEN 'dependency'
		WHEN t.state = 'k' THEN 'concurrency_key'
		WHEN t.state <> 'r' OR w.task_id IS NOT NULL THEN NULL
		WHEN (SELECT h.reason FROM jadugar_internal._hold h) IS NOT NULL
			THEN (SELECT h.reason FROM jadugar_internal._hold h)
		WHEN q.paused_at IS NOT NULL THEN 'queue_paused'
		WHEN a.oid IS NULL THEN 'owner_missing'
		WHEN NOT a.rolcanlogin THEN 'owner_nologin'
		WHEN q.max_concurrency <= jadugar_internal._v_queue_load(t.queue_id)
			THEN 'queue_limit'
		WHEN (SELECT h.slot_wanted FROM jadugar_internal._v_health() h)
			THEN 'no_worker'
		ELSE 'worker'
	END AS waiting_for,
	q.name AS queue,
	t.priority,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(t.owner)
		THEN t.payload END AS payload,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.tenant,
	CASE WHEN w.phase <> 'claimed' OR t.state = 'x'
		THEN t.attempt + 1 ELSE t.attempt END AS attempt,
	t.max_attempts,
	t.run_at,
	t.created_at,
	CASE WHEN w.phase <> 'claimed' OR t.state = 'x'
		THEN COALESCE(w.started_at, t.started_at) END AS started_at,
	w.progress,
	w.message,
	s.name AS schedule,
	t.scheduled_for,
	t.unique_key,
	t.concurrency_key,
	t.flow_run,
	t.step,
	(SELECT pg_catalog.array_agg(d.parent_id ORDER BY d.parent_id)
	 FROM jadugar_internal.dependency d WHERE d.task_id = t.task_id) AS depends_on,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(t.owner)
		THEN t.metadata END AS metadata,
	t.trace,
	t.timeout
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal._v_slots() w ON w.task_id = t.task_id
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = t.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(t.owner);
COMMENT ON VIEW jadugar.tasks IS 'Tasks that have not finished.';

CREATE VIEW jadugar.running WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END AS name,
	c.text AS command,
	w.pid,
	q.name AS queue,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.tenant,
	t.attempt + 1 AS attempt,
	w.phase,
	w.started_at,
	jadugar_internal._v_now() - w.started_at AS elapsed,
	w.deadline,
	w.progress,
	w.message,
	p.query AS statement,
	p.wait_event_type,
	p.wait_event,
	CASE WHEN w.phase = 'running'
		THEN NULLIF(pg_catalog.pg_blocking_pids(w.pid), '{}')
	END AS blocked_by,
	s.name AS schedule,
	t.scheduled_for,
	t.priority,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(t.owner)
		THEN t.payload END AS payload,
	t.trace,
	t.flow_run,
	t.step
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

-- -------------------------------------------------------------- schedules

CREATE VIEW jadugar.schedules WITH (security_barrier) AS
SELECT s.schedule_id,
	s.name,
	s.timing,
	s.timezone,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(s.owner)
		THEN s.payload END AS payload,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.enabled,
	s.paused_at IS NOT NULL AS paused,
	CASE WHEN s.enabled AND s.paused_at IS NULL
		THEN s.next_run_at END AS next_run_at,
	r.last_run_at,
	r.last_status,
	s.runs,
	COALESCE(r.failures, 0) AS failures,
	s.missed,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(s.owner)
		THEN s.last_error END AS last_error,
	s.overlap,
	s.misfire,
	s.misfire_grace,
	s.jitter,
	s.starts_at,
	s.ends_at,
	s.max_runs,
	s.depends_on,
	s.concurrency_key,
	q.name AS queue,
	s.priority,
	s.timeout,
	s.retry,
	CASE s.transaction
		WHEN 'c' THEN 'read committed'
		WHEN 'r' THEN 'repeatable read'
		WHEN 's' THEN 'serializable'
		WHEN 'x' THEN 'standalone'
	END AS transaction,
	s.isolate,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(s.owner)
		THEN s.settings END AS settings,
	s.tenant,
	s.description,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(s.owner)
		THEN s.metadata END AS metadata,
	COALESCE(r.completed, 0) AS completed,
	r.last_success_at,
	s.last_fired_at,
	s.paused_at,
	s.created_at,
	s.updated_at
FROM jadugar_internal.schedule s
	LEFT JOIN jadugar_internal.schedule_stat r ON r.schedule_id = s.schedule_id
	LEFT JOIN jadugar_internal.command c ON c.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = s.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(s.owner);
COMMENT ON VIEW jadugar.schedules IS 'Schedules and the outcomes of their runs.';

CREATE VIEW jadugar.upcoming WITH (security_barrier) AS
SELECT s.next_run_at AS at,
	'schedule'::text AS kind,
	s.name,
	NULL::bigint AS task_id,
	c.text AS command,
	q.name AS queue,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.tenant,
	s.priority
FROM jadugar_internal.schedule s
	LEFT JOIN jadugar_internal.command c ON c.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = s.owner
WHERE s.enabled AND s.paused_at IS NULL AND s.next_run_at IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(s.owner))
UNION ALL
SELECT t.run_at,
	'task',
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END,
	t.task_id,
	c.text,
	q.name,
	COALESCE(a.rolname, t.owner::text::name),
	t.tenant,
	t.priority
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = t.owner
WHERE t.state = 's'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(t.owner))
ORDER BY 1;
COMMENT ON VIEW jadugar.upcoming IS
	'Schedules and tasks that will start by themselves, the soonest first.';

-- ---------------------------------------------------------------- history

CREATE VIEW jadugar.history WITH (security_barrier) AS
SELECT r.attempt_id,
	r.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE r.schedule END AS name,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
	q.name AS queue,
	r.priority,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	CASE r.status
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 'x' THEN 'cancelled'
		WHEN 'l' THEN 'lost'
		WHEN 's' THEN 'skipped'
	END AS status,
	r.final,
	r.reason,
	r.attempt,
	r.schedule,
	r.scheduled_for,
	r.occurrences,
	r.scheduled_until,
	r.enqueued_at,
	r.started_at,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	r.worker_pid,
	r.row_count,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.result END AS result,
	r.error_code,
	r.sqlstate,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	r.flow_run,
	r.step,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(r.owner);
COMMENT ON VIEW jadugar.history IS
	'Attempts of tasks that have ended, and occurrences of schedules that did not run.';

-- The columns are those of jadugar.task_info. A task that retry_task() has
-- brought back is not finished; one that ended twice shows its last end.
CREATE VIEW jadugar.finished WITH (security_barrier) AS
SELECT r.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE r.schedule END AS name,
	c.text AS command,
	CASE r.status
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 'l' THEN 'failed'
		ELSE 'cancelled'
	END AS status,
	NULL::text AS waiting_for,
	q.name AS queue,
	r.priority,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.attempt,
	(r.options->>'max_attempts')::integer AS max_attempts,
	NULL::timestamptz AS run_at,
	r.enqueued_at AS created_at,
	r.started_at,
	NULL::double precision AS progress,
	NULL::text AS message,
	r.schedule,
	r.scheduled_for,
	r.options->>'unique_key' AS unique_key,
	r.options->>'concurrency_key' AS concurrency_key,
	r.flow_run,
	r.step,
	NULL::bigint[] AS depends_on,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata,
	r.trace,
	(r.options->>'timeout')::interval AS timeout,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	r.error_code,
	r.sqlstate,
	r.reason
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
WHERE r.final AND r.task_id IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(r.owner))
	AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = r.task_id)
	AND NOT EXISTS (SELECT FROM jadugar_internal.attempt l
		WHERE l.task_id = r.task_id AND l.final AND l.attempt_id > r.attempt_id);
COMMENT ON VIEW jadugar.finished IS 'Finished tasks, as long as the history keeps them.';

-- Written against the table, so that the index attempt_failed serves it.
CREATE VIEW jadugar.failures WITH (security_barrier) AS
SELECT r.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE r.schedule END AS name,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.attempt AS attempts,
	r.finished_at AS failed_at,
	r.error_code,
	r.sqlstate,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error->>'message' END AS message,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	r.reason,
	r.schedule,
	r.scheduled_for,
	r.enqueued_at,
	r.started_at,
	r.finished_at - r.started_at AS duration,
	r.attempt_id,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata,
	r.flow_run,
	r.step
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
WHERE r.final AND r.status IN ('f', 'l') AND r.task_id IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(r.owner))
	AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = r.task_id)
	AND NOT EXISTS (SELECT FROM jadugar_internal.attempt l
		WHERE l.task_id = r.task_id AND l.final AND l.attempt_id > r.attempt_id);
COMMENT ON VIEW jadugar.failures IS
	'Tasks that failed for good and were not retried since, one row each.';

-- ---------------------------------------------------------------- queues

-- Counts are made per owner first, so that the right to see them is asked
-- once per owner and not once per task (OFFSET 0 keeps it there). Seen are the caller's own queues,
-- those that it may use, and those that hold a task of its own.
CREATE VIEW jadugar.queues WITH (security_barrier) AS
SELECT q.name AS queue,
	COALESCE(n.ready, 0) AS ready,
	COALESCE(n.scheduled, 0) AS scheduled,
	COALESCE(n.running, 0) AS running,
	COALESCE(n.waiting, 0) AS waiting,
	COALESCE(n.paused, 0) AS paused_tasks,
	CASE WHEN n.oldest_ready IS NOT NULL
		THEN GREATEST(jadugar_internal._v_now() - n.oldest_ready, '0')
	END AS oldest_ready_age,
	COALESCE(r.finished, 0) / 5.0::double precision AS finished_per_minute,
	COALESCE(r.failed, 0) / 5.0::double precision AS failed_per_minute,
	q.paused_at IS NOT NULL AS paused,
	q.paused_at,
	q.paused_by,
	q.max_concurrency,
	q.max_depth,
	q.on_full,
	q.isolate,
	q.history,
	q.retention,
	COALESCE(a.rolname, q.owner::text::name) AS owner,
	q.description,
	q.created_at
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

-- --------------------------------------------------- workers and counters

CREATE VIEW jadugar.workers WITH (security_barrier) AS
SELECT w.pid,
	COALESCE(a.rolname, w.owner::text::name) AS role,
	w.state,
	w.load,
	w.tasks_done,
	w.memory,
	w.started_at,
	w.idle_since,
	w.task_id,
	w.tasks,
	w.leaving,
	w.registered_at
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

CREATE VIEW jadugar.logs WITH (security_barrier) AS
SELECT l.log_id,
	l.task_id,
	l.attempt,
	COALESCE(a.rolname, l.owner::text::name) AS owner,
	l.at,
	l.level,
	l.message,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(l.owner)
		THEN l.fields END AS fields
FROM jadugar_internal.log l
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = l.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(l.owner);
COMMENT ON VIEW jadugar.logs IS 'Messages logged by tasks, and the warnings they raised.';

CREATE FUNCTION jadugar_internal._v_error_codes(
	OUT name text, OUT sqlstate text, OUT meaning text, OUT action text)
	RETURNS SETOF record
	LANGUAGE C STABLE ROWS 20
	AS 'MODULE_PATHNAME', 'jdg_error_codes';
COMMENT ON FUNCTION jadugar_internal._v_error_codes() IS 'Returns the rows of the view error_codes.';

CREATE VIEW jadugar.error_codes WITH (security_barrier) AS
SELECT e.name, e.sqlstate, e.meaning, e.action
FROM jadugar_internal._v_error_codes() e;
COMMENT ON VIEW jadugar.error_codes IS 'Errors of jadugar, with SQLSTATE, meaning and action.';

-- ---------------------------------------------------------------- health

CREATE VIEW jadugar.health WITH (security_barrier) AS
SELECT v.severity, v.what, v.detail, v.hint
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
SELECT 'error',
	CASE WHEN a.oid IS NULL THEN 'owner_missing' ELSE 'owner_nologin' END,
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
SELECT 'warning', 'queue_paused',
	pg_catalog.format('queue "%s" is paused by %s since %s', q.queue, q.paused_by, q.paused_at),
	'Call jadugar.resume_queue().'
FROM jadugar.queues q
WHERE q.paused;
COMMENT ON VIEW jadugar.health IS
	'State of jadugar in this database: one row for each check, and one for each problem found.';
