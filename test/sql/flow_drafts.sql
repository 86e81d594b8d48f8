-- Flows built step by step: create_chain(), create_group(), add_step(),
-- add_parallel(), add_conditional(), remove_step().
\i test/include/helpers.sql
\set SHOW_CONTEXT errors
\pset format unaligned
\pset tuples_only on
SET search_path = jadugar, pg_catalog, public;
CALL test.create_role('draft_ann');
CALL test.create_role('draft_bob');
CALL test.create_role('draft_mon', 'monitor');
SET ROLE draft_ann;

-- a chain
SELECT create_chain('nightly', stop_on_failure => false);
SELECT name, version, latest, owner, steps, draft, graph, running, finished, failed FROM flows;
SELECT explain_flow('nightly');
SELECT start_flow('nightly');
SELECT add_step('nightly', 'load', 'SELECT 1 AS n', timeout => '1 h', compensate => 'SELECT 2', queue => 'default');
SELECT add_step('nightly', step('check', 'SELECT 1/0', on_failure => 'stop', retry => retry_policy(1)));
SELECT add_step('nightly', step('x', 'SELECT 1') ~> step('y', 'SELECT 2'));
SELECT add_parallel('nightly', ARRAY[step('p', 'SELECT 1'), step('q', 'SELECT 2')], completion => 'any');
SELECT add_parallel('nightly', ARRAY[step('r', 'SELECT 1')], name => 'tell', concurrency => 1);
SELECT add_conditional('nightly', '$.input.full == true', step('full', 'SELECT 1'));
SELECT add_conditional('nightly', 'true', step('yes', 'SELECT 1'), step('no', 'SELECT 0'), name => 'maybe');
SELECT graph FROM flows WHERE name = 'nightly';
SELECT explain_flow('nightly');

-- removing a node by the name that the call which added it returned
SELECT remove_step('nightly', 'parallel#4');
SELECT remove_step('nightly', 'chain#3');
SELECT remove_step('nightly', 'tell');
SELECT add_conditional('nightly', 'false', step('never', 'SELECT 1'));
SELECT remove_step('nightly', 'p');
SELECT remove_step('nightly', 'maybe');
SELECT explain_flow('nightly');

-- a name that is used at any depth cannot be added again
SELECT add_step('nightly', 'load', 'SELECT 1');
SELECT add_step('nightly', jadugar.sleep('1 s', name => 'load'));
SELECT add_parallel('nightly', ARRAY[step('new', 'SELECT 1'), step('check', 'SELECT 1')]);
-- start_flow() checks all names again
SELECT add_step('nightly', step('full', 'SELECT 1'));
SELECT start_flow('nightly');
SELECT remove_step('nightly', 'full');

-- the first start makes a version, the second one uses it
SELECT start_flow('nightly', '{"full": true}') AS run \gset
SELECT status, steps FROM wait_flow(:run, timeout => '30 s');
SELECT start_flow('nightly') AS run \gset
SELECT status, flow, version FROM wait_flow(:run, timeout => '30 s');
SELECT remove_step('nightly', 'check');
SELECT start_flow('nightly') AS run \gset
SELECT status, flow, version FROM wait_flow(:run, timeout => '30 s');
SELECT name, version, latest, steps, draft, running, finished, failed FROM flows ORDER BY name, version;

-- a name belongs to one flow
SELECT create_chain('nightly');
SELECT create_group('nightly');
SELECT create_flow('nightly', step('a', 'SELECT 1'));
SELECT drop_flow('nightly');
SELECT count(*) FROM flows;
SELECT create_flow('nightly', step('a', 'SELECT 1'));
SELECT create_chain('nightly');
SELECT create_group('nightly');
SELECT add_step('nightly', 'b', 'SELECT 1');
SELECT drop_flow('nightly');

-- a chain whose steps run at the same time, and a group
SELECT create_chain('wide', parallel => true, max_concurrency => 2);
SELECT add_step('wide', 's' || i, 'SELECT 1') FROM generate_series(1, 3) i;
SELECT explain_flow('wide');
SELECT create_group('quotes', concurrency => 2, completion => 'n_of_m', n => 1, timeout => '1 day 2 hours');
SELECT add_step('quotes', 'north', 'SELECT 41 AS price'), add_step('quotes', 'south', 'SELECT 41 AS price');
SET intervalstyle = 'iso_8601';
SELECT create_group('iso', timeout => '1 day 2 hours');
SELECT add_step('iso', 'a', 'SELECT 1');
RESET intervalstyle;
SELECT name, graph FROM flows WHERE name IN ('quotes', 'iso') ORDER BY name;
SELECT start_flow('quotes') AS run \gset
SELECT status FROM wait_flow(:run, timeout => '30 s');
SELECT create_group('too_few', completion => 'n_of_m', n => 3);
SELECT add_step('too_few', 'a', 'SELECT 1');
SELECT start_flow('too_few');

-- errors
SELECT create_chain(NULL);
SELECT create_chain('n', stop_on_failure => NULL);
SELECT create_chain('n', parallel => NULL);
SELECT create_chain('');
SELECT create_chain('{a}');
-- as a command, SQL would run as SQL
SELECT create_chain('analyze');
SELECT create_group('SELECT 1');
SELECT create_flow('vacuum', step('a', 'SELECT 1'));
SELECT create_chain('n', max_concurrency => 2);
SELECT create_chain('n', parallel => true, max_concurrency => 0);
SELECT create_group(NULL);
SELECT create_group('n', completion => NULL);
SELECT create_group('n', completion => 'some');
SELECT create_group('n', n => 1);
SELECT create_group('n', completion => 'n_of_m');
SELECT create_group('n', completion => 'n_of_m', n => -1);
SELECT create_group('n', concurrency => 0);
SELECT create_group('n', timeout => '0');
SELECT add_step(NULL, 'a', 'SELECT 1');
SELECT add_step('wide', NULL, 'SELECT 1');
SELECT add_step('wide', 'a', NULL);
SELECT add_step('wide', NULL);
SELECT add_step('wide', 'a', 'no such handler');
SELECT add_step('wide', '{"step": "a", "command": "SELECT 1", "colour": "red"}');
SELECT add_step('nothing', 'a', 'SELECT 1');
SELECT add_parallel('wide', NULL);
SELECT add_conditional('wide', NULL, step('a', 'SELECT 1'));
SELECT remove_step(NULL, 'a');
SELECT remove_step('wide', NULL);
SELECT remove_step('nothing', 'a');
SELECT remove_step('wide', 'nothing');

-- other roles have drafts of their own, and cannot see this one
SET ROLE draft_bob;
SELECT count(*) FROM flows;
SELECT add_step('wide', 'a', 'SELECT 1');
SELECT explain_flow('wide');
SELECT create_chain('wide');
SELECT add_step('wide', 'bob', 'SELECT 1');
SELECT name, owner, graph FROM flows;
SELECT drop_flow('wide');
-- a monitor sees the draft without its graph
SET ROLE draft_mon;
SELECT name, version, owner, steps, draft, graph FROM flows WHERE name = 'wide';
RESET ROLE;
SELECT graph IS NOT NULL FROM flows WHERE name = 'wide';

SET ROLE draft_ann;
SELECT drop_flow(name) FROM (SELECT DISTINCT name FROM flows) f \g /dev/null
SELECT count(*) FROM flows;
RESET ROLE;
SELECT count(*) FROM jadugar_internal.flow_draft, jadugar_internal.flow_draft_step;
SELECT revoke_access('draft_ann'), revoke_access('draft_bob'), revoke_access('draft_mon');
DROP ROLE draft_ann, draft_bob, draft_mon;
