-- Flows: versions, runs, and what is asked of runs. What makes graphs is in
-- 15_flow_type.sql, drafts are in 46_flow_drafts.sql, readers in
-- 72_flow_views.sql.

CREATE FUNCTION jadugar.create_flow(
	name text, flow jadugar.flow, description text DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS integer
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_create_flow';
COMMENT ON FUNCTION jadugar.create_flow(text, jadugar.flow, text, text) IS 'keeps a flow under a name, as its next version; returns the number of the version';

CREATE FUNCTION jadugar.drop_flow(
	name text, runs text DEFAULT 'restrict', owner text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_drop_flow';
COMMENT ON FUNCTION jadugar.drop_flow(text, text, text) IS 'drops a flow, its versions and its draft; runs => ''compensate'' or ''kill'' aborts those that are not over';

CREATE FUNCTION jadugar.start_flow(
	name text, input jsonb DEFAULT '{}', version integer DEFAULT NULL,
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow';
COMMENT ON FUNCTION jadugar.start_flow(text, jsonb, integer, text, interval, timestamptz, interval, text, jsonb, text, text) IS 'begins a run of a named flow; returns its id';

CREATE FUNCTION jadugar.start_flow(
	flow jadugar.flow, input jsonb DEFAULT '{}',
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow_value';
COMMENT ON FUNCTION jadugar.start_flow(jadugar.flow, jsonb, text, interval, timestamptz, interval, text, jsonb, text, text) IS 'begins a run of a flow that has no name; returns its id';

CREATE FUNCTION jadugar.fork_flow(run_id bigint, from_step text)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_fork_flow';
COMMENT ON FUNCTION jadugar.fork_flow(bigint, text) IS 'begins a new run that has what another run did before a step, and goes on from there';

CREATE FUNCTION jadugar.abort_flow(run_id bigint, mode text DEFAULT 'compensate')
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_abort_flow';
COMMENT ON FUNCTION jadugar.abort_flow(bigint, text) IS 'ends a run: what is under way is cancelled, what has completed is compensated, or (kill) not; false if the run is over';

CREATE FUNCTION jadugar.pause_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_flow';
COMMENT ON FUNCTION jadugar.pause_flow(bigint) IS 'no step of the run begins until resume_flow(); those that run go on';

CREATE FUNCTION jadugar.resume_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_flow';
COMMENT ON FUNCTION jadugar.resume_flow(bigint) IS 'ends pause_flow()';

CREATE FUNCTION jadugar.retry_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_retry_step';
COMMENT ON FUNCTION jadugar.retry_step(bigint, text, bigint) IS 'runs a failed step again, and the run goes on; or a failed compensation; or makes the next attempt now';

CREATE FUNCTION jadugar.skip_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_skip_step';
COMMENT ON FUNCTION jadugar.skip_step(bigint, text, bigint) IS 'a step, a wait or a failed compensation is passed over, and the run goes on';

CREATE FUNCTION jadugar.signal(run_id bigint, name text, payload jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_signal';
COMMENT ON FUNCTION jadugar.signal(bigint, text, jsonb) IS 'a signal for a wait_signal() of a run; kept until there is one';

CREATE FUNCTION jadugar.approve(
	run_id bigint, name text, approved boolean DEFAULT true,
	comment text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_approve';
COMMENT ON FUNCTION jadugar.approve(bigint, text, boolean, text) IS 'decides an approval() of a run, in the caller''s name';

CREATE FUNCTION jadugar.raise_event(name text, data jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_raise_event';
COMMENT ON FUNCTION jadugar.raise_event(text, jsonb) IS 'an event for every wait_event() of that name that waits when this transaction has committed, in runs of roles that the caller may act for';

CREATE FUNCTION jadugar._v_wait_flow(run_id bigint, timeout interval)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_wait_flow';
COMMENT ON FUNCTION jadugar._v_wait_flow(bigint, interval) IS 'returns when the run is over or the time is';
