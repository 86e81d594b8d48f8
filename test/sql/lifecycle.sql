-- Events of topic jadugar: what happens to tasks, schedules, queues and subscriptions.
\i test/include/helpers.sql

CALL test.create_role('lif_ann');
CALL test.create_role('lif_bob');
CALL test.create_role('lif_watch', 'monitor');
CREATE SCHEMA lif;
GRANT ALL ON SCHEMA lif TO lif_ann;
CREATE TABLE lif.got (n bigint GENERATED ALWAYS AS IDENTITY, type text, key text, data jsonb, publisher name, hops int);
GRANT ALL ON lif.got TO lif_ann, lif_bob;
CREATE FUNCTION lif.fail(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TABLE lif.mark (id bigint);
INSERT INTO lif.mark VALUES (0);
GRANT ALL ON lif.mark TO PUBLIC;
GRANT USAGE ON SCHEMA lif TO PUBLIC;
-- events after the mark; ids differ from run to run
CREATE VIEW lif.events WITH (security_invoker = on) AS
SELECT type, CASE WHEN key ~ '^\d+$' THEN 'N' ELSE key END AS key, publisher,
	(SELECT jsonb_object_agg(k, CASE WHEN k ~ '_id$' THEN '"N"' ELSE v END) FROM jsonb_each(data) d (k, v)) AS data
FROM jadugar.read_events(topics => '{jadugar}', after_id => (SELECT max(id) FROM lif.mark)) WHERE publisher ~ '^lif' ORDER BY event_id;
GRANT SELECT ON lif.events TO PUBLIC;

-- Nobody asks: nothing is written
SET ROLE lif_ann;
SELECT jadugar.enqueue('SELECT 1') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT * FROM lif.events;

-- From the commit of a subscription on, all of it is; a rollback leaves nothing
BEGIN;
SELECT jadugar.subscribe('watch', '{task.*,schedule.*,queue.*,subscription.*}', $$
	INSERT INTO lif.got (type, key, data, publisher, hops) VALUES (($1).type, ($1).key, ($1).data, ($1).publisher, ($1).hops)$$, topics => '{jadugar}') > 0 AS subscribed;
COMMIT;
BEGIN;
SELECT jadugar.enqueue('SELECT 1') > 0 AS enqueued;
ROLLBACK;
SELECT jadugar.enqueue('SELECT ''secret''') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT * FROM lif.events;
SELECT (data->>'attempt_id')::bigint = (SELECT attempt_id FROM jadugar.history WHERE task_id = :task) AS attempt_id
FROM jadugar.read_events('{task.completed}', '{jadugar}') WHERE key = :'task';

-- Failures, retries, cancels
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');
SELECT jadugar.enqueue('SELECT 1 / 0') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''no''; END'$$, retry => jadugar.retry_policy(2, 'fixed', delay => '10 ms')) AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT jadugar.enqueue('SELECT 1', delay => '1 hour') AS task \gset
SELECT jadugar.cancel(:task);
SELECT * FROM lif.events;
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- Schedules; an occurrence that is skipped
SELECT jadugar.schedule('sched', 'manual', 'SELECT 1') \g /dev/null
SELECT jadugar.run_now('sched') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT jadugar.pause_schedule('sched'), jadugar.pause_schedule('sched'), jadugar.resume_schedule('sched'), jadugar.resume_schedule('sched');
SELECT * FROM lif.events;
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- Queues, whether or not they keep a history
SELECT jadugar.create_queue('lif_q', history => 'none') \g /dev/null
SELECT jadugar.pause_queue('lif_q'), jadugar.pause_queue('lif_q') \g /dev/null
SELECT jadugar.resume_queue('lif_q'), jadugar.resume_queue('lif_q') \g /dev/null
SELECT jadugar.enqueue('SELECT 1', queue => 'lif_q') AS task \gset
CALL test.wait_until(format('SELECT count(*) = 1 FROM jadugar.read_events(''{task.completed}'', ''{jadugar}'', key => %L)', :'task'));
SELECT * FROM lif.events;
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- Subscriptions that fail
SELECT jadugar.subscribe('park', '{lif.park}', 'SELECT lif.fail($1)', max_attempts => 1) > 0 AS subscribed;
SELECT jadugar.subscribe('block', '{lif.block}', 'SELECT lif.fail($1)', max_attempts => 1, on_failure => 'block') > 0 AS subscribed;
SELECT jadugar.subscribe('retry', '{lif.retry}', 'SELECT lif.fail($1)', retry => '{"delay": 3600}') > 0 AS subscribed;
SELECT jadugar.publish('lif.park') IS NOT NULL AS published;
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.read_events(''{subscription.dead}'', ''{jadugar}'')');
SELECT jadugar.publish('lif.block') IS NOT NULL AS published;
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.read_events(''{subscription.blocked}'', ''{jadugar}'')');
SELECT jadugar.publish('lif.retry') IS NOT NULL AS published;
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.read_events(''{subscription.parked}'', ''{jadugar}'')');
SELECT * FROM lif.events;
SELECT count(jadugar.unsubscribe(name, dead_letters => 'drop')) FROM jadugar.subscriptions WHERE name IN ('park', 'block', 'retry');
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');

-- The subscription got all of them, once
CALL test.wait_until('SELECT count(*) = (SELECT count(*) FROM jadugar.read_events(topics => ''{jadugar}'')) FROM lif.got');
SELECT count(*) = count(DISTINCT (type, data)) AS once FROM lif.got;

-- Others see what they may: their own; a monitor all, without data
SET ROLE lif_bob;
SELECT * FROM lif.events;
SELECT jadugar.enqueue('SELECT 1') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT type, publisher FROM lif.events;
SELECT jadugar.publish('task.completed', topic => 'jadugar');
SET ROLE lif_watch;
SELECT type, publisher, data FROM lif.events;
SET ROLE lif_ann;
SELECT * FROM lif.events;
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');
BEGIN READ ONLY;
SELECT count(*) FROM lif.events;
SELECT test.short_error_of('SELECT jadugar.enqueue(''SELECT 1'')');
COMMIT;

-- No loops: what handlers of these events do causes none, nor what their tasks do
SELECT jadugar.unsubscribe('watch');
SELECT jadugar.subscribe('inline', '{task.*}', $$SELECT jadugar.enqueue('INSERT INTO lif.got (type) VALUES (''by a handler'')')$$, topics => '{jadugar}') > 0 AS subscribed;
SELECT jadugar.subscribe('as_task', '{task.completed}', $$INSERT INTO lif.got (type) SELECT 'by a task' FROM (SELECT jadugar.enqueue('INSERT INTO lif.got (type) VALUES (''by a task of a task'')')) x$$,
	topics => '{jadugar}', delivery => 'task') > 0 AS subscribed;
TRUNCATE lif.got;
SELECT jadugar.enqueue('SELECT 1') AS task \gset
CALL test.wait_until('SELECT count(*) = 4 FROM lif.got');
SELECT type, count(*) FROM lif.got GROUP BY type ORDER BY type;
CALL test.wait_until('SELECT count(*) = 0 FROM jadugar.tasks');
SELECT type, publisher FROM lif.events;
SELECT jadugar.unsubscribe('inline'), jadugar.unsubscribe('as_task');
RESET ROLE;

-- When the last subscription is gone, nothing is written any more
SET ROLE lif_ann;
SELECT jadugar.enqueue('SELECT 1') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT count(*) FROM jadugar.read_events(topics => '{jadugar}') WHERE key = :'task';

-- Types that topic jadugar does not have; beside other topics, a type may be one of theirs
RESET ROLE;
SELECT jadugar.create_topic('lif_topic', owner => 'lif_ann') > 0 AS created;
SET ROLE lif_ann;
SELECT test.error_of($$SELECT jadugar.subscribe('typo', '{task.failed,task.complete}', 'SELECT 1', topics => '{jadugar}')$$);
SELECT test.error_of($$SELECT jadugar.subscribe('typo', '{tasks.*}', 'SELECT 1', topics => '{jadugar}')$$);
SELECT test.error_of($$SELECT jadugar.subscribe('typo', '{order.created,order.*}', 'SELECT 1', topics => '{lif_topic,jadugar}')$$);
SELECT jadugar.subscribe('typo', '{order.created,task.failed}', 'SELECT 1', topics => '{lif_topic,jadugar}') > 0 AS subscribed;
SELECT test.short_error_of($$SELECT jadugar.alter_subscription('typo', topics => '{jadugar}')$$);
SELECT jadugar.alter_subscription('typo', topics => '{jadugar}', types => '{*.fail*}') \g /dev/null
SELECT test.short_error_of($$SELECT jadugar.alter_subscription('typo', types => '{failed}')$$);
SELECT jadugar.alter_subscription('typo', description => 'right') \g /dev/null
RESET ROLE;
ALTER SYSTEM SET jadugar.lifecycle_events = 'task.failed, task.complete';
SELECT jadugar.drop_topic('lif_topic');

-- One that is not enabled asks for nothing; a paused one gets its events later
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');
SET ROLE lif_ann;
SELECT jadugar.alter_subscription('typo', enabled => false) \g /dev/null
CALL test.run_task($$'SELECT 1 / 0'$$);
SELECT type FROM lif.events;
SELECT jadugar.alter_subscription('typo', enabled => true) \g /dev/null
SELECT jadugar.pause_subscription('typo');
CALL test.run_task($$'SELECT 1 / 0'$$);
CALL test.run_task($$'SELECT 1'$$);
SELECT type FROM lif.events;
SELECT behind FROM jadugar.subscriptions WHERE name = 'typo';
SELECT jadugar.unsubscribe('typo');

-- jadugar.lifecycle_events, of any length
RESET ROLE;
\set ECHO none
SELECT format('ALTER SYSTEM SET jadugar.lifecycle_events = %L', repeat('task.cancelled, ', 1000) || 'task.f*') \gexec
\set ECHO all
SELECT pg_reload_conf();
INSERT INTO lif.mark SELECT max(event_id) FROM jadugar.read_events(topics => '{jadugar}');
SET ROLE lif_ann;
CALL test.wait_until('(SELECT jadugar.enqueue(''SELECT 1 / 0'')) IS NOT NULL AND (SELECT count(*) > 0 FROM lif.events)');
SELECT DISTINCT type FROM lif.events;
CALL test.wait_until('SELECT count(*) = 0 FROM jadugar.tasks');
RESET ROLE;
ALTER SYSTEM RESET jadugar.lifecycle_events;
SELECT pg_reload_conf();
SELECT jadugar.unschedule('sched', owner => 'lif_ann'), jadugar.drop_queue('lif_q');
DROP SCHEMA lif CASCADE;
CALL test.drop_roles('lif_ann', 'lif_bob', 'lif_watch');
