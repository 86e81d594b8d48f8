\set ECHO none
-- Helpers for the tests of flows, added to those of helpers.sql.  Steps note
-- their effects in a table; a gate keeps steps running until it is opened.
CREATE TABLE IF NOT EXISTS test.effect (n bigint GENERATED ALWAYS AS IDENTITY, name text);
TRUNCATE test.effect;
GRANT SELECT, INSERT, DELETE, TRUNCATE ON test.effect TO PUBLIC;

-- Notes an effect, which is kept if the step commits.
CREATE OR REPLACE FUNCTION test.note(name text) RETURNS text LANGUAGE sql AS
	'INSERT INTO test.effect (name) VALUES ($1) RETURNING name';
-- Returns all effects in their order, and forgets them.
CREATE OR REPLACE FUNCTION test.effects() RETURNS text LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM test.effect RETURNING n, name) SELECT string_agg(name, ', ' ORDER BY n) FROM gone $$;
-- Returns all effects of steps that ran at the same time, sorted, and forgets them.
CREATE OR REPLACE FUNCTION test.sorted_effects() RETURNS text LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM test.effect RETURNING name) SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM gone $$;

-- Closes the gate.
CREATE OR REPLACE FUNCTION test.close_gate() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(74)';
-- Opens the gate.
CREATE OR REPLACE FUNCTION test.open_gate() RETURNS boolean LANGUAGE sql AS 'SELECT pg_advisory_unlock(74)';

-- Makes a step that notes its name.
CREATE OR REPLACE FUNCTION test.step(name text, after text[] DEFAULT NULL, "join" text DEFAULT NULL) RETURNS jadugar.flow LANGUAGE sql AS
	$$ SELECT jadugar.step(name, format('SELECT test.note(%L) AS did', name), after => after, "join" => "join") $$;
-- Makes a step that fails.
CREATE OR REPLACE FUNCTION test.failing_step(name text) RETURNS jadugar.flow LANGUAGE sql AS
	$$ SELECT jadugar.step(name, format('SELECT 1 / (length(test.note(%L)) * 0)', name)) $$;
-- Makes a step that waits at the gate.
CREATE OR REPLACE FUNCTION test.gated_step(name text) RETURNS jadugar.flow LANGUAGE sql AS
	$$ SELECT jadugar.step(name, format('SELECT test.note(%L) AS did FROM pg_advisory_xact_lock_shared(74)', name), isolate => true) $$;

-- Returns the steps of a run with their statuses.
CREATE OR REPLACE FUNCTION test.steps_of(run bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(s.step, '[' || s.item || ']', ' ', s.status, ' (' || nullif(s.reason, 'cancelled') || ')'), ', ' ORDER BY s.node, s.item, s.step_id)
	FROM jadugar.flow_steps s WHERE s.run_id = run AND s.step !~ '#' $$;
-- Waits for the end of a run, and returns its outcome.
CREATE OR REPLACE FUNCTION test.end_of(run bigint, OUT status text, OUT result jsonb, OUT error text, OUT reason text, OUT steps text)
LANGUAGE sql VOLATILE AS $$
	SELECT w.status, w.result, concat_ws(': ', coalesce(w.error ->> 'code', w.error ->> 'sqlstate'), w.error ->> 'message', w.error ->> 'detail'), w.reason,
		test.steps_of(run)
	FROM jadugar.wait_flow(run, '30 s') w $$;
-- Starts a flow, commits, and returns the outcome of the run.
CREATE OR REPLACE PROCEDURE test.run_flow(flow jadugar.flow, input jsonb DEFAULT '{}', INOUT status text DEFAULT NULL, INOUT result jsonb DEFAULT NULL,
	INOUT error text DEFAULT NULL, INOUT reason text DEFAULT NULL, INOUT steps text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint := jadugar.start_flow(flow, input);
BEGIN
	COMMIT;
	SELECT * INTO status, result, error, reason, steps FROM test.end_of(run);
END
$$;
-- Waits until a step of a run has a status, or waits for an event of a kind.
CREATE OR REPLACE PROCEDURE test.wait_for_step(run bigint, step text, state text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.flow_steps s WHERE s.run_id = %s AND s.step = %L AND %L IN (s.status, split_part(s.waiting_for, '':'', 1)))',
		run, step, state));
END
$$;
-- Deletes all runs and versions.
CREATE OR REPLACE PROCEDURE test.delete_runs() LANGUAGE sql AS $$
	DELETE FROM jadugar_internal.flow_message;
	DELETE FROM jadugar_internal.flow_step;
	DELETE FROM jadugar_internal.flow_run;
	DELETE FROM jadugar_internal.flow_version;
$$;
\set ECHO all
