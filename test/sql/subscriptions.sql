-- Subscriptions: delivery, failures, dead letters, positions, privileges.
\i test/include/helpers.sql
CALL test.create_role('test_sub');
CALL test.create_role('test_sub_other');
CALL test.create_role('test_sub_monitor', 'monitor');
CREATE SCHEMA test_sub AUTHORIZATION test_sub;
GRANT USAGE ON SCHEMA test_sub TO PUBLIC;
-- every event with a number below this one was dealt with
CREATE PROCEDURE test_sub.wait_for(n bigint, subscription text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('coalesce((SELECT sum(handled + parked) FROM jadugar.subscription_shards WHERE subscription = %L), 0) >= %s',
		subscription, n));
END $$;

SET ROLE test_sub;
CREATE TABLE test_sub.got (n bigserial, subscription text, type text, key text, data jsonb);
CREATE FUNCTION test_sub.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_sub.got (subscription, type, key, data)
	SELECT c.subscription, e.type, e.key, e.data FROM jadugar.current_event() c;
END $$;

-- one by one
SELECT jadugar.subscribe('one', '{test.one,test.two*}', 'SELECT test_sub.handle($1)') IS NOT NULL AS subscribed;
SELECT jadugar.publish('test.one', '{"n": 1}', key => 'a') IS NOT NULL AS published;
SELECT jadugar.publish('test.other', '{"n": 2}') IS NOT NULL AS published;
SELECT jadugar.publish('test.two.more', '{"n": 3}', key => 'b') IS NOT NULL AS published;
BEGIN;
SELECT jadugar.publish('test.one', '{"n": 4}') IS NOT NULL AS published;
ROLLBACK;
SELECT jadugar.publish('test.one', '{"n": 5}') IS NOT NULL AS published;
CALL test_sub.wait_for(3, 'one');
SELECT subscription, type, key, data FROM test_sub.got ORDER BY n;
SELECT name, owner, types, topics, handler, batch, on_failure, max_attempts, shards, status, handled, failed, parked, dead
FROM jadugar.subscriptions \gx
SELECT shard, status, handled, failed, parked, in_a_row, retry_at, blocked_id, attempts, error FROM jadugar.subscription_shards;
SELECT * FROM jadugar.current_event();

-- bad input
SELECT jadugar.subscribe(NULL, '{a}', 'SELECT 1');
SELECT jadugar.subscribe('', '{a}', 'SELECT 1');
SELECT jadugar.subscribe('x', '{}', 'SELECT 1');
SELECT jadugar.subscribe('x', '{NULL}', 'SELECT 1');
SELECT jadugar.subscribe('x', '{a b}', 'SELECT 1');
SELECT jadugar.subscribe('x', '{a}', 'SELEC 1');
SELECT jadugar.subscribe('x', '{a}', 'SELECT $2');
SELECT jadugar.subscribe('x', '{a}', 'VACUUM');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', topics => '{nowhere}');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', topics => '{}');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', keys => '{}');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', shards => 0);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', shards => 65);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', batch => 0);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', max_attempts => 0);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', on_failure => 'stop');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', start => 'never');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', start => 'beginning', start_after => 1);
\set VERBOSITY terse
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', start_after => -5);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', start_after => 9223372036854775807);
\set VERBOSITY default
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', filter => '$.data.x ? (@ > 1)');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', filter => 'strict $.data.x');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', filter => '($.data.x > 1).type()');
SELECT count(*) FROM jadugar.read_events(filter => '$.data.x');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', filter => '$.total > 1');
\set VERBOSITY terse
SELECT count(*) FROM jadugar.read_events(filter => 'exists($.data.lines[*] ? (@.n > -$.max)) && $.key == "a"');
SELECT count(*) FROM jadugar.read_events(filter => '$.type == "a" && !($.topic like_regex "b")');
SELECT count(*) FROM jadugar.read_events('{a}', filter => '$.** == 1 || $.type starts with "b" || $."data".total > 1 && ($.headers.h == "x") is unknown');
\set VERBOSITY default
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', timeout => '0');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', headers => '[]');
SELECT jadugar.subscribe('one', '{a}', 'SELECT 1');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', owner => 'test_sub_other');
SELECT jadugar.pause_subscription('nowhere');
SELECT jadugar.unsubscribe('nowhere');
SELECT jadugar.seek('one', 'now');

-- what it gets: topics, keys, headers, filter, versions
SELECT jadugar.create_topic('test_sub_topic') IS NOT NULL AS created;
SELECT jadugar.subscribe('some', '{test.some}', 'SELECT test_sub.handle($1)', keys => '{k1,k2}', headers => '{"h": 1}',
	filter => '$.data.n > 10') IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('of_topic', '{*}', 'SELECT test_sub.handle($1)', topics => '{test_sub_topic}') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.some', jsonb_build_object('n', n), key => k, headers => h))
FROM (VALUES (11, 'k1', '{"h": 1}'::jsonb), (12, 'k3', '{"h": 1}'), (13, 'k2', '{"h": 2}'), (9, 'k2', '{"h": 1}'),
	(14, 'k2', '{"h": 1, "i": 2}'), (15, NULL, '{"h": 1}')) v (n, k, h);
SELECT jadugar.publish('test.topic', '{"n": 1}', topic => 'test_sub_topic') IS NOT NULL AS published;
CALL test_sub.wait_for(2, 'some');
CALL test_sub.wait_for(1, 'of_topic');
SELECT subscription, type, key, data FROM test_sub.got WHERE subscription <> 'one' ORDER BY subscription, n;

-- events of other roles only where they may be read, at the time of delivery
SET ROLE test_sub_other;
SELECT jadugar.publish('test.one', '{"n": "of another role"}') IS NOT NULL AS published;
SET ROLE test_sub;
SELECT jadugar.publish('test.one', '{"n": 6}') IS NOT NULL AS published;
CALL test_sub.wait_for(4, 'one');
SELECT data FROM test_sub.got WHERE subscription = 'one' ORDER BY n DESC LIMIT 1;

-- park_key: later events of the key wait, others go on
TRUNCATE test_sub.got;
SELECT jadugar.subscribe('park', '{test.park}', 'SELECT test_sub.handle($1)', max_attempts => 2,
	retry => jadugar.retry_policy(delay => '1 ms', backoff => 'none')) IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.park', d, key => k)) FROM (VALUES
	('{"n": 1}'::jsonb, 'a'), ('{"n": 2, "error": "P0001"}', 'a'), ('{"n": 3}', 'a'), ('{"n": 4}', 'b'),
	('{"n": 5, "error": "22012"}', 'c'), ('{"n": 6}', 'c'), ('{"n": 7, "error": "22012"}', NULL), ('{"n": 8}', NULL)) v (d, k);
CALL test.wait_until($$(SELECT count(*) FROM jadugar.dead_letters WHERE state = 'dead') = 3$$);
CALL test_sub.wait_for(8, 'park');
SELECT key, data FROM test_sub.got ORDER BY n;
SELECT p.type, p.key, e.data, p.state, p.attempts, p.error_code, p.next_at IS NULL AS not_due, jsonb_array_length(p.errors) AS errors,
	p.errors->0->>'message' AS first_error
FROM jadugar.dead_letters p JOIN jadugar.events e USING (event_id) ORDER BY event_id;
SELECT status, handled, failed, parked, dead FROM jadugar.subscriptions WHERE name = 'park';
-- after the code is mended
CREATE OR REPLACE FUNCTION test_sub.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data->>'error' = '22012' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '22012';
	END IF;
	INSERT INTO test_sub.got (subscription, type, key, data)
	SELECT c.subscription, e.type, e.key, e.data FROM jadugar.current_event() c;
END $$;
SELECT jadugar.redrive('park', key => 'a');
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'park') = 5$$);
SELECT key, data FROM test_sub.got WHERE key = 'a' ORDER BY n;
SELECT jadugar.redrive('park', event_ids => '{0}');
SELECT jadugar.redrive('park', error_code => 'P0001'), jadugar.redrive('park', error_code => '23'),
	jadugar.redrive('park', error_code => 'TASK_TIMEOUT'), jadugar.discard_events('park', error_code => '42');
SELECT jadugar.redrive('park', error_code => 'nonsense');
-- both are tried again in vain, with all attempts before them
SELECT jadugar.redrive('park', error_code => '22012');
CALL test.wait_until($$(SELECT count(*) FROM jadugar.dead_letters WHERE state = 'dead') = 2$$);
SELECT jadugar.discard_events('park', key => 'c', error_code => '22');
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'park') = 6$$);
SELECT key, data FROM test_sub.got WHERE key = 'c' ORDER BY n;
SELECT jadugar.unsubscribe('park');
SELECT jadugar.unsubscribe('park', dead_letters => 'drop');
SELECT count(*) FROM jadugar.dead_letters;

-- a handler that calls a function that does not exist: not all events become dead letters
SELECT jadugar.subscribe('broken', '{test.broken}', 'SELECT test_sub.nowhere($1)') IS NOT NULL AS subscribed;
SELECT count(*) FROM jadugar.publish_batch('test.broken', array_fill('{}'::jsonb, '{100}'), keys => ARRAY(SELECT n::text FROM generate_series(1, 100) n));
CALL test.wait_until($$(SELECT status FROM jadugar.subscriptions WHERE name = 'broken') = 'waiting'$$);
SELECT in_a_row, failed FROM jadugar.subscription_shards WHERE subscription = 'broken';
SELECT state, error_code, count(*) FROM jadugar.dead_letters WHERE subscription = 'broken' GROUP BY 1, 2;
SELECT jadugar.unsubscribe('broken', dead_letters => 'drop');

-- block: the shard waits
TRUNCATE test_sub.got;
SELECT jadugar.subscribe('block', '{test.block}', 'SELECT test_sub.handle($1)', on_failure => 'block') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.block', d, key => k)) FROM (VALUES
	('{"n": 1}'::jsonb, 'a'), ('{"n": 2, "error": "22012"}', 'b'), ('{"n": 3}', 'c')) v (d, k);
CALL test.wait_until($$(SELECT status FROM jadugar.subscriptions WHERE name = 'block') = 'blocked'$$);
SELECT status, handled, failed, parked, attempts, error->>'message' AS error, blocked_id = (SELECT event_id
	FROM jadugar.read_events('{test.block}', filter => '$.data.n == 2')) AS the_second
FROM jadugar.subscription_shards WHERE subscription = 'block';
SELECT data FROM test_sub.got ORDER BY n;
SELECT jadugar.discard_events('block');
CALL test_sub.wait_for(2, 'block');
SELECT data FROM test_sub.got ORDER BY n;

-- park: only the event itself waits
TRUNCATE test_sub.got;
SELECT jadugar.subscribe('only', '{test.only}', 'SELECT test_sub.handle($1)', on_failure => 'park') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.only', d, key => k)) FROM (VALUES
	('{"n": 1, "error": "22012"}'::jsonb, 'a'), ('{"n": 2}', 'a')) v (d, k);
CALL test_sub.wait_for(2, 'only');
SELECT data FROM test_sub.got ORDER BY n;

-- snooze and discard
SELECT jadugar.subscribe('leave', '{test.leave}', $$SELECT CASE WHEN ($1).data->>'n' = '1' THEN jadugar.discard('no use')
	ELSE jadugar.snooze('1 hour') END$$) IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.leave', jsonb_build_object('n', n))) FROM generate_series(1, 2) n;
CALL test_sub.wait_for(2, 'leave');
SELECT e.data, p.state, p.attempts, p.next_at > now() + interval '50 minutes' AS much_later
FROM jadugar.dead_letters p JOIN jadugar.events e USING (event_id) WHERE p.subscription = 'leave' ORDER BY event_id;

-- from the beginning, in batches, with shards; and on without a seam
TRUNCATE test_sub.got;
SELECT count(*) FROM jadugar.publish_batch('test.many', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 500) n),
	keys => ARRAY(SELECT 'key ' || n % 20 FROM generate_series(1, 500) n));
SELECT jadugar.subscribe('many', '{test.many}',
	$$INSERT INTO test_sub.got (subscription, type, key, data) SELECT 'many', (e).type, (e).key, (e).data FROM unnest($1) e$$,
	start => 'beginning', batch => 100, shards => 3) IS NOT NULL AS subscribed;
SELECT count(*) FROM jadugar.publish_batch('test.many', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(501, 600) n),
	keys => ARRAY(SELECT 'key ' || n % 20 FROM generate_series(501, 600) n));
CALL test_sub.wait_for(600, 'many');
SELECT count(*), count(DISTINCT data) FROM test_sub.got;
SELECT count(*) AS out_of_order FROM (SELECT (data->>'n')::int AS n, lag((data->>'n')::int) OVER (PARTITION BY key ORDER BY n) AS before
	FROM test_sub.got) g WHERE n < before;
SELECT shard, handled > 0 AS has_some FROM jadugar.subscription_shards WHERE subscription = 'many' ORDER BY 1;
-- one event of a batch that fails is set aside alone
TRUNCATE test_sub.got;
SELECT jadugar.subscribe('bad_batch', '{test.bad}',
	$$INSERT INTO test_sub.got (subscription, data) SELECT 'bad_batch', (e).data FROM unnest($1) e WHERE 1 / ((e).data->>'n')::int < 9$$,
	batch => 100) IS NOT NULL AS subscribed;
SELECT count(*) FROM jadugar.publish_batch('test.bad', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(-5, 20) n));
CALL test_sub.wait_for(26, 'bad_batch');
SELECT count(*), count(DISTINCT data) FROM test_sub.got;
SELECT e.data, p.state FROM jadugar.dead_letters p JOIN jadugar.events e USING (event_id) WHERE p.subscription = 'bad_batch';

-- a handler that is registered gets the data
CREATE TYPE test_sub.payload AS (n integer);
CREATE FUNCTION test_sub.typed(p test_sub.payload) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_sub.got (subscription, data) VALUES ('typed', to_jsonb(p))
$$;
TRUNCATE test_sub.got;
SELECT jadugar.register_handler('test_typed', 'test_sub.typed');
SELECT jadugar.subscribe('typed', '{test.typed}', 'test_typed', batch => 5);
SELECT jadugar.subscribe('typed', '{test.typed}', 'test_typed') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.typed', d)) FROM (VALUES ('{"n": 1}'::jsonb), ('{"x": 1}')) v (d);
CALL test_sub.wait_for(2, 'typed');
SELECT data FROM test_sub.got;
SELECT p.errors->0->>'message' AS error FROM jadugar.dead_letters p WHERE p.subscription = 'typed';

-- what a handler publishes is part of its transaction, and goes to others
TRUNCATE test_sub.got;
SELECT jadugar.subscribe('first', '{test.first}', $$SELECT jadugar.publish('test.second', ($1).data, key => ($1).key)$$) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('second', '{test.second}', 'SELECT test_sub.handle($1)') IS NOT NULL AS subscribed;
SELECT jadugar.publish('test.first', '{"n": 1}', key => 'k') AS first \gset
CALL test_sub.wait_for(1, 'second');
SELECT subscription, key, data FROM test_sub.got;

-- pause, resume, seek
SELECT jadugar.pause_subscription('second'), jadugar.pause_subscription('second');
SELECT status, paused_by FROM jadugar.subscriptions WHERE name = 'second';
SELECT jadugar.publish('test.second', '{"n": 2}') IS NOT NULL AS published;
SELECT jadugar.seek('second', start_after => :first);
SELECT behind, lag > '0' AS lags FROM jadugar.subscriptions WHERE name = 'second';
SELECT jadugar.resume_subscription('second', lost => 'drop');
SELECT jadugar.resume_subscription('second'), jadugar.resume_subscription('second');
SELECT jadugar.resume_subscription('second', lost => 'skip');
CALL test_sub.wait_for(3, 'second');
SELECT data FROM test_sub.got ORDER BY n;
SELECT jadugar.pause_subscription('second');
SELECT jadugar.publish('test.second', '{"n": 3}') IS NOT NULL AS published;
SELECT jadugar.seek('second', 'now');
SELECT jadugar.resume_subscription('second');
SELECT jadugar.publish('test.second', '{"n": 4}') IS NOT NULL AS published;
CALL test_sub.wait_for(4, 'second');
SELECT data FROM test_sub.got ORDER BY n DESC LIMIT 1;
-- a handler cannot change its own subscription
SELECT jadugar.subscribe('self', '{test.self}', $$SELECT jadugar.unsubscribe('self')$$) IS NOT NULL AS subscribed;
SELECT jadugar.publish('test.self') IS NOT NULL AS published;
CALL test_sub.wait_for(1, 'self');
SELECT p.errors->0->>'message' AS error FROM jadugar.dead_letters p WHERE p.subscription = 'self';

-- other roles
SET ROLE test_sub_other;
SELECT count(*) FROM jadugar.subscriptions;
SELECT count(*) FROM jadugar.dead_letters;
SELECT jadugar.unsubscribe('one', owner => 'test_sub');
SELECT jadugar.redrive('only', owner => 'test_sub');
SELECT jadugar.subscribe('one', '{test.one}', 'SELECT 1') IS NOT NULL AS subscribed;
SET ROLE test_sub_monitor;
SELECT count(*) > 10 AS sees_all FROM jadugar.subscriptions;
SELECT count(*) FROM jadugar.dead_letters WHERE errors IS NOT NULL;
SELECT count(*) FROM jadugar.subscription_shards WHERE error IS NOT NULL;
SELECT jadugar.pause_subscription('one', owner => 'test_sub');

-- what a subscription needs stays
SET ROLE test_sub;
SELECT jadugar.drop_topic('test_sub_topic', events => 'drop');
SELECT jadugar.drop_handler('test_typed', pending => 'cancel');

-- the last event of a window is given up because its transaction cannot commit
CREATE FUNCTION test_sub.no_commit(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'fail' THEN
		CREATE TEMP TABLE referenced (n integer PRIMARY KEY) ON COMMIT DELETE ROWS;
		CREATE TEMP TABLE referencing (n integer REFERENCES referenced);
	END IF;
END $$;
SELECT jadugar.subscribe('no_commit', '{test.no_commit}', 'SELECT test_sub.no_commit($1)', max_attempts => 1) IS NOT NULL AS subscribed;
SELECT jadugar.publish('test.no_commit', '{"fail": true}') IS NOT NULL AS published;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.dead_letters WHERE subscription = 'no_commit')$$);
SELECT jadugar.publish('test.no_commit') IS NOT NULL AS published;
CALL test_sub.wait_for(2, 'no_commit');
SELECT status, handled, parked FROM jadugar.subscription_shards WHERE subscription = 'no_commit';

-- ownership
RESET ROLE;
SELECT * FROM jadugar.reassign_owned('test_sub_other', 'test_sub', kinds => '{subscriptions}');
SELECT jadugar.unsubscribe('one', owner => 'test_sub');
SELECT * FROM jadugar.reassign_owned('test_sub_other', 'test_sub', kinds => '{subscriptions}');
SELECT name, owner FROM jadugar.subscriptions WHERE name = 'one';
SELECT * FROM jadugar.reassign_owned('test_sub', 'test_sub_other', kinds => '{subscriptions}', dry_run => true) ORDER BY name LIMIT 2;

RESET ROLE;
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) > 10 AS dropped FROM jadugar.subscriptions;
SELECT jadugar.drop_topic('test_sub_topic', events => 'drop');
SET ROLE test_sub;
SELECT jadugar.drop_handler('test_typed');
RESET ROLE;
DROP SCHEMA test_sub CASCADE;
CALL test.drop_roles('test_sub', 'test_sub_other', 'test_sub_monitor');
