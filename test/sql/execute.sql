-- execute() and query(): results, errors, privileges, nesting, and that query() only reads.
\i test/include/helpers.sql
CALL test.create_role('test_ex');
CALL test.create_role('test_ex_other');
CREATE SCHEMA test_ex AUTHORIZATION test_ex;
GRANT USAGE ON SCHEMA test_ex TO PUBLIC;

SET ROLE test_ex;
CREATE TABLE test_ex.item (item_id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, n integer DEFAULT 0);
CREATE TYPE test_ex.new_item AS (name text, n integer);
CREATE FUNCTION test_ex.add_item(i test_ex.new_item, OUT item_id bigint, OUT name text) LANGUAGE plpgsql AS $$
BEGIN
	IF i.n = 13 THEN
		RAISE EXCEPTION 'no item %', i.n USING ERRCODE = 'P1234', DETAIL = 'It is 13.', HINT = 'Take another.';
	END IF;
	INSERT INTO test_ex.item (name, n) VALUES (i.name, i.n) RETURNING item.item_id, item.name INTO add_item.item_id, add_item.name;
	PERFORM jadugar.publish('test_ex.added', jsonb_build_object('item_id', add_item.item_id));
END $$;

-- a command: its result, its effects, and what it publishes are part of the transaction
SELECT jadugar.register_handler('test_ex_add', 'test_ex.add_item');
SELECT jadugar.execute('test_ex_add', '{"name": "one", "n": 1}');
BEGIN;
SELECT jadugar.execute('test_ex_add', '{"name": "two", "n": 2}');
ROLLBACK;
SELECT i.name, e.type FROM test_ex.item i JOIN jadugar.read_events('{test_ex.added}') e ON e.data->>'item_id' = i.item_id::text;
-- errors as they are, which the caller may catch
SELECT jadugar.execute('test_ex_add', '{"name": "x", "n": 13}');
DO $$
BEGIN
	PERFORM jadugar.execute('test_ex_add', '{"name": "thirteen", "n": 13}');
EXCEPTION WHEN SQLSTATE 'P1234' THEN
	PERFORM jadugar.execute('test_ex_add', '{"name": "fourteen", "n": 14}');
END $$;
SELECT name FROM test_ex.item ORDER BY item_id;
-- the payload is checked as by enqueue()
SELECT jadugar.execute('test_ex_add', '{"nam": "x"}');
SELECT jadugar.execute('test_ex_add', '{"name": "x", "n": "y"}');
SELECT jadugar.execute('test_ex_add', '[]');

-- results of SQL: the first row of the last statement with rows
SELECT jadugar.register_sql_handler('test_ex_several', 'SELECT 1 AS first; SELECT n, n * 2 AS n FROM generate_series(1, 3) n; SET LOCAL work_mem = ''1MB''');
SELECT jadugar.register_sql_handler('test_ex_none', 'UPDATE test_ex.item SET n = n WHERE false');
SELECT jadugar.register_sql_handler('test_ex_empty', 'SELECT 1 WHERE false');
SELECT jadugar.register_sql_handler('test_ex_large', 'SELECT repeat(''x'', 1000000) AS x');
SELECT jadugar.register_sql_handler('test_ex_bad_row', 'SELECT ''{"a": "\u0000"}''::json AS j');
SELECT jadugar.register_sql_handler('test_ex_one', 'SELECT n FROM generate_series(1, ($1->>''n'')::integer) n', expect_rows => 'one');
SELECT jadugar.execute('test_ex_several'), jadugar.execute('test_ex_none') IS NULL AS none, jadugar.execute('test_ex_empty') IS NULL AS empty;
SELECT length(jadugar.execute('test_ex_large')->>'x');
SELECT jadugar.execute('test_ex_bad_row');
SELECT jadugar.execute('test_ex_one', '{"n": 1}');
SELECT jadugar.execute('test_ex_one', '{"n": 2}');
SELECT jadugar.query('test_ex_several');
SELECT count(*) FROM jadugar.query('test_ex_empty');
-- rows without columns are the result, and no rows of the statement before
SELECT jadugar.register_sql_handler('test_ex_nothing', 'SELECT 1 AS a; SELECT FROM generate_series(1, 3)') IS NOT NULL AS registered;
SELECT count(*) FROM jadugar.query('test_ex_nothing');
SELECT jadugar.execute('test_ex_nothing') IS NULL AS nothing, (jadugar.run_task('test_ex_nothing')).result AS by_run_task;
SELECT jadugar.drop_handler('test_ex_nothing');
SELECT * FROM jadugar.query('test_ex_bad_row');
SELECT * FROM jadugar.query('test_ex_one', '{"n": 0}');
SHOW work_mem;

-- bad input
SELECT jadugar.execute(NULL);
SELECT jadugar.execute('test_ex_none', NULL);
SELECT jadugar.query(NULL);
SELECT jadugar.execute('nowhere');
SELECT jadugar.execute('SELECT 1');
SELECT jadugar.query('');
-- what cannot run in a transaction of the caller
SELECT jadugar.register_sql_handler('test_ex_outside', 'VACUUM test_ex.item');
SELECT jadugar.execute('test_ex_outside');
SELECT jadugar.query('test_ex_outside');
SELECT jadugar.register_sql_handler('test_ex_strict', 'SHOW transaction_isolation', transaction => 'repeatable read');
SELECT jadugar.execute('test_ex_strict');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT jadugar.execute('test_ex_strict');
COMMIT;
SELECT jadugar.register_sql_handler('test_ex_commit', 'DO $do$ BEGIN COMMIT; END $do$', transaction => 'read committed');
SELECT jadugar.execute('test_ex_commit');

-- handlers of others: only where their code is trusted, and with the rights of the caller
SET ROLE test_ex_other;
SELECT jadugar.execute('test_ex_add', '{"name": "x", "n": 1}');
SELECT jadugar.query('test_ex_several');
RESET ROLE;
SELECT jadugar.grant_handler('test_ex_add', 'test_ex_other');
REVOKE EXECUTE ON FUNCTION test_ex.add_item FROM PUBLIC;
SET ROLE test_ex_other;
SELECT jadugar.execute('test_ex_add', '{"name": "x", "n": 1}');
RESET ROLE;
GRANT EXECUTE ON FUNCTION test_ex.add_item TO test_ex_other;
SET ROLE test_ex_other;
SELECT jadugar.execute('test_ex_add', '{"name": "x", "n": 1}');
RESET ROLE;
-- a superuser does not trust everybody
SELECT jadugar.execute('test_ex_none');
CREATE ROLE test_ex_stranger;
SET ROLE test_ex_stranger;
SELECT jadugar.execute('test_ex_add');
SELECT jadugar.query('test_ex_add');

-- what a handler sets ends with it
SET ROLE test_ex;
SELECT jadugar.register_sql_handler('test_ex_sets', 'SET search_path = nowhere; SET transaction_read_only = on; SELECT 1');
BEGIN;
SELECT jadugar.execute('test_ex_sets'), jadugar.query('test_ex_sets');
SELECT current_setting('search_path') <> 'nowhere' AS restored, current_setting('transaction_read_only') AS read_only;
COMMIT;

-- nesting
SELECT jadugar.register_sql_handler('test_ex_nest', $$SELECT CASE WHEN n > 0 THEN jadugar.execute('test_ex_nest', jsonb_build_object('n', n - 1)) END AS inner
	FROM (VALUES (($1->>'n')::integer)) v (n)$$);
SELECT jadugar.execute('test_ex_nest', '{"n": 3}');
SELECT length(jadugar.execute('test_ex_nest', '{"n": 31}')::text) > 100 AS nested;
SELECT jadugar.execute('test_ex_nest', '{"n": 32}');
SELECT jadugar.execute('test_ex_nest', '{"n": 31}') IS NOT NULL AS again;

-- the context of a call
SELECT jadugar.register_sql_handler('test_ex_context', $$DO 'BEGIN PERFORM jadugar.progress(0.5); PERFORM jadugar.log(''info'', ''called''); END';
	SELECT t.task_id IS NOT NULL AS in_task, t.payload, t.owner FROM jadugar.current_task() t$$);
SELECT jadugar.execute('test_ex_context', '{"p": 1}');
SELECT message, task_id FROM jadugar.logs WHERE message = 'called';
SELECT * FROM jadugar.current_task() WHERE payload IS NOT NULL;
SELECT jadugar.register_sql_handler('test_ex_snooze', $$SELECT jadugar.snooze('0 s')$$);
SELECT jadugar.execute('test_ex_snooze');
SELECT jadugar.enqueue($$SELECT jadugar.execute('test_ex_context', '{"p": 2}') AS called, (jadugar.current_task()).payload AS own$$, '{"p": "of the task"}') AS task \gset
SELECT status, result FROM jadugar.wait(:task, '30 s');
SELECT jadugar.enqueue($$SELECT CASE WHEN clock_timestamp() < (jadugar.get_task((jadugar.current_task()).task_id)).created_at + interval '10 ms'
	THEN jadugar.execute('test_ex_snooze') END$$) AS task \gset
SELECT status, attempt FROM jadugar.wait(:task, '30 s');
SELECT jadugar.register_sql_handler('test_ex_discard', $$SELECT jadugar.discard('no use')$$);
SELECT jadugar.enqueue($$SELECT jadugar.execute('test_ex_discard')$$) AS task \gset
SELECT jadugar.register_sql_handler('test_ex_divide', 'SELECT 1 / 0');
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT reason, attempt, final FROM jadugar.history WHERE task_id = :task;
-- an error of a call has no place in the text of the task
SELECT jadugar.enqueue($$SELECT 1;
	SELECT jadugar.execute('test_ex_divide')$$, retry => jadugar.retry_policy(max_attempts => 1)) AS task \gset
SELECT status, error->>'sqlstate' AS sqlstate, error->>'message' AS message, error->>'statement' AS statement FROM jadugar.wait(:task, '30 s');

-- query() only reads, whatever the handler tries
CREATE SEQUENCE test_ex.seq;
CREATE TABLE test_ex.tried (way text);
CREATE FUNCTION test_ex.write() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO test_ex.tried VALUES (''definer'')';
CREATE FUNCTION test_ex.with_setting() RETURNS void LANGUAGE sql SET work_mem = '1MB' AS 'SELECT set_config(''transaction_read_only'', ''off'', true); INSERT INTO test_ex.tried VALUES (''setting'')';
CREATE FUNCTION test_ex.try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT jadugar.register_sql_handler('test_ex_write', 'INSERT INTO test_ex.tried VALUES (''plain'')');
SELECT jadugar.register_sql_handler('test_ex_try', 'SELECT t, test_ex.try(t) AS outcome FROM jsonb_array_elements_text($1) t');
SELECT jadugar.query('test_ex_write');
-- servers refuse a RESET in two ways
SELECT regexp_replace(q->>'outcome', CASE WHEN q->>'t' ~ 'RESET t|DEFAULT|NULL' THEN '25006|0A000' ELSE '^$' END, 'refused') AS outcome, q->>'t' AS command FROM jadugar.query('test_ex_try', $$[
	"INSERT INTO test_ex.tried VALUES ('insert')",
	"SET transaction_read_only = off", "SET LOCAL transaction_read_only = off", "SET TRANSACTION READ WRITE", "RESET ALL",
	"DO 'BEGIN RESET transaction_read_only; INSERT INTO test_ex.tried VALUES (1); END'", "DO 'BEGIN SET transaction_read_only TO DEFAULT; INSERT INTO test_ex.tried VALUES (1); END'",
	"SELECT set_config('transaction_read_only', NULL, true), nextval('test_ex.seq')", "SELECT set_config('transaction_read_only', NULL, false), jadugar.publish('test_ex.tried')",
	"SELECT set_config('transaction_read_only', 'off', true)", "SELECT set_config('transaction_read_only', 'off', false)",
	"UPDATE pg_settings SET setting = 'off' WHERE name = 'transaction_read_only'",
	"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
	"SELECT test_ex.write()", "SELECT test_ex.with_setting()", "DO 'BEGIN SET transaction_read_only = off; INSERT INTO test_ex.tried VALUES (1); END'",
	"DO 'BEGIN BEGIN RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN INSERT INTO test_ex.tried VALUES (1); END; END'",
	"COMMIT", "ROLLBACK", "DO 'BEGIN COMMIT; END'", "DO 'BEGIN ROLLBACK; END'",
	"SELECT nextval('test_ex.seq')", "SELECT setval('test_ex.seq', 7)", "CREATE TABLE test_ex.t ()", "CREATE TEMP TABLE t ()", "TRUNCATE test_ex.tried",
	"SELECT jadugar.publish('test_ex.tried')", "SELECT jadugar.publish_batch('test_ex.tried', '{}')", "SELECT jadugar.enqueue('SELECT 1')", "SELECT jadugar.enqueue_batch('SELECT 1', ARRAY['{}']::jsonb[])",
	"SELECT jadugar.log('info', 'tried')", "SELECT jadugar.subscribe('tried', '{a}', 'SELECT 1')", "SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1'))",
	"SELECT jadugar.run_task('SELECT 1')", "SELECT jadugar.execute('test_ex_write')", "SELECT jadugar.query('test_ex_write')", "SELECT jadugar.query('test_ex_none')",
	"SELECT count(*) FROM test_ex.tried"
]$$) q;
SELECT count(*) FROM test_ex.tried;
SELECT count(*) FROM jadugar.read_events('{test_ex.tried}');
SELECT jadugar.register_sql_handler('test_ex_reset', 'RESET transaction_read_only; INSERT INTO test_ex.tried VALUES (1)');
SELECT test.sqlstate_of($$SELECT jadugar.query('test_ex_reset')$$) IN ('25006', '0A000') AS refused;
-- the payload is checked read-only, too
CREATE FUNCTION test_ex.validate(payload jsonb) RETURNS boolean LANGUAGE sql AS 'INSERT INTO test_ex.tried VALUES (''validate''); SELECT true';
SELECT jadugar.register_sql_handler('test_ex_validated', 'SELECT 1', validate => 'test_ex.validate');
SELECT jadugar.query('test_ex_validated');
-- afterwards the transaction writes again, also if the call failed
BEGIN;
SELECT count(*) FROM jadugar.query('test_ex_empty');
INSERT INTO test_ex.tried VALUES ('after');
SAVEPOINT s;
SELECT jadugar.query('test_ex_write');
ROLLBACK TO s;
INSERT INTO test_ex.tried VALUES ('after an error');
DO $$
BEGIN
	PERFORM jadugar.query('test_ex_sets');
	PERFORM jadugar.query('test_ex_write');
EXCEPTION WHEN read_only_sql_transaction THEN
	INSERT INTO test_ex.tried VALUES ('in the handler of the error');
END $$;
INSERT INTO test_ex.tried VALUES ('at the end');
COMMIT;
SELECT way FROM test_ex.tried;
-- in a read-only transaction
BEGIN READ ONLY;
SELECT count(*) FROM jadugar.query('test_ex_several');
SELECT count(*) FROM jadugar.query('test_ex_several');
SHOW transaction_read_only;
SELECT jadugar.execute('test_ex_empty');
ROLLBACK;
-- in a task, which writes before and after; the log is kept
SELECT jadugar.enqueue($$INSERT INTO test_ex.tried VALUES ('task'); SELECT jadugar.query('test_ex_context'); INSERT INTO test_ex.tried VALUES ('task, after')$$) AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT count(*) FROM test_ex.tried WHERE way LIKE 'task%';
SELECT message FROM jadugar.logs WHERE task_id = :task;

SELECT count(jadugar.drop_handler(h)) AS dropped FROM unnest('{test_ex_add,test_ex_several,test_ex_none,test_ex_empty,test_ex_large,test_ex_bad_row,test_ex_one,test_ex_outside,test_ex_strict,
	test_ex_commit,test_ex_sets,test_ex_nest,test_ex_context,test_ex_snooze,test_ex_discard,test_ex_divide,test_ex_write,test_ex_reset,test_ex_try,test_ex_validated}'::text[]) h;
RESET ROLE;
DROP ROLE test_ex_stranger;
DROP SCHEMA test_ex CASCADE;
CALL test.drop_roles('test_ex', 'test_ex_other');
