-- Around the run of one task: timeouts, errors, results, settings of the role,
-- logs, and what is left for the next task.
\i test/include/helpers.sql
CALL test.create_role('test_running');
SELECT jadugar.scale_workers(1, 'test_running');

-- a lock_timeout that the task handles is no cancel
ALTER SYSTEM SET jadugar.cancel_grace = 100;
SELECT pg_reload_conf();
SELECT pg_advisory_lock(4242);
CALL test.run_task($$ 'DO $d$ BEGIN
	PERFORM set_config(''lock_timeout'', ''10ms'', true);
	BEGIN PERFORM pg_advisory_xact_lock(4242); EXCEPTION WHEN lock_not_available THEN NULL; END;
	PERFORM pg_sleep(0.3);	-- waits-for-time: longer than cancel_grace
END $d$' $$);
CALL test.run_task($$ 'DO $d$ BEGIN
	PERFORM set_config(''lock_timeout'', ''10ms'', true);
	BEGIN PERFORM pg_advisory_xact_lock(4242); EXCEPTION WHEN lock_not_available THEN NULL; END;
	PERFORM pg_sleep(60);	-- waits-for-time: its deadline ends it
END $d$', timeout => '0.3 s', retry => '{"max_attempts": 1}' $$);
CALL test.run_task($$ 'SET lock_timeout = 10; SELECT pg_advisory_xact_lock(4242)', retry => '{"max_attempts": 1}' $$);
SELECT pg_advisory_unlock(4242);
ALTER SYSTEM RESET jadugar.cancel_grace;
SELECT pg_reload_conf();

-- attempts are also used up by the end of the worker
CALL test.run_task($$ 'SELECT pg_terminate_backend(pg_backend_pid())', trace => 'running 1', retry => '{"max_attempts": 1}' $$);
CALL test.run_task($$ 'SELECT pg_terminate_backend(pg_backend_pid())', trace => 'running 2', retry => jadugar.retry_policy(5, discard_on => '{WORKER_CRASHED}') $$);
CALL test.run_task($$ 'SELECT pg_terminate_backend(pg_backend_pid())', trace => 'running 3', retry => jadugar.retry_policy(5, retry_on => '{40001}') $$);
CALL test.run_task($$ 'SELECT pg_terminate_backend(pg_backend_pid())', trace => 'running 4', retry => '{"max_attempts": 2}' $$);
SELECT trace, attempt, status, final, error_code FROM jadugar.history WHERE trace ~ '^running' ORDER BY trace, attempt;

-- long texts of errors are cut
SELECT jadugar.enqueue($q$DO $d$ BEGIN RAISE EXCEPTION '%', repeat('é', 1000000) USING DETAIL = repeat('d', 1000000), HINT = repeat('h', 20000),
	CONSTRAINT = 'c'; END $d$ $q$, retry => '{"max_attempts": 1}') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT key, octet_length(value) AS size, right(value, 32) AS ends FROM jadugar.get_task(:id), jsonb_each_text(error) WHERE key <> 'context' ORDER BY key;
SELECT jadugar.enqueue('SELECT ' || repeat(' ', 100000) || '1/0', retry => '{"max_attempts": 1}') AS id \gset
SELECT status, error ->> 'message' AS message FROM jadugar.wait(:id, '20 s');
SELECT max(octet_length(value)) <= 16384 AS cut FROM jadugar.get_task(:id), jsonb_each_text(error);
SELECT jadugar.enqueue($q$DO $d$ BEGIN EXECUTE 'SELEC' || repeat('x', 1000000); END $d$ $q$, retry => '{"max_attempts": 1}') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT max(octet_length(value)) <= 16384 AS cut FROM jadugar.get_task(:id), jsonb_each_text(error);

-- fields of a log entry are cut as results are
SELECT jadugar.enqueue($$SELECT jadugar.log('info', 'large', jsonb_build_object('f', repeat('x', 1000000)))$$) AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT message, left(fields::text, 60) AS fields FROM jadugar.logs WHERE task_id = :id;

-- a preempted task may raise any error, and logs once
CREATE SEQUENCE test_tries;
CREATE FUNCTION test_swallows(payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF payload ? 'slow' THEN
		RAISE WARNING 'slow';
		PERFORM jadugar.log('info', 'slow');
		IF nextval('test_tries') = 1 THEN
			PERFORM pg_sleep(60);	-- waits-for-time: it is preempted
		END IF;
	END IF;
EXCEPTION WHEN query_canceled THEN
	RAISE EXCEPTION 'turned into another error';
END $$;
GRANT USAGE ON SEQUENCE test_tries TO test_running;
SELECT jadugar.create_queue('test_running') > 0 AS made;
-- its worker learns that the command is quick
SELECT count(jadugar.enqueue('SELECT test_swallows($1)', owner => 'test_running')) FROM generate_series(1, 50);
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar.tasks WHERE owner = ''test_running'')');
SELECT jadugar.pause_queue('test_running');
SELECT jadugar.enqueue('SELECT test_swallows($1)', '{}', owner => 'test_running', queue => 'test_running', priority => 2) AS first,
	jadugar.enqueue('SELECT test_swallows($1)', '{"slow": 1}', owner => 'test_running', queue => 'test_running', priority => 1, retry => '{"max_attempts": 1}') AS id \gset
SELECT jadugar.resume_queue('test_running');
SELECT status, error ->> 'message' AS message FROM jadugar.wait(:id, '20 s');
SELECT last_value AS tries FROM test_tries;
SELECT level, message FROM jadugar.logs WHERE task_id = :id ORDER BY level;
SELECT status FROM jadugar.wait(:first, '20 s');

SELECT jadugar.drop_queue('test_running');
DROP FUNCTION test_swallows;
DROP SEQUENCE test_tries;
CALL test.drop_roles('test_running');
