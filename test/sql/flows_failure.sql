-- Flows that fail: on_failure, compensation in reverse order and exactly once, and
-- compensation that is not possible.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_failure');
ALTER ROLE test_failure SET search_path = public, jadugar;
GRANT CREATE ON SCHEMA public TO test_failure;
SET search_path = public, jadugar;
SET SESSION AUTHORIZATION test_failure;
SELECT scale_workers(4);
-- a step whose compensation notes its payload
CREATE FUNCTION test_undoable(name text, pivot boolean DEFAULT NULL, on_failure text DEFAULT NULL) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT test.note(%L) AS did', name), compensate => format('SELECT test.note(%L || $1::text)', 'undo ' || name),
		pivot => pivot, on_failure => on_failure) $$;
-- a step that fails, and has a compensation
CREATE FUNCTION test_failing(name text, on_failure text DEFAULT NULL) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT 1 / (length(test.note(%L)) * 0)', name), compensate => format('SELECT test.note(%L)', 'undo ' || name),
		on_failure => on_failure) $$;
-- a step that waits at the gate
CREATE FUNCTION test_gated(name text) RETURNS flow LANGUAGE sql AS $$
	SELECT step(name, format('SELECT test.note(%L) AS did FROM pg_advisory_xact_lock_shared(74)', name),
		compensate => format('SELECT test.note(%L || $1::text)', 'undo ' || name), isolate => true) $$;

-- -------------------------------------------------------------- on_failure
-- stop: completed steps are undone in reverse order, each with its own result
CALL test.run_flow(test_undoable('a') ~> test_undoable('b') ~> test_undoable('c') ~> test_failing('d') ~> test_undoable('e'));
SELECT test.effects();
-- nothing to undo, because the first step failed
CALL test.run_flow(test_failing('a') ~> test_undoable('b'));
CALL test.run_flow(step('a', 'SELECT test.note(''a'')') ~> test_failing('b'));
SELECT test.effects();
-- continue: nothing is undone until a later step fails
CALL test.run_flow(test_undoable('a') ~> test_failing('b', 'continue') ~> test_undoable('c'));
CALL test.run_flow(test_undoable('a') ~> test_failing('b', 'continue') ~> test_undoable('c') ~> test_failing('d'));
SELECT test.effects();
-- a group that tolerates the failure: nothing is undone
CALL test.run_flow(test_undoable('a') ~> parallel(ARRAY[test_failing('b'), test_undoable('c')], completion => 'best_effort') ~> test_undoable('d'));
SELECT test.effects();
-- compensate: the run fails immediately, in any group
CALL test.run_flow(test_undoable('a') ~> parallel(ARRAY[test_failing('b', 'compensate'), wait_signal('never', name => 'w')], completion => 'best_effort', on_failure => 'continue') ~> test_undoable('d'));
CALL test.run_flow(test_undoable('a') ~> loop(parallel(ARRAY[test_undoable('b') ~> test_failing('c', 'compensate')], completion => 'best_effort'), 'true'));
SELECT test.effects();
-- on_failure of a container
CALL test.run_flow(test_undoable('a') ~> chain(ARRAY[test_undoable('b'), test_failing('c')], on_failure => 'continue') ~> test_undoable('d'));
CALL test.run_flow(test_undoable('a') ~> parallel(ARRAY[chain(ARRAY[test_undoable('b'), test_failing('c')], on_failure => 'compensate', name => 'ch'), wait_signal('never', name => 'w')],
	completion => 'any'));
SELECT test.effects();

-- ------------------------------------------------------ order, and results
-- steps are undone in the order of their completion, not of the graph
SELECT test.close_gate();
SELECT start_flow((test_gated('a') & test_undoable('b')) ~> test_undoable('c') ~> test_failing('d')) AS run \gset
CALL test.wait_for_step(:run, 'b', 'completed');
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT step, status, attempt, final, result FROM history WHERE flow_run = :run ORDER BY attempt_id;
-- results of one column, of several, of none; a payload
CALL test.run_flow(step('one', $$SELECT '{"k": 1}'::jsonb$$, compensate => $$SELECT test.note('one ' || $1::text)$$)
	~> step('two', 'SELECT 1 AS x, 2 AS y', compensate => $$SELECT test.note('two ' || $1::text)$$)
	~> step('none', 'SELECT 1 WHERE false', compensate => $$SELECT test.note('none ' || $1::text)$$)
	~> step('mapped', 'SELECT $1 ->> ''q'' AS q', payload => '{"q": "$.input.q"}', compensate_with => step('undo', $$SELECT test.note('mapped ' || $1::text)$$,
		payload => '{"result": "$.result", "input": "$.input.q", "two": "$.steps.two.y", "text": "$$x"}'))
	~> test_failing('z'), '{"q": 5}');
SELECT test.effects();
-- compensate_with a handler
CREATE TYPE test_refund AS (did text);
CREATE FUNCTION test_refund(r test_refund) RETURNS void LANGUAGE sql AS $$ SELECT test.note('refund of ' || r.did) $$;
SELECT register_handler('test.refund', 'public.test_refund');
CALL test.run_flow(step('a', 'SELECT test.note(''a'') AS did', compensate_with => step('undo', 'test.refund')) ~> test_failing('z'));
SELECT test.effects();
SELECT drop_handler('test.refund');

-- --------------------------------------- compensations that fail, retries
CREATE SEQUENCE test_seq;
SELECT start_flow(test_undoable('a') ~> step('b', 'SELECT test.note(''b'')', compensate => 'SELECT test.note(''undo b''), 1 / (nextval(''test_seq'') / 3) AS third',
	compensate_retry => retry_policy(5, delay => '1 ms', retry_on => ARRAY['22012'])) ~> test_failing('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT attempt, status, final FROM history WHERE flow_run = :run AND step = 'b' ORDER BY attempt_id;
DROP SEQUENCE test_seq;
-- a compensation fails permanently: the others run, and the status shows it
CREATE TABLE test_switch (working boolean);
INSERT INTO test_switch VALUES (false);
CREATE FUNCTION test_stuck_flow() RETURNS flow LANGUAGE sql AS $$
	SELECT test_undoable('a') ~> step('b', 'SELECT test.note(''b'')', compensate => 'SELECT test.note(''undo b''), 1 / working::integer FROM test_switch') ~> test_undoable('c') ~> test_failing('z') $$;
SELECT start_flow(test_stuck_flow()) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT step, status, reason, error ->> 'message' AS error FROM flow_steps WHERE run_id = :run AND status = 'compensation_failed';
SELECT test.short_error_of(format('SELECT retry_step(%s, ''z'')', :run)), test.short_error_of(format('SELECT skip_step(%s, ''a'')', :run)),
	test.short_error_of(format('SELECT retry_step(%s, ''a'')', :run)), test.short_error_of(format('SELECT pause_flow(%s)', :run));
-- a retry that fails, then one that succeeds
SELECT retry_step(:run, 'b');
CALL test.wait_until(format($$(SELECT count(*) = 3 FROM history WHERE flow_run = %s AND step = 'b')$$, :run));
SELECT status, steps FROM test.end_of(:run);
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'b');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- the step counts as undone
UPDATE test_switch SET working = false;
SELECT start_flow(test_stuck_flow()) AS run \gset
SELECT status FROM test.end_of(:run);
SELECT skip_step(:run, 'b');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test.end_of(:run);
SELECT test.effects();
DROP FUNCTION test_stuck_flow();
DROP TABLE test_switch;

-- ------------------------------------------------------------------- pivot
CALL test.run_flow(test_undoable('a') ~> test_undoable('b', pivot => true) ~> test_undoable('c') ~> test_failing('d'));
SELECT test.effects();
-- a failed step is no pivot
CALL test.run_flow(test_undoable('a') ~> step('b', 'SELECT 1/0', pivot => true));
SELECT test.effects();

-- ------------------------------------------------------- abort and timeout
SELECT test.close_gate();
-- the running step is stopped, completed steps are undone, later steps are skipped
SELECT start_flow(test_undoable('a') ~> test_gated('b') ~> test_undoable('c')) AS run \gset
CALL test.wait_for_step(:run, 'b', 'running');
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT abort_flow(:run), test.effects();
-- killed: nothing is undone
SELECT start_flow(test_undoable('a') ~> test_gated('b') ~> test_undoable('c')) AS run \gset
CALL test.wait_for_step(:run, 'b', 'running');
SELECT abort_flow(:run, mode => 'kill');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- killed during compensation: no further step is undone
SELECT start_flow(test_undoable('a') ~> step('b', 'SELECT test.note(''b'')', compensate => 'SELECT test.note(''undo b'') FROM pg_advisory_xact_lock_shared(74)') ~> test_failing('c')) AS run \gset
CALL test.wait_for_step(:run, 'b', 'compensating');
SELECT status FROM flow_runs WHERE run_id = :run;
SELECT abort_flow(:run);
SELECT abort_flow(:run, mode => 'kill');
RESET SESSION AUTHORIZATION;
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar_internal.flow_message WHERE NOT seen)');
SET SESSION AUTHORIZATION test_failure;
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT test.close_gate();
-- waits
SELECT start_flow(test_undoable('a') ~> (wait_signal('never', name => 'w') & approval('boss') & jadugar.sleep('1 h', name => 'zzz') & wait_event('test.never', name => 'e'))) AS run \gset
CALL test.wait_for_step(:run, 'e', 'event');
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
-- the run times out
SELECT start_flow(test_undoable('a') ~> wait_signal('never', name => 'w') ~> test_undoable('c'), timeout => '1 s') AS run \gset
SELECT * FROM test.end_of(:run);
-- a step times out, and its container fails
CALL test.run_flow(test_undoable('a') ~> step('b', 'SELECT pg_advisory_xact_lock_shared(74)', timeout => '50 ms', retry => retry_policy(1)));
SELECT test.open_gate();
TRUNCATE test.effect;
-- a step that waits for a retry is cancelled
SELECT start_flow(test_undoable('a') ~> step('b', 'SELECT 1/0', retry => retry_policy(5, delay => '1 h', retry_on => ARRAY['22012']))) AS run \gset
CALL test.wait_for_step(:run, 'b', 'scheduled');
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();

-- ------------------------------------------------- in groups, items, passes
CALL test.run_flow(parallel(ARRAY[test_undoable('a'), test_undoable('b'), step('c', 'SELECT 1/0', after => ARRAY['a', 'b'])]));
SELECT count(*), count(DISTINCT name) FROM test.effect;
TRUNCATE test.effect;
CALL test.run_flow(each('[1, 2, 3]', step('x', 'SELECT test.note(''item '' || ($1 ->> ''item'')) AS did', compensate => 'SELECT test.note(''undo '' || ($1 ->> ''did''))'), concurrency => 1)
	~> test_failing('z'));
SELECT test.effects();
CALL test.run_flow(each('[1, 2, 0, 3]', step('x', 'SELECT test.note(''item '' || ($1 ->> ''item'')) AS did, 1 / ($1 ->> ''item'')::integer',
	compensate => 'SELECT test.note(''undo '' || ($1 ->> ''did''))'), concurrency => 1));
SELECT test.effects();
CALL test.run_flow(loop(test_undoable('a') ~> step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n', compensate => 'SELECT test.note(''undo '' || ($1 ->> ''n''))'), '$.steps.n.n < 3')
	~> test_failing('z'));
SELECT test.effects();
-- a race: only the winner has completed
SELECT test.close_gate();
CALL test.run_flow((test_undoable('fast') | test_gated('slow')) ~> test_failing('z'));
SELECT test.open_gate();
SELECT test.effects();
-- rest => 'run': steps that complete later are undone too
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test_undoable('a'), test_gated('b')], completion => 'any', rest => 'run') ~> wait_signal('go') ~> test_failing('z')) AS run \gset
CALL test.wait_for_step(:run, 'a', 'completed');
CALL test.wait_for_step(:run, 'b', 'running');
SELECT test.open_gate();
CALL test.wait_for_step(:run, 'b', 'completed');
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects();

-- --------------------------------------------------------------- sub_flows
SELECT create_flow('test child', test_undoable('c1') ~> test_undoable('c2'));
SELECT create_flow('test bad child', test_undoable('c1') ~> test_failing('c2'));
-- a completed sub_flow is undone with its parent, in its order
SELECT start_flow(test_undoable('a') ~> sub_flow('test child', name => 's') ~> test_undoable('b') ~> test_failing('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- a failed sub_flow has undone its own steps
CALL test.run_flow(test_undoable('a') ~> sub_flow('test bad child', name => 's'));
SELECT test.effects();
-- a sub_flow with a compensation: its steps are not undone
CALL test.run_flow(sub_flow('test child', name => 's', compensate => 'SELECT test.note(''undo s '' || $1::text)') ~> test_failing('z'));
SELECT test.effects();
-- running when its parent is aborted
SELECT create_flow('test waiting child', test_undoable('c1') ~> wait_signal('never'));
SELECT start_flow(test_undoable('a') ~> sub_flow('test waiting child', name => 's')) AS run \gset
CALL test.wait_until(format($$EXISTS (SELECT FROM flow_runs r JOIN flow_steps s USING (run_id) WHERE r.parent_run = %s AND s.waiting_for = 'signal:never')$$, :run));
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();
SELECT status, reason FROM flow_runs WHERE parent_run = :run;
-- a sub_flow that times out
CALL test.run_flow(test_undoable('a') ~> sub_flow('test waiting child', timeout => '1 s', name => 's', on_failure => 'continue') ~> test_undoable('b'));
SELECT test.effects();
-- in two levels
SELECT create_flow('test grandparent', sub_flow('test child', name => 'inner') ~> test_undoable('g'));
CALL test.run_flow(sub_flow('test grandparent', name => 'outer') ~> test_failing('z'));
SELECT test.effects();

-- ------------------------------ a privilege that is revoked during the run
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
CALL test.wait_for_step(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
REVOKE UPDATE ON test_stock.bolts FROM test_failure;
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
-- the nuts are undone, the bolts are not, and the status shows it
SELECT (SELECT n FROM test_stock.item WHERE name = 'nut') AS nuts, (SELECT n FROM test_stock.bolts) AS bolts;
SELECT step, status, reason, error ->> 'message' AS error FROM flow_steps WHERE run_id = :run AND error IS NOT NULL ORDER BY step_id;
-- after a grant, the run can be finished manually
RESET SESSION AUTHORIZATION;
GRANT UPDATE ON test_stock.bolts TO test_failure;
SET SESSION AUTHORIZATION test_failure;
SELECT retry_step(:run, 'bolts');
CALL test.wait_until(format($$(flow_status(%s)).status = 'compensated'$$, :run));
SELECT * FROM test.end_of(:run);
SELECT n FROM test_stock.bolts;
-- the queue of a step
RESET SESSION AUTHORIZATION;
SELECT create_queue('test_failure_q') > 0 AS made;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT start_flow(test_undoable('a') ~> wait_signal('go', name => 'w') ~> step('q', 'SELECT 1', queue => 'test_failure_q')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
SELECT revoke_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
RESET SESSION AUTHORIZATION;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
-- an unfinished run keeps the queue, but not one that has failed
CREATE SEQUENCE test_failure_try;
SELECT start_flow(test_undoable('a') ~> wait_signal('go', name => 'w') ~> step('b', 'SELECT 1 / (nextval(''test_failure_try'') - 1)')
	~> step('q', 'SELECT 1', queue => 'test_failure_q')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
CALL test.wait_until(format($$(SELECT status = 'compensated' FROM flow_runs WHERE run_id = %s)$$, :run));
ALTER SEQUENCE test_failure_try RESTART;
SELECT start_flow(step('b', 'SELECT 1 / (nextval(''test_failure_try'') - 1)') ~> step('q', 'SELECT 1', queue => 'test_failure_q')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.effects();
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT retry_step(:run, 'b');
SELECT * FROM test.end_of(:run);
-- a flow keeps it by its newest version
RESET SESSION AUTHORIZATION;
SELECT create_queue('test_failure_q') > 0 AS made;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
SELECT create_flow('test_keeps', step('q', 'SELECT 1', compensate_with => step('r', 'SELECT 1', queue => 'test_failure_q')));
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT create_flow('test_keeps', step('q', 'SELECT 1'));
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT start_flow('test_keeps', version => 1);
CALL test.run_flow(sub_flow('test_keeps', version => 1, name => 's'));
-- a queue of that name is another one: the same flow is a new version
RESET SESSION AUTHORIZATION;
SELECT create_queue('test_failure_q') > 0 AS made;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
CALL test.run_flow(step('b', 'SELECT 1') ~> step('q', 'SELECT 1', queue => 'test_failure_q'));
SELECT create_flow('test_again', step('q', 'SELECT 1 AS one', queue => 'test_failure_q'));
SELECT create_flow('test_again', step('q', 'SELECT 1 AS one', queue => 'test_failure_q'));
RESET SESSION AUTHORIZATION;
SELECT drop_flow('test_again', owner => 'test_failure');
SELECT drop_queue('test_failure_q');
SELECT create_queue('test_failure_q') > 0 AS made;
SELECT grant_queue('test_failure_q', 'test_failure', 'enqueue');
SET SESSION AUTHORIZATION test_failure;
CALL test.run_flow(step('b', 'SELECT 1') ~> step('q', 'SELECT 1', queue => 'test_failure_q'));
-- a completed sub_flow keeps it as long as it may have to be undone
SELECT create_flow('test_child', step('q', 'SELECT test.note(''q'')', compensate_with => step('r', 'SELECT test.note(''undo q'')', queue => 'test_failure_q')));
SELECT create_flow('test_middle', sub_flow('test_child'));
SELECT start_flow(sub_flow('test_middle') ~> wait_signal('go', name => 'w') ~> test_failing('b')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT drop_flow('test_child');
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
RESET SESSION AUTHORIZATION;
SELECT drop_queue('test_failure_q');
SET SESSION AUTHORIZATION test_failure;

-- its handler
CREATE FUNCTION test_nothing() RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT register_handler('test.nothing', 'public.test_nothing');
SELECT create_flow('test_named', step('h', 'test.nothing'));
SELECT start_flow(test_undoable('a') ~> wait_signal('go', name => 'w') ~> step('h', 'test.nothing')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT drop_handler('test.nothing');
SELECT drop_flow('test_named');
SELECT drop_handler('test.nothing');
-- cancel aborts the runs
SELECT drop_handler('test.nothing', pending => 'cancel');
SELECT * FROM test.end_of(:run);
SELECT ended_by FROM flow_runs WHERE run_id = :run;
SELECT test.effects();
-- a run that has failed keeps no handler
SELECT register_handler('test.nothing', 'public.test_nothing');
ALTER SEQUENCE test_failure_try RESTART;
SELECT start_flow(step('b', 'SELECT 1 / (nextval(''test_failure_try'') - 1)') ~> step('h', 'test.nothing')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT drop_handler('test.nothing');
SELECT retry_step(:run, 'b');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
DROP SEQUENCE test_failure_try;

-- clean up
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT count(*) FROM tasks;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT count(*) FROM jadugar_internal.flow_message;
CALL test.delete_runs();
DROP SCHEMA test_stock CASCADE;
CALL test.drop_roles('test_failure');
