-- Types and functions of event types that were dropped, renamed or changed, and
-- hints for handlers that use $1 in a wrong way.
\i test/include/helpers.sql
CALL test.create_role('test_broken');
CREATE SCHEMA test_broken AUTHORIZATION test_broken;
SET ROLE test_broken;
SET search_path = test_broken;
CREATE TYPE v1 AS (id integer);
CREATE TYPE v2 AS (id integer, name text);
CREATE DOMAIN doc AS jsonb CHECK (value ? 'id');
CREATE FUNCTION up(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$SELECT $1 || '{"name": "new"}'$$;
CREATE FUNCTION down(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$SELECT $1 - 'name'$$;
SELECT jadugar.register_event_type('broken.a', 'v1');
SELECT jadugar.publish('broken.a', '{"id": 1}') AS old \gset
SELECT jadugar.register_event_type('broken.a', 'v2', upcast => 'up', downcast => 'down');
SELECT jadugar.register_event_type('broken.d', 'doc');
SELECT version, data FROM jadugar.get_event(:old);

-- attributes are those that the type has now
ALTER TYPE v2 ADD ATTRIBUTE color text;
SELECT type, version, fields FROM jadugar.event_types ORDER BY type, version;
SELECT jadugar.publish('broken.a', '{"id": 2, "color": "red"}') > 0 AS published;
ALTER TYPE v2 DROP ATTRIBUTE color;
SELECT jadugar.publish('broken.a', '{"id": 2, "color": "red"}');
SELECT version, data FROM jadugar.read_events('{broken.a}');

-- a function that was dropped; the events can be seen as they are stored
DROP FUNCTION up(jsonb);
SELECT jadugar.get_event(:old);
SELECT version, data FROM jadugar.events WHERE event_id = :old;
SELECT version, data FROM jadugar.read_events('{broken.a}', versions => '{"broken.a": 1}');
SELECT type, version, problem FROM jadugar.event_types WHERE problem IS NOT NULL;
SELECT severity, detail, hint FROM jadugar.health WHERE what = 'broken_event_types';
CREATE FUNCTION up(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$SELECT '[1]'::jsonb$$;
SELECT jadugar.get_event(:old);
CREATE FUNCTION up_again(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$SELECT $1 || '{"name": "again"}'$$;
SELECT jadugar.register_event_type('broken.a', 'v2', upcast => 'up_again');
SELECT version, data FROM jadugar.get_event(:old);

-- a type that was dropped or renamed
SET client_min_messages = error;
DROP DOMAIN doc;
ALTER TYPE v2 RENAME TO v2_renamed;
RESET client_min_messages;
SELECT jadugar.publish('broken.d', '{"id": 1}');
SELECT jadugar.publish('broken.a', '{"id": 1}');
SELECT jadugar.publish('broken.a', '{"id": 1}', version => 1) > 0 AS published;
SELECT jadugar.event_schema('broken.a');
SELECT type, version, problem, fields FROM jadugar.event_types WHERE problem IS NOT NULL ORDER BY type;
SELECT severity, detail FROM jadugar.health WHERE what = 'broken_event_types';
CREATE DOMAIN doc AS integer;
SELECT jadugar.publish('broken.d', '{"id": 1}');
SELECT type, fields FROM jadugar.event_types WHERE type = 'broken.d';
SELECT jadugar.register_event_type('broken.a', 'v1', version => 1);
SELECT jadugar.register_event_type('broken.a', 'v2_renamed', version => 1);
SELECT jadugar.register_event_type('broken.a', 'v2_renamed', version => 2);
SELECT jadugar.publish('broken.a', '{"id": 1, "name": "x"}') > 0 AS published;
DROP DOMAIN doc;
CREATE DOMAIN doc AS jsonb CHECK (value ? 'no');
SELECT jadugar.publish('broken.d', '{"id": 1}');
SELECT type, version, problem FROM jadugar.event_types WHERE problem IS NOT NULL ORDER BY type;
SELECT severity, detail FROM jadugar.health WHERE what = 'broken_event_types';

-- handlers that use $1 in a wrong way
CREATE FUNCTION on_data(jsonb) RETURNS void LANGUAGE sql AS 'SELECT NULL';
CREATE FUNCTION on_event(jadugar.event_info) RETURNS void LANGUAGE sql AS 'SELECT NULL';
SELECT jadugar.subscribe('h', '{broken.*}', 'SELECT $2');
SELECT jadugar.subscribe('h', '{broken.*}', 'SELECT $2', batch => 5);
SELECT jadugar.subscribe('h', '{broken.*}', 'on_event');
SELECT jadugar.subscribe('h', '{broken.*}', 'on_event', batch => 5);
SELECT jadugar.subscribe('h' || n, '{broken.*}', handler, batch => batch, enabled => false) > 0 AS subscribed
FROM (VALUES (1, 'SELECT on_data($1)', NULL), (2, 'SELECT $1->>''id''', NULL), (3, 'SELECT $1.dat', NULL), (4, 'SELECT count(*) FROM unnest($1)', NULL),
	(5, 'SELECT on_event($1)', 5), (6, 'SELECT $1.data', 5), (7, 'SELECT $1.data->>''id''', NULL), (8, 'SELECT nowhere()', NULL)) v (n, handler, batch);
SELECT s.name, s.batch, s.handler, r.status, r.error->>'message' AS message, r.error->>'hint' AS hint
FROM jadugar.subscriptions s, jadugar.run_event(s.name, :old) r ORDER BY s.name \gx

SELECT count(jadugar.unsubscribe(name)) AS dropped FROM jadugar.subscriptions;
SELECT count(jadugar.drop_event_type(type)) AS dropped FROM (SELECT DISTINCT type FROM jadugar.event_types WHERE owner = 'test_broken') t;
RESET ROLE;
SET client_min_messages = error;
DROP SCHEMA test_broken CASCADE;
CALL test.drop_roles('test_broken');
