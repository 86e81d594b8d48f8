-- The fallback of a retry policy: one more attempt with another command.
\i test/include/helpers.sql
SET search_path = public, jadugar;
CREATE TABLE fb_seen (n serial, what text, payload jsonb);
CREATE FUNCTION fb_note(what text, payload jsonb) RETURNS text LANGUAGE sql AS
	$$INSERT INTO fb_seen (what, payload) VALUES ($1, $2) RETURNING what$$;
CREATE FUNCTION fb_fail(p jsonb) RETURNS text LANGUAGE plpgsql AS
	$$BEGIN RAISE EXCEPTION 'no %', p->>'a' USING ERRCODE = coalesce(p->>'code', 'P0001'), HINT = 'wait'; END$$;
CREATE VIEW fb_history AS SELECT task_id, attempt, status, final, command, error_code, error->>'message' AS message,
	error->'cause'->>'message' AS cause, payload, result FROM history;

-- the policy
SELECT retry_policy(2, fallback => 'SELECT 1');
SELECT retry_policy(fallback => '');
SELECT register_sql_handler('fb_x', 'SELECT 1', retry => '{"fallback": 1}');
SELECT enqueue('SELECT 1', retry => retry_policy(fallback => 'SELEC 1'));
SELECT enqueue('SELECT 1', retry => retry_policy(fallback => 'BEGIN'));
SELECT register_sql_handler('fb_x', 'SELECT 1', retry => retry_policy(fallback => 'fb_none'));
SELECT schedule('fb_x', 'manual', 'SELECT 1', retry => retry_policy(fallback => 'fb_none'));
SELECT create_flow('fb_x', step('a', 'SELECT 1', retry => retry_policy(fallback => 'fb_none')));
SELECT register_actor('fb_x', 'fb_none', retry => retry_policy(fallback => 'fb_none'));
SELECT subscribe('fb_x', '{fb}', 'SELECT 1', retry => retry_policy(fallback => 'SELECT 1'));
SELECT subscribe('fb_x', '{fb}', delivery => 'fetch', retry => retry_policy(fallback => 'SELECT 1'));
SELECT subscribe('fb_x', '{fb}', 'SELECT 1', delivery => 'task', retry => retry_policy(fallback => 'fb_none'));

-- the task has completed if its fallback has; history names each command
SELECT enqueue('SELECT fb_fail($1)', '{"a": "luck"}', retry => retry_policy(2, delays => '{0}', fallback => 'SELECT fb_note(''first'', $1)')) AS id \gset
SELECT status, result, error FROM wait(:id, '20 s');
SELECT attempt, status, final, command, error_code, message, payload, result FROM fb_history WHERE task_id = :id ORDER BY attempt;
SELECT what, payload->'payload' AS payload, (payload->'error') - 'context' AS error FROM fb_seen ORDER BY n;

-- an error that is not retried; a dependant runs
SELECT enqueue('SELECT 1/0', retry => retry_policy(9, fallback => 'SELECT 2 AS two')) AS id \gset
SELECT enqueue('SELECT 3 AS three', depends_on => ARRAY[:id]) AS child \gset
SELECT status, result FROM wait(:child, '20 s');
SELECT attempt, status, command, error_code, result FROM fb_history WHERE task_id = :id ORDER BY attempt;

-- the fallback fails: the chain of errors; retry_task() begins anew
SELECT enqueue('SELECT fb_fail($1)', '{"a": "one"}', retry => retry_policy(1, fallback => 'SELECT fb_fail(jsonb_build_object(''a'', $1->''error''->>''code''))')) AS id \gset
SELECT status, error->>'message' AS message, error->'cause'->>'message' AS cause, error->'cause'->>'code' AS code, error->'cause'->>'hint' AS hint FROM wait(:id, '20 s');
SELECT attempt, status, final, error_code, message, cause FROM fb_history WHERE task_id = :id ORDER BY attempt;
SELECT retry_task(:id);
SELECT status FROM wait(:id, '20 s');
SELECT status, final, left(command, 22) AS command, message, cause FROM fb_history WHERE task_id = :id ORDER BY task_id, message DESC, final;

-- none for a task that has discarded itself, or was cancelled
CALL test.run_task($$'SELECT jadugar.discard(''enough'')', retry => jadugar.retry_policy(1, fallback => 'SELECT 1')$$);
SELECT enqueue('SELECT 1', delay => '1 hour', retry => retry_policy(1, fallback => 'SELECT 1')) AS id \gset
SELECT cancel(:id);
SELECT status FROM get_task(:id);

-- timeouts, workers that end, and commands outside transactions
SELECT pg_advisory_lock(76);
CALL test.run_task($$'SELECT pg_advisory_xact_lock(76)', timeout => '10 ms', retry => jadugar.retry_policy(1, fallback => 'SELECT $1->''error''->>''code'' AS code')$$);
SELECT pg_advisory_unlock(76);
CALL test.run_task($$'SELECT pg_terminate_backend(pg_backend_pid())', retry => jadugar.retry_policy(1, fallback => 'SELECT $1->''error''->>''code'' AS code')$$);
CALL test.run_task($$'VACUUM no_such_table', retry => jadugar.retry_policy(1, fallback => 'SELECT $1->''error''->>''sqlstate'' AS sqlstate')$$);
CALL test.run_task($$'SELECT 1/0', retry => jadugar.retry_policy(1, fallback => 'VACUUM pg_class')$$);
CALL test.run_task($$'SELECT 1/0', transaction => 'serializable', retry => jadugar.retry_policy(1, fallback => 'SELECT current_setting(''transaction_isolation'') AS level')$$);
CALL test.run_task($$'SELECT 1 WHERE false', expect_rows => 'one', retry => jadugar.retry_policy(1, fallback => 'SELECT 1 WHERE false')$$);
CALL test.run_task($$'SELECT 1/0', retry => jadugar.retry_policy(1, fallback => 'SELECT pg_terminate_backend(pg_backend_pid())')$$);

-- handlers: a payload type, hooks of both, options of the fallback's
CREATE TYPE fb_payload AS (payload jsonb, error jsonb);
CREATE FUNCTION fb_other(p fb_payload) RETURNS text LANGUAGE plpgsql AS
	$$BEGIN IF p.payload ? 'worse' THEN RAISE EXCEPTION 'worse'; END IF; RETURN fb_note(p.error->>'message', p.payload); END$$;
CREATE FUNCTION fb_cleanup(p jsonb) RETURNS void LANGUAGE sql AS $$SELECT fb_note('cleanup ' || (p->>'status'), p->'payload')$$;
CREATE FUNCTION fb_cleanup_too(p jsonb) RETURNS void LANGUAGE sql AS $$SELECT fb_note('cleanup too ' || (p->>'status'), p->'payload')$$;
CREATE FUNCTION fb_on_error(p jsonb) RETURNS void LANGUAGE sql AS $$SELECT fb_note('on_error ' || (p->'error'->'cause'->>'message'), p->'payload')$$;
SELECT register_handler('fb_other', 'fb_other', cleanup => 'fb_cleanup_too');
SELECT register_handler('fb_first', 'fb_fail', cleanup => 'fb_cleanup', on_error => 'fb_on_error', retry => retry_policy(1, fallback => 'fb_other'));
TRUNCATE fb_seen;
CALL test.run_task($$'fb_first', '{"a": "way"}'$$);
CALL test.wait_until('(SELECT count(*) FROM fb_seen) = 3');
SELECT what, payload FROM fb_seen ORDER BY what;
TRUNCATE fb_seen;
CALL test.run_task($$'fb_first', '{"a": "way", "worse": 1}'$$);
CALL test.wait_until('(SELECT count(*) FROM fb_seen) = 3');
SELECT what, payload FROM fb_seen ORDER BY what;

-- a handler that is gone when it is needed
SELECT register_sql_handler('fb_gone', 'SELECT 1');
SELECT enqueue('SELECT 1/0', delay => '1 hour', retry => retry_policy(1, fallback => 'fb_gone')) AS id \gset
SELECT drop_handler('fb_gone');
SELECT update_task(:id, run_at => now());
SELECT status, error->>'message' AS message, error->'cause'->>'message' AS cause FROM wait(:id, '20 s');

-- a flow
SELECT create_flow('fb_flow', step('a', 'SELECT $1->''input''->''error''->>''message'' AS said'));
CALL test.run_task($$'SELECT 1/0', retry => jadugar.retry_policy(1, fallback => 'fb_flow')$$);
CALL test.run_task($$'fb_flow', retry => jadugar.retry_policy(1, fallback => 'fb_flow')$$);

-- a task that waits in its fallback: what it is, a new payload, an export
CREATE FUNCTION fb_snooze(p jsonb) RETURNS text LANGUAGE plpgsql AS
	$$BEGIN IF NOT p->'payload' ? 'go' THEN PERFORM jadugar.snooze('1 hour'); END IF; RETURN p->>'payload'; END$$;
SELECT create_tenant('fb_tenant') > 0 AS created;
SELECT enqueue('fb_first', '{"a": "day"}', tenant => 'fb_tenant', unique_key => 'fb', concurrency_key => 'fb', retry => retry_policy(2, delays => '{0}', fallback => 'SELECT fb_snooze($1)')) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT name, command, attempt, max_attempts, payload FROM tasks WHERE task_id = :id;
SELECT row->>'command' AS command, row->'payload' AS payload, row->>'isolate' AS isolate, row ? 'fallback' AS fallback FROM (SELECT e->'row' AS row FROM export_tenant('fb_tenant', kinds => '{task}') e) x;
SELECT update_task(:id, payload => '{"a": "day", "go": true}', retry => retry_policy(fallback => 'fb_none'));
SELECT update_task(:id, payload => '{"a": "day", "go": true}');
SELECT retry_task(:id);
SELECT status, result FROM wait(:id, '20 s');

-- replaced there, it begins anew
SELECT enqueue('SELECT 1/0', unique_key => 'fb', retry => retry_policy(1, fallback => 'SELECT fb_snooze($1)')) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT enqueue('SELECT $1 AS payload', '{"new": 1}', unique_key => 'fb', on_conflict => 'replace') = :id AS same;
SELECT status, result FROM wait(:id, '20 s');

-- another one is cancelled there: the hooks of its handler run
TRUNCATE fb_seen;
SELECT enqueue('fb_first', '{"a": "night"}', retry => retry_policy(1, fallback => 'SELECT fb_snooze($1)')) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT cancel(:id);
CALL test.wait_until('(SELECT count(*) FROM fb_seen) = 1');
SELECT what, payload FROM fb_seen;
SELECT retry_task(:id);
CALL test.wait_for_task(:id, 'scheduled');
SELECT attempt, status, command, message FROM fb_history WHERE task_id = :id ORDER BY status;
SELECT cancel(:id);

-- a schedule: its fallback makes it a success
SELECT schedule('fb_schedule', 'manual', 'SELECT 1/0', retry => retry_policy(1, fallback => 'SELECT 1')) > 0 AS scheduled;
SELECT run_now('fb_schedule') AS id \gset
SELECT status FROM wait(:id, '20 s');
SELECT unschedule('fb_schedule');

-- a step of a flow: a quick one, one with the data of the run, one that fails, and a compensation
SELECT create_flow('fb_steps',
	step('a', 'SELECT 1/0', retry => retry_policy(1, fallback => 'SELECT $1->''payload''->''input''->>''x'' AS x, $1->''error''->>''message'' AS m'))
	~> step('b', 'SELECT fb_fail($1)', '{"a": "$.steps.a.x"}', retry => retry_policy(2, delays => '{0}', fallback => 'SELECT $1->''payload'' AS p, $1->''error''->>''message'' AS m'))
	~> step('c', 'SELECT $1->''steps'' AS steps'));
SELECT start_flow('fb_steps', '{"x": "7"}') AS run \gset
SELECT status, result FROM wait_flow(:run, timeout => '20 s');
SELECT step, status, attempts, error FROM flow_steps WHERE run_id = :run AND step IN ('a', 'b', 'c') ORDER BY step;
SELECT step, attempt, status, message FROM history h, LATERAL (SELECT h.error->>'message' AS message) m WHERE flow_run = :run ORDER BY task_id, attempt;
SELECT create_flow('fb_undo',
	step('a', 'SELECT 5 AS five', compensate => 'SELECT 1/0', compensate_retry => retry_policy(1, fallback => 'SELECT fb_fail($1->''payload'')'))
	~> step('b', 'SELECT fb_fail(''{"a": "end"}'')', retry => retry_policy(1, fallback => 'SELECT fb_fail(''{"a": "way out"}'')')));
SELECT start_flow('fb_undo') AS run \gset
SELECT status, error->>'message' AS message, error->'cause'->>'message' AS cause FROM wait_flow(:run, timeout => '20 s');
SELECT step, status, error->>'message' AS message, error->'cause'->>'message' AS cause, error->'cause'->'cause'->>'message' AS cause2,
	error->'cause'->'cause'->'cause'->>'message' AS cause3
FROM flow_steps WHERE run_id = :run AND step IN ('a', 'b') ORDER BY step;

-- a task of an event
SELECT subscribe('fb_x', '{fb}', 'SELECT 1/0', delivery => 'task', retry => retry_policy(fallback => 'SELECT fb_note($1->''payload''->>''type'', $1->''payload''->''data'')')) IS NOT NULL AS subscribed;
TRUNCATE fb_seen;
SELECT publish('fb', '{"x": 1}') IS NOT NULL AS published;
CALL test.wait_until('(SELECT count(*) FROM fb_seen) = 1');
SELECT what, payload FROM fb_seen;
SELECT alter_subscription('fb_x', retry => retry_policy(fallback => 'fb_none'));
SELECT unsubscribe('fb_x');

-- a message of an actor: the fallback leaves its state, and is not the end of its key
CREATE FUNCTION fb_actor(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS
	$$BEGIN IF message ? 'bad' THEN RAISE EXCEPTION 'bad message'; END IF; state := state || message; END$$;
SELECT register_actor('fb_x', 'fb_actor', initial => '{}', retry => retry_policy(fallback => 'fb_none'));
SELECT register_actor('fb_actor', 'fb_actor', initial => '{}', retry => retry_policy(1, fallback => 'SELECT $1->''payload'' AS payload, $1->''error''->>''message'' AS message'));
BEGIN;
SELECT send('fb_actor', 'k', '{"a": 1}') AS id \gset
SELECT send('fb_actor', 'k', '{"bad": 1}') AS bad \gset
SELECT send('fb_actor', 'k', '{"b": 1}') AS last \gset
COMMIT;
SELECT status FROM wait(:last, '20 s');
SELECT status, result FROM get_task(:bad);
SELECT actor_state('fb_actor', 'k');
SELECT drop_actor('fb_actor');

DROP VIEW fb_history;
SELECT drop_flow('fb_flow'), drop_flow('fb_steps'), drop_flow('fb_undo');
SELECT drop_handler('fb_first'), drop_handler('fb_other');
CALL drop_tenant('fb_tenant');
DROP TABLE fb_seen;
DROP FUNCTION fb_note, fb_fail, fb_other, fb_cleanup, fb_cleanup_too, fb_on_error, fb_snooze, fb_actor;
DROP TYPE fb_payload;
