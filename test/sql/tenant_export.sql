-- export_tenant() and import_tenant(): what is imported is equal, and works.
\i test/include/helpers.sql
CALL test.create_role('test_exp_user');
CALL test.create_role('test_exp_operator', 'operator');
SELECT jadugar.create_queue('test_exp') > 0 AS is_an_id;
SELECT jadugar.grant_queue('test_exp', 'test_exp_user');
SET ROLE test_exp_operator;
SELECT jadugar.create_tenant('test exp', weight => 3, max_concurrency => 4, rate => 10, per => '1 min', burst => 2, max_priority => 9, max_tasks => 9,
	enqueue_rate => 1000, enqueue_per => '1 h', enqueue_burst => 20, history => 'failures', retention => '3 days', max_history => 1000, description => 'd', metadata => '{"m": 1}') > 0 AS is_an_id;
SELECT jadugar.pause_tenant('test exp', 'it moves');
-- a record of what was, of tasks that are not held back
SET ROLE test_exp_user;
SELECT jadugar.enqueue('SELECT jadugar.log(''info'', ''said'')', tenant => 'test past') AS past,
	jadugar.publish('test.past', '{"a": 1}', key => 'k', tenant => 'test past') > 0 AS published,
	jadugar.start_flow(jadugar.step('one', 'SELECT 1 AS n'), tenant => 'test past') AS run \gset
SELECT status FROM jadugar.wait(:past, '20 s');
SELECT status FROM jadugar.wait_flow(:run, '20 s');
SET ROLE test_exp_operator;
SELECT o ->> 'kind' AS kind, jsonb_strip_nulls(o -> 'row') - '{attempt_id,task_id,log_id,event_id,run_id,flow_run,at,worker_pid,enqueued_at,started_at,finished_at,published_at,created_at,options,last_done,schedule_live}'::text[] AS row
FROM jadugar.export_tenant('test past') o ORDER BY 1, o -> 'row' ->> 'step' NULLS FIRST;
SELECT jadugar.import_tenant(array_agg(o), rename => 'test past too') FROM jadugar.export_tenant('test past') o;
SELECT count(*) FROM jadugar.export_tenant('test past too');
SET ROLE test_exp_user;
SET jadugar.tenant = 'test exp';
SELECT jadugar.stop_workers();
SELECT jadugar.schedule('test_exp', '30 4 * * MON', 'SELECT ''x'' AS s', '{"p": null}', timezone => 'Asia/Kolkata', queue => 'test_exp', priority => 2, timeout => '90 s',
	retry => jadugar.retry_policy(4), overlap => 'queue', misfire => 'all', misfire_grace => '2 h', jitter => '5 s', ends_at => '2090-01-01', max_runs => 9, settings => '{"work_mem": "9MB"}',
	description => 'desc', metadata => '{"k": [1, "2"]}') > 0 AS is_an_id;
SELECT jadugar.schedule('test_exp_after', '@yearly', 'SELECT 2', depends_on => '{test_exp}', enabled => false) > 0 AS is_an_id;
SELECT jadugar.enqueue('SELECT $1', '{"n": 1}', delay => '5 days', priority => 7, queue => 'test_exp', timeout => '1 h', isolate => true, settings => '{"work_mem": "8MB"}', trace => 't', metadata => '{"a": 1}',
	unique_key => 'u', expect_rows => 'one') AS first,
	jadugar.enqueue('SELECT 1 AS done', concurrency_key => 'k') AS keyed, jadugar.enqueue('SELECT 2 AS done', concurrency_key => 'k') AS keyed2 \gset
SELECT jadugar.enqueue('SELECT 3 AS done', depends_on => ARRAY[:keyed, :keyed2], on_dependency_failure => 'run') AS after, jadugar.enqueue('VACUUM (VERBOSE, ANALYZE) pg_catalog.pg_am') AS standalone, jadugar.enqueue('SELECT 4') AS paused \gset
SELECT jadugar.pause_task(:paused), jadugar.run_now('test_exp') > 0 AS of_schedule;
SELECT test.error_of($$SELECT jadugar.export_tenant('test exp')$$);
SELECT test.error_of($$SELECT jadugar.import_tenant('{}')$$);
RESET jadugar.tenant;
RESET ROLE;

SET ROLE test_exp_operator;
-- through a file, as a client does
CREATE TEMP TABLE exported (o jsonb);
INSERT INTO exported SELECT jadugar.export_tenant('test exp');
SELECT o ->> 'kind' AS kind, count(*), min(o ->> 'version') AS version FROM exported GROUP BY 1 ORDER BY 1;
SELECT (o -> 'row') - '{paused_at,created_at}'::text[] AS tenant FROM exported WHERE o ->> 'kind' = 'tenant';
SELECT count(*) FROM jadugar.export_tenant('test exp', '{tenant, schedule}');
SELECT count(*) FROM jadugar.export_tenant('test exp', '{}');
SELECT count(*) FROM jadugar.export_tenant('test nowhere');
SELECT jadugar.import_tenant(array_agg(o)) FROM exported;
-- names of schedules and unique keys are there already, so the source goes
CALL jadugar.drop_tenant('test exp') \g /dev/null
SELECT jadugar.import_tenant(array_agg(o ORDER BY random()), rename => 'test imp') FROM exported;
-- equal, but for ids and the name; a key's place may have been given away or not
CREATE TEMP TABLE again (o jsonb);
INSERT INTO again SELECT jadugar.export_tenant('test imp');
CREATE FUNCTION pg_temp.without_ids(o jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT (o -> 'row') - CASE o ->> 'kind' WHEN 'task' THEN '{tenant,task_id,schedule_id,depends_on}'::text[]
			WHEN 'schedule' THEN '{tenant,schedule_id}' ELSE '{name,created_at}' END
		|| jsonb_build_object('kind', o -> 'kind', 'parents', CASE o ->> 'kind' WHEN 'task' THEN jsonb_array_length(o -> 'row' -> 'depends_on') END,
			'of', o -> 'row' ->> 'schedule_id' IS NOT NULL, 'state', replace(o -> 'row' ->> 'state', 'k', 'r'))
$$;
SELECT pg_temp.without_ids(o) AS only_in_source FROM exported EXCEPT ALL SELECT pg_temp.without_ids(o) FROM again;
SELECT pg_temp.without_ids(o) AS only_in_copy FROM again EXCEPT ALL SELECT pg_temp.without_ids(o) FROM exported;
SELECT count(*) AS same_ids FROM exported e JOIN again a ON a.o -> 'row' -> 'task_id' = e.o -> 'row' -> 'task_id';
SELECT name, paused, pause_reason, unfinished, schedules, max_tasks FROM jadugar.tenants WHERE name LIKE 'test %';
SELECT function, what, owner, detail FROM jadugar.audit WHERE function = 'import_tenant' AND what = 'tenant test imp';
-- and it works
SELECT jadugar.resume_tenant('test imp');
SET ROLE test_exp_user;
SELECT jadugar.start_workers(1);
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.tasks WHERE tenant = ''test imp''');
SELECT status, waiting_for, unique_key, command FROM jadugar.tasks WHERE tenant = 'test imp' ORDER BY task_id;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', on_conflict => 'error', queue => 'test_exp')$$) LIKE 'JD005 unique_key%' AS still_unique;
SELECT name, next_run_at > now() AS ahead, enabled FROM jadugar.schedules WHERE tenant = 'test imp' ORDER BY name;
SELECT jadugar.cancel_tasks(tenant => 'test imp') AS cancelled;
RESET ROLE;

-- bad rows
CREATE FUNCTION test_import(kind text, change jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT test.error_of(format('SELECT jadugar.import_tenant(ARRAY[%L::jsonb], %L)', o || change || jsonb_build_object('row', o -> 'row' || coalesce(change -> 'row', '{}')), 'test bad'))
	FROM exported WHERE o ->> 'kind' = kind ORDER BY o -> 'row' -> 'task_id' LIMIT 1
$$;
SELECT test.error_of($$SELECT jadugar.import_tenant('{NULL}')$$);
SELECT test.error_of($$SELECT jadugar.import_tenant('{"[]"}')$$);
SELECT test.error_of($$SELECT jadugar.import_tenant('{"{}"}')$$);
SELECT test.error_of($$SELECT jadugar.import_tenant(NULL)$$);
SELECT test.error_of($$SELECT jadugar.import_tenant('{}', '')$$);
SELECT jadugar.import_tenant('{}');
SELECT test_import('tenant', '{"kind": "planet"}');
SELECT test_import('tenant', '{"version": 2}');
SELECT test_import('tenant', '{"version": "x"}');
SELECT test_import('tenant', '{"row": {"weight": 0}}');
SELECT test_import('tenant', '{"row": {"weight": 1001}}');
SELECT test_import('tenant', '{"row": {"weight": "heavy"}}');
SELECT test_import('tenant', '{"row": {"rate": 2000000000}}');
SELECT test_import('tenant', '{"row": {"per": "infinity"}}') ~ '^JD001' AS refused;
SELECT test_import('tenant', '{"row": {"enqueue_per": "-1 s"}}');
SELECT test_import('tenant', '{"row": {"retention": "-1 s"}}');
SELECT test_import('schedule', '{"row": {"name": null}}');
SELECT test_import('schedule', '{"row": {"name": ""}}');
SELECT test_import('schedule', '{"row": {"timing": "often"}}');
SELECT test_import('schedule', '{"row": {"overlap": "maybe"}}');
SELECT test_import('schedule', '{"row": {"command": "selekt"}}');
SELECT test_import('schedule', '{"row": {"command": null}}');
SELECT test_import('schedule', '{"row": {"timezone": "Mars/Base"}}');
SELECT test_import('schedule', '{"row": {"owner": "nobody here"}}');
SELECT test_import('schedule', '{"row": {"owner": null}}');
SELECT test_import('schedule', '{"row": {"queue": "nowhere"}}');
SELECT test_import('task', '{"row": {"settings": {"role": "postgres"}}}') ~ '^JD001' AS refused;
SELECT test_import('task', '{"row": {"state": "q", "attempt": -1}}');
SELECT test_import('task', '{"row": {"run_at": "infinity"}}');
SELECT test_import('task', '{"row": {"depends_on": [1]}}');
SELECT test_import('task', '{"row": {"depends_on": {}}}');
SELECT test_import('task', '{"row": {"flow_run": 1}}');
SELECT test_import('task', '{"row": {"task_id": "x"}}');
SELECT test_import('task', '{"row": {"payload": null}}');
SELECT count(*) FROM jadugar.tenants WHERE name = 'test bad';
BEGIN READ ONLY;
SELECT jadugar.import_tenant('{}');
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) FROM jadugar.export_tenant('test imp', '{tenant}');
ROLLBACK;
-- the position of the element, also in errors about what it names
CREATE FUNCTION test_element(change jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	context text;
BEGIN
	PERFORM jadugar.import_tenant(array_agg(CASE n WHEN 3 THEN o || change || jsonb_build_object('row', o -> 'row' || coalesce(change -> 'row', '{}')) ELSE o END ORDER BY n), 'test bad')
	FROM (SELECT o, row_number() OVER (ORDER BY o -> 'row' -> 'task_id') AS n FROM exported WHERE o ->> 'kind' = 'task') x;
	RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(E'\n', SQLERRM, detail, substring(context FROM 'element [^\n]*'));
END $$;
SELECT test_element('{"kind": "planet"}');
SELECT test_element('{"row": {"queue": "nowhere"}}');
SELECT test_element('{"row": {"owner": "nobody here"}}');
SELECT test_element('{"row": {"command": "selekt"}}');
SELECT test_element('{"row": {"trace": ""}}');
DROP FUNCTION test_element;
DROP FUNCTION test_import;
CALL jadugar.drop_tenant('test imp') \g /dev/null
SELECT jadugar.drop_queue('test_exp');
CALL test.drop_roles('test_exp_user', 'test_exp_operator');
