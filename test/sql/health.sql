-- Work that fails, is late, or has one attempt left, in the view health.
\i test/include/helpers.sql

CALL test.create_role('hea_ann');
CALL test.create_role('hea_bob');
CALL test.create_role('hea_watch', 'monitor');
CREATE ROLE hea_none LOGIN;
GRANT USAGE ON SCHEMA jadugar TO hea_none;

CREATE VIEW test.of_work AS
SELECT what, severity, detail, hint IS NOT NULL AS hint FROM jadugar.health
WHERE what IN ('failing_schedules', 'failed_flows', 'overdue', 'retrying_near_end');
GRANT SELECT ON test.of_work TO PUBLIC;
ALTER VIEW test.of_work SET (security_invoker = on);

SET ROLE hea_ann;
SELECT * FROM test.of_work ORDER BY what;

-- A schedule whose last run failed
SELECT jadugar.schedule('bad', 'manual', 'SELECT 1 / 0') \g /dev/null
SELECT jadugar.schedule('good', 'manual', 'SELECT 1') \g /dev/null
SELECT jadugar.run_now('bad') AS id \gset
SELECT status FROM jadugar.wait(:id, '30 s');
SELECT jadugar.run_now('good') AS id \gset
SELECT status FROM jadugar.wait(:id, '30 s');

-- Runs of flows that failed
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1 / 0')) AS run \gset
SELECT status FROM jadugar.wait_flow(:run, '30 s');
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1')) AS run \gset
SELECT status FROM jadugar.wait_flow(:run, '30 s');

-- A task with one attempt left
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''no''; END'$$,
	retry => jadugar.retry_policy(2, 'fixed', delay => '1 hour')) AS retrying \gset
CALL test.wait_for_task(:retrying, 'scheduled');
CALL test.wait_until(format('SELECT attempt = 1 FROM jadugar.get_task(%s)', :retrying));
SELECT what, severity, replace(detail, :'retrying', 'N') AS detail, hint FROM test.of_work ORDER BY what;

-- Tasks that are late, of two priorities, in two queues; not if the queue is paused.
-- They are made late by hand.
RESET ROLE;
SELECT jadugar.create_queue('hea_q'), jadugar.create_queue('hea_paused') \g /dev/null
SELECT jadugar.grant_queue(q, 'hea_bob', 'enqueue') FROM unnest('{hea_q,hea_paused}'::text[]) q \g /dev/null
SELECT jadugar.pause_queue('hea_paused') \g /dev/null
BEGIN;
SET ROLE hea_bob;
SELECT jadugar.enqueue('SELECT 1'), jadugar.enqueue('SELECT 2', priority => 7), jadugar.enqueue('SELECT 3', queue => 'hea_q'),
	jadugar.enqueue('SELECT 4', queue => 'hea_q', priority => -1), jadugar.enqueue('SELECT 5', queue => 'hea_paused') \g /dev/null
RESET ROLE;
SET LOCAL session_replication_role = replica;
UPDATE jadugar_internal.task SET run_at = run_at - '1 hour'::interval
WHERE owner = 'hea_bob'::regrole AND (priority >= 0 OR queue_id = 1);
ALTER ROLE hea_bob NOLOGIN;
COMMIT;
SET ROLE hea_bob;
SELECT what, severity, regexp_replace(detail, 'since .*', 'since T') AS detail, hint FROM test.of_work ORDER BY what;

-- Each sees its own; a monitor and a superuser see all; without access, nothing
SET ROLE hea_ann;
SELECT what, severity FROM test.of_work ORDER BY what;
SET ROLE hea_watch;
SELECT what, severity FROM test.of_work ORDER BY what;
SET ROLE hea_none;
SELECT count(*) FROM test.of_work;

-- Many tasks are counted to a limit
RESET ROLE;
BEGIN;
ALTER ROLE hea_bob LOGIN;
SET ROLE hea_bob;
SELECT count(jadugar.enqueue('SELECT 1')) FROM generate_series(1, 200);
RESET ROLE;
SET LOCAL session_replication_role = replica;
UPDATE jadugar_internal.task SET run_at = run_at - '1 hour'::interval WHERE owner = 'hea_bob'::regrole;
ALTER ROLE hea_bob NOLOGIN;
COMMIT;
SET ROLE hea_bob;
SELECT regexp_replace(detail, 'since .*', 'since T') AS detail FROM test.of_work WHERE what = 'overdue';

-- Tasks that wait for a worker: the role may have one, and a task occupies it
RESET ROLE;
CALL test.create_role('hea_one');
CREATE VIEW test.of_workers AS
SELECT severity, regexp_replace(detail, '^\d+ of \d+ slots', 'N of M slots') AS detail, hint FROM jadugar.health
WHERE what = 'workers';
GRANT SELECT ON test.of_workers TO PUBLIC;
ALTER VIEW test.of_workers SET (security_invoker = on);
-- A slot that was lacking is noted until a worker has one.
SELECT pg_advisory_lock(7781);
SET ROLE hea_one;
SELECT jadugar.scale_workers(1);
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock_shared(7781)') AS holder \gset
CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :holder));
SELECT jadugar.enqueue('SELECT 1') AS behind \gset
SELECT jadugar.enqueue('SELECT 2', priority => 1) AS ahead \gset
SELECT status, waiting_for FROM jadugar.tasks ORDER BY task_id;
CALL test.wait_until($$SELECT severity = 'ok' FROM test.of_workers$$);
SELECT * FROM test.of_workers;
-- They are made late by hand
RESET ROLE;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE jadugar_internal.task SET run_at = run_at - '6 s'::interval WHERE task_id IN (:behind, :ahead);
COMMIT;
SET ROLE hea_one;
CALL test.wait_until($$SELECT detail ~ 'at least 2' AND detail !~ 'tasks wait for one' FROM test.of_workers$$);
SELECT * FROM test.of_workers;
SELECT what, severity FROM test.of_work WHERE what = 'overdue';
SET ROLE hea_watch;
SELECT severity, detail ~ 'at least 2, among them tasks of role "hea_one"' AS named FROM test.of_workers;
SET ROLE hea_ann;
CALL test.wait_until($$SELECT severity = 'ok' FROM test.of_workers$$);
SELECT severity FROM test.of_workers;
-- the role may have another worker
SET ROLE hea_one;
SELECT jadugar.scale_workers(2);
SELECT jadugar.enqueue('SELECT 3') AS id \gset
SELECT status FROM jadugar.wait(:id, '30 s');
CALL test.wait_until($$SELECT severity = 'ok' FROM test.of_workers$$);
SELECT severity FROM test.of_workers;
SELECT jadugar.cancel(:behind), jadugar.cancel(:ahead) \g /dev/null
-- its workers are stopped
SELECT jadugar.stop_workers();
SELECT jadugar.enqueue('SELECT 3') AS stopped \gset
CALL test.wait_for_task(:stopped, 'no_worker');
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :stopped;
SELECT jadugar.restart_workers();
SELECT status FROM jadugar.wait(:stopped, '30 s');
RESET ROLE;
SELECT pg_advisory_unlock(7781);
SELECT status FROM jadugar.wait(:holder, '30 s');
DROP VIEW test.of_workers;
CALL test.drop_roles('hea_one');

-- Subscriptions that are blocked, or have many dead letters; 063_event_limits.pl has lost ones
RESET ROLE;
CREATE VIEW test.of_subscriptions AS
SELECT what, severity, detail, hint IS NOT NULL AS hint FROM jadugar.health WHERE what ~ 'subscriptions|dead_letters';
ALTER VIEW test.of_subscriptions SET (security_invoker = on);
GRANT SELECT ON test.of_subscriptions TO PUBLIC;
SET ROLE hea_ann;
SELECT * FROM test.of_subscriptions ORDER BY what;
SELECT jadugar.subscribe('hea_block', '{hea.block}', 'SELECT 1 / 0', on_failure => 'block', max_attempts => 1) > 0 AS subscribed;
SELECT jadugar.subscribe('hea_dead', '{hea.dead}', 'SELECT 1 / 0', on_failure => 'park', max_attempts => 1) > 0 AS subscribed;
SELECT jadugar.publish('hea.block') > 0 AS published;
SELECT count(jadugar.publish('hea.dead')) FROM generate_series(1, 101);
CALL test.wait_until('SELECT severity = ''error'' FROM test.of_subscriptions WHERE what = ''blocked_subscriptions''');
CALL test.wait_until('SELECT detail ~ ''more than 100'' FROM test.of_subscriptions WHERE what = ''dead_letters''');
SELECT * FROM test.of_subscriptions ORDER BY what;
SET ROLE hea_watch;
SELECT what, severity FROM test.of_subscriptions WHERE severity <> 'ok' ORDER BY what;
SET ROLE hea_bob;
SELECT what, severity FROM test.of_subscriptions WHERE severity <> 'ok' ORDER BY what;
SET ROLE hea_none;
SELECT * FROM test.of_subscriptions;
SET ROLE hea_ann;
SELECT jadugar.unsubscribe('hea_block'), jadugar.unsubscribe('hea_dead', dead_letters => 'drop');
SELECT what FROM test.of_subscriptions WHERE severity <> 'ok';
RESET ROLE;
DROP VIEW test.of_subscriptions;

RESET ROLE;
SELECT jadugar.cancel(:retrying);
SELECT count(*) FROM (SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE owner = 'hea_bob') c;
SELECT jadugar.unschedule('bad', owner => 'hea_ann'), jadugar.unschedule('good', owner => 'hea_ann');
SELECT jadugar.drop_queue('hea_q'), jadugar.drop_queue('hea_paused') \g /dev/null
DROP VIEW test.of_work;
REVOKE USAGE ON SCHEMA jadugar FROM hea_none;
CALL test.drop_roles('hea_ann', 'hea_bob', 'hea_watch', 'hea_none');
