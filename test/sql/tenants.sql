-- Tenants: creating and changing; the label of what a call makes.
\i test/include/helpers.sql
CALL test.create_role('test_tenant_user');
CALL test.create_role('test_tenant_operator', 'operator');
CREATE FUNCTION test_tenant(wanted text) RETURNS SETOF jsonb LANGUAGE sql SECURITY DEFINER AS $$
	SELECT jsonb_strip_nulls(to_jsonb(t) - 'tenant_id' - 'created_at' || jsonb_build_object('owner', t.owner::regrole))
	FROM jadugar_internal.tenant t WHERE t.name = wanted
$$;

-- for operators
SET ROLE test_tenant_user;
SELECT jadugar.create_tenant('test_a');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.alter_tenant('test_a', 2);
\echo :LAST_ERROR_SQLSTATE
SET ROLE test_tenant_operator;
BEGIN;
SELECT jadugar.create_tenant('test_a') > 0 AS is_an_id;
SELECT * FROM test_tenant('test_a');
SELECT jadugar.create_tenant('test b', weight => 1000, max_concurrency => 2, rate => 10, per => '1 min', burst => 3,
	max_priority => 5, max_tasks => 100, enqueue_rate => 50, enqueue_per => '1 h', enqueue_burst => 7,
	history => 'failures', retention => '1 day', max_history => 1000, description => 'with everything', metadata => '{"a": 1}') > 0 AS is_an_id;
SELECT * FROM test_tenant('test b');
SELECT jadugar.create_tenant(repeat('t', 128)) > 0 AS is_an_id;

-- null keeps a value, reset restores the default
SELECT jadugar.alter_tenant('test b', weight => 2, reset => '{max_concurrency,rate,max_priority,max_tasks,history,retention,max_history,description,metadata}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b', enqueue_burst => 9, reset => '{enqueue_per,weight}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b', reset => '{enqueue_rate}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b');

-- a burst needs a rate, and both fit together
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', burst => 3)$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', enqueue_per => '1 s', reset => '{enqueue_rate}')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('c', max_history => 0)$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('c', rate => 2000000)$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('c', rate => 1, per => '366 days', burst => 101)$$);
SELECT jadugar.create_tenant('c', rate => 1000000, enqueue_rate => 1, enqueue_per => '366 days', enqueue_burst => 100) > 0 AS is_an_id;
SELECT test.error_of($$SELECT jadugar.alter_tenant('c', per => '1 ms')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('c', enqueue_burst => 101)$$);
-- names
SELECT test.error_of($$SELECT jadugar.create_tenant('test_a')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(NULL)$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(repeat('t', 129))$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(E'a\tb')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('nowhere')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', reset => '{name}')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', weight => 1001)$$);

-- to another owner
RESET ROLE;
SELECT * FROM jadugar.drop_owned('test_tenant_operator', '{tenants}') WHERE name LIKE 'test%';
SELECT * FROM jadugar.reassign_owned('test_tenant_operator', 'test_tenant_user', '{tenants}') WHERE name LIKE 'test%';
SELECT * FROM jadugar.reassign_owned('test_tenant_operator', 'test_tenant_user', '{tenants}');
SELECT * FROM test_tenant('test_a');
ROLLBACK;
RESET ROLE;

-- ------------------------------------------------------- where the label is taken

SELECT test.error_of($$SELECT set_config('jadugar.tenant', repeat('t', 129), false)$$);
SELECT test.error_of($$SELECT set_config('jadugar.tenant', E'a\nb', false)$$);
SET ROLE test_tenant_user;
SELECT set_config('jadugar.tenant', repeat('ä', 64), false) = repeat('ä', 64) AS taken;
SET jadugar.tenant = 'test set';
SHOW jadugar.tenant;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS plain, jadugar.enqueue('SELECT 1', tenant => 'test given', delay => '1 day') AS given \gset
SELECT array_agg(id) AS batch FROM jadugar.enqueue_batch('SELECT 1', '{"{}", "{}"}', delay => '1 day') id \gset
SELECT jadugar.schedule('test_tenant', '@yearly', 'SELECT 1') AS schedule, jadugar.run_now('test_tenant') AS now \gset
SELECT jadugar.create_flow('test_tenant_sub', jadugar.step('c', 'SELECT tenant FROM jadugar.current_task()'));
SELECT jadugar.start_flow(jadugar.chain(ARRAY[jadugar.step('a', 'SELECT jadugar.enqueue(''SELECT 1'', unique_key => ''step'') AS id'),
	jadugar.sub_flow('test_tenant_sub', name => 'b')])) AS run \gset
SELECT jadugar.publish('test.tenant') AS event, jadugar.publish('test.tenant', tenant => 'test given') AS event2 \gset
SELECT array_agg(id) AS events FROM jadugar.publish_batch('test.tenant', '{"{}"}') id \gset
SELECT result FROM jadugar.run_task('SELECT tenant FROM jadugar.current_task()');
RESET jadugar.tenant;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS none \gset
SELECT task_id = :plain AS plain, task_id = :given AS given, task_id = ANY (:'batch') AS batch, task_id = :none AS none, tenant
FROM jadugar.tasks WHERE task_id IN (:plain, :given, :none) OR task_id = ANY (:'batch') ORDER BY task_id;
SELECT tenant FROM jadugar.schedules WHERE name = 'test_tenant';
SELECT tenant FROM jadugar.wait(:now, '20 s');
SELECT status, tenant FROM jadugar.wait_flow(:run, '20 s');
SELECT DISTINCT step, tenant, result ->> 'tenant' AS result FROM jadugar.history WHERE step IS NOT NULL AND owner = 'test_tenant_user' ORDER BY step;
SELECT event_id = :event2 AS given, tenant FROM jadugar.events WHERE event_id IN (:event, :event2) OR event_id = ANY (:'events') ORDER BY event_id;
-- a task's label goes before the setting, and the setting before none
RESET ROLE;
CREATE PROCEDURE test_tenant_task(outer_tenant text) LANGUAGE plpgsql AS $$
DECLARE
	first bigint := jadugar.enqueue('SELECT jadugar.enqueue(''SELECT 1''), jadugar.publish(''test.tenant.task''), jadugar.schedule(''test_tenant_task'', ''@yearly'', ''SELECT 1'', or_replace => true)',
		tenant => outer_tenant, settings => '{"jadugar.tenant": "test set"}');
	second bigint;
BEGIN
	COMMIT;
	second := (SELECT result ->> 'enqueue' FROM jadugar.wait(first, '20 s'));
	COMMIT;
	PERFORM jadugar.wait(second, '20 s');
	RAISE NOTICE 'task % makes task %, schedule %, event %', (jadugar.get_task(first)).tenant, (jadugar.get_task(second)).tenant,
		(SELECT tenant FROM jadugar.schedules WHERE name = 'test_tenant_task'),
		(SELECT tenant FROM jadugar.events WHERE type = 'test.tenant.task' ORDER BY event_id DESC LIMIT 1);
END $$;
SET ROLE test_tenant_user;
SET client_min_messages = notice;
CALL test_tenant_task('test given');
CALL test_tenant_task(NULL);
SET client_min_messages = warning;
SELECT jadugar.cancel_tasks() >= 5 AS cancelled, jadugar.clear_schedules();
RESET ROLE;
DROP PROCEDURE test_tenant_task;
DROP FUNCTION test_tenant;
CALL test.drop_roles('test_tenant_user', 'test_tenant_operator');
