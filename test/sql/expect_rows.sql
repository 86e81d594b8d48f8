-- expect_rows: tasks that must return or change rows.
\i test/include/helpers.sql
CREATE TABLE test_rows (n integer, v integer);
INSERT INTO test_rows VALUES (1, 0), (2, 0), (2, 0);
CREATE FUNCTION test_expected(command text, expect text, payload jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT format('%L, %L, expect_rows => %L', command, payload, expect) $$;

-- rows that are changed or returned
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 1', 'one'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 1', 'some'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 2', 'some'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 2', 'one'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 3', 'some'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 3', 'one'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 3', 'any'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 2 RETURNING n', 'one'));
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = ($1->>''n'')::integer RETURNING n', 'one', '{"n": 1}'));
CALL test.run_task(test_expected('INSERT INTO test_rows SELECT 4, 0 WHERE false', 'some'));
CALL test.run_task(test_expected('SELECT n FROM test_rows WHERE n = 2', 'one'));
CALL test.run_task(test_expected('SELECT NULL', 'one'));
CALL test.run_task(test_expected('DO $d$ BEGIN UPDATE test_rows SET v = 9; END $d$', 'some'));
-- the last statement counts
CALL test.run_task(test_expected('UPDATE test_rows SET v = v + 1 WHERE n = 1; SELECT FROM test_rows WHERE n = 3', 'some'));
CALL test.run_task(test_expected('SELECT FROM test_rows WHERE n = 3; UPDATE test_rows SET v = v + 1 WHERE n = 1', 'one'));
-- what failed has changed nothing
SELECT n, v, count(*) FROM test_rows GROUP BY n, v ORDER BY n, v;
SELECT jadugar.enqueue('SELECT 1; DELETE FROM test_rows WHERE n = 3', expect_rows => 'SOME', trace => 'expects') AS id \gset
SELECT status, error_code, sqlstate, error - 'context' AS error FROM jadugar.wait(:id, '20 s');
-- the policy decides whether it is retried
SELECT jadugar.enqueue('DELETE FROM test_rows WHERE n = 3', expect_rows => 'some', retry => jadugar.retry_policy(2, retry_on => '{JD008}', delay => '0')) AS id \gset
SELECT status, attempt FROM jadugar.wait(:id, '20 s');
-- it is kept with the task, and by a retry of one that has failed
SELECT jadugar.create_queue('test_rows') > 0 AS made;
SELECT jadugar.pause_queue('test_rows');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_rows', expect_rows => 'one', unique_key => 'k') AS id \gset
SELECT expect_rows FROM jadugar.tasks WHERE task_id = :id;
SELECT jadugar.enqueue('SELECT 1', queue => 'test_rows', expect_rows => 'some', unique_key => 'k', on_conflict => 'replace') = :id AS same;
SELECT expect_rows FROM jadugar.tasks WHERE task_id = :id;
SELECT jadugar.cancel(:id);
SELECT jadugar.retry_task(:id);
SELECT expect_rows FROM jadugar.tasks WHERE task_id = :id;
SELECT jadugar.cancel(:id);
SELECT id FROM jadugar.enqueue_batch('DELETE FROM test_rows WHERE n = 3', '{"{}","{}"}', expect_rows => 'some', queue => 'test_rows') AS id
ORDER BY id LIMIT 1 \gset
SELECT DISTINCT expect_rows FROM jadugar.tasks WHERE task_id >= :id;
SELECT jadugar.resume_queue('test_rows');
SELECT status, sqlstate FROM jadugar.wait(:id, '20 s');
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar.tasks WHERE queue = ''test_rows'')');
SELECT jadugar.drop_queue('test_rows');

-- handlers have a default, which a task overrides
CREATE FUNCTION test_rows_of(p jsonb) RETURNS SETOF integer LANGUAGE sql AS 'SELECT n FROM public.test_rows WHERE n = (p->>''n'')::integer';
SELECT jadugar.register_handler('test.rows', 'test_rows_of', expect_rows => 'one');
SELECT jadugar.register_sql_handler('test.delete', 'DELETE FROM public.test_rows WHERE n = ($1->>''n'')::integer', expect_rows => 'some');
SELECT jadugar.register_sql_handler('test.plain', 'SELECT 1');
SELECT name, expect_rows FROM jadugar.handlers WHERE name ~ '^test\.' ORDER BY name;
CALL test.run_task($$ 'test.rows', '{"n": 1}' $$);
CALL test.run_task($$ 'test.rows', '{"n": 2}' $$);
CALL test.run_task($$ 'test.rows', '{"n": 3}' $$);
CALL test.run_task($$ 'test.rows', '{"n": 3}', expect_rows => 'any' $$);
CALL test.run_task($$ 'test.delete', '{"n": 3}' $$);
SELECT r.status, r.error->>'message' AS error FROM jadugar.run_task('test.delete', '{"n": 3}') AS r;
SELECT r.status, r.error->>'message' AS error FROM jadugar.run_task('test.rows', '{"n": 1}') AS r;
SELECT jadugar.register_sql_handler('test.delete', 'DELETE FROM public.test_rows WHERE false', or_replace => true);
CALL test.run_task($$ 'test.delete' $$);

-- schedules
SELECT jadugar.schedule('test_rows', 'manual', 'test.rows', '{"n": 3}') > 0 AS made;
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.alter_schedule('test_rows', command => 'SELECT 1 WHERE false');
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.run_now('test_rows') AS id \gset
SELECT status, error->>'message' AS error FROM jadugar.wait(:id, '20 s');
SELECT jadugar.alter_schedule('test_rows', expect_rows => 'any');
SELECT jadugar.run_now('test_rows') AS id \gset
SELECT status, error->>'message' AS error FROM jadugar.wait(:id, '20 s');
SELECT jadugar.alter_schedule('test_rows', command => 'test.rows');
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.alter_schedule('test_rows', expect_rows => 'some');
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.alter_schedule('test_rows', reset => '{expect_rows}');
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.schedule('test_rows', 'manual', 'SELECT 1', or_replace => true) > 0 AS made;
SELECT expect_rows FROM jadugar.schedules WHERE name = 'test_rows';
SELECT jadugar.alter_schedule('test_rows', expect_rows => 'one');
SELECT test.error_of($$SELECT jadugar.alter_schedule('test_rows', command => 'VACUUM')$$);
SELECT jadugar.unschedule('test_rows');

-- steps: the run goes on only if the step has done something
SET search_path = jadugar, public;
SELECT start_flow(step('take', 'UPDATE test_rows SET v = 100 WHERE n = ($1->''input''->>''n'')::integer', expect_rows => 'some',
		compensate => 'UPDATE test_rows SET v = 0 WHERE v = 100')
	~> step('more', 'UPDATE test_rows SET v = 101 WHERE n = 3', expect_rows => 'one')
	~> step('never', 'INSERT INTO test_rows VALUES (7, 7)'), '{"n": 2}') AS run \gset
SELECT status, error->>'message' AS error FROM wait_flow(:run, timeout => '20 s');
SELECT step, status FROM flow_steps WHERE run_id = :run ORDER BY step_id;
SELECT n, v FROM test_rows ORDER BY n, v;
SELECT explain_flow(step('a', 'SELECT 1', expect_rows => 'one'));
SELECT create_chain('test_rows');
SELECT add_step('test_rows', 'a', 'SELECT 1', expect_rows => 'one');
SELECT explain_flow('test_rows');
SELECT drop_flow('test_rows');
RESET search_path;

-- errors
SELECT test.error_of(s) FROM (VALUES
	($$SELECT jadugar.enqueue('SELECT 1', expect_rows => 'two')$$),
	($$SELECT jadugar.enqueue('SELECT 1', expect_rows => '')$$),
	($$SELECT jadugar.enqueue('VACUUM test_rows', expect_rows => 'some')$$),
	($$SELECT jadugar.enqueue('SELECT 1', transaction => 'standalone', expect_rows => 'one')$$),
	($$SELECT jadugar.enqueue('test.rows', transaction => 'standalone')$$),
	($$SELECT jadugar.schedule('x', 'manual', 'VACUUM', expect_rows => 'some')$$),
	($$SELECT jadugar.step('a', 'SELECT 1', expect_rows => 'two')$$),
	($$SELECT jadugar.step('a', 'VACUUM', expect_rows => 'one')$$),
	($$SELECT jadugar.register_sql_handler('test.x', 'VACUUM', expect_rows => 'one')$$),
	($$SELECT jadugar.register_sql_handler('test.x', 'SELECT 1', transaction => 'standalone', expect_rows => 'one')$$),
	($$SELECT jadugar.register_sql_handler('test.x', 'SELECT 1', expect_rows => 'two')$$)) AS t (s);
SELECT jadugar.create_flow('test_rows', jadugar.step('a', 'SELECT 1')) > 0 AS made;
SELECT test.error_of($$SELECT jadugar.enqueue('test_rows', expect_rows => 'one')$$);
SELECT jadugar.enqueue('VACUUM test_rows', expect_rows => 'any') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT jadugar.drop_flow('test_rows');
SELECT jadugar.drop_handler(name) FROM jadugar.handlers WHERE name ~ '^test\.(rows|delete|plain)';
DROP FUNCTION test_rows_of(jsonb), test_expected(text, text, jsonb);
DROP TABLE test_rows;
