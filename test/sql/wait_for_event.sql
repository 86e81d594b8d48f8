-- wait_for_event(): results, refusals, privileges.
\i test/include/helpers.sql
CALL test.create_role('test_wfe');
CALL test.create_role('test_wfe_other');
CREATE SCHEMA test_wfe AUTHORIZATION test_wfe;
GRANT USAGE ON SCHEMA test_wfe TO PUBLIC;
-- the error of a call for an event, without its id
CREATE FUNCTION test_wfe.refusal(event_id bigint, arguments text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(test.refusal_of(format('SELECT jadugar.wait_for_event(%s%s)', event_id, arguments)), 'event [0-9]+', 'event N')
$$;
SET ROLE test_wfe;
CREATE TABLE test_wfe.got (subscription text, n integer);
CREATE FUNCTION test_wfe.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = e.data->>'error';
	END IF;
	INSERT INTO test_wfe.got SELECT c.subscription, (e.data->>'n')::integer FROM jadugar.current_event() c;
END $$;

-- nobody gets the event
SELECT jadugar.publish('wfe.one', '{"n": 0}') AS id \gset
SELECT jadugar.wait_for_event(:id);

-- what the handlers have done is there
SELECT count(jadugar.subscribe(name, types, 'SELECT test_wfe.handle($1)', on_failure => on_failure, retry => jadugar.retry_policy(delay => '1 h')))
FROM (VALUES ('first', '{wfe.*}'::text[], 'park'), ('second', '{wfe.one}', 'park_key'), ('stops', '{wfe.stop}', 'block')) v (name, types, on_failure);
SELECT jadugar.publish('wfe.one', '{"n": 1}') AS id \gset
SELECT jadugar.wait_for_event(:id, timeout => '30 s');
SELECT * FROM test_wfe.got ORDER BY subscription COLLATE "C";
SELECT jadugar.wait_for_event(:id, by => '{second}');
-- one that began later does not get it
SELECT jadugar.subscribe('third', '{wfe.one}', 'SELECT test_wfe.handle($1)') > 0 AS subscribed;
SELECT jadugar.wait_for_event(:id, by => '{third,first}', timeout => '30 s');
-- a filter passes it over
SELECT jadugar.subscribe('filters', '{wfe.filter}', 'SELECT test_wfe.handle($1)', filter => '$.data.n > 10') > 0 AS subscribed;
SELECT jadugar.publish('wfe.filter', '{"n": 1}') AS id \gset
SELECT jadugar.wait_for_event(:id, by => '{filters}', timeout => '30 s');

-- set aside, and given up
SELECT jadugar.publish('wfe.two', '{"n": 2, "error": "22012"}', key => 'a') AS id \gset
SELECT jadugar.wait_for_event(:id, timeout => '30 s');
SELECT state FROM jadugar.dead_letters WHERE event_id = :id;
SELECT jadugar.discard_events('first', event_ids => ARRAY[:id]);
SELECT jadugar.wait_for_event(:id, timeout => '30 s');
-- the shard waits for it
SELECT jadugar.publish('wfe.stop', '{"n": 3, "error": "22012"}') AS id \gset
SELECT jadugar.wait_for_event(:id, by => '{stops}', timeout => '30 s');

-- timeout, cancelling
SELECT jadugar.pause_subscription('first');
SELECT jadugar.publish('wfe.one', '{"n": 4}') AS id \gset
SELECT jadugar.wait_for_event(:id, by => '{second,third}', timeout => '30 s');
SELECT jadugar.wait_for_event(:id, timeout => '0');
SELECT jadugar.wait_for_event(:id, timeout => '10 ms');
BEGIN READ ONLY;
SELECT jadugar.wait_for_event(:id, timeout => '10 ms');
COMMIT;
SET statement_timeout = '50 ms';
SELECT jadugar.wait_for_event(:id);
RESET statement_timeout;
-- it does not count as waiting any more: this one is told
SELECT jadugar.resume_subscription('first');
SELECT jadugar.wait_for_event(:id, timeout => '30 s');

-- where waiting would never end
BEGIN;
SELECT jadugar.publish('wfe.one', '{"n": 5}') AS own \gset
SELECT test_wfe.refusal(:own);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test_wfe.refusal(:id);
ROLLBACK;
SELECT jadugar.enqueue(format('SELECT jadugar.wait_for_event(%s)', :id), retry => jadugar.retry_policy(max_attempts => 1)) AS task \gset
SELECT status, error->>'message' ~ 'inside a task' AS refused FROM jadugar.wait(:task, '30 s');
SELECT jadugar.enqueue(format('SELECT jadugar.wait_for_event(%s, timeout => ''0'')', :id)) AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');

-- bad input
SELECT jadugar.wait_for_event(NULL);
SELECT jadugar.wait_for_event(-1);
SELECT jadugar.wait_for_event(9223372036854775807);
SELECT jadugar.wait_for_event(:id, timeout => '-1 s');
SELECT jadugar.wait_for_event(:id, by => '{}');
SELECT jadugar.wait_for_event(:id, by => '{first,NULL}');
SELECT jadugar.wait_for_event(:id, by => array_fill('first'::text, ARRAY[101]));
SELECT jadugar.wait_for_event(:id, by => '{first,nowhere}');
SELECT test_wfe.refusal(:id, $$, by => '{stops}'$$);

-- privileges: another role sees neither the event nor the subscriptions
SET ROLE test_wfe_other;
SELECT test_wfe.refusal(:id);
SELECT jadugar.publish('wfe.one', '{"n": 6}') AS theirs \gset
SELECT jadugar.wait_for_event(:theirs);
SELECT jadugar.wait_for_event(:theirs, by => '{first}');

RESET ROLE;
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_wfe';
DROP SCHEMA test_wfe CASCADE;
CALL test.drop_roles('test_wfe', 'test_wfe_other');
