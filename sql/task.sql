-- Tasks: tables, functions that change tasks, and functions that a task calls
-- while it runs: src/task/. Views are in task_views.sql, functions that read
-- tasks in task_readers.sql.

-- ---------------------------------------------------------------------- tasks

CREATE SEQUENCE jadugar_internal.task_id_seq;
COMMENT ON SEQUENCE jadugar_internal.task_id_seq IS 'Ids of tasks.';
CREATE TABLE jadugar_internal.task (
	task_id		bigint PRIMARY KEY,
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	priority	integer NOT NULL,
	state		"char" NOT NULL CHECK (state IN ('r', 's', 'd', 'k', 'p', 'x', 'f')),
	transaction	"char" NOT NULL,
	isolate		boolean NOT NULL,
	bounded		boolean NOT NULL,
	attempt		integer NOT NULL,
	max_attempts integer NOT NULL,
	crashes		integer NOT NULL,
	lane		integer NOT NULL,
	command_id	bigint NOT NULL,
	run_at		timestamptz NOT NULL,
	created_at	timestamptz NOT NULL,
	payload		jsonb NOT NULL,
	schedule_id	bigint,
	scheduled_for timestamptz,
	started_at	timestamptz,
	timeout		interval,
	retry		jsonb,
	settings	jsonb,
	metadata	jsonb,
	unique_key	text,
	concurrency_key text,
	tenant		text,
	trace		text,
	on_dependency_failure "char",
	flow_run	bigint,
	step_id		bigint,
	step		text,
	flow_data	"char",
	paused_by	text,
	key_place	boolean NOT NULL,
	expect_rows	"char",
	schedule	text,
	event		jsonb,
	fallback	jsonb,
	endpoint_id	integer,
	host		text
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 5000);
COMMENT ON TABLE jadugar_internal.task IS
	'Tasks that have not finished. State r: ready; s: its run_at lies ahead; d: waits for predecessors; k: waits for its concurrency_key; p: paused; x: a standalone command or a request is in progress.';
COMMENT ON COLUMN jadugar_internal.task.crashes IS 'Attempts lost because their worker died.';
COMMENT ON COLUMN jadugar_internal.task.schedule_id IS
	'Schedule that created the task; its row may be gone.';
COMMENT ON COLUMN jadugar_internal.task.schedule IS
	'Name of the schedule when it created the task.';
COMMENT ON COLUMN jadugar_internal.task.started_at IS
	'Start of a standalone command or a request in progress, else NULL.';
COMMENT ON COLUMN jadugar_internal.task.on_dependency_failure IS
	'Action when a predecessor fails. c: cancel, r: run, w: wait.';
COMMENT ON COLUMN jadugar_internal.task.step_id IS 'Row of flow_step for which the task runs.';
COMMENT ON COLUMN jadugar_internal.task.transaction IS
	'c: read committed; r: repeatable read; s: serializable; x: standalone (outside any transaction); h: an HTTP request.';
COMMENT ON COLUMN jadugar_internal.task.bounded IS
	'True if the task counts toward the max_depth of its queue.';
COMMENT ON COLUMN jadugar_internal.task.flow_data IS
	'Argument of the task of a flow step. NULL: the payload; d: the data of its run; i: that data without results of steps; m: the payload with its paths looked up in that data; r: the result of the step to compensate; s: the payload with its paths looked up in both; g: the payload, of a task that compensates a step.';
COMMENT ON COLUMN jadugar_internal.task.paused_by IS
	'Name of the role that paused the task, if it is known.';
COMMENT ON COLUMN jadugar_internal.task.key_place IS
	'True if the task holds a place of its concurrency_key: while it is ready or runs, and from its first attempt on while it waits for the next one.';
COMMENT ON COLUMN jadugar_internal.task.expect_rows IS
	'Rows that the command is to return or change. NULL: any; s: some; o: one.';
COMMENT ON COLUMN jadugar_internal.task.event IS
	'The event that the task is for, and its subscription. NULL: none.';
COMMENT ON COLUMN jadugar_internal.task.fallback IS
	'Of a task whose fallback runs: its first command, the options that follow from it, and its error. NULL: its first command runs.';
COMMENT ON COLUMN jadugar_internal.task.endpoint_id IS 'Endpoint that an HTTP task calls.';
COMMENT ON COLUMN jadugar_internal.task.host IS
	'Host that an HTTP task calls, if its payload names the URL.';
COMMENT ON COLUMN jadugar_internal.task.attempt IS
	'Number of attempts charged so far. A running attempt is charged when it ends.';
COMMENT ON COLUMN jadugar_internal.task.lane IS
	'Tasks with the same number are claimed in one order. 0: no tenant; negative: minus the tenant_id; positive: a hash; at least 2^30: a hash of an endpoint.';
-- Workers scan task_ready directly, without the executor: src/task/claim.c.
CREATE INDEX task_ready ON jadugar_internal.task (owner, queue_id, priority DESC, lane, run_at, task_id) WHERE state = 'r';
CREATE INDEX task_due ON jadugar_internal.task (run_at) WHERE state = 's';
CREATE INDEX task_standalone ON jadugar_internal.task (task_id) WHERE state = 'x';
CREATE INDEX task_waiting ON jadugar_internal.task (task_id) WHERE state = 'd';
-- The scheduler, workers and sessions scan these two directly: src/task/key.c.
CREATE INDEX task_key_waiting ON jadugar_internal.task (owner, concurrency_key, task_id) WHERE state = 'k';
CREATE INDEX task_key_place ON jadugar_internal.task (owner, concurrency_key) WHERE key_place;
CREATE UNIQUE INDEX task_occurrence ON jadugar_internal.task (schedule_id, scheduled_for) WHERE schedule_id IS NOT NULL;
CREATE INDEX task_last_attempt ON jadugar_internal.task (task_id) WHERE attempt > 0 AND max_attempts > 1 AND attempt >= max_attempts - 1;
CREATE INDEX task_tenant ON jadugar_internal.task (tenant, task_id) WHERE tenant IS NOT NULL;
CREATE INDEX task_endpoint ON jadugar_internal.task (owner, endpoint_id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX task_bounded ON jadugar_internal.task (queue_id, task_id) WHERE bounded;

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.task_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.task', '');

CREATE SEQUENCE jadugar_internal.lane_change_id_seq;
COMMENT ON SEQUENCE jadugar_internal.lane_change_id_seq IS 'Ids of changes of lanes.';

CREATE TABLE jadugar_internal.lane_change (
	change_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.lane_change_id_seq')
);
COMMENT ON TABLE jadugar_internal.lane_change IS
	'Changes of limits and tenants after which tasks that exist belong to other lanes. The scheduler deletes a row when it has moved them: src/task/relane.c.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.lane_change_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.lane_change', '');

CREATE TABLE jadugar_internal.dependency (
	task_id		bigint NOT NULL,
	parent_id	bigint NOT NULL,
	failed		boolean NOT NULL DEFAULT false,
	any_end		boolean NOT NULL DEFAULT false,
	PRIMARY KEY (task_id, parent_id)
);
CREATE INDEX dependency_parent ON jadugar_internal.dependency (parent_id);
COMMENT ON TABLE jadugar_internal.dependency IS
	'Predecessors for which a task still waits. A row is deleted when the predecessor completes.';
COMMENT ON COLUMN jadugar_internal.dependency.parent_id IS 'Task for which task_id waits.';
COMMENT ON COLUMN jadugar_internal.dependency.failed IS
	'True if the predecessor has ended and did not complete, whatever its history says.';
COMMENT ON COLUMN jadugar_internal.dependency.any_end IS
	'True if task_id waits for the end of the predecessor, whether that completes or not.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.dependency', '');

CREATE TABLE jadugar_internal.unique_key (
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	key			text NOT NULL,
	task_id		bigint NOT NULL,
	predecessor	bigint,
	until		timestamptz,
	PRIMARY KEY (owner, queue_id, key)
);
CREATE INDEX unique_key_until ON jadugar_internal.unique_key (until) WHERE until IS NOT NULL;
COMMENT ON TABLE jadugar_internal.unique_key IS
	'Unique keys in force, until the task finishes or until the instant given by unique_for.';
COMMENT ON COLUMN jadugar_internal.unique_key.task_id IS
	'Task that was enqueued last with the key.';
COMMENT ON COLUMN jadugar_internal.unique_key.predecessor IS
	'Task that ran when task_id took the key over; it has the key while it is unfinished and task_id is not.';
COMMENT ON COLUMN jadugar_internal.unique_key.until IS
	'Instant given by unique_for; NULL means until the task finishes.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.unique_key', '');

-- -------------------------------------------------------------------- history

CREATE SEQUENCE jadugar_internal.attempt_id_seq;
COMMENT ON SEQUENCE jadugar_internal.attempt_id_seq IS 'Ids of attempts.';
CREATE TABLE jadugar_internal.attempt (
	attempt_id	bigint NOT NULL,
	task_id		bigint,
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	command_id	bigint NOT NULL,
	schedule_id	bigint,
	attempt		integer NOT NULL,
	priority	integer NOT NULL,
	worker_pid	integer,
	status		"char" NOT NULL CHECK (status IN ('c', 'f', 'x', 'l', 's')),
	final		boolean NOT NULL,
	scheduled_for timestamptz,
	enqueued_at	timestamptz,
	started_at	timestamptz,
	finished_at	timestamptz NOT NULL,
	row_count	bigint,
	reason		text,
	schedule	text,
	occurrences	bigint,
	scheduled_until timestamptz,
	payload		jsonb,
	result		jsonb,
	error_code	text,
	sqlstate	text,
	error		jsonb,
	tenant		text,
	trace		text,
	metadata	jsonb,
	options		jsonb,
	flow_run	bigint,
	step		text,
	ended_by	text,
	PRIMARY KEY (finished_at, attempt_id)
) PARTITION BY RANGE (finished_at);
-- Rows are inserted in the order of the primary key, which serves readers of
-- the newest attempts, filters by time, and retention. attempt_failed serves
-- the view failures.
CREATE INDEX attempt_task ON jadugar_internal.attempt (task_id);
CREATE INDEX attempt_failed ON jadugar_internal.attempt (finished_at) WHERE final AND status IN ('f', 'l');
COMMENT ON TABLE jadugar_internal.attempt IS
	'One row per attempt and per occurrence that did not run, partitioned by day of finish (UTC). Status c: completed; f: failed; x: cancelled; l: lost; s: skipped.';
COMMENT ON COLUMN jadugar_internal.attempt.task_id IS 'NULL for an occurrence that did not run.';
COMMENT ON COLUMN jadugar_internal.attempt.final IS 'True if the task ended with this attempt.';
COMMENT ON COLUMN jadugar_internal.attempt.ended_by IS
	'Name of the role that cancelled the task, if it is known.';
COMMENT ON COLUMN jadugar_internal.attempt.schedule IS
	'Name of the schedule, as its row may be gone.';
COMMENT ON COLUMN jadugar_internal.attempt.occurrences IS
	'Number of missed occurrences that share the row.';
COMMENT ON COLUMN jadugar_internal.attempt.scheduled_until IS 'Last of them.';
COMMENT ON COLUMN jadugar_internal.attempt.options IS
	'Further options that retry_task() needs to enqueue the task again.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.attempt_id_seq', '');

-- Not dumped, as the history: in a restored database adopt() forgets both.
CREATE TABLE jadugar_internal.unkept (
	task_id		bigint PRIMARY KEY,
	owner		oid NOT NULL,
	finished_at	timestamptz NOT NULL
);
CREATE INDEX unkept_finished ON jadugar_internal.unkept (finished_at);
COMMENT ON TABLE jadugar_internal.unkept IS
	'Tasks that did not complete, and of which their queue keeps no history: src/task/outcome.c.';

CREATE TABLE jadugar_internal.log (
	log_id		bigint GENERATED ALWAYS AS IDENTITY,
	task_id		bigint,
	attempt		integer,
	owner		oid NOT NULL,
	at			timestamptz NOT NULL,
	level		text NOT NULL,
	message		text NOT NULL,
	fields		jsonb,
	tenant		text,
	PRIMARY KEY (at, log_id)
);
CREATE INDEX log_task ON jadugar_internal.log (task_id);
COMMENT ON TABLE jadugar_internal.log IS 'Messages that tasks logged with log(), and their INFO and WARNINGs.';
COMMENT ON SEQUENCE jadugar_internal.log_log_id_seq IS 'Ids of rows of log.';

-- -------------------------------------------------------------------- changes

CREATE FUNCTION jadugar.retry_policy(
	max_attempts	integer DEFAULT NULL,
	backoff			text DEFAULT NULL,
	delay			interval DEFAULT NULL,
	max_delay		interval DEFAULT NULL,
	factor			double precision DEFAULT NULL,
	jitter			boolean DEFAULT NULL,
	retry_on		text[] DEFAULT NULL,
	discard_on		text[] DEFAULT NULL,
	delays			interval[] DEFAULT NULL,
	fallback		text DEFAULT NULL
) RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'jdg_retry_policy';
COMMENT ON FUNCTION jadugar.retry_policy IS
	'Returns a retry policy for the retry parameter of tasks, schedules and handlers.';

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
	unique_for interval DEFAULT NULL, on_conflict text DEFAULT NULL,
	expect_rows text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_enqueue';
COMMENT ON FUNCTION jadugar.enqueue(text, jsonb, text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text, text, interval, text, text) IS
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
	owner text DEFAULT NULL, expect_rows text DEFAULT NULL,
	spread interval DEFAULT NULL)
	RETURNS SETOF bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_enqueue_batch';
COMMENT ON FUNCTION jadugar.enqueue_batch(text, jsonb[], text, integer, timestamptz, interval, interval, jsonb, text, boolean, jsonb, text, bigint[], text, text, jsonb, text, text, text, interval) IS
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

CREATE FUNCTION jadugar_internal._v_cancel_tasks(function text, task_ids bigint[])
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_cancel_tasks';
COMMENT ON FUNCTION jadugar_internal._v_cancel_tasks(text, bigint[]) IS
	'Cancels tasks for a function, and returns the number of those that had not finished.';

CREATE FUNCTION jadugar.cancel_batch(task_ids bigint[])
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN CASE WHEN jadugar_internal._v_may_change('cancel_batch') THEN
			(SELECT jadugar_internal._v_cancel_tasks('cancel_batch', pg_catalog.array_agg(DISTINCT u.id ORDER BY u.id))
			FROM pg_catalog.unnest(task_ids) AS u(id)) END;
COMMENT ON FUNCTION jadugar.cancel_batch(bigint[]) IS
	'Cancels the given tasks and returns the number of tasks cancelled.';

CREATE FUNCTION jadugar.purge_completed(age interval)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_purge_completed';
COMMENT ON FUNCTION jadugar.purge_completed(interval) IS
	'Deletes the history of completed tasks and completed runs of flows that finished longer ago. Returns the number of rows and runs deleted.';

-- -------------------------------------------------------------- inside a task

CREATE FUNCTION jadugar.current_task(
	OUT task_id bigint, OUT attempt integer, OUT payload jsonb,
	OUT schedule text, OUT scheduled_for timestamptz, OUT flow_run bigint,
	OUT trace text, OUT tenant text, OUT owner name,
	OUT deadline timestamptz, OUT step text)
	RETURNS record
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_current_task_info';
COMMENT ON FUNCTION jadugar.current_task() IS
	'Returns the task that calls it. All columns are NULL outside a task.';

CREATE FUNCTION jadugar.progress(fraction double precision, message text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_progress';
COMMENT ON FUNCTION jadugar.progress(double precision, text) IS
	'Reports the progress of the calling task. Visible to others at once.';

CREATE FUNCTION jadugar.log(level text, message text, fields jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_log';
COMMENT ON FUNCTION jadugar.log(text, text, jsonb) IS 'Adds a row to the view logs.';

CREATE FUNCTION jadugar.snooze(delay interval)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_snooze';
COMMENT ON FUNCTION jadugar.snooze(interval) IS
	'Ends the attempt of the calling task and runs the task again later, without charging an attempt.';

CREATE FUNCTION jadugar.discard(reason text)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_discard';
COMMENT ON FUNCTION jadugar.discard(text) IS
	'Ends the calling task as failed, without further attempts.';
