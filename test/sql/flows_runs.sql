-- Runs of flows: starting, pausing, retrying and skipping steps, forks, tasks of
-- steps that sessions change, visibility. Blocks are in flows.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_runs');
ALTER ROLE test_runs SET search_path = public, jadugar;
CALL test.create_role('test_runs_other');
CALL test.create_role('test_runs_monitor', 'monitor');
GRANT CREATE ON SCHEMA public TO test_runs;
SET search_path = public, jadugar;
SET SESSION AUTHORIZATION test_runs;
SELECT scale_workers(4);
SELECT create_queue('test_runs_q') > 0 AS made;
SELECT create_flow('test child', test.step('newer'));
SELECT create_flow('test slow', wait_signal('never'));

-- ---------------------------------------------------------------- starting
SELECT start_flow(test.step('a'), idempotency_key => 'k1') AS run \gset
SELECT start_flow(test.step('b'), idempotency_key => 'k1') = :run AS same, start_flow('test child', idempotency_key => 'k1') = :run AS same_by_name;
SELECT steps FROM test.end_of(:run);
-- also after the run has finished
SELECT start_flow(test.step('b'), idempotency_key => 'k1') = :run AS same;
-- each role has its own keys
SET SESSION AUTHORIZATION test_runs_other;
SELECT start_flow(step('a', 'SELECT 1'), idempotency_key => 'k1') <> :run AS another;
SET SESSION AUTHORIZATION test_runs;
SELECT test.effects();
-- a run that is rolled back does not exist
BEGIN;
SELECT start_flow(test.step('a')) AS run \gset
SELECT status FROM flow_runs WHERE run_id = :run;
SELECT test.short_error_of(format('SELECT wait_flow(%s)', :run));
ROLLBACK;
SELECT test.short_error_of(format('SELECT flow_status(%s)', :run));
-- delayed starts
SELECT start_flow(test.step('a'), delay => '1 s') AS run \gset
SELECT status, started_at FROM flow_runs WHERE run_id = :run;
SELECT test.steps_of(:run);
SELECT * FROM test.end_of(:run);
SELECT started_at - created_at BETWEEN '1 s' AND '20 s' AS in_time FROM flow_runs WHERE run_id = :run;
SELECT start_flow(test.step('a'), run_at => '2020-01-01') AS run \gset
SELECT status FROM test.end_of(:run);
SELECT start_flow(test.step('never'), run_at => now() + interval '1 day') AS run \gset
SELECT status, steps FROM flow_status(:run);
SELECT abort_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- started by a step of a run, by a task, by a schedule
SELECT start_flow(step('a', 'SELECT start_flow(''test child'', ''{"by": "a step"}'') AS run')) AS run \gset
SELECT (result ->> 'run')::bigint AS child FROM test.end_of(:run) \gset
SELECT * FROM test.end_of(:child);
SELECT parent_run, schedule FROM flow_runs WHERE run_id = :child;
SELECT schedule('test nightly', '@yearly', $$SELECT jadugar.start_flow('test child', '{"by": "a schedule"}') AS run$$, tenant => 'night') > 0 AS made;
SELECT run_now('test nightly') AS task \gset
SELECT (result ->> 'run')::bigint AS child FROM wait(:task, '30 s') \gset
SELECT status, steps FROM test.end_of(:child);
SELECT flow, schedule, input, tenant FROM flow_runs WHERE run_id = :child;
SELECT unschedule('test nightly');
SELECT test.effects();

-- --------------------------- a flow as the command of a task or a schedule
-- the task ends with the run: result, error, duration, statistics
SELECT create_flow('test night', step('a', $$SELECT to_jsonb(t) - 'task_id' - 'deadline' - 'trace' - 'owner' - 'flow_run' AS context FROM current_task() t$$));
SELECT create_flow('test bad', step('a', 'SELECT 1/0'));
SELECT schedule('test good', 'manual', 'test night') > 0 AND schedule('test bad', 'manual', 'test bad') > 0 AS made;
SELECT run_now('test good') AS task \gset
SELECT status, attempt, result, duration > '0 s' AS lasted, error FROM wait(:task, '30 s');
SELECT status, schedule FROM flow_runs WHERE task_id = :task;
SELECT run_now('test bad') AS task \gset
SELECT status, attempt, sqlstate, error_code, error ->> 'message' AS message FROM wait(:task, '30 s');
SELECT name, last_status, completed, failures, last_success_at IS NULL AS never FROM schedules WHERE name IN ('test good', 'test bad') ORDER BY name;
-- an occurrence: its steps, also of a sub_flow, know which one it is
SELECT create_flow('test inner', step('i', $$SELECT schedule, scheduled_for IS NOT NULL AS dated FROM current_task()$$));
SELECT create_flow('test outer', sub_flow('test inner'));
SELECT schedule('test dated', 'every 1 second', 'test outer', max_runs => 1) > 0 AS made;
CALL test.wait_until($$(SELECT completed = 1 FROM jadugar.schedules WHERE name = 'test dated')$$);
SELECT status, result FROM history WHERE schedule = 'test dated';
-- the time zone of the schedule is that of its steps, conditions and compensations;
-- settings of the schedule come before it, those of a step before both
SELECT create_flow('test zone inner', step('i', $$SELECT current_setting('TimeZone') AS zone, current_setting('work_mem') AS mem$$, settings => '{"work_mem": "1MB"}'));
SELECT create_flow('test zone', step('a', $$SELECT current_setting('TimeZone') AS zone$$, compensate => $$SELECT test.note(current_setting('TimeZone'))$$)
	~> step('own', $$SELECT current_setting('TimeZone') AS zone$$, settings => '{"timezone": "Asia/Tokyo"}') ~> sub_flow('test zone inner', name => 's')
	~> each($$SELECT current_setting('TimeZone') AS zone$$, step('x', $$SELECT current_setting('TimeZone') AS zone$$), name => 'e')
	~> branch($$current_setting('TimeZone') = 'Pacific/Auckland'$$, step('yes', 'SELECT 1/0'), step('no', 'SELECT 1/0')));
SELECT schedule('test zone 1', 'manual', 'test zone', timezone => 'Pacific/Auckland') > 0 AND
	schedule('test zone 2', 'manual', 'test zone', timezone => 'Pacific/Auckland', settings => '{"TimeZone": "America/Lima"}') > 0 AND
	schedule('test zone 3', 'manual', $$SELECT jadugar.start_flow('test zone')$$, timezone => 'Pacific/Auckland') > 0 AS made;
SELECT run_now('test zone 1') AS one, run_now('test zone 2') AS two, run_now('test zone 3') AS three \gset
CALL test.wait_until($$(SELECT count(*) = 3 FROM jadugar.flow_runs WHERE schedule LIKE 'test zone _' AND parent_run IS NULL AND status = 'compensated')$$);
SELECT r.schedule, string_agg(concat_ws(' ', s.step, s.status, s.result ->> 'zone', s.result ->> 'mem'), ', ' ORDER BY s.step_id) AS steps
FROM flow_runs r JOIN flow_steps s USING (run_id) WHERE r.schedule LIKE 'test zone _' AND r.parent_run IS NULL AND s.kind <> 'chain' GROUP BY r.schedule ORDER BY r.schedule;
SELECT test.sorted_effects();
SELECT fork_flow(run_id, 'own') AS run FROM flow_runs WHERE schedule = 'test zone 1' AND parent_run IS NULL \gset
SELECT status FROM test.end_of(:run);
SELECT result FROM flow_steps WHERE run_id = :run AND step = 's';
SELECT test.effects();
-- steps that follow in one transaction, with settings of their own
SELECT create_flow('test many', chain(array_agg(step('z' || n, $$SELECT current_setting('TimeZone') AS zone$$, settings => jsonb_build_object('my.text', repeat('x', 3000))) ORDER BY n))) AS version FROM generate_series(1, 60) n;
SELECT schedule('test many', 'manual', 'test many', timezone => 'Pacific/Auckland') > 0 AS made;
SELECT run_now('test many') AS task \gset
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.flow_runs WHERE schedule = 'test many' AND finished_at IS NOT NULL)$$);
SELECT run_now('test many') AS task \gset
CALL test.wait_until($$(SELECT count(*) = 2 FROM jadugar.flow_runs WHERE schedule = 'test many' AND finished_at IS NOT NULL)$$);
SELECT r.status, s.status AS steps, s.result ->> 'zone' AS zone, count(*) FROM flow_runs r JOIN flow_steps s USING (run_id)
WHERE r.schedule = 'test many' AND s.kind = 'step' GROUP BY 1, 2, 3;
-- depends_on waits for the success of the run
SELECT schedule('test after', 'every 1 second', 'SELECT 1', depends_on => '{test bad}', max_runs => 1) > 0 AS made;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.history WHERE schedule = 'test after')$$);
SELECT DISTINCT status, reason FROM history WHERE schedule = 'test after';
SELECT unschedule(name) FROM schedules WHERE name LIKE 'test %';
-- while the run goes on, the task runs; cancel() aborts the run
SELECT enqueue('test slow', timeout => '1 h') AS task \gset
CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.flow_runs WHERE task_id = %s)', :task));
SELECT status, waiting_for, attempt, started_at IS NOT NULL AS started FROM tasks WHERE task_id = :task;
SELECT test.short_error_of(format('SELECT pause_task(%s)', :task));
SELECT test.short_error_of(format('SELECT resume_task(%s)', :task));
SELECT test.short_error_of(format('SELECT update_task(%s, priority => 3)', :task));
SELECT cancel(:task);
SELECT status, reason FROM wait(:task, '30 s');
SELECT status FROM flow_runs WHERE task_id = :task;
-- tasks that depend on it, and its keys, wait for the run
SELECT enqueue('test slow', concurrency_key => 'one', unique_key => 'one') AS task \gset
SELECT enqueue('SELECT 1', depends_on => ARRAY[:task]) AS child, enqueue('SELECT 1', concurrency_key => 'one') AS next \gset
CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.flow_runs WHERE task_id = %s)', :task));
SELECT enqueue('test slow', unique_key => 'one') = :task AS same;
SELECT waiting_for FROM tasks WHERE task_id IN (:child, :next) ORDER BY task_id;
SELECT signal(run_id, 'never', '{"by": "signal"}') FROM flow_runs WHERE task_id = :task;
SELECT status, result FROM wait(:task, '30 s');
SELECT (wait(id, '30 s')).status FROM unnest(ARRAY[:child, :next]) id;
-- retries begin another run, if the task has a policy; otherwise none
SELECT create_flow('test second time', step('a', $$SELECT 1 / (count(*) - 1) FROM flow_runs WHERE task_id = (SELECT r.task_id FROM flow_runs r WHERE run_id = (SELECT flow_run FROM current_task()))$$, retry => '{"max_attempts": 1}'));
SELECT enqueue('test second time', retry => '{"max_attempts": 3, "delay": 0, "retry_on": ["22012"]}') AS task \gset
SELECT status, attempt FROM wait(:task, '30 s');
SELECT status FROM history WHERE task_id = :task ORDER BY attempt;
SELECT status FROM flow_runs WHERE task_id = :task ORDER BY run_id;
-- timeout bounds the run
SELECT enqueue('test slow', timeout => '200 ms') AS task \gset
SELECT status, error_code FROM wait(:task, '30 s');
SELECT status FROM flow_runs WHERE task_id = :task;
-- a run that is over before its task is settled
SELECT create_flow('test nothing', branch('$.input.no == true', step('a', 'SELECT 1')));
SELECT enqueue('test nothing') AS task \gset
SELECT status, result FROM wait(:task, '30 s');
-- a step whose command is a flow
SELECT start_flow(step('a', 'test child') ~> step('b', 'test bad')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT start_flow(step('a', 'test slow')) AS run \gset
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.flow_runs WHERE flow = 'test slow' AND status = 'running')$$);
SELECT abort_flow(:run);
SELECT status, steps FROM test.end_of(:run);
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.flow_runs WHERE flow = 'test slow' AND finished_at IS NULL)$$);
SELECT test.short_error_of($$SELECT enqueue('test slow', transaction => 'standalone')$$);
SELECT test.effects();

-- ------------------------------------------------------------ pause, resume
SELECT test.close_gate();
SELECT start_flow(test.gated_step('a') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'a', 'running');
SELECT pause_flow(:run);
CALL test.wait_until(format($$(SELECT status = 'paused' FROM flow_runs WHERE run_id = %s)$$, :run));
SELECT test.open_gate();
CALL test.wait_for_step(:run, 'b', 'paused');
SELECT status, test.steps_of(:run), paused_at IS NOT NULL AS paused FROM flow_runs WHERE run_id = :run;
SELECT test.effects();
SELECT resume_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- with a step that has not started
SELECT pause_queue('test_runs_q');
SELECT start_flow(step('a', 'SELECT test.note(''a'')', queue => 'test_runs_q') ~> sub_flow('test child', name => 's')) AS run \gset
SELECT pause_flow(:run);
CALL test.wait_for_step(:run, 'a', 'paused');
SELECT resume_queue('test_runs_q');
SELECT resume_flow(:run);
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- a sub_flow is paused with its parent
SELECT start_flow(sub_flow('test slow', name => 's')) AS run \gset
SELECT pause_flow(:run);
CALL test.wait_until(format($$(SELECT status = 'paused' FROM flow_runs WHERE parent_run = %s)$$, :run));
SELECT run_id AS child FROM flow_runs WHERE parent_run = :run \gset
SELECT resume_flow(:run);
CALL test.wait_until(format($$(SELECT status = 'running' FROM flow_runs WHERE parent_run = %s)$$, :run));
SELECT signal(:child, 'never', '{"x": 1}');
SELECT * FROM test.end_of(:run);

-- --------------------------------------------------------------- retry_step
CREATE TABLE test_switch (working boolean);
INSERT INTO test_switch VALUES (false);
SELECT start_flow(test.step('a') ~> step('b', 'SELECT test.note(''b''), 1 / working::integer AS ok FROM test_switch') ~> test.step('c')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT retry_step(%s, ''a'')', :run)), test.short_error_of(format('SELECT retry_step(%s, ''c'')', :run)),
	test.short_error_of(format('SELECT retry_step(%s, ''nothing'')', :run)), test.short_error_of(format('SELECT retry_step(%s, ''b'', 17)', :run));
-- a retry that fails
SELECT retry_step(:run, 'b');
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM history WHERE flow_run = %s AND step = 'b')$$, :run));
SELECT * FROM test.end_of(:run);
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'b');
CALL test.wait_for_step(:run, 'c', 'completed');
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT retry_step(%s, ''b'')', :run)), test.short_error_of(format('SELECT skip_step(%s, ''b'')', :run));
SELECT test.effects();
-- a scheduled retry runs immediately
UPDATE test_switch SET working = false;
SELECT start_flow(step('a', 'SELECT 1 / working::integer AS ok FROM test_switch', retry => retry_policy(2, delay => '1 h', retry_on => ARRAY['22012'])) ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'a', 'scheduled');
UPDATE test_switch SET working = true;
SELECT step, status, attempts, due > now() AS due FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT retry_step(:run, 'a');
SELECT * FROM test.end_of(:run);
SELECT test.effects();
-- in a parallel: completed steps stay, cancelled steps start again
UPDATE test_switch SET working = false;
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.step('ok') ~> step('a', 'SELECT 1 / working::integer AS ok FROM test_switch', after => ARRAY['done']), test.gated_step('b'), test.step('done'),
	step('f', 'SELECT test.note(''f'')', after => ARRAY['a'])]) ~> test.step('z')) AS run \gset
SELECT * FROM test.end_of(:run);
SELECT test.open_gate();
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'a');
CALL test.wait_for_step(:run, 'z', 'completed');
SELECT * FROM test.end_of(:run);
SELECT test.sorted_effects();
-- an item of an each, one pass of a loop
UPDATE test_switch SET working = false;
SELECT start_flow(each('[1, 2, 3]', step('x', 'SELECT test.note($1 ->> ''item''), 1 / (working OR $1 ->> ''item'' <> ''2'')::integer AS ok FROM test_switch'), completion => 'all_done')
	~> test.step('z')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'x');
CALL test.wait_for_step(:run, 'z', 'completed');
SELECT * FROM test.end_of(:run);
SELECT test.sorted_effects();
UPDATE test_switch SET working = false;
SELECT start_flow(each('[1, 2]', step('x', 'SELECT test.note($1 ->> ''item''), 1 / working::integer AS ok FROM test_switch'), completion => 'all_done')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT retry_step(%s, ''x'')', :run));
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'x', (SELECT step_id FROM flow_steps WHERE run_id = :run AND step = 'x' AND item = 1));
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM flow_steps WHERE run_id = %s AND step = 'x' AND status = 'completed')$$, :run));
SELECT status, steps FROM test.end_of(:run);
SELECT test.sorted_effects();
UPDATE test_switch SET working = false;
SELECT start_flow(loop(step('n', 'SELECT coalesce(($1 #>> ''{steps,n,n}'')::integer, 0) + 1 AS n')
	~> step('x', 'SELECT 1 / (working OR ($1 #>> ''{steps,n,n}'')::integer < 2)::integer AS ok FROM test_switch'), '$.steps.n.n < 3') ~> test.step('z')) AS run \gset
SELECT status, steps FROM test.end_of(:run);
UPDATE test_switch SET working = true;
SELECT retry_step(:run, 'x');
CALL test.wait_for_step(:run, 'z', 'completed');
SELECT status, steps FROM test.end_of(:run);
SELECT test.effects();
DROP TABLE test_switch;

-- ---------------------------------------------------------------- skip_step
SELECT start_flow(test.step('a') ~> test.failing_step('b') ~> test.step('c')) AS run \gset
SELECT status FROM test.end_of(:run);
SELECT skip_step(:run, 'b');
CALL test.wait_for_step(:run, 'c', 'completed');
SELECT * FROM test.end_of(:run);
-- a step that was skipped manually is not retried with the others
SELECT start_flow(parallel(ARRAY[test.failing_step('a'), test.failing_step('b')], completion => 'all_done', name => 'p')) AS run \gset
SELECT status FROM test.end_of(:run);
SELECT skip_step(:run, 'a');
CALL test.wait_until(format($$(SELECT count(*) = 2 FROM history WHERE flow_run = %s AND step = 'b')$$, :run));
SELECT * FROM test.end_of(:run);
SELECT skip_step(:run, 'b');
CALL test.wait_until(format($$(flow_status(%s)).status = 'completed'$$, :run));
SELECT * FROM test.end_of(:run);
-- an item of an each
SELECT start_flow(each('[1, 0, 2]', step('x', 'SELECT 6 / ($1 ->> ''item'')::integer AS x'), completion => 'all_done')) AS run \gset
SELECT status FROM test.end_of(:run);
SELECT skip_step(:run, 'x');
CALL test.wait_until(format($$(flow_status(%s)).status = 'completed'$$, :run));
SELECT * FROM test.end_of(:run);
-- a waiting step, a running step, steps that are not reached
SELECT test.close_gate();
SELECT start_flow(wait_signal('go', name => 'w') ~> test.gated_step('g') ~> jadugar.sleep('1 h', name => 'zzz') ~> approval('boss') ~> test.step('z')) AS run \gset
SELECT test.short_error_of(format('SELECT skip_step(%s, ''z'')', :run)), test.short_error_of(format('SELECT retry_step(%s, ''w'')', :run));
SELECT skip_step(:run, 'w');
CALL test.wait_for_step(:run, 'g', 'running');
SELECT skip_step(:run, 'g');
CALL test.wait_for_step(:run, 'zzz', 'time');
SELECT skip_step(:run, 'zzz');
CALL test.wait_for_step(:run, 'boss', 'approval');
SELECT skip_step(:run, 'boss');
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT skip_step(%s, ''z'')', :run));
SELECT test.open_gate();
SELECT test.effects();
-- a step that waits for others
SELECT test.close_gate();
SELECT start_flow(parallel(ARRAY[test.gated_step('a'), step('b', 'SELECT test.note(''b'')', after => ARRAY['a'])])) AS run \gset
SELECT skip_step(:run, 'b');
CALL test.wait_for_step(:run, 'b', 'skipped');
SELECT test.open_gate();
SELECT * FROM test.end_of(:run);
SELECT test.effects();

-- ---------------------------------------------------------------- fork_flow
SELECT start_flow(test.step('a') ~> (test.step('b') & test.step('b2')) ~> test.step('c') ~> step('d', 'SELECT test.note(''d''), $1 -> ''steps'' AS steps'), '{"q": 1}') AS run \gset
SELECT status FROM test.end_of(:run);
SELECT test.sorted_effects();
SELECT fork_flow(:run, 'c') AS fork \gset
SELECT * FROM test.end_of(:fork);
SELECT test.effects();
SELECT f.run_id <> :run AS new, f.input, f.status FROM flow_runs f WHERE run_id = :fork;
SELECT fork_flow(:run, 'a') AS fork \gset
SELECT status FROM test.end_of(:fork);
SELECT test.sorted_effects();
SELECT fork_flow(:run, 'b') AS fork \gset
SELECT steps FROM test.end_of(:fork);
SELECT test.effects();
-- from a failed run, before and after the failure
SELECT start_flow(test.step('a') ~> test.failing_step('b') ~> test.step('c')) AS run \gset
SELECT status FROM test.end_of(:run);
SELECT fork_flow(:run, 'b') AS fork \gset
SELECT * FROM test.end_of(:fork);
SELECT fork_flow(:run, 'c') AS fork \gset
SELECT * FROM test.end_of(:fork);
SELECT test.effects();
SELECT test.short_error_of(format('SELECT fork_flow(%s, ''nothing'')', :run));
SELECT start_flow(each('[1]', test.step('x')) ~> wait_signal('go', name => 'w') ~> test.step('z')) AS run \gset
CALL test.wait_for_step(:run, 'w', 'signal');
SELECT test.short_error_of(format('SELECT fork_flow(%s, ''x'')', :run)), test.short_error_of(format('SELECT fork_flow(%s, ''z'')', :run));
SELECT fork_flow(:run, 'w') AS fork \gset
SELECT signal(:fork, 'go');
SELECT * FROM test.end_of(:fork);
SELECT abort_flow(:run);
SELECT status, reason FROM test.end_of(:run);
SELECT abort_flow(:run);
SELECT test.effects();

-- ------------------------------------ tasks of steps, changed by a session
SELECT test.close_gate();
SELECT start_flow(test.gated_step('a') ~> test.step('b')) AS run \gset
CALL test.wait_for_step(:run, 'a', 'running');
SELECT cancel(task_id) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT * FROM test.end_of(:run);
SELECT test.open_gate();
SELECT pause_queue('test_runs_q');
SELECT start_flow(step('a', 'SELECT 1', queue => 'test_runs_q') ~> test.step('b')) AS run \gset
SELECT test.short_error_of(format('SELECT retry_task(%s)', task_id)) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT cancel(task_id) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT * FROM test.end_of(:run);
SELECT test.short_error_of(format('SELECT retry_task(%s)', task_id)) FROM flow_steps WHERE run_id = :run AND step = 'a';
SELECT resume_queue('test_runs_q');
-- a step that discards itself, and one that snoozes
CALL test.run_flow(step('a', 'SELECT discard(''not today'')') ~> test.step('b'));
CREATE SEQUENCE test_seq;
CALL test.run_flow(step('a', 'SELECT CASE nextval(''test_seq'') WHEN 1 THEN snooze(''10 ms'') END, 1 AS x') ~> test.step('b'));
DROP SEQUENCE test_seq;
SELECT test.effects();

-- -------------------------------------------------------------- visibility
SELECT start_flow(step('a', 'SELECT 1 AS secret'), '{"secret": 1}', metadata => '{"secret": 2}') AS run \gset
SELECT status FROM test.end_of(:run);
SET SESSION AUTHORIZATION test_runs_other;
SELECT count(*) FROM flow_runs WHERE owner <> 'test_runs_other';
SELECT count(*) FROM flow_steps WHERE owner <> 'test_runs_other';
SELECT count(*) FROM flows;
SELECT count(*) FROM check_flows();
SELECT test.short_error_of(format('SELECT flow_status(%s)', :run)), test.short_error_of(format('SELECT flow_progress(%s)', :run)), test.short_error_of(format('SELECT wait_flow(%s)', :run)),
	test.short_error_of(format('SELECT abort_flow(%s)', :run)), test.short_error_of(format('SELECT explain_flow(%s)', :run));
SET SESSION AUTHORIZATION test_runs_monitor;
SELECT status, input, result, metadata, owner FROM flow_runs WHERE run_id = :run;
SELECT step, status, result, owner FROM flow_steps WHERE run_id = :run;
SELECT name, graph FROM flows WHERE name = 'test child' AND latest;
SELECT test.short_error_of(format('SELECT abort_flow(%s)', :run));
SELECT * FROM check_flows();
SET SESSION AUTHORIZATION test_runs;
SELECT flow_progress(:run);
SELECT test.short_error_of('SELECT FROM jadugar_internal.flow_run'), test.short_error_of('SELECT FROM jadugar_internal.flow_step'), test.short_error_of('SELECT FROM jadugar_internal.flow_message');

-- clean up
SELECT * FROM check_flows();
SELECT count(*) FROM flow_runs WHERE finished_at IS NULL;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows ORDER BY name) f;
SELECT drop_queue('test_runs_q');
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
SELECT kind, name, seen FROM jadugar_internal.flow_message;
CALL test.delete_runs();
CALL test.drop_roles('test_runs', 'test_runs_other', 'test_runs_monitor');
