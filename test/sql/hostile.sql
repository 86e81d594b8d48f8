-- Tasks that try to influence the next task of their worker, or to exceed the
-- privileges of their role. One worker runs all tasks of a role here.
\i test/include/helpers.sql
CALL test.create_role('test_hostile');
CREATE ROLE test_hostile_group NOLOGIN;
CALL test.create_role('test_victim');
GRANT test_hostile_group TO test_hostile;
GRANT CREATE ON SCHEMA public TO test_hostile;
SET SESSION AUTHORIZATION test_hostile;
SELECT jadugar.scale_workers(1);
-- the state of a session, which has to be that of a new session in every task
CREATE FUNCTION test_session_state(OUT who text, OUT super text, OUT settings text, OUT left_behind text, OUT sequence text)
LANGUAGE plpgsql AS $$
BEGIN
	who := concat_ws(' ', current_user, session_user, current_setting('role'), current_setting('session_authorization'));
	super := current_setting('is_superuser');
	settings := concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'),
		current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only'),
		current_setting('search_path'), current_setting('statement_timeout'), current_setting('work_mem'),
		nullif(current_setting('test.own', true), ''));
	left_behind := concat_ws(' ',
		(SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_catalog.pg_class c
			WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v', 'S')),
		(SELECT string_agg(name, ' ') FROM pg_catalog.pg_cursors),
		(SELECT string_agg(name, ' ') FROM pg_catalog.pg_prepared_statements),
		(SELECT string_agg(objid::text, ' ') FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1
			AND pid = pg_backend_pid()),
		(SELECT string_agg(channel, ' ') FROM pg_listening_channels() channel));
	BEGIN
		sequence := currval('test_sequence');
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		sequence := 'untouched';
	END;
END
$$;
CREATE SEQUENCE test_sequence;
CREATE TABLE test_seen (n bigint GENERATED ALWAYS AS IDENTITY, pid integer DEFAULT pg_backend_pid(), seen text);
CALL test.run_task($$'SELECT l.* FROM test_session_state() l'$$);

-- Each statement is followed by a task that reads the state of the session. Both
-- are enqueued together, so that they may share a group. First, each runs once
-- alone, so that the worker knows that it is fast.
CREATE TABLE test_acts (n integer GENERATED ALWAYS AS IDENTITY, act text);
INSERT INTO test_acts (act) VALUES
	('SET default_transaction_read_only = on'),
	('SET TRANSACTION READ ONLY'),
	('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY'),
	('SET search_path = pg_temp, nowhere'),
	('SET LOCAL work_mem = ''77MB'''),
	('SET work_mem = ''78MB''; SET test.own = ''mine'''),
	('SET statement_timeout = 1'),
	('CREATE TEMP TABLE task (task_id bigint); CREATE TEMP TABLE run (a integer); CREATE TEMP TABLE pg_class (a integer)'),
	('CREATE TEMP TABLE queue AS SELECT 1 AS queue_id; CREATE TEMP SEQUENCE test_temp'),
	('DO ''BEGIN PERFORM set_config(''''search_path'''', ''''pg_temp'''', false); END'''),
	('DECLARE test_held CURSOR WITH HOLD FOR SELECT 1'),
	('DECLARE test_plain CURSOR FOR SELECT 1'),
	('PREPARE test_prepared AS SELECT 1'),
	('SELECT pg_advisory_lock(4711)'),
	('SELECT nextval(''test_sequence'')'),
	('SET ROLE test_hostile_group'),
	('SET ROLE test_hostile_group; SELECT 1/0'),
	('RESET ROLE; RESET SESSION AUTHORIZATION; RESET ALL'),
	('SET SESSION AUTHORIZATION test_hostile'),
	('SET SESSION AUTHORIZATION postgres'),
	('SET ROLE postgres'),
	('LISTEN test_channel'),
	('DISCARD TEMP'),
	('RESET ALL'),
	('SET CONSTRAINTS ALL DEFERRED'),
	('COMMIT'), ('SAVEPOINT s'), ('DISCARD ALL');
CREATE PROCEDURE test_each_act() LANGUAGE plpgsql AS $$
DECLARE
	a record;
	act_id bigint;
	look_id bigint;
	acted jadugar.task_info;
	looked jadugar.task_info;
	first jsonb;
BEGIN
	look_id := jadugar.enqueue('SELECT l.* FROM test_session_state() l');
	COMMIT;
	looked := jadugar.wait(look_id, '20 s');
	first := looked.result;
	FOR a IN SELECT * FROM test_acts ORDER BY n LOOP
		FOR round IN 1..3 LOOP
			BEGIN
				act_id := jadugar.enqueue(a.act, retry => jadugar.retry_policy(1));
			EXCEPTION WHEN OTHERS THEN
				RAISE WARNING '%: refused: %', a.act, SQLERRM;
				EXIT;
			END;
			look_id := jadugar.enqueue('SELECT l.* FROM test_session_state() l', retry => jadugar.retry_policy(1));
			COMMIT;
			acted := jadugar.wait(act_id, '20 s');
			looked := jadugar.wait(look_id, '20 s');
			IF round = 1 AND acted.status <> 'completed' THEN
				-- some releases name the role
				RAISE WARNING '%: %: %', a.act, acted.status,
					regexp_replace(acted.error ->> 'message', '(session authorization) ".*"', '\1');
			END IF;
			IF looked.status <> 'completed' OR first IS DISTINCT FROM looked.result THEN
				RAISE WARNING '% left traces: % % %', a.act, looked.status, looked.result, looked.error;
			END IF;
		END LOOP;
		COMMIT;
	END LOOP;
END
$$;
CALL test_each_act();
-- the same in commands outside a transaction, where a SET outlives the transaction
CREATE PROCEDURE test_act_and_commit(act text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE act;
	COMMIT;
	PERFORM 1;
END
$$;
UPDATE test_acts SET act = format('CALL test_act_and_commit(%L)', act)
WHERE act !~* '^(COMMIT|SAVEPOINT|DISCARD|SET TRANSACTION|DECLARE test_plain)';
CALL test_each_act();

-- a task cannot become another role
CALL test.run_task($$'SET ROLE postgres'$$);
CALL test.run_task($$'SET SESSION AUTHORIZATION test_victim'$$) \gset
SELECT :'status' AS status, :'sqlstate' AS sqlstate, :'message' ~ '^permission denied to set session authorization' AS denied;
CALL test.run_task($$'SET LOCAL ROLE test_hostile_group; SELECT current_user, session_user'$$);
CALL test.run_task($$'RESET SESSION AUTHORIZATION; RESET ROLE; SELECT current_user, session_user, current_setting(''is_superuser'')'$$);
CALL test.run_task($$'SELECT pg_read_file(''postgresql.conf'')'$$);

-- deferred triggers fire as the task's owner, at the end of their own task
CREATE FUNCTION test_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_seen (seen) VALUES (concat_ws(' ', TG_ARGV[0], current_user, session_user, (jadugar.current_task()).task_id IS NOT NULL));
	RETURN NULL;
END
$$;
CREATE TABLE test_parent (id integer PRIMARY KEY);
CREATE TABLE test_child (id integer REFERENCES test_parent DEFERRABLE INITIALLY DEFERRED);
CREATE CONSTRAINT TRIGGER test_note AFTER INSERT ON test_child DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION test_note('child');
-- two children before their parents; each ran alone before, and is known to be fast
SELECT count(*) FROM jadugar.enqueue_batch('INSERT INTO test_child VALUES (($1 ->> ''n'')::integer)',
	ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}']::jsonb[], tenant => 'family');
SELECT jadugar.enqueue('INSERT INTO test_parent VALUES (1), (2), (3)', tenant => 'family') AS parent \gset
SELECT status FROM jadugar.wait(:parent, '20 s');
SELECT status, sqlstate, count(*) FROM jadugar.history WHERE tenant = 'family' GROUP BY 1, 2 ORDER BY 1;
CALL test.run_task($$'INSERT INTO test_child VALUES (9); INSERT INTO test_parent VALUES (9)'$$);
CALL test.run_task($$'INSERT INTO test_child VALUES (8); SET CONSTRAINTS ALL IMMEDIATE'$$);
CALL test.run_task($$'SET ROLE test_hostile_group; RESET ROLE; INSERT INTO test_child VALUES (9)'$$);
SELECT seen, count(*) FROM test_seen GROUP BY 1 ORDER BY 1;
TRUNCATE test_seen;

-- functions and operators in public that hide those of pg_catalog
CREATE FUNCTION test_record_caller() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO public.test_seen (seen) VALUES (current_user);
	RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION test_record_caller() TO PUBLIC;
CREATE FUNCTION public.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT CASE WHEN public.test_record_caller() THEN 1::bigint END';
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT CASE WHEN public.test_record_caller() THEN pg_catalog.now() END';
CREATE FUNCTION public.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1::bigint WHERE public.test_record_caller()';
CREATE FUNCTION public.coalesce_eq(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT public.test_record_caller()';
CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = public.coalesce_eq);
CREATE FUNCTION public.oid_eq(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT public.test_record_caller()';
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.oid_eq);
CREATE FUNCTION public.jsonb_get(jsonb, text) RETURNS text LANGUAGE sql AS 'SELECT CASE WHEN public.test_record_caller() THEN $2 END';
CREATE OPERATOR public.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = public.jsonb_get);
RESET SESSION AUTHORIZATION;
ALTER ROLE test_victim SET search_path = public, pg_catalog;
ALTER ROLE test_hostile SET search_path = public, pg_catalog;
SELECT count(*) FROM pg_catalog.pg_proc p WHERE pronamespace = 'public'::regnamespace AND proname IN ('count', 'now', 'unnest');
SELECT jadugar.restart_workers('test_hostile');
-- all functions for operators, with that search_path
SET search_path = public, pg_catalog;
SELECT jadugar.enqueue('SELECT 1', owner => 'test_victim', concurrency_key => 'k', unique_key => 'u', depends_on => '{}') AS v \gset
SELECT status FROM jadugar.wait(:v, '20 s');
SELECT jadugar.enqueue('SELECT 1', owner => 'test_hostile', delay => '1 h') AS h \gset
SELECT jadugar.update_task(:h, priority => 1), jadugar.pause_task(:h), jadugar.resume_task(:h), jadugar.cancel(:h), jadugar.retry_task(:h);
SELECT status FROM jadugar.wait(:h, '20 s');
SELECT jadugar.count_tasks() >= 0 AS counted, jadugar.purge_completed('1 h'), jadugar.cancel_tasks(tenant => 'none');
SELECT pg_catalog.count(*) >= 0 AS seen FROM jadugar.history;
SELECT pg_catalog.count(*) >= 0 AS seen FROM jadugar.queues;
RESET search_path;
SELECT seen FROM test_seen WHERE seen <> 'test_hostile';
SET SESSION AUTHORIZATION test_hostile;
DROP FUNCTION public.count(bigint), public.now(), public.unnest(bigint[]), public.coalesce_eq(bigint, bigint), public.oid_eq(oid, oid),
	public.jsonb_get(jsonb, text) CASCADE;
RESET SESSION AUTHORIZATION;
ALTER ROLE test_victim RESET search_path;
ALTER ROLE test_hostile RESET search_path;

-- roles whose settings would stop the bookkeeping
ALTER ROLE test_victim SET default_transaction_read_only = on;
ALTER ROLE test_victim SET default_transaction_isolation = 'serializable';
ALTER ROLE test_victim SET default_transaction_deferrable = on;
ALTER ROLE test_victim SET lock_timeout = 1;
ALTER ROLE test_victim SET statement_timeout = '10s';
ALTER ROLE test_victim SET idle_in_transaction_session_timeout = 1;
SELECT jadugar.restart_workers('test_victim');
CREATE TABLE test_written (a text);
GRANT INSERT ON test_written TO test_victim;
CALL test.run_task($$'INSERT INTO test_written SELECT concat_ws('' '', current_setting(''transaction_isolation''), current_setting(''transaction_read_only''))', owner => 'test_victim'$$);
CALL test.run_task($$'INSERT INTO test_written SELECT concat_ws('' '', current_setting(''transaction_isolation''), current_setting(''transaction_read_only''))', owner => 'test_victim', transaction => 'repeatable read'$$);
CALL test.run_task($$'VACUUM test_written', owner => 'test_victim'$$);
SELECT * FROM test_written;
DROP TABLE test_written;
ALTER ROLE test_victim RESET ALL;

-- tasks of another role
SELECT jadugar.enqueue('SELECT 42 AS secret', '{"secret": 1}', owner => 'test_victim', unique_key => 'mine', concurrency_key => 'mine') AS done \gset
SELECT status FROM jadugar.wait(:done, '20 s');
SELECT jadugar.enqueue('SELECT 1', '{"secret": 1}', owner => 'test_victim', delay => '1 h', unique_key => 'mine', concurrency_key => 'mine') AS v \gset
SET SESSION AUTHORIZATION test_hostile;
SELECT count(*) FROM jadugar.tasks WHERE task_id = :v;
SELECT count(*) FROM jadugar.history WHERE task_id = :done;
SELECT f, test.short_error_of(format('SELECT jadugar.' || f, :v)) FROM unnest(ARRAY['get_task(%s)', 'wait(%s)', 'result(%s)', 'cancel(%s)',
	'pause_task(%s)', 'resume_task(%s)', 'retry_task(%s)', 'update_task(%s, priority => 1)', 'update_task(%s, ''{}'')',
	'enqueue(''SELECT 1'', depends_on => ARRAY[%s])', 'cancel_batch(ARRAY[%s])']) f;
SELECT f, test.short_error_of(format('SELECT jadugar.' || f, :done)) FROM unnest(ARRAY['get_task(%s)', 'wait(%s)', 'result(%s)', 'cancel(%s)',
	'pause_task(%s)', 'retry_task(%s)', 'update_task(%s, priority => 1)', 'enqueue(''SELECT 1'', depends_on => ARRAY[%s])']) f;
SELECT jadugar.cancel_tasks(owner => 'test_victim'), jadugar.cancel_tasks(), jadugar.count_tasks(owner => 'test_victim');
-- each role has its own keys
SELECT jadugar.enqueue('SELECT 1', unique_key => 'mine', concurrency_key => 'mine') <> :v AS another;
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', owner => 'test_victim')$$);
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', owner => 'postgres')$$);
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', owner => 'test_hostile_group')$$);
SELECT test.short_error_of($$SELECT jadugar.stop_workers('test_victim')$$);
SELECT test.short_error_of($$SELECT jadugar.pause_all()$$);
SELECT test.short_error_of($$CALL jadugar.drain()$$);
SELECT test.short_error_of($$SELECT jadugar.adopt()$$);
SELECT test.short_error_of($$SELECT jadugar.purge_completed('0')$$);
-- tables
SELECT relname FROM pg_class WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind IN ('r', 'p')
AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') ORDER BY 1;
SELECT relname FROM pg_class WHERE relnamespace IN ('jadugar'::regnamespace, 'jadugar_internal'::regnamespace) AND relkind = 'v'
AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT relname FROM pg_class WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind = 'S'
AND has_table_privilege(oid, 'SELECT, UPDATE');
SELECT has_schema_privilege('jadugar', 'CREATE'), has_schema_privilege('jadugar_internal', 'USAGE, CREATE') AS internal;
-- a handler does not hide a flow of another role that may not use it
SET SESSION AUTHORIZATION test_victim;
SELECT jadugar.create_flow('victims flow', jadugar.step('a', 'SELECT ''flow'' AS ran')) AS version;
SELECT jadugar.schedule('victims schedule', 'manual', 'victims flow') \g /dev/null
SET SESSION AUTHORIZATION test_hostile;
SELECT jadugar.register_sql_handler('victims flow', 'SELECT ''handler'' AS ran') AS handler;
SET SESSION AUTHORIZATION test_victim;
SELECT jadugar.enqueue('victims flow') AS v \gset
SELECT status, result FROM jadugar.wait(:v, '30 s');
SELECT jadugar.alter_schedule('victims schedule', command => 'victims flow', timeout => '1 min');
SELECT jadugar.run_now('victims schedule') AS v \gset
SELECT status, result FROM jadugar.wait(:v, '30 s');
SELECT jadugar.drop_flow('victims flow');
SELECT jadugar.unschedule('victims schedule');
SELECT jadugar.enqueue('victims flow');
RESET SESSION AUTHORIZATION;
-- one that it may use goes before its flow
SELECT jadugar.grant_handler('victims flow', 'test_victim');
SET SESSION AUTHORIZATION test_victim;
SELECT jadugar.create_flow('victims flow', jadugar.step('a', 'SELECT ''flow'' AS ran')) AS version;
SELECT jadugar.enqueue('victims flow') AS v \gset
SELECT status, result FROM jadugar.wait(:v, '30 s');
SELECT jadugar.drop_flow('victims flow');
RESET SESSION AUTHORIZATION;
SELECT jadugar.drop_handler('victims flow');
-- PUBLIC has no privilege on the schemas
SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname ~ '^jadugar' AND a.grantee = 0;

-- clean up
SELECT jadugar.cancel_tasks() > 0 AS cancelled;
CALL test.drop_roles('test_hostile', 'test_victim', 'test_hostile_group');
