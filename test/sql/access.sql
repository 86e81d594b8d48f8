-- Access levels: permissions of each level, granting and revoking.
\i test/include/helpers.sql
CREATE ROLE "test access ""user""" LOGIN;
CREATE ROLE test_access_operator LOGIN;
CREATE ROLE test_access_monitor LOGIN;
CREATE ROLE test_access_member LOGIN;
CREATE ROLE test_access_group;
CREATE ROLE test_access_none LOGIN;
GRANT test_access_group TO test_access_member;
-- A function body that is parsed at creation refers to objects of jadugar_internal
-- by OID, so roles without USAGE on that schema can call it.
CREATE FUNCTION test_access_level(OUT _v_is_operator boolean, OUT _v_is_monitor boolean) LANGUAGE sql
BEGIN ATOMIC
	SELECT jadugar_internal._v_is_operator(), jadugar_internal._v_is_monitor();
END;

-- no role has access at the beginning
SET ROLE test_access_none;
SELECT jadugar.enqueue('SELECT 1');
SELECT count(*) FROM jadugar.tasks;
RESET ROLE;

SELECT jadugar.grant_access('test access "user"');
SELECT jadugar.grant_access('test_access_operator', 'operator');
SELECT jadugar.grant_access('test_access_monitor', level => 'monitor');
SELECT jadugar.grant_access('test_access_group', 'user');
SELECT role, level FROM jadugar.access_levels ORDER BY role COLLATE "C";
SET ROLE test_access_member;
SELECT role, level FROM jadugar.access_levels;
SET ROLE test_access_none;
SELECT role, level FROM jadugar.access_levels;
RESET ROLE;

-- errors
SELECT jadugar.grant_access(NULL);
SELECT jadugar.grant_access('test_access_none', NULL);
SELECT jadugar.grant_access('test_access_none', 'admin');
SELECT jadugar.grant_access('public');
SELECT jadugar.grant_access('nobody there');
SELECT jadugar.grant_access(current_user);
SELECT jadugar.revoke_access('test_access_none');
SELECT jadugar.revoke_access(NULL);
SET ROLE test_access_operator;
SELECT jadugar.grant_access('test_access_none');
SELECT jadugar.revoke_access('test_access_monitor');

-- functions and rows of each level
SET ROLE "test access ""user""";
SELECT * FROM test_access_level();
SELECT count(*) FROM jadugar.queues WHERE name = 'default';
SELECT count(*) FROM jadugar_internal.task;
SELECT jadugar.create_queue('test_access') > 0 AS made;
SET ROLE test_access_member;
SELECT * FROM test_access_level();
SELECT count(*) FROM jadugar.tasks;
SET ROLE test_access_operator;
SELECT * FROM test_access_level();
SELECT jadugar.drop_queue('test_access');
SET ROLE test_access_monitor;
SELECT * FROM test_access_level();
SELECT count(*) FROM jadugar.tasks;
SELECT jadugar.enqueue('SELECT 1');
SELECT jadugar.create_queue('test_access');
SELECT jadugar.describe('0 3 * * *') <> '' AS may_read;

-- the role that pauses or cancels work is named, also if the work is running;
-- the lock lets the tasks run until they are stopped
SELECT pg_advisory_lock(4714);
SET ROLE "test access ""user""";
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS waiting \gset
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock(4714)') AS running \gset
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock(4714)') AS stopped \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:waiting]) AS dependant \gset
SELECT jadugar.schedule('test access', 'every 1 hour', 'SELECT 1') > 0 AS made;
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT pg_advisory_xact_lock(4714)')) AS run \gset
SET ROLE test_access_operator;
SELECT jadugar.pause_task(:waiting), jadugar.pause_schedule('test access', owner => 'test access "user"');
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.running WHERE flow_run IS NULL');
SELECT jadugar.pause_task(:running);
CALL test.wait_until('SELECT status = ''paused'' FROM jadugar.tasks WHERE task_id = ' || :running);
SELECT jadugar.pause_flow(:run);
CALL test.wait_until('SELECT paused_by IS NOT NULL FROM jadugar.flow_runs WHERE run_id = ' || :run);
SET ROLE "test access ""user""";
SELECT count(*), paused_by FROM jadugar.tasks WHERE task_id IN (:waiting, :running) GROUP BY paused_by;
SELECT status, paused_by, ended_by FROM jadugar.flow_runs WHERE run_id = :run;
SELECT paused, paused_by FROM jadugar.schedules WHERE name = 'test access';
SELECT jadugar.resume_schedule('test access');
SELECT jadugar.resume_task(:waiting);
SELECT paused, paused_by FROM jadugar.schedules WHERE name = 'test access';
SELECT status, paused_by FROM jadugar.tasks WHERE task_id = :waiting;
SELECT jadugar.unschedule('test access');
SET ROLE test_access_operator;
SELECT jadugar.cancel(:waiting), jadugar.cancel(:running), jadugar.cancel(:stopped);
SELECT jadugar.abort_flow(:run);
CALL test.wait_until('SELECT count(*) = 4 FROM jadugar.finished WHERE task_id IN (' || concat_ws(',', :waiting, :running, :stopped, :dependant) || ')');
CALL test.wait_until('SELECT finished_at IS NOT NULL FROM jadugar.flow_runs WHERE run_id = ' || :run);
SET ROLE "test access ""user""";
SELECT status, reason, ended_by FROM jadugar.history WHERE task_id IN (:waiting, :running, :stopped, :dependant) ORDER BY task_id;
SELECT status, reason, paused_by, ended_by FROM jadugar.flow_runs WHERE run_id = :run;
RESET ROLE;
SELECT pg_advisory_unlock(4714);

-- no level permits writing to tables
SET ROLE test_access_operator;
INSERT INTO jadugar_internal.control DEFAULT VALUES;
DELETE FROM jadugar_internal.schedule;
SELECT nextval('jadugar_internal.task_id_seq');

-- owners of work
SELECT jadugar.enqueue('SELECT 1', owner => 'nobody there');
SELECT jadugar.enqueue('SELECT 1', owner => 'test_access_group');
SELECT jadugar.enqueue('SELECT 1', owner => 'postgres');
SET ROLE test_access_member;
SELECT jadugar.enqueue('SELECT 1', owner => 'test_access_none');
SET ROLE test_access_operator;
SELECT jadugar.enqueue('SELECT current_user', owner => 'test_access_member') AS id \gset
SELECT status, owner, result FROM jadugar.wait(:id, '30 seconds');
SET ROLE test_access_member;
SELECT count(*) FROM jadugar.history WHERE task_id = :id;
SET ROLE "test access ""user""";
SELECT count(*) FROM jadugar.history WHERE task_id = :id;

-- a level can change, in both directions
RESET ROLE;
SELECT jadugar.grant_access('test_access_monitor', 'user');
SET ROLE test_access_monitor;
SELECT jadugar.cancel(jadugar.enqueue('SELECT 1', delay => '1 day')) AS ok;
RESET ROLE;
SELECT jadugar.grant_access('test_access_monitor', 'monitor');
SET ROLE test_access_monitor;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day');
RESET ROLE;
-- also in a transaction that is rolled back
BEGIN;
SELECT jadugar.grant_access('test_access_monitor', 'operator');
SET LOCAL ROLE test_access_monitor;
SELECT * FROM test_access_level();
ROLLBACK;
SET ROLE test_access_monitor;
SELECT * FROM test_access_level();
RESET ROLE;
-- a member of several roles has the levels of all
GRANT test_access_group TO test_access_monitor;
SET ROLE test_access_monitor;
SELECT * FROM test_access_level();
SELECT jadugar.cancel(jadugar.enqueue('SELECT 1', delay => '1 day')) AS ok;
RESET ROLE;
REVOKE test_access_group FROM test_access_monitor;
SET ROLE test_access_monitor;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day');
RESET ROLE;

-- a grant adds one privilege to a role: USAGE on the schema
SELECT d.classid::regclass, d.objid::regnamespace, d.deptype FROM pg_shdepend AS d
WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = 'test_access_operator'::regrole
	AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
SELECT n.nspname, a.grantee::regrole, a.privilege_type FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
WHERE n.nspname ~ '^jadugar' AND a.grantee <> n.nspowner ORDER BY 1, 2::text COLLATE "C", 3;
DROP ROLE test_access_operator;
-- PUBLIC has the privileges on its functions and views
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'jadugar'::regnamespace AND NOT has_function_privilege('test_access_none', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind = 'v' AND NOT has_table_privilege('test_access_none', c.oid, 'SELECT');
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'jadugar'::regnamespace AND (c.relkind NOT IN ('v', 'c')
	OR has_table_privilege('test_access_operator', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'));
-- no role has a privilege on jadugar_internal
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind IN ('r', 'p')
	AND has_any_column_privilege('test_access_operator', c.oid, 'SELECT,INSERT,UPDATE') ORDER BY c.relname;
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'jadugar_internal'::regnamespace AND NOT has_function_privilege('test_access_none', p.oid, 'EXECUTE') ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT r.rolname FROM pg_roles AS r
WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' AND has_schema_privilege(r.oid, 'jadugar_internal', 'USAGE');

-- After a restore in another cluster, the OID of the operator belongs to another
-- role, which must not get its level. Each step needs a new session, because a
-- session remembers that the database was adopted.
SET ROLE test_access_operator;
SELECT jadugar.create_queue('test_access') > 0 AS made;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS id \gset
RESET ROLE;
UPDATE jadugar_internal.origin SET id = gen_random_uuid();
UPDATE jadugar_internal.owner SET name = 'somebody_else' WHERE name = 'test_access_operator';
\c - -
\set VERBOSITY terse
SET ROLE test_access_operator;
SELECT _v_is_operator FROM test_access_level();
SELECT jadugar.drop_queue('test_access');
SELECT jadugar.enqueue('SELECT 1');
\set VERBOSITY sqlstate
SELECT jadugar.cancel(:id);
\set VERBOSITY terse
RESET ROLE;
UPDATE jadugar_internal.owner SET name = 'test_access_operator' WHERE name = 'somebody_else';
\c - -
SET ROLE test_access_operator;
SELECT _v_is_operator FROM test_access_level();
SELECT jadugar.cancel(jadugar.enqueue('SELECT 1', delay => '1 day')) AS ok;
RESET ROLE;
-- a role keeps its level under another OID if its name was restored with the level
UPDATE jadugar_internal.access SET role = 1 WHERE role = 'test_access_monitor'::regrole;
UPDATE jadugar_internal.owner SET role = 1 WHERE name = 'test_access_monitor';
\c - -
SET ROLE test_access_monitor;
SELECT * FROM test_access_level();
RESET ROLE;
UPDATE jadugar_internal.access SET role = 'test_access_monitor'::regrole WHERE role = 1;
UPDATE jadugar_internal.owner SET role = 'test_access_monitor'::regrole WHERE role = 1;
UPDATE jadugar_internal.origin SET id = (SELECT h.id FROM jadugar_internal.here AS h);
\c - -
\set VERBOSITY default
SET ROLE test_access_operator;
SELECT jadugar.cancel(:id);
SELECT jadugar.drop_queue('test_access');
RESET ROLE;

SELECT jadugar.revoke_access('test access "user"');
SELECT jadugar.revoke_access('test_access_operator');
SELECT jadugar.revoke_access('test_access_monitor');
SELECT jadugar.revoke_access('test_access_group');
SET ROLE test_access_operator;
SELECT count(*) FROM jadugar.tasks;
RESET ROLE;
SELECT count(*) FROM jadugar_internal.access;
DROP FUNCTION test_access_level();
-- the roles can be dropped, because nothing depends on them anymore
DROP ROLE "test access ""user""", test_access_operator, test_access_monitor, test_access_member, test_access_group, test_access_none;
