-- wait_delivered(): results, refusals, privileges.
\i test/include/helpers.sql
CALL test.create_role('test_wd');
CALL test.create_role('test_wd_other');
CALL test.create_role('test_wd_monitor', 'monitor');
CREATE SCHEMA test_wd AUTHORIZATION test_wd;
GRANT USAGE ON SCHEMA test_wd TO PUBLIC;
-- the error of a call for an event, without its id
CREATE FUNCTION test_wd.refusal(event_id bigint, arguments text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(test.refusal_of(format('SELECT jadugar.wait_delivered(%s%s)', event_id, arguments)), 'event [0-9]+', 'event N')
$$;
SET ROLE test_wd;
CREATE TABLE test_wd.got (subscription text, n integer);
CREATE FUNCTION test_wd.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_wd.got SELECT c.subscription, (e.data->>'n')::integer FROM jadugar.current_event() c;
END $$;

-- nobody gets the event
SELECT jadugar.publish('wd.one', '{"n": 0}') AS id \gset
SELECT jadugar.wait_delivered(:id);

-- what the handlers have done is there
SELECT count(jadugar.subscribe(name, types, 'SELECT test_wd.handle($1)', on_failure => on_failure, retry => jadugar.retry_policy(delay => '1 h')))
FROM (VALUES ('first', '{wd.*}'::text[], 'park'), ('second', '{wd.one}', 'park_key'), ('stops', '{wd.stop}', 'block')) v (name, types, on_failure);
SELECT jadugar.publish('wd.one', '{"n": 1}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT * FROM test_wd.got ORDER BY subscription COLLATE "C";
SELECT jadugar.wait_delivered(:id, by => '{second}');
-- one that began later does not get it
SELECT jadugar.subscribe('third', '{wd.one}', 'SELECT test_wd.handle($1)') > 0 AS subscribed;
SELECT jadugar.wait_delivered(:id, by => '{third,first}', timeout => '30 s');
-- a filter passes it over
SELECT jadugar.subscribe('filters', '{wd.filter}', 'SELECT test_wd.handle($1)', filter => '$.data.n > 10') > 0 AS subscribed;
SELECT jadugar.publish('wd.filter', '{"n": 1}') AS id \gset
SELECT jadugar.wait_delivered(:id, by => '{filters}', timeout => '30 s');

-- set aside, and given up
SELECT jadugar.publish('wd.two', '{"n": 2, "error": "22012"}', key => 'a') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT state FROM jadugar.dead_letters WHERE event_id = :id;
SELECT jadugar.discard_events('first', event_ids => ARRAY[:id]);
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
-- the shard waits for it
SELECT jadugar.publish('wd.stop', '{"n": 3, "error": "22012"}') AS id \gset
SELECT jadugar.wait_delivered(:id, by => '{stops}', timeout => '30 s');

-- timeout, cancelling
SELECT jadugar.pause_subscription('first');
SELECT jadugar.publish('wd.one', '{"n": 4}') AS id \gset
SELECT jadugar.wait_delivered(:id, by => '{second,third}', timeout => '30 s');
SELECT jadugar.wait_delivered(:id, timeout => '0');
SELECT jadugar.wait_delivered(:id, timeout => '10 ms');
BEGIN READ ONLY;
SELECT jadugar.wait_delivered(:id, timeout => '10 ms');
COMMIT;
SET statement_timeout = '50 ms';
SELECT jadugar.wait_delivered(:id);
RESET statement_timeout;
-- it does not count as waiting any more: this one is told
SELECT jadugar.resume_subscription('first');
SELECT jadugar.wait_delivered(:id, timeout => '30 s');

-- where waiting would never end
BEGIN;
SELECT jadugar.publish('wd.one', '{"n": 5}') AS own \gset
SELECT test_wd.refusal(:own);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test_wd.refusal(:id);
ROLLBACK;
SELECT jadugar.enqueue(format('SELECT jadugar.wait_delivered(%s)', :id), retry => jadugar.retry_policy(max_attempts => 1)) AS task \gset
SELECT status, error->>'message' ~ 'inside a task' AS refused FROM jadugar.wait(:task, '30 s');
SELECT jadugar.enqueue(format('SELECT jadugar.wait_delivered(%s, timeout => ''0'')', :id)) AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');

-- bad input
SELECT jadugar.wait_delivered(NULL);
SELECT jadugar.wait_delivered(-1);
SELECT jadugar.wait_delivered(9223372036854775807);
SELECT jadugar.wait_delivered(:id, timeout => '-1 s');
SELECT jadugar.wait_delivered(:id, by => '{}');
SELECT jadugar.wait_delivered(:id, by => '{first,NULL}');
SELECT jadugar.wait_delivered(:id, by => array_fill('first'::text, ARRAY[101]));
SELECT jadugar.wait_delivered(:id, by => '{first,nowhere}');
SELECT test_wd.refusal(:id, $$, by => '{stops}'$$);

-- privileges: another role sees neither the event nor the subscriptions
SET ROLE test_wd_other;
SELECT test_wd.refusal(:id);
SELECT jadugar.publish('wd.one', '{"n": 6}') AS theirs \gset
SELECT jadugar.wait_delivered(:theirs);
SELECT jadugar.wait_delivered(:theirs, by => '{first}');
SELECT jadugar.wait_delivered(:theirs, owner => 'test_wd');
SELECT jadugar.wait_delivered(:theirs, owner => 'nowhere');
-- a role waits for the subscriptions of another one if it may act for it, or see it
RESET ROLE;
GRANT test_wd_other TO test_wd;
SET ROLE test_wd_other;
SELECT jadugar.subscribe('theirs', '{wd.theirs}', 'SELECT 1') > 0 AS subscribed;
SELECT jadugar.publish('wd.theirs') AS theirs \gset
SET ROLE test_wd;
SELECT jadugar.wait_delivered(:theirs, by => '{theirs}', timeout => '30 s', owner => 'test_wd_other');
SELECT jadugar.wait_delivered(:theirs, timeout => '30 s', owner => 'test_wd_other');
SELECT jadugar.wait_delivered(:theirs, by => '{theirs}');
SET ROLE test_wd_monitor;
SELECT jadugar.wait_delivered(:theirs, by => '{theirs}', timeout => '30 s', owner => 'test_wd_other');

RESET ROLE;
SELECT jadugar.unsubscribe('theirs', owner => 'test_wd_other');
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_wd';
DROP SCHEMA test_wd CASCADE;
CALL test.drop_roles('test_wd', 'test_wd_other', 'test_wd_monitor');
