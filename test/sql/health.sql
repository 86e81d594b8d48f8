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

RESET ROLE;
SELECT jadugar.cancel(:retrying);
SELECT count(*) FROM (SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE owner = 'hea_bob') c;
SELECT jadugar.unschedule('bad', owner => 'hea_ann'), jadugar.unschedule('good', owner => 'hea_ann');
SELECT jadugar.drop_queue('hea_q'), jadugar.drop_queue('hea_paused') \g /dev/null
DROP VIEW test.of_work;
REVOKE USAGE ON SCHEMA jadugar FROM hea_none;
CALL test.drop_roles('hea_ann', 'hea_bob', 'hea_watch', 'hea_none');
