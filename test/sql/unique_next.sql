-- A unique key of two tasks: one that runs, and one that waits for its end.
\i test/include/helpers.sql

CALL test.create_role('un_ann');
CALL test.create_role('un_bob');
-- Shows the unfinished tasks of a key: their tenants, and for which of them each waits.
CREATE FUNCTION test.of_key(key text) RETURNS TABLE (tenant text, status text, waiting_for text, after text)
LANGUAGE sql AS $$
	SELECT t.tenant, t.status, t.waiting_for, (SELECT string_agg(p.tenant, ',' ORDER BY p.task_id) FROM jadugar.tasks p WHERE p.task_id = ANY (t.depends_on))
	FROM jadugar.tasks t WHERE t.unique_key = key ORDER BY t.task_id $$;
-- Enqueues a task that runs until the lock 7790 is free, and waits until it runs.
CREATE PROCEDURE test.run_blocked(key text, options text DEFAULT '')
LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	EXECUTE format('SELECT jadugar.enqueue(%L, unique_key => %L, tenant => %L %s)',
		'SELECT pg_advisory_xact_lock_shared(7790)', key, 'first', options) INTO id;
	COMMIT;
	CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', id));
END
$$;
-- Enqueues a task, and returns the tenant of the task whose id enqueue() returned.
CREATE FUNCTION test.next(key text, tenant text, how text DEFAULT 'next') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	id bigint := jadugar.enqueue('SELECT 2', unique_key => next.key, tenant => next.tenant, on_conflict => how);
BEGIN
	RETURN (SELECT t.tenant FROM jadugar.get_task(id) t);
END
$$;
CREATE PROCEDURE test.ended(label text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('EXISTS (SELECT FROM jadugar.history h WHERE h.tenant = %L AND h.final)', label));
END
$$;
-- Shows the ends of tasks of a tenant, in order, and whether each began after the end of the one before.
CREATE FUNCTION test.ends(VARIADIC labels text[]) RETURNS TABLE (tenant text, status text, later boolean)
LANGUAGE sql AS $$
	SELECT h.tenant, h.status, h.started_at >= lag(h.finished_at) OVER (ORDER BY h.attempt_id)
	FROM jadugar.history h WHERE h.tenant = ANY (labels) AND h.final ORDER BY h.attempt_id $$;
GRANT ALL ON ALL ROUTINES IN SCHEMA test TO PUBLIC;

-- A key that is free, and a task that waits: it is the next one
SET ROLE un_ann;
SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', tenant => 'u1', delay => '1 h', on_conflict => 'next') AS u \gset
SELECT test.next('u', 'u2');
SELECT * FROM test.of_key('u');
SELECT jadugar.pause_task(:u);
SELECT test.next('u', 'u2');
SELECT jadugar.cancel(:u);

-- One waits for the one that runs
RESET ROLE;
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
CALL test.run_blocked('a');
SELECT test.next('a', 'second');
SELECT * FROM test.of_key('a');
SELECT test.next('a', 'third');
SELECT test.next('a', 'third', 'return');
SELECT test.short_error_of($$SELECT test.next('a', 'third', 'error')$$);
SELECT test.next('a', 'third', 'replace');
SELECT test.next('a', 'third', 'reschedule');
SELECT * FROM test.of_key('a');
RESET ROLE;
SELECT pg_advisory_unlock(7790);
CALL test.ended('third');
SELECT * FROM test.ends('first', 'third');

-- Without one that waits, the other ways name this one
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
CALL test.run_blocked('b');
SELECT test.error_of($$SELECT test.next('b', 'b2', 'replace')$$) ~ 'on_conflict => ''next''' AS hint;
-- It waits for other tasks, too, whose failure counts; that of the running one does not
SELECT jadugar.enqueue('SELECT 1', tenant => 'other', delay => '1 h') AS other \gset
SELECT jadugar.enqueue('SELECT 2', unique_key => 'b', tenant => 'b2', on_conflict => 'next', depends_on => ARRAY[:other]) AS b2 \gset
SELECT * FROM test.of_key('b');
SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE unique_key = 'b' AND tenant = 'first';
CALL test.wait_until($$SELECT count(*) = 1 FROM test.of_key('b')$$);
SELECT * FROM test.of_key('b');
SELECT jadugar.update_task(:other, run_at => now());
SELECT status FROM jadugar.wait(:b2, '30 s');

-- The one that waits is cancelled: the running one has the key
CALL test.run_blocked('c');
SELECT test.next('c', 'c2');
SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE tenant = 'c2';
SELECT test.next('c', 'c3', 'return');
SELECT test.short_error_of($$SELECT test.next('c', 'c3', 'error')$$) ~ 'JD005' AS refused;
SELECT test.next('c', 'c3');
SELECT * FROM test.of_key('c');
-- The one that waits is paused: it is still the next one
SELECT jadugar.pause_task(task_id) FROM jadugar.tasks WHERE tenant = 'c3';
SELECT test.next('c', 'c4');
-- The running one is stopped and paused: the next one waits on
SELECT jadugar.resume_task(task_id) FROM jadugar.tasks WHERE tenant = 'c3';
SELECT jadugar.pause_task(task_id) FROM jadugar.tasks WHERE unique_key = 'c' AND tenant = 'first';
CALL test.wait_until($$SELECT status = 'paused' FROM test.of_key('c') WHERE tenant = 'first'$$);
SELECT * FROM test.of_key('c');
SELECT test.next('c', 'c4');
RESET ROLE;
SELECT pg_advisory_unlock(7790);
SET ROLE un_ann;
SELECT jadugar.resume_task(task_id) FROM jadugar.tasks WHERE unique_key = 'c' AND tenant = 'first';
CALL test.ended('c3');
SELECT count(*) FROM test.of_key('c');

-- The running one is retried: the next one waits on; the failed one finds its key taken
RESET ROLE;
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
SELECT jadugar.enqueue($$DO 'BEGIN PERFORM pg_advisory_xact_lock_shared(7790); RAISE EXCEPTION ''no''; END'$$, unique_key => 'd', tenant => 'd1',
	retry => jadugar.retry_policy(2, 'fixed', delay => '1 hour')) AS d1 \gset
CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :d1));
SELECT test.next('d', 'd2');
RESET ROLE;
SELECT pg_advisory_unlock(7790);
SET ROLE un_ann;
CALL test.wait_for_task(:d1, 'scheduled');
SELECT * FROM test.of_key('d');
SELECT test.next('d', 'd3');
SELECT jadugar.update_task(task_id, run_at => now() + interval '1 h') FROM jadugar.tasks WHERE tenant = 'd2';
SELECT jadugar.retry_task(:d1);
CALL test.ended('d1');
CALL test.wait_until($$SELECT status = 'scheduled' FROM test.of_key('d')$$);
SELECT test.short_error_of(format('SELECT jadugar.retry_task(%s)', :d1));
SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE tenant = 'd2';
SELECT jadugar.retry_task(:d1);
SELECT count(*) FROM test.of_key('d');
SELECT jadugar.cancel(:d1);

-- A task that enqueues its successor under its own key
SELECT jadugar.enqueue(format('SELECT jadugar.enqueue(%L, delay => ''1 h'', unique_key => ''self'', tenant => %L, on_conflict => %L)',
	'SELECT 1', 'after ' || how, how), unique_key => 'self', tenant => how) AS id FROM unnest('{return}'::text[]) how \gset
SELECT status, result ->> 'enqueue' = :'id' AS itself FROM jadugar.wait(:id, '30 s');
SELECT * FROM test.of_key('self');
SELECT jadugar.cancel(task_id) FROM jadugar.tasks WHERE unique_key = 'self';
-- likewise for the other ways; a second successor is the first one
SELECT jadugar.enqueue(format($$SELECT (SELECT jadugar.enqueue('SELECT 1', delay => '1 h', unique_key => 'self %1$s', tenant => 'after', on_conflict => %1$L))
	= (SELECT jadugar.enqueue('SELECT 1', delay => '1 h', unique_key => 'self %1$s', tenant => 'again')) AS same$$, how), unique_key => 'self ' || how, tenant => 'self')
FROM unnest('{error,replace,reschedule,next}'::text[]) how \g /dev/null
CALL test.wait_until($$SELECT count(*) = 4 FROM jadugar.finished WHERE tenant = 'self'$$);
SELECT status, result, count(*) FROM jadugar.finished WHERE tenant = 'self' GROUP BY 1, 2;
SELECT tenant, status, count(*) FROM jadugar.tasks WHERE unique_key ~ '^self ' GROUP BY 1, 2;
SELECT count(jadugar.cancel(task_id)) FROM jadugar.tasks WHERE unique_key ~ '^self ';
-- an attempt that fails leaves no successor, and keeps the key
SELECT jadugar.enqueue($$DO 'BEGIN PERFORM jadugar.enqueue(''SELECT 1'', unique_key => ''undone'', tenant => ''after''); RAISE EXCEPTION ''no''; END'$$,
	unique_key => 'undone', tenant => 'undone', retry => jadugar.retry_policy(2, 'fixed', delay => '1 hour')) AS id \gset
CALL test.wait_until(format('SELECT attempt = 1 AND status = ''scheduled'' FROM jadugar.get_task(%s)', :id));
SELECT * FROM test.of_key('undone');
SELECT jadugar.enqueue('SELECT 1', unique_key => 'undone') = :id AS same;
SELECT jadugar.cancel(:id);
-- A standalone command, and a task that has started the run of a flow
RESET ROLE;
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
CALL test.run_blocked('alone', $$, transaction => 'standalone'$$);
SELECT test.next('alone', 'alone2');
SELECT * FROM test.of_key('alone');
RESET ROLE;
SELECT pg_advisory_unlock(7790);
CALL test.ended('alone2');
SET ROLE un_ann;
SELECT jadugar.create_flow('un_flow', jadugar.wait_signal('go')) \g /dev/null
SELECT jadugar.enqueue('un_flow', unique_key => 'flow', tenant => 'flow1') AS id \gset
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.flow_steps WHERE waiting_for = 'signal:go')$$);
SELECT test.short_error_of($$SELECT test.next('flow', 'flow2', 'replace')$$);
SELECT test.next('flow', 'flow2');
SELECT * FROM test.of_key('flow');
SELECT jadugar.signal(run_id, 'go') FROM jadugar.flow_steps WHERE waiting_for = 'signal:go' \g /dev/null
CALL test.ended('flow2');
SELECT * FROM test.ends('flow1', 'flow2');

-- unique_for: holds for the time of the last call that gave one
RESET ROLE;
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
CALL test.run_blocked('for', $$, unique_for => '1 day'$$);
SELECT test.next('for', 'for2');
RESET ROLE;
SELECT pg_advisory_unlock(7790);
CALL test.ended('for2');
SET ROLE un_ann;
SELECT test.next('for', 'for3');

-- The two tasks of a key change their owner together
RESET ROLE;
SELECT pg_advisory_lock(7790);
SET ROLE un_ann;
CALL test.run_blocked('move');
SELECT test.next('move', 'move2');
RESET ROLE;
SELECT kind, problem FROM jadugar.reassign_owned('un_ann', 'un_bob', '{tasks}');
SELECT pg_advisory_unlock(7790);
CALL test.ended('move2');

-- No key is left but the one that unique_for keeps
SELECT key FROM jadugar_internal.unique_key WHERE owner IN ('un_ann'::regrole, 'un_bob'::regrole);
SELECT count(*) FROM jadugar_internal.dependency;

SET client_min_messages = warning;
SELECT jadugar.drop_owned('un_ann') \g /dev/null
DELETE FROM jadugar_internal.unique_key WHERE owner = 'un_ann'::regrole;
DROP FUNCTION test.of_key, test.next, test.ends;
DROP PROCEDURE test.run_blocked, test.ended;
CALL test.drop_roles('un_ann', 'un_bob');
