-- Flows: what each block does, and what steps are given. What is asked of runs
-- is in flows_runs, compensation in flows_failure, bad input in flows_input.
\i test/include/helpers.sql
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
CREATE TABLE test_effect (n bigint GENERATED ALWAYS AS IDENTITY, what text);
-- what a step does: a row that is there as often as the step's effect is
CREATE FUNCTION test_did(what text) RETURNS text LANGUAGE sql AS
	'INSERT INTO public.test_effect (what) VALUES ($1) RETURNING what';
CREATE FUNCTION test_s(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT public.test_did(%L) AS did', name)) $$;
-- one that fails
CREATE FUNCTION test_bad(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT 1 / (length(public.test_did(%L)) * 0)', name)) $$;
-- one that waits until test_open() has been called
CREATE FUNCTION test_g(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT public.test_did(%L) AS did FROM pg_advisory_xact_lock_shared(74)', name), isolate => true) $$;
CREATE FUNCTION test_close() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(74)';
CREATE FUNCTION test_open() RETURNS boolean LANGUAGE sql AS 'SELECT pg_advisory_unlock(74)';
CREATE FUNCTION test_effects() RETURNS text LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM public.test_effect RETURNING n, what) SELECT string_agg(what, ' ' ORDER BY n) FROM gone $$;
-- the same where steps have run at once
CREATE FUNCTION test_effects_sorted() RETURNS text LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM public.test_effect RETURNING what) SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FROM gone $$;
CREATE FUNCTION test_steps(run bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(s.step, '[' || s.item || ']', ' ', s.status, ' (' || nullif(s.reason, 'cancelled') || ')'), ', ' ORDER BY s.node, s.item, s.step_id)
	FROM jadugar.flow_steps s WHERE s.run_id = run AND s.step !~ '#' $$;
CREATE FUNCTION test_ended(run bigint, OUT status text, OUT result jsonb, OUT error text, OUT reason text, OUT steps text)
LANGUAGE sql VOLATILE AS $$
	SELECT w.status, w.result, concat_ws(': ', coalesce(w.error ->> 'code', w.error ->> 'sqlstate'), w.error ->> 'message', w.error ->> 'detail'), w.reason, public.test_steps(run)
	FROM jadugar.wait_flow(run, '30 s') w $$;
-- start, commit, wait
CREATE PROCEDURE test_run(flow jadugar.flow, input jsonb DEFAULT '{}', INOUT status text DEFAULT NULL, INOUT result jsonb DEFAULT NULL,
	INOUT error text DEFAULT NULL, INOUT reason text DEFAULT NULL, INOUT steps text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint := jadugar.start_flow(flow, input);
BEGIN
	COMMIT;
	SELECT * INTO status, result, error, reason, steps FROM public.test_ended(run);
END
$$;
-- until a step of a run has this status, or waits for this
CREATE PROCEDURE test_reaches(run bigint, step text, what text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.flow_steps s WHERE s.run_id = %s AND s.step = %L AND %L IN (s.status, split_part(s.waiting_for, '':'', 1)))',
		run, step, what));
END
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO PUBLIC;

-- ---------------------------------------------------------------- a chain
CALL test_run(test_s('a') ~> test_s('b') ~> test_s('c'));
SELECT test_effects();
-- what is first fails, the others are never come to
CALL test_run(test_s('a') ~> test_bad('b') ~> test_s('c'));
SELECT test_effects();
-- its result is that of the last step: the first row; an object or an array in one column stands for itself
CALL test_run(step('a', 'SELECT x, 2 AS y FROM generate_series(1, 3) x'));
CALL test_run(step('a', $$SELECT '[1, 2]'::jsonb$$));
CALL test_run(step('a', $$SELECT jsonb_build_object('k', 1)$$));
CALL test_run(step('a', 'SELECT NULL::text AS x'));
CALL test_run(step('a', 'SELECT 1 AS x WHERE false'));
CALL test_run(step('a', $$INSERT INTO test_effect (what) VALUES ('x'), ('y')$$));
SELECT test_effects();
-- what a step is given: the run's input, the results so far by name
CALL test_run(step('a', 'SELECT 1 AS x') ~> step('b', 'SELECT 2 AS x') ~> step('c', 'SELECT $1 AS data'), '{"in": 7}');
-- chains within chains, and their names
CALL test_run(chain(ARRAY[test_s('a') ~> test_s('b'), chain(ARRAY[test_s('c')], name => 'inner')], name => 'outer') ~> step('d', 'SELECT $1 -> ''steps'' AS steps'));
SELECT test_effects();
-- a failure that is to be passed over
CALL test_run(step('a', 'SELECT 1/0', on_failure => 'continue') ~> step('b', 'SELECT $1 -> ''steps'' AS steps'));
-- attempts of a step: each failed one leaves nothing
CREATE SEQUENCE test_seq;
SELECT start_flow(step('a', $$SELECT test_did('a'), 1 / (nextval('test_seq') / 3) AS third$$, retry => retry_policy(5, delay => '1 ms', retry_on => ARRAY['22012']))
	~> test_s('b')) AS run \gset
SELECT * FROM test_ended(:run);
SELECT step, attempts FROM flow_steps WHERE run_id = :run AND kind = 'step' ORDER BY step_id;
SELECT test_effects();
DROP SEQUENCE test_seq;

-- ------------------------------------------------------- steps are tasks
SELECT create_queue('test_flows_q') > 0 AS made;
SELECT start_flow(step('a', 'SELECT (current_task()).flow_run, (current_task()).step, (current_task()).trace, (current_task()).tenant',
	queue => 'test_flows_q', priority => 7, metadata => '{"m": 1}', settings => '{"work_mem": "1MB"}', timeout => '1 min'),
	trace => 'tr', tenant => 'ten', metadata => '{"run": 1}') AS run \gset
SELECT w.status, (w.result ->> 'flow_run')::bigint = :run AS mine, w.result - 'flow_run' AS rest, w.trace, w.tenant, w.metadata FROM wait_flow(:run, '30 s') w;
SELECT flow_run = :run AS mine, step, queue, priority, tenant, trace, metadata, status, final, attempt FROM history WHERE flow_run = :run;
-- one that has not run yet is seen in tasks
SELECT pause_queue('test_flows_q');
SELECT start_flow(step('a', 'SELECT 1', queue => 'test_flows_q')) AS run \gset
SELECT status, waiting_for, flow_run = :run AS mine, step FROM tasks WHERE flow_run = :run;
SELECT step, kind, status, waiting_for, task_id IS NOT NULL AS task FROM flow_steps WHERE run_id = :run;
SELECT resume_queue('test_flows_q');
SELECT * FROM test_ended(:run);
-- a concurrency_key holds steps of several runs apart
SELECT test_close();
SELECT start_flow(step('a', 'SELECT test_did(''k'') FROM pg_advisory_xact_lock_shared(74)', concurrency_key => 'k', isolate => true), tenant => 'key')
	FROM generate_series(1, 3) \g /dev/null
CALL test.wait_until($$EXISTS (SELECT FROM tasks WHERE tenant = 'key' AND status = 'running')$$);
SELECT status, waiting_for, count(*) FROM tasks WHERE tenant = 'key' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT test_open();
CALL test.wait_until($$NOT EXISTS (SELECT FROM flow_runs WHERE finished_at IS NULL)$$);
SELECT test_effects();
-- isolation levels of their own
CALL test_run(step('a', $$SELECT current_setting('transaction_isolation') AS level$$, transaction => 'serializable')
	~> step('b', $$SELECT $1 -> 'steps' -> 'a' AS a, current_setting('transaction_isolation') AS level$$, transaction => 'repeatable read')
	~> step('c', $$SELECT $1 -> 'steps' -> 'b' ->> 'level' AS b$$));
-- and none
CALL test_run(step('a', 'VACUUM test_effect') ~> test_s('b'));
SELECT test_effects();

-- ---------------------------------------------------------------- payloads
CALL test_run(step('a', 'SELECT 1 AS x, ''t'' AS y') ~> step('b', 'SELECT $1 AS payload', payload => '{"all": "$.steps.a", "x": "$.steps.a.x", "in": "$.input",
	"deep": [{"y": "$.steps.a.y"}, "$.input.list[1]", "$.input.list[*]"], "missing": "$.steps.a.z.x", "null": null, "text": "x $.input", "dollar": "$$.input",
	"dollars": "$$", "price": "$5", "number": 5, "$.key": true}'), '{"list": [1, 2, 3], "o": {"p": null}}');
CALL test_run(step('a', 'SELECT $1 AS payload', payload => '{"root": "$", "nothing": "$.input.o.p", "filter": "$.input.list[*] ? (@ > 1)"}'),
	'{"list": [1, 2, 3], "o": {"p": null}}');
-- a step that is not there, and a path that fails when it is looked at
SELECT test.short_error_of($$SELECT start_flow(step('a', 'SELECT 1', payload => '{"x": "$.steps.nothing.x"}'))$$);
CALL test_run(step('a', 'SELECT $1 AS payload', payload => '{"x": "$.input.q + 1"}'), '{"q": "no number"}');
-- a handler with a composite type
CREATE DOMAIN test_count AS integer CHECK (VALUE > 0);
CREATE TYPE test_order AS (item text, n test_count);
CREATE FUNCTION test_reserve(o test_order) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_build_object('reserved', o.n, 'did', public.test_did('reserve ' || o.item)) $$;
SELECT register_handler('test.reserve', 'public.test_reserve');
CALL test_run(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}') ~> step('b', 'SELECT $1 -> ''steps'' -> ''r'' AS r'),
	'{"item": "nut", "n": 3}');
CALL test_run(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}'), '{"item": "nut", "n": 0}');
CALL test_run(step('r', 'test.reserve', payload => '{"item": "$.input.item", "n": "$.input.n"}'), '{"item": "nut", "n": "many"}');
CALL test_run(step('r', 'test.reserve', payload => '{"item": "nut", "n": 1, "colour": "$.input.item"}'), '{"item": "nut"}');
SELECT test_effects();

-- ------------------------------------------------- parallel, by completion
CALL test_run(test_s('a') & test_s('b') & test_s('c'));
SELECT test_effects_sorted();
CALL test_run(parallel(ARRAY[test_s('a'), test_s('b')], name => 'p') ~> step('c', 'SELECT $1 -> ''steps'' AS steps'));
SELECT test_effects_sorted();
-- all: the first failure decides; what is under way is stopped
SELECT test_close();
CALL test_run(parallel(ARRAY[test_bad('a'), test_g('b'), test_g('c')]) ~> test_s('d'));
-- any: the first success does
CALL test_run(parallel(ARRAY[test_bad('a'), test_s('b'), test_g('c')], completion => 'any') ~> test_s('d'));
CALL test_run(parallel(ARRAY[test_bad('a'), test_bad('b')], completion => 'any') ~> test_s('d'));
-- n_of_m
CALL test_run(parallel(ARRAY[test_s('a'), test_g('b'), test_s('c'), test_g('d')], completion => 'n_of_m', n => 2) ~> test_s('e'));
-- it can not be reached any more: at once
CALL test_run(parallel(ARRAY[test_bad('a'), test_bad('b'), test_g('c')], completion => 'n_of_m', n => 2) ~> test_s('e'));
SELECT test_effects_sorted();
SELECT test_open();
-- all_done waits for all, then fails
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_bad('a'), test_g('b'), test_s('c')], completion => 'all_done', name => 'p') ~> test_s('d')) AS run \gset
CALL test_reaches(:run, 'a', 'failed');
CALL test_reaches(:run, 'c', 'completed');
CALL test_reaches(:run, 'b', 'running');
SELECT status FROM flow_runs WHERE run_id = :run;
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects();
CALL test_run(parallel(ARRAY[test_s('a'), test_s('b')], completion => 'all_done') ~> test_s('d'));
SELECT test_effects_sorted();
-- best_effort never fails
CALL test_run(parallel(ARRAY[test_bad('a'), test_s('b'), test_bad('c')], completion => 'best_effort', name => 'p') ~> step('d', 'SELECT $1 -> ''steps'' AS steps'));
CALL test_run(parallel(ARRAY[test_bad('a'), test_bad('b')], completion => 'best_effort'));
SELECT test_effects();
-- the rest may go on: what comes next begins, the run ends with the last
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_s('a'), test_g('b')], completion => 'any', rest => 'run') ~> test_s('c')) AS run \gset
CALL test_reaches(:run, 'c', 'completed');
CALL test_reaches(:run, 'b', 'running');
SELECT status, flow_progress(:run) < 1 AS more FROM flow_runs WHERE run_id = :run;
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects();
-- failed with the rest running: it is waited for before the run is over
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_bad('a'), test_g('b')], rest => 'run', on_failure => 'continue') ~> test_s('c')) AS run \gset
CALL test_reaches(:run, 'c', 'completed');
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects();
-- concurrency: no more than two at once
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_g('a'), test_g('b'), test_g('c'), test_g('d'), test_g('e')], concurrency => 2)) AS run \gset
CALL test_reaches(:run, 'a', 'running');
CALL test_reaches(:run, 'b', 'running');
SELECT test_steps(:run);
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects_sorted();
SELECT max(n) FROM (SELECT (SELECT count(*) FROM history o WHERE o.flow_run = :run AND o.started_at <= h.started_at AND o.finished_at > h.started_at) AS n
	FROM history h WHERE h.flow_run = :run) x;
-- decided before all had begun
CALL test_run(parallel(ARRAY[test_s('a'), test_s('b'), test_s('c')], completion => 'any', concurrency => 1) ~> test_s('d'));
CALL test_run(parallel(ARRAY[test_bad('a'), test_s('b') ~> test_s('c')], concurrency => 1));
SELECT test_effects();

-- -------------------------------------------------------------------- race
SELECT test_close();
CALL test_run(race(ARRAY[test_g('slow'), test_s('fast')], name => 'r') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
CALL test_run(test_bad('a') | test_g('b') | (test_s('c') ~> step('d', 'SELECT 4 AS four')));
SELECT test_open();
CALL test_run(test_bad('a') | test_bad('b'));
SELECT test_effects_sorted();

-- ------------------------------------------------------------------ branch
CALL test_run(branch('$.input.n > 5', test_s('big'), test_s('small'), name => 'b') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"n": 7}');
CALL test_run(branch('$.input.n > 5', test_s('big'), test_s('small')), '{"n": 5}');
CALL test_run(branch('$.input.n > 5', test_s('big') ~> test_s('bigger')) ~> test_s('z'), '{"n": 5}');
SELECT start_flow(branch('($1 -> ''input'' ->> ''n'')::integer > 5 AND EXISTS (SELECT FROM public.test_effect)', test_s('big'), test_s('small'), name => 'b'),
	'{"n": 7}') AS run \gset
SELECT * FROM test_ended(:run);
SELECT step, kind, status, condition FROM flow_steps WHERE run_id = :run ORDER BY step_id;
-- neither true nor false; and one that can not be told
CALL test_run(branch('NULL', test_s('yes'), test_s('no')));
CALL test_run(branch('$.input.nothing > 5', test_s('yes'), test_s('no')));
CALL test_run(branch('$.input.n', test_s('yes'), test_s('no')), '{"n": 7}');
CALL test_run(branch('1/0 = 1', test_s('yes'), test_s('no'), name => 'b') ~> test_s('z'));
-- what is taken fails
CALL test_run(branch('true', test_bad('yes'), test_s('no')) ~> test_s('z'));
SELECT test_effects();

-- -------------------------------------------------------------------- each
CALL test_run(each('[3, 1, 2]', step('x', 'SELECT ($1 ->> ''item'')::integer * 10 AS x, $1 ->> ''index'' AS i'), name => 'e') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
CALL test_run(each('$.input.list', step('x', 'SELECT $1 -> ''item'' AS item')), '{"list": ["a", {"b": 1}, [1], null]}');
CALL test_run(each('SELECT g, g * g AS square FROM generate_series(1, 3) g ORDER BY g DESC', step('x', 'SELECT $1 -> ''item'' AS item')));
CALL test_run(each('SELECT what FROM public.test_effect', test_s('never')) ~> test_s('z'));
CALL test_run(each('[]', test_s('never')) ~> test_s('z'));
CALL test_run(each('$.input.nothing', test_s('never')) ~> test_s('z'));
CALL test_run(each('$.input.n', test_s('never')) ~> test_s('z'), '{"n": 3}');
CALL test_run(each('SELECT 1/0', test_s('never')) ~> test_s('z'));
CALL test_run(each('SELECT g FROM generate_series(1, 100001) g', test_s('never')));
SELECT test_effects();
-- mapped
CALL test_run(each('["a", "b"]', step('x', 'SELECT $1 AS payload', payload => '{"v": "$.item", "n": "$.index", "in": "$.input.q"}')), '{"q": 1}');
-- items that fail, by completion
CREATE FUNCTION test_third() RETURNS flow LANGUAGE sql AS $$ SELECT step('x', 'SELECT 6 / ($1 ->> ''item'')::integer AS x') $$;
CALL test_run(each('[1, 0, 2]', test_third(), completion => 'all_done', concurrency => 1) ~> test_s('z'));
CALL test_run(each('[1, 0, 2]', test_third(), completion => 'best_effort', name => 'e') ~> step('z', 'SELECT $1 -> ''steps'' -> ''e'' AS e'));
CALL test_run(each('[0, 2, 3]', test_third(), completion => 'any', concurrency => 1) ~> test_s('z'));
CALL test_run(each('[0, 2, 3, 0, 1]', test_third(), completion => 'n_of_m', n => 2, concurrency => 1) ~> test_s('z'));
CALL test_run(each('[0, 2, 0, 1]', test_third(), completion => 'n_of_m', n => 3, concurrency => 1) ~> test_s('z'));
CALL test_run(each('[2, 0, 1]', test_third(), concurrency => 1) ~> test_s('z'));
SELECT test_effects();
DROP FUNCTION test_third();
-- concurrency
SELECT test_close();
SELECT start_flow(each('[1, 2, 3, 4, 5]', step('x', 'SELECT test_did(''item '' || ($1 ->> ''item'')) FROM pg_advisory_xact_lock_shared(74)', isolate => true), concurrency => 2)) AS run \gset
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND step = 'x' AND status = 'running')$$, :run));
SELECT test_steps(:run);
SELECT test_open();
SELECT status, steps FROM test_ended(:run);
SELECT test_effects_sorted();
SELECT max(n) FROM (SELECT (SELECT count(*) FROM history o WHERE o.flow_run = :run AND o.started_at <= h.started_at AND o.finished_at > h.started_at) AS n
	FROM history h WHERE h.flow_run = :run) x;
-- a chain as body: results of its own item only
CALL test_run(each('[10, 20]', step('a', 'SELECT ($1 ->> ''item'')::integer + 1 AS a') ~> step('b', 'SELECT $1 -> ''steps'' AS steps'), name => 'e')
	~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- each within each: the innermost item
CALL test_run(each('$.input.rows', each('$.item', step('x', 'SELECT $1 -> ''item'' AS item, $1 -> ''index'' AS i'), name => 'inner'), name => 'outer'),
	'{"rows": [[1, 2], [], [3]]}');
-- all kinds of blocks in an each
CALL test_run(each('[1, 2]', branch('$.item > 1', test_s('more') & test_s('moreover'), test_s('less'))));
SELECT test_effects_sorted();

-- -------------------------------------------------------------------- loop
CALL test_run(loop(step('inc', 'SELECT coalesce(($1 #>> ''{steps,inc,n}'')::integer, 0) + 1 AS n'), '$.steps.inc.n < 4', name => 'l')
	~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- at least once; all of its body is seen, and the pass before
CALL test_run(loop(test_s('a') ~> test_s('b'), 'false'));
CALL test_run(loop(step('a', 'SELECT $1 -> ''steps'' AS seen') ~> step('b', 'SELECT 1 AS one, $1 #>> ''{steps,a,b,one}'' AS before'),
	'$1 #>> ''{steps,b,before}'' IS NULL'));
CALL test_run(loop(test_s('a'), 'true', max => 3) ~> test_s('z'));
CALL test_run(loop(test_s('a') ~> test_bad('b'), 'true') ~> test_s('z'));
CALL test_run(loop(test_s('a'), '1/0 = 1') ~> test_s('z'));
SELECT start_flow(loop(test_s('a'), '$.input.n == 0', max => 3, delay => '0.1 s', name => 'l'), '{"n": 0}') AS run \gset
SELECT * FROM test_ended(:run);
SELECT max(started_at) - min(finished_at) >= '0.2 s' AS delayed, count(*) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT test_effects();
-- an each in a loop, a loop in an each
CALL test_run(loop(each('[1, 2]', test_s('x'), name => 'e') ~> step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n'), '$.steps.n.n < 2'));
CALL test_run(each('[1, 2]', loop(step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n'), '$.steps.n.n < $.item')));
SELECT test_effects();

-- ------------------------------------------------------------------- sleep
SELECT start_flow(test_s('a') ~> jadugar.sleep('1 s', name => 'zzz') ~> test_s('b')) AS run \gset
CALL test_reaches(:run, 'zzz', 'time');
SELECT step, status, waiting_for, due > started_at AS due, task_id FROM flow_steps WHERE run_id = :run AND step IN ('zzz', 'b') ORDER BY step_id;
SELECT * FROM test_ended(:run);
SELECT duration BETWEEN '1 s' AND '20 s' AS slept FROM flow_steps WHERE run_id = :run AND step = 'zzz';
CALL test_run(jadugar.sleep_until('2020-01-01 00:00:00+00') ~> test_s('a'));
CALL test_run(jadugar.sleep_until('$.input.at') ~> test_s('a'), '{"at": "2020-01-01T00:00:00Z"}');
CALL test_run(jadugar.sleep_until('$.input.at', name => 'zzz') ~> test_s('a'), '{"at": "soon"}');
CALL test_run(jadugar.sleep_until('$.input.at', name => 'zzz') ~> test_s('a'));
SELECT test_effects();

-- ----------------------------------------------------------------- signals
-- early ones are kept, in order; each wait takes one
SELECT test_close();
SELECT start_flow(test_g('a') ~> wait_signal('go', name => 'w1') ~> wait_signal('go', name => 'w2') ~> wait_signal('other', name => 'w3')) AS run \gset
SELECT signal(:run, 'other', '{"o": true}'), signal(:run, 'go', '{"n": 1}'), signal(:run, 'go', '{"n": 2}');
SELECT test_open();
CALL test.wait_until(format($$(flow_status(%s)).status = 'completed'$$, :run));
SELECT step, status, result FROM flow_steps WHERE run_id = :run AND kind = 'wait_signal' ORDER BY step_id;
-- late ones
SELECT start_flow(wait_signal('go', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps')) AS run \gset
CALL test_reaches(:run, 'w', 'signal');
SELECT step, status, waiting_for, task_id FROM flow_steps WHERE run_id = :run AND step = 'w';
SELECT signal(:run, 'gone');
SELECT signal(:run, 'go', '[1]');
SELECT * FROM test_ended(:run);
-- two waits and two signals at once: no signal is taken twice
SELECT start_flow(wait_signal('go', name => 'w1') & wait_signal('go', name => 'w2')) AS run \gset
SELECT signal(:run, 'go', '{"n": 1}'), signal(:run, 'go', '{"n": 2}');
SELECT status, result FROM test_ended(:run);
-- too late for the signal
CALL test_run(wait_signal('go', timeout => '10 ms', name => 'w') ~> test_s('z'));
CALL test_run(wait_signal('go', timeout => '10 ms', on_timeout => 'continue', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'));
-- a signal of a transaction that is rolled back was never sent
SELECT start_flow(wait_signal('go', timeout => '0.2 s', on_timeout => 'continue', name => 'w')) AS run \gset
BEGIN;
SELECT signal(:run, 'go', '{}');
ROLLBACK;
SELECT * FROM test_ended(:run);
SELECT test_effects();

-- ------------------------------------------------------------------ events
SELECT start_flow(wait_event('test.paid', filter => '{"order": "$.input.order"}', name => 'w') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"order": 42}') AS run \gset
SELECT start_flow(wait_event('test.paid', name => 'w')) AS any_run \gset
CALL test_reaches(:run, 'w', 'event');
CALL test_reaches(:any_run, 'w', 'event');
SELECT raise_event('test.other', '{"order": 42}');
SELECT raise_event('test.paid', '{"order": 41, "amount": 1}');
SELECT * FROM test_ended(:any_run);
SELECT status FROM flow_runs WHERE run_id = :run;
-- not another's
SET SESSION AUTHORIZATION test_flows_other;
SELECT raise_event('test.paid', '{"order": 42, "amount": 2}');
SET SESSION AUTHORIZATION test_flows;
SELECT raise_event('test.paid', '{"order": 42, "amount": 3}');
SELECT * FROM test_ended(:run);
CALL test_run(wait_event('test.paid', timeout => '10 ms', name => 'w'));
CALL test_run(wait_event('test.paid', filter => '{"a": "$.input"}', timeout => '10 ms', on_timeout => 'continue', name => 'w'));

-- --------------------------------------------------------------- approvals
SELECT start_flow(approval('boss', message => 'Really?') ~> step('z', 'SELECT 1 AS one')) AS run \gset
CALL test_reaches(:run, 'boss', 'approval');
SELECT step, kind, status, waiting_for FROM flow_steps WHERE run_id = :run AND step = 'boss';
SET SESSION AUTHORIZATION test_flows_other;
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows;
SELECT test.short_error_of(format('SELECT approve(%s, ''nobody'')', :run));
SELECT test.short_error_of(format('SELECT approve(%s, ''z'')', :run));
SELECT approve(:run, 'boss', comment => 'fine');
SELECT * FROM test_ended(:run);
SELECT result - 'at' AS result, (result ->> 'at')::timestamptz BETWEEN started_at AND finished_at AS at FROM flow_steps WHERE run_id = :run AND step = 'boss';
SELECT start_flow(approval('boss') ~> test_s('z')) AS run \gset
SELECT approve(:run, 'boss', approved => false, comment => 'no');
SELECT * FROM test_ended(:run);
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SELECT result - 'at' AS result, status, reason FROM flow_steps WHERE run_id = :run AND step = 'boss';
CALL test_run(approval('boss', timeout => '10 ms'));
-- a role that may decide: its members, and nobody else
SELECT start_flow(approval('boss', approvers => 'test_flows_bosses')) AS run \gset
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows_other;
SELECT test.short_error_of(format('SELECT approve(%s, ''boss'')', :run));
SET SESSION AUTHORIZATION test_flows_boss;
SELECT test.short_error_of(format('SELECT signal(%s, ''boss'')', :run));
SELECT approve(:run, 'boss');
SET SESSION AUTHORIZATION test_flows;
SELECT status, result ->> 'by' AS by, result ->> 'session' AS session FROM test_ended(:run);

-- ------------------------------------------------- flows by name, versions
SELECT create_flow('test child', test_s('c1') ~> step('c2', 'SELECT $1 -> ''input'' AS got'), 'first');
SELECT start_flow('test child', '{"a": 1}') AS run \gset
SELECT * FROM test_ended(:run);
SELECT test_close();
SELECT create_flow('test v', test_g('a') ~> test_s('one'));
SELECT start_flow('test v') AS old \gset
SELECT create_flow('test v', test_g('a') ~> test_s('two'));
SELECT start_flow('test v') AS new \gset
SELECT start_flow('test v', version => 1) AS again \gset
SELECT test_open();
SELECT steps FROM test_ended(:old);
SELECT steps FROM test_ended(:new);
SELECT steps FROM test_ended(:again);
SELECT flow, version FROM flow_runs WHERE run_id IN (:old, :new, :again) ORDER BY run_id;
SELECT name, version, latest, steps, description, running, finished, failed FROM flows WHERE name LIKE 'test%' ORDER BY name, version;
SELECT test_effects_sorted();
-- the same graph again is the same version
SELECT create_flow('test v', test_g('a') ~> test_s('two'));
SELECT test.short_error_of($$SELECT start_flow('test v', version => 3)$$), test.short_error_of($$SELECT start_flow('test w')$$);
-- dropped: not while there are runs, unless told what becomes of them
SELECT test_close();
SELECT start_flow('test v') AS run \gset
CALL test_reaches(:run, 'a', 'running');
SELECT test.short_error_of($$SELECT drop_flow('test v')$$);
SELECT drop_flow('test v', runs => 'kill');
SELECT test.short_error_of($$SELECT start_flow('test v')$$);
SELECT * FROM test_ended(:run);
SELECT test_open();
SELECT flow, version, status FROM flow_runs WHERE run_id = :run;
SELECT count(*) FROM flows WHERE name = 'test v';
-- the name is free
SELECT create_flow('test v', test_s('three'));
SELECT drop_flow('test v');
SELECT test_effects();

-- --------------------------------------------------------------- sub_flows
CALL test_run(sub_flow('test child', name => 's') ~> step('z', 'SELECT $1 -> ''steps'' AS steps'), '{"whole": true}');
SELECT start_flow(sub_flow('test child', payload => '{"v": "$.input.q"}', name => 's'), '{"q": 5}', tenant => 'sub', trace => 'tr') AS run \gset
SELECT * FROM test_ended(:run);
SELECT c.flow, c.status, c.input, c.parent_run = :run AS mine, c.parent_step, c.tenant, c.trace FROM flow_runs c WHERE parent_run = :run;
SELECT test_effects();
SELECT create_flow('test bad', test_s('c1') ~> test_bad('c2'));
CALL test_run(sub_flow('test bad', name => 's') ~> test_s('z'));
CALL test_run(sub_flow('test bad', name => 's', on_failure => 'continue') ~> test_s('z'));
CALL test_run(each('[1, 2]', sub_flow('test child', payload => '{"v": "$.item"}', name => 's')));
SELECT test_effects_sorted();
-- unknown, when the flow is made and when it runs
SELECT test.short_error_of($$SELECT start_flow(sub_flow('test none'))$$);
SELECT create_flow('test gone', test_s('a'));
SELECT create_flow('test parent', sub_flow('test gone', name => 's'));
SELECT drop_flow('test gone');
SELECT start_flow('test parent') AS run \gset
SELECT * FROM test_ended(:run);
-- a version of it
SELECT create_flow('test child', test_s('newer'));
CALL test_run(sub_flow('test child', version => 1, name => 's'));
CALL test_run(sub_flow('test child', name => 's'));
SELECT test_effects();
-- one that runs itself comes to an end
SELECT create_flow('test deep', test_s('a'));
SELECT create_flow('test deep', sub_flow('test deep', name => 's'));
SELECT start_flow('test deep') AS run \gset
SELECT * FROM test_ended(:run);
SELECT status, count(*) FROM flow_runs WHERE flow = 'test deep' GROUP BY 1;
-- too late
SELECT create_flow('test slow', wait_signal('never'));
SELECT start_flow(sub_flow('test slow', timeout => '50 ms', name => 's') ~> test_s('z')) AS run \gset
SELECT * FROM test_ended(:run);
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- passed over: its run is aborted
SELECT start_flow(sub_flow('test slow', name => 's') ~> test_s('z')) AS run \gset
SELECT skip_step(:run, 's');
SELECT * FROM test_ended(:run);
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
SELECT test_effects();

-- ------------------------------------------------------------------- after
-- a completes, b fails, s is skipped, for b fails
CREATE FUNCTION test_joins(rule text) RETURNS flow LANGUAGE sql AS $$
	SELECT parallel(ARRAY[test_s('a'), test_bad('b'), step('s', 'SELECT 1', after => ARRAY['b'])] || array_agg(step(rule || ' ' || x, 'SELECT 1',
		after => string_to_array(x, NULL), "join" => rule, join_n => CASE rule WHEN 'n_of_m' THEN 1 END) ORDER BY x), completion => 'best_effort')
	FROM unnest(ARRAY['a', 'b', 's', 'ab', 'as', 'bs', 'abs']) x $$;
CALL test_run(test_joins('all_success'));
CALL test_run(test_joins('all_done'));
CALL test_run(test_joins('any_success'));
CALL test_run(test_joins('any_failed'));
CALL test_run(test_joins('none_failed'));
CALL test_run(test_joins('n_of_m'));
DROP FUNCTION test_joins(text);
SELECT count(*) FROM test_effect WHERE what NOT IN ('a', 'b');
TRUNCATE test_effect;
-- a diamond, and the order of its effects
CALL test_run(parallel(ARRAY[test_s('a'), step('b', 'SELECT test_did(''b'')', after => ARRAY['a']), step('c', 'SELECT test_did(''c'')', after => ARRAY['b']),
	step('d', 'SELECT $1 -> ''steps'' AS steps', after => ARRAY['c', 'a'])]));
SELECT test_effects();
-- n_of_m begins when it has enough; any_success with one
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_s('a'), test_s('b'), test_g('c'), step('two', 'SELECT 1', after => ARRAY['a', 'b', 'c'], "join" => 'n_of_m', join_n => 2),
	step('one', 'SELECT 1', after => ARRAY['a', 'c'], "join" => 'any_success'), step('all', 'SELECT 1', after => ARRAY['a', 'b', 'c'])])) AS run \gset
CALL test_reaches(:run, 'two', 'completed');
CALL test_reaches(:run, 'one', 'completed');
CALL test_reaches(:run, 'c', 'running');
SELECT step, status, waiting_for FROM flow_steps WHERE run_id = :run AND step IN ('c', 'all') ORDER BY step_id;
SELECT test_open();
SELECT * FROM test_ended(:run);
-- those that wait take no place of those that run
CALL test_run(parallel(ARRAY[step('c', 'SELECT test_did(''c'')', after => ARRAY['b']), step('b', 'SELECT test_did(''b'')', after => ARRAY['a']), test_s('a')], concurrency => 1));
SELECT test_effects_sorted();
-- across chains of one block
CALL test_run((test_s('a') ~> test_s('b')) & (test_s('c') ~> step('d', 'SELECT test_did(''d'')', after => ARRAY['b'])));
SELECT test_effects() ~ 'b.*d' AS d_after_b;

-- ---------------------------------------------------------------- timeouts
SELECT test_close();
CALL test_run(step('a', 'SELECT pg_advisory_xact_lock_shared(74)', timeout => '50 ms', retry => retry_policy(1)) ~> test_s('b'));
CALL test_run(chain(ARRAY[test_s('a'), test_g('b'), test_s('c')], timeout => '1 s', name => 'ch') ~> test_s('d'));
CALL test_run(parallel(ARRAY[test_s('a'), test_g('b')], timeout => '1 s', name => 'p') ~> test_s('d'));
CALL test_run(race(ARRAY[test_g('a'), wait_signal('never', name => 'w')], timeout => '50 ms', on_failure => 'continue', name => 'r') ~> test_s('d'));
CALL test_run(each('[1, 2]', test_g('a'), timeout => '50 ms', name => 'e') ~> test_s('d'));
CALL test_run(loop(test_s('a') ~> jadugar.sleep('1 h'), 'true', timeout => '1 s', name => 'l') ~> test_s('d'));
CALL test_run(loop(test_s('a'), 'true', delay => '1 h', timeout => '1 s', name => 'l') ~> test_s('d'));
CALL test_run(branch('true', test_g('a'), timeout => '50 ms', name => 'b') ~> test_s('d'));
-- of the whole run
SELECT start_flow(test_s('a') ~> test_g('b') ~> test_s('c'), timeout => '1 s') AS run \gset
SELECT * FROM test_ended(:run);
SELECT test_open();
SELECT test_effects();

-- leave nothing behind
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
SELECT drop_handler('test.reserve');
SELECT drop_queue('test_flows_q');
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT kind, name, seen FROM jadugar_internal.flow_message;
DELETE FROM jadugar_internal.flow_message;
DELETE FROM jadugar_internal.flow_step;
DELETE FROM jadugar_internal.flow_run;
DELETE FROM jadugar_internal.flow_version;
CALL test.drop_roles('test_flows', 'test_flows_other', 'test_flows_boss', 'test_flows_bosses');
