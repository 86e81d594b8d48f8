-- Operation: pausing, draining, worker pools, adoption, bulk forms.

CREATE FUNCTION jadugar.pause_all(reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_all';
COMMENT ON FUNCTION jadugar.pause_all(text, timestamptz) IS
	'Pauses all work in this database: no schedule fires and no task starts until resume_all() is called.';

CREATE FUNCTION jadugar.resume_all()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_all';
COMMENT ON FUNCTION jadugar.resume_all() IS
	'Resumes all work in this database. Missed occurrences are handled by the misfire policy of each schedule.';

CREATE PROCEDURE jadugar.drain(
	queue text DEFAULT NULL, timeout interval DEFAULT NULL,
	INOUT remaining integer DEFAULT NULL)
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'jdg_drain';
COMMENT ON PROCEDURE jadugar.drain(text, interval, integer) IS
	'Pauses one queue or all work, and waits until no worker holds a task of it.';

CREATE FUNCTION jadugar.start_workers(n integer, role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_workers';
COMMENT ON FUNCTION jadugar.start_workers(integer, text) IS
	'Keeps at least n workers of a role running until the server restarts.';

CREATE FUNCTION jadugar.scale_workers(n integer, role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_scale_workers';
COMMENT ON FUNCTION jadugar.scale_workers(integer, text) IS
	'Keeps exactly n workers of a role running until the server restarts.';

CREATE FUNCTION jadugar.stop_workers(role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_stop_workers';
COMMENT ON FUNCTION jadugar.stop_workers(text) IS
	'Stops the workers of a role after their tasks, and starts no more until restart_workers() or a server restart.';

CREATE FUNCTION jadugar.restart_workers(role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_restart_workers';
COMMENT ON FUNCTION jadugar.restart_workers(text) IS
	'Replaces the workers of a role with new ones after their tasks.';

CREATE FUNCTION jadugar.adopt(
	missed text DEFAULT 'policy', pending text DEFAULT 'run',
	OUT owner text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_adopt';
COMMENT ON FUNCTION jadugar.adopt(text, text) IS
	'Enables work in a restored or copied database. Returns the owners that do not exist in it.';

CREATE FUNCTION jadugar_internal._start_scheduler()
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_scheduler';
COMMENT ON FUNCTION jadugar_internal._start_scheduler() IS
	'For tests: starts an additional scheduler, which waits for the elected one.';

CREATE FUNCTION jadugar.cancel_tasks(
	status text DEFAULT NULL, queue text DEFAULT NULL,
	name text DEFAULT NULL, schedule text DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL,
	unique_key text DEFAULT NULL, metadata jsonb DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN (SELECT pg_catalog.count(*) FILTER (WHERE jadugar.cancel(t.task_id))
			FROM jadugar.list_tasks(
				status => status, queue => queue, name => name,
				schedule => schedule, tenant => tenant, owner => owner,
				unique_key => unique_key, metadata => metadata,
				max_rows => NULL) AS t
			WHERE t.status IN ('pending', 'scheduled', 'running', 'paused'));
COMMENT ON FUNCTION jadugar.cancel_tasks(text, text, text, text, text, text, text, jsonb) IS
	'Cancels all unfinished tasks that match all filters. Returns the number of tasks cancelled.';

CREATE FUNCTION jadugar.retry_tasks(
	queue text DEFAULT NULL, name text DEFAULT NULL,
	schedule text DEFAULT NULL, tenant text DEFAULT NULL,
	owner text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	finished_from timestamptz DEFAULT NULL,
	finished_to timestamptz DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT pg_catalog.count(jadugar.retry_task(t.task_id))
	FROM jadugar.list_tasks(
		status => 'failed', queue => retry_tasks.queue,
		name => retry_tasks.name, schedule => retry_tasks.schedule,
		tenant => retry_tasks.tenant, owner => retry_tasks.owner,
		metadata => retry_tasks.metadata,
		finished_from => retry_tasks.finished_from,
		finished_to => retry_tasks.finished_to, max_rows => NULL) AS t;
END;
COMMENT ON FUNCTION jadugar.retry_tasks(text, text, text, text, text, jsonb, timestamptz, timestamptz) IS
	'Retries all failed tasks that match all filters. Returns the number of tasks retried.';

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
