-- Flows: versions, runs, and what is asked of runs. What makes graphs is in
-- 15_flow_type.sql, drafts are in 46_flow_drafts.sql, readers in
-- 72_flow_views.sql.

CREATE FUNCTION jadugar.create_flow(
	name text, flow jadugar.flow, description text DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS integer
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_create_flow';
COMMENT ON FUNCTION jadugar.create_flow(text, jadugar.flow, text, text) IS
	'Saves a flow under a name as its next version. Returns the version number.';

CREATE FUNCTION jadugar.drop_flow(
	name text, runs text DEFAULT 'restrict', owner text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_drop_flow';
COMMENT ON FUNCTION jadugar.drop_flow(text, text, text) IS
	'Drops a flow, its versions and its draft. With runs set to compensate or kill, also aborts its unfinished runs.';

CREATE FUNCTION jadugar.start_flow(
	name text, input jsonb DEFAULT '{}', version integer DEFAULT NULL,
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow';
COMMENT ON FUNCTION jadugar.start_flow(text, jsonb, integer, text, interval, timestamptz, interval, text, jsonb, text, text) IS
	'Starts a run of a named flow and returns its id.';

CREATE FUNCTION jadugar.start_flow(
	flow jadugar.flow, input jsonb DEFAULT '{}',
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow_value';
COMMENT ON FUNCTION jadugar.start_flow(jadugar.flow, jsonb, text, interval, timestamptz, interval, text, jsonb, text, text) IS
	'Starts a run of a flow that has no name and returns its id.';

CREATE FUNCTION jadugar.fork_flow(run_id bigint, from_step text)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_fork_flow';
COMMENT ON FUNCTION jadugar.fork_flow(bigint, text) IS
	'Starts a new run that takes over the results of another run before a step and continues from that step. Returns its id.';

CREATE FUNCTION jadugar.abort_flow(run_id bigint, mode text DEFAULT 'compensate')
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_abort_flow';
COMMENT ON FUNCTION jadugar.abort_flow(bigint, text) IS
	'Ends a run: cancels the steps in progress and, unless killed, compensates the completed ones. Returns false if the run has ended already.';

CREATE FUNCTION jadugar.pause_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_flow';
COMMENT ON FUNCTION jadugar.pause_flow(bigint) IS
	'Starts no further steps of a run until resume_flow() is called. Running steps continue.';

CREATE FUNCTION jadugar.resume_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_flow';
COMMENT ON FUNCTION jadugar.resume_flow(bigint) IS 'Resumes a paused run.';

CREATE FUNCTION jadugar.retry_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_retry_step';
COMMENT ON FUNCTION jadugar.retry_step(bigint, text, bigint) IS
	'Runs a failed step or a failed compensation again, or makes the next attempt of a retrying step now.';

CREATE FUNCTION jadugar.skip_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_skip_step';
COMMENT ON FUNCTION jadugar.skip_step(bigint, text, bigint) IS
	'Skips a step, a wait or a failed compensation, so that the run continues.';

CREATE FUNCTION jadugar.signal(run_id bigint, name text, payload jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_signal';
COMMENT ON FUNCTION jadugar.signal(bigint, text, jsonb) IS
	'Sends a signal to a run. The signal is kept until a wait_signal() consumes it.';

CREATE FUNCTION jadugar.approve(
	run_id bigint, name text, approved boolean DEFAULT true,
	comment text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_approve';
COMMENT ON FUNCTION jadugar.approve(bigint, text, boolean, text) IS
	'Decides an approval() of a run in the name of the caller.';

CREATE FUNCTION jadugar.raise_event(name text, data jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_raise_event';
COMMENT ON FUNCTION jadugar.raise_event(text, jsonb) IS
	'Raises an event for every wait_event() of that name that is open when the transaction commits, in runs of roles that the caller may act for.';

CREATE FUNCTION jadugar_internal._v_wait_flow(run_id bigint, timeout interval)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_wait_flow';
COMMENT ON FUNCTION jadugar_internal._v_wait_flow(bigint, interval) IS
	'Waits until a run ends or the timeout passes.';
