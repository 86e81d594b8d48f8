-- Quotas of tenants: max_priority, history, max_tasks, enqueue_rate.
\i test/include/helpers.sql
CALL test.create_role('test_quota_user');
SELECT jadugar.create_tenant('test quota', max_priority => 5, history => 'failures', max_tasks => 5) > 0 AS is_an_id;
SET ROLE test_quota_user;
SET jadugar.tenant = 'test quota';

-- priority
SELECT jadugar.enqueue('SELECT 1', priority => 9, delay => '1 day') AS high, jadugar.enqueue('SELECT 1', priority => 3, delay => '1 day') AS low \gset
SELECT task_id = :high AS high, priority FROM jadugar.tasks WHERE task_id IN (:high, :low) ORDER BY task_id;
SELECT jadugar.update_task(:low, priority => 7);
SELECT priority FROM jadugar.tasks WHERE task_id = :low;
SELECT jadugar.schedule('test_quota', '@yearly', 'SELECT 1', priority => 8) > 0 AS is_an_id;
SELECT priority FROM jadugar.schedules WHERE name = 'test_quota';
RESET ROLE;
SELECT jadugar.alter_tenant('test quota', max_priority => 2);
SET ROLE test_quota_user;
SELECT jadugar.run_now('test_quota') AS now \gset
-- its end is not kept, so wait() may be too late to see it
CALL test.wait_until($$SELECT completed = 1 FROM jadugar.schedules WHERE name = 'test_quota'$$);
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1/0', priority => 9, retry => jadugar.retry_policy(1))) AS run \gset
SELECT status FROM jadugar.wait_flow(:run, '20 s');
-- the history has failures only
SELECT step, priority, status FROM jadugar.history WHERE tenant = 'test quota';

-- max_tasks
SELECT count(*) FROM jadugar.tasks;
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', '{"{}", "{}", "{}"}', delay => '1 day');
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$);
SELECT test.error_of($$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}"}')$$);
SELECT test.error_of($$SELECT jadugar.run_now('test_quota')$$);
SELECT jadugar.enqueue('SELECT 1', delay => '1 day', tenant => 'test quota not') > 0 AS another_tenant;
SELECT jadugar.cancel(:high);
SELECT test.error_of($$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}", "{}"}')$$);
BEGIN;
SAVEPOINT s;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') > 0 AS fits;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$);
ROLLBACK TO s;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS id \gset
RELEASE SAVEPOINT s;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$);
-- a task of this transaction makes room for another one
SELECT jadugar.cancel(:id);
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') > 0 AS fits;
ROLLBACK;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') > 0 AS fits;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$);
RESET ROLE;
SELECT unfinished, max_tasks FROM jadugar.tenants WHERE name = 'test quota';
-- a bound that comes later counts the tasks that are there
SELECT jadugar.alter_tenant('test quota', reset => '{max_tasks}');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{20}'), delay => '1 day', owner => 'test_quota_user');
SELECT jadugar.alter_tenant('test quota', max_tasks => 26);
SELECT jadugar.enqueue('SELECT 1', delay => '1 day', owner => 'test_quota_user') > 0 AS fits;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$);
SET ROLE test_quota_user;
SELECT jadugar.cancel_tasks() >= 26 AS cancelled;
RESET ROLE;
-- steps of flows count, and are not refused
SELECT jadugar.alter_tenant('test quota', max_tasks => 1, history => 'all');
SET ROLE test_quota_user;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS only \gset
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1')) AS run \gset
SELECT status FROM jadugar.wait_flow(:run, '20 s');
RESET ROLE;
-- none: the outcome is known, as with a queue without history
SELECT jadugar.alter_tenant('test quota', history => 'none', max_tasks => 5);
SET ROLE test_quota_user;
SELECT jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(1)) AS id \gset
CALL test.wait_until(format('SELECT NOT EXISTS (SELECT FROM jadugar.tasks WHERE task_id = %s)', :id));
SELECT count(*) FROM jadugar.history WHERE task_id = :id;

-- enqueue_rate
RESET ROLE;
SELECT jadugar.create_tenant('test rate', enqueue_rate => 1, enqueue_per => '1 h', enqueue_burst => 3) > 0 AS is_an_id;
SET ROLE test_quota_user;
SET jadugar.tenant = 'test rate';
SELECT test.error_of($$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}", "{}", "{}", "{}"}')$$);
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', '{"{}", "{}"}', delay => '1 day');
BEGIN;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') > 0 AS fits;
ROLLBACK;
SELECT regexp_replace(test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$), '3(599|600)\.[0-9]+', 'N');
SELECT regexp_replace(test.error_of($$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}", "{}"}')$$), '7(199|200)\.[0-9]+', 'N');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', '{}');
-- a stale value of the cache is not refreshed then
SELECT jadugar.cached('stale', 'SELECT 1 AS v', ttl => '1 microsecond', stale_for => '1 day');
SELECT jadugar.cached('stale', 'SELECT 2 AS v', ttl => '1 day', stale_for => '1 day');
SELECT count(*) FROM jadugar.tasks WHERE unique_key = 'cache/stale';
-- nor while there are too many tasks
SET jadugar.tenant = 'test quota';
RESET ROLE;
SELECT jadugar.alter_tenant('test quota', max_tasks => 1);
SET ROLE test_quota_user;
SELECT test.sqlstate_of($$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}", "{}"}')$$);
SELECT jadugar.cached('stale', 'SELECT 2 AS v', ttl => '1 day', stale_for => '1 day');
SELECT count(*) FROM jadugar.tasks WHERE unique_key = 'cache/stale';
SET jadugar.tenant = 'test rate';
RESET ROLE;
SELECT jadugar.alter_tenant('test rate', enqueue_per => '1 ms');
SET ROLE test_quota_user;
CALL test.wait_until($$test.sqlstate_of('SELECT jadugar.enqueue(''SELECT 1'', delay => ''1 day'')') = 'no error'$$);
CALL test.wait_until($$jadugar.cached('stale', 'SELECT 2 AS v', ttl => '1 day', stale_for => '1 day') ->> 'v' = '2'$$);
SELECT jadugar.cancel_tasks() > 0 AS cancelled, jadugar.clear_schedules();
RESET ROLE;
RESET jadugar.tenant;
CALL jadugar.drop_tenant('test quota') \g /dev/null
CALL jadugar.drop_tenant('test rate') \g /dev/null
CALL test.drop_roles('test_quota_user');
