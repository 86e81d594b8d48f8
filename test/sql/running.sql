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

-- an error that is too large for a jsonb ends the attempt, and the worker goes on
SELECT jadugar.enqueue($q$DO $d$ BEGIN RAISE EXCEPTION '%', repeat('m', 135000000) USING DETAIL = repeat('d', 135000000); END $d$ $q$,
	retry => '{"max_attempts": 1}', owner => 'test_running') AS large, jadugar.enqueue('SELECT 1', owner => 'test_running') AS next \gset
SELECT status, attempt, right(error ->> 'message', 32) AS message, right(error ->> 'detail', 32) AS detail FROM jadugar.wait(:large, '60 s');
SELECT status FROM jadugar.wait(:next, '20 s');
SELECT count(DISTINCT worker_pid) AS workers FROM jadugar.history WHERE task_id IN (:large, :next);

-- fields of a log entry are cut as results are
SELECT jadugar.enqueue($$SELECT jadugar.log('info', 'large', jsonb_build_object('f', repeat('x', 1000000)))$$) AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT message, left(fields::text, 60) AS fields FROM jadugar.logs WHERE task_id = :id;

-- results that jsonb cannot hold
CALL test.run_task($$ 'SELECT ''{"a":"\u0000"}''::json' $$);
CREATE TABLE test_effect (a int);
CALL test.run_task($$ 'INSERT INTO test_effect VALUES (1) RETURNING ''{"a":"\u0000"}''::json AS r' $$);
SELECT * FROM test_effect;
CALL test.run_task($$ 'INSERT INTO test_effect VALUES (2); SELECT ''{"a":"\u0000"}''::json AS r', transaction => 'standalone' $$);
SELECT * FROM test_effect;
CALL test.run_task($$ 'SELECT repeat(''x'', 100000000), repeat(''y'', 130000000)' $$);
CALL test.run_task($$ 'SELECT (SELECT json_agg(g) FROM generate_series(1, 3) g), ''x''::xml' $$);

-- columns of equal names
CALL test.run_task($$ 'SELECT max(a), max(-a), 1 AS max_2, 2 AS a, 3 AS a FROM test_effect' $$);
CALL test.run_task($$ 'SELECT max(a), max(-a) FROM test_effect', transaction => 'standalone' $$);

-- the row type may be gone when the task ends
CALL test.run_task($$ 'CREATE TABLE test_gone (a int); INSERT INTO test_gone VALUES (7); SELECT g FROM test_gone g; DROP TABLE test_gone' $$);

-- the session begins as the settings of the role say
CREATE ROLE test_team;
GRANT test_team TO test_running;
ALTER ROLE test_running SET role = 'test_team';
CALL test.run_task($$ 'SELECT current_user, session_user', owner => 'test_running' $$);
CALL test.run_task($$ 'RESET role; SELECT current_user, session_user', owner => 'test_running' $$);
CALL test.run_task($$ 'SET role = none; SELECT current_user, session_user', owner => 'test_running' $$);
CALL test.run_task($$ 'SET SESSION AUTHORIZATION DEFAULT; SELECT current_user, session_user', owner => 'test_running' $$);
CALL test.run_task($$ 'SELECT current_user, session_user', owner => 'test_running', transaction => 'standalone' $$);
CALL test.run_task($$ 'SET role = none; SELECT current_user, session_user', owner => 'test_running', transaction => 'standalone' $$);
CALL test.run_task($$ 'SELECT current_user, session_user', owner => 'test_running' $$);
ALTER ROLE test_running RESET role;

-- new settings of a role or a database count from the next task on
CALL test.run_task($$ 'SELECT current_user, current_setting(''application_name'') AS app', owner => 'test_running' $$);
ALTER ROLE test_running SET DateStyle = 'German';
CALL test.run_task($$ 'SELECT current_setting(''DateStyle'')', owner => 'test_running' $$);
ALTER DATABASE :"DBNAME" SET extra_float_digits = 0;
CALL test.run_task($$ 'SELECT current_setting(''DateStyle''), current_setting(''extra_float_digits'')', owner => 'test_running' $$);
BEGIN;
ALTER ROLE test_running IN DATABASE :"DBNAME" SET DateStyle = 'SQL, DMY';
ALTER DATABASE :"DBNAME" RESET extra_float_digits;
ROLLBACK;
CALL test.run_task($$ 'SELECT current_setting(''DateStyle''), current_setting(''extra_float_digits'')', owner => 'test_running' $$);
DO $$ BEGIN EXECUTE 'ALTER ROLE test_running RESET ALL'; END $$;
ALTER DATABASE :"DBNAME" RESET extra_float_digits;
CALL test.run_task($$ 'SELECT current_setting(''DateStyle''), current_setting(''extra_float_digits'')', owner => 'test_running' $$);

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

-- messages are kept whatever log_min_messages says
ALTER ROLE test_running SET log_min_messages = 'log';
SELECT jadugar.enqueue($q$DO $d$ BEGIN RAISE WARNING 'a warning'; END $d$ $q$, owner => 'test_running') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT level, message FROM jadugar.logs WHERE task_id = :id ORDER BY level;
ALTER ROLE test_running SET log_min_messages = 'fatal';
SELECT jadugar.enqueue($q$DO $d$ BEGIN RAISE WARNING 'a warning'; END $d$ $q$, owner => 'test_running') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT level, message FROM jadugar.logs WHERE task_id = :id ORDER BY level;
ALTER ROLE test_running RESET ALL;

-- so is what VACUUM VERBOSE says, and other INFO, but no NOTICE
CREATE TABLE public.test_running_info (n int);
SELECT jadugar.enqueue('VACUUM (VERBOSE) public.test_running_info') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT bool_or(message ~ '^vacuuming .*public.test_running_info') AS begun,
	bool_or(message ~ 'pages: .* removed') AS counted, bool_and(level = 'info') AS info FROM jadugar.logs WHERE task_id = :id;
DROP TABLE public.test_running_info;
SELECT jadugar.enqueue($q$DO $d$ BEGIN RAISE INFO 'as asked'; RAISE NOTICE 'by the way'; PERFORM 1 / 0; END $d$ $q$) AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT level, message FROM jadugar.logs WHERE task_id = :id;

-- statement_timeout is for each statement, and the text may set it
ALTER ROLE test_running SET statement_timeout = '600ms';
CALL test.run_task($$ 'SELECT pg_sleep(60)', owner => 'test_running', retry => '{"max_attempts": 1}' $$);	-- waits-for-time: it is stopped
CALL test.run_task($$ 'SELECT pg_sleep(0.4); SELECT pg_sleep(0.4)', owner => 'test_running' $$);	-- waits-for-time: two statements
CALL test.run_task($$ 'SET statement_timeout = 0; SELECT pg_sleep(0.7)', owner => 'test_running' $$);	-- waits-for-time: as above
CALL test.run_task($$ 'SET statement_timeout = 0; SELECT pg_sleep(0.7)', owner => 'test_running', transaction => 'standalone' $$);	-- waits-for-time: as above
CALL test.run_task($$ 'SELECT pg_sleep(0.7)', owner => 'test_running', settings => '{"statement_timeout": 0}' $$);	-- waits-for-time: as above
ALTER ROLE test_running RESET ALL;
-- waits-for-time: it is stopped
SELECT jadugar.enqueue('SET statement_timeout = 50; SELECT pg_sleep(60)', retry => '{"max_attempts": 1}') AS id \gset
SELECT status, error_code, error - '{context,query}'::text[] AS error FROM jadugar.wait(:id, '20 s');
-- waits-for-time: it is stopped
SELECT jadugar.enqueue('SET statement_timeout = 50; SELECT pg_sleep(60)', retry => '{"max_attempts": 1}', transaction => 'standalone') AS id \gset
SELECT status, error_code, error - '{context,query}'::text[] AS error FROM jadugar.wait(:id, '20 s');
-- waits-for-time: it is stopped
SELECT jadugar.enqueue('SELECT pg_sleep(60)', retry => '{"max_attempts": 1}', timeout => '50 ms') AS id \gset
SELECT status, error_code, error - '{context,query}'::text[] AS error FROM jadugar.wait(:id, '20 s');
-- a statement that handles its timeout: the next one has its own, and the deadline counts
-- waits-for-time: they are stopped
CALL test.run_task($$ 'SET statement_timeout = 50; DO $d$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $d$; SELECT 1' $$);
-- waits-for-time: they are stopped
CALL test.run_task($$ 'SET statement_timeout = 50; DO $d$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $d$; SELECT pg_sleep(60)',
	retry => '{"max_attempts": 1}' $$);
-- waits-for-time: they are stopped
CALL test.run_task($$ 'SET statement_timeout = 50; DO $d$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $d$; SET statement_timeout = 0; SELECT pg_sleep(60)',
	retry => '{"max_attempts": 1}', timeout => '500 ms' $$);
-- waits-for-time: an administrator cancels the task that runs, and the worker goes on
CALL test.run_task($$ 'SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)' $$);
CALL test.run_task($$ 'SELECT 1' $$);

-- now() in each statement of a standalone command
CREATE TABLE test_times (t timestamptz);
CALL test.run_task($$ 'INSERT INTO test_times VALUES (now()); SELECT pg_sleep(0.01); INSERT INTO test_times VALUES (now())', transaction => 'standalone' $$);	-- waits-for-time: the clock moves
SELECT count(DISTINCT t) FROM test_times;

-- a single statement may use parallel workers
CREATE FUNCTION test_pid() RETURNS int LANGUAGE sql PARALLEL SAFE RETURN pg_backend_pid();
CREATE TABLE test_many AS SELECT g FROM generate_series(1, 10000) g;
ANALYZE test_many;
SELECT jadugar.enqueue('SELECT max(test_pid()) AS pid FROM test_many', settings => '{"parallel_setup_cost": 0, "parallel_tuple_cost": 0,
	"min_parallel_table_scan_size": 0, "parallel_leader_participation": "off", "max_parallel_workers_per_gather": 2}') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT (result ->> 'pid')::int <> worker_pid AS parallel FROM jadugar.history WHERE task_id = :id;

-- hints, positions and numbers of statements
CREATE FUNCTION test_error(command text, mode text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS
$$ SELECT jadugar.enqueue(command, retry => '{"max_attempts": 1}', transaction => mode) $$;
CREATE PROCEDURE test_show_error(command text, mode text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE id bigint := test_error(command, mode); s text; e jsonb;
BEGIN
	COMMIT;
	SELECT w.status, w.error INTO s, e FROM jadugar.wait(id, '20 s') w;
	RAISE WARNING E'%: % %\n  %\n  statement %, position %', s, e ->> 'sqlstate', e ->> 'message', e ->> 'hint', e ->> 'statement', e ->> 'position';
END $$;
CALL test_show_error('DO $d$ BEGIN COMMIT; END $d$');
CALL test_show_error('DO $d$ BEGIN COMMIT; END $d$', 'standalone');
CALL test_show_error('DO $d$ BEGIN RAISE NOTICE ''%'', $1; END $d$');
CALL test_show_error('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
CALL test_show_error('SELECT pg_export_snapshot()');
CALL test_show_error('SELECT length(pg_export_snapshot()) > 0 AS ok', 'standalone');
CALL test_show_error('SELECT 1; SELECT no_such_column');
CALL test_show_error('SELECT 1; SELECT no_such_column', 'standalone');
CALL test_show_error('SELECT no_such_column');
CALL test_show_error('SELECT 1; SELECT ''é''; SELECT 1/0; SELECT 2');
CALL test_show_error('SELECT 1; DO $d$ BEGIN PERFORM no_such_column; END $d$');
SELECT error ->> 'message' AS message, error -> 'statement' AS statement, error -> 'position' AS position FROM jadugar.run_task('SELECT 1; SELECT no_such_column', '{}');

SELECT jadugar.drop_queue('test_running');
DROP PROCEDURE test_show_error;
DROP FUNCTION test_error, test_pid, test_swallows;
DROP TABLE test_effect, test_times, test_many;
DROP SEQUENCE test_tries;
CALL test.drop_roles('test_running', 'test_team');
