-- Views of tasks, of their history and of their logs. Functions that read
-- tasks are in task_readers.sql.

-- ---------------------------------------------------------------------- tasks

CREATE VIEW jadugar.tasks WITH (security_barrier) AS
SELECT t.task_id,
	CASE WHEN c.kind IN ('h', 'o') THEN c.text ELSE COALESCE(s.name, t.schedule) END AS name,
	CASE
		WHEN w.phase <> 'claimed' OR t.state IN ('x', 'f') THEN 'running'
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
		WHEN jadugar_internal._v_tenant_is_paused(t.tenant) THEN 'tenant_paused'
		WHEN a.oid IS NULL THEN 'owner_missing'
		WHEN NOT a.rolcanlogin THEN 'owner_nologin'
		WHEN NOT pg_catalog.has_database_privilege(a.oid, pg_catalog.current_database()::text, 'CONNECT')
			THEN 'owner_noconnect'
		WHEN jadugar_internal._v_limit_reason(t.owner, t.queue_id, t.tenant, t.command_id, t.concurrency_key, t.endpoint_id, t.host) IS NOT NULL
			THEN jadugar_internal._v_limit_reason(t.owner, t.queue_id, t.tenant, t.command_id, t.concurrency_key, t.endpoint_id, t.host)
		WHEN (SELECT h.scheduler_pid IS NULL FROM jadugar_internal._v_health() h)
			THEN 'no_scheduler'
		WHEN t.endpoint_id IS NOT NULL THEN 'http'
		WHEN jadugar_internal._v_no_worker(t.owner) THEN 'no_worker'
		ELSE 'worker'
	END AS waiting_for,
	t.run_at,
	t.created_at,
	CASE WHEN w.phase <> 'claimed' OR t.state IN ('x', 'f')
		THEN COALESCE(w.started_at, t.started_at) END AS started_at,
	t.scheduled_for,
	CASE WHEN w.phase <> 'claimed' OR t.state IN ('x', 'f')
		THEN t.attempt + 1 ELSE t.attempt END AS attempt,
	t.max_attempts,
	CASE WHEN t.attempt > 0 AND ((SELECT jadugar_internal._v_is_operator())
			OR jadugar_internal._v_reads(t.owner, t.tenant))
		THEN (SELECT r.error->>'message' FROM jadugar_internal.attempt r
			WHERE r.task_id = t.task_id AND r.error IS NOT NULL
			ORDER BY r.attempt_id DESC LIMIT 1) END AS last_error,
	t.priority,
	w.progress,
	t.timeout,
	q.name AS queue,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.paused_by::name AS paused_by,
	t.tenant,
	COALESCE(s.name, t.schedule) AS schedule,
	t.flow_run,
	t.step,
	t.unique_key,
	t.concurrency_key,
	CASE t.expect_rows WHEN 's' THEN 'some' WHEN 'o' THEN 'one' ELSE 'any' END AS expect_rows,
	(SELECT pg_catalog.array_agg(d.parent_id ORDER BY d.parent_id)
	 FROM jadugar_internal.dependency d WHERE d.task_id = t.task_id
		AND (NOT (SELECT jadugar_internal._v_is_confined())
			-- OFFSET 0: looked up for each parent, never hashed
			OR EXISTS (SELECT FROM jadugar_internal.task p WHERE p.task_id = d.parent_id
				AND jadugar_internal._v_sees(p.owner, p.tenant) OFFSET 0)
			OR EXISTS (SELECT FROM jadugar_internal.attempt p WHERE p.task_id = d.parent_id
				AND jadugar_internal._v_sees(p.owner, p.tenant) OFFSET 0))) AS depends_on,
	t.trace,
	w.message,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(t.owner, t.tenant)
		THEN t.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(t.owner, t.tenant)
		THEN t.metadata END AS metadata
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal._v_slots() w ON w.task_id = t.task_id
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = t.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(t.owner, t.tenant);
COMMENT ON VIEW jadugar.tasks IS 'Tasks that have not finished.';
COMMENT ON COLUMN jadugar.tasks.task_id IS 'Id returned by enqueue().';
COMMENT ON COLUMN jadugar.tasks.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.tasks.status IS 'Status: pending, scheduled, running or paused.';
COMMENT ON COLUMN jadugar.tasks.waiting_for IS 'Reason why a pending task does not run yet.';
COMMENT ON COLUMN jadugar.tasks.run_at IS 'Earliest start of the next attempt.';
COMMENT ON COLUMN jadugar.tasks.created_at IS 'Instant at which it was enqueued.';
COMMENT ON COLUMN jadugar.tasks.started_at IS 'Start of the attempt in progress, or NULL.';
COMMENT ON COLUMN jadugar.tasks.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.tasks.attempt IS
	'Attempts charged so far; while it runs, the number of this attempt.';
COMMENT ON COLUMN jadugar.tasks.max_attempts IS 'Maximum number of attempts.';
COMMENT ON COLUMN jadugar.tasks.last_error IS
	'Message of the last attempt that failed, or NULL.';
COMMENT ON COLUMN jadugar.tasks.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.tasks.progress IS
	'Fraction done, as last reported by progress(), or NULL.';
COMMENT ON COLUMN jadugar.tasks.timeout IS 'Maximum duration of an attempt.';
COMMENT ON COLUMN jadugar.tasks.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.tasks.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.tasks.paused_by IS 'Role that paused the task, or NULL.';
COMMENT ON COLUMN jadugar.tasks.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.tasks.schedule IS 'Schedule that created the task, or NULL.';
COMMENT ON COLUMN jadugar.tasks.flow_run IS 'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.tasks.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.tasks.unique_key IS 'Unique key given to enqueue(), or NULL.';
COMMENT ON COLUMN jadugar.tasks.concurrency_key IS 'Key that limits concurrent tasks, by default to one; or NULL.';
COMMENT ON COLUMN jadugar.tasks.expect_rows IS
	'Rows that the command is to return or change: any, some or one.';
COMMENT ON COLUMN jadugar.tasks.depends_on IS 'Predecessors for which it still waits.';
COMMENT ON COLUMN jadugar.tasks.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.tasks.message IS 'Message of progress(), or NULL.';
COMMENT ON COLUMN jadugar.tasks.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.tasks.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.tasks.metadata IS 'Metadata given by the caller, an object, or NULL.';

CREATE VIEW jadugar.upcoming WITH (security_barrier) AS
SELECT NULL::bigint AS task_id,
	s.name,
	'schedule'::text AS kind,
	s.next_run_at AS at,
	s.priority,
	q.name AS queue,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.tenant,
	c.text AS command,
	NULL::text AS last_error
FROM jadugar_internal.schedule s
	LEFT JOIN jadugar_internal.command c ON c.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
WHERE s.enabled AND s.paused_at IS NULL AND s.next_run_at IS NOT NULL
	AND NOT jadugar_internal._v_tenant_is_paused(s.tenant)
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(s.owner, s.tenant))
UNION ALL
SELECT t.task_id,
	CASE WHEN c.kind IN ('h', 'o') THEN c.text ELSE COALESCE(s.name, t.schedule) END,
	'task',
	t.run_at,
	t.priority,
	q.name,
	COALESCE(a.rolname, t.owner::text::name),
	t.tenant,
	c.text,
	CASE WHEN t.attempt > 0 AND ((SELECT jadugar_internal._v_is_operator())
			OR jadugar_internal._v_reads(t.owner, t.tenant))
		THEN (SELECT r.error->>'message' FROM jadugar_internal.attempt r
			WHERE r.task_id = t.task_id AND r.error IS NOT NULL
			ORDER BY r.attempt_id DESC LIMIT 1) END
FROM jadugar_internal.task t
	LEFT JOIN jadugar_internal.command c ON c.command_id = t.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = t.queue_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = t.schedule_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = t.owner
WHERE t.state = 's'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(t.owner, t.tenant))
ORDER BY at;
COMMENT ON VIEW jadugar.upcoming IS
	'Schedules and tasks that will start by themselves, the soonest first.';
COMMENT ON COLUMN jadugar.upcoming.task_id IS 'Id of the task; NULL for a schedule.';
COMMENT ON COLUMN jadugar.upcoming.name IS
	'Name of the schedule, or name of the task as in the view tasks.';
COMMENT ON COLUMN jadugar.upcoming.kind IS 'Kind of the row: schedule or task.';
COMMENT ON COLUMN jadugar.upcoming.at IS 'Instant of the start.';
COMMENT ON COLUMN jadugar.upcoming.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.upcoming.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.upcoming.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.upcoming.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.upcoming.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.upcoming.last_error IS
	'Message of the last attempt of the task that failed, or NULL.';

-- -------------------------------------------------------------------- history

-- The barrier hides the ORDER BY of a reader from the planner, which would read
-- all rows for the newest ten. So the view has one itself: it costs nothing
-- with the primary key, and reading everything takes twice as long.
CREATE VIEW jadugar.history WITH (security_barrier) AS
SELECT r.attempt_id,
	r.task_id,
	CASE WHEN c.kind IN ('h', 'o') THEN c.text ELSE r.schedule END AS name,
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
	r.enqueued_at AS created_at,
	r.scheduled_for,
	r.scheduled_until,
	r.attempt,
	r.row_count,
	r.occurrences,
	r.priority,
	r.worker_pid,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.ended_by::name AS ended_by,
	r.tenant,
	r.schedule,
	r.flow_run,
	r.step,
	r.trace,
	r.error_code,
	r.sqlstate,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.metadata END AS metadata
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(r.owner, r.tenant)
ORDER BY r.finished_at DESC;
COMMENT ON VIEW jadugar.history IS
	'Attempts of tasks that have ended, and occurrences of schedules that did not run.';
COMMENT ON COLUMN jadugar.history.attempt_id IS 'Number of the row; rises with each row.';
COMMENT ON COLUMN jadugar.history.task_id IS
	'Id of the task; NULL for an occurrence that did not run.';
COMMENT ON COLUMN jadugar.history.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.history.status IS
	'Status: completed, failed, cancelled, lost or skipped.';
COMMENT ON COLUMN jadugar.history.final IS
	'True if the task ended with this attempt; false if it is tried again.';
COMMENT ON COLUMN jadugar.history.reason IS 'Reason why it was skipped, cancelled or discarded.';
COMMENT ON COLUMN jadugar.history.started_at IS 'Start of the attempt.';
COMMENT ON COLUMN jadugar.history.finished_at IS 'End of the attempt.';
COMMENT ON COLUMN jadugar.history.duration IS 'Time from the start to the end of the attempt.';
COMMENT ON COLUMN jadugar.history.created_at IS 'Instant at which the task was enqueued.';
COMMENT ON COLUMN jadugar.history.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.history.scheduled_until IS
	'Last of the missed occurrences that share this row.';
COMMENT ON COLUMN jadugar.history.attempt IS
	'Number of the attempt; 0 if it was cancelled before it ran.';
COMMENT ON COLUMN jadugar.history.row_count IS 'Rows that the last statement returned or changed.';
COMMENT ON COLUMN jadugar.history.occurrences IS
	'Number of missed occurrences that share this row.';
COMMENT ON COLUMN jadugar.history.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.history.worker_pid IS 'Process id of the worker.';
COMMENT ON COLUMN jadugar.history.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.history.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.history.ended_by IS
	'Role that cancelled the task; NULL if no role did or if it is not known.';
COMMENT ON COLUMN jadugar.history.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.history.schedule IS
	'Schedule that created the task, or whose occurrence did not run.';
COMMENT ON COLUMN jadugar.history.flow_run IS 'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.history.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.history.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.history.error_code IS 'Name of the error, as in the view error_codes.';
COMMENT ON COLUMN jadugar.history.sqlstate IS 'SQLSTATE of a failed or lost attempt.';
COMMENT ON COLUMN jadugar.history.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.history.result IS
	'First row of the last statement, or the marker truncated or unconvertible.';
COMMENT ON COLUMN jadugar.history.error IS
	'Error, an object with message, detail, hint, context and others.';
COMMENT ON COLUMN jadugar.history.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.history.metadata IS 'Metadata given by the caller, an object, or NULL.';

-- The columns are those of jadugar.task_info. The view omits a task that
-- retry_task() has enqueued again. A task that ended twice shows its last end.
CREATE VIEW jadugar.finished WITH (security_barrier) AS
SELECT r.task_id,
	CASE WHEN c.kind IN ('h', 'o') THEN c.text ELSE r.schedule END AS name,
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
	NULL::name AS paused_by,
	r.ended_by::name AS ended_by,
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
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.metadata END AS metadata
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
WHERE r.final AND r.task_id IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(r.owner, r.tenant))
	AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = r.task_id)
	AND NOT EXISTS (SELECT FROM jadugar_internal.attempt l
		WHERE l.task_id = r.task_id AND l.final AND l.attempt_id > r.attempt_id);
COMMENT ON VIEW jadugar.finished IS 'Finished tasks, as long as the history keeps them.';
COMMENT ON COLUMN jadugar.finished.task_id IS 'Id of the task.';
COMMENT ON COLUMN jadugar.finished.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.finished.status IS
	'Status: completed, failed or cancelled. A lost task has failed.';
COMMENT ON COLUMN jadugar.finished.waiting_for IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.reason IS 'Reason why it was skipped, cancelled or discarded.';
COMMENT ON COLUMN jadugar.finished.run_at IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.created_at IS 'Instant at which it was enqueued.';
COMMENT ON COLUMN jadugar.finished.started_at IS 'Start of the last attempt.';
COMMENT ON COLUMN jadugar.finished.finished_at IS 'End of the last attempt.';
COMMENT ON COLUMN jadugar.finished.duration IS 'Duration of the last attempt.';
COMMENT ON COLUMN jadugar.finished.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.finished.attempt IS 'Number of the last attempt.';
COMMENT ON COLUMN jadugar.finished.max_attempts IS
	'Maximum number of attempts; only of tasks that did not complete.';
COMMENT ON COLUMN jadugar.finished.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.finished.progress IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.timeout IS 'Timeout; only of tasks that did not complete.';
COMMENT ON COLUMN jadugar.finished.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.finished.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.finished.paused_by IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.ended_by IS
	'Role that cancelled the task; NULL if no role did or if it is not known.';
COMMENT ON COLUMN jadugar.finished.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.finished.schedule IS 'Schedule that created the task, or NULL.';
COMMENT ON COLUMN jadugar.finished.flow_run IS 'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.finished.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.finished.unique_key IS 'Unique key; only of tasks that did not complete.';
COMMENT ON COLUMN jadugar.finished.concurrency_key IS
	'Concurrency key; only of tasks that did not complete.';
COMMENT ON COLUMN jadugar.finished.depends_on IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.finished.error_code IS 'Name of the error, as in the view error_codes.';
COMMENT ON COLUMN jadugar.finished.sqlstate IS 'SQLSTATE of a failed or lost attempt.';
COMMENT ON COLUMN jadugar.finished.message IS 'Always NULL; present as in the view tasks.';
COMMENT ON COLUMN jadugar.finished.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.finished.result IS
	'First row of the last statement, or the marker truncated or unconvertible.';
COMMENT ON COLUMN jadugar.finished.error IS
	'Error, an object with message, detail, hint, context and others.';
COMMENT ON COLUMN jadugar.finished.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.finished.metadata IS 'Metadata given by the caller, an object, or NULL.';

-- Reads the table and not the view finished, to use the index attempt_failed.
CREATE VIEW jadugar.failures WITH (security_barrier) AS
SELECT r.task_id,
	CASE WHEN c.kind IN ('h', 'o') THEN c.text ELSE r.schedule END AS name,
	r.attempt_id,
	r.error_code,
	r.sqlstate,
	r.reason,
	r.finished_at AS failed_at,
	r.started_at,
	r.finished_at - r.started_at AS duration,
	r.enqueued_at AS created_at,
	r.scheduled_for,
	r.attempt,
	q.name AS queue,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	r.schedule,
	r.flow_run,
	r.step,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.error->>'message' END AS message,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.payload END AS payload,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.metadata END AS metadata
FROM jadugar_internal.attempt r
	LEFT JOIN jadugar_internal.command c ON c.command_id = r.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = r.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
WHERE r.final AND r.status IN ('f', 'l') AND r.task_id IS NOT NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(r.owner, r.tenant))
	AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = r.task_id)
	AND NOT EXISTS (SELECT FROM jadugar_internal.attempt l
		WHERE l.task_id = r.task_id AND l.final AND l.attempt_id > r.attempt_id);
COMMENT ON VIEW jadugar.failures IS
	'Tasks that failed for good and were not retried since, one row each.';
COMMENT ON COLUMN jadugar.failures.task_id IS 'Id of the task.';
COMMENT ON COLUMN jadugar.failures.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.failures.attempt_id IS 'Row of the view history of the last attempt.';
COMMENT ON COLUMN jadugar.failures.error_code IS 'Name of the error, as in the view error_codes.';
COMMENT ON COLUMN jadugar.failures.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN jadugar.failures.reason IS 'Reason given to discard().';
COMMENT ON COLUMN jadugar.failures.failed_at IS 'End of the last attempt.';
COMMENT ON COLUMN jadugar.failures.started_at IS 'Start of the last attempt.';
COMMENT ON COLUMN jadugar.failures.duration IS 'Duration of the last attempt.';
COMMENT ON COLUMN jadugar.failures.created_at IS 'Instant at which the task was enqueued.';
COMMENT ON COLUMN jadugar.failures.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.failures.attempt IS 'Number of the last attempt.';
COMMENT ON COLUMN jadugar.failures.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.failures.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.failures.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.failures.schedule IS 'Schedule that created the task, or NULL.';
COMMENT ON COLUMN jadugar.failures.flow_run IS 'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.failures.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.failures.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.failures.message IS 'Message of the error.';
COMMENT ON COLUMN jadugar.failures.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.failures.error IS
	'Error, an object with message, detail, hint, context and others.';
COMMENT ON COLUMN jadugar.failures.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.failures.metadata IS 'Metadata given by the caller, an object, or NULL.';

CREATE VIEW jadugar.logs WITH (security_barrier) AS
SELECT l.log_id,
	l.task_id,
	l.level,
	l.at,
	l.attempt,
	COALESCE(a.rolname, l.owner::text::name) AS owner,
	l.tenant,
	l.message,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(l.owner, l.tenant)
		THEN l.fields END AS fields
FROM jadugar_internal.log l
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = l.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(l.owner, l.tenant);
COMMENT ON VIEW jadugar.logs IS 'Messages logged by tasks, and the INFO and WARNINGs they raised.';
COMMENT ON COLUMN jadugar.logs.log_id IS 'Number of the row.';
COMMENT ON COLUMN jadugar.logs.task_id IS
	'Task that logged it; NULL if it was logged outside a task.';
COMMENT ON COLUMN jadugar.logs.level IS 'Level: debug, info, notice, warning or error.';
COMMENT ON COLUMN jadugar.logs.at IS 'Instant of the message.';
COMMENT ON COLUMN jadugar.logs.attempt IS 'Number of the attempt; NULL outside a task.';
COMMENT ON COLUMN jadugar.logs.owner IS 'Role that logged it.';
COMMENT ON COLUMN jadugar.logs.tenant IS
	'Tenant of the task, or of the event that was handled; or NULL.';
COMMENT ON COLUMN jadugar.logs.message IS 'Text of the message.';
COMMENT ON COLUMN jadugar.logs.fields IS 'Further data, an object.';
