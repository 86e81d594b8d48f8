-- alter_subscription(shards =>): the old shards run to one snapshot, then the new ones begin.
\i test/include/helpers.sql
CALL test.create_role('test_rs');
CREATE SCHEMA test_rs AUTHORIZATION test_rs;
CREATE PROCEDURE test_rs.wait_for(shards integer) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('(SELECT (status, shards, new_shards) IS NOT DISTINCT FROM (''active''::text, %s, NULL::integer) FROM jadugar.subscriptions WHERE name = ''rs'')', shards));
END $$;
GRANT USAGE ON SCHEMA test_rs TO PUBLIC;
SET ROLE test_rs;
CREATE TABLE test_rs.got (n bigserial, event_n integer, key text, shard integer);
CREATE TABLE test_rs.closed (gate integer);
CREATE FUNCTION test_rs.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' AND EXISTS (SELECT FROM test_rs.closed) THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_rs.got (event_n, key, shard) SELECT (e.data->>'n')::integer, e.key, c.shard FROM jadugar.current_event() c;
END $$;
-- publishes events of ten keys
CREATE FUNCTION test_rs.publish(first integer, last integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT max(jadugar.publish('rs', jsonb_build_object('n', n), key => 'k' || n % 10)) FROM generate_series(first, last) n $$;
CREATE FUNCTION test_rs.handled(OUT handled bigint, OUT once boolean, OUT in_order boolean, OUT shards bigint) LANGUAGE sql AS $$
	SELECT count(*), count(*) = count(DISTINCT event_n), bool_and(ordered), count(DISTINCT shard)
	FROM (SELECT *, event_n >= max(event_n) OVER (PARTITION BY key ORDER BY n) AS ordered FROM test_rs.got) g $$;

SELECT jadugar.subscribe('rs', '{rs}', 'SELECT test_rs.handle($1)', shards => 2) > 0 AS subscribed;
SELECT test_rs.publish(1, 50) AS last \gset
-- before and after, and at once again
SELECT jadugar.alter_subscription('rs', shards => 5);
SELECT test_rs.publish(51, 100) AS last \gset
CALL test_rs.wait_for(5);
SELECT shard, status FROM jadugar.subscription_shards WHERE subscription = 'rs' ORDER BY 1;
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT handled, once, in_order FROM test_rs.handled();
TRUNCATE test_rs.got;
SELECT test_rs.publish(101, 150) AS last \gset
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT * FROM test_rs.handled();
-- without events, to fewer
SELECT jadugar.alter_subscription('rs', shards => 1);
CALL test_rs.wait_for(1);
SELECT handled, failed, parked FROM jadugar.subscriptions WHERE name = 'rs';
SELECT test_rs.publish(151, 200) AS last \gset
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT handled, once, in_order FROM test_rs.handled();
-- within the transaction that publishes; and while another one is open
BEGIN;
SELECT test_rs.publish(201, 250) AS last \gset
SELECT jadugar.alter_subscription('rs', shards => 3);
SELECT test_rs.publish(251, 300) AS last \gset
COMMIT;
CALL test_rs.wait_for(3);
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT handled, once, in_order FROM test_rs.handled();

-- events that were set aside go along, with those that are held behind them
TRUNCATE test_rs.got;
INSERT INTO test_rs.closed VALUES (1);
SELECT jadugar.alter_subscription('rs', max_attempts => 1);
SELECT count(jadugar.publish('rs', '{"n": 301, "error": "22012"}', key => 'k' || n)) FROM generate_series(1, 4) n;
SELECT count(jadugar.publish('rs', jsonb_build_object('n', 301 + n), key => 'k' || n)) FROM generate_series(1, 4) n;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.dead_letters WHERE subscription = 'rs') = 8$$);
SELECT jadugar.alter_subscription('rs', shards => 7);
CALL test_rs.wait_for(7);
SELECT sum(parked), count(*) FILTER (WHERE parked > 0) > 1 AS spread FROM jadugar.subscription_shards WHERE subscription = 'rs';
SELECT test_rs.publish(306, 315) AS last \gset
CALL test.wait_until($$(SELECT parked FROM jadugar.subscriptions WHERE name = 'rs') = 12$$);
TRUNCATE test_rs.closed;
SELECT jadugar.redrive('rs');
CALL test.wait_until($$(SELECT parked FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT handled, in_order FROM test_rs.handled();

-- a shard that is blocked holds up the change, which the present number ends
SELECT jadugar.alter_subscription('rs', on_failure => 'block');
INSERT INTO test_rs.closed VALUES (1);
SELECT jadugar.publish('rs', '{"n": 400, "error": "22012"}', key => 'k1') AS blocking \gset
CALL test.wait_until($$(SELECT status FROM jadugar.subscriptions WHERE name = 'rs') = 'blocked'$$);
SELECT jadugar.alter_subscription('rs', shards => 2);
SELECT status, shards, new_shards FROM jadugar.subscriptions WHERE name = 'rs';
SELECT jadugar.alter_subscription('rs', shards => 7);
SELECT status, shards, new_shards FROM jadugar.subscriptions WHERE name = 'rs';
SELECT jadugar.alter_subscription('rs', shards => 4);
SELECT jadugar.discard_events('rs');
CALL test_rs.wait_for(4);
-- paused: when it goes on, or at once when it is moved
SELECT jadugar.pause_subscription('rs');
SELECT jadugar.alter_subscription('rs', shards => 2);
SELECT status, shards, new_shards FROM jadugar.subscriptions WHERE name = 'rs';
SELECT jadugar.resume_subscription('rs');
CALL test_rs.wait_for(2);
SELECT jadugar.pause_subscription('rs');
SELECT jadugar.alter_subscription('rs', shards => 6);
TRUNCATE test_rs.got;
SELECT test_rs.publish(501, 510) AS first \gset
SELECT jadugar.seek('rs', 'now');
SELECT status, shards, new_shards FROM jadugar.subscriptions WHERE name = 'rs';
SELECT test_rs.publish(511, 520) AS last \gset
SELECT jadugar.resume_subscription('rs');
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
SELECT min(event_n), max(event_n), count(*) FROM test_rs.got;
-- back and forth while events come
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		PERFORM jadugar.alter_subscription('rs', shards => 1 + i % 5);
		PERFORM test_rs.publish(600 + i * 10, 609 + i * 10);
		COMMIT;
	END LOOP;
END $$;
SELECT test_rs.publish(810, 810) AS last \gset
CALL test_rs.wait_for(1);
CALL test.wait_until($$(SELECT behind FROM jadugar.subscriptions WHERE name = 'rs') = 0$$);
CALL test.wait_until('(SELECT count(*) FROM test_rs.got) = 211');
SELECT handled, once, in_order FROM test_rs.handled();

-- bad input
SELECT jadugar.alter_subscription('rs', shards => 0);
SELECT jadugar.alter_subscription('rs', shards => 65);
SELECT jadugar.replay('rs', 'replay', until_id => 0) > 0 AS replayed;
SELECT jadugar.alter_subscription('replay', shards => 2);

SELECT count(jadugar.unsubscribe(name, 'drop')) AS dropped FROM jadugar.subscriptions;
RESET ROLE;
DROP SCHEMA test_rs CASCADE;
CALL test.drop_roles('test_rs');
