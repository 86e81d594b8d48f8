-- Flows that wait for events of the log: keys and filters, results, privileges,
-- invalid input. Orders of commit are in test/specs/flow_event_race.spec.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_waiter');
CALL test.create_role('test_shop');
CALL test.create_role('test_clerk');
CALL test.create_role('test_op', 'operator');
CALL test.create_role('test_mon', 'monitor');
GRANT test_waiter TO test_clerk;
CREATE TABLE test.wait (name text PRIMARY KEY, run bigint);
GRANT ALL ON test.wait TO PUBLIC;
-- Starts a run that consists of one wait.
CREATE FUNCTION test.start_wait(name text, flow jadugar.flow, input jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS
	$$ INSERT INTO test.wait VALUES (name, jadugar.start_flow(flow, input)) $$;
-- Waits until all waits that were started are open.
CREATE PROCEDURE test.all_open() LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until('NOT EXISTS (SELECT FROM test.wait w WHERE NOT EXISTS (SELECT FROM jadugar.flow_steps s WHERE s.run_id = w.run AND s.waiting_for LIKE ''event:%''))');
END $$;
-- Returns the ends of all of them.
CREATE FUNCTION test.ends() RETURNS TABLE (name text, status text, key text, data jsonb, error text) LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM test.wait w RETURNING w.*)
	SELECT g.name, e.status, e.result ->> 'key', e.result -> 'data', e.error ->> 'message' FROM gone g, LATERAL jadugar.wait_flow(g.run, '20 s') e ORDER BY g.name COLLATE "C" $$;
-- Returns those that have not ended.
CREATE FUNCTION test.open() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(w.name, ', ' ORDER BY w.name COLLATE "C") FROM test.wait w JOIN jadugar.flow_runs r ON r.run_id = w.run WHERE r.finished_at IS NULL $$;
-- Starts waits and publishes in transactions of a procedure.
CREATE PROCEDURE test.waits() LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	FOR i IN 1 .. 3 LOOP
		run := jadugar.start_flow(jadugar.wait_event('test.proc'));
		COMMIT;
		PERFORM jadugar.raise_event('test.proc', jsonb_build_object('i', i));
		COMMIT;
		PERFORM test.note(concat_ws(' ', w.status, w.result->'data')) FROM jadugar.wait_flow(run, '20 s') w;
	END LOOP;
END $$;
CREATE TYPE public.test_v1 AS (a int);
CREATE TYPE public.test_v2 AS (a int, b int);
SET search_path = public, jadugar;

-- -------------------------------------------------------------------- keys
SET ROLE test_waiter;
SELECT test.start_wait(name, wait_event('test.e', key => key), '{"order": {"id": 42, "name": "a b"}}')
FROM (VALUES ('path', '$.input.order.id'), ('path to text', '$.input.order.name'), ('text', '42'), ('escaped', '$$.x'), ('long', repeat('k', 512)),
	('other', '41'), ('not 42', '42 '), ('any', NULL)) v (name, key);
CALL test.all_open();
SELECT step, kind, waiting_for FROM flow_steps s JOIN test.wait w ON w.run = s.run_id WHERE w.name = 'text' AND waiting_for IS NOT NULL;
SELECT publish('test.e', '{"n": 1}') > 0 AS published;
SELECT publish('test.f', '{"n": 0}', key => k) > 0 AS published FROM (VALUES ('42'), ('a b')) v (k);
SELECT publish('test.e', '{"n": 2}', key => k) > 0 AS published FROM (VALUES ('42'), ('a b'), ('$.x'), (repeat('k', 512))) v (k);
CALL test.wait_until('(SELECT count(*) = 2 FROM test.wait w JOIN jadugar.flow_runs r ON r.run_id = w.run WHERE r.finished_at IS NULL)');
SELECT test.open();
SELECT publish('test.e', '{"n": 3}', key => k) > 0 AS published FROM (VALUES ('41'), ('42 ')) v (k);
SELECT name, status, CASE WHEN length(key) > 20 THEN length(key)::text ELSE key END AS key, data, error FROM test.ends();
-- a key and a filter
SELECT test.start_wait(name, wait_event('test.e', filter, key => '$.input.id'), '{"id": "x", "n": 2}')
FROM (VALUES ('both', '{"n": "$.input.n"}'::jsonb), ('both, fixed', '{"n": 2}'), ('empty', '{}')) v (name, filter);
CALL test.all_open();
SELECT publish('test.e', d, key => k) > 0 AS published FROM (VALUES ('{"n": 2, "i": 1}'::jsonb, 'y'), ('{"n": 1, "i": 2}', 'x'), ('{"n": 2, "i": 3}', 'x')) v (d, k);
SELECT name, status, data FROM test.ends();
-- the key of a registered type
SELECT register_event_type('test.typed', key => '$.order');
SELECT test.start_wait('typed', wait_event('test.typed', key => '7'));
SELECT raise_event('test.typed', '{"order": 6}') > 0 AS published;
SELECT raise_event('test.typed', '{"order": 7}') > 0 AS published;
SELECT name, status, key, data FROM test.ends();
-- paths that find no key
SELECT test.start_wait(name, wait_event('test.e', key => '$.input.k'), input)
FROM (VALUES ('nothing', '{}'::jsonb), ('null', '{"k": null}'), ('object', '{"k": {"a": 1}}'), ('array', '{"k": [1]}'), ('boolean', '{"k": true}'), ('empty', '{"k": ""}'),
	('too long', jsonb_build_object('k', repeat('k', 513)))) v (name, input);
SELECT name, status, error FROM test.ends();
-- paths are evaluated when the wait begins: results, items and passes, also in a
-- transaction that publishes the event
SELECT start_flow(step('a', 'SELECT 1 AS id') ~> step('b', $$SELECT 7 AS id, jadugar.publish('test.path', '{"k": [1, {"x": "y"}]}', key => '7')$$) ~>
	wait_event('test.path', '{"k": [{"x": "$.input.x[1].y"}, "$.steps.a.id"]}', key => '$.steps.b.id', name => 'w'), '{"x": [{"z": 0}, {"y": "y"}]}') AS run \gset
SELECT status, result->'data' AS data FROM test.end_of(:run);
SELECT start_flow(each('$.input.orders', step('s', $$SELECT ($1->>'index')::int AS n$$) ~> wait_event('test.path', '{"n": "$.steps.s.n", "last": "$.input.orders[last].id"}', key => '$.item.id', name => 'w'), name => 'e'),
	'{"orders": [{"id": "p"}, {"id": "q"}]}') AS run \gset
CALL test.wait_until(format('(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND waiting_for LIKE ''event:%%'')', :run));
SELECT count(publish('test.path', jsonb_build_object('n', n, 'last', 'q'), key => k)) FROM (VALUES (1, 'p'), (0, 'q'), (0, 'p'), (1, 'q')) v (n, k);
SELECT status, jsonb_path_query_array(result, '$.**.data') AS data FROM test.end_of(:run);
SELECT start_flow(loop(wait_event('test.path', '{"after": "$.steps.w.data.n"}', name => 'w'), 'coalesce(($1 #>> ''{steps,w,data,n}'')::int, 0) < 2', name => 'l')) AS run \gset
SELECT publish('test.path', '{"after": null, "n": 1}') > 0 AS published;
CALL test.wait_until(format('(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND step = ''w'')', :run));
SELECT publish('test.path', '{"after": null, "n": 3}') > 0 AS published;
SELECT publish('test.path', '{"after": 1, "n": 2}') > 0 AS published;
SELECT status FROM test.end_of(:run);
SELECT string_agg(result #>> '{data,n}', ' ' ORDER BY step_id) AS taken FROM flow_steps WHERE run_id = :run AND step = 'w';
SELECT start_flow(wait_event('test.path', (SELECT jsonb_object_agg('k' || n, '$.input') FROM generate_series(1, 100) n)), jsonb_build_object('x', repeat('x', 20000))) AS run \gset
SELECT status, error FROM test.end_of(:run);
-- a part finds one value: arrays are not looked through, and places that are not there find nothing
SELECT test.start_wait(name, wait_event('test.e', key => path), '{"a": [{"b": "x"}], "s": "x", "e": []}')
FROM (VALUES ('unwrapped', '$.input.a.b'), ('wrapped', '$.input.s[0]'), ('behind', '$.input.a[1].b'), ('last of none', '$.input.e[last]'), ('of a scalar', '$.input.s.b'), ('no item', '$.item')) v (name, path);
SELECT name, status, error FROM test.ends();
SELECT test.start_wait(name, wait_event('test.e', key => path), '{"a": [{"b": "x"}, {"b": "y"}]}') FROM (VALUES ('first', '$.input.a[0].b'), ('last', '$.input.a[last].b')) v (name, path);
SELECT publish('test.e', '{}', key => k) > 0 AS published FROM (VALUES ('x'), ('y')) v (k);
SELECT name, status, key FROM test.ends();
-- others are refused
SELECT k, test.refusal_of(format('SELECT wait_event(''test.path'', %L, key => %L)', f, k)) FROM (VALUES ('{}', '$'), ('{}', '$.steps'), ('{}', '$.other'), ('{}', '$[0]'), ('{}', '$.input.**.x'),
	('{}', '$.input.a[0 to 2]'), ('{}', '$.input.a[$.input.b]'), ('{}', '$.input.a[last - 1]'), ('{}', '$.input.*'), ('{}', '$.input[*].a'), ('{}', '$.input[1, 2]'), ('{}', '$.input[1.5]'), ('{}', '$.input[-1]'), ('{}', '$.input ? (@.a > 1)'), ('{}', '$.input.a.double()'),
	('{"a": ["$.input.b like_regex \"x\""]}', 'k'), ('{}', '$.input' || repeat('.a', 33))) v (f, k);
SELECT test.refusal_of($$SELECT wait_event('test.path', (SELECT jsonb_object_agg('k' || n, '$.input') FROM generate_series(1, 101) n))$$);
-- filters are compared in depth
SELECT test.refusal_of(format('SELECT wait_event(''test.path'', %L)', repeat('{"a":', n) || '1' || repeat('}', n))) FROM (VALUES (100), (101)) v (n);
SELECT start_flow(wait_event('test.path', '{"a": "$.input.a"}'), (repeat('{"a":', 101) || '1' || repeat('}', 101))::jsonb) AS run \gset
SELECT status, error FROM test.end_of(:run);
-- and each element of an array with all those of the data
SELECT test.refusal_of(format('SELECT wait_event(''test.path'', %L)', jsonb_build_object('a', array_fill(1, ARRAY[60]), 'b', jsonb_build_object('c', array_fill(2, ARRAY[n]))))) FROM (VALUES (40), (41)) v (n);
SELECT start_flow(wait_event('test.path', '{"a": "$.input.a"}'), jsonb_build_object('a', array_fill(1, ARRAY[101]))) AS run \gset
SELECT status, error FROM test.end_of(:run);
SELECT wait_event('test.path', key => '$.input."a b"[0][last].c') IS NOT NULL AS plain;

-- ------------------------------------------------------------------ waits
-- each pass of a loop takes one event, in their order
SELECT start_flow(loop(wait_event('test.loop', name => 'w') ~> test.step('s'), 'not coalesce(($1 #>> ''{steps,w,data,last}'')::boolean, false)', name => 'l')) AS run \gset
SELECT raise_event('test.loop', '{"n": 1}') > 0 AS raised;
CALL test.wait_until(format('(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND step = ''w'')', :run));
SELECT raise_event('test.loop', '{"n": 2, "last": true}') > 0 AS raised;
SELECT status FROM test.end_of(:run);
SELECT string_agg(result #>> '{data,n}', ' ' ORDER BY step_id) AS taken FROM flow_steps WHERE run_id = :run AND step = 'w';
SELECT test.effects();
-- two waits take the same event
SELECT start_flow(wait_event('test.two', name => 'a') & wait_event('test.two', '{"x": 1}', name => 'b')) AS run \gset
SELECT raise_event('test.two', '{"x": 1}') > 0 AS raised;
SELECT status, result #> '{a,data}' AS a, result #> '{b,data}' AS b FROM test.end_of(:run);
-- a procedure that commits
CALL test.waits();
SELECT test.effects();
-- data is compared as it was published
SELECT register_event_type('test.versions', 'public.test_v1');
SELECT register_event_type('test.versions', 'public.test_v2');
SELECT test.start_wait('old', wait_event('test.versions', '{"a": 1}'));
SELECT publish('test.versions', '{"a": 1}', version => 1) > 0 AS published;
SELECT name, data FROM test.ends();

-- ------------------------------------------------------------- privileges
-- publishers: a stranger, a role that may act for the owner, an operator, a monitor
SELECT test.start_wait('from ' || n, wait_event('test.from', jsonb_build_object('for', n))) FROM (VALUES ('clerk'), ('op'), ('mon'), ('shop')) v (n);
CALL test.all_open();
RESET ROLE;
SET SESSION AUTHORIZATION test_shop;
SELECT count(raise_event('test.from', jsonb_build_object('for', n, 'by', current_user))) FROM (VALUES ('clerk'), ('op'), ('mon'), ('shop')) v (n);
SET SESSION AUTHORIZATION test_mon;
SELECT count(raise_event('test.from', jsonb_build_object('for', n, 'by', current_user))) FROM (VALUES ('mon'), ('op')) v (n);
SET SESSION AUTHORIZATION test_clerk;
SELECT raise_event('test.from', '{"for": "clerk", "by": "test_clerk"}') > 0 AS raised;
SET SESSION AUTHORIZATION test_op;
SELECT raise_event('test.from', '{"for": "op", "by": "test_op"}') > 0 AS raised;
SET SESSION AUTHORIZATION test_waiter;
SELECT count(raise_event('test.from', jsonb_build_object('for', n, 'by', current_user))) FROM (VALUES ('mon'), ('shop')) v (n);
SELECT name, data ->> 'by' AS by FROM test.ends();
-- events that the owner may read: of a granted type, until it is revoked; of a granted topic
SET SESSION AUTHORIZATION test_shop;
SELECT create_topic('test_private') > 0 AS made;
SELECT register_event_type('test.sold');
SELECT register_event_type('test.private', topic => 'test_private');
SELECT grant_event_type('test.sold', 'test_waiter'), grant_topic('test_private', 'test_waiter');
SET SESSION AUTHORIZATION test_waiter;
SELECT test.start_wait('sold', wait_event('test.sold')), test.start_wait('private', wait_event('test.private'));
SET SESSION AUTHORIZATION test_shop;
SELECT raise_event('test.sold', '{"n": 1}') > 0 AS sold, raise_event('test.private', '{"n": 1}') > 0 AS private;
SET SESSION AUTHORIZATION test_waiter;
SELECT name, data FROM test.ends();
SELECT test.start_wait('sold', wait_event('test.sold'));
SET SESSION AUTHORIZATION test_shop;
SELECT revoke_event_type('test.sold', 'test_waiter');
SELECT raise_event('test.sold', '{"n": 2}') > 0 AS sold;
-- it has been read when a later one has
SELECT start_flow(wait_event('test.seen')) AS run \gset
SELECT raise_event('test.seen') > 0 AS seen;
SELECT status FROM wait_flow(:run, '20 s');
SELECT grant_event_type('test.sold', 'test_waiter');
SELECT raise_event('test.sold', '{"n": 3}') > 0 AS sold;
SET SESSION AUTHORIZATION test_waiter;
SELECT name, data FROM test.ends();
-- a type of another role
SELECT test.error_of($$SELECT raise_event('test.sold')$$);
-- lifecycle events have a topic of their own, which nobody publishes in
SELECT test.error_of($$SELECT publish('test.x', topic => 'jadugar')$$);

-- ---------------------------------------------------------- invalid input
SELECT test.error_of(s) FROM (VALUES ($$SELECT raise_event('a b')$$), ($$SELECT raise_event('a*')$$), ($$SELECT raise_event(repeat('e', 129))$$), ($$SELECT raise_event('a', NULL)$$),
	($$SELECT raise_event('a', '1')$$), ($$SELECT raise_event('a', '[]')$$), ($$SELECT raise_event('a', 'null')$$),
	($$SELECT wait_event('a b')$$), ($$SELECT wait_event('a*')$$), ($$SELECT wait_event(repeat('e', 129))$$), ($$SELECT wait_event('')$$), ($$SELECT wait_event('e', key => '')$$),
	($$SELECT wait_event('e', key => repeat('k', 513))$$), ($$SELECT wait_event('e', key => '$.steps.nothing.x')$$), ($$SELECT start_flow(wait_event('e', key => '$.steps.nothing.x'))$$),
	($$SELECT wait_event('e', key => '$[')$$), ($$SELECT '{"wait_event": "e", "key": 1}'::flow$$), ($$SELECT '{"wait_signal": "e", "key": "k"}'::flow$$)) v (s);
BEGIN READ ONLY;
SELECT test.error_of($$SELECT raise_event('test.e')$$);
ROLLBACK;
SELECT explain_flow(wait_event('e', '{"a": "$.input.a"}', '1 day', key => '$.input.id'));

-- ------------------------------------------------------------ nothing left
SET SESSION AUTHORIZATION DEFAULT;
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar_internal.event_cursor WHERE subscription_id = 0) AND NOT EXISTS (SELECT FROM jadugar_internal.flow_wait_start)');
SELECT count(*) FROM jadugar_internal.flow_message;
SELECT count(*) FROM check_flows();
CALL test.delete_runs();
SELECT drop_event_type(t) FROM unnest('{test.typed,test.versions,test.sold,test.private}'::text[]) t;
SELECT drop_topic('test_private', 'drop');
DROP TABLE test.wait CASCADE;
DROP TYPE public.test_v1, public.test_v2;
DROP FUNCTION test.start_wait, test.ends, test.open;
DROP PROCEDURE test.all_open, test.waits;
CALL test.drop_roles('test_waiter', 'test_shop', 'test_clerk', 'test_op', 'test_mon');
