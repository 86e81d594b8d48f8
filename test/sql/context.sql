-- Functions that a task can call while it runs: current_task(), progress(), log(),
-- snooze(), discard().
\i test/include/helpers.sql

CREATE SCHEMA ctx;
SET search_path = ctx;

-- Outside a task
SELECT * FROM jadugar.current_task();
SELECT test.error_of('SELECT jadugar.progress(0.5)');
SELECT test.error_of('SELECT jadugar.snooze(''1 s'')');
SELECT test.error_of('SELECT jadugar.discard(''no'')');
SELECT jadugar.log('Info', 'outside', '{"a": 1}');
SELECT task_id, attempt, owner = current_user AS mine, level, message, fields
FROM jadugar.logs WHERE message = 'outside';
SELECT test.error_of('SELECT jadugar.log(NULL, ''x'')');
SELECT test.error_of('SELECT jadugar.log(''info'', NULL)');
SELECT test.error_of('SELECT jadugar.log(''loud'', ''x'')');
SELECT test.error_of('SELECT jadugar.log(''info'', ''x'', ''[1]'')');
BEGIN;
SELECT jadugar.log('info', 'rolled back');
ROLLBACK;
SELECT count(*) FROM jadugar.logs WHERE message = 'rolled back';
SELECT jadugar.log('debug', repeat('ä', 40000));
SELECT octet_length(message) <= 65536 AS capped, right(message, 29) AS the_end
FROM jadugar.logs WHERE level = 'debug';

-- In a task
SELECT jadugar.enqueue(
	'SELECT task_id, attempt, payload, schedule, scheduled_for, trace, tenant, owner, deadline > now() AS bound
	 FROM jadugar.current_task()',
	'{"city": "Agra"}', trace => 'abc', tenant => 'acme', timeout => '1 min') AS id \gset
SELECT status, (result->>'task_id')::bigint = task_id AS id_is_right,
	result->>'owner' = owner AS owner_is_right,
	result - 'task_id' - 'owner' AS rest
FROM jadugar.wait(:id, '30 s');

SELECT jadugar.schedule('ctx nightly', 'manual',
	'SELECT schedule, scheduled_for, payload, deadline FROM jadugar.current_task()', '{"a": 1}') > 0 AS scheduled;
SELECT jadugar.run_now('ctx nightly', '{"b": 2}') AS id \gset
SELECT status, name, schedule, result FROM jadugar.wait(:id, '30 s');
SELECT jadugar.unschedule('ctx nightly');

-- Progress is visible to other sessions while the transaction is open
SELECT pg_advisory_lock(7777);
SELECT jadugar.enqueue(
	'SELECT jadugar.progress(0.25, ''a quarter''); SELECT pg_advisory_xact_lock(7777)') AS id \gset
CALL test.wait_until(format('SELECT progress = 0.25 AND blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :id));
SELECT progress, message, attempt, phase, elapsed > '0' AS elapsed, deadline,
	blocked_by = ARRAY[pg_backend_pid()] AS blocked_by_us, statement <> '' AS statement, wait_event_type
FROM jadugar.running WHERE task_id = :id;
SELECT status, attempt, progress, message, started_at IS NOT NULL AS started, waiting_for
FROM jadugar.tasks WHERE task_id = :id;
SELECT state, task_id = :id AS at_it FROM jadugar.workers WHERE task_id IS NOT NULL;
SELECT pg_advisory_unlock(7777);
SELECT status, progress FROM jadugar.wait(:id, '30 s');

-- Invalid arguments in a task
CREATE FUNCTION errors() RETURNS text[] LANGUAGE sql VOLATILE SET search_path = ctx AS $$
	SELECT array_agg(test.error_of(s) ORDER BY n) FROM unnest(ARRAY[
		'SELECT jadugar.progress(NULL)',
		'SELECT jadugar.progress(''NaN'')',
		'SELECT jadugar.progress(1.01)',
		'SELECT jadugar.progress(-0.01)',
		'SELECT jadugar.snooze(NULL)',
		'SELECT jadugar.snooze(''-1 s'')',
		'SELECT jadugar.discard(NULL)']) WITH ORDINALITY u(s, n) $$;
SELECT jadugar.enqueue('SELECT ctx.errors() AS e') AS id \gset
SELECT jsonb_array_elements_text(result->'e') FROM jadugar.wait(:id, '30 s');

-- Log entries and warnings of a task are kept when it fails
SELECT jadugar.enqueue($$
	SELECT jadugar.log('notice', 'before the end', '{"n": 1}');
	DO 'BEGIN RAISE WARNING ''watch out''; END';
	SELECT 1/0$$) AS id \gset
SELECT status, error_code, sqlstate, error->>'message' AS message FROM jadugar.wait(:id, '30 s');
SELECT attempt, level, message, fields FROM jadugar.logs WHERE task_id = :id ORDER BY log_id;

-- snooze(): rolled back, uncharged, again later
CREATE SEQUENCE runs;
CREATE TABLE trail (n bigint);
SELECT jadugar.enqueue($$DO '
	DECLARE n bigint := nextval(''ctx.runs'');
	BEGIN
		INSERT INTO ctx.trail VALUES (n);
		IF n < 3 THEN
			PERFORM jadugar.snooze(''20 ms'');
		END IF;
	END'$$) AS id \gset
SELECT status, attempt FROM jadugar.wait(:id, '30 s');
SELECT * FROM trail;
SELECT status, attempt, final FROM jadugar.history WHERE task_id = :id;

-- A task that catches the error of snooze() completes
SELECT jadugar.enqueue($$DO 'BEGIN PERFORM jadugar.snooze(''1 h''); EXCEPTION WHEN OTHERS THEN NULL; END'$$) AS id \gset
SELECT status FROM jadugar.wait(:id, '30 s');

-- discard(): failed without a retry
SELECT jadugar.enqueue($$SELECT jadugar.discard('no such customer')$$, retry => jadugar.retry_policy(5)) AS id \gset
SELECT status, attempt, error_code, reason FROM jadugar.wait(:id, '30 s');
SELECT attempt, reason FROM jadugar.failures WHERE task_id = :id;
-- each task of a group has its own reason
SELECT jadugar.enqueue_batch($$SELECT jadugar.discard($1 ->> 'why')$$,
	(SELECT array_agg(jsonb_build_object('why', 'reason ' || n)) FROM generate_series(100, 160) n)) AS id \g /dev/null
CALL test.wait_until($$SELECT count(*) = 61 FROM jadugar.history WHERE payload ? 'why'$$);
SELECT payload, reason FROM jadugar.history WHERE payload ? 'why' AND reason IS DISTINCT FROM payload ->> 'why';

-- a task that raises the codes of snooze() and discard() itself has failed
SELECT jadugar.enqueue($$DO 'BEGIN RAISE SQLSTATE ''JDZ01''; END'$$, retry => jadugar.retry_policy(1)) AS id \gset
SELECT status, attempt, sqlstate, error ->> 'message' AS message FROM jadugar.wait(:id, '30 s');
SELECT jadugar.enqueue($$DO 'BEGIN RAISE SQLSTATE ''JDZ02''; END'$$, retry => jadugar.retry_policy(1)) AS id \gset
SELECT status, attempt, sqlstate, error ->> 'message' AS message FROM jadugar.wait(:id, '30 s');
SELECT status FROM jadugar.run_task($$DO 'BEGIN RAISE SQLSTATE ''JDZ01''; END'$$);

DROP SCHEMA ctx CASCADE;
