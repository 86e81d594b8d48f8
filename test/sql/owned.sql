-- reassign_owned() and drop_owned(), also of a dropped role; roles whose rights
-- an operator must not gain.
\i test/include/helpers.sql
CALL test.create_role('test_owned_a');
CALL test.create_role('test_owned "b"');
CALL test.create_role('test_owned_ops', 'operator');
CREATE FUNCTION test_owned_work(payload jsonb) RETURNS void LANGUAGE sql AS $$ SELECT $$;

-- Something of each kind for one role; a few names exist for the other, too.
CREATE PROCEDURE test_owned_make(role text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	PERFORM jadugar.create_queue('test_owned_queue_' || right(role, 1));
	PERFORM jadugar.register_handler('test_owned_handler', 'public.test_owned_work(jsonb)');
	PERFORM jadugar.set_limit('key', 'test_owned_limit', 2);
	PERFORM jadugar.schedule('test_owned_schedule', 'manual', 'SELECT 1');
	PERFORM jadugar.schedule('test_owned_both', 'manual', 'SELECT 1');
	PERFORM jadugar.create_flow('test_owned_flow', jadugar.step('one', 'SELECT 1'));
	PERFORM jadugar.create_flow('test_owned_both', jadugar.step('one', 'SELECT 1'));
	PERFORM jadugar.create_chain('test_owned_draft');
	PERFORM jadugar.add_step('test_owned_draft', jadugar.step('one', 'SELECT 1'));
	PERFORM jadugar.start_flow(jadugar.sleep('1 hour') OPERATOR(jadugar.~>) jadugar.step('one', 'SELECT 1'));
	PERFORM jadugar.enqueue('SELECT session_user', delay => '1 hour', metadata => '{"test": "owned plain"}');
	PERFORM jadugar.enqueue('SELECT 1', delay => '1 hour', unique_key => 'test_owned', metadata => '{"test": "owned unique"}');
	PERFORM jadugar.enqueue('SELECT 1', delay => '1 hour', concurrency_key => 'test_owned', metadata => '{"test": "owned key"}');
END $$;
CALL test_owned_make('test_owned_a');
SET ROLE "test_owned ""b""";
SELECT jadugar.schedule('test_owned_both', 'manual', 'SELECT 1') > 0 AS made;
SELECT jadugar.create_flow('test_owned_both', jadugar.step('one', 'SELECT 1'));
SELECT jadugar.enqueue('SELECT 1', delay => '1 hour', unique_key => 'test_owned') > 0 AS made;
SELECT jadugar.enqueue('SELECT 1', delay => '1 hour', concurrency_key => 'test_owned') > 0 AS made;

-- Ids of tasks and runs differ between runs of this test.
RESET ROLE;
CREATE FUNCTION test_owned_name(kind text, name text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce((SELECT metadata->>'test' FROM jadugar.tasks WHERE kind = 'tasks' AND task_id::text = test_owned_name.name),
		CASE WHEN kind IN ('tasks', 'runs') THEN kind ELSE name END) $$;
GRANT EXECUTE ON FUNCTION test_owned_name TO PUBLIC;

-- arguments
SELECT * FROM jadugar.reassign_owned(NULL, 'test_owned "b"');
SELECT * FROM jadugar.reassign_owned('test_owned_a', NULL);
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"', dry_run => NULL);
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"', kinds => '{schedules,tables}');
SELECT * FROM jadugar.reassign_owned('nobody', 'test_owned "b"');
SELECT * FROM jadugar.reassign_owned('4294967295', 'test_owned "b"');
SELECT * FROM jadugar.reassign_owned('test_owned_a', '4294967295');
SELECT * FROM jadugar.drop_owned(NULL);
SELECT * FROM jadugar.drop_owned('nobody');
-- neither an operator nor a member
SET ROLE "test_owned ""b""";
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"');
SELECT * FROM jadugar.drop_owned('test_owned_a');
SET ROLE test_owned_ops;
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'postgres');

-- a dry run changes nothing
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"', dry_run => true);
SELECT count(*) FROM jadugar.schedules WHERE owner = 'test_owned_a';
SELECT count(*) FROM jadugar.tasks WHERE owner = 'test_owned_a';
-- one kind
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"', '{limits}');
-- An operator moves no handlers: the new owner could replace their code.
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"');
SELECT name, owner FROM jadugar.schedules WHERE name ~ '^test_owned' ORDER BY 1, 2;
SELECT name, owner FROM jadugar.flows WHERE name ~ '^test_owned' ORDER BY 1, 2;
SELECT metadata->>'test' AS task, owner FROM jadugar.tasks WHERE metadata->>'test' ~ '^owned' ORDER BY 1;
RESET ROLE;
SELECT * FROM jadugar.reassign_owned('test_owned_a', 'test_owned "b"', '{handlers,HANDLERS}');
-- the task that has moved runs as its new owner
SELECT task_id AS id FROM jadugar.tasks WHERE metadata->>'test' = 'owned plain' \gset
SELECT jadugar.retry_task(:id);
SELECT status, owner, result FROM jadugar.wait(:id, '30 s');
-- and its unique key works for it
SET ROLE "test_owned ""b""";
SELECT jadugar.set_limit('key', 'test_owned_limit', 3);
SELECT count(*) FROM jadugar.schedules;
RESET ROLE;

-- PostgreSQL's own statements do not reach these objects, and say so.
SET client_min_messages = notice;
REASSIGN OWNED BY test_owned_a TO postgres;
DROP OWNED BY test_owned_a;
\set VERBOSITY terse
SELECT oid AS oid FROM pg_roles WHERE rolname = 'test_owned_a' \gset
SELECT jadugar.stop_workers('test_owned_a');
DO $$BEGIN
	EXECUTE 'DROP ROLE test_owned_a';
END$$;
\set VERBOSITY default
SET client_min_messages = warning;
-- The views show the OID of the role, which names it.
SELECT count(*), bool_and(owner = :'oid') FROM jadugar.schedules WHERE name = 'test_owned_both' AND owner ~ '^\d+$';
SELECT jadugar.pause_schedule('test_owned_both', owner => :'oid');
SELECT replace(test.error_of(format($$SELECT jadugar.unschedule('nothing', owner => %L)$$, :'oid')), :'oid', 'OID');
SELECT jadugar.next_run('test_owned_both', owner => :'oid');
SELECT jadugar.unschedule('nothing', owner => 'test_owned_a');
SELECT * FROM jadugar.reassign_owned(:'oid', 'test_owned "b"', '{schedules}');
SELECT replace(test.error_of(format($$SELECT jadugar.enqueue('SELECT 1', owner => %L)$$, :'oid')), :'oid', 'OID');
SELECT count(*) FROM jadugar.health WHERE what = 'owner_missing' AND detail ~ 'test_owned_a';
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned(:'oid');
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.flow_runs WHERE owner ~ '^\d+$' AND finished_at IS NULL)$$);
SELECT count(*) FROM jadugar.health WHERE what = 'owner_missing' AND detail ~ 'test_owned_a';
SELECT * FROM jadugar.drop_owned(:'oid');

-- drop_owned() of all kinds, as a member of the role
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned('test_owned "b"', '{tasks}');
SET ROLE "test_owned ""b""";
SELECT jadugar.create_flow('test_owned_uses', jadugar.step('one', 'test_owned_handler', queue => 'test_owned_queue_a'));
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned('test_owned "b"', '{queues,handlers}');
SELECT jadugar.drop_flow('test_owned_uses');
SELECT jadugar.enqueue('test_owned_handler', delay => '1 hour', queue => 'test_owned_queue_a') AS id \gset
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned('test_owned "b"', '{queues,handlers}');
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned('test_owned "b"');
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.drop_owned('test_owned "b"');
-- names that are left to jadugar
RESET ROLE;
SELECT name, test.error_of(format($$SELECT jadugar.register_sql_handler(%L, 'SELECT 1')$$, name))
FROM unnest('{http,email,slack,s3,webhook,metrics,alertmanager,jadugar,jadugar_x}'::text[]) n (name);
SELECT test.error_of($$SELECT jadugar.create_queue('jadugar_alerts')$$);

-- A name that belongs to another role: the hint names it, if the caller may know.
RESET ROLE;
CALL test.create_role('test_owned_user');
SET ROLE "test_owned ""b""";
SELECT jadugar.schedule('test_owned_hint', 'manual', 'SELECT 1') > 0 AS made;
SELECT jadugar.create_flow('test_owned_hint', jadugar.step('one', 'SELECT 1'));
SET ROLE test_owned_user;
SELECT jadugar.pause_schedule('test_owned_hint');
SELECT jadugar.drop_flow('test_owned_hint');
SET ROLE test_owned_ops;
SELECT jadugar.pause_schedule('test_owned_hint');
SELECT jadugar.drop_flow('test_owned_hint');

-- An operator gains no rights that lead out of the database, not even by way of
-- a membership that does not inherit.
RESET ROLE;
CREATE ROLE test_owned_p1 LOGIN IN ROLE pg_execute_server_program;
CREATE ROLE test_owned_p2 LOGIN NOINHERIT IN ROLE pg_read_server_files;
CREATE ROLE test_owned_group IN ROLE pg_write_server_files;
CREATE ROLE test_owned_p3 LOGIN IN ROLE test_owned_group;
CREATE ROLE test_owned_p4 LOGIN CREATEROLE;
CREATE ROLE test_owned_p5 LOGIN REPLICATION;
CREATE ROLE test_owned_p6 LOGIN BYPASSRLS;
CREATE ROLE test_owned_p7 LOGIN NOINHERIT IN ROLE postgres;
SELECT jadugar.schedule('test_owned_power', 'manual', 'SELECT 1', owner => 'test_owned_p1') > 0 AS made;
SELECT jadugar.enqueue('SELECT 1', delay => '1 hour', owner => 'test_owned_p1') AS id \gset
SELECT jadugar.create_flow('test_owned_power', jadugar.step('one', 'SELECT 1'), owner => 'test_owned_p1');
SET ROLE test_owned_ops;
SELECT role, test.error_of(format('SELECT jadugar.enqueue(''SELECT 1'', owner => %L)', role))
FROM (SELECT 'test_owned_p' || n FROM generate_series(1, 7) n) r (role);
-- Each predefined role is such a right, except that of the database's owner.
RESET ROLE;
DO $$ DECLARE predefined name; BEGIN
	FOR predefined IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\_%' AND rolname <> 'pg_database_owner' LOOP
		EXECUTE format('CREATE ROLE test_owned_of_%s LOGIN IN ROLE %I', substr(predefined, 4), predefined);
	END LOOP;
END $$;
CREATE ROLE test_owned_dba LOGIN;
ALTER DATABASE :DBNAME OWNER TO test_owned_dba;
SET ROLE test_owned_ops;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'test\_owned\_of\_%'
AND test.sqlstate_of(format('SELECT jadugar.enqueue(''SELECT 1'', owner => %L)', rolname)) <> 'JD004';
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', owner => 'test_owned_of_read_all_data')$$);
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', owner => 'test_owned_of_write_all_data')$$);
SELECT jadugar.cancel(jadugar.enqueue('SELECT 1', owner => 'test_owned_dba', delay => '1 hour'));
RESET ROLE;
ALTER DATABASE :DBNAME OWNER TO postgres;
DROP ROLE test_owned_dba;
DO $$ DECLARE made name; BEGIN
	FOR made IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'test\_owned\_of\_%' LOOP
		EXECUTE format('DROP ROLE %I', made);
	END LOOP;
END $$;
SET ROLE test_owned_ops;
SELECT statement, test.sqlstate_of(statement) FROM unnest(ARRAY[
	$$SELECT jadugar.enqueue_batch('SELECT 1', '{"{}"}', owner => 'test_owned_p1')$$,
	$$SELECT jadugar.schedule('x', 'manual', 'SELECT 1', owner => 'test_owned_p1')$$,
	$$SELECT jadugar.alter_schedule('test_owned_power', command => 'SELECT 2', owner => 'test_owned_p1')$$,
	$$SELECT jadugar.run_now('test_owned_power', '{"a": 1}', owner => 'test_owned_p1')$$,
	$$SELECT jadugar.create_flow('x', jadugar.step('one', 'SELECT 1'), owner => 'test_owned_p1')$$,
	$$SELECT jadugar.start_flow('test_owned_power', owner => 'test_owned_p1')$$,
	$$SELECT jadugar.start_flow(jadugar.step('one', 'SELECT 1'), owner => 'test_owned_p1')$$,
	$$SELECT * FROM jadugar.reassign_owned('test_owned "b"', 'test_owned_p1')$$]) s (statement);
SELECT test.sqlstate_of(format('SELECT jadugar.update_task(%s, payload => ''{}'')', :id));
-- It may stop or repeat what the role itself wrote.
SELECT jadugar.pause_schedule('test_owned_power', owner => 'test_owned_p1');
SELECT jadugar.cancel(:id);
RESET ROLE;
SELECT jadugar.register_handler('test_owned_handler', 'public.test_owned_work(jsonb)');
SET ROLE test_owned_ops;
SELECT jadugar.grant_handler('test_owned_handler', 'test_owned_p1');
RESET ROLE;
SELECT jadugar.drop_handler('test_owned_handler');
SELECT count(*) FROM generate_series(1, 7) n, jadugar.drop_owned('test_owned_p' || n);
DROP ROLE test_owned_p1, test_owned_p2, test_owned_p3, test_owned_p4, test_owned_p5, test_owned_p6, test_owned_p7, test_owned_group;

-- A task that is running keeps its owner; a dry run says so, too.
SELECT pg_advisory_lock(7790);
SET ROLE test_owned_user;
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock_shared(7790)', metadata => '{"test": "owned running"}') AS runs \gset
CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :runs));
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock_shared(7790)', concurrency_key => 'test_owned', metadata => '{"test": "owned running key"}') AS runs_too \gset
CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :runs_too));
RESET ROLE;
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.reassign_owned('test_owned_user', 'test_owned "b"', '{tasks}', dry_run => true);
SELECT kind, test_owned_name(kind, name), problem FROM jadugar.reassign_owned('test_owned_user', 'test_owned "b"', '{tasks}');
SELECT pg_advisory_unlock(7790);
SELECT status, owner FROM jadugar.wait(:runs, '30 s');
SELECT status, owner FROM jadugar.wait(:runs_too, '30 s');

-- A dump has the name of a role at once after a rename.
ALTER ROLE test_owned_user RENAME TO test_owned_renamed;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar_internal.owner WHERE name = 'test_owned_renamed')$$);
ALTER ROLE test_owned_renamed RENAME TO test_owned_user;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar_internal.owner WHERE name = 'test_owned_user')$$);

SELECT count(*) FROM jadugar.drop_owned('test_owned "b"');
CALL test.drop_roles('test_owned "b"', 'test_owned_ops', 'test_owned_user');
DROP FUNCTION test_owned_work, test_owned_name;
DROP PROCEDURE test_owned_make;
