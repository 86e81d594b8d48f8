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
COMMENT ON FUNCTION jadugar.enqueue(text, jsonb, text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text, text, interval, text) IS 'makes one task; runs when the transaction has committed';

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
COMMENT ON FUNCTION jadugar.enqueue_batch(text, jsonb[], text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text) IS 'makes one task for each payload';

CREATE FUNCTION jadugar.update_task(
	task_id bigint, payload jsonb DEFAULT NULL, priority integer DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, queue text DEFAULT NULL,
	timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	metadata jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_update_task';
COMMENT ON FUNCTION jadugar.update_task(bigint, jsonb, integer, timestamptz, text, interval, jsonb, jsonb) IS 'changes a task that is not running';

CREATE FUNCTION jadugar.cancel(task_id bigint)
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_cancel';
COMMENT ON FUNCTION jadugar.cancel(bigint) IS 'cancels a task, also while it runs; false if it has finished already';

CREATE FUNCTION jadugar.pause_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_task';
COMMENT ON FUNCTION jadugar.pause_task(bigint) IS 'holds a task back until resume_task(); a running one is stopped and rolled back first';

CREATE FUNCTION jadugar.resume_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_task';
COMMENT ON FUNCTION jadugar.resume_task(bigint) IS 'lets a paused task go on';

CREATE FUNCTION jadugar.retry_task(task_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_retry_task';
COMMENT ON FUNCTION jadugar.retry_task(bigint) IS 'runs a failed or cancelled task again, or one that waits for its next attempt at once';

CREATE FUNCTION jadugar.cancel_batch(task_ids bigint[])
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN (SELECT pg_catalog.count(*) FILTER (WHERE jadugar.cancel(i.id))
			FROM (SELECT DISTINCT u.id FROM pg_catalog.unnest(task_ids) AS u(id) ORDER BY u.id) AS i);
COMMENT ON FUNCTION jadugar.cancel_batch(bigint[]) IS 'cancels these tasks; how many it cancelled';

CREATE FUNCTION jadugar.purge_completed(age interval)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_purge_completed';
COMMENT ON FUNCTION jadugar.purge_completed(interval) IS 'deletes the history of completed tasks, and completed runs of flows, that finished longer ago; how many rows and runs';
