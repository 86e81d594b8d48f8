-- delivery => 'fetch': leases, acknowledgements, failures, privileges, waiting.
\i test/include/helpers.sql
CALL test.create_role('test_fetch');
CALL test.create_role('test_fetch_other');
CALL test.create_role('test_fetch_operator', 'operator');
CREATE SCHEMA test_fetch AUTHORIZATION test_fetch;
GRANT USAGE ON SCHEMA test_fetch TO PUBLIC;
SET ROLE test_fetch;

-- fetches, and keeps the token in the setting test.CONSUMER
CREATE FUNCTION test_fetch.fetch(name text, consumer text, max_rows integer DEFAULT 100, lease interval DEFAULT '1 h', ack text DEFAULT NULL, owner text DEFAULT NULL)
RETURNS TABLE (shard integer, attempt integer, n integer, key text) LANGUAGE sql AS $$
	WITH f AS MATERIALIZED (SELECT * FROM jadugar.fetch_events(name, consumer, max_rows, lease, ack, owner)),
		kept AS (SELECT set_config('test.' || consumer, coalesce(max(token), ''), false) FROM f)
	SELECT f.shard, f.attempt, ((f.event).data->>'n')::int, (f.event).key FROM f, kept ORDER BY (f.event).event_id
$$;
CREATE FUNCTION test_fetch.token(consumer text) RETURNS text LANGUAGE sql AS $$SELECT current_setting('test.' || consumer)$$;
-- the id of the event with this number
CREATE FUNCTION test_fetch.id(n integer) RETURNS bigint LANGUAGE sql AS
	$$SELECT event_id FROM jadugar.events WHERE type = 'test.out' AND (data->>'n')::int = n$$;
CREATE PROCEDURE test_fetch.publish(first integer, last integer) LANGUAGE sql AS
	$$SELECT jadugar.publish('test.out', jsonb_build_object('n', i), key => 'k' || i % 3) FROM generate_series(first, last) i$$;
CREATE VIEW test_fetch.shards AS
	SELECT shard, status, handled, failed, parked, holder, epoch, lease_until IS NOT NULL AS leased FROM jadugar.subscription_shards WHERE subscription = 'out';

-- the events come in order, and come again until they are acknowledged
SELECT jadugar.subscribe('out', '{test.out}', delivery => 'fetch', max_attempts => 2) IS NOT NULL AS subscribed;
SELECT name, handler, delivery, status FROM jadugar.subscriptions;
SELECT * FROM test_fetch.fetch('out', 'a');
CALL test_fetch.publish(1, 7);
SELECT * FROM test_fetch.fetch('out', 'a', max_rows => 5);
SELECT * FROM test_fetch.fetch('out', 'b');
SELECT * FROM test_fetch.shards;
SELECT jadugar.ack(test_fetch.token('a'), test_fetch.id(2));
SELECT regexp_replace(test.error_of($$SELECT jadugar.ack(test_fetch.token('a'), test_fetch.id(2))$$), '\d+', 'N', 'g');
SELECT regexp_replace(test.error_of($$SELECT jadugar.ack(test_fetch.token('a'), test_fetch.id(6))$$), '\d+', 'N', 'g');
SELECT * FROM test_fetch.shards;
SELECT jadugar.release_lease(test_fetch.token('a'));
SELECT jadugar.ack(test_fetch.token('a'));
SELECT * FROM test_fetch.fetch('out', 'b', max_rows => 2);
BEGIN;
SELECT jadugar.ack(test_fetch.token('b'));
ROLLBACK;
SELECT * FROM test_fetch.fetch('out', 'b', max_rows => 2, ack => test_fetch.token('b'));
SELECT * FROM test_fetch.fetch('out', 'b', max_rows => 2, ack => test_fetch.token('b'));
SELECT * FROM test_fetch.fetch('out', 'b', max_rows => 2, ack => test_fetch.token('b'));
SELECT * FROM test_fetch.shards;

-- an event that fails is set aside, and later ones of its key are held behind it
CALL test_fetch.publish(11, 16);
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT regexp_replace(test.error_of($$SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(12), 'not this one')$$), '\d+', 'N', 'g');
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(11), 'no', retry_in => '1 h', dead => true);
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(11), 'broken', retry_in => '1 h');
SELECT * FROM test_fetch.fetch('out', 'a', max_rows => 1);
SELECT jadugar.ack(test_fetch.token('a'));
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT * FROM test_fetch.fetch('out', 'a', ack => test_fetch.token('a'));
SELECT * FROM test_fetch.fetch('out', 'a', ack => test_fetch.token('a'));
SELECT * FROM test_fetch.shards;
SELECT (SELECT data->>'n' FROM jadugar.events e WHERE e.event_id = d.event_id) AS n, state, attempts, next_at > now() + '59 min' AS later, errors
FROM jadugar.dead_letters d ORDER BY event_id;
-- one that was set aside comes alone
RESET ROLE;
UPDATE jadugar_internal.parked SET next_at = now() WHERE state = 'r';
SET ROLE test_fetch;
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.ack(test_fetch.token('a'));
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(14), dead => true);
SELECT (SELECT data->>'n' FROM jadugar.events e WHERE e.event_id = d.event_id) AS n, state, attempts, error_code, errors->-1->>'message' AS error
FROM jadugar.dead_letters d ORDER BY event_id;
SELECT jadugar.redrive('out');
SELECT * FROM test_fetch.fetch('out', 'a');
-- given up while a consumer has it
SELECT jadugar.discard_events('out');
SELECT jadugar.ack(test_fetch.token('a'));
SELECT * FROM test_fetch.shards;
SELECT * FROM test_fetch.fetch('out', 'a');

-- leases that run out: several events charge nobody and come one by one
CALL test_fetch.publish(21, 23);
SELECT * FROM test_fetch.fetch('out', 'a', lease => '1 ms');
CALL test.wait_until($$(SELECT lease_until < clock_timestamp() FROM jadugar.subscription_shards WHERE subscription = 'out')$$);
-- it still counts, as nobody has taken the shard over
SELECT jadugar.ack(test_fetch.token('a'), test_fetch.id(21));
SELECT jadugar.extend_lease(test_fetch.token('a'), '1 ms') < now() + '1 min' AS extended;
CALL test.wait_until($$(SELECT lease_until < clock_timestamp() FROM jadugar.subscription_shards WHERE subscription = 'out')$$);
SELECT * FROM test_fetch.fetch('out', 'b', lease => '1 ms');
SELECT jadugar.ack(test_fetch.token('a'));
SELECT jadugar.extend_lease(test_fetch.token('a'), '1 h');
SELECT jadugar.release_lease(test_fetch.token('a'));
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(22));
-- one is charged, and dead after max_attempts
CALL test.wait_until($$(SELECT lease_until < clock_timestamp() FROM jadugar.subscription_shards WHERE subscription = 'out')$$);
SELECT * FROM test_fetch.fetch('out', 'b', lease => '1 ms');
CALL test.wait_until($$(SELECT lease_until < clock_timestamp() FROM jadugar.subscription_shards WHERE subscription = 'out')$$);
SELECT * FROM test_fetch.fetch('out', 'b');
SELECT jadugar.ack(test_fetch.token('b'));
SELECT attempts, state, error_code, errors FROM jadugar.dead_letters;
SELECT * FROM test_fetch.shards;
SELECT jadugar.discard_events('out');

-- what moves the position, or another delivery, ends the lease
CALL test_fetch.publish(31, 32);
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.pause_subscription('out');
SELECT * FROM test_fetch.fetch('out', 'b', ack => test_fetch.token('a'));
SELECT jadugar.seek('out', start_after => test_fetch.id(30 + 1));
SELECT jadugar.resume_subscription('out');
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.pause_subscription('out');
SELECT jadugar.seek('out', start_after => test_fetch.id(23));
SELECT jadugar.resume_subscription('out');
SELECT jadugar.ack(test_fetch.token('a'));
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.alter_subscription('out', description => 'still leased');
SELECT holder FROM test_fetch.shards;
SELECT jadugar.alter_subscription('out', delivery => 'inline');
SELECT jadugar.alter_subscription('out', handler => 'SELECT 1');
SELECT jadugar.alter_subscription('out', delivery => 'inline', handler => 'SELECT $1', timeout => '1 min');
SELECT jadugar.ack(test_fetch.token('a'));
SELECT jadugar.fetch_events('out', 'a');
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'out') = 0$$);
SELECT jadugar.alter_subscription('out', delivery => 'fetch');
SELECT jadugar.alter_subscription('out', delivery => 'fetch', reset => '{handler}');
SELECT jadugar.alter_subscription('out', delivery => 'fetch', reset => '{handler,timeout}');
SELECT handler, delivery, timeout FROM jadugar.subscriptions WHERE name = 'out';

-- block: the shard waits for its event
SELECT jadugar.subscribe('blocks', '{test.out}', delivery => 'fetch', on_failure => 'block', start_after => test_fetch.id(23)) IS NOT NULL AS subscribed;
SELECT * FROM test_fetch.fetch('blocks', 'a', max_rows => 2);
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(31), retry_in => '0');
SELECT * FROM test_fetch.fetch('blocks', 'a');
SELECT jadugar.nack(test_fetch.token('a'), test_fetch.id(31), dead => true);
SELECT * FROM test_fetch.fetch('blocks', 'a');
SELECT status, blocked_id = test_fetch.id(31) AS blocked, attempts FROM jadugar.subscription_shards WHERE subscription = 'blocks';
SELECT jadugar.discard_events('blocks');
SELECT * FROM test_fetch.fetch('blocks', 'a');
SELECT jadugar.unsubscribe('blocks');
SELECT jadugar.ack(test_fetch.token('a'));

-- several shards: each has a holder of its own
SELECT jadugar.subscribe('wide', '{test.wide}', delivery => 'fetch', shards => 4, start => 'beginning') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('test.wide', key => 'w' || i)) AS published FROM generate_series(1, 40) i;
CREATE TABLE test_fetch.taken AS
	SELECT f.* FROM generate_series(1, 5) i, LATERAL jadugar.fetch_events('wide', 'c' || i) f;
SELECT count(DISTINCT token) > 1 AS several, count(DISTINCT token) = count(DISTINCT shard) AS one_each, count(*) = count(DISTINCT (event).event_id) AS once,
	count(*) AS events
FROM test_fetch.taken;
SELECT count(jadugar.ack(token)) > 1 AS acknowledged FROM (SELECT DISTINCT token FROM test_fetch.taken) t;
SELECT sum(handled) = (SELECT count(*) FROM test_fetch.taken) AS all_handled FROM jadugar.subscription_shards WHERE subscription = 'wide';

-- bad input
SELECT jadugar.subscribe('x', '{a}');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'fetch');
SELECT jadugar.subscribe('x', '{a}', delivery => 'fetch', queue => 'default');
SELECT jadugar.fetch_events(NULL, 'a');
SELECT jadugar.fetch_events('out', NULL);
SELECT jadugar.fetch_events('out', '');
SELECT jadugar.fetch_events('out', 'a', max_rows => 0);
SELECT jadugar.fetch_events('out', 'a', max_rows => 1001);
SELECT jadugar.fetch_events('out', 'a', lease => '0');
SELECT jadugar.fetch_events('out', 'a', lease => '13 hours');
SELECT jadugar.fetch_events('nowhere', 'a');
SELECT jadugar.fetch_events('out', 'a', ack => 'x');
SELECT jadugar.ack(NULL);
SELECT jadugar.ack('');
SELECT jadugar.ack('1.0.1');
SELECT jadugar.ack('1.0.1.0123456789abcde');
SELECT jadugar.ack('1.0.1.0123456789abcdef0');
SELECT jadugar.ack('1.0.1.0123456789ABCDEF');
SELECT jadugar.ack('-1.0.1.0123456789abcdef');
SELECT jadugar.ack('1.4294967296.1.0123456789abcdef');
SELECT jadugar.ack('99999999999999999999.0.1.0123456789abcdef');
SELECT jadugar.ack('999999.0.1.0123456789abcdef');
SELECT jadugar.nack('999999.0.1.0123456789abcdef', NULL);
SELECT jadugar.nack('999999.0.1.0123456789abcdef', 1, retry_in => '-1 s');
SELECT jadugar.extend_lease('999999.0.1.0123456789abcdef', '-1 s');
BEGIN READ ONLY;
SELECT jadugar.fetch_events('out', 'a');
ROLLBACK;

-- privileges: the owner, its members, operators
CALL test_fetch.publish(41, 42);
SELECT * FROM test_fetch.fetch('out', 'a');
SET ROLE test_fetch_other;
SELECT jadugar.fetch_events('out', 'b');
SELECT jadugar.fetch_events('out', 'b', owner => 'test_fetch');
SELECT jadugar.ack(current_setting('test.a'));
CALL jadugar.wait_events('out', '0', owner => 'test_fetch');
SET ROLE test_fetch_operator;
SELECT jadugar.ack(current_setting('test.a'), NULL);
CALL jadugar.wait_events('out', '0', owner => 'test_fetch');
SELECT count(*) FROM jadugar.fetch_events('out', 'b', owner => 'test_fetch');
RESET ROLE;

-- waiting
SET ROLE test_fetch;
CALL jadugar.wait_events('out', '0');
CALL jadugar.wait_events('out', '1 ms');
CALL jadugar.wait_events('wide', '-1 s');
CALL jadugar.wait_events('nowhere');
BEGIN;
CALL jadugar.wait_events('out', '1 s');
ROLLBACK;
CALL test_fetch.publish(51, 51);
CALL jadugar.wait_events('out');
SELECT jadugar.pause_subscription('out');
CALL jadugar.wait_events('out', '0');
SELECT jadugar.resume_subscription('out');
-- a lease that runs out while it waits
SELECT * FROM test_fetch.fetch('out', 'a', lease => '50 ms');
CALL jadugar.wait_events('out');

-- other isolation levels
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM test_fetch.fetch('out', 'a');
SELECT jadugar.ack(test_fetch.token('a'));
COMMIT;
SELECT handled, holder FROM test_fetch.shards;

-- a new owner
CALL test_fetch.publish(61, 61);
SELECT * FROM test_fetch.fetch('out', 'a');
RESET ROLE;
SELECT kind, name, problem FROM jadugar.reassign_owned('test_fetch', 'test_fetch_other', kinds => '{subscriptions}') ORDER BY name;
SET ROLE test_fetch;
SELECT jadugar.ack(test_fetch.token('a'));
RESET ROLE;
SELECT subscription, owner, holder FROM jadugar.subscription_shards WHERE shard = 0 ORDER BY subscription;
-- it may not read these events
SET ROLE test_fetch_other;
SELECT count(*) FROM jadugar.fetch_events('out', 'b');
RESET ROLE;

-- other types, in a transaction that was rolled back and in one that follows
SET ROLE test_fetch;
SELECT jadugar.subscribe('changed', '{test.one,test.two}', delivery => 'fetch') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish(t)) FROM unnest('{test.one,test.two,test.two,test.three}'::text[]) t;
SELECT token, (f.event).type FROM jadugar.fetch_events('changed', 'c', max_rows => 1) f \gset
BEGIN;
SELECT jadugar.alter_subscription('changed', types => '{test.three}');
SELECT (f.event).type FROM jadugar.fetch_events('changed', 'c', max_rows => 1, ack => :'token') f;
ROLLBACK;
BEGIN;
SELECT jadugar.alter_subscription('changed', types => '{test.two}');
SELECT (f.event).type FROM jadugar.fetch_events('changed', 'c', ack => :'token') f;
COMMIT;
RESET ROLE;

SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions;
DROP SCHEMA test_fetch CASCADE;
CALL test.drop_roles('test_fetch', 'test_fetch_other', 'test_fetch_operator');
