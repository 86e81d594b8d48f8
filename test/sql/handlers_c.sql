-- Handlers in C, from the library test/fixtures/sample_handler.c. It has to be in
-- the server's $libdir, so make installcheck leaves this test out.
\i test/include/helpers.sql
CALL test.create_role('test_handler_alice');
CALL test.create_role('test_handler_bob');
CALL test.create_role('test_handler_operator', 'operator');
CREATE FUNCTION handler(text) RETURNS SETOF jadugar_internal.handler
LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM jadugar_internal.handler WHERE name = $1';

SET ROLE test_handler_alice;
SELECT jadugar.register_sql_handler('test.echo', 'SELECT $1');
SELECT jadugar.register_c_handler('test.c_echo', '$libdir/sample_handler', 'sample_echo');
RESET ROLE;
CREATE TABLE sample_log (who name);
GRANT INSERT, SELECT ON sample_log TO test_handler_bob;
SELECT jadugar.register_c_handler('test.c_' || f, '$libdir/sample_handler', 'sample_' || f, retry => '{"max_attempts": 1}')
	FROM unnest('{echo,describe,insert,error,bad_result}'::text[]) AS f;
SELECT kind, library, symbol FROM handler('test.c_echo');
SELECT function, what FROM jadugar.audit ORDER BY audit_id DESC LIMIT 1;
-- it returns no rows
SELECT jadugar.enqueue('test.c_echo', expect_rows => 'some');
SELECT jadugar.register_c_handler('test.c_x', '/no/such/library', 'f');
SELECT jadugar.register_c_handler('test.c_x', '$libdir/sample_handler', 'no_such_symbol');
SELECT jadugar.register_c_handler('test.c_x', '$libdir/plpgsql', 'plpgsql_call_handler');
SELECT jadugar.register_c_handler('test.c_x', '$libdir/sample_handler', 'sample_echo', transaction => 'standalone');
SELECT jadugar.register_c_handler('test.c_x', NULL, 'sample_echo');
SELECT jadugar.register_c_handler('test.echo', '$libdir/sample_handler', 'sample_echo', or_replace => true);
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.c_echo');
SET ROLE test_handler_operator;
SELECT jadugar.grant_handler('test.c_echo', 'test_handler_bob');
RESET ROLE;
SELECT jadugar.grant_handler('test.c_' || f, 'test_handler_bob') FROM unnest('{echo,describe,insert,error,bad_result}'::text[]) AS f;
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.c_echo', '{"n": [1, "two"]}') AS echo, jadugar.enqueue('test.c_describe', '{"a": 1}') AS describe,
	jadugar.enqueue('test.c_insert') AS insert, jadugar.enqueue('test.c_error') AS error,
	jadugar.enqueue('test.c_bad_result') AS bad_result \gset
SELECT status, result FROM jadugar.wait(:echo, '30 seconds');
SELECT status, result FROM jadugar.wait(:describe, '30 seconds');
SELECT level, message FROM jadugar.logs WHERE task_id = :describe;
SELECT status, result FROM jadugar.wait(:insert, '30 seconds');
SELECT who FROM sample_log;
SELECT status, error->>'message' AS message, error->>'detail' AS detail FROM jadugar.wait(:error, '30 seconds');
SELECT status, error->>'message' AS message FROM jadugar.wait(:bad_result, '30 seconds');

RESET ROLE;
SELECT count(jadugar.drop_handler(name, 'cancel')) FROM jadugar_internal.handler WHERE name LIKE 'test.%';
DROP TABLE sample_log;
DROP FUNCTION handler(text);
SELECT jadugar.revoke_access('test_handler_alice');
SELECT jadugar.revoke_access('test_handler_bob');
SELECT jadugar.revoke_access('test_handler_operator');
DROP ROLE test_handler_alice, test_handler_bob, test_handler_operator;
