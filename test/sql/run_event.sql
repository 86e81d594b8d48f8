-- run_event(): the handler of a subscription in the session.
\i test/include/helpers.sql
CALL test.create_role('test_re');
CALL test.create_role('test_re_other');
CALL test.create_role('test_re_operator', 'operator');
CREATE SCHEMA test_re AUTHORIZATION test_re;
GRANT USAGE ON SCHEMA test_re TO PUBLIC;
SET ROLE test_re;
CREATE TABLE test_re.got (n bigserial, by name DEFAULT current_user, data jsonb, subscription text, shard integer, attempt integer, task boolean);
GRANT ALL ON test_re.got, test_re.got_n_seq TO test_re_other;
CREATE FUNCTION test_re.handle(e jadugar.event_info) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_re.got (data, subscription, shard, attempt, task)
	SELECT (c.event).data, c.subscription, c.shard, c.attempt, t.task_id IS NOT NULL FROM jadugar.current_event() c, jadugar.current_task() t;
	PERFORM jadugar.publish('re.followed', e.data);
	RETURN e.data->>'n';
END $$;
CREATE FUNCTION test_re.handle(e jadugar.event_info[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test_re.handle(e[1]);
	RETURN cardinality(e);
END $$;
-- its subscriptions are paused: whatever is handled is handled by run_event()
SELECT count(jadugar.subscribe(name, types, 'SELECT test_re.handle($1)', delivery => delivery, batch => batch, settings => '{"work_mem": "1MB"}', enabled => false))
FROM (VALUES ('one', '{re.one}'::text[], 'inline', NULL), ('many', '{re.one}', 'inline', 100), ('as_task', '{re.one}', 'task', NULL)) v (name, types, delivery, batch);

-- an event of the same transaction
BEGIN;
SELECT jadugar.publish('re.one', '{"n": 1}', key => 'k', headers => '{"correlation_id": "c"}', tenant => 'acme') AS id \gset
SELECT status, result, error, attempt, payload->'data' AS data FROM jadugar.run_event('one', :id);
SELECT status, result FROM jadugar.run_event('many', :id);
SELECT status, result FROM jadugar.run_event('as_task', :id);
SELECT by, data, subscription, shard, attempt, task FROM test_re.got ORDER BY n;
SELECT cause = :id AS caused, hops, headers, tenant FROM jadugar.read_events('{re.followed}');
SELECT * FROM jadugar.current_event();
SHOW work_mem;
ROLLBACK;
SELECT count(*) FROM test_re.got;

-- failures are results; the subscription and the event stay as they are
SELECT jadugar.publish('re.one', '{"n": 2, "error": "22012"}') AS bad \gset
SELECT status, error->>'message' AS message, sqlstate FROM jadugar.run_event('one', :bad);
SELECT handled, failed, parked FROM jadugar.subscriptions WHERE name = 'one';
SELECT count(*) FROM jadugar.dead_letters;
SELECT jadugar.subscribe('leaves', '{re.one}', $$SELECT CASE WHEN ($1).data ? 'error' THEN jadugar.snooze('1 h') ELSE jadugar.discard('no use') END$$, enabled => false) > 0 AS subscribed;
SELECT jadugar.publish('re.one', '{"n": 3}') AS id \gset
SELECT status, error FROM jadugar.run_event('leaves', :bad);
SELECT status, error->>'message' AS message FROM jadugar.run_event('leaves', :id);
-- what a handler may not do when it is called, it may not do here
SELECT jadugar.subscribe('self', '{re.one}', $$SELECT jadugar.unsubscribe('self')$$, enabled => false) > 0 AS subscribed;
SELECT status, error->>'message' AS message FROM jadugar.run_event('self', :id);
-- the event is handled by its subscription nevertheless
SELECT status FROM jadugar.run_event('one', :id);
SELECT jadugar.alter_subscription('one', enabled => true);
SELECT jadugar.wait_delivered(:id, by => '{one}', timeout => '30 s');
SELECT data, subscription, attempt FROM test_re.got ORDER BY n;
-- in a handler: the inner event is the cause
SELECT jadugar.subscribe('outer', '{re.outer}', $$SELECT jadugar.run_event('one', (($1).data->>'id')::bigint), jadugar.publish('re.after')$$) > 0 AS subscribed;
SELECT jadugar.publish('re.outer', jsonb_build_object('id', :id)) AS outer_id \gset
SELECT jadugar.wait_delivered(:outer_id, by => '{outer}', timeout => '30 s');
SELECT type, CASE cause WHEN :id THEN 'inner' WHEN :outer_id THEN 'outer' END AS cause FROM jadugar.read_events('{re.followed,re.after}') ORDER BY event_id DESC LIMIT 2;

-- versions, filters, registered handlers
CREATE TYPE test_re.v1 AS (n integer);
CREATE TYPE test_re.v2 AS (n integer, doubled integer);
CREATE FUNCTION test_re.up(e test_re.v1) RETURNS test_re.v2 LANGUAGE sql IMMUTABLE AS 'SELECT e.n, e.n * 2';
CREATE FUNCTION test_re.typed(e test_re.v2) RETURNS integer LANGUAGE sql AS 'SELECT e.doubled';
SELECT jadugar.register_event_type('re.typed', 'test_re.v1');
SELECT jadugar.publish('re.typed', '{"n": 4}') AS typed \gset
SELECT jadugar.register_event_type('re.typed', 'test_re.v2', upcast => 'test_re.up');
SELECT jadugar.register_handler('test_re_typed', 'test_re.typed');
SELECT jadugar.subscribe('typed', '{re.typed}', 'test_re_typed', filter => '$.data.doubled == 8', enabled => false) > 0 AS subscribed;
SELECT jadugar.subscribe('old', '{re.typed}', 'SELECT ($1).version, ($1).data', versions => '{"re.typed": 1}', filter => '$.data.n > 4', enabled => false) > 0 AS subscribed;
SELECT status, result, payload FROM jadugar.run_event('typed', :typed);
SELECT test.refusal_of(format('SELECT jadugar.run_event(%L, %s)', 'old', :typed)) ~ 'does not get event' AS refused;
SELECT jadugar.alter_subscription('old', filter => '$.data.n == 4');
SELECT status, result FROM jadugar.run_event('old', :typed);
SELECT jadugar.alter_subscription('typed', filter => '$.data.n == 4', versions => '{"re.typed": 1}');
SELECT status, result FROM jadugar.run_event('typed', :typed);
SELECT jadugar.subscribe('wrong', '{re.one}', 'test_re_typed', enabled => false) > 0 AS subscribed;
SELECT jadugar.run_event('wrong', :bad);

-- refusals
SELECT jadugar.run_event(NULL, 1);
SELECT jadugar.run_event('one', NULL);
SELECT jadugar.run_event('nowhere', :id);
SELECT jadugar.run_event('one', -1);
SELECT jadugar.run_event('one', 9223372036854775807);
SELECT regexp_replace(test.refusal_of(format('SELECT jadugar.run_event(%L, %s)', 'one', :typed)), 'event [0-9]+', 'event N');
SELECT jadugar.subscribe('vacuum', '{re.one}', 'VACUUM test_re.got', delivery => 'task', enabled => false) > 0 AS subscribed;
SELECT jadugar.run_event('vacuum', :id);
BEGIN READ ONLY;
SELECT jadugar.run_event('one', :id);
ROLLBACK;

-- privileges: as the caller, which must trust the owner and read the event
SET ROLE test_re_other;
SELECT jadugar.run_event('one', :id);
SELECT jadugar.run_event('one', :id, owner => 'test_re');
SET ROLE test_re_operator;
SELECT jadugar.run_event('one', :id, owner => 'test_re');
RESET ROLE;
SELECT jadugar.run_event('one', :id, owner => 'test_re');
GRANT test_re TO test_re_other;
SET ROLE test_re_other;
SELECT status, result FROM jadugar.run_event('one', :id, owner => 'test_re');
SELECT by, subscription FROM test_re.got ORDER BY n DESC LIMIT 1;
-- an event that the owner may not read
SELECT jadugar.publish('re.one', '{"n": 5}') AS theirs \gset
SELECT test.refusal_of(format('SELECT jadugar.run_event(%L, %s, owner => %L)', 'one', :theirs, 'test_re')) ~ 'does not get event' AS refused;
SET ROLE test_re;
SELECT test.refusal_of(format('SELECT jadugar.run_event(%L, %s)', 'one', :theirs)) ~ 'does not exist' AS refused;

RESET ROLE;
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_re';
SET ROLE test_re;
SELECT jadugar.drop_handler('test_re_typed');
SELECT jadugar.drop_event_type('re.typed');
RESET ROLE;
DROP SCHEMA test_re CASCADE;
CALL test.drop_roles('test_re', 'test_re_other', 'test_re_operator');
