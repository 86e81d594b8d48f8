-- The type flow: values, the functions and operators that make them, and invalid
-- values.
\i test/include/helpers.sql
\set SHOW_CONTEXT errors
\pset format unaligned
\pset tuples_only on
SET search_path = jadugar, pg_catalog, public;
SELECT register_sql_handler('test_flow', 'SELECT $1');
SELECT create_queue('test_flow') > 0;

-- nodes
SELECT step('a', 'SELECT 1');
SELECT step('a', 'test_flow', '{"n": "$.input.n", "price": "$$5"}', compensate => 'SELECT $1', on_failure => 'compensate',
	queue => 'test_flow', priority => -5, timeout => '1 day 2 hours 3.5 seconds', retry => retry_policy(3),
	transaction => 'serializable', isolate => false, settings => '{"work_mem": "1MB"}', concurrency_key => 'k',
	metadata => '{"x": 1}', compensate_retry => retry_policy(9), pivot => true, after => '{b,c}', "join" => 'n_of_m', join_n => 1);
SELECT step('a', 'SELECT 1', compensate_with => step('undo a', 'test_flow', retry => retry_policy(9)));
SELECT chain(ARRAY[step('a', 'SELECT 1'), step('b', 'SELECT 2')]);
SELECT chain(ARRAY[step('a', 'SELECT 1')], name => 'c', on_failure => 'continue', timeout => '1 hour', after => '{x}');
SELECT parallel(ARRAY[step('a', 'SELECT 1'), step('b', 'SELECT 2')]);
SELECT parallel(ARRAY[step('a', 'SELECT 1'), step('b', 'SELECT 2')], 'n_of_m', 2, 1, '1 hour', 'run', 'p');
SELECT race(ARRAY[step('a', 'SELECT 1'), step('b', 'SELECT 2')], '1 minute', 'cancel', 'r');
SELECT branch('$.input.n > 3', step('a', 'SELECT 1'), step('b', 'SELECT 2'), name => 'br');
SELECT branch('$1 ? ''n''', step('a', 'SELECT 1'));
SELECT each('[1, 2, 3]', step('a', 'SELECT $1'), concurrency => 2, completion => 'best_effort');
SELECT each('$.input.orders[*]', step('a', 'SELECT $1'));
SELECT each('SELECT id FROM orders', step('a', 'SELECT $1'), completion => 'n_of_m', n => 3);
SELECT loop(step('a', 'SELECT 1'), while => '$.steps.a.more == true', max => 5, delay => '1 second');
SELECT jadugar.sleep('1 month 2 days'), jadugar.sleep('90 minutes', 'nap');
SET intervalstyle = iso_8601;
SELECT jadugar.sleep('1 month 2 days -3 hours');
SET intervalstyle = sql_standard;
SELECT jadugar.sleep('1 month 2 days -3 hours'), '{"sleep": "2 days -01:00:00"}'::flow;
RESET intervalstyle;
SET timezone = 'America/New_York';
SELECT jadugar.sleep_until('2026-12-24 18:00'), jadugar.sleep_until('$.input.at');
RESET timezone;
SELECT wait_event('order.paid', '{"order": "$.input.order"}', '1 day', 'continue', 'paid');
SELECT wait_signal('go', '1 day', 'fail');
SELECT approval('boss', 'admin', 'Buy it?', '1 week', 'continue');
SELECT sub_flow('other', '{"x": "$.steps.a"}', 2, 'sub', compensate => 'SELECT 1');

-- operators: an operand is merged if it is only a container of the same kind
SELECT step('a', 'SELECT 1') ~> step('b', 'SELECT 2') ~> step('c', 'SELECT 3');
SELECT step('a', 'SELECT 1') ~> (step('b', 'SELECT 2') ~> step('c', 'SELECT 3'));
SELECT step('a', 'SELECT 1') ~> chain(ARRAY[step('b', 'SELECT 2')], name => 'kept');
SELECT step('a', 'SELECT 1') & step('b', 'SELECT 2') & step('c', 'SELECT 3');
SELECT step('a', 'SELECT 1') & (step('b', 'SELECT 2') & step('c', 'SELECT 3'));
SELECT step('a', 'SELECT 1') | step('b', 'SELECT 2') | step('c', 'SELECT 3');
SELECT parallel(ARRAY[step('a', 'SELECT 1')], 'any') & step('b', 'SELECT 2');
SELECT step('a', 'SELECT 1') ~> (step('b', 'SELECT 2') & (step('c', 'SELECT 3') | step('d', 'SELECT 4')));
SELECT step('a', 'SELECT 1') ~> NULL;
SELECT NULL & step('a', 'SELECT 1');

-- operators mixed without parentheses
CREATE TABLE test_flow (a flow, b flow, c flow);
INSERT INTO test_flow VALUES (step('a', 'SELECT 1'), step('b', 'SELECT 2'), step('c', 'SELECT 3'));
SELECT a ~> b & c FROM test_flow;
SELECT a ~> b ~> c | a FROM test_flow;
SELECT a OPERATOR(jadugar.|) b /* ) */ OPERATOR(jadugar.&) c FROM test_flow;
SELECT (a ~> b) & c FROM test_flow;
SELECT ((a) ~> (b)) | (c) FROM test_flow;
SELECT a ~> (b & c) FROM test_flow;
SELECT (a & b) ~> c = chain(ARRAY[parallel(ARRAY[a, b]), c]) FROM test_flow;
SELECT ')' , a -- )
	| step('(', 'SELECT '')''') ~> b FROM test_flow;
EXPLAIN SELECT a & b | c FROM test_flow;
CREATE VIEW test_flow_view AS SELECT a & b | c FROM test_flow;
DO $$ BEGIN PERFORM a & b | c FROM test_flow; END $$;
SELECT 1 & 2 | 4, B'1' | B'0' & B'1';

-- the value
SELECT '{"step":"a","command":"SELECT 1"}'::flow, '{"step": "a", "command": "SELECT 1"}'::jsonb::flow::jsonb -> 'step';
SELECT a = b, a <> b, a = '{"command": "SELECT 1", "step": "a"}' FROM test_flow;
CREATE TABLE test_flow_copy (LIKE test_flow);
SELECT current_setting('data_directory') || '/test_flow.data' AS file \gset
COPY test_flow TO :'file' (FORMAT binary);
COPY test_flow_copy FROM :'file' (FORMAT binary);
SELECT t.a = c.a AND t.b = c.b AND t.c = c.c FROM test_flow t, test_flow_copy c;
SELECT a::text::flow = a FROM test_flow;

-- many nodes
SELECT (chain(array_agg(step('s' || i, 'SELECT 1', format('{"x": "$.steps.s%s"}', i - 1)::jsonb)))::jsonb #>> '{chain,9999,step}')
FROM generate_series(1, 10000) i;
SELECT parallel(array_agg(step('s' || i, 'SELECT 1'))) FROM generate_series(1, 10001) i;
SELECT chain(array_agg(step('s' || i, 'SELECT 1', after => ARRAY['s' || i % 5000 + 1]))) FROM generate_series(1, 5000) i;
DO $$
DECLARE
	f flow := step('a', 'SELECT 1');
BEGIN
	FOR i IN 1 .. 100 LOOP
		f := branch('true', f);
	END LOOP;
	RAISE EXCEPTION '% characters, %', length(f::text), branch('true', f);
END $$;

-- invalid nodes
SELECT '1'::flow;
SELECT '[]'::flow;
SELECT '{}'::flow;
SELECT '{"chain": [1]}'::flow;
SELECT '{"chain": []}'::flow;
SELECT '{"chain": {}}'::flow;
SELECT '{"parallel": [{"step": "a", "command": "SELECT 1"}, {"chain": []}]}'::flow;
SELECT '{"step": "a"}'::flow;
SELECT '{"step": "a", "sleep": "1s"}'::flow;
SELECT '{"step": "a", "command": "SELECT 1", "comand": 1}'::flow;
SELECT '{"step": "a", "command": "SELECT 1", "then": {}}'::flow;
SELECT '{"step": "a", "command": 1}'::flow;
SELECT '{"step": "", "command": "SELECT 1"}'::flow;
SELECT '{"step": "a", "name": "b", "command": "SELECT 1"}'::flow;
SELECT '{"branch": "true"}'::flow;
SELECT '{"branch": "true", "then": null}'::flow;
SELECT '{"loop": {"sleep": "1s"}}'::flow;
SELECT '{"each": {"a": 1}, "do": {"sleep": "1s"}}'::flow;
SELECT '{"each": "[1,", "do": {"sleep": "1s"}}'::flow;
SELECT '{"each": [1, 2], "do": {"sleep": "1s"}}'::flow;

-- values out of range
SELECT step(repeat('x', 256), 'SELECT 1');
SELECT step(' x', 'SELECT 1');
SELECT step(E'x\ny', 'SELECT 1');
SELECT step('{x', 'SELECT 1');
SELECT step('a', 'SELECT 1', timeout => '0');
SELECT step('a', 'SELECT 1', timeout => '-1 second');
SELECT step('a', 'SELECT 1', timeout => '178000000 years');
SELECT '{"sleep": "soon"}'::flow;
SELECT '{"sleep": 5}'::flow;
SELECT jadugar.sleep('0', 'nap');
SELECT jadugar.sleep_until('2026-13-01');
SELECT jadugar.sleep_until('infinity');
SELECT step('a', 'SELECT 1', on_failure => 'panic');
SELECT step('a', 'SELECT 1', metadata => '[]');
SELECT step('a', 'SELECT 1', retry => '{"attempts": 3}');
SELECT step('a', 'SELECT 1', transaction => 'loose');
SELECT step('a', 'SELECT 1', settings => '{"no_such_setting": 1}');
SELECT step('a', 'SELECT 1', concurrency_key => repeat('x', 1025));
SELECT parallel(ARRAY[jadugar.sleep('1s')], 'some');
SELECT parallel(ARRAY[jadugar.sleep('1s')], 'n_of_m', 2, name => 'p');
SELECT parallel(ARRAY[jadugar.sleep('1s')], 'n_of_m');
SELECT parallel(ARRAY[jadugar.sleep('1s')], n => 1);
SELECT parallel(ARRAY[jadugar.sleep('1s')], concurrency => 0);
SELECT parallel(ARRAY[jadugar.sleep('1s')], rest => 'sleep');
SELECT loop(jadugar.sleep('1s'), 'true', max => 0);
SELECT '{"loop": {"sleep": "1s"}, "while": "true", "max": 1.5}'::flow;
SELECT sub_flow('f', version => 0);
SELECT wait_signal('s', on_timeout => 'wait');
SELECT wait_event('e', '[]');
SELECT step('a', 'SELECT 1', '{"x": ["$.steps.a["]}');
SELECT branch('$.a >', jadugar.sleep('1s'));
SELECT step('a', 'SELECT 1', compensate => 'SELECT 2', compensate_with => step('u', 'SELECT 3'));
SELECT step('a', 'SELECT 1', compensate_with => jadugar.sleep('1s'));
SELECT step('a', 'SELECT 1', compensate_with => step('u', 'SELECT 3', pivot => true));
SELECT step('a', 'SELECT 1', compensate_with => step('u', 'SELECT 3'), compensate_retry => retry_policy(3));
SELECT step('a', 'SELECT 1', compensate_retry => retry_policy(3));

-- the command is checked as in enqueue()
SELECT step('a', 'no_such_handler');
SELECT step('a', 'SELECT 1', compensate => 'no_such_handler');
SELECT step('a', 'SELECT 1', compensate_with => step('u', 'no_such_handler'));
SELECT step('a', 'SELEC 1');
SELECT step('a', 'SELECT 1', queue => 'no_such_queue');
SELECT step('a', 'COMMIT');
SELECT sub_flow('f', name => 'sub', compensate => 'no_such_handler');

-- making a flow writes nothing, so a read-only transaction can do it
BEGIN READ ONLY;
SELECT step('a', 'SELECT ''read only''');
COMMIT;

-- as an ordinary role
CREATE ROLE test_flow;
SELECT grant_access('test_flow');
SET ROLE test_flow;
SELECT step('a', 'SELECT 1') ~> (jadugar.sleep('1s') & wait_signal('s'));
SELECT step('a', 'test_flow');
SELECT step('a', 'SELECT 1', queue => 'test_flow');
RESET ROLE;
SELECT revoke_access('test_flow');
SELECT step('a', 'SELECT 1') ~> jadugar.sleep('1s') = (step('a', 'SELECT 1') ~> jadugar.sleep('1s'));

-- names
SELECT step('a', 'SELECT 1') ~> step('a', 'SELECT 2');
SELECT step('a', 'SELECT 1') ~> approval('b') ~> jadugar.sleep('1s', 'a');
SELECT step('a', 'SELECT 1') ~> parallel(ARRAY[step('b', 'SELECT 1')], name => 'a');

-- after: invalid references
SELECT step('a', 'SELECT 1', after => '{a}');
SELECT step('a', 'SELECT 1') & step('b', 'SELECT 2', after => '{a,a}');
SELECT step('a', 'SELECT 1', after => '{b}') & step('b', 'SELECT 2', after => '{a}');
SELECT step('a', 'SELECT 1', after => '{b}') ~> step('b', 'SELECT 2');
SELECT step('a', 'SELECT 1', after => '{d}') & (step('b', 'SELECT 2', after => '{a}') ~> step('c', 'SELECT 3') ~> step('d', 'SELECT 3'));
SELECT chain(ARRAY[step('a', 'SELECT 1', after => '{c}')], name => 'c');
SELECT chain(ARRAY[step('a', 'SELECT 1')], name => 'c', after => '{a}');
SELECT branch('true', step('a', 'SELECT 1'), step('b', 'SELECT 2', after => '{a}'));
SELECT each('[1]', step('a', 'SELECT 1')) & step('b', 'SELECT 2', after => '{a}');
SELECT step('a', 'SELECT 1') & loop(step('b', 'SELECT 2', after => '{a}'), 'false');
SELECT step('a', 'SELECT 1', after => '{}');
SELECT step('a', 'SELECT 1', after => '{NULL}');
SELECT step('a', 'SELECT 1', "join" => 'all_done');
SELECT step('a', 'SELECT 1', after => '{b}', "join" => 'some');
SELECT step('a', 'SELECT 1', after => '{b}', "join" => 'n_of_m');
SELECT step('a', 'SELECT 1', after => '{b}', "join" => 'n_of_m', join_n => 2);
SELECT step('a', 'SELECT 1', after => '{b}', join_n => 1);
-- and valid ones
SELECT (step('a', 'SELECT 1') ~> step('b', 'SELECT 2')) & (step('c', 'SELECT 3', after => '{a}') ~> step('d', 'SELECT 4', after => '{b}'));
SELECT each('[1]', step('a', 'SELECT 1') & step('b', 'SELECT 2', after => '{a}'), name => 'e') & step('c', 'SELECT 2', after => '{e}');

-- the result of an item is not accessible outside of its each, at any depth
SELECT each('[1]', step('a', 'SELECT 1')) ~> step('b', 'SELECT 1', '{"x": "$.steps.a"}');
SELECT each('$.steps.a', step('a', 'SELECT 1'), name => 'e');
SELECT each('[1]', step('a', 'SELECT 1') ~> step('b', 'SELECT 1', '{"x": "$.steps.a"}'), name => 'e') ~> step('c', 'SELECT 1', '{"x": "$.steps.e[0]"}');

-- NULL
SELECT step(NULL, 'SELECT 1');
SELECT step('a', NULL);
SELECT chain(NULL);
SELECT chain('{}');
SELECT chain(ARRAY[jadugar.sleep('1s'), NULL]);
SELECT parallel(NULL);
SELECT race(NULL);
SELECT branch(NULL, jadugar.sleep('1s'));
SELECT branch('true', NULL);
SELECT each(NULL, jadugar.sleep('1s'));
SELECT each('[]', NULL);
SELECT loop(NULL, 'true');
SELECT loop(jadugar.sleep('1s'), NULL);
SELECT jadugar.sleep(NULL);
SELECT jadugar.sleep_until(NULL);
SELECT wait_event(NULL);
SELECT wait_signal(NULL);
SELECT approval(NULL);
SELECT sub_flow(NULL);

-- A node alone may refer to any step. A whole flow is checked: the step has to
-- exist, and it must be able to finish first.
SELECT step('a', 'SELECT 1', after => '{b}'), step('a', 'SELECT 1', '{"x": "$.steps.b", "y": "$.steps.a"}'),
	step('a', 'SELECT 1', '{"x": "$.steps.b"}') ~> step('b', 'SELECT 1');
SELECT create_flow('test_flow', step('a', 'SELECT 1', after => '{b}'));
SELECT create_flow('test_flow', step('a', 'SELECT 1', '{"x": ["$.input.x", "$.steps.b.id"]}'));
SELECT create_flow('test_flow', branch('$.input.x > $.steps."no b"', jadugar.sleep('1s'), name => 'br'));
SELECT create_flow('test_flow', jadugar.sleep_until('$ . steps . b'));
SELECT create_flow('test_flow', wait_event('e', '{"x": "$.steps.b"}', name => 'w'));
SELECT create_flow('test_flow', step('a', 'SELECT 1', compensate_with => step('u', 'SELECT 2', '{"x": "$.steps.b"}')));
SELECT create_flow('test_flow', step('a', 'SELECT 1', '{"x": "$.steps.b"}') ~> step('b', 'SELECT 1'));
SELECT create_flow('test_flow', step('a', 'SELECT 1', '{"x": "$.steps.a"}'));
SELECT create_flow('test_flow', chain(ARRAY[step('a', 'SELECT 1', '{"x": "$.steps.c"}')], name => 'c'));
SELECT create_flow('test_flow', branch('$.steps.a.x', step('a', 'SELECT 1'), name => 'br'));
SELECT create_flow('test_flow', branch('true', step('a', 'SELECT 1'), step('b', 'SELECT 1', '{"x": "$.steps.a"}')));
SELECT create_flow('test_flow', loop(each('[1]', step('a', 'SELECT 1', '{"x": "$.steps.b"}') ~> step('b', 'SELECT 1')), 'false'));
SELECT create_flow('test_flow', loop(each('[1]', step('a', 'SELECT 1')), '$.steps.a.x', name => 'l'));
-- valid references
SELECT create_flow('test_flow', loop(step('a', 'SELECT 1', '{"x": "$.steps.b", "y": "$.steps.a"}') ~> step('b', 'SELECT 1'), '$.steps.b.more') ~>
	(step('c', 'SELECT 1', '{"x": "$.steps.a", "y": "$.steps.d"}') & step('d', 'SELECT 1')) ~>
	step('e', 'SELECT 1', '{"x": "$.steps.d.x + $.input.y", "method": "$.steps.keyvalue()", "quoted": "$.input ? (@.x == \"$.steps.no\")",
		"escaped": "$$.steps.no", "text": "see $.steps.no"}', compensate_with => step('f', 'SELECT 1', '{"x": "$.steps.e"}'))) > 0;

DO $$ BEGIN PERFORM drop_flow('test_flow'); END $$;
DROP TABLE test_flow, test_flow_copy;
SELECT drop_queue('test_flow');
SELECT drop_handler('test_flow');
DROP ROLE test_flow;
