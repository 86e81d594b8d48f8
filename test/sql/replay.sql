-- replay(): a subscription with an end.
\i test/include/helpers.sql
CALL test.create_role('test_rp');
CALL test.create_role('test_rp_other');
CREATE SCHEMA test_rp AUTHORIZATION test_rp;
CREATE PROCEDURE test_rp.wait_for(status text, subscription text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('(SELECT status FROM jadugar.subscriptions WHERE name = %L) = %L', subscription, status));
END $$;
GRANT USAGE ON SCHEMA test_rp TO PUBLIC;
SET ROLE test_rp;
CREATE TABLE test_rp.got (n bigserial, subscription text, event_n integer, key text, replay boolean);
CREATE TABLE test_rp.mended (at timestamptz);
CREATE FUNCTION test_rp.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' AND NOT EXISTS (SELECT FROM test_rp.mended) THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_rp.got (subscription, event_n, key, replay) SELECT c.subscription, (e.data->>'n')::integer, e.key, c.replay FROM jadugar.current_event() c;
END $$;
CREATE FUNCTION test_rp.handle(e jadugar.event_info[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_rp.got (subscription, event_n, key, replay)
	SELECT c.subscription, ((u).data->>'n')::integer, (u).key, c.replay FROM unnest(e) u, jadugar.current_event() c $$;
-- what a subscription has handled: the numbers, and whether all were replayed
CREATE FUNCTION test_rp.handled(subscription text, OUT handled bigint, OUT first integer, OUT last integer, OUT once boolean, OUT in_order boolean, OUT replay boolean) LANGUAGE sql AS $$
	SELECT count(*), min(event_n), max(event_n), count(*) = count(DISTINCT event_n), bool_and(ordered), bool_and(g.replay)
	FROM (SELECT *, event_n >= max(event_n) OVER (PARTITION BY key ORDER BY n) AS ordered FROM test_rp.got WHERE got.subscription = handled.subscription) g $$;

SELECT jadugar.subscribe('live', '{rp.one}', 'SELECT test_rp.handle($1)', filter => '$.data.n != 5', keys => ARRAY(SELECT 'k' || i FROM generate_series(0, 6) i),
	description => 'all of them', settings => '{"work_mem": "1MB"}') > 0 AS subscribed;
SELECT count(jadugar.publish('rp.one', jsonb_build_object('n', n), key => 'k' || n % 7)) FROM generate_series(1, 100) n;
SELECT jadugar.publish('rp.other', '{"n": 0}') > 0 AS published;
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'live') = 99$$);
SELECT * FROM test_rp.handled('live');
SELECT min(event_id) AS first_id, min(event_id) FILTER (WHERE data->>'n' = '10') AS id_10, min(event_id) FILTER (WHERE data->>'n' = '20') AS id_20,
	min(event_id) FILTER (WHERE data->>'n' = '50') AS id_50 FROM jadugar.events WHERE type = 'rp.one' \gset

-- all of them; the one that is replayed goes on
SELECT jadugar.replay('live', 'again') > 0 AS replayed;
SELECT jadugar.publish('rp.one', '{"n": 101}', key => 'k1') AS later \gset
CALL test_rp.wait_for('done', 'again');
SELECT * FROM test_rp.handled('again');
SELECT jadugar.wait_delivered(:later, by => '{live}', timeout => '30 s');
SELECT name, types, handler, batch, filter, shards, settings, status, handled, failed, parked, description, replay, until_id
FROM jadugar.subscriptions ORDER BY name COLLATE "C" \gx
SELECT subscription, shard, status, handled FROM jadugar.subscription_shards ORDER BY 1;
-- it has ended: nothing follows, and nobody waits for it
SELECT jadugar.publish('rp.one', '{"n": 102}', key => 'k1') AS later \gset
SELECT jadugar.wait_delivered(:later, timeout => '30 s');
SELECT jadugar.wait_delivered(:later, by => '{again}', timeout => '30 s');
SELECT * FROM test_rp.handled('again');
SELECT last FROM test_rp.handled('live');

-- a part of them, with another handler, in batches and shards
SELECT jadugar.replay('live', 'part', handler => $$SELECT test_rp.handle($1)$$, start_after => :id_10, until_id => :id_50, batch => 10, shards => 3) > 0 AS replayed;
CALL test_rp.wait_for('done', 'part');
SELECT * FROM test_rp.handled('part');
SELECT shards, batch, until_id = :id_50 AS until FROM jadugar.subscriptions WHERE name = 'part';
SELECT shard, status FROM jadugar.subscription_shards WHERE subscription = 'part' ORDER BY 1;
-- by time
SELECT published_at AS at FROM jadugar.get_event(:id_20) \gset
SELECT jadugar.replay('live', 'from', start_time => :'at') > 0 AS replayed;
SELECT jadugar.replay('live', 'upto', until_time => :'at') > 0 AS replayed;
CALL test_rp.wait_for('done', 'from');
CALL test_rp.wait_for('done', 'upto');
SELECT max(f.handled) + max(u.handled) AS together, bool_or(f.first <= u.last) AS overlap FROM test_rp.handled('from') f, test_rp.handled('upto') u;
-- nothing at all
SELECT event_id AS last FROM jadugar.read_events(newest_first => true, max_rows => 1) \gset
SELECT jadugar.replay('live', 'none', start_after => :last) > 0 AS replayed;
SELECT jadugar.replay('live', 'none_2', until_id => 0) > 0 AS replayed;
CALL test_rp.wait_for('done', 'none');
CALL test_rp.wait_for('done', 'none_2');
SELECT count(*) FROM test_rp.got WHERE subscription LIKE 'none%';
-- of a transaction that has not committed, events are not replayed
BEGIN;
SELECT jadugar.publish('rp.one', '{"n": 103}', key => 'k1') > 0 AS published;
SELECT jadugar.replay('live', 'own', start_after => :later) > 0 AS replayed;
COMMIT;
CALL test_rp.wait_for('done', 'own');
SELECT count(*) FROM test_rp.got WHERE subscription = 'own';

-- events become tasks
SELECT jadugar.subscribe('tasks', '{rp.task}', 'SELECT test_rp.handle($1)', delivery => 'task') > 0 AS subscribed;
SELECT jadugar.publish('rp.task', '{"n": 1}') AS id \gset
CALL test.wait_until($$EXISTS (SELECT FROM test_rp.got WHERE subscription = 'tasks')$$);
SELECT jadugar.replay('tasks', 'tasks_again') > 0 AS replayed;
CALL test.wait_until($$EXISTS (SELECT FROM test_rp.got WHERE subscription = 'tasks_again')$$);
SELECT subscription, event_n, replay FROM test_rp.got WHERE subscription LIKE 'tasks%';
CALL test_rp.wait_for('done', 'tasks_again');

-- failures: it is done when nothing is to be tried again
SELECT jadugar.subscribe('fails', '{rp.fail}', 'SELECT test_rp.handle($1)', enabled => false) > 0 AS subscribed;
SELECT count(jadugar.publish('rp.fail', d, key => 'k')) FROM (VALUES ('{"n": 1}'::jsonb), ('{"n": 2, "error": "P0001"}'), ('{"n": 3}')) v (d);
SELECT jadugar.replay('fails', 'failed') > 0 AS replayed;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.dead_letters WHERE subscription = 'failed') = 2$$);
SELECT status, handled, parked, dead FROM jadugar.subscriptions WHERE name = 'failed';
INSERT INTO test_rp.mended VALUES (now());
SELECT jadugar.alter_subscription('failed', max_attempts => 1);
SELECT jadugar.discard_events('failed', event_ids => ARRAY(SELECT event_id FROM jadugar.dead_letters WHERE subscription = 'failed' AND state = 'retrying'));
CALL test_rp.wait_for('done', 'failed');
SELECT subscription, event_n FROM test_rp.got WHERE subscription = 'failed' ORDER BY n;
-- a dead one is tried again after the end
TRUNCATE test_rp.mended;
SELECT jadugar.alter_subscription('fails', max_attempts => 1);
SELECT jadugar.replay('fails', 'dead') > 0 AS replayed;
CALL test.wait_until($$(SELECT dead FROM jadugar.subscriptions WHERE name = 'dead') = 1$$);
CALL test_rp.wait_for('done', 'dead');
SELECT status, reason, handled, parked, dead FROM jadugar.subscriptions WHERE name = 'dead';
-- the one that is held does not go first (t/event/064_replay_faults.pl looks at the notice)
SELECT event_id AS held FROM jadugar.dead_letters WHERE subscription = 'dead' AND state = 'held' \gset
SELECT event_id AS front FROM jadugar.dead_letters WHERE subscription = 'dead' AND state = 'dead' \gset
SELECT jadugar.redrive('dead', ARRAY[:held]);
SELECT state, count(*) FROM jadugar.dead_letters WHERE subscription = 'dead' GROUP BY 1 ORDER BY 1;
-- the handler was wrong: another one, and again
SELECT jadugar.alter_subscription('dead', handler => $$INSERT INTO test_rp.got (subscription, event_n, replay) SELECT 'other handler', (($1).data->>'n')::integer, c.replay FROM jadugar.current_event() c$$);
SELECT jadugar.redrive('dead', ARRAY[:held, :front]);
CALL test.wait_until($$(SELECT parked FROM jadugar.subscriptions WHERE name = 'dead') = 0$$);
SELECT status, reason, handled, parked, dead FROM jadugar.subscriptions WHERE name = 'dead';
SELECT subscription, event_n, replay FROM test_rp.got WHERE subscription IN ('dead', 'other handler') ORDER BY n;

-- pause and resume; what cannot be done
BEGIN;
SELECT jadugar.replay('live', 'paused') > 0 AS replayed;
SELECT jadugar.pause_subscription('paused');
COMMIT;
SELECT status FROM jadugar.subscriptions WHERE name = 'paused';
SELECT jadugar.seek('paused', start => 'beginning');
SELECT jadugar.resume_subscription('paused');
CALL test_rp.wait_for('done', 'paused');
SELECT handled, replay FROM test_rp.handled('paused');
SELECT jadugar.replay('again', 'twice', until_id => :first_id) > 0 AS replayed;
CALL test_rp.wait_for('done', 'twice');
SELECT * FROM test_rp.handled('twice');
SELECT jadugar.replay(NULL, 'x');
SELECT jadugar.replay('live', NULL);
SELECT jadugar.replay('live', '');
SELECT jadugar.replay('live', 'live');
SELECT jadugar.replay('nowhere', 'x');
SELECT jadugar.replay('live', 'x', start_time => now(), start_after => 1);
SELECT jadugar.replay('live', 'x', until_time => now(), until_id => 1);
SELECT jadugar.replay('live', 'x', shards => 0);
SELECT jadugar.replay('live', 'x', batch => 0);
SELECT jadugar.replay('live', 'x', handler => 'SELEC 1');
SELECT jadugar.replay('tasks', 'x', batch => 2);
BEGIN READ ONLY;
SELECT jadugar.replay('live', 'x');
ROLLBACK;
SET ROLE test_rp_other;
SELECT jadugar.replay('live', 'x');
SELECT jadugar.replay('live', 'x', owner => 'test_rp');
RESET ROLE;
SELECT jadugar.replay('live', 'by_operator', until_id => :first_id, owner => 'test_rp') > 0 AS replayed;
CALL test_rp.wait_for('done', 'by_operator');
SELECT owner, handled FROM jadugar.subscriptions WHERE name = 'by_operator';

SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_rp';
DROP SCHEMA test_rp CASCADE;
CALL test.drop_roles('test_rp', 'test_rp_other');
