-- Tasks: enqueueing, order, dependencies, keys, stopping, retrying, reading.
\i test/include/helpers.sql
CALL test.create_role('test_tasks');
GRANT CREATE ON SCHEMA public TO test_tasks;
SET SESSION AUTHORIZATION test_tasks;
CREATE TABLE test_trace (n bigint GENERATED ALWAYS AS IDENTITY, what text);
-- waits for the end of a task
CREATE FUNCTION test_end_of(id bigint, OUT status text, OUT reason text, OUT error_code text, OUT sqlstate text,
	OUT attempt integer, OUT result jsonb)
LANGUAGE sql VOLATILE AS $$
	SELECT w.status, w.reason, w.error_code, w.sqlstate, w.attempt, w.result FROM jadugar.wait(id, '20 s') w
$$;
CREATE FUNCTION test_state(id bigint, OUT status text, OUT waiting_for text)
LANGUAGE sql VOLATILE AS $$ SELECT t.status, t.waiting_for FROM jadugar.get_task(id) t $$;
SELECT jadugar.create_queue('test_q') > 0 AS made;

-- one task: result, history, numbers
SELECT jadugar.enqueue('SELECT $1 ->> ''a'' AS a, 2 AS b', '{"a": "x"}', priority => 3, tenant => 'ten', trace => 'tr',
	metadata => '{"m": 1}') AS id \gset
SELECT * FROM test_end_of(:id);
SELECT status, final, attempt, queue, priority, tenant, trace, metadata, payload, row_count, result, error, owner,
	duration >= '0' AS took, worker_pid IS NOT NULL AS by_worker
FROM jadugar.history WHERE task_id = :id \gx
SELECT jadugar.result(:id);
-- rows of a statement that returns none, and several statements in one command
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) SELECT 'bulk' FROM generate_series(1, 7)$$) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT row_count FROM jadugar.history WHERE task_id = :id;
SELECT jadugar.enqueue($$CREATE TABLE test_several (a integer); INSERT INTO test_several VALUES (1), (2);
	SELECT sum(a) AS total FROM test_several$$) AS id \gset
SELECT * FROM test_end_of(:id);
DROP TABLE test_several;
TRUNCATE test_trace;
-- a literal that depends on a setting is read anew for each task, also by a worker that has run the command before
CREATE TABLE test_literal (setting text, id bigint);
INSERT INTO test_literal SELECT s, jadugar.enqueue(c, settings => s::jsonb)
FROM generate_series(1, 5), unnest(ARRAY['{"TimeZone": "UTC"}', '{"TimeZone": "Asia/Kolkata", "IntervalStyle": "sql_standard"}']) s,
	unnest(ARRAY['SELECT extract(epoch FROM timestamptz ''2024-06-01 12:00'')::bigint AS epoch',
	'SELECT extract(epoch FROM interval ''-1 1:00'')::bigint AS seconds',
	'SELECT timestamptz ''2024-06-01 12:00+00'' = ANY (''{2024-06-01 12:00}'') AS listed']) c;
SELECT setting, e.result, count(*) FROM test_literal, test_end_of(id) e GROUP BY 1, 2 ORDER BY 1, e.result::text;
DROP TABLE test_literal;
-- one of several statements fails: none has an effect
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('gone'); SELECT 1/0$$) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT count(*) FROM test_trace;
-- a result that exceeds jadugar.max_result_size
SELECT jadugar.enqueue($$SELECT repeat('x', 100000) AS x$$) AS id \gset
SELECT status, result ->> 'truncated' AS truncated, (result ->> 'size')::integer > 100000 AS size FROM test_end_of(:id);
-- a task that is rolled back does not exist
BEGIN;
SELECT jadugar.enqueue('SELECT 1') AS id \gset
SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = :id;
SELECT test.short_error_of(format('SELECT jadugar.wait(%s)', :id));
ROLLBACK;
SELECT test.short_error_of(format('SELECT jadugar.get_task(%s)', :id));

-- order: priority, then run_at, then id
SELECT jadugar.pause_queue('test_q');
SELECT * FROM test_state(jadugar.enqueue('SELECT 1', queue => 'test_q', delay => '1 h'));
SELECT count(*) FROM jadugar.enqueue_batch($$INSERT INTO test_trace (what) VALUES ($1 ->> 'n')$$,
	ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}']::jsonb[], queue => 'test_q', concurrency_key => 'order');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', '{}');

-- a batch that is spread
CREATE FUNCTION test_spread(n integer, spread interval, run_at timestamptz DEFAULT '2100-01-01 00:00Z') RETURNS TABLE (k bigint, after interval, state text)
LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[n]), run_at => test_spread.run_at, spread => test_spread.spread));
BEGIN
	RETURN QUERY SELECT i.ord - 1, t.run_at - greatest(test_spread.run_at, t.created_at), t.status
		FROM unnest(ids) WITH ORDINALITY AS i (id, ord) JOIN jadugar.tasks t ON t.task_id = i.id ORDER BY i.ord;
	PERFORM jadugar.cancel_batch(ids);
END $$;
SELECT * FROM test_spread(4, '1 hour');
SELECT * FROM test_spread(3, '10 microseconds');
SELECT * FROM test_spread(5, '3 microseconds');
SELECT * FROM test_spread(3, '1 month 1 day');
SELECT * FROM test_spread(1, '1 hour');
SELECT * FROM test_spread(2, '0');
SELECT k, after BETWEEN '0' AND '2 h' AS soon, state = 'scheduled' AS later FROM test_spread(3, '3 hours', '2000-01-01');
-- no product overflows
SELECT count(*), min(after), max(after) = interval '9000000 days' - interval '9000000 days' / 30000 AS even FROM test_spread(30000, '9000000 days');
SELECT test.error_of(s) FROM (VALUES
	($$SELECT test_spread(2, '-1 hour')$$), ($$SELECT test_spread(2, '1 month -31 days')$$),
	($$SELECT test_spread(2, '178000000 years')$$), ($$SELECT test_spread(2, '100 years', '294276-01-01')$$)) AS t (s);
DROP FUNCTION test_spread;
-- bounds of pools go with their roles
RESET SESSION AUTHORIZATION;
DO $$
BEGIN
	FOR i IN 1 .. 70 LOOP
		CREATE ROLE test_gone;
		PERFORM jadugar.stop_workers('test_gone');
		DROP ROLE test_gone;
	END LOOP;
END $$;
SET SESSION AUTHORIZATION test_tasks;
SELECT jadugar.scale_workers(1);
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('low')$$, queue => 'test_q', priority => -5) AS low \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('high')$$, queue => 'test_q', priority => 5) AS high \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('mid 1')$$, queue => 'test_q') AS mid \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('mid 2')$$, queue => 'test_q') AS mid2 \gset
SELECT * FROM test_state(:high);
-- the first of the batch is active in its key, the others wait for it
CALL test.wait_until($$(SELECT count(*) = 1 FROM jadugar.tasks WHERE concurrency_key = 'order' AND waiting_for = 'queue_paused')$$);
SELECT status, waiting_for, payload FROM jadugar.tasks WHERE concurrency_key = 'order' ORDER BY task_id;
SELECT jadugar.resume_queue('test_q');
CALL test.wait_until($$(SELECT count(*) = 1 FROM jadugar.list_tasks(queue => 'test_q'))$$);
SELECT what FROM test_trace WHERE what !~ '^[0-9]' ORDER BY n;
SELECT what FROM test_trace WHERE what ~ '^[0-9]' ORDER BY n;
SELECT jadugar.scale_workers(4);
TRUNCATE test_trace;
SELECT jadugar.cancel_tasks(queue => 'test_q');

-- delay and run_at
SELECT jadugar.enqueue('SELECT 1', delay => '0.2 s') AS id \gset
SELECT * FROM test_end_of(:id);
SELECT started_at >= created_at + interval '0.2 s' AS in_time FROM jadugar.get_task(:id);
SELECT jadugar.enqueue('SELECT 1', run_at => now() - interval '1 day') AS id \gset
SELECT * FROM test_end_of(:id);
SELECT jadugar.enqueue('SELECT 1', run_at => now() + interval '1 day') AS id \gset
SELECT * FROM test_state(:id);
-- retry_task brings a scheduled task forward
SELECT jadugar.retry_task(:id);
SELECT * FROM test_end_of(:id);

-- dependencies: a chain, and a task that waits for several
SELECT jadugar.pause_queue('test_q');
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('a')$$, queue => 'test_q') AS a \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('b')$$, depends_on => ARRAY[:a]) AS b \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('c')$$, depends_on => ARRAY[:b]) AS c \gset
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('d')$$, depends_on => ARRAY[:a, :b, :c, :a]) AS d \gset
SELECT * FROM test_state(:d);
SELECT depends_on = ARRAY[:a, :b, :c]::bigint[] AS on_all FROM jadugar.get_task(:d);
SELECT jadugar.resume_queue('test_q');
SELECT * FROM test_end_of(:d);
SELECT what FROM test_trace ORDER BY n;
TRUNCATE test_trace;
-- a parent that has finished, and invalid ids
CALL test.run_task(format($$'SELECT 1', depends_on => ARRAY[%s]$$, :a));
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[9223372036854775807]);
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[-1]);
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:a, NULL]);
-- a parent that has failed
SELECT jadugar.enqueue('SELECT 1/0') AS bad \gset
SELECT * FROM test_end_of(:bad);
SELECT test.short_error_of(format('SELECT jadugar.enqueue(''SELECT 1'', depends_on => ARRAY[%s])', :bad));
CALL test.run_task(format($$'SELECT 1', depends_on => ARRAY[%s], on_dependency_failure => 'run'$$, :bad));
SELECT * FROM test_state(jadugar.enqueue('SELECT 1', depends_on => ARRAY[:bad], on_dependency_failure => 'wait'));
SELECT jadugar.cancel_tasks(status => 'pending');
-- a parent that fails later, under each policy; children of cancelled tasks follow
CREATE TABLE test_switch (working boolean);
INSERT INTO test_switch VALUES (false);
SELECT jadugar.pause_queue('test_q');
SELECT jadugar.enqueue('SELECT 1 / working::integer FROM test_switch', queue => 'test_q') AS p \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p]) AS child \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:child]) AS grandchild \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'run') AS runs \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'wait') AS waits \gset
SELECT jadugar.resume_queue('test_q');
SELECT * FROM test_end_of(:p);
SELECT * FROM test_end_of(:child);
SELECT * FROM test_end_of(:grandchild);
SELECT * FROM test_end_of(:runs);
SELECT * FROM test_state(:waits);
UPDATE test_switch SET working = true;
SELECT jadugar.retry_task(:p);
SELECT * FROM test_end_of(:p);
SELECT * FROM test_end_of(:waits);
DROP TABLE test_switch;
-- a chain that is too long for recursion
SELECT jadugar.pause_queue('test_q');
DO $$
DECLARE
	p bigint := jadugar.enqueue('SELECT 1/0', queue => 'test_q');
BEGIN
	FOR i IN 1..5000 LOOP
		p := jadugar.enqueue('SELECT 1', depends_on => ARRAY[p], tenant => 'chain');
	END LOOP;
END
$$;
SELECT jadugar.resume_queue('test_q');
CALL test.wait_until($$(SELECT count(*) = 0 FROM jadugar.tasks WHERE tenant = 'chain')$$);
SELECT status, reason, count(*) FROM jadugar.history WHERE tenant = 'chain' GROUP BY 1, 2;
-- cancelling a task deletes its dependencies
SELECT jadugar.pause_queue('test_q');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_q') AS p \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p]) AS child \gset
SELECT jadugar.cancel(:child);
SELECT jadugar.retry_task(:child);
SELECT * FROM test_end_of(:child);
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM jadugar_internal.dependency;
SET SESSION AUTHORIZATION test_tasks;
SELECT jadugar.cancel(:p);

-- unique keys
SELECT jadugar.enqueue('SELECT 1', '{"v": 1}', queue => 'test_q', unique_key => 'u') AS u \gset
SELECT jadugar.enqueue('SELECT 2', queue => 'test_q', unique_key => 'u') = :u AS same;
SELECT test.short_error_of(format('SELECT jadugar.enqueue(''SELECT 2'', queue => ''test_q'', unique_key => ''u'', on_conflict => ''error'')'));
SELECT jadugar.enqueue('SELECT 2 AS two', '{"v": 2}', queue => 'test_q', unique_key => 'u', on_conflict => 'replace',
	priority => 9) = :u AS same;
SELECT command, payload, priority, status FROM jadugar.get_task(:u);
SELECT jadugar.enqueue('SELECT 3', '{"v": 3}', queue => 'test_q', unique_key => 'u', on_conflict => 'reschedule',
	delay => '1 day') = :u AS same;
SELECT command, payload, status, run_at > now() + interval '23 h' AS later FROM jadugar.get_task(:u);
SELECT jadugar.enqueue('SELECT 3', queue => 'test_q', unique_key => 'u', on_conflict => 'reschedule') = :u AS same;
SELECT * FROM test_state(:u);
SELECT jadugar.enqueue('SELECT 1', unique_key => 'u') = :u AS same_in_another_queue;
SELECT jadugar.resume_queue('test_q');
SELECT * FROM test_end_of(:u);
SELECT jadugar.enqueue('SELECT 1', queue => 'test_q', unique_key => 'u') = :u AS same_when_finished;
SELECT jadugar.enqueue('SELECT 1', unique_key => 'kept', unique_for => '1 day') AS u \gset
SELECT * FROM test_end_of(:u);
SELECT jadugar.enqueue('SELECT 1', unique_key => 'kept') = :u AS same_when_finished;
SELECT jadugar.enqueue('SELECT 1', unique_key => 'kept', on_conflict => 'replace') = :u AS same_when_finished;
SELECT test.short_error_of(format('SELECT jadugar.enqueue(''SELECT 1'', unique_key => ''kept'', on_conflict => ''error'')'));
SELECT jadugar.enqueue('SELECT 1', unique_for => '1 day');
SELECT jadugar.enqueue('SELECT 1', on_conflict => 'next');
SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', on_conflict => 'ignore');

-- concurrency keys: one at a time in order of enqueue, retries included
CREATE SEQUENCE test_tries;
CREATE FUNCTION test_note_key(n jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n = '1' AND nextval('test_tries') < 3 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	INSERT INTO test_trace (what) VALUES ('key ' || n::text);
END
$$;
SELECT id FROM jadugar.enqueue_batch('SELECT test_note_key($1)', ARRAY['1', '2', '3']::jsonb[], concurrency_key => 'k',
	retry => jadugar.retry_policy(5, delay => '0.05 s')) id ORDER BY id DESC LIMIT 1 \gset
SELECT * FROM test_end_of(:id);
SELECT what FROM test_trace ORDER BY n;
TRUNCATE test_trace;
-- the next task gets its turn when the first is cancelled, paused or delayed
SELECT jadugar.pause_queue('test_q');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_q', concurrency_key => 'k') AS k1 \gset
SELECT jadugar.enqueue('SELECT 2', queue => 'test_q', concurrency_key => 'k') AS k2 \gset
SELECT jadugar.enqueue('SELECT 3', queue => 'test_q', concurrency_key => 'k') AS k3 \gset
SELECT jadugar.enqueue('SELECT 4', queue => 'test_q', concurrency_key => 'k') AS k4 \gset
CALL test.wait_for_task(:k1, 'queue_paused');
SELECT jadugar.cancel(:k1);
CALL test.wait_for_task(:k2, 'queue_paused');
SELECT jadugar.pause_task(:k2);
CALL test.wait_for_task(:k3, 'queue_paused');
SELECT jadugar.update_task(:k3, run_at => now() + interval '1 day');
CALL test.wait_for_task(:k4, 'queue_paused');
SELECT command, status, waiting_for FROM jadugar.tasks WHERE concurrency_key = 'k' ORDER BY task_id;
SELECT jadugar.resume_task(:k2);
SELECT * FROM test_state(:k2);
SELECT jadugar.resume_queue('test_q');
SELECT * FROM test_end_of(:k2);
SELECT jadugar.cancel(:k3);

-- max_depth of a queue
SELECT jadugar.create_queue('test_full', max_depth => 2) > 0 AS made;
SELECT jadugar.pause_queue('test_full');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', ARRAY['{}', '{}']::jsonb[], queue => 'test_full');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_full');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[3]), queue => 'test_full');
SELECT jadugar.alter_queue('test_full', on_full => 'drop_oldest');
SELECT jadugar.cancel_tasks(queue => 'test_full');
-- dropping the oldest task cancels its dependent task, which is the next oldest
SELECT jadugar.enqueue('SELECT 1', queue => 'test_full') AS p \gset
SELECT jadugar.enqueue('SELECT 1', queue => 'test_full', depends_on => ARRAY[:p]) AS child \gset
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 2', ARRAY['{}', '{}']::jsonb[], queue => 'test_full');
-- the child ends with its parent, or as the next oldest if the scheduler has locked it
SELECT status, reason IN ('queue_full', 'dependency') AS dropped FROM jadugar.history WHERE task_id IN (:p, :child) ORDER BY task_id;
SELECT command, count(*) FROM jadugar.list_tasks(queue => 'test_full') GROUP BY 1;
SELECT jadugar.cancel_tasks(queue => 'test_full');
SELECT jadugar.drop_queue('test_full');

-- max_concurrency, also across roles
SELECT jadugar.create_queue('test_one', max_concurrency => 1) > 0 AS made;
CREATE FUNCTION test_runs_alone() RETURNS boolean LANGUAGE sql AS $$
	SELECT pg_sleep(0.02);	-- waits-for-time: the work of a task that is to overlap if it can
	SELECT count(*) = 1 FROM jadugar.running WHERE queue = 'test_one';
$$;
SELECT count(*) FROM jadugar.enqueue_batch('SELECT test_runs_alone() AS alone', array_fill('{}'::jsonb, ARRAY[10]), queue => 'test_one');
CALL test.wait_until($$(SELECT count(*) = 0 FROM jadugar.list_tasks(queue => 'test_one'))$$);
SELECT status, result, count(*) FROM jadugar.history WHERE queue = 'test_one' GROUP BY 1, 2;
RESET SESSION AUTHORIZATION;
CALL test.create_role('test_tasks_other');
SELECT jadugar.grant_queue('test_one', 'test_tasks_other', 'enqueue');
SELECT jadugar.enqueue('SELECT 1', owner => 'test_tasks_other') AS warm \gset
SELECT status FROM jadugar.wait(:warm, '20 s');
-- waits-for-time: the work of the only task that may run in the queue
SELECT jadugar.enqueue('SELECT pg_sleep(0.5)', queue => 'test_one', owner => 'test_tasks') AS first \gset
CALL test.wait_for_task(:first, 'running');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_one', owner => 'test_tasks_other') AS second \gset
SELECT * FROM test_state(:second);
SELECT * FROM test_end_of(:second);
SET SESSION AUTHORIZATION test_tasks;
SELECT jadugar.drop_queue('test_one');

-- cancel: a waiting, a running and a finished task
SELECT jadugar.enqueue('SELECT 1', delay => '1 h') AS id \gset
SELECT jadugar.cancel(:id);
SELECT * FROM test_end_of(:id);
SELECT jadugar.cancel(:id);
-- waits-for-time: the work of a task that is cancelled
SELECT jadugar.enqueue($$INSERT INTO test_trace (what) VALUES ('cancelled'); SELECT pg_sleep(60)$$) AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT jadugar.cancel(:id);
SELECT * FROM test_end_of(:id);
SELECT count(*) FROM test_trace;
-- a task that raises another error instead is cancelled, too
CREATE FUNCTION test_raise_when_cancelled() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(60);	-- waits-for-time: the work of a task that is cancelled
EXCEPTION WHEN query_canceled THEN
	RAISE EXCEPTION 'no';
END
$$;
SELECT jadugar.enqueue('SELECT test_raise_when_cancelled()') AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT jadugar.cancel(:id);
SELECT * FROM test_end_of(:id);
SELECT attempt, status, final FROM jadugar.history WHERE task_id = :id;
-- the worker of a task that ignores the cancellation is terminated
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET jadugar.cancel_grace = '50ms';
SELECT pg_reload_conf();
SET SESSION AUTHORIZATION test_tasks;
CREATE FUNCTION test_ignore_cancel() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM pg_sleep(60);	-- waits-for-time: the work of a task that is cancelled
		EXCEPTION WHEN query_canceled THEN
			NULL;
		END;
	END LOOP;
END
$$;
SELECT jadugar.enqueue('SELECT test_ignore_cancel()') AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT jadugar.cancel(:id);
SELECT * FROM test_end_of(:id);
SELECT jadugar.enqueue('SELECT test_ignore_cancel()') AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT jadugar.pause_task(:id);
CALL test.wait_for_task(:id, 'paused');
SELECT jadugar.cancel(:id);
SELECT jadugar.enqueue('SELECT test_ignore_cancel()', timeout => '0.05 s', retry => jadugar.retry_policy(1)) AS id \gset
SELECT * FROM test_end_of(:id);
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET jadugar.cancel_grace;
SELECT pg_reload_conf();
SET SESSION AUTHORIZATION test_tasks;
-- a task that cancels itself
-- waits-for-time: the work of a task that is cancelled
SELECT jadugar.enqueue('SELECT jadugar.cancel((jadugar.current_task()).task_id), pg_sleep(60)') AS id \gset
SELECT * FROM test_end_of(:id);
-- several tasks
SELECT array_agg(id) AS ids FROM jadugar.enqueue_batch('SELECT 1', ARRAY['{}', '{}', '{}']::jsonb[], delay => '1 h', tenant => 'many') id \gset
SELECT jadugar.cancel_batch((:'ids'::bigint[])[1:2] || (:'ids'::bigint[])[1:1]);
SELECT jadugar.cancel_tasks(tenant => 'many');
SELECT jadugar.cancel_tasks(tenant => 'many');

-- pause and resume: a waiting and a running task
SELECT jadugar.enqueue('SELECT 1', delay => '1 h') AS id \gset
SELECT jadugar.pause_task(:id);
SELECT jadugar.pause_task(:id);
SELECT * FROM test_state(:id);
SELECT jadugar.resume_task(:id);
SELECT * FROM test_state(:id);
SELECT test.short_error_of(format('SELECT jadugar.resume_task(%s)', :id));
SELECT jadugar.cancel(:id);
CREATE TABLE test_gate (open boolean);
INSERT INTO test_gate VALUES (false);
-- waits-for-time: the work of a task that is paused
SELECT jadugar.enqueue('SELECT CASE WHEN NOT open THEN pg_sleep(60) END FROM test_gate') AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT test.short_error_of(format('SELECT jadugar.update_task(%s, priority => 1)', :id));
SELECT test.short_error_of(format('SELECT jadugar.retry_task(%s)', :id));
SELECT jadugar.pause_task(:id);
CALL test.wait_for_task(:id, 'paused');
UPDATE test_gate SET open = true;
SELECT jadugar.resume_task(:id);
SELECT status, attempt FROM test_end_of(:id);
SELECT status, attempt, final FROM jadugar.history WHERE task_id = :id;
DROP TABLE test_gate;
SELECT test.short_error_of(format('SELECT jadugar.pause_task(%s)', :id));
SELECT test.short_error_of(format('SELECT jadugar.resume_task(%s)', :id));
-- a parent that completes while its child is paused
SELECT jadugar.pause_queue('test_q');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_q') AS p \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p]) AS child \gset
SELECT jadugar.pause_task(:child);
SELECT jadugar.resume_queue('test_q');
SELECT * FROM test_end_of(:p);
SELECT * FROM test_state(:child);
SELECT jadugar.resume_task(:child);
SELECT * FROM test_end_of(:child);

-- update
SELECT jadugar.enqueue('SELECT $1 AS p', delay => '1 h') AS id \gset
SELECT jadugar.update_task(:id, payload => '{"new": true}', priority => 7, queue => 'test_q', timeout => '5 min',
	retry => jadugar.retry_policy(3), metadata => '{"b": 2}');
SELECT payload, priority, queue, timeout, max_attempts, metadata, status FROM jadugar.get_task(:id);
SELECT jadugar.update_task(:id, run_at => now());
SELECT * FROM test_end_of(:id);
SELECT test.short_error_of(format('SELECT jadugar.update_task(%s, priority => 1)', :id));
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', unique_key => 'stays') AS id \gset
SELECT jadugar.update_task(:id, queue => 'test_q');
SELECT jadugar.cancel(:id);

-- retries: counts, delays, errors with and without a retry
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''again''; END'$$, retry => jadugar.retry_policy(3, delay => '0.02 s')) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT attempt, status, final, sqlstate, error ->> 'message' AS message FROM jadugar.history WHERE task_id = :id ORDER BY attempt_id;
SELECT task_id = :id AS ours, attempt, error_code FROM jadugar.failures WHERE task_id = :id;
SELECT jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(3, delay => '0')) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(2, delay => '0', retry_on => '{22012}')) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''again''; END'$$, retry => jadugar.retry_policy(3, delay => '0', discard_on => '{P0001}')) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT jadugar.enqueue($$DO 'BEGIN RAISE EXCEPTION ''again''; END'$$, retry => jadugar.retry_policy(3, delay => '1 h')) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT attempt, run_at > now() + interval '29 min' AS later FROM jadugar.get_task(:id);
SELECT jadugar.cancel(:id);
-- a failed task is retried with the same id, and attempts count from zero
SELECT jadugar.enqueue('SELECT 1/0', metadata => '{"again": 1}', timeout => '1 min', settings => '{"work_mem": "1MB"}') AS id \gset
SELECT status FROM test_end_of(:id);
SELECT jadugar.retry_task(:id);
SELECT status, attempt FROM test_end_of(:id);
SELECT attempt, status, final, metadata FROM jadugar.history WHERE task_id = :id ORDER BY attempt_id;
SELECT jadugar.retry_tasks(metadata => '{"again": 1}');
CALL test.wait_until(format('(SELECT count(*) = 3 FROM jadugar.history WHERE task_id = %s)', :id));
-- those that cannot be retried do not stop the rest
SELECT count(jadugar.enqueue('SELECT 1/0', unique_key => k, metadata => '{"many": 1}')) FROM unnest(ARRAY[NULL, 'many 1', 'many 2']) k;
SELECT jadugar.start_flow(jadugar.step('s', 'SELECT 1/0', metadata => '{"many": 1}')) > 0 AS started;
CALL test.wait_until($$(SELECT count(*) = 4 FROM jadugar.failures WHERE metadata @> '{"many": 1}')$$);
SELECT jadugar.enqueue('SELECT 1', unique_key => 'many 1', delay => '1 h') AS holder \gset
SET client_min_messages = notice;
SELECT jadugar.retry_tasks(metadata => '{"many": 1}');
SET client_min_messages = warning;
CALL test.wait_until($$(SELECT count(*) = 6 FROM jadugar.history WHERE metadata @> '{"many": 1}')$$);
SELECT jadugar.cancel(:holder);
SELECT jadugar.enqueue('SELECT 1') AS id \gset
SELECT status FROM test_end_of(:id);
SELECT test.short_error_of(format('SELECT jadugar.retry_task(%s)', :id));

-- timeouts of the task and of the role
-- waits-for-time: the work of a task that runs past its deadline
SELECT jadugar.enqueue('SELECT pg_sleep(60)', timeout => '0.1 s', retry => jadugar.retry_policy(2, delay => '0')) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT attempt, status, final, error_code FROM jadugar.history WHERE task_id = :id ORDER BY attempt_id;
-- waits-for-time: the work of a task that runs past its deadline
SELECT jadugar.enqueue('SELECT pg_sleep(60)', settings => '{"statement_timeout": "100ms"}', retry => jadugar.retry_policy(1)) AS id \gset
SELECT * FROM test_end_of(:id);

-- intervals that exceed the range of timestamps
CALL test.run_task($$'SELECT 1 AS one', timeout => '27000 years'$$);
SELECT jadugar.enqueue($q$SELECT jadugar.snooze('27000 years')$q$) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT run_at > '28000-01-01' AS far FROM jadugar.get_task(:id);
SELECT jadugar.cancel(:id);
CALL test.run_task($q$'SELECT jadugar.snooze(''170000000 years'')'$q$);
-- snooze does not count as an attempt; discard is final
CREATE SEQUENCE test_snoozes;
CREATE FUNCTION test_snooze_twice() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('test_snoozes') < 3 THEN
		PERFORM jadugar.snooze('0.02 s');
	END IF;
	RETURN 'awake';
END
$$;
SELECT jadugar.enqueue('SELECT test_snooze_twice() AS nap', retry => jadugar.retry_policy(1)) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT count(*) FROM jadugar.history WHERE task_id = :id;
SELECT jadugar.enqueue($$SELECT jadugar.discard('no longer wanted')$$) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT jadugar.snooze('1 s');

-- settings, isolation levels
CALL test.run_task($$$q$SELECT current_setting('work_mem') AS w, current_setting('test.x') AS x$q$,
	settings => '{"work_mem": "7MB", "test.x": "y"}'$$);
CALL test.run_task($$$q$SELECT current_setting('work_mem') <> '7MB' AS back, nullif(current_setting('test.x', true), '') AS x$q$ $$);
CALL test.run_task($$$q$SELECT current_setting('transaction_isolation') AS level$q$, transaction => 'default'$$);
CALL test.run_task($$$q$SELECT current_setting('transaction_isolation') AS level$q$, transaction => 'read committed'$$);
CALL test.run_task($$$q$SELECT current_setting('transaction_isolation') AS level$q$, transaction => 'repeatable read'$$);
CALL test.run_task($$$q$SELECT current_setting('transaction_isolation') AS level$q$, transaction => 'serializable'$$);
SELECT jadugar.enqueue('SELECT 1', settings => '{"no_such_setting": 1}');
SELECT jadugar.enqueue('SELECT 1', settings => '{"work_mem": "much"}');
SELECT jadugar.enqueue('SELECT 1', settings => '{"role": "postgres"}');
SELECT jadugar.enqueue('SELECT 1', settings => '{"log_statement": "all"}');
SELECT jadugar.enqueue('SELECT 1', transaction => 'chaos');

-- outside a transaction
CREATE TABLE test_maintained (a integer);
CREATE PROCEDURE test_commit_twice() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_trace (what) VALUES ('first');
	COMMIT;
	INSERT INTO test_trace (what) VALUES ('second');
	COMMIT;
	RAISE EXCEPTION 'third';
END
$$;
CALL test.run_task($$'VACUUM test_maintained'$$);
-- it waits for older snapshots, so no statement may call wait() meanwhile
SELECT jadugar.enqueue('CREATE INDEX CONCURRENTLY test_maintained_a ON test_maintained (a)') AS id \gset
CALL test.wait_for_task(:id, 'completed');
CALL test.run_task($$'VACUUM no_such_table'$$);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'test_maintained_a'::regclass;
SELECT jadugar.enqueue('CALL test_commit_twice()', retry => jadugar.retry_policy(1)) AS id \gset
SELECT * FROM test_end_of(:id);
SELECT what FROM test_trace ORDER BY n;
CALL test.run_task($$'SELECT $1 AS p', '{"stand": "alone"}', transaction => 'standalone'$$);
SELECT jadugar.enqueue('COMMIT');
CALL test.run_task($$$q$DO 'BEGIN COMMIT; END'$q$, retry => jadugar.retry_policy(1)$$);
-- cancelled while it runs
CREATE PROCEDURE test_sleep() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM pg_sleep(60);	-- waits-for-time: the work of a task that is cancelled
END
$$;
SELECT jadugar.enqueue('CALL test_sleep()') AS id \gset
CALL test.wait_for_task(:id, 'running');
SELECT jadugar.cancel(:id);
SELECT * FROM test_end_of(:id);
TRUNCATE test_trace;

-- in the session
SELECT status, result, task_id IS NULL AS no_task FROM jadugar.run_task($$SELECT $1 ->> 'a' AS a$$, '{"a": 1}');
SELECT status, sqlstate, error ->> 'message' AS message FROM jadugar.run_task('SELECT 1/0');
SELECT finished_at - started_at = duration AS adds_up FROM jadugar.run_task('SELECT 1');

-- reading
SELECT jadugar.pause_queue('test_q');
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[5]), queue => 'test_q', tenant => 't1', metadata => '{"a": {"b": 1}}');
SELECT jadugar.enqueue('SELECT 1', queue => 'test_q', tenant => 't2', unique_key => 'listed', delay => '1 h') AS id \gset
SELECT jadugar.count_tasks(queue => 'test_q') AS all, jadugar.count_tasks(tenant => 't1') AS t1,
	jadugar.count_tasks(metadata => '{"a": {"b": 1}}', status => 'pending') AS by_metadata,
	jadugar.count_tasks(unique_key => 'listed') AS by_unique_key, jadugar.count_tasks(status => 'scheduled', queue => 'test_q') AS scheduled,
	jadugar.count_tasks(owner => 'test_tasks', queue => 'test_q') AS mine, jadugar.count_tasks(owner => 'postgres') AS others;
SELECT count(*), max(task_id) < :id AS in_order FROM jadugar.list_tasks(queue => 'test_q', max_rows => 3);
SELECT task_id = :id AS last FROM jadugar.list_tasks(queue => 'test_q', after_id => :id - 1);
SELECT count(*) > 0 AS some FROM jadugar.list_tasks(status => 'failed', finished_from => now() - interval '1 h');
SELECT count(*) FROM jadugar.list_tasks(status => 'failed', finished_from => now() + interval '1 h');
SELECT jadugar.list_tasks(status => 'ready');
SELECT jadugar.list_tasks(max_rows => -1);
SELECT status FROM jadugar.wait(:id, '0.01 s');
SELECT test.short_error_of(format('SELECT jadugar.result(%s)', :id));
SELECT jadugar.cancel_tasks(queue => 'test_q');
SELECT jadugar.purge_completed('1 h');
SELECT jadugar.purge_completed('0') > 0 AS some;
SELECT count(*) FROM jadugar.history WHERE status = 'completed';

-- clean up
SELECT count(*) FROM jadugar.tasks;
SELECT jadugar.drop_queue('test_q');
RESET SESSION AUTHORIZATION;
CALL test.drop_roles('test_tasks', 'test_tasks_other');
