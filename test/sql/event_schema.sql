-- event_schema(): what may be null, limits, nested types; and that data which
-- is valid can be published.  And the column fields of the view event_types.
\i test/include/helpers.sql
CALL test.create_role('test_schema');
CALL test.create_role('test_schema_reader');
CREATE SCHEMA test_schema AUTHORIZATION test_schema;
SET ROLE test_schema;
SET search_path = test_schema;
CREATE DOMAIN needed AS integer NOT NULL;
CREATE DOMAIN positive AS integer CHECK (value > 0);
CREATE DOMAIN matrix AS integer[][];
CREATE DOMAIN object AS jsonb CHECK (value ? 'a');
CREATE TYPE color AS ENUM ('blue', 'red');
CREATE TYPE address AS (street text, zip varchar(5));
CREATE TYPE customer AS (id needed, score positive, n numeric(6,2), f double precision, small smallint, big bigint,
	born date, seen timestamptz, local timestamp, code uuid, active boolean, c color, addr address, addrs address[],
	tags text[], needs needed[], grid integer[][], m matrix, extra jsonb);
CREATE TABLE strict (id integer NOT NULL, addr address NOT NULL, extra jsonb NOT NULL, note text);
SELECT jadugar.register_event_type('schema.customer', 'customer');
SELECT jadugar.register_event_type('schema.strict', 'strict');
SELECT jadugar.register_event_type('schema.object', 'object');
SELECT key, value FROM jsonb_each(jadugar.event_schema('schema.customer')) WHERE key <> 'properties' ORDER BY key;
SELECT key, value FROM jsonb_each(jadugar.event_schema('schema.customer')->'properties') ORDER BY key COLLATE "C";
SELECT key, value FROM jsonb_each(jadugar.event_schema('schema.strict')) ORDER BY key;
SELECT jadugar.event_schema('schema.object');
-- as the schema says: null is allowed, and only the domain is required
SELECT jadugar.publish('schema.customer', '{"id": 1}') > 0 AS published;
SELECT jadugar.publish('schema.customer', jsonb_object_agg(key, null) || '{"id": 1}') > 0 AS published FROM jsonb_each(jadugar.event_schema('schema.customer')->'properties');
SELECT jadugar.publish('schema.customer', '{"id": 1, "tags": [null], "addrs": [null, {"zip": null}], "grid": [[1, null]], "needs": [1]}') > 0 AS published;
SELECT jadugar.publish('schema.customer', '{}');
SELECT jadugar.publish('schema.customer', '{"id": 1, "needs": [null]}');
SELECT jadugar.publish('schema.customer', '{"id": 1, "addr": {"zip": "123456"}}');
SELECT jadugar.publish('schema.customer', '{"id": 1, "small": 32768}');
SELECT jadugar.publish('schema.strict', '{"id": 1, "addr": {}, "extra": null}');
SELECT jadugar.publish('schema.strict', '{"id": 1, "addr": {}, "extra": 1}') > 0 AS published;
-- the same, as a list: what is required is what publish() wants
CREATE DOMAIN still_needed AS needed;
CREATE TYPE item AS (position still_needed, dropped integer, "Odd ""name""" color);
CREATE DOMAIN first_item AS item CHECK ((value).position = 1);
CREATE TYPE nothing AS ();
ALTER TYPE item DROP ATTRIBUTE dropped;
ALTER TABLE strict DROP COLUMN note, ADD added text NOT NULL DEFAULT '';
SELECT jadugar.register_event_type('schema.item', 'first_item');
SELECT jadugar.register_event_type('schema.any');
SELECT jadugar.register_event_type('schema.nothing', 'nothing');
SELECT type, n, f->>'name' AS name, f->>'type' AS field_type, f->'required' AS required, f - '{name,type,required}'::text[] AS more
FROM jadugar.event_types, jsonb_array_elements(fields) WITH ORDINALITY e (f, n) ORDER BY 1, 2;
SELECT type, fields FROM jadugar.event_types WHERE type NOT IN ('schema.customer', 'schema.strict') ORDER BY 1;
SELECT jadugar.publish('schema.item', '{}');
SELECT jadugar.publish('schema.item', '{"position": 1}') > 0 AS published;
SELECT jadugar.publish('schema.strict', '{"id": 1, "addr": {}, "extra": 1}');
-- a role without rights on the schema sees them
SET ROLE test_schema_reader;
SELECT type, jsonb_array_length(fields) FROM jadugar.event_types ORDER BY 1;
SET ROLE test_schema;
SELECT count(jadugar.drop_event_type(type)) FROM jadugar.event_types WHERE type LIKE 'schema.%';
RESET ROLE;
SET client_min_messages = error;
DROP SCHEMA test_schema CASCADE;
CALL test.drop_roles('test_schema', 'test_schema_reader');
