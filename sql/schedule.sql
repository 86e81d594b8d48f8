-- Schedules, which are named timings with the task that each occurrence
-- creates: src/schedule/. The parameters of schedule() and alter_schedule()
-- have the order of the tables in src/schedule/args.c.

-- --------------------------------------------------------------------- tables

CREATE TABLE jadugar_internal.zone (
	name		text NOT NULL,
	fingerprint	bigint NOT NULL
);
CREATE INDEX zone_name ON jadugar_internal.zone (name);
ALTER TABLE jadugar_internal.zone REPLICA IDENTITY FULL;
COMMENT ON TABLE jadugar_internal.zone IS
	'Time zones that schedules use or have used, with hashes of their rules to detect changed time-zone data. Not unique, so that two sessions that use a new zone never wait for each other.';
COMMENT ON COLUMN jadugar_internal.zone.fingerprint IS 'Hash of the rules of the time zone.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.zone', '');

CREATE SEQUENCE jadugar_internal.schedule_id_seq;
COMMENT ON SEQUENCE jadugar_internal.schedule_id_seq IS 'Ids of schedules.';
CREATE TABLE jadugar_internal.schedule (
	schedule_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.schedule_id_seq'),
	owner		oid NOT NULL,
	name		text NOT NULL,
	timing		jadugar.timing NOT NULL,
	timezone	text NOT NULL,
	command_id	bigint NOT NULL,
	payload		jsonb NOT NULL,
	queue_id	integer NOT NULL,
	priority	integer NOT NULL,
	timeout		interval,
	retry		jsonb,
	transaction	"char" NOT NULL,
	isolate		boolean NOT NULL,
	overlap		text NOT NULL CHECK (overlap IN ('skip', 'queue', 'parallel', 'replace')),
	misfire		text NOT NULL CHECK (misfire IN ('skip', 'once', 'all')),
	misfire_grace interval,
	jitter		interval,
	starts_at	timestamptz,
	ends_at		timestamptz,
	max_runs	bigint,
	depends_on	text[],
	concurrency_key text,
	settings	jsonb,
	tenant		text,
	description	text,
	metadata	jsonb,
	enabled		boolean NOT NULL,
	paused_at	timestamptz,
	anchor		timestamptz NOT NULL,
	next_run_at	timestamptz,
	last_fired_at timestamptz,
	last_startup timestamptz,
	runs		bigint NOT NULL DEFAULT 0,
	missed		bigint NOT NULL DEFAULT 0,
	last_error	text,
	created_at	timestamptz NOT NULL,
	updated_at	timestamptz NOT NULL,
	paused_by	text,
	expect_rows	"char",
	held		boolean NOT NULL DEFAULT false,
	UNIQUE (owner, name)
) WITH (fillfactor = 80);
CREATE INDEX schedule_startup ON jadugar_internal.schedule (schedule_id) WHERE timing OPERATOR(jadugar.=) '@startup'::jadugar.timing;
CREATE INDEX schedule_due ON jadugar_internal.schedule (next_run_at, schedule_id) WHERE enabled AND paused_at IS NULL AND NOT held AND next_run_at IS NOT NULL;
CREATE INDEX schedule_tenant ON jadugar_internal.schedule (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX schedule_held ON jadugar_internal.schedule (tenant) WHERE held;
COMMENT ON TABLE jadugar_internal.schedule IS
	'Named timings, with the task that each firing creates. While a schedule is paused, next_run_at stays unchanged, so that resuming can find the missed occurrences.';
COMMENT ON COLUMN jadugar_internal.schedule.anchor IS
	'Instant from which intervals count: starts_at, or else the time at which the timing was set.';
COMMENT ON COLUMN jadugar_internal.schedule.last_startup IS
	'Server start for which an @startup schedule has fired.';
COMMENT ON COLUMN jadugar_internal.schedule.held IS
	'True if it was due while its tenant was paused: src/schedule/held.c.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule', '');

CREATE TABLE jadugar_internal.schedule_stat (
	schedule_id	bigint PRIMARY KEY,
	last_run_at	timestamptz,
	last_status	text,
	last_success_at timestamptz,
	completed	bigint NOT NULL DEFAULT 0,
	failures	bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE jadugar_internal.schedule_stat IS
	'Outcomes of the occurrences of each schedule. Kept apart from jadugar_internal.schedule, so that a worker that settles never conflicts with the scheduler that fires.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule_stat', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.schedule(
	name text,
	timing jadugar.timing,
	command text,
	payload jsonb DEFAULT '{}',
	timezone text DEFAULT NULL,
	queue text DEFAULT NULL,
	priority integer DEFAULT NULL,
	timeout interval DEFAULT NULL,
	retry jsonb DEFAULT NULL,
	overlap text DEFAULT NULL,
	misfire text DEFAULT NULL,
	misfire_grace interval DEFAULT NULL,
	jitter interval DEFAULT NULL,
	starts_at timestamptz DEFAULT NULL,
	ends_at timestamptz DEFAULT NULL,
	max_runs bigint DEFAULT NULL,
	depends_on text[] DEFAULT NULL,
	concurrency_key text DEFAULT NULL,
	transaction text DEFAULT NULL,
	isolate boolean DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	tenant text DEFAULT NULL,
	owner text DEFAULT NULL,
	description text DEFAULT NULL,
	metadata jsonb DEFAULT NULL,
	enabled boolean DEFAULT true,
	or_replace boolean DEFAULT false,
	expect_rows text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_schedule';
COMMENT ON FUNCTION jadugar.schedule(text, jadugar.timing, text, jsonb, text, text, integer, interval, jsonb, text, text, interval, interval, timestamptz, timestamptz, bigint, text[], text, text, boolean, jsonb, text, text, text, jsonb, boolean, boolean, text) IS
	'Creates a schedule, which runs a command at the instants of a timing. Returns its id.';

CREATE FUNCTION jadugar.alter_schedule(
	name text,
	timing jadugar.timing DEFAULT NULL,
	command text DEFAULT NULL,
	payload jsonb DEFAULT NULL,
	timezone text DEFAULT NULL,
	queue text DEFAULT NULL,
	priority integer DEFAULT NULL,
	timeout interval DEFAULT NULL,
	retry jsonb DEFAULT NULL,
	overlap text DEFAULT NULL,
	misfire text DEFAULT NULL,
	misfire_grace interval DEFAULT NULL,
	jitter interval DEFAULT NULL,
	starts_at timestamptz DEFAULT NULL,
	ends_at timestamptz DEFAULT NULL,
	max_runs bigint DEFAULT NULL,
	depends_on text[] DEFAULT NULL,
	concurrency_key text DEFAULT NULL,
	transaction text DEFAULT NULL,
	isolate boolean DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	tenant text DEFAULT NULL,
	owner text DEFAULT NULL,
	description text DEFAULT NULL,
	metadata jsonb DEFAULT NULL,
	enabled boolean DEFAULT NULL,
	reset text[] DEFAULT NULL,
	new_name text DEFAULT NULL,
	expect_rows text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_alter_schedule';
COMMENT ON FUNCTION jadugar.alter_schedule(text, jadugar.timing, text, jsonb, text, text, integer, interval, jsonb, text, text, interval, interval, timestamptz, timestamptz, bigint, text[], text, text, boolean, jsonb, text, text, text, jsonb, boolean, text[], text, text) IS
	'Changes the given options of a schedule. Options named in reset return to their defaults.';

CREATE FUNCTION jadugar.reschedule(
	name text,
	timing jadugar.timing,
	timezone text DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_reschedule';
COMMENT ON FUNCTION jadugar.reschedule(text, jadugar.timing, text, text) IS
	'Changes the timing of a schedule and returns its next run time.';

CREATE FUNCTION jadugar.unschedule(
	name text,
	owner text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_unschedule';
COMMENT ON FUNCTION jadugar.unschedule(text, text) IS 'Drops a schedule. Its existing tasks stay.';

CREATE FUNCTION jadugar.clear_schedules(
	owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_clear_schedules';
COMMENT ON FUNCTION jadugar.clear_schedules(text) IS
	'Drops all schedules of the caller, or of the given owner. Returns the number of schedules dropped.';

CREATE FUNCTION jadugar.pause_schedule(
	name text,
	owner text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_schedule';
COMMENT ON FUNCTION jadugar.pause_schedule(text, text) IS
	'Pauses a schedule. Returns false if it was paused already.';

CREATE FUNCTION jadugar.resume_schedule(
	name text,
	owner text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_schedule';
COMMENT ON FUNCTION jadugar.resume_schedule(text, text) IS
	'Resumes a paused schedule. Returns false if it was not paused.';

CREATE FUNCTION jadugar.run_now(
	name text,
	payload_override jsonb DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_run_now';
COMMENT ON FUNCTION jadugar.run_now(text, jsonb, text) IS
	'Enqueues a task of a schedule at once and returns its id.';

CREATE FUNCTION jadugar.next_run(
	name text,
	owner text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_next_run';
COMMENT ON FUNCTION jadugar.next_run(text, text) IS
	'Returns the next run time of a schedule, or NULL if the clock will not run it.';

CREATE FUNCTION jadugar.explain_schedule(
	name text,
	n integer DEFAULT 5,
	owner text DEFAULT NULL,
	OUT number integer,
	OUT occurrence timestamptz,
	OUT local_time text,
	OUT note text)
	RETURNS SETOF record
	LANGUAGE C STABLE ROWS 5
	AS 'MODULE_PATHNAME', 'jdg_explain_schedule';
COMMENT ON FUNCTION jadugar.explain_schedule(text, integer, text) IS
	'Returns the reasons why a schedule does not run (as number 0), and its next occurrences.';

-- ----------------------------------------------------------------------- view

CREATE VIEW jadugar.schedules WITH (security_barrier) AS
SELECT s.schedule_id,
	s.name,
	s.enabled,
	s.paused_at IS NOT NULL OR jadugar_internal._v_tenant_is_paused(s.tenant) AS paused,
	r.last_status,
	s.timing,
	s.timezone,
	CASE WHEN s.enabled AND s.paused_at IS NULL
			AND NOT jadugar_internal._v_tenant_is_paused(s.tenant)
		THEN s.next_run_at END AS next_run_at,
	r.last_run_at,
	r.last_success_at,
	s.last_fired_at,
	s.starts_at,
	s.ends_at,
	s.paused_at,
	s.paused_by::name AS paused_by,
	s.created_at,
	s.updated_at,
	s.runs,
	COALESCE(r.completed, 0) AS completed,
	COALESCE(r.failures, 0) AS failures,
	s.missed,
	s.max_runs,
	s.priority,
	q.name AS queue,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.tenant,
	s.overlap,
	s.misfire,
	s.misfire_grace,
	s.jitter,
	s.timeout,
	CASE s.transaction
		WHEN 'c' THEN 'read committed'
		WHEN 'r' THEN 'repeatable read'
		WHEN 's' THEN 'serializable'
		WHEN 'x' THEN 'standalone'
	END AS transaction,
	s.isolate,
	CASE s.expect_rows WHEN 's' THEN 'some' WHEN 'o' THEN 'one' ELSE 'any' END AS expect_rows,
	s.concurrency_key,
	s.depends_on,
	s.description,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(s.owner, s.tenant)
		THEN s.last_error END AS last_error,
	c.text AS command,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(s.owner, s.tenant)
		THEN s.payload END AS payload,
	s.retry,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(s.owner, s.tenant)
		THEN s.settings END AS settings,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(s.owner, s.tenant)
		THEN s.metadata END AS metadata
FROM jadugar_internal.schedule s
	LEFT JOIN jadugar_internal.schedule_stat r ON r.schedule_id = s.schedule_id
	LEFT JOIN jadugar_internal.command c ON c.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(s.owner, s.tenant);
COMMENT ON VIEW jadugar.schedules IS 'Schedules and the outcomes of their runs.';
COMMENT ON COLUMN jadugar.schedules.schedule_id IS 'Id returned by schedule().';
COMMENT ON COLUMN jadugar.schedules.name IS 'Name; unique for the owner.';
COMMENT ON COLUMN jadugar.schedules.enabled IS 'False if it is disabled or has ended.';
COMMENT ON COLUMN jadugar.schedules.paused IS 'True if pause_schedule() or pause_tenant() holds it.';
COMMENT ON COLUMN jadugar.schedules.last_status IS
	'Status of the last task that finished, as in the view history.';
COMMENT ON COLUMN jadugar.schedules.timing IS
	'Timing: cron expression, interval, instant, manual or server start.';
COMMENT ON COLUMN jadugar.schedules.timezone IS 'Time zone of the timing.';
COMMENT ON COLUMN jadugar.schedules.next_run_at IS
	'Next occurrence; NULL while it is paused or not enabled.';
COMMENT ON COLUMN jadugar.schedules.last_run_at IS 'Start of the last task that finished.';
COMMENT ON COLUMN jadugar.schedules.last_success_at IS 'End of the last task that succeeded.';
COMMENT ON COLUMN jadugar.schedules.last_fired_at IS
	'Instant at which it last created a task by its timing.';
COMMENT ON COLUMN jadugar.schedules.starts_at IS 'Earliest occurrence.';
COMMENT ON COLUMN jadugar.schedules.ends_at IS 'Latest occurrence.';
COMMENT ON COLUMN jadugar.schedules.paused_at IS
	'Instant at which pause_schedule() was called, or NULL.';
COMMENT ON COLUMN jadugar.schedules.paused_by IS 'Role that paused the schedule, or NULL.';
COMMENT ON COLUMN jadugar.schedules.created_at IS 'Instant of its creation.';
COMMENT ON COLUMN jadugar.schedules.updated_at IS 'Instant of its last change.';
COMMENT ON COLUMN jadugar.schedules.runs IS 'Number of occurrences that created a task.';
COMMENT ON COLUMN jadugar.schedules.completed IS 'Number of tasks that succeeded.';
COMMENT ON COLUMN jadugar.schedules.failures IS
	'Number of tasks that failed for good, or were cancelled while they ran.';
COMMENT ON COLUMN jadugar.schedules.missed IS 'Number of occurrences that did not run.';
COMMENT ON COLUMN jadugar.schedules.max_runs IS
	'Number of occurrences after which the schedule ends.';
COMMENT ON COLUMN jadugar.schedules.priority IS 'Priority of each task.';
COMMENT ON COLUMN jadugar.schedules.queue IS 'Queue of each task.';
COMMENT ON COLUMN jadugar.schedules.owner IS 'Role that owns it.';
COMMENT ON COLUMN jadugar.schedules.tenant IS 'Tenant of each task.';
COMMENT ON COLUMN jadugar.schedules.overlap IS
	'Action while a task of the schedule has not finished: skip, queue, replace or parallel.';
COMMENT ON COLUMN jadugar.schedules.misfire IS
	'Treatment of missed occurrences: skip, once or all.';
COMMENT ON COLUMN jadugar.schedules.misfire_grace IS
	'Maximum age of a missed occurrence that still runs; NULL means the setting.';
COMMENT ON COLUMN jadugar.schedules.jitter IS
	'Maximum random delay of each task after its occurrence.';
COMMENT ON COLUMN jadugar.schedules.timeout IS 'Maximum duration of each attempt.';
COMMENT ON COLUMN jadugar.schedules.transaction IS 'Transaction mode of each task.';
COMMENT ON COLUMN jadugar.schedules.isolate IS 'True if each task has its own transaction.';
COMMENT ON COLUMN jadugar.schedules.expect_rows IS
	'Rows that its command is to return or change: any, some or one.';
COMMENT ON COLUMN jadugar.schedules.concurrency_key IS
	'Concurrency key of each task.';
COMMENT ON COLUMN jadugar.schedules.depends_on IS
	'Schedules that must have succeeded since this one last ran.';
COMMENT ON COLUMN jadugar.schedules.description IS 'Text for readers.';
COMMENT ON COLUMN jadugar.schedules.last_error IS
	'Error while firing; see failures for errors of its tasks.';
COMMENT ON COLUMN jadugar.schedules.command IS 'SQL, or the name of the handler.';
COMMENT ON COLUMN jadugar.schedules.payload IS 'Argument of the command.';
COMMENT ON COLUMN jadugar.schedules.retry IS 'Retry policy of each task.';
COMMENT ON COLUMN jadugar.schedules.settings IS 'Settings for each task.';
COMMENT ON COLUMN jadugar.schedules.metadata IS 'Metadata of each task.';
