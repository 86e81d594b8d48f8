-- Invalid arguments of functions for flows: NULLs, invalid ids, runs of other
-- roles, unknown words, finished runs. Graphs are in flow_type.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_input');
CALL test.create_role('test_input_other');
CREATE ROLE test_input_none LOGIN;
SET search_path = public, jadugar;

SET SESSION AUTHORIZATION test_input_other;
SELECT create_flow('test other', step('a', 'SELECT 1'));
SELECT start_flow(approval('boss') ~> step('a', 'SELECT 1')) AS other \gset
SET SESSION AUTHORIZATION test_input;
SELECT create_flow('test mine', step('a', 'SELECT 1'));
SELECT start_flow(wait_signal('go', name => 'w') ~> (approval('boss') & step('a', 'SELECT 1'))) AS mine \gset
SELECT start_flow('test mine') AS done \gset
SELECT status FROM wait_flow(:done, '30 s');
SELECT start_flow(step('a', 'SELECT 1/0') ~> step('b', 'SELECT 1')) AS failed \gset
SELECT status FROM wait_flow(:failed, '30 s');
SELECT start_flow(step('a', 'SELECT 1', compensate => 'SELECT 1') ~> step('b', 'SELECT 1/0')) AS undone \gset
SELECT status FROM wait_flow(:undone, '30 s');
SELECT set_config('test.' || k, v, false) IS NOT NULL AS kept
FROM (VALUES ('other', :'other'), ('mine', :'mine'), ('done', :'done'), ('failed', :'failed'), ('undone', :'undone')) x (k, v);
CREATE FUNCTION pg_temp.run(which text) RETURNS bigint LANGUAGE sql AS $$ SELECT current_setting('test.' || which)::bigint $$;

-- ------------------------------------------ each argument NULL, one by one
CREATE TEMP TABLE test_values (function text, n integer GENERATED ALWAYS AS IDENTITY, call text[]);
INSERT INTO test_values (function, call) VALUES
	('create_flow', ARRAY['''test new''', 'step(''a'', ''SELECT 1'')', '''described''', '''test_input''']),
	('drop_flow', ARRAY['''test mine''', '''kill''', '''test_input''']),
	('start_flow', ARRAY['''test mine''', '''{}''::jsonb', '1', '''key''', '''1 h''::interval', 'NULL::timestamptz', '''1 min''::interval', '''trace''', '''{}''::jsonb', '''tenant''', '''test_input''']),
	('start_flow', ARRAY['step(''a'', ''SELECT 1'')', '''{}''::jsonb', '''key''', 'NULL::interval', 'now()', '''1 min''::interval', '''trace''', '''{}''::jsonb', '''tenant''', '''test_input''']),
	('fork_flow', ARRAY['pg_temp.run(''done'')', '''a''']),
	('abort_flow', ARRAY['pg_temp.run(''mine'')', '''kill''']),
	('pause_flow', ARRAY['pg_temp.run(''mine'')']),
	('resume_flow', ARRAY['pg_temp.run(''mine'')']),
	('retry_step', ARRAY['pg_temp.run(''failed'')', '''a''', 'NULL::bigint']),
	('skip_step', ARRAY['pg_temp.run(''mine'')', '''w''', 'NULL::bigint']),
	('signal', ARRAY['pg_temp.run(''mine'')', '''go''', '''{}''::jsonb']),
	('approve', ARRAY['pg_temp.run(''mine'')', '''boss''', 'true', '''fine''']),
	('raise_event', ARRAY['''test.event''', '''{}''::jsonb']),
	('wait_flow', ARRAY['pg_temp.run(''done'')', '''1 s''::interval']),
	('flow_status', ARRAY['pg_temp.run(''mine'')']),
	('flow_progress', ARRAY['pg_temp.run(''mine'')']),
	('explain_flow', ARRAY['pg_temp.run(''mine'')', '''text''']),
	('explain_flow', ARRAY['''test mine''::text', '''mermaid''', '1']),
	('explain_flow', ARRAY['step(''a'', ''SELECT 1'')', '''text''']);
SELECT function, x.i AS argument, test.refusal_of(format('SELECT jadugar.%I(%s)', function, (SELECT string_agg(CASE WHEN a.k = x.i THEN
	-- in the type of the value
	CASE WHEN a.v ~ '^step' THEN 'NULL::jadugar.flow' WHEN a.v ~ 'pg_temp' THEN 'NULL::bigint' WHEN a.v ~ '::' THEN 'NULL' || substring(a.v FROM '::.*')
		ELSE 'NULL' END ELSE a.v END, ', ' ORDER BY a.k) FROM unnest(call) WITH ORDINALITY a (v, k))))
FROM test_values, generate_series(0, array_length(call, 1)) AS x (i) ORDER BY n, x.i;

-- ------------------------------------------------------- invalid arguments
CREATE TEMP TABLE test_statements (n integer GENERATED ALWAYS AS IDENTITY, s text);
INSERT INTO test_statements (s) VALUES
	-- create_flow, drop_flow
	($$SELECT create_flow('', step('a', 'SELECT 1'))$$), ($$SELECT create_flow(repeat('x', 256), step('a', 'SELECT 1'))$$),
	($$SELECT create_flow(E'a\nb', step('a', 'SELECT 1'))$$), ($$SELECT create_flow('{x', step('a', 'SELECT 1'))$$),
	($$SELECT create_flow('x', '{}')$$), ($$SELECT create_flow('x', '[]')$$), ($$SELECT create_flow('x', 'no json')$$), ($$SELECT create_flow('x', '{"chain": []}')$$),
	($$SELECT create_flow('x', step('a', 'SELECT 1', after => ARRAY['b']))$$), ($$SELECT create_flow('x', step('a', 'SELECT 1', queue => 'nowhere'))$$),
	($$SELECT create_flow('x', step('a', 'no such handler'))$$), ($$SELECT create_flow('x', step('a', 'SELECT 1'), owner => 'test_input_other')$$),
	($$SELECT create_flow('x', step('a', 'SELECT 1'), owner => 'no_such_role')$$),
	($$SELECT drop_flow('nothing')$$), ($$SELECT drop_flow('test other')$$), ($$SELECT drop_flow('test mine', runs => 'maybe')$$),
	($$SELECT drop_flow('test mine', runs => '')$$), ($$SELECT drop_flow('test other', owner => 'test_input_other')$$), ($$SELECT drop_flow('')$$),
	-- start_flow
	($$SELECT start_flow('nothing')$$), ($$SELECT start_flow('')$$), ($$SELECT start_flow('test other')$$), ($$SELECT start_flow('test mine', version => 0)$$),
	($$SELECT start_flow('test mine', version => -1)$$), ($$SELECT start_flow('test mine', version => 2)$$),
	($$SELECT start_flow('test mine', idempotency_key => '')$$), ($$SELECT start_flow('test mine', idempotency_key => repeat('k', 1025))$$),
	($$SELECT start_flow('test mine', delay => '-1 s')$$), ($$SELECT start_flow('test mine', delay => '300000 years')$$),
	($$SELECT start_flow('test mine', delay => '1 s', run_at => now())$$), ($$SELECT start_flow('test mine', run_at => 'infinity')$$),
	($$SELECT start_flow('test mine', run_at => '-infinity')$$), ($$SELECT start_flow('test mine', timeout => '0')$$),
	($$SELECT start_flow('test mine', timeout => '-1 s')$$), ($$SELECT start_flow('test mine', timeout => '178000000 years')$$),
	($$SELECT start_flow('test mine', trace => '')$$), ($$SELECT start_flow('test mine', tenant => '')$$), ($$SELECT start_flow('test mine', metadata => '[]')$$),
	($$SELECT start_flow('test mine', metadata => '1')$$), ($$SELECT start_flow('test mine', owner => 'test_input_other')$$),
	($$SELECT start_flow('test mine', owner => 'nobody at all')$$), ($$SELECT start_flow('{"step": "a"}')$$), ($$SELECT start_flow('{broken')$$),
	($$SELECT start_flow('test mine', '7')$$), ($$SELECT start_flow('test mine', 'null')$$), ($$SELECT start_flow('test mine', '[1]')$$),
	($$SELECT start_flow('{}'::jsonb::flow)$$),
	-- invalid ids, and ids of other roles
	($$SELECT flow_status(0)$$), ($$SELECT flow_status(-1)$$), ($$SELECT flow_status(9223372036854775807)$$), ($$SELECT flow_status(pg_temp.run('other'))$$),
	($$SELECT flow_progress(-1)$$), ($$SELECT flow_progress(pg_temp.run('other'))$$), ($$SELECT wait_flow(-1)$$), ($$SELECT wait_flow(pg_temp.run('other'))$$),
	($$SELECT explain_flow(-1)$$), ($$SELECT explain_flow(pg_temp.run('other'))$$), ($$SELECT explain_flow('test other'::text)$$),
	($$SELECT fork_flow(-1, 'a')$$), ($$SELECT fork_flow(pg_temp.run('other'), 'a')$$), ($$SELECT abort_flow(-1)$$), ($$SELECT abort_flow(pg_temp.run('other'))$$),
	($$SELECT pause_flow(-1)$$), ($$SELECT pause_flow(pg_temp.run('other'))$$), ($$SELECT resume_flow(-1)$$), ($$SELECT resume_flow(pg_temp.run('other'))$$),
	($$SELECT retry_step(-1, 'a')$$), ($$SELECT retry_step(pg_temp.run('other'), 'a')$$), ($$SELECT skip_step(-1, 'a')$$), ($$SELECT skip_step(pg_temp.run('other'), 'a')$$),
	($$SELECT signal(-1, 'go')$$), ($$SELECT signal(pg_temp.run('other'), 'go')$$), ($$SELECT approve(-1, 'boss')$$), ($$SELECT approve(pg_temp.run('other'), 'boss')$$),
	-- unknown words
	($$SELECT abort_flow(pg_temp.run('mine'), 'softly')$$), ($$SELECT abort_flow(pg_temp.run('mine'), '')$$), ($$SELECT signal(pg_temp.run('mine'), '')$$),
	($$SELECT signal(pg_temp.run('mine'), repeat('s', 1000))$$), ($$SELECT signal(pg_temp.run('mine'), E'a\tb')$$), ($$SELECT raise_event('')$$),
	($$SELECT raise_event(repeat('e', 1000))$$), ($$SELECT raise_event(E'a\nb')$$), ($$SELECT approve(pg_temp.run('mine'), '')$$), ($$SELECT approve(pg_temp.run('mine'), 'nobody')$$),
	($$SELECT approve(pg_temp.run('mine'), 'a')$$), ($$SELECT retry_step(pg_temp.run('mine'), '')$$), ($$SELECT retry_step(pg_temp.run('mine'), 'nothing')$$),
	($$SELECT retry_step(pg_temp.run('mine'), 'w')$$), ($$SELECT retry_step(pg_temp.run('mine'), 'chain#0')$$), ($$SELECT retry_step(pg_temp.run('mine'), 'parallel#2')$$),
	($$SELECT retry_step(pg_temp.run('mine'), 'a')$$), ($$SELECT skip_step(pg_temp.run('mine'), 'nothing')$$), ($$SELECT skip_step(pg_temp.run('mine'), 'a')$$),
	($$SELECT skip_step(pg_temp.run('mine'), 'chain#0')$$), ($$SELECT skip_step(pg_temp.run('mine'), 'w', -1)$$), ($$SELECT skip_step(pg_temp.run('mine'), 'w', 99999)$$),
	($$SELECT fork_flow(pg_temp.run('mine'), '')$$), ($$SELECT fork_flow(pg_temp.run('mine'), 'nothing')$$), ($$SELECT fork_flow(pg_temp.run('mine'), 'a')$$),
	($$SELECT explain_flow(pg_temp.run('mine'), 'picture')$$), ($$SELECT explain_flow('test mine'::text, 'picture')$$), ($$SELECT explain_flow('test mine'::text, version => 7)$$),
	($$SELECT explain_flow('nothing'::text)$$), ($$SELECT wait_flow(pg_temp.run('mine'), '-1 s')$$),
	-- finished runs
	($$SELECT signal(pg_temp.run('done'), 'go')$$), ($$SELECT approve(pg_temp.run('done'), 'boss')$$), ($$SELECT pause_flow(pg_temp.run('done'))$$),
	($$SELECT resume_flow(pg_temp.run('done'))$$), ($$SELECT retry_step(pg_temp.run('done'), 'a')$$), ($$SELECT skip_step(pg_temp.run('done'), 'a')$$),
	($$SELECT retry_step(pg_temp.run('failed'), 'b')$$), ($$SELECT skip_step(pg_temp.run('failed'), 'b')$$), ($$SELECT retry_step(pg_temp.run('undone'), 'a')$$),
	($$SELECT retry_step(pg_temp.run('undone'), 'b')$$), ($$SELECT skip_step(pg_temp.run('undone'), 'b')$$), ($$SELECT pause_flow(pg_temp.run('undone'))$$);
SELECT s, test.refusal_of(s) FROM test_statements ORDER BY n;
-- an aborted run has finished, too
SELECT abort_flow(:done), abort_flow(:failed), abort_flow(:undone);
-- no call has changed anything
SELECT status, steps FROM flow_status(:mine);
SELECT status FROM flow_runs ORDER BY run_id;
SELECT * FROM check_flows();

-- a text that looks like a path, but does not begin with $, is SQL: the hint says so
SELECT test.error_of(s) FROM (VALUES (1, $$SELECT start_flow(loop(step('s', 'SELECT 1'), while => '!($.steps.s.done == true)'))$$),
	(2, $$SELECT start_flow(branch('($.input.x == 1)', step('s', 'SELECT 1')))$$),
	(3, $$SELECT create_flow('x', each('($.input.list)', step('s', 'SELECT 1')))$$)) v (n, s) ORDER BY n;
-- not true, or missing: as a path, and as SQL
SELECT start_flow(parallel(ARRAY[step('s', 'SELECT 1 AS one'),
	branch('$.steps.s.done != true', step('a', 'SELECT 1'), step('b', 'SELECT 1'), after => '{s}'),
	branch('$.steps.s.done != true || !exists($.steps.s.done)', step('c', 'SELECT 1'), step('d', 'SELECT 1'), after => '{s}'),
	branch($$$1 #>> '{steps,s,done}' IS DISTINCT FROM 'true'$$, step('e', 'SELECT 1'), step('f', 'SELECT 1'), after => '{s}')])) AS run \gset
SELECT status FROM wait_flow(:run, '30 s');
SELECT step, status FROM flow_steps WHERE run_id = :run AND step ~ '^[a-f]$' ORDER BY step;

-- a role without access
SET SESSION AUTHORIZATION test_input_none;
SELECT test.refusal_of($$SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1'))$$);
SET SESSION AUTHORIZATION test_input;

-- clean up
SELECT abort_flow(:mine);
SELECT status FROM wait_flow(:mine, '30 s');
SET SESSION AUTHORIZATION test_input_other;
SELECT abort_flow(:other);
SELECT status FROM wait_flow(:other, '30 s');
RESET SESSION AUTHORIZATION;
SELECT * FROM check_flows();
CALL test.delete_runs();
DROP TABLE test_values, test_statements;
CALL test.drop_roles('test_input', 'test_input_other', 'test_input_none');
