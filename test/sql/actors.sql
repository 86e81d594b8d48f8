-- Actors: register_actor, send, actor_state, reset_actor, drop_actor, the view actors.
\i test/include/helpers.sql
CREATE SCHEMA act;
GRANT ALL ON SCHEMA act TO PUBLIC;
CALL test.create_role('act_owner');
CALL test.create_role('act_sender');
CALL test.create_role('act_other');
SET ROLE act_owner;
CREATE TABLE act.done (n bigint GENERATED ALWAYS AS IDENTITY, key text, message jsonb);
GRANT SELECT ON act.done TO PUBLIC;
-- Adds numbers; fails, discards, snoozes or forgets the key if the message says so.
CREATE FUNCTION act.account(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
BEGIN
	IF message ? 'discard' THEN
		PERFORM jadugar.discard('unwanted');
	ELSIF message ? 'flaky' AND (jadugar.current_task()).attempt < 2 THEN
		RAISE EXCEPTION 'try again';
	ELSIF message ? 'fail' THEN
		RAISE EXCEPTION 'no %', message ->> 'fail' USING ERRCODE = '22000';
	END IF;
	INSERT INTO act.done (key, message) VALUES ((jadugar.current_task()).payload ->> 'key', message);
	IF message ? 'forget' THEN
		state := NULL;
		RETURN;
	END IF;
	state := jsonb_build_object('balance', coalesce((state ->> 'balance')::integer, 0) + coalesce((message ->> 'add')::integer, 0), 'tenant', (jadugar.current_task()).tenant);
	reply := state -> 'balance';
END $$;
SELECT jadugar.register_actor('account', 'act.account', initial => '{"balance": 100}', retry => jadugar.retry_policy(3, delay => '1 ms'));

-- ----------------------------------------------------- messages, replies, state

SELECT jadugar.actor_state('account', 'ann');
BEGIN;
SELECT jadugar.send('account', 'ann', '{"add": 1}') AS first \gset
SELECT jadugar.send('account', 'ann', '{"add": 10, "flaky": true}') AS second \gset
SELECT jadugar.send('account', 'ann', '{"add": -50}') AS third \gset
SELECT jadugar.send('account', 'bob', '{"add": 5}') AS bob \gset
COMMIT;
SELECT status, result FROM jadugar.wait(:third, '20 s');
SELECT jadugar.result(:first), jadugar.result(:second), (SELECT result FROM jadugar.wait(:bob, '20 s'));
SELECT jadugar.actor_state('account', 'ann'), jadugar.actor_state('account', 'bob'), jadugar.actor_state('account', 'none');
SELECT key, message ->> 'add' AS add FROM act.done ORDER BY key, n;
SELECT attempt, status FROM jadugar.history WHERE task_id = :second ORDER BY attempt;
SELECT concurrency_key FROM jadugar.get_task(:second);
-- a message that fails for good is skipped, with its effects, and so is a discarded one
SELECT jadugar.send('account', 'ann', '{"fail": "money"}') AS failed \gset
SELECT jadugar.send('account', 'ann', '{"discard": true}') AS discarded \gset
SELECT jadugar.send('account', 'ann', '{"add": 1}') AS next \gset
SELECT result FROM jadugar.wait(:next, '20 s');
SELECT message, reason FROM jadugar.failures WHERE task_id IN (:failed, :discarded) ORDER BY task_id;
-- state NULL: the key is forgotten, and begins again
SELECT jadugar.send('account', 'bob', '{"forget": true}') AS forget \gset
SELECT status, result FROM jadugar.wait(:forget, '20 s');
SELECT jadugar.actor_state('account', 'bob');
SELECT jadugar.send('account', 'bob', '{"add": 1}') AS again \gset
SELECT result FROM jadugar.wait(:again, '20 s');
-- unique_key, delay, priority
SELECT jadugar.send('account', 'late', '{}', delay => '1 hour', priority => 7, unique_key => 'u') AS late \gset
SELECT jadugar.send('account', 'other', '{}', unique_key => 'u') = :late AS same;
SELECT status, priority, unique_key, concurrency_key, payload FROM jadugar.get_task(:late);
SELECT jadugar.cancel(:late);
-- the tenant of the message
SET jadugar.tenant = 'acme';
SELECT jadugar.send('account', 'tenant', '{}') AS t \gset
RESET jadugar.tenant;
SELECT status, tenant FROM jadugar.wait(:t, '20 s');
SELECT jadugar.actor_state('account', 'tenant');
-- a rolled back message was never sent
BEGIN;
SELECT jadugar.send('account', 'ann', '{"add": 1000}') \g /dev/null
ROLLBACK;
SELECT jadugar.actor_state('account', 'ann');

-- ---------------------------------------------------------------- on_failure stop

SELECT jadugar.register_actor('strict', 'act.account(jsonb, jsonb)', on_failure => 'stop', retry => jadugar.retry_policy(1));
SELECT jadugar.send('strict', 'k', '{"add": 1}') AS a \gset
SELECT jadugar.send('strict', 'k', '{"fail": "luck"}') AS b \gset
SELECT jadugar.send('strict', 'k', '{"add": 2}') AS c \gset
SELECT jadugar.send('strict', 'free', '{"add": 3}') AS free \gset
SELECT status FROM jadugar.wait(:b, '20 s');
SELECT status FROM jadugar.wait(:free, '20 s');
-- further messages wait, and nothing runs them
SELECT status, waiting_for FROM jadugar.get_task(:c);
SELECT jadugar.send('strict', 'k', '{"add": 4}') AS d \gset
SELECT status, waiting_for FROM jadugar.get_task(:d);
SELECT actor, owner, function, queue, on_failure, idle_ttl, keys, waiting, stopped FROM jadugar.actors ORDER BY actor;
SELECT status, command, metadata - 'failed_task' AS metadata, (metadata ->> 'failed_task')::bigint = :b AS of_it FROM jadugar.tasks WHERE owner = 'act_owner' AND status = 'paused';
-- another failed message does not let it go on
SELECT jadugar.retry_task(:failed);
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.history WHERE task_id = ' || :failed);
SELECT status, waiting_for FROM jadugar.get_task(:c);
-- retrying the message does; it comes before the others, and fails again
SELECT jadugar.retry_task(:b);
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.history WHERE task_id = ' || :b);
CALL test.wait_until('SELECT stopped = 1 FROM jadugar.actors WHERE actor = ''strict''');
SELECT status, waiting_for FROM jadugar.get_task(:c);
-- reset_actor() sets the state, and lets the others run
SELECT jadugar.reset_actor('strict', 'k', '{"balance": 1000}');
SELECT result FROM jadugar.wait(:d, '20 s');
SELECT jadugar.result(:c), jadugar.actor_state('strict', 'k');
SELECT keys, waiting, stopped FROM jadugar.actors WHERE actor = 'strict';
-- so does a user that cancels or resumes the task that holds the key
SELECT jadugar.send('strict', 'k', '{"fail": "again"}') AS e \gset
SELECT jadugar.send('strict', 'k', '{"add": 1}') AS f \gset
SELECT status FROM jadugar.wait(:e, '20 s');
SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE owner = 'act_owner' AND status = 'paused';
SELECT result FROM jadugar.wait(:f, '20 s');
SELECT jadugar.send('strict', 'k', '{"fail": "again"}') AS e \gset
SELECT jadugar.send('strict', 'k', '{"add": 1}') AS f \gset
SELECT status FROM jadugar.wait(:e, '20 s');
SELECT jadugar.resume_task(task_id) FROM jadugar.tasks WHERE owner = 'act_owner' AND status = 'paused';
SELECT result FROM jadugar.wait(:f, '20 s');
-- discarded and cancelled messages do not stop a key
SELECT jadugar.send('strict', 'k', '{"discard": true}') AS e \gset
SELECT jadugar.send('strict', 'k', '{"add": 1}', delay => '1 hour') AS g \gset
SELECT jadugar.cancel(:g);
SELECT jadugar.send('strict', 'k', '{"add": 1}') AS f \gset
SELECT result FROM jadugar.wait(:f, '20 s');
-- forget a key that has no message
SELECT jadugar.reset_actor('strict', 'k'), jadugar.reset_actor('strict', 'never');
SELECT jadugar.actor_state('strict', 'k');

-- ------------------------------------------------------------------------ rights

SELECT jadugar.create_queue('act_queue') > 0, jadugar.register_actor('open', 'act.account', queue => 'act_queue');
SELECT jadugar.grant_queue('act_queue', 'act_sender', 'enqueue');
SET ROLE act_sender;
SELECT jadugar.send('account', 'ann', '{}');
SELECT jadugar.send('open', 'ann', '{"add": 2}') AS sent \gset
SELECT jadugar.actor_state('open', 'ann');
SELECT jadugar.reset_actor('open', 'ann');
SELECT jadugar.drop_actor('open');
SELECT jadugar.register_actor('open', 'act.account', or_replace => true);
SELECT count(*) FROM jadugar.actors;
SET ROLE act_other;
SELECT jadugar.send('open', 'ann', '{}');
RESET ROLE;
SELECT owner, status, result FROM jadugar.wait(:sent, '20 s');
GRANT act_owner TO act_other;
SET ROLE act_other;
SELECT jadugar.send('account', 'ann', '{"add": 1}') > 0 AS member, jadugar.actor_state('open', 'ann');
RESET ROLE;
REVOKE act_owner FROM act_other;
-- load and store refuse other callers
SET ROLE act_owner;
SELECT jadugar._actor_load('{"actor": "account", "key": "ann"}');
SELECT jadugar._actor_store('{"actor": "account", "key": "ann"}', '{}');
SELECT jadugar.enqueue('SELECT jadugar._actor_store($1, ''{}'')', '{"actor": "account", "key": "ann"}', retry => jadugar.retry_policy(1)) AS x \gset
SELECT jadugar.enqueue('SELECT jadugar._actor_store($1, ''{}'')', '{"actor": "account", "key": "ann"}', retry => jadugar.retry_policy(1), concurrency_key => 'actor/account/ann') AS y \gset
SELECT error ->> 'message' AS error FROM jadugar.wait(:x, '20 s');
SELECT error ->> 'message' AS error FROM jadugar.wait(:y, '20 s');

RESET ROLE;

-- ------------------------------------------------------------------------ tenants

-- a key keeps the tenant of the message that made it
SET ROLE act_owner;
SET jadugar.tenant = 'act b';
SELECT jadugar.send('account', 'tenant', '{"add": 1}') AS t \gset
SELECT status FROM jadugar.wait(:t, '20 s');
RESET jadugar.tenant;
RESET ROLE;
SELECT tenant, version FROM jadugar_internal.actor_state WHERE key = 'tenant';
-- confined members of the actor's owner keep off each other's keys
CALL test.create_role('act_a');
CALL test.create_role('act_b');
GRANT act_owner TO act_a, act_b;
SET client_min_messages = error;
SELECT jadugar.create_tenant('act a') > 0 AS a, jadugar.create_tenant('act b', max_tasks => 3) > 0 AS b;
SELECT jadugar.grant_tenant('act a', 'act_a'), jadugar.grant_tenant('act b', 'act_b') \g /dev/null
SET client_min_messages = warning;
SET ROLE act_a;
SELECT jadugar.send('account', 'key of b', '{"add": 1000}', delay => '1 day') AS early \gset
SET ROLE act_b;
SELECT jadugar.send('strict', 'key of b', '{"add": 1}') AS b \gset
SELECT status FROM jadugar.wait(:b, '20 s');
SELECT jadugar.send('account', 'key of b', '{"add": 1}', delay => '1 day', unique_key => 'of b') AS late \gset
SELECT jadugar.reset_actor('account', 'key of b', '{"balance": 7}');
SET ROLE act_a;
SELECT jadugar.actor_state('strict', 'key of b');
SELECT jadugar.send('strict', 'key of b', '{"add": 1}');
SELECT jadugar.reset_actor('strict', 'key of b', '{"balance": 0}');
SELECT jadugar.reset_actor('strict', 'key of b');
SELECT jadugar.drop_actor('strict');
SELECT jadugar.send('account', 'key of a', '{"add": 1}', unique_key => 'of b');
-- nor off those without a tenant
SELECT jadugar.send('account', 'ann', '{"add": 1}');
-- one that was there before the key is discarded
SELECT jadugar.update_task(:early, run_at => now()) \g /dev/null
SELECT status, error FROM jadugar.wait(:early, '20 s');
-- a message that waits, and a stopped key
SET ROLE act_b;
SELECT jadugar.send('strict', 'stopped', '{"fail": "now"}') AS f \gset
SELECT status FROM jadugar.wait(:f, '20 s');
SET ROLE act_a;
SELECT jadugar.reset_actor('strict', 'stopped', '{}');
SELECT jadugar.send('strict', 'stopped', '{}');
-- own keys
SELECT jadugar.send('account', 'key of a', '{"add": 1}', unique_key => 'u') = jadugar.send('account', 'key of a', '{"add": 1}', unique_key => 'u') AS same;
SELECT jadugar.reset_actor('account', 'own', '{"balance": 1}'), jadugar.reset_actor('account', 'own', '{"balance": 2}');
SELECT jadugar.actor_state('account', 'own');
SELECT jadugar.reset_actor('account', 'own');
SELECT jadugar.send('account', 'own', '{"forget": true}') AS o \gset
SELECT status FROM jadugar.wait(:o, '20 s');
SET ROLE act_b;
SELECT jadugar.actor_state('strict', 'key of b') - 'tenant' AS strict, jadugar.actor_state('account', 'key of b') AS account;
SELECT jadugar.reset_actor('strict', 'stopped');
RESET ROLE;
SELECT jadugar.revoke_tenant('act a', 'act_a'), jadugar.revoke_tenant('act b', 'act_b') \g /dev/null
CALL jadugar.drop_tenant('act a') \g /dev/null
CALL jadugar.drop_tenant('act b') \g /dev/null
SELECT count(*) FROM jadugar_internal.actor_state WHERE tenant ~ '^act';
CALL test.drop_roles('act_a', 'act_b');

SET ROLE act_owner;

-- --------------------------------------------------------------- register, drop

CREATE FUNCTION act.wrong(state jsonb, message jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT jadugar.register_actor('account', 'act.account');
SELECT jadugar.register_actor('a/b', 'act.account');
SELECT jadugar.register_actor('jadugar', 'act.account');
SELECT jadugar.register_actor('w', 'act.wrong');
SELECT jadugar.register_actor('w', 'act.nothing');
SELECT jadugar.register_actor('w', '1');
SELECT jadugar.register_actor('w', 'act.account', on_failure => 'ignore');
SELECT jadugar.register_actor('w', 'act.account', queue => 'nowhere');
SELECT jadugar.register_actor('w', 'act.account', idle_ttl => '-1 s');
SELECT jadugar.register_actor('w', 'act.account', initial => NULL);
SELECT jadugar.send('nobody', 'k', '{}');
SELECT jadugar.send('account', '', '{}');
SELECT jadugar.send('account', 'k', NULL);
SELECT jadugar.send('account', 'k', '{}', delay => '-1 s');
SELECT jadugar.drop_actor('nobody');
BEGIN READ ONLY;
SELECT jadugar.actor_state('account', 'bob') -> 'balance' AS balance;
SELECT jadugar.send('account', 'bob', '{}');
ROLLBACK;
-- a replaced actor keeps its keys
SELECT jadugar.register_actor('account', 'act.account', on_failure => 'stop', idle_ttl => '1 day', or_replace => true);
SELECT on_failure, idle_ttl, keys FROM jadugar.actors WHERE actor = 'account';
-- drop_actor() cancels the messages that wait, stopped keys as well
SELECT jadugar.send('strict', 's', '{"fail": "now"}') AS b \gset
SELECT jadugar.send('strict', 's', '{}') AS c \gset
SELECT jadugar.send('strict', 's', '{}', delay => '1 hour') AS d \gset
SELECT status FROM jadugar.wait(:b, '20 s');
SELECT jadugar.drop_actor('strict');
SELECT task_id = :c AS c, status FROM jadugar.history WHERE task_id IN (:c, :d) ORDER BY 1;
SELECT count(*) FROM jadugar.tasks WHERE concurrency_key LIKE 'actor/strict/%';
RESET ROLE;
SELECT count(*) FROM jadugar_internal.actor_state WHERE actor = 'strict';

-- ------------------------------------------------------------------------- roles

-- an actor that runs a message stays, and is not waited for
CREATE FUNCTION act.waits(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_advisory_xact_lock(7070); END $$;
GRANT EXECUTE ON FUNCTION act.waits TO act_owner;
SELECT pg_advisory_lock(7070);
SET ROLE act_owner;
SELECT jadugar.register_actor('waits', 'act.waits'), jadugar.send('waits', 'k', '{}') AS w \gset
RESET ROLE;
CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.running WHERE task_id = %s)', :w));
CALL test.wait_until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 7070 AND NOT granted)');
SELECT kind, CASE kind WHEN 'actors' THEN name END AS name, problem FROM jadugar.reassign_owned('act_owner', 'act_other', '{actors}', dry_run => true);
BEGIN;
SELECT kind, name, problem FROM jadugar.drop_owned('act_owner', '{actors}') WHERE problem IS NOT NULL;
ROLLBACK;
SELECT pg_advisory_unlock(7070);
SELECT status FROM jadugar.wait(:w, '20 s');
SELECT kind, name, problem FROM jadugar.reassign_owned('act_owner', 'act_other', '{actors}');
SELECT actor, owner, keys FROM jadugar.actors ORDER BY actor;
SELECT DISTINCT owner::regrole FROM jadugar_internal.actor_state;
SELECT function, what, owner, detail FROM jadugar.audit WHERE what LIKE 'actor %' AND owner IN ('act_owner', 'act_other') ORDER BY audit_id;
-- an actor keeps its queue
SELECT jadugar.drop_queue('act_queue');
\echo :LAST_ERROR_SQLSTATE
SELECT kind, name, problem FROM jadugar.drop_owned('act_owner', '{queues}');
SELECT kind, name, problem FROM jadugar.drop_owned('act_other', '{actors}');
SELECT count(*) FROM jadugar_internal.actor_state;
SELECT jadugar.drop_queue('act_queue');
DROP SCHEMA act CASCADE;
CALL test.drop_roles('act_owner', 'act_sender', 'act_other');
