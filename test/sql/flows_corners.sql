-- Flows in rare situations that once left a run unfinished, or with a wrong result:
-- steps that are cancelled, paused, undone or decided at an unusual moment.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_corners');
ALTER ROLE test_corners SET search_path = public, jadugar;
GRANT CREATE ON SCHEMA public TO test_corners;
SET search_path = public, jadugar;
-- the scheduler has processed all messages
CREATE FUNCTION test_messages_seen() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS
	'SELECT NOT EXISTS (SELECT FROM jadugar_internal.flow_message WHERE NOT seen)';
-- as if the clock had been set back while the run went on
CREATE FUNCTION test_clock_went_back(run bigint) RETURNS void LANGUAGE sql SECURITY DEFINER AS
	$$ UPDATE jadugar_internal.flow_step SET finished_at = finished_at - step_id * interval '1 h' WHERE run_id = run $$;
SET SESSION AUTHORIZATION test_corners;
SELECT scale_workers(4);
CREATE TABLE test_switch (working boolean);
INSERT INTO test_switch VALUES (false);
-- a step with a compensation
CREATE FUNCTION test_undoable(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT test.note(%L) AS did', name), compensate => format('SELECT test.note(%L)', 'undo ' || name)) $$;
-- a step that fails unless the switch is on
CREATE FUNCTION test_switched(name text, after text[] DEFAULT NULL) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT test.note(%L) AS did, 1 / working::integer AS ok FROM public.test_switch', name), after => after) $$;
-- a step whose compensation fails unless the switch is on, or waits at the gate
CREATE FUNCTION test_switched_undo(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT test.note(%L) AS did', name),
		compensate => format('SELECT test.note(%L), 1 / working::integer FROM public.test_switch', 'undo ' || name)) $$;
CREATE FUNCTION test_gated_undo(name text) RETURNS flow LANGUAGE sql AS
	$$ SELECT step(name, format('SELECT test.note(%L) AS did', name),
		compensate => format('SELECT test.note(%L) FROM pg_advisory_xact_lock_shared(74)', 'undo ' || name)) $$;
CREATE FUNCTION test_turn_switch(working boolean) RETURNS void LANGUAGE sql AS 'UPDATE public.test_switch SET working = $1';

-- ------------------------------------- steps that wait for cancelled steps
-- a lost race: "b" is never reached
CALL test.run_flow(parallel(ARRAY[race(ARRAY[chain(ARRAY[jadugar.sleep('1 h', name => 'a'), test.step('b')]), test.step('c')]),
	test.step('d', ARRAY['b'], 'all_done')]));
SELECT test.effects();
-- a container that times out, with an unreached group and loop
CALL test.run_flow(parallel(ARRAY[
	chain(ARRAY[wait_signal('never', name => 'a'), test.step('b') & test.step('c'), loop(test.step('e'), 'true', name => 'l'), each('[1, 2]', test.step('f'), name => 'i')],
		timeout => '50 ms', on_failure => 'continue'),
	test.step('done', ARRAY['b', 'c', 'l', 'i'], 'all_done'), test.step('none', ARRAY['l'], 'none_failed'), test.step('failed', ARRAY['a'], 'any_failed'),
	chain(ARRAY[test.step('any'), test.step('way')], after => ARRAY['b', 'failed'], "join" => 'any_success')], concurrency => 2));
SELECT test.sorted_effects();
-- a step that cannot start is skipped, and so are its successors
CALL test.run_flow(parallel(ARRAY[chain(ARRAY[wait_signal('never', name => 'a'), test.step('b')], timeout => '50 ms', on_failure => 'continue'),
	test.step('c', ARRAY['b']), test.step('d', ARRAY['c'], 'any_failed'), test.step('e', ARRAY['d'], 'all_done')]));
SELECT test.effects();
-- decided manually
SELECT start_flow(parallel(ARRAY[race(ARRAY[wait_signal('never', name => 'a') ~> test.step('b'), wait_signal('never', name => 'c') ~> test.step('d')]),
	test.step('e', ARRAY['b', 'd'], 'all_done')])) AS run \gset
CALL test.wait_for_step(:run, 'c', 'signal');
SELECT skip_step(:run, 'a');
SELECT * FROM test.end_of(:run);
SELECT test.effects();

-- --------------------------- a step that asks something of its own run
-- what follows waits for the request, also if it could run in the same commit
CREATE FUNCTION test_asks(asks text, own_xact boolean DEFAULT NULL, mode text DEFAULT NULL) RETURNS flow LANGUAGE sql AS
	$$ SELECT test_undoable('a') ~> step('guard', format('SELECT jadugar.%s((SELECT flow_run FROM jadugar.current_task()))', asks),
		isolate => own_xact, transaction => mode) ~> test.step('charge') $$;
CALL test.run_flow(test_asks('abort_flow'));
CALL test.run_flow(test_asks('abort_flow', own_xact => true));
CALL test.run_flow(test_asks('abort_flow', mode => 'serializable'));
CALL test.run_flow(test_asks('abort_flow', mode => 'standalone'));
SELECT test.effects();
SELECT start_flow(test_asks('pause_flow')) AS run \gset
CALL test.wait_for_step(:run, 'charge', 'paused');
SELECT resume_flow(:run);
SELECT * FROM test.end_of(:run);
-- a request that is rolled back is none
CALL test.run_flow(step('a', $$DO 'BEGIN PERFORM jadugar.abort_flow((SELECT flow_run FROM jadugar.current_task())); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN END'$$) ~> test.step('b'));
SELECT test.effects();

-- -------------------------------- pause, signal, resume in one transaction
SELECT start_flow(wait_signal('go', name => 'w') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
BEGIN;
SELECT pause_flow(:run), signal(:run, 'go'), resume_flow(:run);
COMMIT;
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- the successor of a signal is paused
SELECT start_flow(wait_signal('go', name => 'w') ~> (test.step('b') & test.step('c')) ~> test.step('d')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
BEGIN;
SELECT signal(:run, 'go'), pause_flow(:run);
COMMIT;
CALL test.wait_for_step(:run, 'c', 'paused');
SELECT status, test.steps_of(:run), test.effects() FROM flow_status(:run);
SELECT resume_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.sorted_effects();
-- in the opposite order
SELECT start_flow(wait_signal('go', name => 'w') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
BEGIN;
SELECT pause_flow(:run), signal(:run, 'go');
COMMIT;
CALL test.wait_for_step(:run, 'b', 'paused');
SELECT status, test.steps_of(:run), test.effects() FROM flow_status(:run);
BEGIN;
SELECT resume_flow(:run), pause_flow(:run), resume_flow(:run);
COMMIT;
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- a run of a sub_flow that has just started
SELECT create_flow('test child', test.step('c'));
SELECT start_flow(wait_signal('go', name => 'w') ~> sub_flow('test child', name => 's')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
BEGIN;
SELECT pause_flow(:run), signal(:run, 'go');
COMMIT;
CALL test.wait_until(format($$EXISTS (SELECT FROM flow_runs WHERE parent_run = %s AND status = 'paused')$$, :run));
CALL test.wait_until('test_messages_seen()');
SELECT test.steps_of(:run), test.steps_of(run_id), test.effects() FROM flow_runs WHERE parent_run = :run;
SELECT resume_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- followed by an abort
SELECT start_flow(wait_signal('go', name => 'w') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
BEGIN;
SELECT pause_flow(:run), signal(:run, 'go'), abort_flow(:run), resume_flow(:run);
COMMIT;
SELECT status, reason FROM test.end_of(:run);
SELECT test.effects();

-- in the transaction that starts the run
BEGIN;
SELECT start_flow(wait_signal('go', name => 'w') ~> test_undoable('b')) AS run \gset
SELECT signal(:run, 'go'), abort_flow(:run);
COMMIT;
SELECT status, reason FROM test.end_of(:run);
SELECT test.effects();
-- during compensation: the current one continues, the next one waits
SELECT test.close_gate();
SELECT start_flow(test_undoable('a') ~> test_gated_undo('b') ~> test.failing_step('z')) AS run \gset
CALL test.wait_for_step(:run, 'b', 'compensating');
SELECT pause_flow(:run);
CALL test.wait_until('test_messages_seen()');
SELECT test.open_gate();
CALL test.wait_for_step(:run, 'b', 'compensated');
CALL test.wait_until($$EXISTS (SELECT FROM tasks WHERE status = 'paused')$$);
SELECT status, test.steps_of(:run), test.effects() FROM flow_runs WHERE run_id = :run;
SELECT resume_flow(:run);
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects();

-- -------------------------------------------------------------- retry_step
-- steps that wait for "after" continue to wait
SELECT start_flow(parallel(ARRAY[wait_signal('go', name => 'a'), test.step('b', ARRAY['a']), test_switched('c'), test.step('d', ARRAY['c'])])) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test_turn_switch(true);
SELECT retry_step(:run, 'c');
CALL test.wait_for_step(:run, 'd', 'completed');
SELECT test.steps_of(:run), test.effects();
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
-- a container that had not started, because it waited, does not count as completed
SELECT start_flow(parallel(ARRAY[wait_signal('go', name => 'a'), chain(ARRAY[test.step('b1'), test.step('b2')], after => ARRAY['a'], name => 'b'),
	each('[1, 2]', test.step('i'), after => ARRAY['b'], concurrency => 1, name => 'it'), test_switched('c'),
	loop(branch('true', test.step('l'), test.step('never')), 'false', after => ARRAY['it'])])) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test_turn_switch(true);
SELECT retry_step(:run, 'c');
CALL test.wait_for_step(:run, 'c', 'completed');
SELECT test.steps_of(:run), test.effects();
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
-- concurrency still limits the steps
SELECT start_flow(parallel(ARRAY[test_switched('a'), wait_signal('w1', name => 'w1'), wait_signal('w2', name => 'w2'), wait_signal('w3', name => 'w3')], concurrency => 2)) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test_turn_switch(true);
SELECT retry_step(:run, 'a');
CALL test.wait_for_step(:run, 'w2', 'signal');
SELECT test.steps_of(:run);
SELECT signal(:run, 'w2');
CALL test.wait_for_step(:run, 'w3', 'signal');
SELECT test.steps_of(:run);
SELECT signal(:run, 'w1'), signal(:run, 'w3');
SELECT * FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
-- in the items of an each
SELECT start_flow(each('[1, 2, 3]', parallel(ARRAY[test_switched('a'), test.step('b', ARRAY['a'])]), concurrency => 1)) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test_turn_switch(true);
SELECT retry_step(:run, 'a');
SELECT * FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
-- skip_step notifies the successors
SELECT start_flow(parallel(ARRAY[wait_signal('go', name => 'a'), test.step('b', ARRAY['a']), test_switched('c'), test.step('d', ARRAY['c']), test.step('e', ARRAY['c', 'b'], 'none_failed')])) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT skip_step(:run, 'c');
CALL test.wait_for_step(:run, 'a', 'signal');
SELECT test.steps_of(:run);
SELECT signal(:run, 'go');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- several requests in one transaction: the last one counts
SELECT start_flow(test_switched('a') ~> test.step('b')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT test_turn_switch(true);
BEGIN;
SELECT retry_step(:run, 'a'), retry_step(:run, 'a'), skip_step(:run, 'a');
COMMIT;
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
-- wait_flow() returns the end that follows the last request
SELECT start_flow(test_switched('a') ~> test.step('b')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT retry_step(:run, 'a');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects();
SELECT test_turn_switch(true);
SELECT retry_step(:run, 'a');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
SELECT start_flow(test_switched('a') ~> test.step('b')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT skip_step(:run, 'a');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects();

-- ------------------------- a resumed run, when its task has started another
CREATE SEQUENCE test_attempts;
SELECT create_flow('test attempts', step('a', 'SELECT 1 / (nextval(''public.test_attempts'') > 1)::integer') ~> wait_signal('go', name => 'w'));
SELECT enqueue('test attempts', retry => retry_policy(2, delay => '1 ms', retry_on => ARRAY['22012'])) AS task \gset
CALL test.wait_until(format($$(SELECT count(*) FROM flow_runs WHERE task_id = %s) = 2$$, :task));
SELECT min(run_id) AS first, max(run_id) AS second FROM flow_runs WHERE task_id = :task \gset
CALL test.wait_for_step(:second, 'w', 'signal');
SELECT retry_step(:first, 'a');
CALL test.wait_for_step(:first, 'w', 'signal');
SELECT signal(:first, 'go');
SELECT status FROM test.end_of(:first);
CALL test.wait_until('test_messages_seen()');
SELECT count(*) AS waits FROM tasks WHERE task_id = :task;
SELECT signal(:second, 'go');
CALL test.wait_until(format($$NOT EXISTS (SELECT FROM tasks WHERE task_id = %s)$$, :task));
SELECT status, attempt FROM history WHERE task_id = :task ORDER BY attempt;

-- ------------------------------------ a sub_flow whose compensation failed
-- repeated in the order in which steps completed, whatever the clock said
SELECT create_flow('test stuck order', test_switched_undo('c1') ~> test_switched_undo('c2') ~> test_switched_undo('c3'));
SELECT start_flow(sub_flow('test stuck order', name => 's') ~> test.failing_step('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test_clock_went_back(run_id), test.effects() FROM flow_runs WHERE parent_run = :run;
SELECT test_turn_switch(true);
SELECT retry_step(:run, 's');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects(), test_turn_switch(false);
SELECT create_flow('test stuck child', test_switched_undo('c1') ~> test_undoable('c2'));
SELECT start_flow(test_undoable('a') ~> sub_flow('test stuck child', name => 's') ~> test.failing_step('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT run_id AS child, status, reason, test.steps_of(run_id) FROM flow_runs WHERE parent_run = :run \gset child_
SELECT :'child_status' AS status, :'child_steps_of' AS steps, test.effects();
-- a retry that fails
SELECT retry_step(:run, 's');
SELECT status, steps FROM test.end_of(:run);
SELECT status, steps FROM test.end_of(:child_child);
SELECT test.effects();
SELECT test_turn_switch(true);
SELECT retry_step(:run, 's');
SELECT * FROM test.end_of(:run);
SELECT status, steps FROM test.end_of(:child_child);
SELECT test.effects(), test_turn_switch(false);
-- the sub_flow was completed in between
SELECT start_flow(sub_flow('test stuck child', name => 's') ~> test.failing_step('z')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT run_id AS child FROM flow_runs WHERE parent_run = :run \gset
SELECT skip_step(:child, 'c1');
SELECT status, steps FROM test.end_of(:child);
CALL test.wait_until('test_messages_seen()');
SELECT status, steps FROM test.end_of(:run);
SELECT retry_step(:run, 's');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects();
-- the sub_flow counts as undone
SELECT start_flow(sub_flow('test stuck child', name => 's') ~> test.failing_step('z')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT skip_step(:run, 's');
SELECT status, steps FROM test.end_of(:run);
SELECT status FROM flow_runs WHERE parent_run = :run;
SELECT test.effects();

-- -------------------------------------------- open steps of earlier passes
CREATE FUNCTION test_three_passes() RETURNS flow LANGUAGE sql AS $$
	SELECT loop(parallel(ARRAY[step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n'), wait_signal('never', name => 'w')],
		completion => 'any', rest => 'run'), '$.steps.n.n < 3', name => 'l') $$;
SELECT start_flow(test_three_passes() ~> wait_signal('end', name => 'e')) AS run \gset
CALL test.wait_for_step(:run, 'e', 'signal');
SELECT test.steps_of(:run);
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
-- in a run that fails, and in a loop between two passes
CALL test.run_flow(test_three_passes() ~> test.failing_step('z'));
SELECT start_flow(loop(parallel(ARRAY[step('n', 'SELECT 1'), wait_signal('never', name => 'w')], completion => 'any', rest => 'run'), 'true', delay => '1 h', name => 'l')) AS run \gset
CALL test.wait_for_step(:run, 'n', 'completed');
CALL test.wait_until(format($$(SELECT due > now() FROM flow_steps WHERE run_id = %s AND step = 'l')$$, :run));
SELECT abort_flow(:run, mode => 'kill');
SELECT * FROM test.end_of(:run);
-- a loop that times out; a loop in an item of an each
CALL test.run_flow(loop(parallel(ARRAY[step('n', 'SELECT 1'), wait_signal('never', name => 'w')], completion => 'any', rest => 'run'), 'true', delay => '1 h',
	timeout => '1 s', name => 'l', on_failure => 'continue') ~> test.step('z'));
CALL test.run_flow(each('[1, 2]', test_three_passes() ~> test.failing_step('z'), concurrency => 1));
SELECT test.effects();
-- they may end
SELECT start_flow(test_three_passes()) AS run \gset
CALL test.wait_for_step(:run, 'l', 'completed');
SELECT status, test.steps_of(:run) FROM flow_status(:run);
SELECT signal(:run, 'never'), signal(:run, 'never'), signal(:run, 'never');
SELECT status, steps FROM test.end_of(:run);

-- ------------------------------------------------------------ end and kill
-- compensated after a timeout
CALL test.run_flow(test_undoable('a') ~> chain(ARRAY[wait_signal('never', name => 'w'), test.step('b')], timeout => '50 ms'));
CALL test.run_flow(test_undoable('a') ~> wait_signal('never', name => 'w', timeout => '50 ms'));
SELECT start_flow(test_undoable('a') ~> wait_signal('never', name => 'w'), timeout => '2 s') AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- killed during compensation: the remaining steps can still be undone or skipped
SELECT test.close_gate();
SELECT start_flow(test_undoable('a') ~> test_undoable('b') ~> test_gated_undo('c') ~> test.failing_step('z')) AS run \gset
CALL test.wait_for_step(:run, 'c', 'compensating');
BEGIN;
SELECT abort_flow(:run), abort_flow(:run, mode => 'kill'), abort_flow(:run);
COMMIT;
CALL test.wait_until('test_messages_seen()');
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT abort_flow(:run), test.effects();
SELECT retry_step(:run, 'a');
SELECT * FROM test.end_of(:run);
SELECT skip_step(:run, 'b');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- killed after an abort: its sub_flows, which are being compensated, are killed too
SELECT create_flow('test slow child', test_undoable('c1') ~> test_gated_undo('c2') ~> wait_signal('never', name => 'w'));
SELECT create_flow('test parent', sub_flow('test slow child', name => 'inner') ~> test.step('p'));
SELECT test.close_gate();
SELECT start_flow(test_undoable('a') ~> sub_flow('test parent', name => 's')) AS run \gset
CALL test.wait_until(format($$EXISTS (SELECT FROM flow_runs p JOIN flow_runs c ON c.parent_run = p.run_id JOIN flow_steps s ON s.run_id = c.run_id
	WHERE p.parent_run = %s AND s.waiting_for = 'signal:never')$$, :run));
SELECT run_id AS parent FROM flow_runs WHERE parent_run = :run \gset
SELECT run_id AS child FROM flow_runs WHERE parent_run = :parent \gset
SELECT abort_flow(:run);
CALL test.wait_for_step(:child, 'c2', 'compensating');
SELECT status, test.steps_of(:run) FROM flow_status(:run);
SELECT abort_flow(:run, mode => 'kill');
CALL test.wait_until('test_messages_seen()');
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT * FROM test.end_of(:parent);
SELECT * FROM test.end_of(:child);
SELECT test.effects();

-- ---------------------------------------------------- timestamps, payloads
CALL test.run_flow(jadugar.sleep_until('$.input.at', name => 'a') ~> test.step('b'), '{"at": "infinity"}');
CALL test.run_flow(jadugar.sleep_until('$.input.at', name => 'a') ~> test.step('b'), '{"at": "-infinity"}');
CALL test.run_flow(step('t', $$SELECT 'infinity'::timestamptz AS at$$) ~> jadugar.sleep_until('$.steps.t.at', name => 'a') ~> test.step('b'));
SELECT test.short_error_of($$SELECT jadugar.sleep_until('infinity', name => 'a')$$);
SELECT test.effects();
-- a payload that is only a path
SELECT start_flow(step('a', 'SELECT 1 AS x, ''q'' AS y, ARRAY[1, 2] AS z')
	~> step('object', 'SELECT $1 ->> ''x'' AS x, $1 ->> ''y'' AS y, jsonb_typeof($1) AS is', payload => '"$.steps.a"')
	~> step('array', 'SELECT $1 ->> 1 AS second, jsonb_typeof($1) AS is', payload => '"$.steps.a.z"')
	~> step('text', 'SELECT $1 AS it, $1 #>> ''{}'' AS y, jsonb_typeof($1) AS is', payload => '"$.steps.a.y"')
	~> step('number', 'SELECT $1::integer + 1 AS x, jsonb_typeof($1) AS is', payload => '"$.steps.a.x"')
	~> step('all', 'SELECT $1 #>> ''{input,k}'' AS k, $1 #>> ''{steps,number,x}'' AS x', payload => '"$"')
	~> step('text only', 'SELECT $1 #>> ''{}'' AS it', payload => '"no path"'), '{"k": "v"}') AS run \gset
SELECT status, error FROM test.end_of(:run);
SELECT step, result FROM flow_steps WHERE run_id = :run AND step !~ '#' ORDER BY node;
CALL test.run_flow(each('[{"k": 1}, {"k": 2}]', step('i', 'SELECT test.note($1 ->> ''k'')', payload => '"$.item"',
		compensate_with => step('undo', 'SELECT test.note(''undo '' || ($1 ->> ''note''))', payload => '"$.result"')), concurrency => 1)
	~> test.failing_step('z'));
SELECT test.effects();
SELECT create_flow('test given', step('c', 'SELECT test.note($1 #>> ''{input,x}'')'));
CALL test.run_flow(step('a', 'SELECT ''of a'' AS x') ~> sub_flow('test given', payload => '"$.steps.a"', name => 's'));
SELECT test.effects();

-- ------------------------------------------------------------------ events
-- more waits than one transaction handles
SELECT count(start_flow(wait_event('test.boom', name => 'w') ~> step('got', 'SELECT $1 #> ''{steps,w,data,n}'' AS n'), metadata => '{"boom": true}')) FROM generate_series(1, 300);
SELECT start_flow(each('SELECT i FROM generate_series(1, 300) i', wait_event('test.boom', name => 'w'))) AS run \gset
CALL test.wait_until($$(SELECT count(*) = 600 FROM flow_steps WHERE waiting_for = 'event:test.boom')$$);
SELECT raise_event('test.boom', '{"n": 7}') > 0 AS raised;
SELECT status, jsonb_array_length(result) AS items, jsonb_array_length(jsonb_path_query_array(result, '$[*].result.data.n ? (@ == 7)')) AS got FROM wait_flow(:run, '30 s');
CALL test.wait_until($$NOT EXISTS (SELECT FROM flow_runs WHERE finished_at IS NULL)$$);
SELECT status, result, count(*) FROM flow_runs WHERE metadata @> '{"boom": true}' GROUP BY 1, 2;

-- --------------------------------------------------------------- approvals
-- an approval is decided once
SELECT start_flow(approval('ok') ~> wait_signal('on', name => 'w')) AS run \gset
CALL test.wait_for_step(:run, 'ok', 'approval');
BEGIN;
SELECT approve(:run, 'ok');
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'')', :run)), test.short_error_of(format('SELECT approve(%s, ''ok'', false)', :run));
COMMIT;
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'', false)', :run));
SELECT signal(:run, 'on');
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'')', :run));
-- also before it is reached
SELECT start_flow(wait_signal('on', name => 'w') ~> approval('ok')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT approve(:run, 'ok');
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'', false)', :run));
SELECT signal(:run, 'on');
SELECT status, result - 'at' AS result, error, reason, steps FROM test.end_of(:run);
-- in a loop: not again until the run waits for it again
SELECT start_flow(loop(approval('ok') ~> step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n') ~> wait_signal('on', name => 'w'), '$.steps.n.n < 2', name => 'l')) AS run \gset
CALL test.wait_for_step(:run, 'ok', 'approval');
SELECT approve(:run, 'ok');
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'')', :run));
SELECT signal(:run, 'on');
CALL test.wait_for_step(:run, 'ok', 'approval');
SELECT test.steps_of(:run);
BEGIN;
SELECT approve(:run, 'ok', comment => 'once more');
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'')', :run));
COMMIT;
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT signal(:run, 'on');
SELECT * FROM test.end_of(:run);
-- in a race: a rejected approval does not win
SELECT start_flow(approval('x') | approval('y')) AS run \gset
CALL test.wait_for_step(:run, 'y', 'approval');
BEGIN;
SELECT approve(:run, 'y', false), approve(:run, 'x');
COMMIT;
SELECT status, result - 'at' AS result, error, reason, steps FROM test.end_of(:run);
-- in an each: one for each item, in their order, and no more
SELECT start_flow(each('[1, 2]', approval('ok'), completion => 'all_done')) AS run \gset
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND waiting_for = 'approval:ok')$$, :run));
BEGIN;
SELECT approve(:run, 'ok'), approve(:run, 'ok', false);
SELECT test.short_error_of(format('SELECT approve(%s, ''ok'')', :run));
COMMIT;
SELECT * FROM test.end_of(:run);

-- -------------------------- a message while the scheduler waits for a lock
-- waiting for the lock of a run must not lose the wake-up of the scheduler
CREATE PROCEDURE test_slow_runs(runs integer, INOUT slow integer DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	since timestamptz;
BEGIN
	FOR i IN 1 .. runs LOOP
		run := jadugar.start_flow(jadugar.step('a', 'SELECT 1') OPERATOR(jadugar.~>) jadugar.wait_signal('go') OPERATOR(jadugar.~>) jadugar.step('b', 'SELECT 2'));
		COMMIT;
		PERFORM jadugar.pause_flow(run);
		COMMIT;
		PERFORM jadugar.resume_flow(run);
		COMMIT;
		PERFORM jadugar.signal(run, 'go');
		COMMIT;
		since := clock_timestamp();
		PERFORM jadugar.wait_flow(run, '30 s');
		slow := slow + (clock_timestamp() - since > interval '10 s')::integer;
		COMMIT;
	END LOOP;
END
$$;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET deadlock_timeout = '1 min';
SELECT pg_reload_conf();
SET SESSION AUTHORIZATION test_corners;
CALL test_slow_runs(60);
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET deadlock_timeout;
SELECT pg_reload_conf();
SET SESSION AUTHORIZATION test_corners;

-- clean up
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT count(*) FROM tasks;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT count(*) FROM jadugar_internal.flow_message;
CALL test.delete_runs();
DROP FUNCTION test_messages_seen();
CALL test.drop_roles('test_corners');
