-- The views flows, flow_runs and flow_steps, flow_status(), flow_progress() and
-- check_flows(): their contents, and the roles that can read them.
\i test/include/helpers.sql
\set SHOW_CONTEXT errors
\pset format unaligned
\pset tuples_only on
SET search_path = jadugar, pg_catalog, public;
CALL test.create_role('views_ann');
CALL test.create_role('views_bob');
CALL test.create_role('views_mon', 'monitor');
CALL test.create_role('views_op', 'operator');

SET ROLE views_ann;
-- a run in progress: one step has completed, waits are open, one step waits for a
-- task in the future, the rest has not been reached
SELECT create_flow('inner', wait_signal('done'));
SELECT create_flow('middle', chain(ARRAY[
	step('first', 'SELECT 1 AS n', '{"secret": 1}', compensate => 'SELECT 2'),
	branch('$1->''input''->>''go'' = ''on''', step('yes', 'SELECT 1'), step('no', 'SELECT 0'), name => 'go'),
	each('[10, 20]', wait_signal('item') ~> step('pack', 'SELECT 1'), name => 'items', completion => 'all_done', concurrency => 1),
	parallel(ARRAY[wait_signal('sig'), approval('boss'), wait_event('ev'), jadugar.sleep('1 day'),
		step('after', 'SELECT 1', after => '{boss}'), sub_flow('inner')], name => 'waits'),
	loop(step('again', 'SELECT 1'), 'false', name => 'rounds'),
	step('last', 'SELECT 1')]), description => 'stays');
SELECT create_flow('middle', step('other', 'SELECT 1'));
SELECT name, version, latest, owner, steps, draft, description, running, finished, failed FROM flows ORDER BY name, version;

SELECT start_flow('middle', '{"go": "on"}', version => 1, idempotency_key => 'k', trace => 't', tenant => 'acme', metadata => '{"m": 1}') AS run \gset
CALL test.wait_until(format($$SELECT status = 'running' FROM flow_steps WHERE run_id = %s AND kind = 'wait_signal' AND item = 0$$, :run));
SELECT flow, version, owner, status, input, result, error, reason, idempotency_key, trace, tenant, metadata,
	started_at IS NOT NULL AS started, finished_at, duration
FROM flow_runs WHERE run_id = :run;
SELECT step_id, node, step, kind, item, status, waiting_for, attempts, condition, result,
	duration IS NOT NULL AS ended, due IS NOT NULL AS due
FROM flow_steps WHERE run_id = :run ORDER BY step_id;
SELECT status, steps FROM flow_status(:run);
SELECT flow_progress(:run);
-- two items, each of a wait and a step; the run continues to its other waits
SELECT signal(:run, 'item'), signal(:run, 'item');
CALL test.wait_until(format($$SELECT status = 'running' FROM flow_steps WHERE run_id = %s AND kind = 'sub_flow'$$, :run));
SELECT step_id, step, kind, item, status, waiting_for, due IS NOT NULL AS due
FROM flow_steps WHERE run_id = :run AND step_id > 6 ORDER BY step_id;
SELECT c.flow, c.status, c.parent_run = p.run_id AS child, s.step
FROM flow_runs p JOIN flow_runs c ON c.parent_run = p.run_id
	JOIN flow_steps s ON s.run_id = p.run_id AND s.step_id = c.parent_step
WHERE p.run_id = :run;
SELECT flow_progress(:run) AS before \gset
SELECT approve(:run, 'boss');
CALL test.wait_until(format($$SELECT status = 'completed' FROM flow_steps WHERE run_id = %s AND step = 'after'$$, :run));
SELECT flow_progress(:run) > :before AND flow_progress(:run) < 1;
SELECT pause_flow(:run);
CALL test.wait_until(format($$SELECT status = 'paused' FROM flow_runs WHERE run_id = %s$$, :run));
SELECT paused_at IS NOT NULL FROM flow_runs WHERE run_id = :run;
SELECT resume_flow(:run);
CALL test.wait_until(format($$SELECT status = 'running' FROM flow_runs WHERE run_id = %s$$, :run));
-- tasks show their run
SELECT DISTINCT flow_run = :run, step FROM history WHERE flow_run = :run ORDER BY step;
SELECT DISTINCT t.flow_run = h.flow_run, t.step = h.step FROM history h, get_task(h.task_id) t WHERE h.flow_run = :run;

-- a run that starts later, and a run that waits for a held task
SELECT start_flow(step('later', 'SELECT 1'), delay => '1 day') AS later \gset
SELECT status, started_at FROM flow_runs WHERE run_id = :later;
SELECT step, status, waiting_for FROM flow_steps WHERE run_id = :later;
SELECT create_queue('views_q') > 0, pause_queue('views_q');
SELECT start_flow(step('held', 'SELECT 1', queue => 'views_q') ~> step('next', 'SELECT 1')) AS held \gset
SELECT step, status, waiting_for, attempts FROM flow_steps WHERE run_id = :held ORDER BY step_id;
SELECT command, status, flow_run = :held, step FROM tasks WHERE flow_run = :held;

-- a failure
SELECT start_flow(step('bad', 'SELECT 1/0', retry => retry_policy(1)) ~> step('never', 'SELECT 1')) AS bad \gset
SELECT status, error ->> 'message', steps FROM wait_flow(:bad, timeout => '30 s');
SELECT step, status, attempts, error ->> 'sqlstate', started_at IS NULL FROM flow_steps WHERE run_id = :bad ORDER BY step_id;
SELECT flow_progress(:bad);
SELECT flow_run = :bad, step, message FROM failures WHERE flow_run = :bad;

-- the run and the step, as seen by the task
SELECT start_flow(step('me', 'SELECT flow_run, step FROM jadugar.current_task()')) AS me \gset
SELECT status FROM wait_flow(:me, timeout => '30 s');
SELECT result ->> 'flow_run' = :'me', result ->> 'step' FROM flow_runs WHERE run_id = :me;

-- other roles
SET ROLE views_bob;
SELECT count(*) FROM flows;
SELECT count(*) FROM flow_runs;
SELECT count(*) FROM flow_steps;
SELECT test.sqlstate_of('SELECT jadugar.flow_status(' || :run || ')'), test.sqlstate_of('SELECT jadugar.flow_progress(' || :run || ')');
SET ROLE views_mon;
SELECT name, version, steps, graph FROM flows ORDER BY name, version;
SELECT flow, status, input, result, error, metadata, trace FROM flow_runs WHERE run_id IN (:run, :bad, :me) ORDER BY run_id;
SELECT count(*) > 0, count(result), count(error) FROM flow_steps WHERE run_id IN (:run, :bad, :me);
SELECT status FROM flow_status(:run);
SET ROLE views_op;
SELECT flow, status, input, metadata FROM flow_runs WHERE run_id = :run;
SET ROLE views_ann;
SELECT flow_status(NULL);
SELECT flow_progress(NULL);
SELECT flow_status(0);
SELECT flow_progress(0);

-- check_flows() reports nothing, and finds each damage
SELECT * FROM check_flows();
RESET ROLE;
CREATE FUNCTION pg_temp.problems_after(sql text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	found text[];
BEGIN
	BEGIN
		EXECUTE sql;
		found := ARRAY(SELECT concat_ws(': ', c.step, regexp_replace(c.problem, 'task \d+', 'task N')) FROM jadugar.check_flows() c);
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
	END;
	RETURN QUERY SELECT unnest(found);
END $$;
SELECT pg_temp.problems_after('SELECT 1');
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_run SET live = live + 1 WHERE run_id = %s', :run));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_run SET status = ''c'', finished_at = now() WHERE run_id = %s', :held));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_run SET status = ''c'' WHERE run_id = %s', :held));
SELECT pg_temp.problems_after(format('DELETE FROM jadugar_internal.task WHERE flow_run = %s', :held));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_step SET state = ''c'' WHERE run_id = %s AND step_id = 1', :held));
SELECT pg_temp.problems_after(format('DELETE FROM jadugar_internal.flow_step WHERE run_id = %s AND step_id = 2', :bad));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_step SET state = ''w'' WHERE run_id = %s AND node IN (SELECT node FROM jadugar.flow_steps WHERE run_id = %1$s AND step = ''after'')', :run));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_step SET due = NULL WHERE run_id = %s AND due IS NOT NULL', :run));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_run SET status = ''c'', finished_at = now(), live = 0 WHERE parent_run = %s', :run));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_step SET succeeded = succeeded + 5 WHERE run_id = %s AND node IN (SELECT node FROM jadugar.flow_steps WHERE run_id = %1$s AND step = ''items'')', :run));
SELECT pg_temp.problems_after(format('UPDATE jadugar_internal.flow_run SET status = ''u'', finished_at = now(), live = 0 WHERE run_id = %s', :run)) AS p
EXCEPT SELECT (step || ': ' || p) FROM (VALUES ('has no end though the run has finished'), ('goes on though the run has finished')) v (p), jadugar.flow_steps WHERE run_id = :run ORDER BY 1;
-- other roles only see problems of their own runs
BEGIN;
UPDATE jadugar_internal.flow_run SET live = live + 1 WHERE run_id = :run;
SET LOCAL ROLE views_bob;
SELECT count(*) FROM jadugar.check_flows();
SET LOCAL ROLE views_op;
SELECT count(*) FROM jadugar.check_flows();
ROLLBACK;

SET ROLE views_ann;
\set VERBOSITY sqlstate
SELECT drop_flow('middle');
\set VERBOSITY default
SELECT drop_flow('middle', runs => 'kill'), drop_flow('inner', runs => 'kill');
SELECT abort_flow(:held, 'kill'), abort_flow(:later);
SELECT status, reason FROM wait_flow(:run, timeout => '30 s');
SELECT status, reason FROM wait_flow(:held, timeout => '30 s');
SELECT status, reason FROM wait_flow(:later, timeout => '30 s');
CALL test.wait_until('SELECT count(*) = 0 FROM flow_runs WHERE finished_at IS NULL');
SELECT DISTINCT status FROM flow_steps WHERE run_id = :run ORDER BY status;
SELECT name FROM flows;
SELECT * FROM check_flows();
-- completed runs are purged with the history
SELECT count(*) FROM flow_runs WHERE run_id = :me;
SELECT purge_completed('1 h') FROM flow_runs WHERE run_id = :me;
SELECT purge_completed('0') > 0;
SELECT count(*) FROM flow_runs WHERE run_id = :me;
SELECT count(*) FROM flow_steps WHERE run_id = :me;
SELECT drop_queue('views_q');
RESET ROLE;
DROP FUNCTION pg_temp.problems_after(text);
SELECT revoke_access('views_ann'), revoke_access('views_bob'), revoke_access('views_mon'), revoke_access('views_op');
DROP ROLE views_ann, views_bob, views_mon, views_op;
