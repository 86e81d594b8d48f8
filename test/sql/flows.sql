-- Flows: each block, and the payloads of steps. Requests to runs are in
-- flows_runs, compensation in flows_failure, invalid input in flows_input.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_flows');
ALTER ROLE test_flows SET search_path = public, jadugar;
CALL test.create_role('test_flows_other');
CREATE ROLE test_flows_bosses;
CREATE ROLE test_flows_boss LOGIN IN ROLE test_flows_bosses;
SELECT jadugar.grant_access('test_flows_boss');
GRANT CREATE ON SCHEMA public TO test_flows;
SET search_path = public, jadugar;
SET SESSION AUTHORIZATION test_flows;
SELECT scale_workers(4);

-- ---------------------------------------------------------------- a chain
CALL test.run_flow(test.step('a') ~> test.step('b') ~> test.step('c'));
SELECT test.effects();
-- a failed step ends the chain
CALL test.run_flow(test.step('a') ~> test.failing_step('b') ~> test.step('c'));
SELECT test.effects();
-- The result is that of the last step: its first row. An object or an array in a
-- single column is the result itself.
CALL test.run_flow(step('a', 'SELECT x, 2 AS y FROM generate_series(1, 3) x'));
CALL test.run_flow(step('a', $$SELECT '[1, 2]'::jsonb$$));
CALL test.run_flow(step('a', $$SELECT jsonb_build_object('k', 1)$$));
CALL test.run_flow(step('a', 'SELECT NULL::text AS x'));
CALL test.run_flow(step('a', 'SELECT 1 AS x WHERE false'));
CALL test.run_flow(step('a', $$INSERT INTO test.effect (name) VALUES ('x'), ('y')$$));
SELECT test.effects();
-- the default payload of a step: the input of the run, and earlier results by name
CALL test.run_flow(step('a', 'SELECT 1 AS x') ~> step('b', 'SELECT 2 AS x') ~> step('c', 'SELECT $1 AS data'), '{"in": 7}');
-- chains within chains, and their names
CALL test.run_flow(chain(ARRAY[test.step('a') ~> test.step('b'), chain(ARRAY[test.step('c')], name => 'inner')], name => 'outer') ~> step('d', 'SELECT $1 -> ''steps'' AS steps'));
SELECT test.effects();
-- on_failure => 'continue'
CALL test.run_flow(step('a', 'SELECT 1/0', on_failure => 'continue') ~> step('b', 'SELECT $1 -> ''steps'' AS steps'));
-- attempts of a step: a failed one has no effect
CREATE SEQUENCE test_seq;
SELECT start_flow(step('a', $$SELECT test.note('a'), 1 / (nextval('test_seq') / 3) AS third$$, retry => retry_policy(5, delay => '1 ms', retry_on => ARRAY['22012']))
	~> test.step('b')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT step, attempts FROM flow_steps WHERE run_id = :run AND kind = 'step' ORDER BY step_id;
SELECT test.effects();
DROP SEQUENCE test_seq;

-- ------------------------------------------------------- steps are tasks
SELECT create_queue('test_flows_q') > 0 AS made;
SELECT start_flow(step('a', 'SELECT (current_task()).flow_run, (current_task()).step, (current_task()).trace, (current_task()).tenant',
	queue => 'test_flows_q', priority => 7, metadata => '{"m": 1}', settings => '{"work_mem": "1MB"}', timeout => '1 min'),
	trace => 'tr', tenant => 'ten', metadata => '{"run": 1}') AS run \gset
SELECT w.status, (w.result ->> 'flow_run')::bigint = :run AS mine, w.result - 'flow_run' AS rest, w.trace, w.tenant, w.metadata FROM wait_flow(:run, '30 s') w;
SELECT flow_run = :run AS mine, step, queue, priority, tenant, trace, metadata, status, final, attempt FROM history WHERE flow_run = :run;
-- a step that has not run yet is visible in tasks
SELECT pause_queue('test_flows_q');
SELECT start_flow(step('a', 'SELECT 1', queue => 'test_flows_q')) AS run \gset
SELECT status, waiting_for, flow_run = :run AS mine, step FROM tasks WHERE flow_run = :run;
SELECT step, kind, status, waiting_for, task_id IS NOT NULL AS task FROM flow_steps WHERE run_id = :run;
SELECT resume_queue('test_flows_q');
SELECT * FROM test.end_of(:run);
-- concurrency_key limits steps across runs
SELECT test.close_gate();
SELECT start_flow(step('a', 'SELECT test.note(''k'') FROM pg_advisory_xact_lock_shared(74)', concurrency_key => 'k', isolate => true), tenant => 'key')
	FROM generate_series(1, 3) \g /dev/null
CALL test.wait_until($$EXISTS (SELECT FROM tasks WHERE tenant = 'key' AND status = 'running')$$);
SELECT status, waiting_for, count(*) FROM tasks WHERE tenant = 'key' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT test.open_gate();
CALL test.wait_until($$NOT EXISTS (SELECT FROM flow_runs WHERE finished_at IS NULL)$$);
SELECT test.effects();
-- isolation levels of steps
CALL test.run_flow(step('a', $$SELECT current_setting('transaction_isolation') AS level$$, transaction => 'serializable')
	~> step('b', $$SELECT $1 -> 'steps' -> 'a' AS a, current_setting('transaction_isolation') AS level$$, transaction => 'repeatable read')
	~> step('c', $$SELECT $1 -> 'steps' -> 'b' ->> 'level' AS b$$));
-- a command outside a transaction
CREATE TABLE test_vacuumed (n integer);
CALL test.run_flow(step('a', 'VACUUM test_vacuumed') ~> test.step('b'));
SELECT test.effects();

-- ---------------------------------------------------------------- payloads
CALL test.run_flow(step('a', 'SELECT 1 AS x, ''t'' AS y') ~> step('b', 'SELECT $1 AS payload', payload => '{"all": "$.steps.a", "x": "$.steps.a.x", "in": "$.input",
	"deep": [{"y": "$.steps.a.y"}, "$.input.list[1]", "$.input.list[*]"], "missing": "$.steps.a.z.x", "null": null, "text": "x $.input", "dollar": "$$.input",
	"dollars": "$$", "price": "$5", "number": 5, "$.key": true}'), '{"list": [1, 2, 3], "o": {"p": null}}');
CALL test.run_flow(step('a', 'SELECT $1 AS payload', payload => '{"root": "$", "nothing": "$.input.o.p", "filter": "$.input.list[*] ? (@ > 1)"}'),
	'{"list": [1, 2, 3], "o": {"p": null}}');
-- an unknown step, and a path that fails when it is evaluated
SELECT test.short_error_of($$SELECT start_flow(step('a', 'SELECT 1', payload => '{"x": "$.steps.nothing.x"}'))$$);
CALL test.run_flow(step('a', 'SELECT $1 AS payload', payload => '{"x": "$.input.q + 1"}'), '{"q": "no number"}');
-- a handler with a composite type
CREATE DOMAIN test_count AS integer CHECK (VALUE > 0);
CREATE TYPE test_order AS (item text, n test_count);
CREATE FUNCTION test_reserve(o test_order) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_build_object('reserved', o.n, 'did', test.note('reserve ' || o.item)) $$;
SELECT register_handler('test.reserve', 'public.test_reserve');
CALL test.run_flow(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}') ~> step('b', 'SELECT $1 -> ''steps'' -> ''r'' AS r'),
	'{"item": "nut", "n": 3}');
CALL test.run_flow(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}'), '{"item": "nut", "n": 0}');
CALL test.run_flow(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}'), '{"item": "nut", "n": "many"}');
CALL test.run_flow(step('r', 'test.reserve', payload => '{"item": "nut", "n": 1, "colour": "$.input.item"}'), '{"item": "nut"}');
SELECT test.effects();

-- ------------------------------------------------- parallel, by completion
CALL test.run_flow(test.step('a') & test.step('b') & test.step('c'));
SELECT test.sorted_effects();
CALL test.run_flow(parallel(ARRAY[test.step('a'), test.step('b')], name => 'p') ~> step('c', 'SELECT $1 -> ''steps'' AS steps'));
SELECT test.sorted_effects();
-- all: the first failure decides, and running steps are stopped
SELECT test.close_gate();
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.gated_step('b'), test.gated_step('c')]) ~> test.step('d'));
-- any: the first success decides; b waits for a to have failed
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.step('b', ARRAY['a'], 'all_done'), test.gated_step('c')], completion => 'any') ~> test.step('d'));
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.failing_step('b')], completion => 'any') ~> test.step('d'));
-- n_of_m
CALL test.run_flow(parallel(ARRAY[test.step('a'), test.gated_step('b'), test.step('c'), test.gated_step('d')], completion => 'n_of_m', n => 2) ~> test.step('e'));
-- a number that cannot be reached anymore decides immediately
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.failing_step('b'), test.gated_step('c')], completion => 'n_of_m', n => 2) ~> test.step('e'));
SELECT test.sorted_effects();
SELECT test.open_gate();
-- all_done waits for all steps, then fails
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.failing_step('a'), test.gated_step('b'), test.step('c')], completion => 'all_done', name => 'p') ~> test.step('d')) AS run \gset
CALL test.wait_for_step(:run, 'a', 'failed');
CALL test.wait_for_step(:run, 'c', 'completed');
CALL test.wait_for_step(:run, 'b', 'running');
SELECT status FROM flow_runs WHERE run_id = :run;
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();
CALL test.run_flow(parallel(ARRAY[test.step('a'), test.step('b')], completion => 'all_done') ~> test.step('d'));
SELECT test.sorted_effects();
-- best_effort never fails
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.step('b'), test.failing_step('c')], completion => 'best_effort', name => 'p') ~> step('d', 'SELECT $1 -> ''steps'' AS steps'));
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.failing_step('b')], completion => 'best_effort'));
SELECT test.effects();
-- rest => 'run': the next step starts, and the run ends with the last step
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.step('a'), test.gated_step('b')], completion => 'any', rest => 'run') ~> test.step('c')) AS run \gset
CALL test.wait_for_step(:run, 'c', 'completed');
CALL test.wait_for_step(:run, 'b', 'running');
SELECT status, flow_progress(:run) < 1 AS more FROM flow_runs WHERE run_id = :run;
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- the same after a failure: the run waits for the rest
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.failing_step('a'), test.gated_step('b')], rest => 'run', on_failure => 'continue') ~> test.step('c')) AS run \gset
CALL test.wait_for_step(:run, 'c', 'completed');
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- concurrency: at most two at a time
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.gated_step('a'), test.gated_step('b'), test.gated_step('c'), test.gated_step('d'), test.gated_step('e')], concurrency => 2)) AS run \gset
CALL test.wait_for_step(:run, 'a', 'running');
CALL test.wait_for_step(:run, 'b', 'running');
SELECT test.steps_of(:run);
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.sorted_effects();
SELECT max(n) FROM (SELECT (SELECT count(*) FROM history o WHERE o.flow_run = :run AND o.started_at <= h.started_at AND o.finished_at > h.started_at) AS n
	FROM history h WHERE h.flow_run = :run) x;
-- a decision before all steps have started
CALL test.run_flow(parallel(ARRAY[test.step('a'), test.step('b'), test.step('c')], completion => 'any', concurrency => 1) ~> test.step('d'));
CALL test.run_flow(parallel(ARRAY[test.failing_step('a'), test.step('b') ~> test.step('c')], concurrency => 1));
SELECT test.effects();

-- -------------------------------------------------------------------- race
SELECT test.close_gate();
CALL test.run_flow(race(ARRAY[test.gated_step('slow'), test.step('fast')], name => 'r') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
CALL test.run_flow(test.failing_step('a') | test.gated_step('b') | (test.step('c', ARRAY['a'], 'all_done') ~> step('d', 'SELECT 4 AS four')));
SELECT test.open_gate();
CALL test.run_flow(test.failing_step('a') | test.failing_step('b'));
SELECT test.sorted_effects();

-- ------------------------------------------------------------------ branch
CALL test.run_flow(branch('$.input.n > 5', test.step('big'), test.step('small'), name => 'b') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"n": 7}');
CALL test.run_flow(branch('$.input.n > 5', test.step('big'), test.step('small')), '{"n": 5}');
CALL test.run_flow(branch('$.input.n > 5', test.step('big') ~> test.step('bigger')) ~> test.step('z'), '{"n": 5}');
SELECT start_flow(branch('($1 -> ''input'' ->> ''n'')::integer > 5 AND EXISTS (SELECT FROM test.effect)', test.step('big'), test.step('small'), name => 'b'),
	'{"n": 7}') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT step, kind, status, condition FROM flow_steps WHERE run_id = :run ORDER BY step_id;
-- null counts as false; an error fails the branch
CALL test.run_flow(branch('NULL', test.step('yes'), test.step('no')));
CALL test.run_flow(branch('$.input.nothing > 5', test.step('yes'), test.step('no')));
CALL test.run_flow(branch('$.input.n', test.step('yes'), test.step('no')), '{"n": 7}');
CALL test.run_flow(branch('1/0 = 1', test.step('yes'), test.step('no'), name => 'b') ~> test.step('z'));
-- the chosen step fails
CALL test.run_flow(branch('true', test.failing_step('yes'), test.step('no')) ~> test.step('z'));
SELECT test.effects();

-- -------------------------------------------------------------------- each
CALL test.run_flow(each('[3, 1, 2]', step('x', 'SELECT ($1 ->> ''item'')::integer * 10 AS x, $1 ->> ''index'' AS i'), name => 'e') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
CALL test.run_flow(each('$.input.list', step('x', 'SELECT $1 -> ''item'' AS item')), '{"list": ["a", {"b": 1}, [1], null]}');
CALL test.run_flow(each('SELECT g, g * g AS square FROM generate_series(1, 3) g ORDER BY g DESC', step('x', 'SELECT $1 -> ''item'' AS item')));
CALL test.run_flow(each('SELECT name FROM test.effect', test.step('never')) ~> test.step('z'));
CALL test.run_flow(each('[]', test.step('never')) ~> test.step('z'));
CALL test.run_flow(each('$.input.nothing', test.step('never')) ~> test.step('z'));
CALL test.run_flow(each('$.input.nothing', test.step('never')) ~> test.step('z'), '{"nothing": null}');
CALL test.run_flow(each('$.input.n', test.step('never')) ~> test.step('z'), '{"n": 3}');
CALL test.run_flow(each('SELECT 1/0', test.step('never')) ~> test.step('z'));
CALL test.run_flow(each('SELECT g FROM generate_series(1, 100001) g', test.step('never')));
SELECT test.effects();
-- results of the items
CALL test.run_flow(each('["a", "b"]', step('x', 'SELECT $1 AS payload', payload => '{"v": "$.item", "n": "$.index", "in": "$.input.q"}')), '{"q": 1}');
-- items that fail, by completion
CREATE FUNCTION test_divide_by_item() RETURNS flow LANGUAGE sql AS $$ SELECT step('x', 'SELECT 6 / ($1 ->> ''item'')::integer AS x') $$;
CALL test.run_flow(each('[1, 0, 2]', test_divide_by_item(), completion => 'all_done', concurrency => 1) ~> test.step('z'));
CALL test.run_flow(each('[1, 0, 2]', test_divide_by_item(), completion => 'best_effort', name => 'e') ~> step('z', 'SELECT $1 -> ''steps'' -> ''e'' AS e'));
CALL test.run_flow(each('[0, 2, 3]', test_divide_by_item(), completion => 'any', concurrency => 1) ~> test.step('z'));
CALL test.run_flow(each('[0, 2, 3, 0, 1]', test_divide_by_item(), completion => 'n_of_m', n => 2, concurrency => 1) ~> test.step('z'));
CALL test.run_flow(each('[0, 2, 0, 1]', test_divide_by_item(), completion => 'n_of_m', n => 3, concurrency => 1) ~> test.step('z'));
CALL test.run_flow(each('[2, 0, 1]', test_divide_by_item(), concurrency => 1) ~> test.step('z'));
SELECT test.effects();
DROP FUNCTION test_divide_by_item();
-- concurrency
SELECT test.close_gate();
SELECT start_flow(each('[1, 2, 3, 4, 5]', step('x', 'SELECT test.note(''item '' || ($1 ->> ''item'')) FROM pg_advisory_xact_lock_shared(74)', isolate => true), concurrency => 2)) AS run \gset
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND step = 'x' AND status = 'running')$$, :run));
SELECT test.steps_of(:run);
SELECT test.open_gate();
SELECT status, steps FROM test.end_of(:run);
SELECT test.sorted_effects();
SELECT max(n) FROM (SELECT (SELECT count(*) FROM history o WHERE o.flow_run = :run AND o.started_at <= h.started_at AND o.finished_at > h.started_at) AS n
	FROM history h WHERE h.flow_run = :run) x;
-- a chain as body: results of its own item only
CALL test.run_flow(each('[10, 20]', step('a', 'SELECT ($1 ->> ''item'')::integer + 1 AS a') ~> step('b', 'SELECT $1 -> ''steps'' AS steps'), name => 'e')
	~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- each within each: the innermost item
CALL test.run_flow(each('$.input.rows', each('$.item', step('x', 'SELECT $1 -> ''item'' AS item, $1 -> ''index'' AS i'), name => 'inner'), name => 'outer'),
	'{"rows": [[1, 2], [], [3]]}');
-- all kinds of blocks in an each
CALL test.run_flow(each('[1, 2]', branch('$.item > 1', test.step('more') & test.step('moreover'), test.step('less'))));
SELECT test.sorted_effects();

-- -------------------------------------------------------------------- loop
CALL test.run_flow(loop(step('inc', 'SELECT coalesce(($1 #>> ''{steps,inc,n}'')::integer, 0) + 1 AS n'), '$.steps.inc.n < 4', name => 'l')
	~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- the body runs at least once; steps see results of the previous pass
CALL test.run_flow(loop(test.step('a') ~> test.step('b'), 'false'));
CALL test.run_flow(loop(step('a', 'SELECT $1 -> ''steps'' AS seen') ~> step('b', 'SELECT 1 AS one, $1 #>> ''{steps,a,b,one}'' AS before'),
	'$1 #>> ''{steps,b,before}'' IS NULL'));
CALL test.run_flow(loop(test.step('a'), 'true', max => 3) ~> test.step('z'));
CALL test.run_flow(loop(test.step('a') ~> test.failing_step('b'), 'true') ~> test.step('z'));
CALL test.run_flow(loop(test.step('a'), '1/0 = 1') ~> test.step('z'));
SELECT start_flow(loop(test.step('a'), '$.input.n == 0', max => 3, delay => '0.1 s', name => 'l'), '{"n": 0}') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT max(started_at) - min(finished_at) >= '0.2 s' AS delayed, count(*) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT test.effects();
-- an each in a loop, a loop in an each
CALL test.run_flow(loop(each('[1, 2]', test.step('x'), name => 'e') ~> step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n'), '$.steps.n.n < 2'));
CALL test.run_flow(each('[1, 2]', loop(step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n'), '$.steps.n.n < $.item')));
SELECT test.effects();

-- ------------------------------------------------------------------- sleep
SELECT start_flow(test.step('a') ~> jadugar.sleep('1 s', name => 'zzz') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'zzz', 'time');
SELECT step, status, waiting_for, due > started_at AS due, task_id FROM flow_steps WHERE run_id = :run AND step IN ('zzz', 'b') ORDER BY step_id;
SELECT * FROM test.end_of(:run);
SELECT duration BETWEEN '1 s' AND '20 s' AS slept FROM flow_steps WHERE run_id = :run AND step = 'zzz';
CALL test.run_flow(jadugar.sleep_until('2020-01-01 00:00:00+00') ~> test.step('a'));
CALL test.run_flow(jadugar.sleep_until('$.input.at') ~> test.step('a'), '{"at": "2020-01-01T00:00:00Z"}');
CALL test.run_flow(jadugar.sleep_until('$.input.at', name => 'zzz') ~> test.step('a'), '{"at": "soon"}');
CALL test.run_flow(jadugar.sleep_until('$.input.at', name => 'zzz') ~> test.step('a'));
SELECT test.effects();

-- ----------------------------------------------------------------- signals
-- early signals are kept in order; each wait consumes one
SELECT test.close_gate();
SELECT start_flow(test.gated_step('a') ~> wait_signal('go', name => 'w1') ~> wait_signal('go', name => 'w2') ~> wait_signal('other', name => 'w3')) AS run \gset
SELECT signal(:run, 'other', '{"o": true}'), signal(:run, 'go', '{"n": 1}'), signal(:run, 'go', '{"n": 2}');
SELECT test.open_gate();
CALL test.wait_until(format($$(flow_status(%s)).status = 'completed'$$, :run));
SELECT step, status, result FROM flow_steps WHERE run_id = :run AND kind = 'wait_signal' ORDER BY step_id;
-- late signals
SELECT start_flow(wait_signal('go', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT step, status, waiting_for, task_id FROM flow_steps WHERE run_id = :run AND step = 'w';
SELECT signal(:run, 'gone');
SELECT signal(:run, 'go', '[1]');
SELECT * FROM test.end_of(:run);
-- two waits and two signals at the same time: each signal is consumed once
SELECT start_flow(wait_signal('go', name => 'w1') & wait_signal('go', name => 'w2')) AS run \gset
SELECT signal(:run, 'go', '{"n": 1}'), signal(:run, 'go', '{"n": 2}');
SELECT status, result FROM test.end_of(:run);
-- waits that time out
CALL test.run_flow(wait_signal('go', timeout => '10 ms', name => 'w') ~> test.step('z'));
CALL test.run_flow(wait_signal('go', timeout => '10 ms', on_timeout => 'continue', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- a signal of a transaction that is rolled back was never sent
SELECT start_flow(wait_signal('go', timeout => '0.2 s', on_timeout => 'continue', name => 'w')) AS run \gset
BEGIN;
SELECT signal(:run, 'go', '{}');
ROLLBACK;
SELECT * FROM test.end_of(:run);
SELECT test.effects();

-- ------------------------------------------------------------------ events
SELECT start_flow(wait_event('test.paid', filter => '{"order": "$.input.order"}', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"order": 42}') AS run \gset
SELECT start_flow(wait_event('test.paid', name => 'w')) AS any_run \gset
CALL test.wait_for_step(:run, 'w', 'event');
CALL test.wait_for_step(:any_run, 'w', 'event');
SELECT raise_event('test.other', '{"order": 42}') > 0 AS raised;
SELECT raise_event('test.paid', '{"order": 41, "amount": 1}') AS event \gset
SELECT status, result ->> 'event_id' = :'event' AS that_one, result - 'event_id' AS result, steps FROM test.end_of(:any_run);
SELECT status FROM flow_runs WHERE run_id = :run;
-- an event of another role
SET SESSION AUTHORIZATION test_flows_other;
SELECT raise_event('test.paid', '{"order": 42, "amount": 2}') AS event2 \gset
SET SESSION AUTHORIZATION test_flows;
SELECT raise_event('test.paid', '{"order": 42, "amount": 3}') AS event \gset
SELECT status, result #>> '{w,event_id}' = :'event' AS that_one, result #- '{w,event_id}' AS result, steps FROM test.end_of(:run);
CALL test.run_flow(wait_event('test.paid', timeout => '10 ms', name => 'w'));
CALL test.run_flow(wait_event('test.paid', filter => '{"a": "$.input"}', timeout => '10 ms', on_timeout => 'continue', name => 'w'));

-- --------------------------------------------------------------- approvals
SELECT start_flow(approval('boss', message => 'Really?') ~> step('z', 'SELECT 1 AS one')) AS run \gset
CALL test.wait_for_step(:run, 'boss', 'approval');
SELECT step, kind, status, waiting_for FROM flow_steps WHERE run_id = :run AND step = 'boss';
SET SESSION AUTHORIZATION test_flows_other;
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows;
SELECT test.short_error_of(format('SELECT approve(%s, ''nobody'')', :run));
SELECT test.short_error_of(format('SELECT approve(%s, ''z'')', :run));
SELECT approve(:run, 'boss', comment => 'fine');
SELECT * FROM test.end_of(:run);
SELECT result - 'at' AS result, (result ->> 'at')::timestamptz BETWEEN started_at AND finished_at AS at FROM flow_steps WHERE run_id = :run AND step = 'boss';
SELECT start_flow(approval('boss') ~> test.step('z')) AS run \gset
SELECT approve(:run, 'boss', approved => false, comment => 'no');
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SELECT result - 'at' AS result, status, reason FROM flow_steps WHERE run_id = :run AND step = 'boss';
CALL test.run_flow(approval('boss', timeout => '10 ms'));
-- members of a role that may decide, and other roles
SELECT start_flow(approval('boss', approvers => 'test_flows_bosses')) AS run \gset
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows_other;
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows_boss;
SELECT test.short_error_of(format('SELECT signal(%s, ''boss'')', :run));
SELECT approve(:run, 'boss');
SET SESSION AUTHORIZATION test_flows;
SELECT status, result ->> 'by' AS by, result ->> 'session' AS session FROM test.end_of(:run);

-- ------------------------------------------------- flows by name, versions
SELECT create_flow('test child', test.step('c1') ~> step('c2', 'SELECT $1 -> ''input'' AS got'), 'first');
SELECT start_flow('test child', '{"a": 1}') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.close_gate();
SELECT create_flow('test v', test.gated_step('a') ~> test.step('one'));
SELECT start_flow('test v') AS old \gset
SELECT create_flow('test v', test.gated_step('a') ~> test.step('two'));
SELECT start_flow('test v') AS new \gset
SELECT start_flow('test v', version => 1) AS again \gset
SELECT test.open_gate();
SELECT steps FROM test.end_of(:old);
SELECT steps FROM test.end_of(:new);
SELECT steps FROM test.end_of(:again);
SELECT flow, version FROM flow_runs WHERE run_id IN (:old, :new, :again) ORDER BY run_id;
SELECT name, version, latest, steps, description, running, finished, failed FROM flows WHERE name LIKE 'test%' ORDER BY name, version;
SELECT test.sorted_effects();
-- an unchanged graph is the same version
SELECT create_flow('test v', test.gated_step('a') ~> test.step('two'));
SELECT test.short_error_of($$SELECT start_flow('test v', version => 3)$$), test.short_error_of($$SELECT start_flow('test w')$$);
-- drop_flow() fails while runs exist, unless "runs" says how to end them
SELECT test.close_gate();
SELECT start_flow('test v') AS run \gset
CALL test.wait_for_step(:run, 'a', 'running');
SELECT test.short_error_of($$SELECT drop_flow('test v')$$);
SELECT drop_flow('test v', runs => 'kill');
SELECT test.short_error_of($$SELECT start_flow('test v')$$);
SELECT * FROM test.end_of(:run);
SELECT test.open_gate();
SELECT flow, version, status FROM flow_runs WHERE run_id = :run;
SELECT count(*) FROM flows WHERE name = 'test v';
-- the name can be used again
SELECT create_flow('test v', test.step('three'));
SELECT drop_flow('test v');
SELECT test.effects();

-- --------------------------------------------------------------- sub_flows
CALL test.run_flow(sub_flow('test child', name => 's') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"whole": true}');
SELECT start_flow(sub_flow('test child', payload => '{"v": "$.input.q"}', name => 's'), '{"q": 5}', tenant => 'sub', trace => 'tr') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT c.flow, c.status, c.input, c.parent_run = :run AS mine, c.parent_step, c.tenant, c.trace FROM flow_runs c WHERE parent_run = :run;
SELECT test.effects();
SELECT create_flow('test bad', test.step('c1') ~> test.failing_step('c2'));
CALL test.run_flow(sub_flow('test bad', name => 's') ~> test.step('z'));
CALL test.run_flow(sub_flow('test bad', name => 's', on_failure => 'continue') ~> test.step('z'));
CALL test.run_flow(each('[1, 2]', sub_flow('test child', payload => '{"v": "$.item"}', name => 's')));
SELECT test.sorted_effects();
-- unknown flows, at creation and at run time
SELECT test.short_error_of($$SELECT start_flow(sub_flow('test none'))$$);
SELECT create_flow('test gone', test.step('a'));
SELECT create_flow('test parent', sub_flow('test gone', name => 's'));
SELECT drop_flow('test gone');
SELECT start_flow('test parent') AS run \gset
SELECT * FROM test.end_of(:run);
-- a version of a sub_flow
SELECT create_flow('test child', test.step('newer'));
CALL test.run_flow(sub_flow('test child', version => 1, name => 's'));
CALL test.run_flow(sub_flow('test child', name => 's'));
SELECT test.effects();
-- a sub_flow of itself ends with an error
SELECT create_flow('test deep', test.step('a'));
SELECT create_flow('test deep', sub_flow('test deep', name => 's'));
SELECT start_flow('test deep') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT status, count(*) FROM flow_runs WHERE flow = 'test deep' GROUP BY 1;
-- timeouts
SELECT create_flow('test slow', wait_signal('never'));
SELECT start_flow(sub_flow('test slow', timeout => '50 ms', name => 's') ~> test.step('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- the step is skipped: its run is aborted
SELECT start_flow(sub_flow('test slow', name => 's') ~> test.step('z')) AS run \gset
SELECT skip_step(:run, 's');
SELECT * FROM test.end_of(:run);
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
SELECT test.effects();

-- ------------------------------------------------------------------- after
-- a completes, b fails, s is skipped because b fails
CREATE FUNCTION test_joins(rule text) RETURNS flow LANGUAGE sql AS $$
	SELECT parallel(ARRAY[test.step('a'), test.failing_step('b'), step('s', 'SELECT 1', after => ARRAY['b'])] || array_agg(step(rule || ' ' || x, 'SELECT 1',
		after => string_to_array(x, NULL), "join" => rule, join_n => CASE rule WHEN 'n_of_m' THEN 1 END) ORDER BY x), completion => 'best_effort')
	FROM unnest(ARRAY['a', 'b', 's', 'ab', 'as', 'bs', 'abs']) x $$;
CALL test.run_flow(test_joins('all_success'));
CALL test.run_flow(test_joins('all_done'));
CALL test.run_flow(test_joins('any_success'));
CALL test.run_flow(test_joins('any_failed'));
CALL test.run_flow(test_joins('none_failed'));
CALL test.run_flow(test_joins('n_of_m'));
DROP FUNCTION test_joins(text);
SELECT count(*) FROM test.effect WHERE name NOT IN ('a', 'b');
TRUNCATE test.effect;
-- a diamond, and the order of its effects
CALL test.run_flow(parallel(ARRAY[test.step('a'), step('b', 'SELECT test.note(''b'')', after => ARRAY['a']), step('c', 'SELECT test.note(''c'')', after => ARRAY['b']),
	step('d', 'SELECT $1 -> ''steps'' AS steps', after => ARRAY['c', 'a'])]));
SELECT test.effects();
-- n_of_m starts when enough steps have succeeded; any_success after one
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.step('a'), test.step('b'), test.gated_step('c'), step('two', 'SELECT 1', after => ARRAY['a', 'b', 'c'], "join" => 'n_of_m', join_n => 2),
	step('one', 'SELECT 1', after => ARRAY['a', 'c'], "join" => 'any_success'), step('all', 'SELECT 1', after => ARRAY['a', 'b', 'c'])])) AS run \gset
CALL test.wait_for_step(:run, 'two', 'completed');
CALL test.wait_for_step(:run, 'one', 'completed');
CALL test.wait_for_step(:run, 'c', 'running');
SELECT step, status, waiting_for FROM flow_steps WHERE run_id = :run AND step IN ('c', 'all') ORDER BY step_id;
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
-- waiting steps do not count toward concurrency
CALL test.run_flow(parallel(ARRAY[step('c', 'SELECT test.note(''c'')', after => ARRAY['b']), step('b', 'SELECT test.note(''b'')', after => ARRAY['a']), test.step('a')], concurrency => 1));
SELECT test.sorted_effects();
-- across chains of one block
CALL test.run_flow((test.step('a') ~> test.step('b')) & (test.step('c') ~> step('d', 'SELECT test.note(''d'')', after => ARRAY['b'])));
SELECT test.effects() ~ 'b.*d' AS d_after_b;

-- ---------------------------------------------------------------- timeouts
SELECT test.close_gate();
CALL test.run_flow(step('a', 'SELECT pg_advisory_xact_lock_shared(74)', timeout => '50 ms', retry => retry_policy(1)) ~> test.step('b'));
CALL test.run_flow(chain(ARRAY[test.step('a'), test.gated_step('b'), test.step('c')], timeout => '1 s', name => 'ch') ~> test.step('d'));
CALL test.run_flow(parallel(ARRAY[test.step('a'), test.gated_step('b')], timeout => '1 s', name => 'p') ~> test.step('d'));
CALL test.run_flow(race(ARRAY[test.gated_step('a'), wait_signal('never', name => 'w')], timeout => '50 ms', on_failure => 'continue', name => 'r') ~> test.step('d'));
CALL test.run_flow(each('[1, 2]', test.gated_step('a'), timeout => '50 ms', name => 'e') ~> test.step('d'));
CALL test.run_flow(loop(test.step('a') ~> jadugar.sleep('1 h'), 'true', timeout => '1 s', name => 'l') ~> test.step('d'));
CALL test.run_flow(loop(test.step('a'), 'true', delay => '1 h', timeout => '1 s', name => 'l') ~> test.step('d'));
CALL test.run_flow(branch('true', test.gated_step('a'), timeout => '50 ms', name => 'b') ~> test.step('d'));
-- of the run
SELECT start_flow(test.step('a') ~> test.gated_step('b') ~> test.step('c'), timeout => '1 s') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.open_gate();
SELECT test.effects();

-- clean up
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
SELECT drop_handler('test.reserve');
SELECT drop_queue('test_flows_q');
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT m.kind, m.name, m.seen FROM jadugar_internal.flow_message m JOIN jadugar_internal.flow_run r USING (run_id) WHERE r.owner = 'test_flows'::regrole;
CALL test.delete_runs();
CALL test.drop_roles('test_flows', 'test_flows_other', 'test_flows_boss', 'test_flows_bosses');
