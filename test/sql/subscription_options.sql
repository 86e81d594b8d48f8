-- Options of subscriptions that can match nothing, reasons why a subscription
-- waits, and error codes of dead letters.
\i test/include/helpers.sql
CALL test.create_role('test_sopt');
CALL test.create_role('test_sopt_off');
CREATE SCHEMA test_sopt AUTHORIZATION test_sopt;
SET ROLE test_sopt;
CREATE FUNCTION test_sopt.up(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT $1';
SELECT jadugar.register_event_type('sopt.one');
SELECT jadugar.register_event_type('sopt.one', version => 2, upcast => 'test_sopt.up');

-- an empty list, and an element that no event has
SELECT jadugar.subscribe('s', '{}', 'SELECT 1');
SELECT jadugar.subscribe('s', '{""}', 'SELECT 1');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', topics => '{}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', keys => '{}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', keys => '{a,""}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', keys => ARRAY[repeat('k', 513)]);
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', headers => '{}');
SELECT jadugar.subscribe('s', '{sopt.*}', '');
SELECT count(*) FROM jadugar.read_events('{}');
SELECT count(*) FROM jadugar.read_events(topics => '{}');

-- versions that do not exist
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.on": 1}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.*": 1}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": 3}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": 0}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": 1.5}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": 1e30}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": "1"}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '["sopt.one"]');
SELECT count(*) FROM jadugar.read_events(versions => '{"sopt.on": 1}');
SELECT count(*) FROM jadugar.read_events(versions => '{"sopt.one": 3}');
SELECT count(*) FROM jadugar.read_events('{sopt.*}', versions => '{"sopt.one": 1}');
SELECT jadugar.subscribe('s', '{sopt.*}', 'SELECT 1', versions => '{"sopt.one": 1}') > 0 AS subscribed;
SELECT jadugar.alter_subscription('s', versions => '{"sopt.one": 7}');
SELECT jadugar.alter_subscription('s', keys => '{}');

-- null is the default; a position that is null is not taken for "now"
SELECT jadugar.subscribe('n', '{sopt.*}', 'SELECT 1', start => NULL, shards => NULL, delivery => NULL, enabled => NULL) > 0 AS subscribed;
SELECT shards, delivery, on_failure, max_attempts, status, reason FROM jadugar.subscriptions WHERE name = 'n';
SELECT jadugar.pause_subscription('n');
SELECT jadugar.seek('n');
SELECT jadugar.seek('n', start_after => NULL);
SELECT jadugar.seek('n', 'now');
SELECT jadugar.unsubscribe('n');

-- a type of topic jadugar, which is not named; one that a user has registered is meant
SET client_min_messages = notice;
SELECT jadugar.subscribe('l', '{sopt.*,task.failed}', 'SELECT 1') > 0 AS subscribed;
SELECT jadugar.alter_subscription('l', topics => '{jadugar,default}');
SELECT jadugar.alter_subscription('l', reset => '{topics}');
SELECT jadugar.alter_subscription('l', types => '{task.*}');
SELECT jadugar.alter_subscription('l', types => '{queue.full}', topics => '{default}');
SELECT jadugar.register_event_type('worker.started');
SELECT jadugar.alter_subscription('l', types => '{worker.started}', reset => '{topics}');
SET client_min_messages = warning;
SELECT jadugar.drop_event_type('worker.started');
SELECT jadugar.unsubscribe('l');

-- the name of an error is the same everywhere, and what the view shows chooses
SELECT jadugar.subscribe('f', '{sopt.fails}', 'SELECT 1/0', max_attempts => 1) > 0 AS subscribed;
SELECT jadugar.subscribe('t', '{sopt.fails}', $$SELECT jadugar.get_event(0)$$, max_attempts => 1) > 0 AS subscribed;
SELECT jadugar.publish('sopt.fails') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT subscription, state, error_code, sqlstate FROM jadugar.dead_letters ORDER BY subscription;
SELECT what, severity, detail, hint FROM jadugar.health WHERE what = 'dead_letters';
SELECT jadugar.discard_events('f', error_code => 'NOT_FOUND'), jadugar.discard_events('t', error_code => 'TASK_EXECUTION_ERROR');
SELECT jadugar.discard_events(subscription, error_code => error_code) FROM jadugar.dead_letters ORDER BY subscription;
SELECT count(*) FROM jadugar.dead_letters;
SELECT what, severity, detail, hint FROM jadugar.health WHERE what = 'dead_letters';

-- why it waits: after failures
SELECT jadugar.subscribe('b', '{sopt.blocks}', 'SELECT 1/0', on_failure => 'block', retry => jadugar.retry_policy(delay => '1 h', retry_on => '{22}')) > 0 AS subscribed;
SELECT jadugar.publish('sopt.blocks') AS id \gset
SELECT jadugar.wait_delivered(:id, '{b}', timeout => '30 s');
SELECT s.status, s.reason, h.status, h.reason FROM jadugar.subscriptions s JOIN jadugar.subscription_shards h ON h.subscription = s.name WHERE s.name = 'b';
SELECT jadugar.pause_subscription('b');
SELECT status, reason FROM jadugar.subscriptions WHERE name = 'b';

-- for a queue
RESET ROLE;
SELECT jadugar.create_queue('test_sopt', max_depth => 1) > 0 AS created;
SELECT jadugar.grant_queue('test_sopt', 'test_sopt');
SELECT jadugar.pause_queue('test_sopt');
SET ROLE test_sopt;
SELECT jadugar.subscribe('q', '{sopt.tasks}', 'SELECT 1', delivery => 'task', queue => 'test_sopt') > 0 AS subscribed;
SELECT count(jadugar.publish('sopt.tasks')) FROM generate_series(1, 3);
CALL test.wait_until($$SELECT status = 'waiting' FROM jadugar.subscriptions WHERE name = 'q'$$);
SELECT s.status, s.reason, h.status, h.reason FROM jadugar.subscriptions s JOIN jadugar.subscription_shards h ON h.subscription = s.name WHERE s.name = 'q';
RESET ROLE;
SELECT jadugar.resume_queue('test_sopt');
CALL test.wait_until($$SELECT status = 'active' AND handled = 3 FROM jadugar.subscriptions WHERE name = 'q'$$);

-- for its owner and its workers; consumers outside need no worker
SET ROLE test_sopt_off;
SELECT jadugar.subscribe('i', '{sopt.x}', 'SELECT 1') > 0 AS subscribed;
SELECT jadugar.subscribe('j', '{sopt.x}', delivery => 'fetch') > 0 AS subscribed;
RESET ROLE;
SELECT jadugar.stop_workers('test_sopt_off') IS NOT NULL AS stopped;
ALTER ROLE test_sopt_off NOLOGIN;
SELECT name, status, reason FROM jadugar.subscriptions WHERE owner = 'test_sopt_off' ORDER BY name;
ALTER ROLE test_sopt_off LOGIN;
SELECT name, status, reason FROM jadugar.subscriptions WHERE owner = 'test_sopt_off' ORDER BY name;
SELECT jadugar.pause_all();
SELECT subscription, status, reason FROM jadugar.subscription_shards WHERE owner = 'test_sopt_off' ORDER BY subscription;
SELECT jadugar.resume_all();
SELECT oid AS gone FROM pg_roles WHERE rolname = 'test_sopt_off' \gset
CALL test.drop_roles('test_sopt_off');
SELECT name, status, reason FROM jadugar.subscriptions WHERE owner = :'gone' ORDER BY name;
SELECT count(*) FROM jadugar.drop_owned(:'gone');

SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_sopt';
SELECT jadugar.drop_event_type('sopt.one');
SELECT jadugar.drop_queue('test_sopt');
DROP SCHEMA test_sopt CASCADE;
CALL test.drop_roles('test_sopt');
