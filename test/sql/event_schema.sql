-- event_schema(): what may be null, limits, nested types; and that data which
-- is valid can be published.
\i test/include/helpers.sql
CALL test.create_role('test_schema');
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
SELECT count(jadugar.drop_event_type(type)) FROM jadugar.event_types WHERE type LIKE 'schema.%';
RESET ROLE;
SET client_min_messages = error;
DROP SCHEMA test_schema CASCADE;
CALL test.drop_roles('test_schema');
