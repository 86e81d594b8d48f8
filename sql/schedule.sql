-- Schedules: named timings with the task that each occurrence makes. The
-- options of schedule() and alter_schedule() stand in the same order, which
-- src/schedule/options.h repeats.

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
	or_replace boolean DEFAULT false)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_schedule';
COMMENT ON FUNCTION jadugar.schedule(text, jadugar.timing, text, jsonb, text, text, integer, interval, jsonb, text, text, interval, interval, timestamptz, timestamptz, bigint, text[], text, text, boolean, jsonb, text, text, text, jsonb, boolean, boolean) IS
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
	new_name text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_alter_schedule';
COMMENT ON FUNCTION jadugar.alter_schedule(text, jadugar.timing, text, jsonb, text, text, integer, interval, jsonb, text, text, interval, interval, timestamptz, timestamptz, bigint, text[], text, text, boolean, jsonb, text, text, text, jsonb, boolean, text[], text) IS
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
