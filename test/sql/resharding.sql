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

-- delivery => 'fetch': leases stay valid, and consumers bring the shards to the snapshot
SELECT jadugar.pause_subscription('rs');
TRUNCATE test_rs.got;
SELECT jadugar.subscribe('out', '{rs}', delivery => 'fetch', shards => 2, max_attempts => 2) > 0 AS subscribed;
-- fetches from all shards that are free, one after another, and keeps what it has got
CREATE TABLE test_rs.fetched (consumer text, token text, shard integer, attempt integer, event_id bigint, event_n integer, key text);
CREATE PROCEDURE test_rs.fetch(consumer text, max_rows integer DEFAULT 100) LANGUAGE plpgsql AS $$
DECLARE
	n integer := 1;
BEGIN
	WHILE n > 0 LOOP
		INSERT INTO test_rs.fetched SELECT consumer, f.token, f.shard, f.attempt, (f.event).event_id, ((f.event).data->>'n')::integer, (f.event).key FROM jadugar.fetch_events('out', consumer, max_rows, '1 h') f;
		GET DIAGNOSTICS n = ROW_COUNT;
		COMMIT;
	END LOOP;
END $$;
-- the same until so many are there: a fetch passes over a shard that the scheduler looks at
CREATE PROCEDURE test_rs.fetch_up_to(who text, wanted integer) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + '30 s';
BEGIN
	LOOP
		CALL test_rs.fetch(who);
		EXIT WHEN (SELECT count(*) FROM test_rs.fetched WHERE consumer = who) >= wanted OR clock_timestamp() > until;
		PERFORM pg_sleep(0.01);    -- waits-for-time: between looks, in a loop with a deadline
	END LOOP;
END $$;
-- handles what a consumer has, as far as its tokens are good
CREATE PROCEDURE test_rs.ack(who text) LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	FOR t IN SELECT DISTINCT token FROM test_rs.fetched WHERE consumer = who LOOP
		PERFORM jadugar.ack(t);
		INSERT INTO test_rs.got (event_n, key, shard) SELECT event_n, key, shard FROM test_rs.fetched WHERE token = t ORDER BY event_id;
	END LOOP;
	DELETE FROM test_rs.fetched WHERE consumer = who;
END $$;
CREATE PROCEDURE test_rs.drain() LANGUAGE plpgsql AS $$
BEGIN
	CALL test_rs.fetch('drain');
	WHILE EXISTS (SELECT FROM test_rs.fetched WHERE consumer = 'drain') LOOP
		CALL test_rs.ack('drain');
		COMMIT;
		CALL test_rs.fetch('drain');
	END LOOP;
END $$;
CREATE VIEW test_rs.state AS SELECT status, shards, new_shards, behind, parked FROM jadugar.subscriptions WHERE name = 'out';
CREATE PROCEDURE test_rs.wait_out(shards integer) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('(SELECT s.shards FROM test_rs.state s) = %s', shards));
END $$;
-- without events; a call moves the shards
SELECT jadugar.alter_subscription('out', shards => 3);
SELECT status, shards, new_shards FROM test_rs.state;
CALL test_rs.fetch('a');
CALL test_rs.wait_out(3);
SELECT * FROM test_rs.state;
-- leased, to come, and published later
SELECT test_rs.publish(1, 20) AS last \gset
CALL test_rs.fetch('a', max_rows => 2);
SELECT test_rs.publish(21, 30) AS last \gset
SELECT jadugar.alter_subscription('out', shards => 5);
SELECT test_rs.publish(31, 40) AS last \gset
CALL test_rs.fetch('b');
SELECT count(*) FROM test_rs.fetched WHERE consumer = 'b';
SELECT * FROM test_rs.state;
CALL test_rs.ack('a');
CALL test_rs.fetch_up_to('b', 14);
SELECT count(*), max(event_n) FROM test_rs.fetched WHERE consumer = 'b';
SELECT status, shards, new_shards FROM test_rs.state;
CALL test_rs.ack('b');
CALL test_rs.drain();
CALL test_rs.wait_out(5);
CALL test_rs.drain();
SELECT status, behind FROM test_rs.state;
SELECT handled, once, in_order FROM test_rs.handled();
-- events that were set aside: one is leased at the end, and holds up the new shards; it runs out
TRUNCATE test_rs.got, test_rs.fetched;
SELECT test_rs.publish(41, 60) AS last \gset
CALL test_rs.fetch('a', max_rows => 1);
SELECT count(jadugar.nack(token, event_id, retry_in => '0')) AS failed FROM test_rs.fetched;
DELETE FROM test_rs.fetched;
SELECT count(*) > 1 AS aside FROM jadugar.dead_letters WHERE subscription = 'out' AND state = 'retrying';
CALL test_rs.fetch('a', max_rows => 1);
SELECT jadugar.alter_subscription('out', shards => 2);
SELECT count(jadugar.extend_lease(token, '1 ms')) AS leased FROM test_rs.fetched;
CALL test.wait_until('(SELECT bool_and(lease_until < clock_timestamp()) FROM jadugar.subscription_shards WHERE subscription = ''out'')');
DELETE FROM test_rs.fetched;
CALL test_rs.drain();
CALL test_rs.wait_out(2);
CALL test_rs.drain();
SELECT * FROM test_rs.state;
SELECT state, attempts, error_code, count(*) > 1 AS several FROM jadugar.dead_letters WHERE subscription = 'out' AND state = 'dead' GROUP BY 1, 2, 3;
SELECT jadugar.redrive('out') > 0 AS redriven;
CALL test_rs.drain();
SELECT * FROM test_rs.state;
SELECT handled, once, in_order FROM test_rs.handled();
-- another delivery, back and forth, beside another number of shards: nothing is lost or doubled
TRUNCATE test_rs.got;
SELECT test_rs.publish(101, 120) AS last \gset
CALL test_rs.fetch('a', max_rows => 3);
SELECT jadugar.alter_subscription('out', shards => 4);
SELECT jadugar.alter_subscription('out', delivery => 'inline', handler => 'SELECT test_rs.handle($1)');
SELECT test.error_of($$CALL test_rs.ack('a')$$);
CALL test_rs.wait_out(4);
CALL test.wait_until('(SELECT behind FROM test_rs.state) = 0');
SELECT jadugar.alter_subscription('out', shards => 1);
SELECT test_rs.publish(121, 140) AS last \gset
SELECT jadugar.alter_subscription('out', delivery => 'fetch', reset => '{handler}');
TRUNCATE test_rs.fetched;
CALL test_rs.drain();
CALL test_rs.wait_out(1);
CALL test_rs.drain();
SELECT * FROM test_rs.state;
SELECT handled, once, in_order FROM test_rs.handled();
-- paused: nothing is fetched; the change goes on with the subscription
SELECT jadugar.pause_subscription('out');
SELECT jadugar.alter_subscription('out', shards => 2);
CALL test_rs.fetch('a');
SELECT status, shards, new_shards FROM test_rs.state;
SELECT jadugar.resume_subscription('out');
CALL jadugar.wait_events('out');
CALL test_rs.fetch('a');
CALL test_rs.wait_out(2);

-- bad input
SELECT jadugar.alter_subscription('rs', shards => 0);
SELECT jadugar.alter_subscription('rs', shards => 65);
SELECT jadugar.replay('rs', 'replay', until_id => 0) > 0 AS replayed;
SELECT jadugar.alter_subscription('replay', shards => 2);

SELECT count(jadugar.unsubscribe(name, 'drop')) AS dropped FROM jadugar.subscriptions;
RESET ROLE;
DROP SCHEMA test_rs CASCADE;
CALL test.drop_roles('test_rs');
