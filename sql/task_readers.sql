-- Functions that read tasks, and functions that change all tasks they find.
-- They see the rows that the views of task_views.sql show to their caller.

-- The columns of the view tasks, followed by the outcome of a finished task.
CREATE TYPE jadugar.task_info AS (
	task_id		bigint,
	name		text,
	status		text,
	waiting_for	text,
	reason		text,
	run_at		timestamptz,
	created_at	timestamptz,
	started_at	timestamptz,
	finished_at	timestamptz,
	duration	interval,
	scheduled_for timestamptz,
	attempt		integer,
	max_attempts integer,
	priority	integer,
	progress	double precision,
	timeout		interval,
	queue		text,
	owner		name,
	paused_by	name,
	ended_by	name,
	tenant		text,
	schedule	text,
	flow_run	bigint,
	step		text,
	unique_key	text,
	concurrency_key text,
	depends_on	bigint[],
	trace		text,
	error_code	text,
	sqlstate	text,
	message		text,
	command		text,
	result		jsonb,
	error		jsonb,
	payload		jsonb,
	metadata	jsonb
);
COMMENT ON TYPE jadugar.task_info IS
	'A task, finished or not: the columns of the view tasks, and its outcome.';
COMMENT ON COLUMN jadugar.task_info.task_id IS 'Id of the task.';
COMMENT ON COLUMN jadugar.task_info.name IS 'Handler; for plain SQL the schedule; otherwise NULL.';
COMMENT ON COLUMN jadugar.task_info.status IS
	'Status: as in the view tasks, or completed, failed or cancelled.';
COMMENT ON COLUMN jadugar.task_info.waiting_for IS 'Reason why a pending task does not run yet.';
COMMENT ON COLUMN jadugar.task_info.reason IS 'Reason why the task was cancelled or discarded.';
COMMENT ON COLUMN jadugar.task_info.run_at IS 'Earliest start of the next attempt.';
COMMENT ON COLUMN jadugar.task_info.created_at IS 'Instant at which it was enqueued.';
COMMENT ON COLUMN jadugar.task_info.started_at IS
	'Start of the attempt in progress, or of the last attempt; NULL if there was none.';
COMMENT ON COLUMN jadugar.task_info.finished_at IS 'Instant at which the task finished.';
COMMENT ON COLUMN jadugar.task_info.duration IS
	'Time from the start to the end of the last attempt.';
COMMENT ON COLUMN jadugar.task_info.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.task_info.attempt IS
	'Attempts charged so far; while it runs, the number of this attempt.';
COMMENT ON COLUMN jadugar.task_info.max_attempts IS 'Maximum number of attempts.';
COMMENT ON COLUMN jadugar.task_info.priority IS 'Priority; tasks with higher values run first.';
COMMENT ON COLUMN jadugar.task_info.progress IS
	'Fraction done, as last reported by progress(), or NULL.';
COMMENT ON COLUMN jadugar.task_info.timeout IS 'Maximum duration of an attempt.';
COMMENT ON COLUMN jadugar.task_info.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.task_info.owner IS 'Role that the task runs as.';
COMMENT ON COLUMN jadugar.task_info.paused_by IS 'Role that paused the task, or NULL.';
COMMENT ON COLUMN jadugar.task_info.ended_by IS
	'Role that cancelled the task; NULL if no role did or if it is not known.';
COMMENT ON COLUMN jadugar.task_info.tenant IS 'Tenant that the task is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.task_info.schedule IS 'Schedule that created the task, or NULL.';
COMMENT ON COLUMN jadugar.task_info.flow_run IS
	'Run of a flow that the task is a step of, or NULL.';
COMMENT ON COLUMN jadugar.task_info.step IS 'Name of the step of the flow, or NULL.';
COMMENT ON COLUMN jadugar.task_info.unique_key IS 'Unique key given to enqueue(), or NULL.';
COMMENT ON COLUMN jadugar.task_info.concurrency_key IS
	'Key that limits concurrent tasks, by default to one; or NULL.';
COMMENT ON COLUMN jadugar.task_info.depends_on IS 'Predecessors for which it still waits.';
COMMENT ON COLUMN jadugar.task_info.trace IS 'Trace identifier that the task carries, or NULL.';
COMMENT ON COLUMN jadugar.task_info.error_code IS 'Name of the error, as in the view error_codes.';
COMMENT ON COLUMN jadugar.task_info.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN jadugar.task_info.message IS 'Message of progress(), or NULL.';
COMMENT ON COLUMN jadugar.task_info.command IS 'SQL text, or the name of the handler.';
COMMENT ON COLUMN jadugar.task_info.result IS
	'First row of the last statement, or the marker truncated or unconvertible.';
COMMENT ON COLUMN jadugar.task_info.error IS
	'Error of the last attempt, an object as in the view history.';
COMMENT ON COLUMN jadugar.task_info.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.task_info.metadata IS 'Metadata given by the caller, an object, or NULL.';

-- -------------------------------------------------------------------- helpers

CREATE FUNCTION jadugar_internal._v_task(task_id bigint)
	RETURNS jadugar.task_info
	LANGUAGE sql STABLE
	RETURN COALESCE(
		(SELECT ROW(t.task_id, t.name, t.status, t.waiting_for, NULL, t.run_at,
			t.created_at, t.started_at, NULL, NULL, t.scheduled_for, t.attempt,
			t.max_attempts, t.priority, t.progress, t.timeout, t.queue,
			t.owner, t.paused_by, NULL, t.tenant, t.schedule, t.flow_run, t.step, t.unique_key,
			t.concurrency_key, t.depends_on, t.trace, NULL, NULL, t.message,
			t.command, NULL, NULL, t.payload, t.metadata)::jadugar.task_info
		 FROM jadugar.tasks t WHERE t.task_id = _v_task.task_id),
		(SELECT ROW(f.*)::jadugar.task_info
		 FROM jadugar.finished f WHERE f.task_id = _v_task.task_id));
COMMENT ON FUNCTION jadugar_internal._v_task(bigint) IS 'Returns a task that the caller may see, or NULL.';

CREATE FUNCTION jadugar_internal._v_found(task_id bigint, task jadugar.task_info)
	RETURNS jadugar.task_info
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_found';
COMMENT ON FUNCTION jadugar_internal._v_found(bigint, jadugar.task_info) IS
	'Returns the task. Raises TASK_NOT_FOUND if it is NULL.';

CREATE FUNCTION jadugar_internal._v_result(task_id bigint, task jadugar.task_info)
	RETURNS jsonb
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_result';
COMMENT ON FUNCTION jadugar_internal._v_result(bigint, jadugar.task_info) IS
	'Returns the result of a task. Raises CONFLICT if the task has not finished.';

CREATE FUNCTION jadugar_internal._v_list_tasks(status text, finished_from timestamptz, finished_to timestamptz, max_rows integer)
	RETURNS bigint
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_limit';
COMMENT ON FUNCTION jadugar_internal._v_list_tasks(text, timestamptz, timestamptz, integer) IS
	'Checks the filters of list_tasks() and returns its LIMIT.';

CREATE FUNCTION jadugar_internal._v_wait(task_id bigint, timeout interval)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_wait';
COMMENT ON FUNCTION jadugar_internal._v_wait(bigint, interval) IS
	'Waits until a task finishes or the timeout passes.';

CREATE FUNCTION jadugar_internal._v_waited(task_id bigint, task jadugar.task_info)
	RETURNS jadugar.task_info
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_waited';
COMMENT ON FUNCTION jadugar_internal._v_waited(bigint, jadugar.task_info) IS
	'Returns the task, or NULL if its queue keeps no history. Raises TASK_NOT_FOUND if there is no such task.';

-- -------------------------------------------------------------------- readers

CREATE FUNCTION jadugar.get_task(task_id bigint)
	RETURNS jadugar.task_info
	LANGUAGE sql STABLE
	RETURN jadugar_internal._v_found(task_id, jadugar_internal._v_task(task_id));
COMMENT ON FUNCTION jadugar.get_task(bigint) IS 'Returns one task, finished or not.';

CREATE FUNCTION jadugar.list_tasks(
	status text DEFAULT NULL, queue text DEFAULT NULL,
	name text DEFAULT NULL, schedule text DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL,
	unique_key text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	finished_from timestamptz DEFAULT NULL,
	finished_to timestamptz DEFAULT NULL,
	after_id bigint DEFAULT NULL, max_rows integer DEFAULT 100)
	RETURNS SETOF jadugar.task_info
	LANGUAGE sql STABLE ROWS 100
BEGIN ATOMIC
	SELECT i.*
	FROM (
		SELECT t.task_id, t.name, t.status, t.waiting_for,
			NULL::text AS reason, t.run_at, t.created_at, t.started_at,
			NULL::timestamptz AS finished_at, NULL::interval AS duration,
			t.scheduled_for, t.attempt, t.max_attempts, t.priority, t.progress,
			t.timeout, t.queue, t.owner, t.paused_by, NULL::name AS ended_by,
			t.tenant, t.schedule, t.flow_run,
			t.step, t.unique_key, t.concurrency_key, t.depends_on, t.trace,
			NULL::text AS error_code, NULL::text AS sqlstate, t.message,
			t.command, NULL::jsonb AS result, NULL::jsonb AS error, t.payload,
			t.metadata
		FROM jadugar.tasks t
		WHERE (list_tasks.status IS NULL OR list_tasks.status
				IN ('pending', 'scheduled', 'running', 'paused'))
			AND list_tasks.finished_from IS NULL
			AND list_tasks.finished_to IS NULL
			AND (list_tasks.status IS NULL OR t.status = list_tasks.status)
		UNION ALL
		SELECT f.*
		FROM jadugar.finished f
		WHERE (list_tasks.status IN ('completed', 'failed', 'cancelled')
				OR list_tasks.finished_from IS NOT NULL
				OR list_tasks.finished_to IS NOT NULL)
			AND (list_tasks.status IS NULL OR f.status = list_tasks.status)
			-- the planner may push a CASE into the view, and not a COALESCE
			AND f.finished_at >= CASE WHEN list_tasks.finished_from IS NULL
				THEN '-infinity' ELSE list_tasks.finished_from END
			AND f.finished_at < CASE WHEN list_tasks.finished_to IS NULL
				THEN 'infinity' ELSE list_tasks.finished_to END) i
	WHERE (list_tasks.after_id IS NULL OR i.task_id > list_tasks.after_id)
		AND (list_tasks.queue IS NULL OR i.queue = list_tasks.queue)
		AND (list_tasks.name IS NULL OR i.name = list_tasks.name)
		AND (list_tasks.schedule IS NULL OR i.schedule = list_tasks.schedule)
		AND (list_tasks.tenant IS NULL OR i.tenant = list_tasks.tenant)
		AND (list_tasks.owner IS NULL OR i.owner = list_tasks.owner)
		AND (list_tasks.unique_key IS NULL
			OR i.unique_key = list_tasks.unique_key)
		AND (list_tasks.metadata IS NULL
			OR i.metadata @> list_tasks.metadata)
	ORDER BY i.task_id
	LIMIT jadugar_internal._v_list_tasks(list_tasks.status, list_tasks.finished_from,
		list_tasks.finished_to, list_tasks.max_rows);
END;
COMMENT ON FUNCTION jadugar.list_tasks(text, text, text, text, text, text, text, jsonb, timestamptz, timestamptz, bigint, integer) IS
	'Returns the tasks that match all filters, ordered by id.';

CREATE FUNCTION jadugar.count_tasks(
	status text DEFAULT NULL, queue text DEFAULT NULL,
	name text DEFAULT NULL, schedule text DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL,
	unique_key text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	finished_from timestamptz DEFAULT NULL,
	finished_to timestamptz DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql STABLE SET jit = off
	RETURN (SELECT pg_catalog.count(*) FROM jadugar.list_tasks(
		status => status, queue => queue, name => name,
		schedule => schedule, tenant => tenant, owner => owner,
		unique_key => unique_key, metadata => metadata,
		finished_from => finished_from, finished_to => finished_to,
		max_rows => NULL));
COMMENT ON FUNCTION jadugar.count_tasks(text, text, text, text, text, text, text, jsonb, timestamptz, timestamptz) IS
	'Returns the number of tasks that match all filters.';

CREATE FUNCTION jadugar.result(task_id bigint)
	RETURNS jsonb
	LANGUAGE sql STABLE
	RETURN jadugar_internal._v_result(task_id, jadugar_internal._v_task(task_id));
COMMENT ON FUNCTION jadugar.result(bigint) IS 'Returns the result of a finished task.';

-- There are two statements so that the second one takes a new snapshot.
CREATE FUNCTION jadugar.wait(task_id bigint, timeout interval DEFAULT NULL)
	RETURNS jadugar.task_info
	LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT jadugar_internal._v_wait(wait.task_id, wait.timeout);
	SELECT jadugar_internal._v_waited(wait.task_id, jadugar_internal._v_task(wait.task_id));
END;
COMMENT ON FUNCTION jadugar.wait(bigint, interval) IS
	'Waits until a task finishes, and returns it.';

-- --------------------------------------------------------------- many at once

CREATE FUNCTION jadugar.cancel_tasks(
	status text DEFAULT NULL, queue text DEFAULT NULL,
	name text DEFAULT NULL, schedule text DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL,
	unique_key text DEFAULT NULL, metadata jsonb DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN CASE WHEN jadugar_internal._v_may_change('cancel_tasks') THEN
			(SELECT jadugar_internal._v_cancel_tasks('cancel_tasks', pg_catalog.array_agg(t.task_id ORDER BY t.task_id))
			FROM jadugar.list_tasks(
				status => status, queue => queue, name => name,
				schedule => schedule, tenant => tenant, owner => owner,
				unique_key => unique_key, metadata => metadata,
				max_rows => NULL) AS t
			WHERE t.status IN ('pending', 'scheduled', 'running', 'paused')) END;
COMMENT ON FUNCTION jadugar.cancel_tasks(text, text, text, text, text, text, text, jsonb) IS
	'Cancels all unfinished tasks that match all filters. Returns the number of tasks cancelled.';

CREATE FUNCTION jadugar_internal._v_retry_tasks(task_ids bigint[])
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_retry_tasks';
COMMENT ON FUNCTION jadugar_internal._v_retry_tasks(bigint[]) IS
	'Retries finished tasks, except those that cannot be. Returns the number of tasks retried.';

CREATE FUNCTION jadugar.retry_tasks(
	queue text DEFAULT NULL, name text DEFAULT NULL,
	schedule text DEFAULT NULL, tenant text DEFAULT NULL,
	owner text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	finished_from timestamptz DEFAULT NULL,
	finished_to timestamptz DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT jadugar_internal._v_retry_tasks(pg_catalog.array_agg(t.task_id ORDER BY t.task_id))
	FROM jadugar.list_tasks(
		status => 'failed', queue => retry_tasks.queue,
		name => retry_tasks.name, schedule => retry_tasks.schedule,
		tenant => retry_tasks.tenant, owner => retry_tasks.owner,
		metadata => retry_tasks.metadata,
		finished_from => retry_tasks.finished_from,
		finished_to => retry_tasks.finished_to, max_rows => NULL) AS t;
END;
COMMENT ON FUNCTION jadugar.retry_tasks(text, text, text, text, text, jsonb, timestamptz, timestamptz) IS
	'Retries all failed tasks that match all filters, except steps of flows. Returns the number of tasks retried.';

-- ------------------------------------------------------------ in this session

CREATE FUNCTION jadugar_internal._v_run_task(command text, payload jsonb)
	RETURNS jsonb
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_run_task_here';
COMMENT ON FUNCTION jadugar_internal._v_run_task(text, jsonb) IS
	'Runs the work of a task in the calling transaction. Returns a task_info as jsonb.';

CREATE FUNCTION jadugar.run_task(command text, payload jsonb DEFAULT '{}')
	RETURNS jadugar.task_info
	LANGUAGE sql VOLATILE
	RETURN pg_catalog.jsonb_populate_record(
		NULL::jadugar.task_info, jadugar_internal._v_run_task(command, payload));
COMMENT ON FUNCTION jadugar.run_task(text, jsonb) IS
	'Runs the work of a task in the calling transaction, without enqueuing a task. For tests of handlers.';
