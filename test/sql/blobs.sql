-- Blobs: put_blob, get_blob, drop_blob; their owners and tenants. Bounds and
-- expiry: t/server/074_blobs.pl.
\i test/include/helpers.sql
CALL test.create_role('blob_one');
CALL test.create_role('blob_two');
CALL test.create_role('blob_monitor', 'monitor');
CALL test.create_role('blob_operator', 'operator');

-- Returns the name of an error in place of ids, which differ.
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(test.error_of(statement), 'blob \d+', 'blob N', 'g') $$;

-- ------------------------------------------------------------- put, get, drop

SET ROLE blob_one;
SELECT jadugar.put_blob('\x0001ff', 'application/octet-stream') AS a \gset
SELECT jadugar.put_blob('') AS empty, jadugar.put_blob(convert_to(repeat('x', 5000000), 'UTF8'), 'text/plain; charset=utf-8', '1 hour') AS large \gset
SELECT jadugar.get_blob(:a), jadugar.get_blob(:empty), length(jadugar.get_blob(:large)), md5(jadugar.get_blob(:large)) = md5(repeat('x', 5000000)) AS same;
SELECT owner, tenant, type, size, expires_at - created_at AS ttl FROM jadugar.blobs WHERE owner = 'blob_one' ORDER BY blob_id;
-- the bytes are neither compressed nor in the row
RESET ROLE;
SELECT pg_column_size(data) FROM jadugar_internal.blob WHERE blob_id = :large;
SELECT reltoastrelid <> 0 AS out_of_line FROM pg_class WHERE oid = 'jadugar_internal.blob'::regclass;
SET ROLE blob_one;
-- a statement sees what it has written, and a rollback undoes it
SELECT jadugar.get_blob(jadugar.put_blob('\xab'));
BEGIN;
SELECT jadugar.put_blob('\xcd') AS undone \gset
SELECT jadugar.get_blob(:undone);
SAVEPOINT s;
SELECT jadugar.drop_blob(:a);
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :a));
ROLLBACK TO s;
SELECT jadugar.get_blob(:a);
ROLLBACK;
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :undone));
SELECT jadugar.drop_blob(:empty);
SELECT pg_temp.error_of(format('SELECT jadugar.drop_blob(%s)', :empty));
SELECT pg_temp.error_of('SELECT jadugar.get_blob(0)');
SELECT pg_temp.error_of('SELECT jadugar.get_blob(-1)');
-- reading needs no right to write
BEGIN READ ONLY;
SELECT jadugar.get_blob(:a);
SELECT jadugar.put_blob('');
ROLLBACK;

-- ------------------------------------------------------------- bad arguments

SELECT pg_temp.error_of('SELECT jadugar.put_blob(NULL)');
SELECT pg_temp.error_of('SELECT jadugar.get_blob(NULL)');
SELECT pg_temp.error_of('SELECT jadugar.drop_blob(NULL)');
SELECT pg_temp.error_of('SELECT jadugar.put_blob('''', ttl => NULL)');
SELECT pg_temp.error_of('SELECT jadugar.put_blob('''', ttl => ''0'')');
SELECT pg_temp.error_of('SELECT jadugar.put_blob('''', ttl => ''-1 day'')');
SELECT left(type, 30) AS type, pg_temp.error_of(format('SELECT jadugar.put_blob('''', %L)', type)) ~ '^ *JD001 invalid media type' AS refused
FROM unnest(ARRAY['', 'text', '/', 'text/', '/plain', 'text /plain', 'text/plain x', E'text/plain; a=b\r\nX: y', E'text/plain;\ta', 'text/plain; ü', repeat('x', 200) || '/' || repeat('y', 60),
	'text/plain', 'text/plain ; charset="utf-8"', 'application/vnd.a+json', 'a/b;']) type;

-- ------------------------------------------------------------------------ roles

SET ROLE blob_two;
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :a));
SELECT pg_temp.error_of(format('SELECT jadugar.drop_blob(%s)', :a));
SELECT count(*) FROM jadugar.blobs WHERE owner = 'blob_one';
SET ROLE blob_monitor;
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :a));
SELECT pg_temp.error_of('SELECT jadugar.put_blob('''')');
SELECT type, size FROM jadugar.blobs WHERE owner = 'blob_one' ORDER BY blob_id;
SET ROLE blob_operator;
SELECT jadugar.get_blob(:a);
RESET ROLE;
GRANT blob_one TO blob_two;
SET ROLE blob_two;
SELECT jadugar.get_blob(:a);
RESET ROLE;
REVOKE blob_one FROM blob_two;

-- ---------------------------------------------------------------------- tenants

SELECT jadugar.create_tenant('blob a') > 0 AND jadugar.create_tenant('blob b') > 0 AS made;
CALL test.create_role('blob_confined');
SELECT jadugar.grant_tenant('blob a', 'blob_confined');
GRANT blob_one TO blob_confined;
SET ROLE blob_one;
SET jadugar.tenant = 'blob a';
SELECT jadugar.put_blob('\xaa') AS of_a \gset
SET jadugar.tenant = 'blob b';
SELECT jadugar.put_blob('\xbb') AS of_b \gset
RESET jadugar.tenant;
SET ROLE blob_confined;
SELECT jadugar.get_blob(:of_a);
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :of_b));
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :a));
SELECT pg_temp.error_of(format('SELECT jadugar.drop_blob(%s)', :of_b));
SELECT jadugar.put_blob('\xac') AS confined \gset
SELECT owner, tenant FROM jadugar.blobs ORDER BY blob_id;
RESET ROLE;
SELECT jadugar.revoke_tenant('blob a', 'blob_confined');
CALL jadugar.drop_tenant('blob a');
CALL jadugar.drop_tenant('blob b');
SELECT count(*) FROM jadugar.blobs WHERE tenant IS NOT NULL;
-- what an operator drops of another role is audited
SET ROLE blob_one;
SELECT jadugar.put_blob('') AS audited \gset
SET ROLE blob_operator;
SELECT jadugar.drop_blob(:audited);
RESET ROLE;
SELECT role, what = 'blob ' || :audited AS what, owner FROM jadugar.audit WHERE function = 'drop_blob' AND owner = 'blob_one';

-- ----------------------------------------------------------------- other owners

SELECT kind, count(*), count(problem) FROM jadugar.reassign_owned('blob_one', 'blob_two', '{blobs}', dry_run => true) GROUP BY 1;
SELECT kind, count(*), count(problem) FROM jadugar.reassign_owned('blob_one', 'blob_two', '{blobs}') GROUP BY 1;
SET ROLE blob_two;
SELECT jadugar.get_blob(:a);
RESET ROLE;
SELECT kind, count(*), count(problem) FROM jadugar.drop_owned('blob_two', '{blobs}') GROUP BY 1;
SELECT count(*) FROM jadugar.blobs;

-- --------------------------------------------------------------------- expiry

SET ROLE blob_one;
SELECT jadugar.put_blob('\x01', ttl => '1 microsecond') AS short \gset
SELECT pg_temp.error_of(format('SELECT jadugar.get_blob(%s)', :short));
SELECT count(*) FROM jadugar.blobs;
RESET ROLE;
SELECT count(*) AS dropped FROM jadugar.drop_owned('blob_one', '{blobs}');

-- -------------------------------------------------------------------- cleaning

SELECT count(*) > 0 AS dropped FROM jadugar.drop_owned('blob_one', '{blobs}');
CALL test.drop_roles('blob_one', 'blob_two', 'blob_monitor', 'blob_operator', 'blob_confined');
