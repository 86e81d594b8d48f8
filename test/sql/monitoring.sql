-- Views, functions that read, wait(), and visibility for each level.
\i test/include/helpers.sql

CREATE SCHEMA mon;
GRANT USAGE ON SCHEMA mon TO PUBLIC;

-- Internal functions that the views call with the privileges of the reader.
CREATE FUNCTION mon.slots() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM jadugar_internal._v_slots());
CREATE FUNCTION mon.workers() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM jadugar_internal._v_workers());

CALL test.create_role('mon_ann');
CALL test.create_role('mon_bob');
CALL test.create_role('mon_watch', 'monitor');
CALL test.create_role('mon_op', 'operator');
CREATE ROLE mon_none LOGIN;

-- The columns that users rely on
SELECT c.relname AS view, string_agg(a.attname, ', ' ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind = 'v'
GROUP BY c.relname ORDER BY c.relname;
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = 'jadugar.task_info'::regclass AND attnum > 0 ORDER BY attnum;

-- Every view is a barrier
SELECT c.relname FROM pg_class c
WHERE c.relnamespace IN ('jadugar'::regnamespace, 'jadugar_internal'::regnamespace) AND c.relkind = 'v'
	AND NOT coalesce('security_barrier=true' = ANY (c.reloptions), false);

-- Statuses
SET ROLE mon_ann;
SELECT jadugar.enqueue('SELECT 1 AS one', '{"secret": "ann"}', delay => '1 h', metadata => '{"a": 1, "b": 2}',
	tenant => 'acme', unique_key => 'u1', concurrency_key => 'k1', priority => 7, trace => 't1') AS later \gset
SELECT jadugar.enqueue('SELECT 2 AS two', depends_on => ARRAY[:later]) AS waits \gset
SELECT jadugar.enqueue('SELECT 3 AS three', '{"secret": "ann"}') AS done \gset
SELECT jadugar.enqueue('SELECT 1/0', '{"secret": "ann"}') AS failed \gset
SELECT status, result FROM jadugar.wait(:done, '30 s');
SELECT status, error_code, sqlstate, error->>'message' AS message FROM jadugar.wait(:failed, '30 s');
SELECT name, command, status, waiting_for, queue, priority, payload, owner, tenant, attempt, max_attempts,
	run_at > created_at AS ahead, started_at, progress, message, schedule, unique_key, concurrency_key,
	depends_on = ARRAY[:later]::bigint[] AS depends_on_it, metadata, trace
FROM jadugar.tasks ORDER BY task_id;
SELECT kind, task_id = :later AS it, at > now() AS ahead, command, owner FROM jadugar.upcoming;
SELECT command, status, final, attempt, payload, result, error_code, sqlstate, duration >= '0' AS duration,
	worker_pid IS NOT NULL AS pid
FROM jadugar.history ORDER BY task_id;
SELECT command, attempt, error_code, sqlstate, message FROM jadugar.failures;
SELECT name, ready, scheduled, running, waiting, paused_tasks, oldest_ready_age, paused FROM jadugar.queues;

-- Functions that read
SELECT status, payload, metadata, finished_at FROM jadugar.get_task(:later);
SELECT status, result, finished_at IS NOT NULL AS finished, duration >= '0' AS took FROM jadugar.get_task(:done);
SELECT jadugar.result(:done), jadugar.result(:failed);
SELECT test.error_of('SELECT jadugar.result(-1)');
SELECT split_part(test.error_of(format('SELECT jadugar.result(%s)', :later)), E'\n', 2);
SELECT test.error_of('SELECT jadugar.get_task(-1)');
SELECT test.error_of('SELECT jadugar.get_task(NULL)');
SELECT test.error_of('SELECT jadugar.result(NULL)');

SELECT command FROM jadugar.list_tasks();
SELECT command FROM jadugar.list_tasks(status => 'scheduled');
SELECT command FROM jadugar.list_tasks(status => 'pending');
SELECT command FROM jadugar.list_tasks(status => 'completed');
SELECT command FROM jadugar.list_tasks(status => 'failed');
SELECT command, status FROM jadugar.list_tasks(finished_from => now() - interval '1 h');
SELECT command, status FROM jadugar.list_tasks(finished_to => now() - interval '1 h');
SELECT command FROM jadugar.list_tasks(tenant => 'acme', unique_key => 'u1', owner => 'mon_ann', queue => 'default');
SELECT command FROM jadugar.list_tasks(metadata => '{"a": 1}');
SELECT command FROM jadugar.list_tasks(metadata => '{"a": 2}');
SELECT command FROM jadugar.list_tasks(after_id => :later);
SELECT command FROM jadugar.list_tasks(max_rows => 1);
SELECT count(*) FROM jadugar.list_tasks(max_rows => 0);
SELECT count(*) FROM jadugar.list_tasks(queue => 'nowhere', max_rows => NULL);
SELECT jadugar.count_tasks() AS unfinished, jadugar.count_tasks(status => 'failed') AS failed,
	jadugar.count_tasks(finished_from => '-infinity') AS finished;
SELECT test.error_of('SELECT * FROM jadugar.list_tasks(status => ''gone'')');
SELECT test.error_of('SELECT * FROM jadugar.list_tasks(max_rows => -1)');
SELECT test.error_of('SELECT * FROM jadugar.list_tasks(finished_from => ''2026-01-02 00:00+00'', finished_to => ''2026-01-01 00:00+00'')');
SELECT test.error_of('SELECT jadugar.count_tasks(status => '''')');

-- wait()
SELECT status FROM jadugar.wait(:later, '0');
SELECT status FROM jadugar.wait(:later, '50 ms');
SELECT status FROM jadugar.wait(:done);
SELECT test.error_of('SELECT jadugar.wait(-1)');
SELECT test.error_of('SELECT jadugar.wait(NULL)');
SELECT test.error_of(format('SELECT jadugar.wait(%s, ''-1 s'')', :later));
BEGIN;
SELECT jadugar.enqueue('SELECT 1') AS mine \gset
SELECT regexp_replace(test.error_of(format('SELECT jadugar.wait(%s)', :mine)), 'task \d+', 'task N');
SAVEPOINT s;
SELECT jadugar.enqueue('SELECT 1') AS mine \gset
SELECT regexp_replace(test.error_of(format('SELECT jadugar.wait(%s)', :mine)), 'task \d+', 'task N');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT regexp_replace(test.error_of(format('SELECT jadugar.wait(%s)', :later)), 'task \d+', 'task N');
SELECT status FROM jadugar.wait(:done);
COMMIT;

-- wait() is notified, and does not wait for its next check
SELECT clock_timestamp() AS before \gset
SELECT jadugar.enqueue('SELECT pg_sleep(0.3)') AS id -- waits-for-time: wait() has to find it unfinished
\gset
SELECT status FROM jadugar.wait(:id, '30 s');
SELECT clock_timestamp() - :'before'::timestamptz < '4 s' AS woken;

-- Reasons why a pending task waits
RESET ROLE;
SELECT jadugar.create_queue('mon_one', max_concurrency => 1) \g /dev/null
SELECT jadugar.grant_queue('mon_one', 'mon_ann', 'enqueue') \g /dev/null
SELECT pg_advisory_lock(7778);
SET ROLE mon_ann;
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock(7778)', queue => 'mon_one', concurrency_key => 'k2') AS holder \gset
CALL test.wait_until(format('SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = %s', :holder));
SELECT jadugar.enqueue('SELECT 5', queue => 'mon_one') AS limited \gset
SELECT jadugar.enqueue('SELECT 6', concurrency_key => 'k2') AS keyed \gset
SELECT command, status, waiting_for FROM jadugar.tasks WHERE task_id IN (:holder, :limited, :keyed) ORDER BY task_id;
SELECT command, w.owner = 'mon_ann' AS hers FROM jadugar.workers w JOIN jadugar.running USING (pid);
SELECT name, ready, running FROM jadugar.queues WHERE name = 'mon_one';
SET ROLE mon_bob;
SELECT (SELECT count(*) FROM jadugar.running) AS running, mon.slots() AS slots,
	(SELECT count(*) FROM jadugar.workers) AS workers, mon.workers() AS workers2,
	(SELECT count(*) FROM jadugar.queues WHERE name = 'mon_one') AS queues;
SET ROLE mon_watch;
SELECT command, status, owner FROM jadugar.tasks JOIN jadugar.running USING (task_id, command, owner);
RESET ROLE;
SELECT pg_advisory_unlock(7778);
SET ROLE mon_ann;
SELECT status FROM jadugar.wait(:limited, '30 s');
SELECT status FROM jadugar.wait(:keyed, '30 s');

-- Another user cannot see the tasks
SET ROLE mon_bob;
SELECT (SELECT count(*) FROM jadugar.tasks) AS tasks, (SELECT count(*) FROM jadugar.history) AS history,
	(SELECT count(*) FROM jadugar.finished) AS finished,
	(SELECT count(*) FROM jadugar.failures) AS failures, (SELECT count(*) FROM jadugar.workers) AS workers,
	(SELECT count(*) FROM jadugar.upcoming) AS upcoming, (SELECT count(*) FROM jadugar.logs) AS logs,
	mon.slots() AS slots,
	(SELECT sum(scheduled) FROM jadugar.queues) AS counted;
SELECT regexp_replace(test.error_of(format('SELECT jadugar.get_task(%s)', :later)), 'task \d+', 'task N');
SELECT regexp_replace(test.error_of(format('SELECT jadugar.wait(%s)', :later)), 'task \d+', 'task N');
SELECT regexp_replace(test.error_of(format('SELECT jadugar.result(%s)', :done)), 'task \d+', 'task N');
SELECT count(*) FROM jadugar.list_tasks(owner => 'mon_ann');

-- a member of the role can
RESET ROLE;
GRANT mon_ann TO mon_bob;
SET ROLE mon_bob;
SELECT command, payload FROM jadugar.tasks ORDER BY task_id;
RESET ROLE;
REVOKE mon_ann FROM mon_bob;

-- A monitor sees the tasks without contents, an operator with them
SET ROLE mon_watch;
SELECT command, status, payload, metadata FROM jadugar.tasks WHERE owner = 'mon_ann' ORDER BY task_id;
SELECT command, status, payload, result, error, sqlstate FROM jadugar.history WHERE owner = 'mon_ann' ORDER BY task_id;
SELECT command, message, error FROM jadugar.failures WHERE owner = 'mon_ann';
SELECT payload, result FROM jadugar.get_task(:done);
SELECT jadugar.result(:done);
SELECT count(*) FROM jadugar.list_tasks(metadata => '{"a": 1}');
SET ROLE mon_bob;
SELECT test.error_of('SELECT jadugar.reset_stats()');
SET ROLE mon_op;
SELECT command, status, payload, metadata FROM jadugar.tasks WHERE owner = 'mon_ann' ORDER BY task_id;
SELECT command, status, payload, result, error->>'message' AS error FROM jadugar.history WHERE owner = 'mon_ann' ORDER BY task_id;
SELECT jadugar.result(:done);
RESET ROLE;

-- A role without access
SET ROLE mon_none;
SELECT test.error_of('SELECT * FROM jadugar.tasks');
SELECT test.error_of('SELECT * FROM jadugar.list_tasks()');
RESET ROLE;

-- No level permits reading the tables
SET ROLE mon_op;
SELECT test.error_of('SELECT * FROM jadugar_internal.task');
SELECT test.error_of('DELETE FROM jadugar.tasks');
SELECT test.error_of('SELECT * FROM jadugar_internal.attempt');
RESET ROLE;

-- A barrier: a cheap function of the reader sees no row of another role
SET ROLE mon_bob;
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$BEGIN RAISE WARNING 'leaked %', $1; RETURN true; END$$;
SELECT count(*) FROM jadugar.tasks WHERE pg_temp.leak(command);
SELECT count(*) FROM jadugar.history WHERE pg_temp.leak(command);
DROP FUNCTION pg_temp.leak;
RESET ROLE;

-- A search by id uses an index, and reads no whole table
SET ROLE mon_ann;
CREATE FUNCTION pg_temp.scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Seq Scan on (task|run|attempt_\d+|dependency)\M' THEN RETURN NEXT line; END IF;
	END LOOP;
END $$;
SET enable_seqscan = off;
SELECT pg_temp.scans('SELECT * FROM jadugar.tasks WHERE task_id = 1');
SELECT pg_temp.scans('SELECT * FROM jadugar.finished WHERE task_id = 1');
SELECT pg_temp.scans('SELECT * FROM jadugar.history WHERE task_id = 1');

-- The newest rows are read in order, and a range of time by its bounds, also if
-- the planner does not know them.  It knows the few rows there are, and that
-- reading more of an index costs more.
RESET ROLE;
ANALYZE jadugar_internal.attempt;
SET ROLE mon_ann;
CREATE FUNCTION pg_temp.plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ pattern THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SET enable_sort = off;
SELECT pg_temp.plan_has('SELECT * FROM jadugar.history ORDER BY finished_at DESC LIMIT 10', 'Sort') AS sorts;
RESET enable_sort;
SET plan_cache_mode = force_generic_plan;
SET cpu_index_tuple_cost = 1;
PREPARE ended(timestamptz) AS SELECT count(*) FROM jadugar.list_tasks(finished_from => $1);
SELECT pg_temp.plan_has('EXECUTE ended(now())', 'Index Cond: .*finished_at >= ') AS by_bound;
DEALLOCATE ended;
RESET cpu_index_tuple_cost;
RESET plan_cache_mode;
RESET enable_seqscan;
DROP FUNCTION pg_temp.scans, pg_temp.plan_has;
RESET ROLE;

-- A paused queue; a role that cannot log in and has no worker yet
SELECT jadugar.create_queue('mon_q') \g /dev/null
SELECT jadugar.grant_queue('mon_q', 'mon_bob', 'enqueue') \g /dev/null
SELECT jadugar.pause_queue('mon_q') \g /dev/null
SET ROLE mon_bob;
SELECT jadugar.enqueue('SELECT 4', queue => 'mon_q') AS held \gset
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :held;
SELECT name, ready, oldest_ready_age >= '0' AS age, paused FROM jadugar.queues ORDER BY name;
RESET ROLE;
SELECT severity, what FROM jadugar.health
WHERE what IN ('library', 'enabled', 'scheduler', 'identity', 'paused', 'queue_paused') ORDER BY what COLLATE "C";
ALTER ROLE mon_bob NOLOGIN;
SELECT jadugar.resume_queue('mon_q') \g /dev/null
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :held;
SELECT severity, what, detail, hint FROM jadugar.health WHERE what = 'owner_nologin';
SELECT jadugar.cancel(:held);
SELECT status, attempt FROM jadugar.get_task(:held);
SELECT count(*) FROM jadugar.health WHERE what = 'owner_nologin';
ALTER ROLE mon_bob LOGIN;

-- All queues paused
-- drain() keeps the pause that is in force
SELECT jadugar.pause_all('window', now() + interval '1 hour');
CALL jadugar.drain(timeout => '20 s');
SELECT pause_reason, paused_until BETWEEN now() AND now() + interval '1 hour' AS limited FROM jadugar_internal.control;
SELECT jadugar.resume_all();
CALL jadugar.drain(timeout => '20 s');
SELECT pause_reason, paused_until FROM jadugar_internal.control;
SELECT jadugar.pause_all(reason => 'maintenance');
SET ROLE mon_ann;
SELECT jadugar.enqueue('SELECT 8') AS id \gset
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :id;
SELECT severity, detail ~ '^paused by postgres since .*: maintenance$' AS says_why, hint
FROM jadugar.health WHERE what = 'paused';
RESET ROLE;
SELECT jadugar.resume_all();
SET ROLE mon_ann;
SELECT status FROM jadugar.wait(:id, '30 s');

-- Schedules
SET ROLE mon_ann;
SELECT jadugar.schedule('mon yearly', '0 0 1 1 *', 'SELECT 7', '{"secret": "ann"}', timezone => 'UTC') > 0 AS scheduled;
SELECT name, timing, timezone, command, payload, owner, enabled, paused, next_run_at > now() AS ahead, last_run_at, last_status,
	runs, failures, missed, overlap, misfire, queue, priority, transaction, completed FROM jadugar.schedules;
SELECT kind, name, command FROM jadugar.upcoming WHERE kind = 'schedule';
SELECT jadugar.pause_schedule('mon yearly');
SELECT paused, next_run_at FROM jadugar.schedules;
SELECT count(*) FROM jadugar.upcoming WHERE kind = 'schedule';
SET ROLE mon_bob;
SELECT count(*) FROM jadugar.schedules;
SET ROLE mon_watch;
SELECT name, payload FROM jadugar.schedules WHERE owner = 'mon_ann';
SET ROLE mon_ann;
SELECT jadugar.unschedule('mon yearly');
RESET ROLE;

-- Counters
SELECT enqueued > 0 AS enqueued, completed > 0 AS completed, failed > 0 AS failed, commits > 0 AS commits,
	run_p50 <= run_p99 AS ordered, cardinality(wait_histogram) AS n, reset_at <= now() AS reset
FROM jadugar.stats;
SELECT jadugar.reset_stats();
SELECT completed, failed, reset_at > now() - interval '1 min' AS reset FROM jadugar.stats;
SELECT count(*), min(sqlstate), max(sqlstate) FROM jadugar.error_codes;

-- Why a task waits for its next attempt, for those who may read its payload
SET ROLE mon_ann;
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''try later''; END'$$,
	retry => jadugar.retry_policy(3, delay => '1 h', max_delay => '1 h')) AS again \gset
CALL test.wait_until(format($$SELECT status = 'scheduled' AND attempt = 1 FROM jadugar.tasks WHERE task_id = %s$$, :again));
SELECT attempt, last_error FROM jadugar.tasks WHERE task_id = :again;
SELECT kind, last_error FROM jadugar.upcoming WHERE task_id = :again;
SELECT count(*) FROM jadugar.tasks WHERE task_id <> :again AND last_error IS NOT NULL;
SET ROLE mon_watch;
SELECT attempt, last_error FROM jadugar.tasks WHERE task_id = :again;
SELECT kind, last_error FROM jadugar.upcoming WHERE task_id = :again;
SET ROLE mon_op;
SELECT attempt, last_error FROM jadugar.tasks WHERE task_id = :again;
SELECT jadugar.cancel(:again);
RESET ROLE;

-- A dropped owner: its OID replaces its name, and only operators and monitors see
-- its rows
SET ROLE mon_ann;
SELECT jadugar.cancel(:waits), jadugar.cancel(:later);
SELECT status, attempt FROM jadugar.list_tasks(status => 'cancelled');
RESET ROLE;
SELECT jadugar.drop_queue('mon_q'), jadugar.drop_queue('mon_one') \g /dev/null
SELECT jadugar.revoke_access('mon_ann') \g /dev/null
SELECT 'mon_ann'::regrole::oid AS ann \gset
DROP ROLE mon_ann;
SELECT owner = :'ann' AS by_number FROM jadugar.history WHERE task_id = :done;
SET ROLE mon_bob;
SELECT count(*) FROM jadugar.history WHERE task_id = :done;
SET ROLE mon_op;
SELECT count(*) FROM jadugar.history WHERE task_id = :done;
SET ROLE mon_watch;
SELECT command, payload FROM jadugar.history WHERE task_id = :done;
RESET ROLE;

DROP SCHEMA mon CASCADE;
SELECT jadugar.revoke_access(r) FROM unnest('{mon_bob,mon_watch,mon_op}'::text[]) r \g /dev/null
DROP ROLE mon_bob, mon_watch, mon_op, mon_none;
