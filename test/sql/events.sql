-- Events: topics, types and their versions, publishing, reading, privileges.
\i test/include/helpers.sql
CALL test.create_role('test_shop');
CALL test.create_role('test_reader');
CALL test.create_role('test_event_operator', 'operator');
CALL test.create_role('test_event_monitor', 'monitor');
CREATE SCHEMA test_shop AUTHORIZATION test_shop;
GRANT USAGE ON SCHEMA test_shop TO PUBLIC;

-- ids and instants differ from run to run
CREATE FUNCTION test_events(types text[] DEFAULT '{*}', topics text[] DEFAULT NULL, key text DEFAULT NULL,
	filter jsonpath DEFAULT NULL, max_rows integer DEFAULT 1000, newest_first boolean DEFAULT false,
	versions jsonb DEFAULT NULL)
	RETURNS TABLE (type text, version integer, key text, data jsonb, headers jsonb, topic text, publisher name)
LANGUAGE sql AS $$
	SELECT e.type, e.version, e.key, e.data, e.headers, e.topic, e.publisher
	FROM jadugar.read_events($1, topics => $2, key => $3, filter => $4, max_rows => $5, newest_first => $6,
		versions => $7) e
$$;

-- without any registration
SET ROLE test_shop;
SELECT jadugar.publish('test.plain', '{"n": 1}', key => 'a', headers => '{"h": true}', tenant => 't', trace => 'r') AS id \gset
SELECT type, version, key, data, headers, topic, stream, publisher, cause, hops, tenant, trace,
	published_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS now
FROM jadugar.get_event(:id) \gx
SELECT * FROM test_events('{test.*}');
BEGIN;
SELECT jadugar.publish('test.rolled_back') IS NOT NULL AS published;
ROLLBACK;
BEGIN;
SELECT jadugar.publish('test.kept') IS NOT NULL AS published;
SAVEPOINT s;
SELECT jadugar.publish('test.rolled_back') IS NOT NULL AS published;
ROLLBACK TO s;
COMMIT;
SELECT type FROM test_events('{test.*}');
-- both events of one transaction have its top-level transaction id
RESET ROLE;
BEGIN;
SAVEPOINT s;
SELECT jadugar.publish('test.xid') AS id \gset
RELEASE s;
SELECT xid = pg_current_xact_id() AS top_level FROM jadugar_internal.event WHERE event_id = :id;
ROLLBACK;
SET ROLE test_shop;

-- bad input
SELECT jadugar.publish(NULL);
SELECT jadugar.publish('');
SELECT jadugar.publish('a b');
SELECT jadugar.publish(E'a\tb');
SELECT jadugar.publish('a*');
SELECT jadugar.publish(repeat('x', 129));
SELECT jadugar.publish(repeat('x', 128)) IS NOT NULL AS published;
SELECT jadugar.publish('test', NULL);
SELECT jadugar.publish('test', 'null');
SELECT jadugar.publish('test', '[]');
SELECT jadugar.publish('test', '1');
SELECT jadugar.publish('test', key => '');
SELECT jadugar.publish('test', key => repeat('k', 513));
SELECT jadugar.publish('test', message_id => '');
SELECT jadugar.publish('test', headers => '[]');
SELECT jadugar.publish('test', headers => jsonb_build_object('h', repeat('h', 9000)));
SELECT jadugar.publish('test', headers => (SELECT jsonb_object_agg(g, g) FROM generate_series(1, 65) g));
SELECT jadugar.publish('test', jsonb_build_object('d', repeat('d', 1024 * 1024)));
SELECT jadugar.publish('test', version => 0);
SELECT jadugar.publish('test', version => 1);
SELECT jadugar.publish('test', topic => 'nowhere');
SELECT jadugar.publish('test', topic => 'streams');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.publish('test', topic => 'jadugar');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.publish('test', tenant => '');
BEGIN READ ONLY;
SELECT jadugar.publish('test');
ROLLBACK;

-- message ids
SELECT jadugar.publish('test.message', message_id => 'm1') AS first \gset
SELECT jadugar.publish('test.message', message_id => 'm1') = :first AS same,
	jadugar.publish('test.message', message_id => 'm2') = :first AS other;
SELECT count(*) FROM test_events('{test.message}');
SET ROLE test_reader;
SELECT jadugar.publish('test.message', message_id => 'm1') = :first AS same;
SET ROLE test_shop;
-- a message id of a transaction that is rolled back is free
BEGIN;
SELECT jadugar.publish('test.message', message_id => 'm3') AS lost \gset
ROLLBACK;
SELECT jadugar.publish('test.message', message_id => 'm3') = :lost AS same;
-- after the window it names a new event
RESET ROLE;
UPDATE jadugar_internal.event_message SET until = now() WHERE message_id = 'm1';
SET ROLE test_shop;
SELECT jadugar.publish('test.message', message_id => 'm1') = :first AS same;

-- batches
SELECT count(*) FROM jadugar.publish_batch('test.batch',
	ARRAY(SELECT jsonb_build_object('n', g) FROM generate_series(1, 300) g));
SELECT count(*), count(DISTINCT data) FROM test_events('{test.batch}');
SELECT count(*), count(DISTINCT i) FROM jadugar.publish_batch('test.batch2', ARRAY['{"a": 1}', '{"a": 2}', '{"a": 3}']::jsonb[],
	keys => '{x,NULL,z}', headers => ARRAY['{"h": 1}', NULL, NULL]::jsonb[], message_ids => '{b1,NULL,b1}') i;
SELECT type, key, data, headers FROM test_events('{test.batch2}');
SELECT * FROM jadugar.publish_batch('test.batch', '{}');
SELECT * FROM jadugar.publish_batch('test.batch', NULL);
SELECT * FROM jadugar.publish_batch('test.batch', ARRAY['{}', NULL]::jsonb[]);
\set SHOW_CONTEXT errors
SELECT * FROM jadugar.publish_batch('test.batch', ARRAY['{}', '[]']::jsonb[]);
\set SHOW_CONTEXT never
SELECT * FROM jadugar.publish_batch('test.batch', ARRAY['{}']::jsonb[], keys => '{a,b}');
SELECT * FROM jadugar.publish_batch('test.batch', ARRAY['{}']::jsonb[], message_ids => '{}');

-- topics
SELECT jadugar.create_topic('test_topic') >= 10 AS is_an_id;
SELECT jadugar.create_topic('test_strict', retention => '1 year', keep => true, roll => 'month', index_keys => true,
	registered_only => true, description => 'with everything') >= 10 AS is_an_id;
SELECT name, owner, retention, keep, roll, index_keys, registered_only, description
FROM jadugar.topics ORDER BY name;
SELECT name, partitions FROM jadugar.topics WHERE name ~ '^test' ORDER BY name;
-- null is the default
SELECT jadugar.create_topic('test_nulls', keep => NULL, roll => NULL, index_keys => NULL, registered_only => NULL, on_expire => NULL) >= 10 AS is_an_id;
SELECT keep, roll, index_keys, registered_only, on_expire FROM jadugar.topics WHERE name = 'test_nulls';
SELECT jadugar.drop_topic('test_nulls');
SELECT jadugar.create_topic(NULL);
SELECT jadugar.create_topic('');
SELECT jadugar.create_topic('jadugar_x');
SELECT jadugar.create_topic('test_topic');
SELECT jadugar.create_topic('default');
SELECT jadugar.create_topic('test_x', retention => '0');
SELECT jadugar.create_topic('test_x', roll => 'year');
SELECT jadugar.create_topic('test_x', owner => 'test_reader');
SELECT jadugar.alter_topic('test_strict', keep => false, reset => '{retention,description}');
SELECT retention, keep, roll, description FROM jadugar.topics WHERE name = 'test_strict';
SELECT jadugar.alter_topic('test_strict', keep => false, reset => '{keep}');
SELECT jadugar.alter_topic('test_strict', reset => '{size}');
SELECT jadugar.alter_topic('test_strict', max_backlog => 0);
SELECT jadugar.alter_topic('test_strict', max_hold => '-1 s');
SELECT jadugar.alter_topic('test_strict', on_expire => 'keep');
SELECT jadugar.alter_topic('test_strict', max_backlog => 7, max_hold => '0', on_expire => 'detach');
SELECT max_backlog, full_since, max_hold, on_expire FROM jadugar.topics WHERE name = 'test_strict';
SELECT jadugar.alter_topic('test_strict', reset => '{max_backlog,max_hold,on_expire}');
SELECT max_backlog, full_since, max_hold, on_expire FROM jadugar.topics WHERE name = 'test_strict';
SELECT test.error_of($$SELECT jadugar.alter_topic('jadugar', max_backlog => 7)$$);
SELECT jadugar.alter_topic('nowhere', keep => true);
SELECT jadugar.alter_topic('default', keep => true);
SELECT jadugar.publish('test.free', topic => 'test_topic') IS NOT NULL AS published;
SELECT jadugar.publish('test.free', topic => 'test_strict');
SELECT jadugar.drop_topic('test_topic');
SELECT jadugar.drop_topic('default');
SELECT jadugar.drop_topic('nowhere');
SELECT jadugar.drop_topic('test_topic', events => 'keep');

-- types and versions
CREATE DOMAIN test_shop.currency AS text CHECK (VALUE ~ '^[A-Z]{3}$');
CREATE TYPE test_shop.order1 AS (id bigint, total numeric);
CREATE TYPE test_shop.order2 AS (id bigint, total numeric, note text);
CREATE TYPE test_shop.order3 AS (id bigint, cents bigint, currency test_shop.currency);
CREATE FUNCTION test_shop.up(o test_shop.order2) RETURNS test_shop.order3 LANGUAGE sql IMMUTABLE
	RETURN ROW(o.id, o.total * 100, 'EUR')::test_shop.order3;
CREATE FUNCTION test_shop.down(o jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
	RETURN jsonb_build_object('id', o->'id', 'total', (o->>'cents')::numeric / 100);
CREATE FUNCTION test_shop.volatile(o jsonb) RETURNS jsonb LANGUAGE sql VOLATILE RETURN o;
CREATE FUNCTION test_shop.other(o test_shop.order1) RETURNS test_shop.order3 LANGUAGE sql IMMUTABLE
	RETURN ROW(1, 2, 'EUR')::test_shop.order3;
SELECT jadugar.register_event_type('test.order', 'test_shop.order1', topic => 'test_strict', key => '$.id');
SELECT jadugar.register_event_type('test.order', 'test_shop.order1', topic => 'test_strict', key => '$.id');
SELECT jadugar.publish('test.order', '{"id": 1, "total": 10.5}') IS NOT NULL AS published;
SELECT jadugar.publish('test.order', '{"id": 1, "total": "much"}');
SELECT jadugar.publish('test.order', '{"id": 1, "price": 2}');
SELECT jadugar.publish('test.order', '{"id": 1}', topic => 'default');
-- attributes that may be null need no upcast
SELECT jadugar.register_event_type('test.order', 'test_shop.order2');
SELECT jadugar.publish('test.order', '{"id": 2, "total": 20, "note": "fast"}') IS NOT NULL AS published;
SELECT jadugar.publish('test.order', '{"id": 3, "total": 30}', version => 1, key => 'own') IS NOT NULL AS published;
SELECT jadugar.register_event_type('test.order', 'test_shop.order3');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', upcast => 'test_shop.volatile');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', upcast => 'test_shop.other');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', upcast => 'test_shop.nowhere');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', version => 5, upcast => 'test_shop.up');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', version => 2, upcast => 'test_shop.up');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', upcast => 'test_shop.up');
SELECT * FROM test_events('{test.order}');
SELECT * FROM test_events('{test.order}', versions => '{"test.order": 2}', newest_first => true);
SELECT type, version, data FROM test_events('{test.order}', versions => '{"test.order": 2}', max_rows => 1);
SELECT jadugar.publish('test.order', '{"id": 4, "cents": 400, "currency": "eur"}');
SELECT jadugar.publish('test.order', '{"id": 4, "cents": 400, "currency": "USD"}') IS NOT NULL AS published;
SELECT type, data FROM test_events('{test.order}', versions => '{"test.order": 1}');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3', downcast => 'test_shop.down');
SELECT type, version, data FROM test_events('{test.order}', versions => '{"test.order": 2}');
SELECT type, version, data FROM test_events('{test.order}', versions => '{"test.order": 4}');
-- without payload_type and version, the latest version is meant
SELECT jadugar.register_event_type('test.order', description => 'an order');
SELECT type, version, latest, payload_type, topic, owner, key, upcast, downcast FROM jadugar.event_types ORDER BY 1, 2;
SELECT jsonb_pretty(jadugar.event_schema('test.order'));
SELECT jadugar.event_schema('test.order', 1);
SELECT jadugar.event_schema('test.order', 9);
SELECT jadugar.event_schema('test.nothing');
-- other registrations
SELECT jadugar.register_event_type('a*');
SELECT jadugar.register_event_type('test.x', 'nowhere');
SELECT jadugar.register_event_type('test.x', 'integer');
\set VERBOSITY sqlstate
SELECT jadugar.register_event_type('test.x', key => '$.[');
\set VERBOSITY default
SELECT jadugar.register_event_type('test.x', topic => 'nowhere');
SELECT jadugar.register_event_type('test.x', topic => 'jadugar');
SELECT jadugar.register_event_type('test.x', upcast => 'test_shop.down');
SELECT jadugar.register_event_type('test.order', topic => 'default');
CREATE DOMAIN test_shop.small AS jsonb CHECK (VALUE->'n' < '10');
SELECT jadugar.register_event_type('test.small', 'test_shop.small');
SELECT jadugar.publish('test.small', '{"n": 9}') IS NOT NULL AS published;
SELECT jadugar.publish('test.small', '{"n": 10}');

-- filters, keys
SELECT key, data FROM test_events('{test.order}', filter => '$.data.cents >= 2000');
SELECT key, data FROM test_events('{test.order}', filter => '$.key == "own" && $.type like_regex "order"');
SELECT type, key FROM test_events(key => 'own');
SELECT type, key FROM test_events(key => '4');
SELECT type FROM test_events('{test.small,test.k*}');
SELECT count(*) FROM test_events('{}');
SELECT count(*) FROM test_events(max_rows => 0);
SELECT count(*) FROM test_events(max_rows => -1);
SELECT count(*) FROM test_events(ARRAY['a b']);
SELECT count(*) FROM test_events(ARRAY[NULL]);
SELECT count(*) FROM test_events(array_fill('*'::text, ARRAY[101]));
SELECT count(*) FROM test_events(topics => '{nowhere}');
SELECT count(*) FROM test_events(versions => '[]');
SELECT count(*) FROM jadugar.read_events(since => now() + interval '1 hour');
SELECT count(*) FROM jadugar.read_events(until => now() - interval '1 hour');
SELECT count(*) FROM jadugar.read_events('{test.order}', after_id => (SELECT max(event_id) FROM jadugar.events));
SELECT jadugar.get_event(0);
SELECT jadugar.get_event(NULL);

-- privileges
SET ROLE test_reader;
SELECT DISTINCT publisher FROM test_events();
SELECT DISTINCT publisher FROM jadugar.events;
\set VERBOSITY sqlstate
SELECT jadugar.get_event(:id);
\set VERBOSITY default
SELECT name FROM jadugar.topics ORDER BY 1;
SELECT jadugar.publish('test.order', '{"id": 5}');
SELECT jadugar.publish('test.other', topic => 'test_topic');
SELECT jadugar.register_event_type('test.order', 'test_shop.order3');
SELECT jadugar.register_event_type('test.y', topic => 'test_strict');
SELECT jadugar.drop_event_type('test.order');
SELECT jadugar.drop_topic('test_topic', events => 'drop');
SELECT jadugar.grant_topic('test_topic', 'test_reader');
SELECT jadugar.grant_event_type('test.order', 'test_reader');
SELECT jadugar.grant_event_type('test.*', 'test_reader');
SELECT jadugar.grant_event_type('test.unknown', 'test_reader');
SET ROLE test_shop;
SELECT jadugar.grant_event_type('test.order', 'test_reader');
SELECT jadugar.grant_topic('test_topic', 'test_reader', 'publish');
SELECT jadugar.grant_topic('test_topic', 'public');
SELECT jadugar.grant_topic('test_topic', 'test_reader', 'write');
SELECT jadugar.grant_topic('nowhere', 'test_reader');
SELECT jadugar.grant_event_type('test.*', 'test_reader');
SELECT * FROM jadugar.event_grants ORDER BY 1, 2;
SET ROLE test_reader;
SELECT type, count(*) FROM test_events() GROUP BY 1 ORDER BY 1;
SELECT type, count(*) FROM jadugar.events GROUP BY 1 ORDER BY 1;
SELECT jadugar.publish('test.other', topic => 'test_topic') IS NOT NULL AS published;
SELECT name FROM jadugar.topics ORDER BY 1;
-- the owner of the topic reads what others publish there
SET ROLE test_shop;
SELECT type, publisher FROM test_events(topics => '{test_topic}');
SELECT jadugar.revoke_event_type('test.order', 'test_reader');
SELECT jadugar.revoke_event_type('test.order', 'test_reader');
SELECT jadugar.revoke_topic('test_topic', 'test_reader', 'read');
SET ROLE test_reader;
SELECT type, count(*) FROM test_events() GROUP BY 1 ORDER BY 1;
SET ROLE test_event_monitor;
SELECT type, data, headers, publisher FROM test_events('{test.plain}');
SELECT type, data, headers, publisher FROM jadugar.events WHERE type = 'test.plain';
SELECT type, data FROM test_events('{test.plain}', filter => '$.data.n == 1');
SELECT jadugar.publish('test');
SET ROLE test_event_operator;
SELECT type, data, publisher FROM test_events('{test.plain}');
SELECT jadugar.grant_event_type('test.p*', 'test_reader');
SET ROLE test_reader;
SELECT type, data, publisher FROM test_events('{test.plain}');

-- who registers a name sees and converts only what is published after that
SET ROLE test_shop;
SELECT jadugar.publish('test.name', '{"n": 1}') IS NOT NULL AS published;
SET ROLE test_reader;
SELECT jadugar.register_event_type('test.name');
SELECT jadugar.grant_event_type('test.name', 'test_shop', 'publish');
SET ROLE test_shop;
SELECT jadugar.publish('test.name', '{"n": 2}') IS NOT NULL AS published;
SET ROLE test_reader;
SELECT data FROM test_events('{test.name}');
SELECT data FROM jadugar.events WHERE type = 'test.name';
SELECT jadugar.drop_event_type('test.name');
SELECT jadugar.register_event_type('test.name');
SELECT data FROM test_events('{test.name}');
SELECT jadugar.drop_event_type('test.name');
SET ROLE test_event_monitor;
SELECT count(*) FROM test_events('{test.name}');

-- code of a type runs as its owner, and neither writes nor changes the role
SET ROLE test_shop;
CREATE TABLE test_shop.ran (as_role name);
CREATE FUNCTION test_shop.check_it(j jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_shop.ran VALUES (current_user);
	RETURN true;
END $$;
CREATE DOMAIN test_shop.checked AS jsonb CHECK (test_shop.check_it(VALUE));
CREATE FUNCTION test_shop.set_role(j jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	SET ROLE test_reader;
	RETURN true;
END $$;
CREATE DOMAIN test_shop.escaping AS jsonb CHECK (test_shop.set_role(VALUE));
SELECT jadugar.register_event_type('test.checked', 'test_shop.checked');
SELECT jadugar.register_event_type('test.escaping', 'test_shop.escaping');
SELECT jadugar.grant_event_type('test.checked', 'test_reader', 'publish');
SELECT jadugar.grant_event_type('test.escaping', 'test_reader', 'publish');
SET ROLE test_reader;
SELECT jadugar.publish('test.checked') IS NOT NULL AS published;
SELECT jadugar.publish('test.escaping');
SELECT current_user;
SET ROLE test_shop;
SELECT * FROM test_shop.ran;

-- changes of a table
CREATE TABLE test_shop.parcel (parcel_id integer PRIMARY KEY, state text);
CREATE TRIGGER events AFTER INSERT OR UPDATE OR DELETE ON test_shop.parcel
	FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('test.parcel', 'parcel_id');
INSERT INTO test_shop.parcel VALUES (1, 'packed'), (2, NULL);
UPDATE test_shop.parcel SET state = 'sent' WHERE parcel_id = 1;
DELETE FROM test_shop.parcel WHERE parcel_id = 2;
SELECT type, key, data FROM test_events('{test.parcel.*}');
CREATE TABLE test_shop.wrong (a integer);
CREATE TRIGGER wrong BEFORE INSERT ON test_shop.wrong FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('test.wrong');
INSERT INTO test_shop.wrong VALUES (1);
DROP TRIGGER wrong ON test_shop.wrong;
CREATE TRIGGER wrong AFTER INSERT ON test_shop.wrong FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change();
INSERT INTO test_shop.wrong VALUES (1);
DROP TRIGGER wrong ON test_shop.wrong;
CREATE TRIGGER wrong AFTER INSERT ON test_shop.wrong FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('test.wrong', 'b');
INSERT INTO test_shop.wrong VALUES (1);
DROP TRIGGER wrong ON test_shop.wrong;
CREATE TRIGGER wrong AFTER INSERT ON test_shop.wrong FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('test wrong');
INSERT INTO test_shop.wrong VALUES (1);
SELECT jadugar.publish_change();

-- in a task, tenant and trace are those of the task
SELECT jadugar.enqueue($$SELECT jadugar.publish('test.task')$$, tenant => 'acme', trace => 'trace-1') AS task \gset
SELECT status FROM jadugar.wait(:task, '30 s');
SELECT tenant, trace FROM jadugar.read_events('{test.task}');

-- a type that is dropped leaves its events as they are
SELECT jadugar.drop_event_type('test.order');
SELECT type, version, data FROM test_events('{test.order}', max_rows => 2);
SELECT jadugar.drop_event_type('test.order');
SELECT jadugar.drop_topic('test_strict', events => 'drop');
SELECT count(*) FROM test_events('{test.order}');
SELECT count(*) FROM jadugar.events WHERE type = 'test.order';
-- the scheduler drops the partitions
RESET ROLE;
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar_internal.event_leaf l
	WHERE NOT EXISTS (SELECT FROM jadugar_internal.topic t WHERE t.topic_id = l.topic_id))$$);
SELECT count(*) = (SELECT count(*) FROM jadugar_internal.event_leaf) AS partitions_agree
FROM pg_inherits WHERE inhparent = 'jadugar_internal.event'::regclass;

-- ownership
SELECT * FROM jadugar.reassign_owned('test_shop', 'test_reader', kinds => '{topics,event_types}');
SELECT type, owner FROM jadugar.event_types ORDER BY 1;
SELECT * FROM jadugar.drop_owned('test_reader', kinds => '{topics,event_types}');
SET ROLE test_reader;
SELECT jadugar.drop_topic('test_topic', events => 'drop');
RESET ROLE;
DROP FUNCTION test_events;
DROP SCHEMA test_shop CASCADE;
CALL test.drop_roles('test_shop', 'test_reader', 'test_event_operator', 'test_event_monitor');
