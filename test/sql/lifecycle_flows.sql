-- Events of topic jadugar about flows and their steps, and flows that handlers of such events start.
\i test/include/helpers.sql

CALL test.create_role('lff_ann');
CALL test.create_role('lff_bob');
CREATE SCHEMA lff;
GRANT ALL ON SCHEMA lff TO lff_ann;
CREATE TABLE lff.mark (id bigint);
INSERT INTO lff.mark VALUES (0);
GRANT ALL ON lff.mark TO PUBLIC;
GRANT USAGE ON SCHEMA lff TO PUBLIC;
CREATE TABLE lff.made (by text);
GRANT ALL ON lff.made TO lff_ann;
-- events after the mark; ids differ from run to run
CREATE VIEW lff.events WITH (security_invoker = on) AS
SELECT type, dense_rank() OVER (ORDER BY (data->>'run_id')::bigint) AS run, key = data->>'run_id' AS keyed,
	data->>'step' AS step, data - '{run_id,step,task_id,child_run,parent_run}'::text[] AS data
FROM jadugar.read_events(topics => '{jadugar}', after_id => (SELECT max(id) FROM lff.mark)) WHERE publisher ~ '^lff' ORDER BY event_id;
GRANT SELECT ON lff.events TO PUBLIC;
CREATE PROCEDURE lff.ended(run bigint) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('SELECT finished_at IS NOT NULL FROM jadugar.flow_runs WHERE run_id = %s', run));
END $$;

-- Nobody asks: nothing is written
SET ROLE lff_ann;
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1')) AS run \gset
CALL lff.ended(:run);
SELECT * FROM lff.events;

-- A run that completes, with a sub_flow; the outermost chain, too
SELECT jadugar.subscribe('flows', '{flow.*,step.*}', 'SELECT 1', topics => '{jadugar}') > 0 AS subscribed;
SELECT jadugar.create_flow('lff_sub', jadugar.step('inner', 'SELECT 1')) \g /dev/null
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1', '{"secret": 1}') OPERATOR(jadugar.~>) jadugar.sub_flow('lff_sub', name => 'b')) AS run \gset
CALL lff.ended(:run);
SELECT * FROM lff.events;
SELECT data->>'child_run' = (SELECT run_id::text FROM jadugar.flow_runs WHERE flow = 'lff_sub') AS child_run,
	(data->>'step_id')::bigint = (SELECT step_id FROM jadugar.flow_steps WHERE run_id = :run AND step = 'b') AS step_id
FROM jadugar.read_events('{step.completed}', '{jadugar}', key => :'run') WHERE data->>'step' = 'b';
SELECT data->>'parent_run' = :'run' AS parent_run FROM jadugar.read_events('{flow.started}', '{jadugar}') WHERE data->>'flow' = 'lff_sub';
INSERT INTO lff.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- One that fails: skipped steps, and compensations, of which one fails
SELECT jadugar.start_flow(jadugar.chain(ARRAY[jadugar.step('a', 'SELECT 1', compensate => 'SELECT 1'),
	jadugar.step('b', 'SELECT 1', compensate => 'SELECT 1 / 0', compensate_retry => jadugar.retry_policy(1)),
	jadugar.step('c', 'SELECT 1 / 0'), jadugar.step('d', 'SELECT 1')])) AS run \gset
CALL lff.ended(:run);
SELECT * FROM lff.events;
INSERT INTO lff.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1', compensate => 'SELECT 1') OPERATOR(jadugar.~>) jadugar.step('b', 'SELECT 1 / 0')) AS run \gset
CALL lff.ended(:run);
SELECT type FROM lff.events WHERE type LIKE 'flow.%' OR type LIKE '%compensated';
INSERT INTO lff.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- Time outs, aborts; a run that fails and goes on
SELECT jadugar.start_flow(jadugar.wait_signal('never', timeout => '10 ms', name => 'wait')) AS run \gset
CALL lff.ended(:run);
SELECT jadugar.start_flow(jadugar.wait_signal('never', name => 'wait')) AS run \gset
SELECT jadugar.abort_flow(:run) \g /dev/null
CALL lff.ended(:run);
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1 / 0')) AS run \gset
CALL lff.ended(:run);
SELECT jadugar.skip_step(:run, 'a') \g /dev/null
CALL test.wait_until(format('SELECT status = ''completed'' FROM jadugar.flow_runs WHERE run_id = %s', :run));
SELECT type, run, step, data FROM lff.events;
INSERT INTO lff.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- A rollback leaves nothing, and others see nothing
BEGIN;
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1')) > 0 AS started;
ROLLBACK;
SELECT * FROM lff.events;
SET ROLE lff_bob;
SELECT count(*) FROM jadugar.read_events('{flow.*,step.*}', '{jadugar}');
SET ROLE lff_ann;
SELECT jadugar.unsubscribe('flows');

-- No loops: a flow that a handler starts causes no events, nor do its steps, their tasks and flows
SELECT jadugar.create_flow('lff_undone', jadugar.step('in', $$INSERT INTO lff.made SELECT 'sub_flow' FROM (SELECT jadugar.enqueue('INSERT INTO lff.made VALUES (''task of a sub_flow'')')) x$$,
	compensate => $$INSERT INTO lff.made SELECT 'compensation' FROM (SELECT jadugar.enqueue('INSERT INTO lff.made VALUES (''task of a compensation'')')) x$$)) \g /dev/null
SELECT jadugar.create_flow('lff_loop', jadugar.chain(ARRAY[
	jadugar.step('a', $$INSERT INTO lff.made SELECT 'step' FROM (SELECT jadugar.enqueue('INSERT INTO lff.made VALUES (''task of a step'')')) x$$),
	jadugar.step('b', $$SELECT jadugar.start_flow(jadugar.step('x', 'INSERT INTO lff.made SELECT ''flow of a step'''))$$),
	jadugar.sub_flow('lff_undone', name => 'c'), jadugar.wait_signal('go', name => 'w'), jadugar.step('d', 'SELECT 1 / 0')])) \g /dev/null
SELECT jadugar.subscribe('inline', '{task.enqueued,flow.*,step.*}', $$SELECT jadugar.start_flow('lff_loop')$$, topics => '{jadugar}') > 0 AS subscribed;
SELECT jadugar.subscribe('task', '{task.completed}', $$SELECT jadugar.start_flow('lff_loop')$$, topics => '{jadugar}', delivery => 'task') > 0 AS subscribed;
INSERT INTO lff.mark SELECT coalesce(max(event_id), 0) FROM jadugar.read_events(topics => '{jadugar}');
SELECT jadugar.enqueue('SELECT 1') \g /dev/null
CALL test.wait_until($$SELECT count(*) = 2 FROM jadugar.flow_steps WHERE step = 'w' AND status = 'running'$$);
SELECT count(jadugar.signal(run_id, 'go')) FROM jadugar.flow_runs WHERE flow = 'lff_loop';
CALL test.wait_until($$SELECT count(*) = 2 FROM jadugar.flow_runs WHERE flow = 'lff_loop' AND status = 'compensated'$$);
CALL test.wait_until('SELECT count(*) = 0 FROM jadugar.tasks');
SELECT by, count(*) FROM lff.made GROUP BY by ORDER BY by COLLATE "C";
SELECT type FROM lff.events;
-- a copy of such a run is like it
SELECT jadugar.fork_flow(max(run_id), 'd') AS run FROM jadugar.flow_runs WHERE flow = 'lff_loop' \gset
CALL lff.ended(:run);
SELECT type FROM lff.events;
SELECT jadugar.unsubscribe('inline'), jadugar.unsubscribe('task');
RESET ROLE;
DROP SCHEMA lff CASCADE;
CALL test.drop_roles('lff_ann', 'lff_bob');
