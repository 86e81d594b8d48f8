-- Events of topic jadugar about full queues and subscriptions that were behind.
\i test/include/helpers.sql

CALL test.create_role('lfl_ann');
CREATE SCHEMA lfl;
GRANT ALL ON SCHEMA lfl TO PUBLIC;
CREATE TABLE lfl.got (id bigint, type text);
GRANT ALL ON lfl.got TO lfl_ann;
CREATE VIEW lfl.events WITH (security_invoker = on) AS
SELECT type, key, data - '{queue_id,subscription_id}'::text[] AS data
FROM jadugar.read_events('{queue.full,subscription.*}', '{jadugar}') WHERE publisher ~ '^lfl' ORDER BY event_id;
GRANT SELECT ON lfl.events TO PUBLIC;

-- The task that takes the last place
SET ROLE lfl_ann;
SELECT jadugar.subscribe('watch', '{queue.full,subscription.caught_up}', 'SELECT 1', topics => '{jadugar}') > 0 AS subscribed;
SELECT jadugar.create_queue('lfl_q', max_depth => 20) \g /dev/null
SELECT count(jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day')) FROM generate_series(1, 19);
SELECT * FROM lfl.events;
BEGIN;
SELECT jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day') > 0 AS enqueued;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day') > 0 AS enqueued;
ROLLBACK TO s;
COMMIT;
SELECT * FROM lfl.events;
SELECT jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day') > 0 AS enqueued;
SELECT * FROM lfl.events;
-- not while it is refilled, and not for tasks that are refused
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', queue => 'lfl_q')$$);
SELECT jadugar.cancel(max(task_id)) FROM jadugar.tasks;
SELECT jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day') > 0 AS enqueued;
SELECT count(*) FROM lfl.events;
-- but after a tenth of it was free, and when it has another bound
SELECT count(jadugar.cancel(task_id)) FROM (SELECT task_id FROM jadugar.tasks ORDER BY task_id LIMIT 2) x;
SELECT count(jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day')) FROM generate_series(1, 2);
SELECT jadugar.alter_queue('lfl_q', max_depth => 21, on_full => 'drop_oldest') \g /dev/null
SELECT count(jadugar.enqueue('SELECT 1', queue => 'lfl_q', delay => '1 day')) FROM generate_series(1, 3);
SELECT * FROM lfl.events;
SELECT jadugar.cancel_tasks(queue => 'lfl_q') \g /dev/null
RESET ROLE;

-- A subscription that was behind: once, when it has reached the present
SET ROLE lfl_ann;
SELECT jadugar.subscribe('slow', '{lfl.event}', 'INSERT INTO lfl.got VALUES (($1).event_id, ($1).type)') > 0 AS subscribed;
SELECT jadugar.publish('lfl.event') > 0 AS published;
CALL test.wait_until('SELECT count(*) = 1 FROM lfl.got');
SELECT jadugar.pause_subscription('slow');
SELECT count(jadugar.publish('lfl.event')) FROM generate_series(1, 1000);
RESET ROLE;
UPDATE jadugar_internal.event SET published_at = published_at - interval '1 minute' WHERE type = 'lfl.event';
SET ROLE lfl_ann;
SELECT jadugar.resume_subscription('slow');
CALL test.wait_until('SELECT count(*) = 4 FROM lfl.events');
SELECT count(*) FROM lfl.got;
SELECT jadugar.publish('lfl.event') > 0 AS published;
CALL test.wait_until('SELECT count(*) = 1002 FROM lfl.got');
SELECT * FROM lfl.events OFFSET 3;
SELECT jadugar.unsubscribe('slow');
-- consumers outside the server
SELECT jadugar.subscribe('out', '{lfl.event}', delivery => 'fetch') > 0 AS subscribed;
SELECT count(jadugar.publish('lfl.event')) FROM generate_series(1, 3);
RESET ROLE;
UPDATE jadugar_internal.event SET published_at = published_at - interval '1 minute' WHERE type = 'lfl.event';
SET ROLE lfl_ann;
SELECT count(jadugar.ack(token)) FROM (SELECT DISTINCT token FROM jadugar.fetch_events('out', 'consumer', max_rows => 2)) x;
SELECT count(jadugar.ack(token)) FROM (SELECT DISTINCT token FROM jadugar.fetch_events('out', 'consumer', max_rows => 2)) x;
SELECT count(*) FROM jadugar.fetch_events('out', 'consumer');
SELECT count(*) FROM jadugar.fetch_events('out', 'consumer');
SELECT * FROM lfl.events OFFSET 4;
SELECT jadugar.unsubscribe('out');
-- a shard that was behind when the number of shards changed
SELECT jadugar.subscribe('two', '{lfl.event}', 'SELECT 1', shards => 2) > 0 AS subscribed;
SELECT jadugar.pause_subscription('two');
SELECT count(jadugar.publish('lfl.event')) FROM generate_series(1, 40);
RESET ROLE;
UPDATE jadugar_internal.event SET published_at = published_at - interval '1 minute' WHERE type = 'lfl.event' AND slot % 2 = 1;
SET ROLE lfl_ann;
SELECT jadugar.alter_subscription('two', shards => 1) \g /dev/null
SELECT jadugar.resume_subscription('two');
CALL test.wait_until('SELECT count(*) = 6 FROM lfl.events');
SELECT * FROM lfl.events OFFSET 5;
SELECT jadugar.unsubscribe('two'), jadugar.unsubscribe('watch');

-- The topic is never full: a task never fails or waits for the sake of its events
SELECT jadugar.subscribe('behind', '{task.*}', 'SELECT 1', topics => '{jadugar}') > 0 AS subscribed;
SELECT jadugar.pause_subscription('behind');
RESET ROLE;
SELECT test.error_of($$SELECT jadugar.alter_topic('jadugar', max_backlog => 2)$$);
SET ROLE lfl_ann;
CALL test.run_task($$'SELECT 1'$$);
CALL test.run_task($$'SELECT 1 / 0'$$);
SELECT behind FROM jadugar.subscriptions WHERE name = 'behind';

-- Events are those of the role, whatever its name is
RESET ROLE;
ALTER ROLE lfl_ann RENAME TO lfl_anne;
SET ROLE lfl_anne;
SELECT type, publisher FROM jadugar.read_events('{task.failed}', '{jadugar}');
RESET ROLE;
ALTER ROLE lfl_anne RENAME TO lfl_ann;
SET ROLE lfl_ann;
SELECT jadugar.unsubscribe('behind');
SELECT jadugar.drop_queue('lfl_q');
RESET ROLE;
DROP SCHEMA lfl CASCADE;
CALL test.drop_roles('lfl_ann');
