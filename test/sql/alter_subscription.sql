-- alter_subscription(): what changes, what stays, refusals.
\i test/include/helpers.sql
CALL test.create_role('test_alt');
CALL test.create_role('test_alt_other');
CREATE SCHEMA test_alt AUTHORIZATION test_alt;
SET ROLE test_alt;
CREATE TABLE test_alt.got (handler text, type text, n integer);
CREATE FUNCTION test_alt.got(handler text, e jadugar.event_info) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_alt.got VALUES (handler, (e).type, ((e).data->>'n')::integer)
$$;
SELECT jadugar.create_topic('test_alt_topic') > 0 AS created;
SELECT jadugar.subscribe('alt', '{alt.a}', $$SELECT test_alt.got('old', $1)$$, metadata => '{"a": 1}') > 0 AS subscribed;

-- the position stays: each event comes once, to the handler of its time
SELECT jadugar.publish('alt.a', '{"n": 1}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT jadugar.alter_subscription('alt', handler => $$SELECT test_alt.got('new', $1)$$, types => '{alt.a,alt.b}');
SELECT count(jadugar.publish(type, '{"n": 2}')) FROM unnest('{alt.a,alt.b,alt.c}'::text[]) type;
SELECT jadugar.publish('alt.a', '{"n": 3}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT * FROM test_alt.got ORDER BY n, type;

-- a batch takes an array; back again by reset
SELECT jadugar.alter_subscription('alt', batch => 10);
SELECT jadugar.alter_subscription('alt', batch => 10, handler => $$SELECT test_alt.got('batch', e) FROM unnest($1) e$$);
SELECT jadugar.publish('alt.b', '{"n": 4}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT jadugar.alter_subscription('alt', reset => '{batch}', handler => $$SELECT test_alt.got('new', $1)$$);
SELECT jadugar.publish('alt.b', '{"n": 5}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT * FROM test_alt.got WHERE n > 3 ORDER BY n;

-- another topic
SELECT jadugar.alter_subscription('alt', topics => '{test_alt_topic}');
SELECT jadugar.publish('alt.a', '{"n": 6}') > 0 AS published;
SELECT jadugar.publish('alt.a', '{"n": 7}', topic => 'test_alt_topic') AS id \gset
SELECT jadugar.wait_delivered(:id, by => '{alt}', timeout => '30 s');
SELECT jadugar.alter_subscription('alt', reset => '{topics}');
SELECT jadugar.publish('alt.a', '{"n": 8}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT n FROM test_alt.got WHERE n > 5 ORDER BY n;

-- all the others, and their defaults
SELECT jadugar.register_event_type('alt.a');
SELECT jadugar.alter_subscription('alt', keys => '{k}', headers => '{"h": 1}', filter => '$.data.n > 10', on_failure => 'block', max_attempts => 3,
	retry => jadugar.retry_policy(delay => '1 s'), timeout => '5 s', settings => '{"search_path": "test_alt"}', versions => '{"alt.a": 1}',
	enabled => false, description => 'changed', metadata => '{"b": 2}', new_name => 'alt 2');
SELECT name, types, keys, headers, filter, handler, on_failure, max_attempts, retry, timeout, settings, versions, status, description, metadata
FROM jadugar.subscriptions \gx
SELECT jadugar.alter_subscription('alt 2', new_name => 'alt', reset => '{keys,headers,filter,on_failure,max_attempts,retry,timeout,settings,versions,enabled,description,metadata}');
SELECT name, types, keys, headers, filter, handler, on_failure, max_attempts, retry, timeout, settings, versions, status, description, metadata
FROM jadugar.subscriptions \gx
SELECT jadugar.alter_subscription('alt');

-- not in its own handler
SELECT jadugar.subscribe('own', '{alt.own}', $$SELECT jadugar.alter_subscription('own', batch => 5)$$) > 0 AS subscribed;
SELECT jadugar.publish('alt.own') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT errors->0->>'message' AS error FROM jadugar.dead_letters;

-- bad input
SELECT jadugar.alter_subscription('nowhere', batch => 1);
SELECT jadugar.alter_subscription('alt', shards => 0);
SELECT jadugar.alter_subscription('alt', types => '{}');
SELECT jadugar.alter_subscription('alt', handler => 'SELEC 1');
SELECT jadugar.alter_subscription('alt', max_attempts => 0);
SELECT jadugar.alter_subscription('alt', reset => '{types}');
SELECT jadugar.alter_subscription('alt', batch => 5, reset => '{batch}');
SELECT jadugar.alter_subscription('alt', queue => 'default');
SELECT jadugar.alter_subscription('alt', delivery => 'task', batch => 5);
SELECT jadugar.alter_subscription('alt', new_name => 'own');
SELECT jadugar.alter_subscription('alt', new_name => '');
SET ROLE test_alt_other;
SELECT jadugar.alter_subscription('alt', batch => 5);
SELECT jadugar.alter_subscription('alt', batch => 5, owner => 'test_alt');

SET ROLE test_alt;
SELECT jadugar.drop_event_type('alt.a');
RESET ROLE;
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_alt';
SELECT jadugar.drop_topic('test_alt_topic', events => 'drop');
DROP SCHEMA test_alt CASCADE;
CALL test.drop_roles('test_alt', 'test_alt_other');
