-- Flows that fail: what on_failure says, compensation in reverse order and
-- once each, and what is left where that is not possible.
\i test/include/helpers.sql
CALL test.create_role('test_failure');
ALTER ROLE test_failure SET search_path = public, jadugar;
GRANT CREATE ON SCHEMA public TO test_failure;
SET search_path = public, jadugar;
SET SESSION AUTHORIZATION test_failure;
SELECT scale_workers(4);
-- the books: each step adds, its compensation takes away
CREATE TABLE test_effect (n bigint GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION test_did(what text) RETURNS text LANGUAGE sql AS
	'INSERT INTO public.test_effect (what) VALUES ($1) RETURNING what';
-- a step with a compensation that notes what it is given
CREATE FUNCTION test_s(name text, pivot boolean DEFAULT NULL, on_failure text DEFAULT NULL) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT public.test_did(%L) AS did', name), compensate => format('SELECT public.test_did(%L || $1::text)', 'undo ' || name),
		pivot => pivot, on_failure => on_failure) $$;
-- one that fails, and would have to be compensated if it had not
CREATE FUNCTION test_bad(name text, on_failure text DEFAULT NULL) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT 1 / (length(public.test_did(%L)) * 0)', name), compensate => format('SELECT public.test_did(%L)', 'undo ' || name),
		on_failure => on_failure) $$;
-- one that waits until test_open() has been called
CREATE FUNCTION test_g(name text) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT public.test_did(%L) AS did FROM pg_advisory_xact_lock_shared(75)', name),
		compensate => format('SELECT public.test_did(%L || $1::text)', 'undo ' || name), isolate => true) $$;
CREATE FUNCTION test_close() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(75)';
CREATE FUNCTION test_open() RETURNS boolean LANGUAGE sql AS 'SELECT pg_advisory_unlock(75)';
CREATE FUNCTION test_effects() RETURNS text LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM public.test_effect RETURNING n, what) SELECT string_agg(what, ', ' ORDER BY n) FROM gone $$;
CREATE FUNCTION test_steps(run bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(s.step, '[' || s.item || ']', ' ', s.status, ' (' || nullif(s.reason, 'cancelled') || ')'), ', ' ORDER BY s.node, s.item, s.step_id)
	FROM jadugar.flow_steps s WHERE s.run_id = run AND s.step !~ '#' $$;
CREATE FUNCTION test_ended(run bigint, OUT status text, OUT result jsonb, OUT error text, OUT reason text, OUT steps text)
LANGUAGE sql VOLATILE AS $$
	SELECT w.status, w.result, concat_ws(': ', coalesce(w.error ->> 'code', w.error ->> 'sqlstate'), w.error ->> 'message', w.error ->> 'detail'), w.reason,
		public.test_steps(run)
	FROM jadugar.wait_flow(run, '30 s') w $$;
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
CREATE PROCEDURE test_reaches(run bigint, step text, what text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.flow_steps s WHERE s.run_id = %s AND s.step = %L AND %L IN (s.status, split_part(s.waiting_for, '':'', 1)))',
		run, step, what));
END
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO PUBLIC;

-- -------------------------------------------------------------- on_failure
-- stop: reverse order, what has completed only, each given its own result
CALL test_run(test_s('a') ~> test_s('b') ~> test_s('c') ~> test_bad('d') ~> test_s('e'));
SELECT test_effects();
-- nothing to undo: it has failed
CALL test_run(test_bad('a') ~> test_s('b'));
CALL test_run(step('a', 'SELECT test_did(''a'')') ~> test_bad('b'));
SELECT test_effects();
-- continue: nothing is undone, whatever comes later is
CALL test_run(test_s('a') ~> test_bad('b', 'continue') ~> test_s('c'));
CALL test_run(test_s('a') ~> test_bad('b', 'continue') ~> test_s('c') ~> test_bad('d'));
SELECT test_effects();
-- a failure that a group makes good: nothing is undone
CALL test_run(test_s('a') ~> parallel(ARRAY[test_bad('b'), test_s('c')], completion => 'best_effort') ~> test_s('d'));
SELECT test_effects();
-- compensate: the run fails at once, whatever the groups around it
CALL test_run(test_s('a') ~> parallel(ARRAY[test_bad('b', 'compensate'), wait_signal('never', name => 'w')], completion => 'best_effort', on_failure => 'continue') ~> test_s('d'));
CALL test_run(test_s('a') ~> loop(parallel(ARRAY[test_s('b') ~> test_bad('c', 'compensate')], completion => 'best_effort'), 'true'));
SELECT test_effects();
-- a container's own
CALL test_run(test_s('a') ~> chain(ARRAY[test_s('b'), test_bad('c')], on_failure => 'continue') ~> test_s('d'));
CALL test_run(test_s('a') ~> parallel(ARRAY[chain(ARRAY[test_s('b'), test_bad('c')], on_failure => 'compensate', name => 'ch'), wait_signal('never', name => 'w')],
	completion => 'any'));
SELECT test_effects();

-- ------------------------------------------------------ order, and results
-- completion decides, not the place in the graph
SELECT test_close();
SELECT start_flow((test_g('a') & test_s('b')) ~> test_s('c') ~> test_bad('d')) AS run \gset
CALL test_reaches(:run, 'b', 'completed');
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT step, status, attempt, final, result FROM history WHERE flow_run = :run ORDER BY attempt_id;
-- a result of one column, of several, of none; a payload of its own
CALL test_run(step('one', $$SELECT '{"k": 1}'::jsonb$$, compensate => $$SELECT test_did('one ' || $1::text)$$)
	~> step('two', 'SELECT 1 AS x, 2 AS y', compensate => $$SELECT test_did('two ' || $1::text)$$)
	~> step('none', 'SELECT 1 WHERE false', compensate => $$SELECT test_did('none ' || $1::text)$$)
	~> step('mapped', 'SELECT $1 ->> ''q'' AS q', payload => '{"q": "$.input.q"}', compensate_with => step('undo', $$SELECT test_did('mapped ' || $1::text)$$,
		payload => '{"result": "$.result", "input": "$.input.q", "two": "$.steps.two.y", "text": "$$x"}'))
	~> test_bad('z'), '{"q": 5}');
SELECT test_effects();
-- compensate_with a handler
CREATE TYPE test_refund AS (did text);
CREATE FUNCTION test_refund(r test_refund) RETURNS void LANGUAGE sql AS $$ SELECT public.test_did('refund of ' || r.did) $$;
SELECT register_handler('test.refund', 'public.test_refund');
CALL test_run(step('a', 'SELECT test_did(''a'') AS did', compensate_with => step('undo', 'test.refund')) ~> test_bad('z'));
SELECT test_effects();
SELECT drop_handler('test.refund');

-- --------------------------------------- compensations that fail, retries
CREATE SEQUENCE test_seq;
SELECT start_flow(test_s('a') ~> step('b', 'SELECT test_did(''b'')', compensate => 'SELECT test_did(''undo b''), 1 / (nextval(''test_seq'') / 3) AS third',
	compensate_retry => retry_policy(5, delay => '1 ms', retry_on => ARRAY['22012'])) ~> test_bad('z')) AS run \gset
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT attempt, status, final FROM history WHERE flow_run = :run AND step = 'b' ORDER BY attempt_id;
DROP SEQUENCE test_seq;
-- one fails for good: the others are made all the same; what is left is told
CREATE TABLE test_switch (working boolean);
INSERT INTO test_switch VALUES (false);
CREATE FUNCTION test_stuck() RETURNS flow LANGUAGE sql AS $$
	SELECT test_s('a') ~> step('b', 'SELECT test_did(''b'')', compensate => 'SELECT test_did(''undo b''), 1 / working::integer FROM test_switch') ~> test_s('c') ~> test_bad('z') $$;
SELECT start_flow(test_stuck()) AS run \gset
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT step, status, reason, error ->> 'message' AS error FROM flow_steps WHERE run_id = :run AND status = 'compensation_failed';
SELECT test.short_error_of(format('SELECT retry_step(%s, ''z'')', :run)), test.short_error_of(format('SELECT skip_step(%s, ''a'')', :run)),
	test.short_error_of(format('SELECT retry_step(%s, ''a'')', :run)), test.short_error_of(format('SELECT pause_flow(%s)', :run));
-- again in vain, then not
SELECT retry_step(:run, 'b');
CALL test.wait_until(format($$(SELECT count(*) = 3 FROM history WHERE flow_run = %s AND step = 'b')$$, :run));
SELECT status, steps FROM test_ended(:run);
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'b');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test_ended(:run);
SELECT test_effects();
-- or it is taken as done
UPDATE test_switch SET working = false;
SELECT start_flow(test_stuck()) AS run \gset
SELECT status FROM test_ended(:run);
SELECT skip_step(:run, 'b');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test_ended(:run);
SELECT test_effects();
DROP FUNCTION test_stuck();
DROP TABLE test_switch;

-- ------------------------------------------------------------------- pivot
CALL test_run(test_s('a') ~> test_s('b', pivot => true) ~> test_s('c') ~> test_bad('d'));
SELECT test_effects();
-- one that has not completed is none
CALL test_run(test_s('a') ~> step('b', 'SELECT 1/0', pivot => true));
SELECT test_effects();

-- ------------------------------------------------------- abort and timeout
SELECT test_close();
-- what sleeps is stopped, what has completed is undone, what was to come is skipped
SELECT start_flow(test_s('a') ~> test_g('b') ~> test_s('c')) AS run \gset
CALL test_reaches(:run, 'b', 'running');
SELECT abort_flow(:run);
SELECT * FROM test_ended(:run);
SELECT abort_flow(:run), test_effects();
-- killed: nothing is undone
SELECT start_flow(test_s('a') ~> test_g('b') ~> test_s('c')) AS run \gset
CALL test_reaches(:run, 'b', 'running');
SELECT abort_flow(:run, mode => 'kill');
SELECT * FROM test_ended(:run);
SELECT test_effects();
-- of a run that is being undone: kill ends that
SELECT start_flow(test_s('a') ~> step('b', 'SELECT test_did(''b'')', compensate => 'SELECT test_did(''undo b'') FROM pg_advisory_xact_lock_shared(75)') ~> test_bad('c')) AS run \gset
CALL test_reaches(:run, 'b', 'compensating');
SELECT status FROM flow_runs WHERE run_id = :run;
SELECT abort_flow(:run);
SELECT abort_flow(:run, mode => 'kill');
RESET SESSION AUTHORIZATION;
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar_internal.flow_message WHERE NOT seen)');
SET SESSION AUTHORIZATION test_failure;
SELECT test_open();
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT test_close();
-- waits
SELECT start_flow(test_s('a') ~> (wait_signal('never', name => 'w') & approval('boss') & jadugar.sleep('1 h', name => 'zzz') & wait_event('test.never', name => 'e'))) AS run \gset
CALL test_reaches(:run, 'e', 'event');
SELECT abort_flow(:run);
SELECT * FROM test_ended(:run);
-- the time of the run is over
SELECT start_flow(test_s('a') ~> wait_signal('never', name => 'w') ~> test_s('c'), timeout => '1 s') AS run \gset
SELECT * FROM test_ended(:run);
-- and of a step, with a container that fails
CALL test_run(test_s('a') ~> step('b', 'SELECT pg_advisory_xact_lock_shared(75)', timeout => '50 ms', retry => retry_policy(1)));
SELECT test_open();
TRUNCATE test_effect;
-- one that is retried is not waited for
SELECT start_flow(test_s('a') ~> step('b', 'SELECT 1/0', retry => retry_policy(5, delay => '1 h', retry_on => ARRAY['22012']))) AS run \gset
CALL test_reaches(:run, 'b', 'scheduled');
SELECT abort_flow(:run);
SELECT * FROM test_ended(:run);
SELECT test_effects();

-- ------------------------------------------------- in groups, items, passes
CALL test_run(parallel(ARRAY[test_s('a'), test_s('b'), step('c', 'SELECT 1/0', after => ARRAY['a', 'b'])]));
SELECT count(*), count(DISTINCT what) FROM test_effect;
TRUNCATE test_effect;
CALL test_run(each('[1, 2, 3]', step('x', 'SELECT test_did(''item '' || ($1 ->> ''item'')) AS did', compensate => 'SELECT test_did(''undo '' || ($1 ->> ''did''))'), concurrency => 1)
	~> test_bad('z'));
SELECT test_effects();
CALL test_run(each('[1, 2, 0, 3]', step('x', 'SELECT test_did(''item '' || ($1 ->> ''item'')) AS did, 1 / ($1 ->> ''item'')::integer',
	compensate => 'SELECT test_did(''undo '' || ($1 ->> ''did''))'), concurrency => 1));
SELECT test_effects();
CALL test_run(loop(test_s('a') ~> step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n', compensate => 'SELECT test_did(''undo '' || ($1 ->> ''n''))'), '$.steps.n.n < 3')
	~> test_bad('z'));
SELECT test_effects();
-- a race: only the winner has completed
SELECT test_close();
CALL test_run((test_s('fast') | test_g('slow')) ~> test_bad('z'));
SELECT test_open();
SELECT test_effects();
-- what the rest of a decided group has done is undone too
SELECT test_close();
SELECT start_flow(parallel(ARRAY[test_s('a'), test_g('b')], completion => 'any', rest => 'run') ~> wait_signal('go') ~> test_bad('z')) AS run \gset
CALL test_reaches(:run, 'b', 'running');
SELECT test_open();
CALL test_reaches(:run, 'b', 'completed');
SELECT signal(:run, 'go');
SELECT * FROM test_ended(:run);
SELECT test_effects();

-- --------------------------------------------------------------- sub_flows
SELECT create_flow('test child', test_s('c1') ~> test_s('c2'));
SELECT create_flow('test bad child', test_s('c1') ~> test_bad('c2'));
-- one that has completed is undone with its parent, in its place
SELECT start_flow(test_s('a') ~> sub_flow('test child', name => 's') ~> test_s('b') ~> test_bad('z')) AS run \gset
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- one that fails has undone its own
CALL test_run(test_s('a') ~> sub_flow('test bad child', name => 's'));
SELECT test_effects();
-- one with a compensation of its own: that, not its steps'
CALL test_run(sub_flow('test child', name => 's', compensate => 'SELECT test_did(''undo s '' || $1::text)') ~> test_bad('z'));
SELECT test_effects();
-- under way when its parent is aborted
SELECT create_flow('test waiting child', test_s('c1') ~> wait_signal('never'));
SELECT start_flow(test_s('a') ~> sub_flow('test waiting child', name => 's')) AS run \gset
CALL test.wait_until(format($$EXISTS (SELECT FROM flow_runs r JOIN flow_steps s USING (run_id) WHERE r.parent_run = %s AND s.waiting_for = 'signal:never')$$, :run));
SELECT abort_flow(:run);
SELECT * FROM test_ended(:run);
SELECT test_effects();
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- its time is over
CALL test_run(test_s('a') ~> sub_flow('test waiting child', timeout => '1 s', name => 's', on_failure => 'continue') ~> test_s('b'));
SELECT test_effects();
-- twice removed
SELECT create_flow('test grandparent', sub_flow('test child', name => 'inner') ~> test_s('g'));
CALL test_run(sub_flow('test grandparent', name => 'outer') ~> test_bad('z'));
SELECT test_effects();

-- ----------------------------------------- a privilege that is lost midway
RESET SESSION AUTHORIZATION;
CREATE SCHEMA test_stock;
CREATE TABLE test_stock.item (name text, n integer);
INSERT INTO test_stock.item VALUES ('nut', 10), ('bolt', 10);
CREATE TABLE test_stock.bolts AS SELECT 10 AS n;
GRANT USAGE ON SCHEMA test_stock TO test_failure;
GRANT SELECT, UPDATE ON test_stock.item, test_stock.bolts TO test_failure;
SET SESSION AUTHORIZATION test_failure;
SELECT start_flow(step('nuts', $$UPDATE test_stock.item SET n = n - 1 WHERE name = 'nut'$$, compensate => $$UPDATE test_stock.item SET n = n + 1 WHERE name = 'nut'$$)
	~> step('bolts', 'UPDATE test_stock.bolts SET n = n - 1', compensate => 'UPDATE test_stock.bolts SET n = n + 1')
	~> wait_signal('go', name => 'w') ~> step('more', 'UPDATE test_stock.bolts SET n = n - 1')) AS run \gset
CALL test_reaches(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
REVOKE UPDATE ON test_stock.bolts FROM test_failure;
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test_ended(:run);
-- the nuts are back, the bolts are not, and it says so
SELECT (SELECT n FROM test_stock.item WHERE name = 'nut') AS nuts, (SELECT n FROM test_stock.bolts) AS bolts;
SELECT step, status, reason, error ->> 'message' AS error FROM flow_steps WHERE run_id = :run AND error IS NOT NULL ORDER BY step_id;
-- given back, it can be finished by hand
RESET SESSION AUTHORIZATION;
GRANT UPDATE ON test_stock.bolts TO test_failure;
SET SESSION AUTHORIZATION test_failure;
SELECT retry_step(:run, 'bolts');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test_ended(:run);
SELECT n FROM test_stock.bolts;
-- the queue of a step
RESET SESSION AUTHORIZATION;
SELECT create_queue('test_failure_q') > 0 AS made;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT start_flow(test_s('a') ~> wait_signal('go', name => 'w') ~> step('q', 'SELECT 1', queue => 'test_failure_q')) AS run \gset
CALL test_reaches(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
SELECT revoke_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test_ended(:run);
SELECT test_effects();
RESET SESSION AUTHORIZATION;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT start_flow(test_s('a') ~> wait_signal('go', name => 'w') ~> step('q', 'SELECT 1', queue => 'test_failure_q')) AS run \gset
CALL test_reaches(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test_ended(:run);
SELECT test_effects();
-- its handler
CREATE FUNCTION test_nothing() RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT register_handler('test.nothing', 'public.test_nothing');
SELECT start_flow(test_s('a') ~> wait_signal('go', name => 'w') ~> step('h', 'test.nothing')) AS run \gset
CALL test_reaches(:run, 'w', 'signal');
SELECT drop_handler('test.nothing');
SELECT signal(:run, 'go');
SELECT * FROM test_ended(:run);
SELECT test_effects();

-- leave nothing behind
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT count(*) FROM tasks;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT count(*) FROM jadugar_internal.flow_message;
DELETE FROM jadugar_internal.flow_step;
DELETE FROM jadugar_internal.flow_run;
DELETE FROM jadugar_internal.flow_version;
DROP SCHEMA test_stock CASCADE;
CALL test.drop_roles('test_failure');
