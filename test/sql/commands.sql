-- Commands: SQL, names of handlers, invalid commands, and commands that run
-- outside a transaction.
\i test/include/helpers.sql
SELECT jadugar.create_queue('test_commands') > 0 AS made;
SELECT jadugar.pause_queue('test_commands');
CREATE FUNCTION runs_as(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE id bigint; mode text;
BEGIN
	id := jadugar.enqueue(command, queue => 'test_commands');
	SELECT CASE t.transaction WHEN 'x' THEN 'standalone' ELSE 'in a transaction' END INTO mode
		FROM jadugar_internal.task AS t WHERE t.task_id = id;
	PERFORM jadugar.cancel(id);
	RETURN mode;
EXCEPTION WHEN SQLSTATE 'JD001' THEN
	RETURN sqlerrm;
END $$;

SELECT command, runs_as(command) FROM unnest(ARRAY[
	'SELECT 1', 'SELECT 1; SELECT 2;', 'SELECT $1', 'INSERT INTO no_such_table VALUES (1)',
	'VACUUM', 'VACUUM (ANALYZE) t', 'vacuum full t', 'ANALYZE', 'SELECT 1; VACUUM t',
	'CREATE INDEX ON t (a)', 'CREATE INDEX CONCURRENTLY ON t (a)', 'DROP INDEX i', 'DROP INDEX CONCURRENTLY i',
	'REINDEX TABLE t', 'REINDEX (CONCURRENTLY) TABLE t', 'REINDEX TABLE CONCURRENTLY t', 'REINDEX (CONCURRENTLY false) TABLE t',
	'REINDEX SCHEMA s', 'REINDEX DATABASE d', 'REINDEX SYSTEM d',
	'CLUSTER', 'CLUSTER t USING i', 'CALL p()', 'DO $x$ BEGIN END $x$',
	'CREATE DATABASE d', 'DROP DATABASE d', 'ALTER DATABASE d SET TABLESPACE x', 'ALTER DATABASE d RENAME TO e',
	'CREATE TABLESPACE x LOCATION ''/x''', 'DROP TABLESPACE x', 'ALTER SYSTEM SET work_mem = 1',
	'ALTER TABLE t DETACH PARTITION p', 'ALTER TABLE t DETACH PARTITION p CONCURRENTLY',
	'CREATE SUBSCRIPTION s CONNECTION ''c'' PUBLICATION p', 'ALTER SUBSCRIPTION s DISABLE', 'DROP SUBSCRIPTION s',
	'DISCARD ALL', 'DISCARD TEMP', 'CHECKPOINT', 'NOTIFY c', 'REFRESH MATERIALIZED VIEW CONCURRENTLY v',
	'COPY t TO ''/tmp/x''', 'COPY t FROM PROGRAM ''true''']) AS command;

-- errors
SELECT command, runs_as(command) FROM unnest(ARRAY[
	'', '   ', E'\n\t', '-- nothing', '/* nothing */', ';', ';;',
	'BEGIN', 'START TRANSACTION', 'COMMIT', 'END', 'ROLLBACK', 'ABORT', 'SAVEPOINT s', 'RELEASE s', 'ROLLBACK TO s',
	'PREPARE TRANSACTION ''x''', 'COMMIT PREPARED ''x''', 'SELECT 1; COMMIT', 'COMMIT AND CHAIN',
	'LISTEN c', 'UNLISTEN *', 'COPY t FROM STDIN', 'COPY t TO STDOUT', 'COPY (SELECT 1) TO STDOUT',
	'no.such.handler', 'SELEC 1', 'it''s', '"unterminated', 'SELECT ''open', 'SELECT $$open', '$1']) AS command;
SELECT jadugar.enqueue(NULL);
SELECT jadugar.enqueue(E'SELECT 1,\n  FROM WHERE');
SELECT jadugar.enqueue('no handler of that name');
SELECT left(runs_as(repeat('x', 300)), 60);
SELECT runs_as(repeat('x y ', 300));
SELECT runs_as('SELECT ''' || repeat('x', 1024 * 1024) || '''');
SELECT runs_as('SELECT ' || repeat('(', 100000) || '1' || repeat(')', 100000)) ~ 'stack depth|memory exhausted' AS refused;
SELECT runs_as('SELECT ''' || repeat('x', 1000000) || '''');

-- a command has one parameter
SELECT command, runs_as(command) FROM unnest(ARRAY[
	'SELECT $2', 'SELECT $0', 'SELECT $11', 'SELECT $01', 'SELECT 1; SELECT $1 -> $2',
	'CALL p($1, $2)', 'CREATE TABLE t AS SELECT $2 AS a', 'EXPLAIN SELECT $3', 'CREATE INDEX ON t ((a + $2))',
	'SELECT ''$2'', "$2", $$ $2 $$, a$2 FROM t -- $2 /* $2 */', 'SELECT 1 /* $2 */ + $1',
	'DO $$ BEGIN PERFORM $2; END $$', 'PREPARE q AS SELECT $1, $2', 'PREPARE q AS SELECT $1, $2; EXECUTE q($2, 1)',
	'CREATE FUNCTION f(a int, b int) RETURNS int RETURN $1 + $2', 'CREATE FUNCTION f(a int, b int) RETURNS int BEGIN ATOMIC SELECT $1 + $2; END; SELECT $2',
	'PREPARE q AS SELECT $1, $2; SELECT $1; PREPARE r AS SELECT $2; SELECT $1', 'PREPARE q AS SELECT $2; SELECT 1; PREPARE r AS SELECT $2; SELECT $2']) AS command;
SELECT jadugar.enqueue(E'SELECT $1;\n\tSELECT ''\u00e4'', $2');
SELECT jadugar.enqueue_batch('SELECT $2', '{"{}"}');
SELECT jadugar.schedule('test_commands', 'manual', 'SELECT $2');
SELECT jadugar.step('a', 'SELECT $1', compensate => 'SELECT $2');
SELECT jadugar.register_sql_handler('test_commands', 'SELECT $1, $2');
-- the warning about the backslash comes once
SET standard_conforming_strings = off;
SELECT jadugar.enqueue($$SELECT '\\', $2$$);
RESET standard_conforming_strings;

-- equal texts share a row, different texts never do
SELECT jadugar.enqueue('SELECT ''shared''', queue => 'test_commands') AS a,
	jadugar.enqueue('SELECT ''shared''', queue => 'test_commands') AS b,
	jadugar.enqueue('SELECT ''Shared''', queue => 'test_commands') AS c \gset
SELECT a.command_id = b.command_id AS shared, a.command_id = c.command_id AS mixed_up
FROM jadugar_internal.task AS a, jadugar_internal.task AS b, jadugar_internal.task AS c WHERE a.task_id = :a AND b.task_id = :b AND c.task_id = :c;

-- a text whose row was rolled back is inserted again
BEGIN;
SELECT jadugar.enqueue('SELECT ''rolled back''', queue => 'test_commands') > 0 AS ok;
SELECT jadugar.enqueue('SELECT ''rolled back''', queue => 'test_commands') > 0 AS ok;
ROLLBACK;
SELECT jadugar.enqueue('SELECT ''rolled back''', queue => 'test_commands') AS id \gset
SELECT command FROM jadugar.tasks WHERE task_id = :id;
BEGIN;
SAVEPOINT s;
SELECT jadugar.enqueue('SELECT ''rolled back too''', queue => 'test_commands') > 0 AS ok;
ROLLBACK TO s;
SELECT jadugar.enqueue('SELECT ''rolled back too''', queue => 'test_commands') AS id \gset
COMMIT;
SELECT command FROM jadugar.tasks WHERE task_id = :id;

-- many different texts are kept apart
CREATE TEMP TABLE enqueued AS
	SELECT n, jadugar.enqueue('SELECT ' || n % 6000, queue => 'test_commands') AS id FROM generate_series(1, 9000) AS n;
INSERT INTO enqueued
	SELECT n, jadugar.enqueue('SELECT ' || n % 6000, queue => 'test_commands') AS id FROM generate_series(1, 9000) AS n;
SELECT count(*), count(*) FILTER (WHERE c.text <> 'SELECT ' || n % 6000) AS wrong, count(DISTINCT command_id) AS texts
FROM enqueued AS e JOIN jadugar_internal.task AS t ON t.task_id = e.id JOIN jadugar_internal.command AS c USING (command_id);
DROP TABLE enqueued;
SELECT jadugar.cancel_tasks(queue => 'test_commands') > 0 AS cancelled;
SELECT jadugar.drop_queue('test_commands');
DROP FUNCTION runs_as(text);
