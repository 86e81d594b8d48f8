-- The cache: cache_get, cache_set, cache_delete, cached; jadugar.cache_max_size.
\i test/include/helpers.sql
CREATE SCHEMA cached;
CALL test.create_role('cached_one');
CALL test.create_role('cached_two');
CREATE ROLE cached_nologin;
SELECT jadugar.grant_access('cached_nologin') \g /dev/null
GRANT USAGE ON SCHEMA cached TO PUBLIC;
-- Counts its calls, and returns their number.
CREATE SEQUENCE cached.calls;
GRANT ALL ON SEQUENCE cached.calls TO PUBLIC;
CREATE FUNCTION cached.slow(payload jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('call', nextval('cached.calls'), 'payload', payload, 'role', current_user) $$;

-- ------------------------------------------------------------- get, set, delete

SET ROLE cached_one;
SELECT jadugar.cache_get('a'), jadugar.cache_set('a', '{"x": 1}'), jadugar.cache_set('null', 'null');
SELECT jadugar.cache_get('a'), jadugar.cache_get('null');
SELECT jadugar.cache_set('a', '[2]', ttl => '1 hour'), jadugar.cache_set('a', '[3]');
SELECT jadugar.cache_get('a');
-- a transaction that is rolled back leaves the old value
BEGIN;
SELECT jadugar.cache_set('a', '"rolled back"');
SELECT jadugar.cache_get('a');
ROLLBACK;
SELECT jadugar.cache_get('a');
BEGIN;
SAVEPOINT s;
SELECT jadugar.cache_delete('a');
ROLLBACK TO s;
SELECT jadugar.cache_get('a');
COMMIT;
-- each role has its own values
SET ROLE cached_two;
SELECT jadugar.cache_get('a'), jadugar.cache_set('a', '"of two"'), jadugar.cache_delete('null');
SET ROLE cached_one;
SELECT jadugar.cache_get('a');
-- prefixes are compared by bytes
SELECT jadugar.cache_set(k, to_jsonb(k)) FROM unnest('{p,p/1,p/2,p0,P/1,pé,p/}'::text[]) k \g /dev/null
SELECT jadugar.cache_delete('p/'), jadugar.cache_delete('p/'), jadugar.cache_delete('p/', prefix => true);
SELECT k, jadugar.cache_get(k) IS NOT NULL AS kept FROM unnest('{p,p/1,p/2,p0,P/1,pé,p/}'::text[]) k;
SELECT jadugar.cache_delete('pé', prefix => true), jadugar.cache_delete('', prefix => true), jadugar.cache_delete('', prefix => true);
-- toasted values, and the longest key
SELECT jadugar.cache_set(repeat('k', 512), (SELECT jsonb_agg(md5(g::text)) FROM generate_series(1, 2000) g));
SELECT jsonb_array_length(jadugar.cache_get(repeat('k', 512)));
-- an expired value is gone
SELECT jadugar.cache_set('short', '1', ttl => '1 microsecond');
SELECT jadugar.cache_get('short');

-- ----------------------------------------------------------------------- cached

SELECT jadugar.cached('c', 'SELECT cached.slow($1) AS s', '{"n": 1}');
SELECT jadugar.cached('c', 'SELECT cached.slow($1) AS s', '{"n": 2}'), jadugar.cache_get('c');
SELECT jadugar.cache_delete('c');
SELECT jadugar.cached('c', 'SELECT cached.slow($1) AS s');
-- a handler, several statements, no row
SELECT jadugar.register_handler('cached', 'cached.slow(jsonb)') \g /dev/null
SELECT jadugar.cached('h', 'cached', '{"n": 3}'), jadugar.cached('h', 'cached', '{"n": 4}');
SELECT jadugar.cached('two', 'SELECT 1 AS a; SELECT 2 AS b'), jadugar.cached('none', 'SELECT 1 WHERE false');
SELECT jadugar.cache_get('none');
-- An error is the caller's, keeps nothing and leaves the key free.
SELECT jadugar.cached('e', 'SELECT 1 / (($1 ->> ''by'')::integer) AS q', '{"by": 0}');
SELECT jadugar.cached('e', 'SELECT 1 / (($1 ->> ''by'')::integer) AS q', '{"by": 1}');
DO $$
BEGIN
	PERFORM jadugar.cached('f', 'SELECT 1 / 0');
EXCEPTION WHEN division_by_zero THEN
	RAISE WARNING 'caught, then: %', jadugar.cached('f', 'SELECT 7 AS f');
END $$;
-- commands may use other cached values, not their own, and not without end
SELECT jadugar.cached('outer', $$SELECT jadugar.cached('inner', 'SELECT 5 AS i') AS o$$);
SELECT jadugar.cache_get('inner');
SELECT jadugar.cached('self', $$SELECT jadugar.cached('self', 'SELECT 1')$$);
CREATE FUNCTION pg_temp.deep(payload jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jadugar.cached('deep' || (payload ->> 'n'), 'SELECT pg_temp.deep($1)', jsonb_build_object('n', (payload ->> 'n')::integer + 1)) $$;
SELECT jadugar.cached('deep', 'SELECT pg_temp.deep($1)', '{"n": 1}');
SELECT count(*) FROM generate_series(1, 40) n WHERE jadugar.cache_get('deep' || n) IS NOT NULL;
-- the command runs as the caller: here as the owner of the function
RESET ROLE;
CREATE FUNCTION cached.definer() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT jadugar.cached('d', 'SELECT current_user AS role') $$;
SET ROLE cached_one;
SELECT cached.definer(), jadugar.cached('d', 'SELECT current_user AS role');
SELECT jadugar.cached('x', 'SELECT * FROM jadugar_internal.task');

-- A read-only transaction reads the cache, and computes what is not there.
BEGIN READ ONLY;
SELECT jadugar.cache_get('c'), jadugar.cached('c', 'SELECT 1'), jadugar.cached('ro', 'SELECT 1 AS one');
SELECT jadugar.cached('ro2', 'INSERT INTO cached.none VALUES (1)');
ROLLBACK;
BEGIN READ ONLY;
SELECT jadugar.cache_set('ro', '1');
ROLLBACK;
BEGIN READ ONLY;
SELECT jadugar.cache_delete('ro');
ROLLBACK;
SELECT jadugar.cache_get('ro');

-- ---------------------------------------------------------------------- stale

-- The old value comes at once, and one task computes it anew.
SELECT nextval('cached.calls') AS calls \gset
SELECT jadugar.cached('s', 'SELECT nextval(''cached.calls'') - ' || :calls || ' AS call', ttl => '1 ms', stale_for => '1 hour');
CALL test.wait_until('SELECT jadugar.cache_get(''s'') IS NULL');
BEGIN;
SELECT jadugar.cached('s', 'SELECT nextval(''cached.calls'') - ' || :calls || ' AS call', ttl => '1 hour', stale_for => '1 hour') FROM generate_series(1, 3);
COMMIT;
CALL test.wait_until('SELECT jadugar.cache_get(''s'') IS NOT NULL');
SELECT jadugar.cache_get('s');
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.history WHERE owner = ''cached_one''');
SELECT status, command, payload ->> 'key' AS key FROM jadugar.history WHERE owner = 'cached_one';
-- a stale value in a read-only transaction makes no task
SELECT jadugar.cached('r', 'SELECT 1 AS r', ttl => '1 microsecond', stale_for => '1 hour');
BEGIN READ ONLY;
SELECT jadugar.cached('r', 'SELECT 2 AS r', stale_for => '1 hour');
COMMIT;
SELECT count(*) FROM jadugar.tasks WHERE owner = 'cached_one';
-- for a role that no worker can be, the caller computes it
SET ROLE cached_nologin;
SELECT jadugar.cached('n', 'SELECT 1 AS n', ttl => '1 microsecond', stale_for => '1 hour');
SELECT jadugar.cached('n', 'SELECT 2 AS n', stale_for => '1 hour');

-- ------------------------------------------------------------------- bad input

SET ROLE cached_one;
SELECT jadugar.cache_get('');
SELECT jadugar.cache_get(repeat('k', 513));
SELECT jadugar.cache_set('a', NULL);
SELECT jadugar.cache_set('a', '1', '0');
SELECT jadugar.cache_set('a', '1', NULL);
SELECT jadugar.cache_delete('');
SELECT jadugar.cached('b', 'selekt');
SELECT jadugar.cached('b', 'VACUUM');
SELECT jadugar.cached('b', 'COMMIT');
SELECT jadugar.cached('b', 'SELECT 1', ttl => '-1 s');
SELECT jadugar.cached('b', 'SELECT 1', stale_for => '-1 s');
SELECT jadugar._cache_refresh('{}');
RESET ROLE;
-- no role may read the table, which has the values of all
SET ROLE cached_two;
SELECT * FROM jadugar_internal.cache;
RESET ROLE;

-- values of a role are not given to another one
SELECT * FROM jadugar.reassign_owned('cached_two', 'cached_one', '{cache}');
SELECT * FROM jadugar.drop_owned('cached_two', '{cache}');

-- ----------------------------------------------------------------------- roles

SELECT count(*) FROM jadugar.drop_owned('cached_two', '{cache}');
SELECT jadugar.drop_handler('cached');
DROP SCHEMA cached CASCADE;
SELECT count(*) FROM jadugar.drop_owned('cached_one', '{cache}') WHERE problem IS NOT NULL;
SELECT count(*) FROM jadugar.drop_owned('cached_nologin', '{cache}');
CALL test.drop_roles('cached_one', 'cached_two', 'cached_nologin');
