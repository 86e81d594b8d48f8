-- What becomes of messages and states when an actor goes: dropped, registered
-- anew, given to another role; its owner or its function is gone.
\i test/include/helpers.sql
CREATE SCHEMA left_;
GRANT ALL ON SCHEMA left_ TO PUBLIC;
CALL test.create_role('left_one');
CALL test.create_role('left_two');
SELECT jadugar.create_queue('left') > 0 AS made;
SELECT jadugar.grant_queue('left', r) FROM unnest('{left_one,left_two}'::text[]) r \g /dev/null
SET ROLE left_one;
CREATE TABLE left_.ran (n bigint GENERATED ALWAYS AS IDENTITY, who name DEFAULT current_user, message jsonb);
GRANT ALL ON left_.ran TO PUBLIC;
CREATE FUNCTION left_.list(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO left_.ran (message) VALUES (message);
	IF message ? 'fail' THEN
		RAISE EXCEPTION 'no' USING ERRCODE = '22000';
	END IF;
	IF message ? 'run' THEN
		EXECUTE message ->> 'run';
	END IF;
	state := state || message;
	reply := state;
END $$;
RESET ROLE;
-- Sends five messages, which wait in the paused queue.
CREATE PROCEDURE left_.send(actor text, on_failure text DEFAULT 'skip') LANGUAGE plpgsql AS $$
BEGIN
	PERFORM jadugar.register_actor(actor, 'left_.list', queue => 'left', on_failure => on_failure, initial => '[]');
	PERFORM jadugar.send(actor, 'k', jsonb_build_object('n', i)) FROM generate_series(1, 5) i;
END $$;
-- The messages of an actor in the history, and those that are left.
CREATE VIEW left_.messages AS SELECT h.payload ->> 'actor' AS actor, h.owner,
	(h.payload -> 'message' ->> 'n')::int AS n, h.status, h.error ->> 'message' AS error
FROM jadugar.history h WHERE h.payload ? 'actor' AND h.final ORDER BY h.task_id;
CREATE FUNCTION left_.waiting(actor text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM jadugar.tasks WHERE concurrency_key ^@ ('actor/' || actor || '/') $$;

-- ------------------------------------------------------------------ drop_owned

SELECT jadugar.pause_queue('left');
SET ROLE left_one;
CALL left_.send('dropped', 'stop');
SELECT jadugar.send('dropped', 'k2', '{"n": 6}', delay => '1 hour') > 0 AS sent;
RESET ROLE;
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.drop_owned('left_one', '{actors}') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT left_.waiting('dropped');
SELECT count(*) FROM jadugar.history WHERE owner = 'left_one' AND status = 'cancelled';

-- -------------------------------------------------------------- reassign_owned

-- the actor takes its messages along, and a stopped key stays stopped
SET ROLE left_one;
CALL left_.send('moved', 'stop');
SELECT jadugar.send('moved', 'u', '{"n": 6}', unique_key => 'u') AS u, jadugar.send('moved', 'stopped', '{"fail": true}') AS f, jadugar.send('moved', 'stopped', '{"n": 7}') AS after \gset
RESET ROLE;
SELECT jadugar.update_task(:f, queue => 'default') \g /dev/null
SELECT status FROM jadugar.wait(:f, '20 s');
CALL test.wait_until('SELECT stopped = 1 FROM jadugar.actors WHERE actor = ''moved''');
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', '{tasks}', dry_run => true) GROUP BY 1, 2, 3 ORDER BY 1;
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', '{tasks}') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', dry_run => true) GROUP BY 1, 2, 3 ORDER BY 1;
SELECT owner, keys, waiting, stopped FROM jadugar.actors WHERE actor = 'moved';
-- not if the new owner has something of its keys
SELECT jadugar.enqueue('SELECT 1', concurrency_key => 'actor/moved/x', delay => '1 day', owner => 'left_two') AS other \gset
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', '{actors}') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT jadugar.cancel(:other);
SELECT jadugar.enqueue('SELECT 1', unique_key => 'actor/moved/u', delay => '1 day', owner => 'left_two') AS other \gset
SELECT problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', '{actors}') GROUP BY 1 ORDER BY 1;
SELECT jadugar.cancel(:other);
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem, count(*) FROM jadugar.reassign_owned('left_one', 'left_two', '{actors}') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT owner, keys, waiting, stopped FROM jadugar.actors WHERE actor = 'moved';
SELECT jadugar.resume_queue('left');
CALL test.wait_until($$SELECT waiting = 1 FROM jadugar.actors WHERE actor = 'moved'$$);
SELECT owner, n, status, error FROM left_.messages WHERE actor = 'moved';
SELECT who, count(*) FROM left_.ran WHERE message ? 'n' GROUP BY 1;
SET ROLE left_two;
SELECT jadugar.actor_state('moved', 'k');
-- the unique key has gone with its message
SELECT jadugar.send('moved', 'u', '{"n": 8}', unique_key => 'u') <> :u AS another;
-- the new owner lets the stopped key go on
SELECT jadugar.reset_actor('moved', 'stopped', '[]');
SELECT status, result FROM jadugar.wait(:after, '20 s');
-- a message of before fails
RESET ROLE;
SELECT jadugar.retry_task(:f);
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.history WHERE task_id = ' || :f);
SELECT owner, error ->> 'message' AS error FROM jadugar.history WHERE task_id = :f AND final;

-- ------------------------------------------------- the function, the actor, the owner

SELECT jadugar.pause_queue('left');
SET ROLE left_one;
CREATE FUNCTION left_.gone(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE sql AS $$ SELECT state || message, message $$;
SELECT jadugar.register_actor('gone', 'left_.gone', queue => 'left', initial => '[]');
SELECT jadugar.send('gone', 'k', jsonb_build_object('n', i)) FROM generate_series(1, 3) i \g /dev/null
DROP FUNCTION left_.gone;
-- dropped and registered again while they wait
CALL left_.send('again');
SELECT jadugar.drop_actor('again');
CALL left_.send('again');
RESET ROLE;
SELECT jadugar.resume_queue('left');
CALL test.wait_until($$SELECT left_.waiting('gone') + left_.waiting('again') = 0$$);
SELECT n, status, error FROM left_.messages WHERE actor = 'gone';
SELECT n, status, error FROM left_.messages WHERE actor = 'again';
SELECT jadugar.actor_state('again', 'k');
-- a role that cannot work: nothing is sent
ALTER ROLE left_one NOLOGIN;
SELECT test.error_of($$SELECT jadugar.send('again', 'k', '{}')$$) AS error;
ALTER ROLE left_one LOGIN;
-- a role that was renamed, and one that was dropped
SELECT jadugar.pause_queue('left');
SET ROLE left_one;
SELECT jadugar.send('again', 'k', '{"n": 6}') > 0 AS sent;
RESET ROLE;
ALTER ROLE left_one RENAME TO left_renamed;
SELECT jadugar.resume_queue('left');
CALL test.wait_until($$SELECT left_.waiting('again') = 0$$);
SELECT who FROM left_.ran WHERE message ->> 'n' = '6' ORDER BY n DESC LIMIT 1;
SELECT jadugar.pause_queue('left');
CREATE ROLE left_three LOGIN;
SELECT jadugar.grant_access('left_three'), jadugar.grant_queue('left', 'left_three') \g /dev/null
SET ROLE left_three;
CALL left_.send('orphan');
RESET ROLE;
SELECT oid AS three FROM pg_roles WHERE rolname = 'left_three' \gset
SET client_min_messages = error;
DROP OWNED BY left_three;
DROP ROLE left_three;
SET client_min_messages = warning;
SELECT jadugar.resume_queue('left');
CALL test.wait_until($$SELECT left_.waiting('orphan') = 0$$);
SELECT n, status, error FROM left_.messages WHERE actor = 'orphan';
SELECT replace(test.error_of($$SELECT jadugar.send('orphan', 'k', '{}')$$), :'three', 'OID') AS error;
SELECT kind, name, problem FROM jadugar.reassign_owned(:'three', 'left_two', '{actors}');
SELECT jadugar.send('orphan', 'k', '{"n": 9}') AS id \gset
SELECT owner, status, result FROM jadugar.wait(:id, '20 s');

-- ------------------------------------- a message that drops or replaces its own actor

SET ROLE left_two;
-- a message alone, and one after others in the same transaction
SELECT jadugar.register_actor('own', 'left_.list', initial => '[]');
CREATE FUNCTION left_.anew(also text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT jadugar.drop_actor(%L), jadugar.register_actor(%L, %L, initial => %L) %s', 'own', 'own', 'left_.list', '["anew"]', also) $$;
SELECT jadugar.send('own', 'k', jsonb_build_object('run', left_.anew())) AS id \gset
SELECT status, error FROM jadugar.wait(:id, '20 s');
SELECT jadugar.actor_state('own', 'k');
SELECT jadugar.send('own', 'k', '{"n": 1}') AS id \gset
SELECT result FROM jadugar.wait(:id, '20 s');
BEGIN;
SELECT jadugar.send('own', 'k', jsonb_build_object('n', i)) FROM generate_series(2, 4) i \g /dev/null
SELECT jadugar.send('own', 'k', jsonb_build_object('run', left_.anew())) AS id \gset
COMMIT;
SELECT status, error FROM jadugar.wait(:id, '20 s');
SELECT jadugar.actor_state('own', 'k'), keys FROM jadugar.actors WHERE actor = 'own';
-- what it does to the new registration stays
SELECT jadugar.send('own', 'k', jsonb_build_object('run', left_.anew(', jadugar.reset_actor(''own'', ''k'', ''["reset"]'')'))) AS id \gset
SELECT status, error FROM jadugar.wait(:id, '20 s');
SELECT jadugar.actor_state('own', 'k');
-- an actor that was dropped in a subtransaction which is rolled back keeps its state
SELECT jadugar.register_actor('own', 'left_.list', initial => '[]', or_replace => true);
BEGIN;
SELECT jadugar.send('own', 's', jsonb_build_object('n', i)) FROM generate_series(1, 3) i \g /dev/null
SELECT jadugar.send('own', 's', jsonb_build_object('n', 4, 'run',
	'DO $$ BEGIN PERFORM jadugar.drop_actor(''own''); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$')) \g /dev/null
SELECT jadugar.send('own', 's', '{"n": 5}') AS id \gset
COMMIT;
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT jsonb_path_query_array(jadugar.actor_state('own', 's'), '$[*].n') AS state;
-- replaced: it keeps its states
SELECT jadugar.send('own', 's', jsonb_build_object('n', 6, 'run', 'SELECT jadugar.register_actor(''own'', ''left_.list'', or_replace => true)')) AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT jsonb_path_query_array(jadugar.actor_state('own', 's'), '$[*].n') AS state;
-- dropped, and not registered again
SELECT jadugar.send('own', 's', jsonb_build_object('run', 'SELECT jadugar.drop_actor(''own'')')) AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
RESET ROLE;
SELECT count(*) FROM jadugar_internal.actor_state WHERE actor = 'own';

-- -------------------------------------------------------------- confined members

-- what all tenants share can be replaced by none of them
CALL test.create_role('left_a');
CALL test.create_role('left_b');
GRANT left_two TO left_a;
SET ROLE left_two;
CREATE FUNCTION left_.handle(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT jadugar.register_handler('left_shared', 'left_.handle'), jadugar.register_actor('shared', 'left_.list');
RESET ROLE;
SET client_min_messages = error;
SELECT jadugar.create_tenant('left a') > 0 AS a, jadugar.create_tenant('left b') > 0 AS b;
SELECT jadugar.grant_tenant('left a', 'left_a'), jadugar.grant_tenant('left b', 'left_b') \g /dev/null
SET client_min_messages = warning;
SET ROLE left_a;
SELECT test.error_of($$SELECT jadugar.register_actor('shared', 'left_.list', or_replace => true)$$) AS error;
SELECT test.error_of($$SELECT jadugar.register_handler('left_shared', 'left_.handle', or_replace => true)$$) AS error;
SELECT test.error_of($$SELECT jadugar.register_sql_handler('left_shared', 'SELECT 2', or_replace => true)$$) AS error;
-- its own can
SELECT jadugar.register_actor('own a', 'left_.list'), jadugar.register_actor('own a', 'left_.list', or_replace => true);
SELECT jadugar.register_handler('left_own', 'left_.handle'), jadugar.register_handler('left_own', 'left_.handle', or_replace => true);
RESET ROLE;
-- and so can those of a role that is confined to the same tenants
GRANT left_b TO left_a;
SET ROLE left_b;
SELECT jadugar.register_actor('own b', 'left_.list'), jadugar.register_handler('left_b', 'left_.handle');
SET ROLE left_a;
SELECT jadugar.register_actor('own b', 'left_.list', or_replace => true), jadugar.register_handler('left_b', 'left_.handle', or_replace => true);
RESET ROLE;
REVOKE left_b FROM left_a;
SELECT actor, owner FROM jadugar.actors WHERE actor ~ 'own' ORDER BY 1;

-- -------------------------------------------------------------------- clean up

SELECT jadugar.revoke_tenant('left a', 'left_a'), jadugar.revoke_tenant('left b', 'left_b') \g /dev/null
CALL jadugar.drop_tenant('left a') \g /dev/null
CALL jadugar.drop_tenant('left b') \g /dev/null
SELECT jadugar.drop_owned(r) FROM unnest('{left_renamed,left_two,left_a,left_b}'::text[]) r \g /dev/null
SELECT jadugar.drop_queue('left');
DROP SCHEMA left_ CASCADE;
CALL test.drop_roles('left_renamed', 'left_two', 'left_a', 'left_b');
