-- Queues: creating, changing, granting, pausing, dropping; limits.
\i test/include/helpers.sql
CALL test.create_role('test_queue_owner');
CALL test.create_role('test_queue_other');
CALL test.create_role('test_queue_operator', 'operator');
CREATE FUNCTION test_queue(text) RETURNS TABLE (name text, owner regrole, max_concurrency integer, max_depth bigint,
	on_full text, isolate boolean, history text, retention interval, paused boolean, paused_by name, description text)
LANGUAGE sql SECURITY DEFINER AS $$
	SELECT name, owner::regrole, max_concurrency, max_depth, on_full, isolate, history, retention,
		paused_at IS NOT NULL, paused_by, description FROM jadugar_internal.queue WHERE name = $1
$$;

SET ROLE test_queue_owner;
SELECT jadugar.create_queue('test_a') >= 10 AS is_an_id;
SELECT * FROM test_queue('test_a') \gx
SELECT jadugar.create_queue('test_b', max_concurrency => 2, max_depth => 100, on_full => 'drop_oldest',
	isolate => true, history => 'failures', retention => '1 day', description => 'with everything') >= 10 AS is_an_id;
SELECT * FROM test_queue('test_b') \gx

-- errors
SELECT jadugar.create_queue(NULL);
SELECT jadugar.create_queue('');
SELECT jadugar.create_queue(repeat('x', 256));
SELECT jadugar.create_queue(E'two\nlines');
SELECT jadugar.create_queue(' test');
SELECT jadugar.create_queue('test_a');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.create_queue('default');
SELECT jadugar.create_queue('test_c', max_concurrency => 0);
SELECT jadugar.create_queue('test_c', max_concurrency => -1);
SELECT jadugar.create_queue('test_c', max_depth => 0);
SELECT jadugar.create_queue('test_c', on_full => 'explode');
SELECT jadugar.create_queue('test_c', history => 'some');
SELECT jadugar.create_queue('test_c', retention => '0');
SELECT jadugar.create_queue('test_c', retention => '-1 day');
SELECT count(*) FROM test_queue('test_c');
SELECT jadugar.create_queue(repeat('q', 255)) >= 10 AS is_an_id;
SELECT jadugar.drop_queue(repeat('q', 255));

-- alter_queue: null keeps a value, reset restores the default
SELECT jadugar.alter_queue('test_a', max_concurrency => 7, description => 'changed');
SELECT jadugar.alter_queue('test_b', on_full => 'reject', reset => '{max_concurrency,isolate,retention,history}');
SELECT * FROM test_queue('test_a') \gx
SELECT * FROM test_queue('test_b') \gx
SELECT jadugar.alter_queue('test_a', reset => '{size}');
SELECT jadugar.alter_queue('test_a', max_depth => 5, reset => '{max_depth}');
SELECT jadugar.alter_queue('test_a', reset => '{NULL}');
SELECT jadugar.alter_queue('nowhere', max_depth => 5);
SELECT jadugar.enqueue('SELECT 1', queue => 'nowhere');
SELECT jadugar.enqueue('SELECT 1', queue => '');
SELECT jadugar.alter_queue(NULL);
SELECT jadugar.alter_queue('default', max_concurrency => 1);

-- a queue of another role
SET ROLE test_queue_other;
SELECT jadugar.alter_queue('test_a', max_concurrency => 1);
SELECT jadugar.pause_queue('test_a');
SELECT jadugar.drop_queue('test_a');
SELECT jadugar.set_limit('queue', 'test_a', 1);
SELECT jadugar.grant_queue('test_a', 'test_queue_other');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_a');
SET ROLE test_queue_owner;
SELECT jadugar.grant_queue('test_a', 'test_queue_other');
SELECT jadugar.grant_queue('test_a', 'test_queue_other');
SELECT jadugar.grant_queue('test_a', 'test_queue_other', 'own');
SELECT jadugar.grant_queue('test_a', 'public');
SELECT jadugar.grant_queue('test_a', 'no such role');

-- tasks wait in a paused queue
SELECT jadugar.pause_queue('test_a');
SELECT jadugar.pause_queue('test_a');
SELECT paused, paused_by FROM test_queue('test_a');
SET ROLE test_queue_other;
SELECT * FROM jadugar.queue_grants;
SELECT jadugar.create_queue('test_a');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_a') AS id \gset
SELECT status, queue FROM jadugar.tasks WHERE task_id = :id;
SET ROLE test_queue_owner;
SELECT jadugar.revoke_queue('test_a', 'test_queue_other');
SELECT jadugar.revoke_queue('test_a', 'test_queue_other');
SELECT jadugar.drop_queue('test_a');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.resume_queue('test_a');
SET ROLE test_queue_other;
SELECT status FROM jadugar.wait(:id, '30 seconds');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_a');

-- operators may change any queue, and only they may change the default queue
SET ROLE test_queue_operator;
SELECT jadugar.alter_queue('test_a', max_concurrency => 3);
SELECT jadugar.alter_queue('default', max_concurrency => 50);
SELECT max_concurrency FROM test_queue('default');
SELECT jadugar.set_limit('queue', 'default');
SELECT max_concurrency FROM test_queue('default');
SELECT jadugar.drop_queue('default');

-- adding and removing max_depth counts existing tasks
SET ROLE test_queue_owner;
SELECT jadugar.pause_queue('test_b');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_b') AS id1 \gset
SELECT jadugar.enqueue('SELECT 1', queue => 'test_b') AS id2 \gset
RESET ROLE;
SELECT bool_and(bounded) FROM jadugar_internal.task WHERE task_id IN (:id1, :id2);
SELECT jadugar.alter_queue('test_b', reset => '{max_depth}');
SELECT bool_or(bounded) FROM jadugar_internal.task WHERE task_id IN (:id1, :id2);
SELECT jadugar.alter_queue('test_b', max_depth => 2);
SELECT bool_and(bounded) FROM jadugar_internal.task WHERE task_id IN (:id1, :id2);
SET ROLE test_queue_owner;
SELECT jadugar.enqueue('SELECT 1', queue => 'test_b');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.cancel(:id1), jadugar.cancel(:id2);

-- limits
SELECT jadugar.set_limit('queue', 'test_b', 4);
SELECT max_concurrency FROM test_queue('test_b');
SELECT jadugar.set_limit('queue', 'test_b');
SELECT max_concurrency FROM test_queue('test_b');
SELECT jadugar.set_limit('key', 'customer-1', 3);
SELECT jadugar.set_limit('key', 'customer-1', 2);
SELECT jadugar.set_limit('key', 'customer-2', 5, owner => 'test_queue_other');
SELECT jadugar.set_limit('key', 'customer-1', 0);
SELECT jadugar.set_limit('key', '', 1);
SELECT jadugar.set_limit('tenant', 'a', 1);
SELECT jadugar.set_limit('queue', 'test_b', 1, owner => 'test_queue_other');
SELECT jadugar.set_limit('queue', 'nowhere', 1);
SELECT jadugar.set_limit(NULL, 'a');
SELECT jadugar.set_limit('key', NULL);
RESET ROLE;
SELECT owner::regrole, name, max_concurrency FROM jadugar_internal.limit_of ORDER BY name;
SET ROLE test_queue_owner;
SELECT * FROM jadugar.limits ORDER BY scope, name;
SET ROLE test_queue_other;
SELECT * FROM jadugar.limits;
SET ROLE test_queue_operator;
SELECT jadugar.set_limit('key', 'customer-1', owner => 'test_queue_owner');
SELECT jadugar.set_limit('key', 'customer-1', owner => 'test_queue_owner');
RESET ROLE;
SELECT count(*) FROM jadugar_internal.limit_of;

-- a queue that a handler uses cannot be dropped
SET ROLE test_queue_owner;
SELECT jadugar.register_sql_handler('test_queue_handler', 'SELECT 1', queue => 'test_a');
SELECT jadugar.drop_queue('test_a');
SELECT jadugar.drop_handler('test_queue_handler');
SELECT jadugar.drop_queue('test_a');
SELECT jadugar.drop_queue('test_b');
SELECT jadugar.drop_queue('test_b');
SELECT jadugar.drop_queue(NULL);
SELECT jadugar.pause_queue(NULL);
SELECT jadugar.resume_queue('nowhere');

RESET ROLE;
DROP FUNCTION test_queue(text);
SELECT jadugar.revoke_access('test_queue_owner');
SELECT jadugar.revoke_access('test_queue_other');
SELECT jadugar.revoke_access('test_queue_operator');
DROP ROLE test_queue_owner, test_queue_other, test_queue_operator;
