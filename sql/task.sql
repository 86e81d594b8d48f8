-- Tasks: putting them in, and acting on those that are there. Functions that
-- return task_info are in 75_readers.sql.

CREATE FUNCTION jadugar.enqueue(
	command text, payload jsonb DEFAULT '{}', queue text DEFAULT NULL,
	priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL,
	delay interval DEFAULT NULL, timeout interval DEFAULT NULL,
	retry jsonb DEFAULT NULL, transaction text DEFAULT NULL,
	isolate boolean DEFAULT NULL, settings jsonb DEFAULT NULL,
	concurrency_key text DEFAULT NULL, depends_on bigint[] DEFAULT NULL,
	on_dependency_failure text DEFAULT NULL, trace text DEFAULT NULL,
	metadata jsonb DEFAULT NULL, tenant text DEFAULT NULL,
	owner text DEFAULT NULL, unique_key text DEFAULT NULL,
	unique_for interval DEFAULT NULL, on_conflict text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_enqueue';
COMMENT ON FUNCTION jadugar.enqueue(text, jsonb, text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text, text, interval, text) IS
	'Enqueues a task and returns its id. The task runs after the transaction commits.';

CREATE FUNCTION jadugar.enqueue_batch(
	command text, payloads jsonb[], queue text DEFAULT NULL,
	priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL,
	delay interval DEFAULT NULL, timeout interval DEFAULT NULL,
	retry jsonb DEFAULT NULL, transaction text DEFAULT NULL,
	isolate boolean DEFAULT NULL, settings jsonb DEFAULT NULL,
	concurrency_key text DEFAULT NULL, depends_on bigint[] DEFAULT NULL,
	on_dependency_failure text DEFAULT NULL, trace text DEFAULT NULL,
	metadata jsonb DEFAULT NULL, tenant text DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS SETOF bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_enqueue_batch';
COMMENT ON FUNCTION jadugar.enqueue_batch(text, jsonb[], text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text) IS
	'Enqueues one task for each payload and returns the ids.';

CREATE FUNCTION jadugar.update_task(
	task_id bigint, payload jsonb DEFAULT NULL, priority integer DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, queue text DEFAULT NULL,
	timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	metadata jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_update_task';
COMMENT ON FUNCTION jadugar.update_task(bigint, jsonb, integer, timestamptz, text, interval, jsonb, jsonb) IS
	'Changes a task that is not running.';

CREATE FUNCTION jadugar.cancel(task_id bigint)
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_cancel';
COMMENT ON FUNCTION jadugar.cancel(bigint) IS
	'Cancels a task, even while it runs. Returns false if the task has finished already.';

CREATE FUNCTION jadugar.pause_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_task';
COMMENT ON FUNCTION jadugar.pause_task(bigint) IS
	'Holds a task back until resume_task() is called. A running task is stopped and rolled back first.';

CREATE FUNCTION jadugar.resume_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_task';
COMMENT ON FUNCTION jadugar.resume_task(bigint) IS 'Resumes a paused task.';

CREATE FUNCTION jadugar.retry_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_retry_task';
COMMENT ON FUNCTION jadugar.retry_task(bigint) IS
	'Runs a failed or cancelled task again, or makes the next attempt of a retrying task now.';

CREATE FUNCTION jadugar.cancel_batch(task_ids bigint[])
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN (SELECT pg_catalog.count(*) FILTER (WHERE jadugar.cancel(i.id))
			FROM (SELECT DISTINCT u.id FROM pg_catalog.unnest(task_ids) AS u(id) ORDER BY u.id) AS i);
COMMENT ON FUNCTION jadugar.cancel_batch(bigint[]) IS
	'Cancels the given tasks and returns the number of tasks cancelled.';

CREATE FUNCTION jadugar.purge_completed(age interval)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_purge_completed';
COMMENT ON FUNCTION jadugar.purge_completed(interval) IS
	'Deletes the history of completed tasks and completed runs of flows that finished longer ago. Returns the number of rows and runs deleted.';
