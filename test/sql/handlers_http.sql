-- HTTP handlers: registering, errors, payloads, rights, replacing, dropping.
-- Nothing is sent here: test/t/http/087_http_handlers.pl.
\i test/include/helpers.sql
CALL test.create_role('hh_alice');
CALL test.create_role('hh_bob');
CREATE SERVER hh_pay FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://pay.example/v2');
CREATE SERVER hh_new FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://new.example', retry '{"max_attempts": 9}');
CREATE SERVER hh_any FOREIGN DATA WRAPPER jadugar_http OPTIONS (any_host 'true');
CREATE SERVER hh_closed FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://closed.example');
GRANT USAGE ON FOREIGN SERVER hh_pay, hh_new, hh_any TO hh_alice;
GRANT CREATE ON SCHEMA public TO hh_alice;
CREATE FUNCTION pg_temp.refused(arguments text) RETURNS text LANGUAGE sql AS $$ SELECT test.error_of(format('SELECT jadugar.register_http_handler(%s)', arguments)) $$;
GRANT USAGE ON SCHEMA public TO hh_bob;

SET ROLE hh_alice;
CREATE TYPE hh_order AS ("order" bigint, cents integer, region text);
CREATE FUNCTION hh_positive(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'cents must be positive' WHERE ($1 ->> 'cents')::integer <= 0 $$;
CREATE FUNCTION hh_note(jsonb) RETURNS void LANGUAGE sql AS 'SELECT';

-- ----------------------------------------------------------------- registering

SELECT jadugar.register_http_handler('hh.pay', 'hh_pay', '/orders/{order}/payments', 'put', query => '{"region": "{region}", "mode": "test"}', headers => '{"X-Region": "{region}"}',
	payload_type => 'hh_order', validate => 'hh_positive', cleanup => 'hh_note', on_error => 'hh_note', version => '1.2.0', timeout => '5 s', retry => jadugar.retry_policy(4), expect => '{2xx,404}', description => 'pays');
SELECT jadugar.register_http_handler('hh.get', 'hh_new', '/rates/{from}/{to}', 'GET', query => '{"date": "{date}"}');
SELECT jadugar.register_http_handler('hh.all', 'hh_pay', '/log', body => 'all');
SELECT name, kind, request, payload_type, version, transaction, timeout, retry, validate, cleanup, description FROM jadugar.handlers WHERE name LIKE 'hh.%' ORDER BY name;
-- the body by default
CREATE FUNCTION pg_temp.body_of(method text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM jadugar.register_http_handler('hh.method', 'hh_pay', '/x', method, or_replace => true);
	RETURN (SELECT h.request ->> 'body' FROM jadugar.handlers h WHERE name = 'hh.method');
END $$;
SELECT method, pg_temp.body_of(method) FROM unnest('{POST,PUT,PATCH,GET,HEAD,DELETE,OPTIONS,delete}'::text[]) method;
SELECT jadugar.drop_handler('hh.method');
-- other braces belong to a constant
SELECT jadugar.register_http_handler('hh.braces', 'hh_pay', '/x', 'GET', query => '{"filter": "a {} {\"b\": 1} {c", "list": ["{", "}"]}');
SELECT jadugar.drop_handler('hh.braces') \g /dev/null

-- --------------------------------------------------------------------- refused

SELECT a, pg_temp.refused(a) FROM unnest(ARRAY[
	$$'hh.x', 'none', '/'$$, $$'hh.x', 'hh_any', '/'$$, $$'hh.x', 'hh_closed', '/'$$, $$'hh.x', '', '/'$$,
	$$NULL, 'hh_pay', '/'$$, $$'hh.x', NULL, '/'$$, $$'hh.x', 'hh_pay', NULL$$, $$'hh.x', 'hh_pay', '/', NULL$$,
	$$'http', 'hh_pay', '/'$$, $$'SELECT 1', 'hh_pay', '/'$$, $$'hh.pay', 'hh_pay', '/'$$,
	$$'hh.x', 'hh_pay', 'orders'$$, $$'hh.x', 'hh_pay', '//evil.example'$$, $$'hh.x', 'hh_pay', '/../x'$$, $$'hh.x', 'hh_pay', '/a?b'$$, $$'hh.x', 'hh_pay', ''$$,
	$$'hh.x', 'hh_pay', '/{}'$$, $$'hh.x', 'hh_pay', '/{order'$$, $$'hh.x', 'hh_pay', '/{a}/{order/x'$$, $$'hh.x', 'hh_pay', '/order}'$$,
	$$'hh.x', 'hh_pay', '/{id}', payload_type => 'hh_order'$$, $$'hh.x', 'hh_pay', '/', query => '{"a": "{id}"}', payload_type => 'hh_order'$$, $$'hh.x', 'hh_pay', '/', headers => '{"X-A": "{id}"}', payload_type => 'hh_order'$$,
	$$'hh.x', 'hh_pay', '/', 'BREW'$$, $$'hh.x', 'hh_pay', '/', 'GET', body => 'rest'$$, $$'hh.x', 'hh_pay', '/', 'HEAD', body => 'all'$$, $$'hh.x', 'hh_pay', '/', body => 'some'$$,
	$$'hh.x', 'hh_pay', '/', query => '[1]'$$, $$'hh.x', 'hh_pay', '/', query => '{"a": {"b": 1}}'$$, $$'hh.x', 'hh_pay', '/', headers => '"x"'$$,
	$$'hh.x', 'hh_pay', '/', headers => '{"Host": "evil"}'$$, $$'hh.x', 'hh_pay', '/', headers => '{"Authorization": "Bearer x"}'$$, $$'hh.x', 'hh_pay', '/', headers => '{"X-A": "a\nb"}'$$, $$'hh.x', 'hh_pay', '/', headers => '{"X A": "a"}'$$,
	$$'hh.x', 'hh_pay', '/', query => '{"a": "id {id}"}'$$, $$'hh.x', 'hh_pay', '/', headers => '{"X-A": "{a}{b}"}'$$, $$'hh.x', 'hh_pay', '/', query => '{"a": ["1", "{id}"]}'$$,
	$$'hh.x', 'hh_pay', '/', expect => '{}'$$, $$'hh.x', 'hh_pay', '/', expect => '{ok}'$$, $$'hh.x', 'hh_pay', '/', expect => '{200,NULL}'$$,
	$$'hh.x', 'hh_pay', '/', version => '1'$$, $$'hh.x', 'hh_pay', '/', timeout => '-1 s'$$, $$'hh.x', 'hh_pay', '/', queue => 'none'$$, $$'hh.x', 'hh_pay', '/', validate => 'none'$$,
	$$'hh.x', 'hh_pay', '/', payload_type => 'integer'$$, $$'hh.x', 'hh_pay', '/', retry => '{"fallback": "http"}'$$, $$'hh.x', 'hh_pay', '/', retry => jadugar.retry_policy(2, fallback => 'hh.all')$$]) a;

-- -------------------------------------------------------------------- payloads

CREATE FUNCTION pg_temp.given(handler text, payload jsonb, options text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT test.error_of(format('SELECT jadugar.enqueue(%L, %L, delay => ''1 hour''%s)', handler, payload, options)) $$;
SELECT p, pg_temp.given('hh.pay', p::jsonb) FROM unnest(ARRAY['{"order": 7, "cents": 900}', '{"cents": 900}', '{"order": null, "cents": 9}', '{"order": "seven"}', '{"order": 7, "cents": 0}', '{"order": 7, "colour": "red"}', '[]']) p;
SELECT p, pg_temp.given('hh.get', p::jsonb) FROM unnest(ARRAY['{"from": "EUR", "to": true}', '{"from": "EUR", "to": "USD", "date": ["2026-01-01", "2026-01-02"], "more": {"a": 1}}', '{"from": "EUR"}', '{"from": "EUR", "to": null}', '{"from": {"a": 1}, "to": 1}',
	'{"from": ["a"], "to": 1}', '{"from": "..", "to": 1}', '{"from": "", "to": 1}', '{"from": "EUR", "to": 1, "date": {"a": 1}}', '{"from": "EUR", "to": 1, "date": null}', '"EUR"']) p;
SELECT p, pg_temp.given('hh.all', p::jsonb) FROM unnest(ARRAY['[1, 2]', '"text"', '{"a": {"b": null}}']) p;
SELECT o, pg_temp.given('hh.all', '{}', ', ' || o) FROM unnest(ARRAY[$$transaction => 'serializable'$$, 'isolate => true', 'isolate => false', $$settings => '{"work_mem": "1MB"}'$$, $$expect_rows => 'one'$$, $$expect_rows => 'any'$$, $$retry => '{"fallback": "hh.all"}'$$]) o;
-- each payload of a batch is checked
SELECT test.error_of($$SELECT jadugar.enqueue_batch('hh.get', ARRAY['{"from": 1, "to": 2}', '{"from": 1}']::jsonb[])$$);
SELECT test.error_of($$SELECT jadugar.update_task(task_id, '{"order": 8, "cents": 0}') FROM jadugar.tasks WHERE command = 'hh.pay'$$);
SELECT test.error_of($$SELECT jadugar.update_task(task_id, '{"order": 8, "cents": 9}') FROM jadugar.tasks WHERE command = 'hh.pay'$$);
-- the payload stays that of its author; policies of the task, the handler, the endpoint
SELECT jadugar.enqueue('hh.get', '{"from": "a", "to": "own"}', delay => '1 hour', retry => jadugar.retry_policy(2)) \g /dev/null
RESET ROLE;
SELECT c.text, t.payload, t.transaction, e.name AS endpoint, t.timeout, t.max_attempts FROM jadugar_internal.task t JOIN jadugar_internal.command c USING (command_id) LEFT JOIN jadugar_internal.endpoint e USING (endpoint_id)
WHERE c.text LIKE 'hh.%' ORDER BY t.task_id;

-- ------------------------------------------------- where no request can be sent

SET ROLE hh_alice;
SELECT c, test.error_of(c) FROM unnest(ARRAY[$$SELECT jadugar.run_task('hh.all', '{}')$$, $$SELECT jadugar.execute('hh.all', '{}')$$, $$SELECT jadugar.query('hh.all', '{}')$$, $$SELECT jadugar.cached('k', 'hh.all', '{}', '1 min')$$]) c;
SELECT c, test.error_of(c) FROM unnest(ARRAY[$$SELECT jadugar.subscribe('hh_sub', '{hh.*}', 'hh.all')$$, $$SELECT jadugar.subscribe('hh_sub', '{hh.*}', 'hh.all', delivery => 'task', isolate => true)$$,
	$$SELECT jadugar.subscribe('hh_sub', '{hh.*}', 'hh.all', delivery => 'task')$$]) c;
SELECT jadugar.pause_subscription('hh_sub') \g /dev/null
SELECT jadugar.publish('hh.paid', '{"n": 1}') AS event \gset
SELECT test.error_of(format('SELECT jadugar.run_event(%L, %s)', 'hh_sub', :event));
SELECT jadugar.unsubscribe('hh_sub', 'drop') \g /dev/null
-- in flows and schedules they are checked at once
SELECT c, test.error_of(c) FROM unnest(ARRAY[$$SELECT jadugar.create_flow('hh_flow', jadugar.step('a', 'hh.get', '{"from": 1}'))$$, $$SELECT jadugar.create_flow('hh_flow', jadugar.step('a', 'hh.get', '{"from": 1, "to": "$.input.to"}', transaction => 'serializable'))$$,
	$$SELECT jadugar.create_flow('hh_flow', jadugar.step('a', 'hh.get', '{"from": 1, "to": "$.input.to"}'))$$, $$SELECT jadugar.schedule('hh_daily', '@daily', 'hh.get', '{"from": 1}')$$,
	$$SELECT jadugar.schedule('hh_daily', '@daily', 'hh.get', '{"from": 1, "to": 2}')$$]) c;

-- ----------------------------------------------------------------------- rights

SELECT jadugar.grant_handler('hh.pay', 'hh_bob');
RESET ROLE;
SET client_min_messages = notice;
SELECT jadugar.grant_handler('hh.all', 'hh_bob');
SELECT jadugar.register_http_handler('hh.shared', 'hh_pay', '/x');
RESET client_min_messages;
SET client_min_messages = warning;
SET ROLE hh_bob;
SELECT name, kind FROM jadugar.handlers WHERE name LIKE 'hh.%' ORDER BY name;
SELECT h, pg_temp.given(h, '{}') FROM unnest('{hh.get,hh.all,hh.shared}'::text[]) h;
SELECT pg_temp.refused($$'hh.b', 'hh_pay', '/'$$), pg_temp.refused($$'hh.all', 'hh_pay', '/', or_replace => true$$);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER hh_pay TO hh_bob;
SET ROLE hh_bob;
SELECT h, pg_temp.given(h, '{}') FROM unnest('{hh.get,hh.all,hh.shared}'::text[]) h;
RESET ROLE;

-- -------------------------------------------------------------------- replacing

SET ROLE hh_alice;
SELECT jadugar.register_sql_handler('hh.sql', 'SELECT 1') \g /dev/null
SELECT c, test.error_of(c) FROM unnest(ARRAY[$$SELECT jadugar.register_sql_handler('hh.get', 'SELECT 1', or_replace => true)$$, $$SELECT jadugar.register_http_handler('hh.sql', 'hh_pay', '/', or_replace => true)$$]) c;
-- tasks go to the new endpoint
SELECT jadugar.register_http_handler('hh.get', 'hh_pay', '/v3/rates/{from}/{to}', 'GET', version => '2.0.0', or_replace => true);
RESET ROLE;
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar_internal.task t JOIN jadugar_internal.command c USING (command_id) JOIN jadugar_internal.endpoint e USING (endpoint_id) WHERE c.text = 'hh.get' AND e.name <> 'hh_pay'$$);
SELECT name, version, request FROM jadugar.handlers WHERE name = 'hh.get';
-- a server that was renamed or dropped
ALTER SERVER hh_pay RENAME TO hh_paid;
SET ROLE hh_alice;
SELECT pg_temp.given('hh.all', '{}');
RESET ROLE;
ALTER SERVER hh_paid RENAME TO hh_pay;

-- --------------------------------------------------------------------- dropping

SET ROLE hh_alice;
SELECT test.error_of($$SELECT jadugar.drop_handler('hh.get')$$);
SELECT jadugar.unschedule('hh_daily'), jadugar.drop_flow('hh_flow') \g /dev/null
SELECT jadugar.drop_handler(name, pending => 'cancel') FROM jadugar.handlers WHERE name LIKE 'hh.%' AND owner = 'hh_alice';
RESET ROLE;
SELECT jadugar.drop_handler('hh.shared', pending => 'cancel') \g /dev/null
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar.tasks WHERE owner IN ('hh_alice', 'hh_bob')$$);
SELECT DISTINCT command, status FROM jadugar.history WHERE owner = 'hh_alice' ORDER BY command;
DROP SERVER hh_pay, hh_new, hh_any, hh_closed CASCADE;
DROP FUNCTION hh_positive, hh_note;
DROP TYPE hh_order;
CALL test.drop_roles('hh_alice', 'hh_bob');
