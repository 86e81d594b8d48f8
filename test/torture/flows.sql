-- Flows of every kind, and the proof that each step took effect exactly once.
-- Run once, as superuser, in a database with jadugar; used by test/t/flow and
-- torture.pl.
--
-- Steps are flowtest.work(), compensations flowtest.undo().  The name of a step
-- that has a compensation begins with u.

CREATE SCHEMA flowtest;
GRANT USAGE ON SCHEMA flowtest TO PUBLIC;

-- One row for each time that a step or a compensation took effect.  There is no
-- unique index, so that a duplicate shows.
CREATE TABLE flowtest.effect (
	seq			bigint GENERATED ALWAYS AS IDENTITY,
	run_id		bigint NOT NULL,
	step		text NOT NULL,
	item		integer,
	task_id		bigint NOT NULL,
	undo		boolean NOT NULL
);
-- One row for each run, from the transaction that starts it, and the number of
-- requests (signals and others) that it was sent.
CREATE TABLE flowtest.started (
	label		text NOT NULL,
	kind		text NOT NULL,
	run_id		bigint NOT NULL,
	asked		integer NOT NULL DEFAULT 0
);
CREATE INDEX ON flowtest.started (label);
-- Problems that check_flows() reported during the load.
CREATE TABLE flowtest.problem (run_id bigint, step text, problem text);
CREATE TABLE flowtest.kind (
	kind		text PRIMARY KEY,
	nr			integer GENERATED ALWAYS AS IDENTITY,
	ends		text[] NOT NULL,	-- possible ends of its runs
	asks		text[] NOT NULL,	-- requests to send
	graph		jadugar.flow NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA flowtest TO PUBLIC;

-- The item is the index in an each, and the pass in a loop, which follows from the
-- result of the pass before.
CREATE FUNCTION flowtest.work(data jsonb, fails integer DEFAULT 0, waits float8 DEFAULT 0)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	t record;
	item integer;
BEGIN
	SELECT * INTO t FROM jadugar.current_task();
	item := COALESCE((data->>'index')::integer, (data->'steps'->t.step->>'item')::integer + 1);
	IF waits > 0 THEN
		PERFORM pg_sleep(waits);	-- waits-for-time: long enough for a kill to hit it, or to lose a race
	END IF;
	INSERT INTO flowtest.effect (run_id, step, item, task_id, undo)
	VALUES (t.flow_run, t.step, item, t.task_id, false);
	IF t.attempt <= fails THEN
		RAISE EXCEPTION 'meant to fail';
	END IF;
	RETURN jsonb_build_object('step', t.step, 'item', COALESCE(item, 0));
END $$;

-- The payload is the result of the step.
CREATE FUNCTION flowtest.undo(result jsonb, fails integer DEFAULT 0)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	SELECT * INTO t FROM jadugar.current_task();
	INSERT INTO flowtest.effect (run_id, step, item, task_id, undo)
	VALUES (t.flow_run, result->>'step', (result->>'item')::integer, t.task_id, true);
	IF t.attempt <= fails THEN
		RAISE EXCEPTION 'meant to fail';
	END IF;
END $$;

CREATE FUNCTION flowtest.w(name text, fails integer DEFAULT 0, waits float8 DEFAULT 0, attempts integer DEFAULT 100,
	transaction text DEFAULT NULL, on_failure text DEFAULT NULL, pivot boolean DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL)
RETURNS jadugar.flow LANGUAGE sql AS $$
	SELECT jadugar.step(name, format('SELECT flowtest.work($1, %s, %s)', fails, waits),
		compensate => CASE WHEN name LIKE 'u%' THEN format('SELECT flowtest.undo($1, %s)', length(name) - 2) END,
		compensate_retry => CASE WHEN name LIKE 'u%' THEN '{"max_attempts": 100, "delay": 0.01, "retry_on": ["08", "40", "53", "57", "P0001", "WORKER_CRASHED", "XX000"]}'::jsonb END,
		-- XX000 includes an error at a fault point in a step that ran alone
		retry => jsonb_build_object('max_attempts', attempts, 'delay', 0.01, 'retry_on', '["08", "40", "53", "57", "P0001", "WORKER_CRASHED", "XX000"]'::jsonb), transaction => transaction,
		on_failure => on_failure, pivot => pivot, after => after, "join" => "join") $$;

CREATE FUNCTION flowtest.bad(name text, on_failure text DEFAULT NULL)
RETURNS jadugar.flow LANGUAGE sql AS $$
	SELECT flowtest.w(name, fails => 1000000, attempts => 2, on_failure => on_failure) $$;

CREATE FUNCTION flowtest.define(kind text, graph jadugar.flow, ends text DEFAULT 'completed', asks text[] DEFAULT '{}')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO flowtest.kind (kind, ends, asks, graph) VALUES (kind, string_to_array(ends, ' '), asks, graph) $$;

SET search_path = flowtest, jadugar, public;
-- Flows that are sub_flows of others; each role has its own.
CREATE FUNCTION children() RETURNS void LANGUAGE sql SET search_path = flowtest, jadugar, public AS $$
	SELECT create_flow('child', w('u1') ~> (w('a') & w('u2')));
	SELECT create_flow('bad_child', w('u1') ~> bad('b')) $$;
SELECT children();

SELECT define('chain', w('a') ~> w('b', fails => 1) ~> w('c', transaction => 'serializable') ~> w('d', transaction => 'repeatable read'));
SELECT define('parallel', (w('a') & w('b', waits => 0.01) & w('c', fails => 1)) ~> w('d'));
SELECT define('wide', parallel(ARRAY(SELECT w('s' || i) FROM generate_series(1, 20) i), concurrency => 5) ~> w('z'));
SELECT define('each', each('$.input.items', w('a') ~> w('b', fails => 1), concurrency => 2, name => 'e') ~> w('z'));
SELECT define('each_query', each('SELECT i FROM generate_series(1, 5) i', w('a'), name => 'e') ~> w('z'));
SELECT define('branch', branch('$.input.n >= 5', w('a'), w('b') ~> w('c')) ~> w('z'));
SELECT define('loop', loop(w('a'), '$.steps.a.item < 2', name => 'l') ~> w('z'));
SELECT define('slow_loop', loop(w('a'), '($1#>>''{steps,a,item}'')::integer < 2', name => 'l', delay => '10 ms') ~> w('z'));
SELECT define('sub', w('a') ~> sub_flow('child', name => 's') ~> w('z'));
SELECT define('sub_fails', w('u0') ~> sub_flow('bad_child', name => 's') ~> w('z'), 'compensated');
SELECT define('signal', wait_signal('go', name => 'w1') ~> w('a') ~> wait_signal('go', name => 'w2') ~> w('b'), asks => '{go,go}');
SELECT define('late_signal', wait_signal('go', name => 'w1', timeout => '30 ms', on_timeout => 'continue') ~> w('a'), asks => '{go}');
-- the first wait begins in the session, the second in the scheduler, the others in workers
SELECT define('event', wait_event('paid', name => 'any', timeout => '20 ms', on_timeout => 'continue') ~> wait_event('paid', timeout => '20 ms', on_timeout => 'continue')
	~> wait_event('paid', filter => '{"label": "$.input.label"}', name => 'w1', timeout => '200 ms', on_timeout => 'continue') ~> w('a')
	~> wait_event('paid', key => '$.input.label', name => 'w2', timeout => '50 ms', on_timeout => 'continue'),
	asks => '{paid}');
SELECT define('approval', w('a') ~> approval('boss') ~> w('b'), asks => '{boss}');
-- waits-for-time: sleeping is under test
SELECT define('sleep', sleep('20 ms') ~> w('a') ~> sleep_until('$.input.until'));
SELECT define('saga', w('u1') ~> w('u222') ~> w('u3') ~> bad('b') ~> w('z'), 'compensated');
SELECT define('saga_nested', (w('u1') & w('u2')) ~> each('$.input.items', w('u3') ~> w('a'), name => 'e') ~> sub_flow('child', name => 's') ~> bad('b'),
	'compensated');
SELECT define('saga_parallel', parallel(ARRAY[w('u1'), w('u2', waits => 0.01), w('u3') ~> bad('b')]), 'compensated failed');
SELECT define('compensate', parallel(ARRAY[w('u1'), bad('b', on_failure => 'compensate'), w('u2', waits => 0.02)], completion => 'best_effort') ~> w('z'),
	'compensated failed');
SELECT define('pivot', w('u1') ~> w('p', pivot => true) ~> bad('b'), 'failed');
SELECT define('n_of_m', parallel(ARRAY[w('a'), w('b'), bad('c'), w('d', waits => 0.05)], completion => 'n_of_m', n => 2) ~> w('z'));
SELECT define('rest_runs', parallel(ARRAY[w('a'), w('b', waits => 0.03)], completion => 'any', rest => 'run') ~> w('z'));
SELECT define('no_quorum', parallel(ARRAY[w('u1'), bad('c'), bad('d')], completion => 'n_of_m', n => 2) ~> w('z'), 'compensated failed');
-- waits-for-time: the same
SELECT define('race', race(ARRAY[w('a', waits => 0.2), w('b'), sleep('1 day')], name => 'r') ~> w('z'));
SELECT define('after', parallel(ARRAY[w('a'), bad('b'), w('c', after => ARRAY['a']), w('d', after => ARRAY['b'], "join" => 'any_failed'),
	w('e', after => ARRAY['a', 'b'], "join" => 'all_done'), w('f', after => ARRAY['b'])], completion => 'best_effort') ~> w('z'));
SELECT define('goes_on', bad('b', on_failure => 'continue') ~> w('a'));
SELECT define('abort', w('u1') ~> (w('u2', waits => 0.01) & wait_signal('never')) ~> w('z'), 'compensated cancelled', '{abort}');
SELECT define('kill', w('a') ~> (w('b', waits => 0.02) & sub_flow('child', name => 's')) ~> wait_signal('never'), 'cancelled', '{kill}');
SELECT define('in_time', w('u1') ~> wait_signal('never', timeout => '50 ms') ~> w('z'), 'compensated');
SELECT define('skip', w('a') ~> wait_signal('never', name => 'w1') ~> w('b'), asks => '{skip}');
SELECT define('pause', w('a') ~> w('b') ~> w('c'), asks => '{pause,resume}');
RESET search_path;

-- Sends the next request to a run.
CREATE FUNCTION flowtest.ask(r flowtest.started) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	what text := (SELECT k.asks[r.asked + 1] FROM flowtest.kind k WHERE k.kind = r.kind);
BEGIN
	CASE
		WHEN what = 'boss' THEN PERFORM jadugar.approve(r.run_id, 'boss');
		WHEN what = 'paid' THEN PERFORM jadugar.publish('paid', jsonb_build_object('label', r.label), r.label);
		WHEN what = 'abort' THEN PERFORM jadugar.abort_flow(r.run_id);
		WHEN what = 'kill' THEN PERFORM jadugar.abort_flow(r.run_id, 'kill');
		WHEN what = 'pause' THEN PERFORM jadugar.pause_flow(r.run_id);
		WHEN what = 'resume' THEN PERFORM jadugar.resume_flow(r.run_id);
		WHEN what = 'skip' THEN PERFORM jadugar.skip_step(r.run_id, 'w1');
		ELSE PERFORM jadugar.signal(r.run_id, what, jsonb_build_object('n', r.asked + 1));
	END CASE;
	UPDATE flowtest.started s SET asked = s.asked + 1 WHERE s.run_id = r.run_id;
EXCEPTION WHEN OTHERS THEN
	-- the run was aborted or decided; a stuck run is found unfinished
	IF SQLERRM NOT LIKE '%has ended' AND SQLERRM NOT LIKE 'cannot skip step %' AND SQLERRM NOT LIKE '%is not waiting for approval %' THEN
		RAISE;
	END IF;
	UPDATE flowtest.started s SET asked = s.asked + 1 WHERE s.run_id = r.run_id;
END $$;

-- Starts a run, and sends all of its requests immediately for every third one.
CREATE FUNCTION flowtest.start(label text, n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	k flowtest.kind;
	s flowtest.started;
	input jsonb := jsonb_build_object('label', label, 'n', n % 10, 'items', '[10, 20, 30]'::jsonb,
		'until', clock_timestamp() + interval '50 ms');
BEGIN
	SELECT * INTO k FROM flowtest.kind WHERE nr = 1 + n % (SELECT count(*) FROM flowtest.kind);
	INSERT INTO flowtest.started
	VALUES (label, k.kind, jadugar.start_flow(k.graph, input, idempotency_key => CASE WHEN n % 2 = 0 THEN label END,
		delay => CASE WHEN n % 7 = 0 THEN interval '20 ms' END))
	RETURNING * INTO s;
	IF n % 3 = 0 AND s.kind NOT IN ('skip', 'event') THEN
		FOR i IN 1 .. cardinality(k.asks) LOOP
			PERFORM flowtest.ask(s);
			s.asked := s.asked + 1;
		END LOOP;
	END IF;
END $$;

-- Sends the remaining requests, except to runs that are not ready for them.
CREATE PROCEDURE flowtest.ask_all(prefix text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
	s flowtest.started;
BEGIN
	FOR s IN SELECT o.* FROM flowtest.started o JOIN flowtest.kind k USING (kind)
		WHERE o.label LIKE prefix || '%' AND o.asked < cardinality(k.asks)
	LOOP
		-- only a step that has started can be skipped
		CONTINUE WHEN s.kind = 'skip'
			AND EXISTS (SELECT FROM jadugar.flow_runs r WHERE r.run_id = s.run_id AND r.finished_at IS NULL)
			AND NOT EXISTS (SELECT FROM jadugar.flow_steps f
				WHERE f.run_id = s.run_id AND f.step = 'w1' AND f.started_at IS NOT NULL);
		PERFORM flowtest.ask(s);
		COMMIT;
	END LOOP;
END $$;

-- Starts runs in several transactions; another call continues after the last run.
CREATE PROCEDURE flowtest.load(prefix text, first integer, last integer, at_once integer DEFAULT 5) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN first .. last LOOP
		IF NOT EXISTS (SELECT FROM flowtest.started o WHERE o.label = prefix || n) THEN
			PERFORM flowtest.start(prefix || n, n);
		END IF;
		IF n % at_once = 0 THEN
			PERFORM jadugar.enqueue(c) FROM unnest(ARRAY['child', 'bad_child']) c;
			COMMIT;
			INSERT INTO flowtest.problem SELECT * FROM jadugar.check_flows() WHERE n % (at_once * 8) = 0;
			COMMIT;
		END IF;
	END LOOP;
	COMMIT;
	WHILE EXISTS (SELECT FROM flowtest.started o JOIN flowtest.kind k USING (kind)
		WHERE o.label LIKE prefix || '%' AND o.asked < cardinality(k.asks))
	LOOP
		CALL flowtest.ask_all(prefix);
		PERFORM pg_sleep(0.005);	-- waits-for-time: pause between two looks
	END LOOP;
END $$;

CREATE VIEW flowtest.unfinished AS
SELECT run_id FROM jadugar_internal.flow_run WHERE finished_at IS NULL;

-- Returns problems, after all runs have ended.
CREATE FUNCTION flowtest.findings() RETURNS TABLE (what text, detail text) LANGUAGE sql SET jit = off AS $$
	WITH steps AS MATERIALIZED (SELECT run_id, step, kind, COALESCE(item, 0) AS item, status, finished_at, result FROM jadugar.flow_steps),
	runs AS MATERIALIZED (SELECT * FROM jadugar.flow_runs),
	undone AS MATERIALIZED (SELECT e.seq, d.seq AS done, s.run_id, s.step, s.finished_at
		FROM flowtest.effect e JOIN steps s ON s.run_id = e.run_id AND s.step = e.step AND s.item = COALESCE(e.item, 0)
		JOIN flowtest.effect d ON d.run_id = e.run_id AND d.step = e.step AND d.item IS NOT DISTINCT FROM e.item AND NOT d.undo
		WHERE e.undo)
	SELECT 'unfinished', r::text FROM runs r WHERE finished_at IS NULL
	UNION ALL SELECT 'check_flows()', c::text FROM jadugar.check_flows() c
	UNION ALL SELECT 'check_flows() meanwhile', p::text FROM flowtest.problem p
	UNION ALL SELECT 'message that was not handled', m::text FROM jadugar_internal.flow_message m WHERE NOT seen
	UNION ALL SELECT 'task', t::text FROM jadugar_internal.task t WHERE flow_run IS NOT NULL
	UNION ALL SELECT 'started twice', label FROM flowtest.started GROUP BY label HAVING count(*) > 1
	UNION ALL SELECT 'lost, or not in the ledger', COALESCE(s::text, r::text)
		FROM flowtest.started s FULL JOIN (SELECT * FROM runs WHERE parent_run IS NULL AND task_id IS NULL) r USING (run_id)
		WHERE s.run_id IS NULL OR r.run_id IS NULL
	UNION ALL SELECT 'task of a run', concat_ws(' ', h.status, r.status, r.run_id)
		FROM runs r LEFT JOIN jadugar.history h ON h.task_id = r.task_id AND h.final
		WHERE r.task_id IS NOT NULL AND (h.status = 'completed') IS DISTINCT FROM (r.status = 'completed')
	UNION ALL SELECT 'end', k.kind || ': ' || r.status || ' ' || r::text
		FROM flowtest.started s JOIN flowtest.kind k USING (kind) JOIN runs r USING (run_id)
		-- a fault point in the evaluation of a condition may fail a run
		WHERE r.status <> ALL (k.ends) AND r.error->>'message' NOT LIKE 'fault point%' IS NOT FALSE
	UNION ALL SELECT 'effects do not match the step', concat_ws(' ', s.n, 'steps', e.n, 'effects', undo, step, item,
		(SELECT string_agg(concat_ws(' ', a.step, a.item, a.status), ', ' ORDER BY a.step) FROM steps a WHERE a.run_id = r.run_id), r.status, 'run', r::text)
		FROM (SELECT run_id, step, item, u.undo, count(*) AS n
			FROM steps, unnest(CASE WHEN status = 'completed' THEN '{f}'::boolean[]
				WHEN status = 'compensated' THEN '{f,t}' WHEN status = 'compensation_failed' THEN '{f}' ELSE '{}' END) u (undo)
			WHERE kind = 'step' GROUP BY 1, 2, 3, 4) s
		FULL JOIN (SELECT run_id, step, COALESCE(item, 0) AS item, undo, count(*) AS n FROM flowtest.effect GROUP BY 1, 2, 3, 4) e
		USING (run_id, step, item, undo) LEFT JOIN runs r USING (run_id)
		WHERE s.n IS DISTINCT FROM e.n
	UNION ALL SELECT 'not compensated', f::text
		FROM steps f JOIN runs r USING (run_id)
		WHERE r.status = 'compensated' AND f.step LIKE 'u%' AND f.status = 'completed'
	UNION ALL SELECT 'compensation was not needed', r::text
		FROM runs r WHERE r.status = 'compensated' AND NOT EXISTS (SELECT FROM jadugar_internal.flow_step f WHERE f.run_id = r.run_id AND f.state = 'u')
	UNION ALL SELECT 'failed, and not compensated', f::text
		FROM steps f JOIN runs r USING (run_id) JOIN flowtest.started s USING (run_id)
		WHERE r.status IN ('failed', 'timed_out', 'cancelled') AND f.step LIKE 'u%' AND f.status = 'completed' AND s.kind NOT IN ('pivot', 'kill')
	-- The clock may jump back between two steps, and of two steps that run at the same time, the first to
	-- make its effect need not be the first to end.
	UNION ALL SELECT 'compensated in another order', concat_ws(' ', a.run_id, a.step, b.step)
		FROM undone a JOIN undone b ON a.run_id = b.run_id AND a.finished_at < b.finished_at AND a.done < b.done
		WHERE a.seq < b.seq
	UNION ALL SELECT 'signals out of order', f::text
		FROM steps f JOIN flowtest.started s USING (run_id)
		WHERE s.kind = 'signal' AND f.step LIKE 'w%' AND f.status = 'completed' AND f.result->>'n' IS DISTINCT FROM substr(f.step, 2)
	UNION ALL SELECT 'an event of another run', f::text
		FROM steps f JOIN flowtest.started s USING (run_id)
		WHERE s.kind = 'event' AND f.step IN ('w1', 'w2') AND f.status = 'completed' AND s.label <> ALL (ARRAY[f.result->'data'->>'label', f.result->>'key'])
	UNION ALL SELECT 'no final row in the history', e::text
		FROM flowtest.effect e WHERE NOT EXISTS (SELECT FROM jadugar.history h
			WHERE h.task_id = e.task_id AND h.final AND h.status = 'completed' AND h.flow_run = e.run_id) $$;

CREATE PROCEDURE flowtest.forget() LANGUAGE sql AS $$
	TRUNCATE flowtest.effect, flowtest.started, flowtest.problem, jadugar_internal.flow_run, jadugar_internal.flow_step, jadugar_internal.flow_message $$;
