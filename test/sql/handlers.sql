-- Handlers: registering, errors, payload types and hooks, access to handlers of
-- other roles, dropping. C handlers: handlers_c.sql.
\i test/include/helpers.sql
CALL test.create_role('test_handler_alice');
CALL test.create_role('test_handler_bob');
CALL test.create_role('test_handler_operator', 'operator');
CREATE SCHEMA test_handler;
GRANT CREATE, USAGE ON SCHEMA test_handler TO test_handler_alice;
GRANT USAGE ON SCHEMA test_handler TO test_handler_bob;
CREATE FUNCTION handler(text) RETURNS SETOF jadugar_internal.handler
LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM jadugar_internal.handler WHERE name = $1';

SET ROLE test_handler_alice;
SET search_path = test_handler, public;
CREATE FUNCTION nothing() RETURNS integer LANGUAGE sql AS 'SELECT 42';
CREATE FUNCTION echo(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION two(jsonb, integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION rows(jsonb) RETURNS TABLE (id integer, name text) LANGUAGE sql AS $$ VALUES (1, 'one'), (2, 'two') $$;
CREATE FUNCTION twice(jsonb) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION hidden(jsonb) RETURNS integer LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION hidden FROM PUBLIC, test_handler_alice;
CREATE PROCEDURE proc(jsonb) LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

-- a function is stored with its schema
SELECT jadugar.register_handler('test.echo', 'echo');
SELECT kind, owner::regrole, function, payload_type, version, transaction FROM handler('test.echo');
SELECT jadugar.register_handler('test.nothing', 'test_handler.nothing()', version => '2.0.0-beta.1+x', priority => 5,
	timeout => '1 minute', retry => jadugar.retry_policy(3), transaction => 'serializable', isolate => true, description => 'all of it');
SELECT function, version, priority, timeout, retry, transaction, isolate, description FROM handler('test.nothing');
SELECT jadugar.register_handler('test.rows', 'rows(jsonb)');
SELECT jadugar.register_handler('test.proc', 'proc');
SELECT function, transaction FROM handler('test.proc');
SELECT jadugar.register_sql_handler('test.sql', 'SELECT $1->>''a'' AS a, 1 AS one');
SELECT jadugar.register_sql_handler('test.vacuum', 'VACUUM (ANALYZE) pg_class');
SELECT kind, sql, transaction FROM handler('test.vacuum');

-- invalid names
SELECT jadugar.register_handler(NULL, 'echo');
SELECT jadugar.register_handler('', 'echo');
SELECT jadugar.register_handler(repeat('x', 256), 'echo');
SELECT jadugar.register_handler(E'a\tb', 'echo');
SELECT jadugar.register_handler('vacuum', 'echo');
SELECT jadugar.register_handler('Checkpoint', 'echo');
SELECT jadugar.register_handler('begin', 'echo');
SELECT jadugar.register_handler('-- comment', 'echo');
SELECT jadugar.register_handler('table pg_class', 'echo');
SELECT jadugar.register_handler('test.echo', 'echo');
\echo :LAST_ERROR_SQLSTATE

-- invalid functions
SELECT jadugar.register_handler('test.x', NULL);
\set VERBOSITY terse
SELECT jadugar.register_handler('test.x', '');
SELECT jadugar.register_handler('test.x', 'a..b');
SELECT jadugar.register_handler('test.x', 'echo(no_such_type)');
\set VERBOSITY default
SELECT jadugar.register_handler('test.x', 'no_such_function');
SELECT jadugar.register_handler('test.x', 'echo(integer)');
SELECT jadugar.register_handler('test.x', 'twice');
SELECT jadugar.register_handler('test.x', 'twice(integer)');
SELECT jadugar.register_handler('test.x', 'two');
SELECT jadugar.register_handler('test.x', 'pg_catalog.sum(integer)');
SELECT jadugar.register_handler('test.x', 'trig');
SELECT jadugar.register_handler('test.x', 'hidden');
SELECT jadugar.register_sql_handler('test.x', 'SELEC 1');
SELECT jadugar.register_sql_handler('test.x', '');
SELECT jadugar.register_sql_handler('test.x', 'COMMIT');
SELECT jadugar.register_sql_handler('test.x', 'VACUUM', transaction => 'serializable');

-- invalid options
SELECT jadugar.register_handler('test.x', 'echo', version => '1.0');
SELECT jadugar.register_handler('test.x', 'echo', version => '01.0.0');
SELECT jadugar.register_handler('test.x', 'echo', version => '1.0.0-');
SELECT jadugar.register_handler('test.x', 'echo', queue => 'nowhere');
SELECT jadugar.register_handler('test.x', 'echo', timeout => '0');
SELECT jadugar.register_handler('test.x', 'echo', timeout => '-1 hour');
SELECT jadugar.register_handler('test.x', 'echo', transaction => 'chaos');
SELECT jadugar.register_handler('test.x', 'echo', payload_type => 'integer');
SELECT jadugar.register_handler('test.x', 'echo', payload_type => 'no_such_type');
SELECT jadugar.register_handler('test.x', 'echo', validate => 'nothing');
SELECT jadugar.register_handler('test.x', 'echo', validate => 'twice(jsonb)');
SELECT jadugar.register_handler('test.x', 'echo', cleanup => 'proc');
SELECT jadugar.register_handler('test.x', 'echo', on_error => 'no_such_function');

-- results
SELECT jadugar.enqueue('test.echo', '{"a": 1}') AS echo \gset
SELECT jadugar.enqueue('test.nothing') AS nothing \gset
SELECT jadugar.enqueue('test.rows') AS rows \gset
SELECT jadugar.enqueue('test.proc') AS proc \gset
SELECT jadugar.enqueue('test.sql', '{"a": "b"}') AS sql \gset
SELECT jadugar.enqueue('test.vacuum') AS vacuum \gset
SELECT name, status, result FROM jadugar.wait(:echo, '30 seconds');
SELECT name, status, result, priority FROM jadugar.wait(:nothing, '30 seconds');
SELECT name, status, result FROM jadugar.wait(:rows, '30 seconds');
SELECT name, status, result FROM jadugar.wait(:proc, '30 seconds');
SELECT name, status, result FROM jadugar.wait(:sql, '30 seconds');
SELECT name, status, result FROM jadugar.wait(:vacuum, '30 seconds');

-- payload types: the error names each invalid field
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN word AS text NOT NULL CHECK (VALUE ~ '^\w+$');
CREATE TYPE part AS (sku word, n positive);
CREATE TYPE orders AS (id bigint, customer word, parts part[], tags text[], extra jsonb, due date);
CREATE DOMAIN checked_orders AS orders CHECK ((VALUE).id > 0);
CREATE TABLE customer (id integer NOT NULL, name varchar(5) NOT NULL, gone text, note text DEFAULT 'none');
ALTER TABLE customer DROP COLUMN gone;
CREATE FUNCTION place(orders) RETURNS text LANGUAGE sql AS $$ SELECT ($1).customer || cardinality(($1).parts) $$;
CREATE FUNCTION place_checked(checked_orders) RETURNS bigint LANGUAGE sql AS $$ SELECT (($1)::test_handler.orders).id $$;
SELECT jadugar.register_handler('test.order', 'place');
SELECT jadugar.register_handler('test.checked', 'place_checked');
SELECT jadugar.register_handler('test.customer', 'echo', payload_type => 'customer');
SELECT name, function, payload_type FROM handler('test.order') UNION ALL
SELECT name, function, payload_type FROM handler('test.checked') UNION ALL
SELECT name, function, payload_type FROM handler('test.customer');
SELECT jadugar.register_handler('test.x', 'place', payload_type => 'customer');

SELECT jadugar.enqueue('test.order', '{"id": 1, "customer": "ann", "parts": [{"sku": "a", "n": 2}, {"sku": "b"}], "tags": ["x", null],
	"extra": {"any": ["thing"]}, "due": "2030-01-01"}') AS id \gset
SELECT status, result FROM jadugar.wait(:id, '30 seconds');
SELECT jadugar.enqueue('test.order', '{"id": 1, "customer": "ann", "extra": "text", "tags": []}') > 0 AS ok;
SELECT jadugar.enqueue('test.order', '[]');
SELECT jadugar.enqueue('test.order', '"text"');
SELECT jadugar.enqueue('test.order');
SELECT jadugar.enqueue('test.order', '{"id": 1, "customer": "ann", "color": "red"}');
SELECT jadugar.enqueue('test.order', '{"id": "one", "customer": "ann"}');
SELECT jadugar.enqueue('test.order', '{"id": 1.5, "customer": "ann"}');
SELECT jadugar.enqueue('test.order', '{"id": {"a": 1}, "customer": "ann"}');
SELECT jadugar.enqueue('test.order', '{"id": 1}');
SELECT jadugar.enqueue('test.order', '{"id": 1, "customer": null}');
SELECT jadugar.enqueue('test.order', '{"id": 1, "customer": "two words"}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "due": "2030-02-30"}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "parts": {"sku": "a"}}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "parts": ["a"]}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "parts": [{"sku": "a"}, {"sku": "b", "n": 0}]}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "parts": [{"sku": "a", "m": 0}]}');
SELECT jadugar.enqueue('test.order', '{"customer": "ann", "tags": [["a", "b"], ["c"]]}');
SELECT jadugar.enqueue('test.checked', '{"id": 0, "customer": "ann"}');
SELECT jadugar.enqueue('test.checked', '{"id": 7, "customer": "ann"}') AS id \gset
SELECT status, result FROM jadugar.wait(:id, '30 seconds');
SELECT jadugar.enqueue('test.customer', '{"id": 1}');
SELECT jadugar.enqueue('test.customer', '{"id": null, "name": "ann"}');
SELECT jadugar.enqueue('test.customer', '{"id": 1, "name": "too long"}');
SELECT jadugar.enqueue('test.customer', '{"id": 1, "name": "ann", "gone": 1}');
SELECT jadugar.enqueue('test.customer', '{"id": 3000000000, "name": "ann"}');
SELECT jadugar.enqueue('test.customer', '{"id": 1, "name": "ann"}') > 0 AS ok;

-- hooks
CREATE FUNCTION is_even(jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT ($1->>'n')::integer % 2 = 0 $$;
CREATE FUNCTION complain(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'n is ' || ($1->>'n') WHERE $1 ? 'n' $$;
CREATE FUNCTION object(jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN ASSERT NOT $1 ? 'n', 'no n, please'; END $$;
CREATE TABLE hooked (what text, payload jsonb);
CREATE FUNCTION note_cleanup(jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO test_handler.hooked VALUES ('cleanup', $1) $$;
CREATE FUNCTION note_error(jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO test_handler.hooked VALUES ('error', $1) $$;
CREATE FUNCTION fail(jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'failed on purpose'; END $$;
SELECT jadugar.register_handler('test.even', 'echo', validate => 'is_even');
SELECT jadugar.register_handler('test.complain', 'echo', validate => 'complain');
SELECT jadugar.register_handler('test.object', 'echo', validate => 'object');
SELECT validate FROM handler('test.even');
SELECT jadugar.enqueue('test.even', '{"n": 2}') > 0 AS ok;
SELECT jadugar.enqueue('test.even', '{}') > 0 AS ok;
SELECT jadugar.enqueue('test.even', '{"n": 3}');
SELECT jadugar.enqueue('test.even', '{"n": "x"}');
SELECT jadugar.enqueue('test.complain', '{}') > 0 AS ok;
SELECT jadugar.enqueue('test.complain', '{"n": 3}');
SELECT jadugar.enqueue('test.object', '{"n": 3}');

SELECT jadugar.register_handler('test.hooked', 'echo', cleanup => 'note_cleanup', on_error => 'note_error');
SELECT jadugar.register_handler('test.fail', 'fail', cleanup => 'note_cleanup', on_error => 'note_error',
	retry => '{"max_attempts": 1}');
SELECT jadugar.enqueue('test.hooked', '{"good": 1}') > 0 AS ok;
SELECT jadugar.enqueue('test.fail', '{"bad": 1}') > 0 AS ok;
CALL test.wait_until($$SELECT count(*) = 3 FROM test_handler.hooked$$);
SELECT what, payload->>'status' AS status, payload->'payload' AS payload, payload->'result' AS result,
	payload->>'error_code' AS error_code, payload->'error'->>'message' AS message
FROM hooked ORDER BY what, status;

-- also for a task that never begins, and for those that depend on it
TRUNCATE hooked;
SELECT jadugar.enqueue('test.hooked', '{"first": 1}', delay => '1 h') AS id \gset
SELECT jadugar.enqueue('test.hooked', '{"second": 1}', depends_on => ARRAY[:id]) > 0 AS ok;
SELECT jadugar.cancel(:id);
CALL test.wait_until($$SELECT count(*) = 2 FROM test_handler.hooked$$);
SELECT what, payload->>'status' AS status, payload->'payload' AS payload, payload->>'attempt' AS attempt
FROM hooked ORDER BY (payload->>'task_id')::bigint;
TRUNCATE hooked;
SELECT jadugar.create_queue('hooked', max_depth => 1, on_full => 'drop_oldest') > 0 AS ok;
SELECT jadugar.enqueue('test.hooked', queue => 'hooked', delay => '1 h') > 0 AS ok;
SELECT jadugar.enqueue('test.hooked', queue => 'hooked', delay => '1 h') AS id \gset
SELECT count(*) AS room FROM jadugar.tasks WHERE queue = 'hooked';
SELECT jadugar.cancel(:id);
CALL test.wait_until($$SELECT count(*) = 1 FROM test_handler.hooked$$);
SELECT payload->>'task_id' = :'id' AS cancelled_one FROM hooked;
SELECT jadugar.drop_queue('hooked');

-- a role cannot run the handler of another role
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.echo');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.register_handler('test.echo', 'pg_catalog.now');
SELECT jadugar.register_handler('test.echo', 'pg_catalog.now', or_replace => true);
SELECT jadugar.drop_handler('test.echo');
SELECT jadugar.grant_handler('test.echo', 'test_handler_bob');
SELECT name, kind, owner FROM jadugar.handlers;
RESET ROLE;
SELECT jadugar.enqueue('test.echo');
SET ROLE test_handler_alice;
SELECT jadugar.grant_handler('test.echo', 'test_handler_bob');
SET ROLE test_handler_operator;
SELECT jadugar.grant_handler('test.echo', 'test_handler_bob');
SELECT jadugar.grant_handler('test.echo', 'postgres');
SELECT jadugar.grant_handler('test.echo', 'public');
SELECT jadugar.grant_handler('nothing', 'test_handler_bob');
SET ROLE test_handler_bob;
SELECT name, kind, function, owner FROM jadugar.handlers;
SELECT * FROM jadugar.handler_grants;
SELECT jadugar.enqueue('test.echo', '{"from": "bob"}') AS id \gset
SELECT status, owner, result FROM jadugar.wait(:id, '30 seconds');
SET ROLE test_handler_alice;
SELECT jadugar.revoke_handler('test.echo', 'test_handler_bob');
SELECT jadugar.revoke_handler('test.echo', 'test_handler_bob');
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.echo');

-- a role needs the privileges for the functions, which enqueue() checks
SET ROLE test_handler_alice;
CREATE FUNCTION note(jsonb) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION note_end(jsonb) RETURNS void LANGUAGE sql AS '';
REVOKE EXECUTE ON FUNCTION note, note_end FROM PUBLIC;
SELECT jadugar.register_handler('test.note', 'note', cleanup => 'note_end');
RESET ROLE;
REVOKE USAGE ON SCHEMA test_handler FROM test_handler_bob;
SELECT jadugar.grant_handler('test.note', 'test_handler_bob');
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.note');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.schedule('test note', 'manual', 'test.note');
RESET ROLE;
GRANT USAGE ON SCHEMA test_handler TO test_handler_bob;
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.note');
RESET ROLE;
GRANT EXECUTE ON FUNCTION test_handler.note TO test_handler_bob;
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.note');
RESET ROLE;
GRANT EXECUTE ON FUNCTION test_handler.note_end TO test_handler_bob;
SELECT jadugar.grant_handler('test.note', 'test_handler_bob');
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.note') AS id \gset
SELECT status FROM jadugar.wait(:id, '30 seconds');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION test_handler.note FROM test_handler_bob;
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.note');
-- the function or a type of its argument is gone
SET ROLE test_handler_alice;
CREATE TYPE gone AS (a integer);
CREATE FUNCTION gone(gone) RETURNS void LANGUAGE sql AS '';
SELECT jadugar.register_handler('test.gone', 'gone');
DROP FUNCTION gone;
SELECT jadugar.enqueue('test.gone', '{"a": 1}') AS id \gset
SELECT status, error->>'message' AS message FROM jadugar.wait(:id, '30 seconds');
DROP TYPE gone;
SELECT jadugar.enqueue('test.gone', '{"a": 1}');
SELECT jadugar.drop_handler('test.gone');
SELECT jadugar.drop_handler('test.note', pending => 'cancel');

-- every role can run the handler of a superuser, with its own privileges
RESET ROLE;
SELECT jadugar.register_sql_handler('test.whoami', 'SELECT current_user, session_user');
SET ROLE test_handler_bob;
SELECT jadugar.enqueue('test.whoami') AS id \gset
SELECT status, result FROM jadugar.wait(:id, '30 seconds');

-- replacing
SET ROLE test_handler_alice;
SELECT jadugar.register_handler('test.echo', 'nothing', or_replace => true);
SELECT kind, function, owner::regrole FROM handler('test.echo');
SELECT jadugar.register_sql_handler('test.echo', 'SELECT 1', or_replace => true);
SELECT kind, function, sql FROM handler('test.echo');

-- dropping
SET ROLE test_handler_alice;
SELECT jadugar.drop_handler(NULL);
SELECT jadugar.drop_handler('test.echo', NULL);
SELECT jadugar.drop_handler('test.echo', 'now');
SELECT jadugar.drop_handler('no such handler');
SELECT jadugar.drop_handler('test.echo');
SELECT jadugar.enqueue('test.echo');
SELECT jadugar.enqueue('test.nothing', run_at => now() + interval '1 hour') AS id \gset
SELECT jadugar.drop_handler('test.nothing');
SELECT jadugar.drop_handler('test.nothing', pending => 'cancel');
SELECT status, final, reason FROM jadugar.history WHERE task_id = :id;
SELECT jadugar.schedule('test.nightly', '0 3 * * *', 'test.sql') > 0 AS scheduled;
SELECT jadugar.drop_handler('test.sql', pending => 'cancel');
SELECT jadugar.unschedule('test.nightly');
SELECT jadugar.drop_handler('test.sql', pending => 'cancel');

RESET ROLE;
RESET search_path;
SELECT count(jadugar.drop_handler(name, 'cancel')) FROM jadugar_internal.handler WHERE name LIKE 'test.%';
DROP FUNCTION handler(text);
DROP SCHEMA test_handler CASCADE;
SELECT jadugar.revoke_access('test_handler_alice');
SELECT jadugar.revoke_access('test_handler_bob');
SELECT jadugar.revoke_access('test_handler_operator');
DROP ROLE test_handler_alice, test_handler_bob, test_handler_operator;
