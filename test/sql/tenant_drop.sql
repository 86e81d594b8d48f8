-- drop_tenant(): tasks, runs and schedules end, the rows go; those of others stay.
\i test/include/helpers.sql
CALL test.create_role('test_drop_user');
CALL test.create_role('test_drop_operator', 'operator');
SET ROLE test_drop_operator;
SELECT jadugar.create_tenant('test drop') > 0 AND jadugar.create_tenant('test stay') > 0 AS ids;
SET ROLE test_drop_user;
SELECT test.error_of($$CALL jadugar.drop_tenant('test drop')$$);
CREATE PROCEDURE pg_temp.fill(tenant text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('jadugar.tenant', tenant, true);
	PERFORM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{2500}'), delay => '1 day');
	PERFORM jadugar.enqueue('SELECT jadugar.log(''info'', ''said'')');
	PERFORM jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(1));
	PERFORM jadugar.pause_task(jadugar.enqueue('SELECT 1', concurrency_key => tenant));
	PERFORM jadugar.enqueue('SELECT 1', depends_on => ARRAY[jadugar.enqueue('SELECT 1', delay => '1 day')]);
	PERFORM jadugar.schedule(tenant, 'every 1 second', 'SELECT 1', overlap => 'parallel');
	PERFORM jadugar.start_flow(jadugar.step('a', 'SELECT 1'));
	PERFORM jadugar.start_flow(jadugar.chain(ARRAY[jadugar.step('a', 'SELECT 1', compensate => 'SELECT 1'), jadugar.approval('ok')]));
	PERFORM jadugar.publish('test.drop');
	PERFORM jadugar.send('test_drop', tenant, '{}');
END $$;
RESET ROLE;
CREATE FUNCTION test_drop_actor(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE sql AS $$ SELECT message, message $$;
SET ROLE test_drop_user;
SELECT jadugar.register_actor('test_drop', 'test_drop_actor');
CALL pg_temp.fill('test drop');
CALL pg_temp.fill('test stay');
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS plain \gset
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.approvals');
CALL test.wait_until('SELECT count(DISTINCT tenant) = 2 FROM jadugar.logs');
CALL test.wait_until('SELECT min(completed) > 0 FROM jadugar.schedules');
CALL test.wait_until('SELECT count(jadugar.actor_state(''test_drop'', t)) = 2 FROM unnest(''{test drop, test stay}''::text[]) t');
SELECT jadugar.unschedule('test stay');
SELECT jadugar.enqueue('SELECT pg_sleep(600)', tenant => 'test drop') AS sleeps, -- waits-for-time: it is cancelled
	jadugar.enqueue('DO $x$ BEGIN LOOP PERFORM jadugar.enqueue(''SELECT 1''); PERFORM count(*) FROM generate_series(1, 100000); COMMIT; END LOOP; END $x$', transaction => 'standalone', tenant => 'test drop') AS enqueues \gset
CALL test.wait_until(format('SELECT count(*) = 2 FROM jadugar.running WHERE task_id IN (%s, %s)', :sleeps, :enqueues));
RESET ROLE;
CALL test.wait_until('SELECT count(*) >= 5 FROM jadugar.history WHERE tenant = ''test stay''');
CREATE VIEW test_left AS SELECT tenant, 'tasks' AS what, count(*) FROM jadugar.tasks GROUP BY tenant
	UNION ALL SELECT tenant, 'schedules', count(*) FROM jadugar.schedules GROUP BY tenant
	UNION ALL SELECT tenant, 'runs', count(*) FROM jadugar.flow_runs GROUP BY tenant
	UNION ALL SELECT tenant, 'history', count(*) FROM jadugar.history GROUP BY tenant
	UNION ALL SELECT tenant, 'logs', count(*) FROM jadugar.logs GROUP BY tenant
	UNION ALL SELECT tenant, 'events', count(*) FROM jadugar.events WHERE type = 'test.drop' GROUP BY tenant;
SELECT tenant, what FROM test_left WHERE tenant = 'test drop' ORDER BY what COLLATE "C";
CREATE TABLE test_before AS SELECT * FROM test_left WHERE tenant = 'test stay';
SELECT what, count FROM test_before WHERE what NOT IN ('history') ORDER BY what COLLATE "C";

-- errors
SELECT test.error_of($$CALL jadugar.drop_tenant('test drop')$$);
BEGIN;
CALL jadugar.drop_tenant('test drop');
ROLLBACK;
CALL jadugar.drop_tenant('test nowhere');
CALL jadugar.drop_tenant(NULL);
CALL jadugar.drop_tenant('');
SET default_transaction_isolation = 'repeatable read';
CALL jadugar.drop_tenant('test drop');
RESET default_transaction_isolation;
SET default_transaction_read_only = on;
CALL jadugar.drop_tenant('test drop');
RESET default_transaction_read_only;
SELECT jadugar.grant_access('test_drop_user', 'user');
CREATE ROLE test_drop_confined;
SELECT jadugar.grant_tenant('test drop', 'test_drop_confined');
CALL jadugar.drop_tenant('test drop');
SELECT jadugar.revoke_tenant('test drop', 'test_drop_confined');
DROP ROLE test_drop_confined;
SELECT dropping, paused FROM jadugar.tenants WHERE name = 'test drop';

SET ROLE test_drop_operator;
DO $$
DECLARE
	n bigint;
BEGIN
	CALL jadugar.drop_tenant('test drop', n);
	IF n < 2500 THEN
		RAISE EXCEPTION 'only % rows', n;
	END IF;
END $$;
RESET ROLE;
SELECT what, count FROM test_left WHERE tenant = 'test drop';
SELECT * FROM test_left WHERE tenant = 'test stay' EXCEPT TABLE test_before;
SELECT name FROM jadugar.tenants WHERE name LIKE 'test %';
SELECT status FROM jadugar.get_task(:plain);
SELECT t, jadugar.actor_state('test_drop', t) FROM unnest('{test drop, test stay}'::text[]) t;
SELECT function, what, owner FROM jadugar.audit WHERE what = 'tenant test drop' ORDER BY audit_id;
-- the label can be used again
SET ROLE test_drop_user;
SELECT jadugar.enqueue('SELECT 1', tenant => 'test drop', delay => '1 day') > 0 AS enqueued;
SELECT tenant FROM jadugar.tasks WHERE tenant = 'test drop';
SELECT jadugar.cancel_tasks(tenant => 'test drop');
RESET ROLE;
CALL jadugar.drop_tenant('test stay') \g /dev/null
SELECT jadugar.drop_actor('test_drop');
DROP FUNCTION test_drop_actor;
DROP VIEW test_left;
DROP TABLE test_before;
CALL test.drop_roles('test_drop_user', 'test_drop_operator');
