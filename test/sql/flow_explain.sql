-- explain_flow(): a flow as a tree and as a Mermaid flowchart; for a run, with the
-- state of each step.
\i test/include/helpers.sql
\pset format unaligned
\pset tuples_only on
SET search_path = jadugar, pg_catalog, public;
CALL test.create_role('explain_ann');
CALL test.create_role('explain_bob');
CALL test.create_role('explain_mon', 'monitor');
SET ROLE explain_ann;

-- replaces durations, which vary
CREATE FUNCTION pg_temp.explain_without_times(run bigint, format text DEFAULT 'text') RETURNS text LANGUAGE sql
	RETURN regexp_replace(jadugar.explain_flow(run, format), ' [0-9.]+ m?s\]', ' TIME]', 'g');

-- every kind of node, and every option in the output
SELECT chain(ARRAY[
	step('reserve', 'SELECT app.reserve($1)', '{"id": "$.input.id"}', compensate => 'SELECT app.release($1)',
		retry => retry_policy(3), queue => 'default', priority => 5, timeout => '1 min', concurrency_key => 'k',
		transaction => 'serializable', isolate => true, settings => '{"work_mem": "1MB"}', metadata => '{"a": 1}'),
	branch('$.input.vip == true', step('gift', 'SELECT 1'), step('card', 'SELECT 2'), name => 'vip'),
	branch('true', step('only', E'SELECT\n\t1')),
	parallel(ARRAY[step('mail', 'SELECT 1', on_failure => 'continue'),
		step('pick', 'SELECT 2', on_failure => 'compensate', after => '{mail}', "join" => 'all_done')],
		completion => 'n_of_m', n => 1, concurrency => 2, timeout => '2 h', rest => 'run', name => 'both'),
	each('$.input.items', step('ship', 'SELECT 3', pivot => true) ~> jadugar.sleep('2 days'), concurrency => 4,
		completion => 'best_effort', name => 'items'),
	loop(step('poll', 'SELECT 4'), '$.steps.poll.more == true', max => 10, delay => '5 s'),
	race(ARRAY[wait_signal('paid', timeout => '1 day', on_timeout => 'continue'),
		approval('boss', approvers => 'explain_bob', message => 'Pay it?', timeout => '3 days')]),
	wait_event('delivered', '{"id": "$.input.id"}'),
	jadugar.sleep_until('2030-01-01 00:00+00'),
	sub_flow('other', version => 2, compensate => 'SELECT 5')]) AS flow \gset
SELECT explain_flow(:'flow'::flow);
SELECT explain_flow(:'flow'::flow, 'mermaid');
-- a text that begins with a brace is a flow; a single node
SELECT explain_flow('{"step": "a", "command": "SELECT 1"}');
SELECT explain_flow(step('a', 'SELECT 1'), format => 'mermaid');
-- special characters of Mermaid, and texts that are too long for a label
SELECT explain_flow(step(E'"q" [x] {y} #1; <b> & `c` \\ 50% | end', E'SELECT ''%%{init: {}}%%'' -- "x"\nFROM (VALUES (1)) v')
	~> step('long', 'SELECT ' || repeat('x', 100) || ' FROM y'), 'mermaid');
SELECT explain_flow(step('long', 'SELECT ' || repeat('x', 200) || ' FROM y'));

-- named flows and drafts
SELECT create_flow('greet', step('hello', 'SELECT 1'));
SELECT create_flow('greet', step('hello', 'SELECT 2'));
SELECT explain_flow('greet');
SELECT explain_flow('greet', version => 1);
SELECT explain_flow('greet', 'mermaid', 1);
SELECT create_chain('draft');
SELECT add_step('draft', 'first', 'SELECT 1');
SELECT explain_flow('draft');

-- runs
SELECT start_flow(step('a', 'SELECT 1', compensate => 'SELECT 2')
	~> (step('b', 'SELECT 1') & step('c', 'SELECT 1'))
	~> each('[1, 2, 3]', step('i', 'SELECT 1/(2 - ($1->>''item'')::int)', on_failure => 'continue', retry => retry_policy(1)))
	~> branch('true', step('yes', 'SELECT 1'), step('no', 'SELECT 1'))
	~> step('bad', 'SELECT 1/0', retry => retry_policy(2, delay => '0', retry_on => '{22012}'))
	~> step('never', 'SELECT 1')) AS run \gset
SELECT status FROM wait_flow(:run, timeout => '30 s');
SELECT pg_temp.explain_without_times(:run);
SELECT pg_temp.explain_without_times(:run, 'mermaid');
SELECT start_flow(step('a', 'SELECT 1') ~> wait_signal('go') ~> step('b', 'SELECT 1')) AS run2 \gset
SELECT status, steps ->> 'a' FROM wait_flow(:run2, timeout => '1 s');
SELECT pg_temp.explain_without_times(:run2);

-- errors
SELECT explain_flow('greet', 'dot');
SELECT explain_flow('greet', NULL);
SELECT explain_flow(NULL);
SELECT explain_flow(NULL::flow);
SELECT explain_flow(NULL::bigint);
SELECT explain_flow('none');
SELECT explain_flow('greet', version => 3);
SELECT explain_flow('greet', version => 0);
SELECT explain_flow(0);
SELECT explain_flow('{"step": "a"}');
SELECT explain_flow('{"step": }');
SET ROLE explain_bob;
SELECT explain_flow('greet');
SELECT test.sqlstate_of('SELECT jadugar.explain_flow(' || :run || ')');
SET ROLE explain_mon;
SELECT test.sqlstate_of('SELECT jadugar.explain_flow(' || :run || ')');

SET ROLE explain_ann;
SELECT abort_flow(:run2);
SELECT status FROM wait_flow(:run2, timeout => '30 s');
SELECT drop_flow('greet'), drop_flow('draft');
RESET ROLE;
DROP FUNCTION pg_temp.explain_without_times(bigint, text);
SELECT revoke_access('explain_ann'), revoke_access('explain_bob'), revoke_access('explain_mon');
DROP ROLE explain_ann, explain_bob, explain_mon;
