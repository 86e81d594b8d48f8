-- Pausing a tenant: its tasks, its schedules, the views.
\i test/include/helpers.sql
CALL test.create_role('test_pause_user');
CALL test.create_role('test_pause_operator', 'operator');
SET ROLE test_pause_operator;
SELECT jadugar.create_tenant('test_pause') > 0 AS is_an_id;
SET ROLE test_pause_user;
SELECT test.error_of($$SELECT jadugar.pause_tenant('test_pause')$$);
SELECT test.error_of($$SELECT jadugar.resume_tenant('test_pause')$$);
SELECT test.error_of($$SELECT jadugar.pause_tenant('test_nowhere')$$);
SELECT name FROM jadugar.tenants;
SELECT jadugar.schedule('test_pause', 'every 1 second', 'SELECT 1', tenant => 'test_pause', misfire => 'once', overlap => 'parallel') \g /dev/null
SELECT jadugar.schedule('test_pause_all', 'every 1 second', 'SELECT 1', tenant => 'test_pause', misfire => 'all', overlap => 'parallel') \g /dev/null
SELECT jadugar.schedule('test_pause_other', 'every 1 second', 'SELECT 1', tenant => 'test_pause_not', overlap => 'parallel') \g /dev/null
CALL test.wait_until('SELECT sum(completed) > 1 AND count(*) FILTER (WHERE completed > 0) = 2 FROM jadugar.schedules WHERE name IN (''test_pause'', ''test_pause_other'')');
SET ROLE test_pause_operator;
SELECT jadugar.pause_tenant('test_pause', reason => 'a test');
SELECT jadugar.pause_tenant('test_pause', reason => 'another test');
SELECT name, paused, paused_at IS NOT NULL AS at, paused_by, pause_reason, schedules FROM jadugar.tenants WHERE name = 'test_pause';
SELECT what, severity, regexp_replace(detail, 'since .*: ', 'since N: ') AS detail, hint FROM jadugar.health WHERE what = 'tenant_paused';
SET ROLE test_pause_user;
SELECT name, paused, next_run_at IS NULL AS never, paused_at FROM jadugar.schedules ORDER BY name;
SELECT DISTINCT name FROM jadugar.upcoming ORDER BY name;
SELECT jadugar.next_run('test_pause');
SELECT note FROM jadugar.explain_schedule('test_pause', 0);
-- the scheduler holds what becomes due
RESET ROLE;
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar_internal.schedule WHERE held');
SET ROLE test_pause_user;
SELECT runs AS before FROM jadugar.schedules WHERE name = 'test_pause' \gset
SELECT runs AS other FROM jadugar.schedules WHERE name = 'test_pause_other' \gset
CALL test.wait_until(format('SELECT runs > %s + 1 FROM jadugar.schedules WHERE name = ''test_pause_other''', :other));
SELECT runs = :before AS held, missed FROM jadugar.schedules WHERE name = 'test_pause';
-- a schedule that comes later is held, too; one that goes to another tenant is not
SELECT jadugar.schedule('test_pause_later', 'every 1 second', 'SELECT 1', tenant => 'test_pause') \g /dev/null
RESET ROLE;
CALL test.wait_until('SELECT count(*) = 3 FROM jadugar_internal.schedule WHERE held');
SET ROLE test_pause_user;
SELECT jadugar.alter_schedule('test_pause_later', tenant => 'test_pause_not');
CALL test.wait_until('SELECT completed > 0 FROM jadugar.schedules WHERE name = ''test_pause_later''');
SELECT jadugar.unschedule('test_pause_later');
-- resumed, missed occurrences are those of the policy
SET ROLE test_pause_operator;
SELECT jadugar.resume_tenant('test_pause');
SELECT jadugar.resume_tenant('test_pause');
SELECT name, paused, paused_at, paused_by, pause_reason FROM jadugar.tenants WHERE name = 'test_pause';
SET ROLE test_pause_user;
CALL test.wait_until(format('SELECT runs > %s + 2 FROM jadugar.schedules WHERE name = ''test_pause''', :before));
SELECT missed FROM jadugar.schedules WHERE name = 'test_pause_all';
SELECT DISTINCT schedule, status, reason FROM jadugar.history WHERE schedule LIKE 'test_pause%' AND owner = 'test_pause_user' ORDER BY 1, 2;
RESET ROLE;
SELECT count(*) FROM jadugar_internal.schedule WHERE held;
SET ROLE test_pause_user;
SELECT jadugar.clear_schedules();
-- tasks and steps wait: here they also have no worker
SELECT jadugar.stop_workers();
SET ROLE test_pause_operator;
SELECT jadugar.pause_tenant('test_pause');
SET ROLE test_pause_user;
SELECT jadugar.enqueue('SELECT 1', tenant => 'test_pause') AS id, jadugar.start_flow(jadugar.step('a', 'SELECT 1'), tenant => 'test_pause') AS run \gset
CALL test.wait_until(format('SELECT count(*) = 1 FROM jadugar.tasks WHERE flow_run = %s', :run));
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :id;
SELECT status, waiting_for FROM jadugar.get_task(:id);
SELECT step, waiting_for FROM jadugar.flow_steps WHERE run_id = :run;
SET ROLE test_pause_operator;
SELECT unfinished, ready, running, waiting, flow_runs FROM jadugar.tenants WHERE name = 'test_pause';
SELECT jadugar.resume_tenant('test_pause');
SET ROLE test_pause_user;
SELECT jadugar.start_workers(1);
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT status FROM jadugar.wait_flow(:run, '20 s');
-- for the owner of the tenant
RESET ROLE;
SELECT problem FROM jadugar.reassign_owned('test_pause_operator', 'test_pause_user', '{tenants}');
SET ROLE test_pause_user;
SELECT jadugar.pause_tenant('test_pause'), jadugar.resume_tenant('test_pause');
BEGIN READ ONLY;
SELECT jadugar.pause_tenant('test_pause');
ROLLBACK;
BEGIN;
SELECT jadugar.pause_tenant('test_pause');
SELECT paused, owner FROM jadugar.tenants WHERE name = 'test_pause';
ROLLBACK;
SELECT paused FROM jadugar.tenants WHERE name = 'test_pause';
RESET ROLE;
CALL jadugar.drop_tenant('test_pause') \g /dev/null
CALL test.drop_roles('test_pause_user', 'test_pause_operator');
