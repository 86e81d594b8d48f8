-- Views of tasks, and the functions that read them. Each view is filtered by
-- the owner of the row and is a security barrier. A member of the owning role
-- and an operator see a row whole; a monitor sees every row, with payloads and
-- other contents as NULL.

-- ---------------------------------------------------------------------- tasks

CREATE VIEW jadugar.tasks WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END AS name,
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
	t.run_at,
	t.created_at,
	CASE WHEN w.phase <> 'claimed' OR t.state = 'x'
		THEN COALESCE(w.started_at, t.started_at) END AS started_at,
	t.scheduled_for,
	CASE WHEN w.phase <> 'claimed' OR t.state = 'x'
		THEN t.attempt + 1 ELSE t.attempt END AS attempt,
	t.max_attempts,
	t.priority,
	w.progress,
	t.timeout,
	q.name AS queue,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.tenant,
	s.name AS schedule,
	t.flow_run,
	t.step,
	t.unique_key,
	t.concurrency_key,
	(SELECT pg_catalog.array_agg(d.parent_id ORDER BY d.parent_id)
	 FROM jadugar_internal.dependency d WHERE d.task_id = t.task_id) AS depends_on,
	t.trace,
	w.message,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(t.owner)
		THEN t.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(t.owner)
		THEN t.metadata END AS metadata
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal._v_slots() w ON w.task_id = t.task_id
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = t.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(t.owner);
COMMENT ON VIEW jadugar.tasks IS 'Tasks that have not finished.';

CREATE VIEW jadugar.upcoming WITH (security_barrier) AS
SELECT NULL::bigint AS task_id,
	s.name,
	'schedule'::text AS kind,
	s.next_run_at AS at,
	s.priority,
	q.name AS queue,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.tenant,
	c.text AS command
FROM jadugar_internal.schedule s
	LEFT JOIN jadugar_internal.command c ON c.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = s.owner
WHERE s.enabled AND s.paused_at IS NULL AND s.next_run_at IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(s.owner))
UNION ALL
SELECT t.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE s.name END,
	'task',
	t.run_at,
	t.priority,
	q.name,
	COALESCE(a.rolname, t.owner::text::name),
	t.tenant,
	c.text
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = t.owner
WHERE t.state = 's'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(t.owner))
ORDER BY at;
COMMENT ON VIEW jadugar.upcoming IS
	'Schedules and tasks that will start by themselves, the soonest first.';

-- -------------------------------------------------------------------- history

CREATE VIEW jadugar.history WITH (security_barrier) AS
SELECT r.attempt_id,
	r.task_id,
	CASE WHEN c.kind = 'h' THEN c.text ELSE r.schedule END AS name,
	CASE r.status
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 'x' THEN 'cancelled'
		WHEN 'l' THEN 'lost'
		WHEN 's' THEN 'skipped'
	END AS status,
	r.final,
	r.reason,
	r.started_at,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	r.enqueued_at,
	r.scheduled_for,
	r.scheduled_until,
	r.attempt,
	r.row_count,
	r.occurrences,
	r.priority,
	r.worker_pid,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.schedule,
	r.flow_run,
	r.step,
	r.trace,
	r.error_code,
	r.sqlstate,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
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
	CASE r.status
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 'l' THEN 'failed'
		ELSE 'cancelled'
	END AS status,
	NULL::text AS waiting_for,
	r.reason,
	NULL::timestamptz AS run_at,
	r.enqueued_at AS created_at,
	r.started_at,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	r.scheduled_for,
	r.attempt,
	(r.options->>'max_attempts')::integer AS max_attempts,
	r.priority,
	NULL::double precision AS progress,
	(r.options->>'timeout')::interval AS timeout,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.schedule,
	r.flow_run,
	r.step,
	r.options->>'unique_key' AS unique_key,
	r.options->>'concurrency_key' AS concurrency_key,
	NULL::bigint[] AS depends_on,
	r.trace,
	r.error_code,
	r.sqlstate,
	NULL::text AS message,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata
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
	r.attempt_id,
	r.error_code,
	r.sqlstate,
	r.reason,
	r.finished_at AS failed_at,
	r.started_at,
	r.finished_at - r.started_at AS duration,
	r.enqueued_at,
	r.scheduled_for,
	r.attempt AS attempts,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.schedule,
	r.flow_run,
	r.step,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error->>'message' END AS message,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata
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

CREATE VIEW jadugar.logs WITH (security_barrier) AS
SELECT l.log_id,
	l.task_id,
	l.level,
	l.at,
	l.attempt,
	COALESCE(a.rolname, l.owner::text::name) AS owner,
	l.message,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(l.owner)
		THEN l.fields END AS fields
FROM jadugar_internal.log l
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = l.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(l.owner);
COMMENT ON VIEW jadugar.logs IS 'Messages logged by tasks, and the warnings they raised.';
