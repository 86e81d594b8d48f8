-- Objects of the tortured database in addition to jadugar: the tables in which
-- tasks leave their effects, and the functions that they run.  Run once, as a
-- superuser.

CREATE EXTENSION jadugar;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE carol LOGIN;
ALTER ROLE carol SET default_transaction_isolation = 'serializable';
ALTER ROLE carol SET default_transaction_read_only = on;
ALTER ROLE carol SET statement_timeout = '30s';
SELECT jadugar.grant_access(r) FROM unnest('{alice,bob,carol}'::text[]) r;

CREATE SCHEMA torture;
GRANT USAGE ON SCHEMA torture TO PUBLIC;

-- One row for each time that a task took effect.  There is no unique index, so
-- that a duplicate shows.
CREATE TABLE torture.effect (
	tag			text NOT NULL,
	task_id		bigint,
	attempt		integer,
	pid			integer NOT NULL DEFAULT pg_backend_pid(),
	lane		text,			-- tasks of a lane run one, or a limited number, at a time
	began		timestamptz NOT NULL,
	ended		timestamptz NOT NULL
);
-- One row for each occurrence that ran.
CREATE TABLE torture.tick (
	schedule_id bigint NOT NULL,
	scheduled_for timestamptz,
	task_id		bigint NOT NULL
);
CREATE TABLE torture.noise (n integer);
CREATE TABLE torture.pair (id integer PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
INSERT INTO torture.pair SELECT generate_series(1, 4);
CREATE TABLE torture.parent (id integer PRIMARY KEY);
CREATE TABLE torture.child (id integer REFERENCES torture.parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE torture.counter (n bigint NOT NULL);
INSERT INTO torture.counter VALUES (0);
CREATE TABLE torture.big (n integer, t text);
ALTER TABLE torture.big OWNER TO alice;
GRANT CREATE ON SCHEMA torture TO alice;
-- Tasks that retry_task() has restarted.
CREATE TABLE torture.retried (task_id bigint NOT NULL);
-- Invalid states that a client has seen during the load: Load.pm.
CREATE TABLE torture.witness (what text NOT NULL, detail text);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA torture TO PUBLIC;
-- They may be published: see Kill.pm.
ALTER TABLE torture.pair REPLICA IDENTITY FULL;
ALTER TABLE torture.counter REPLICA IDENTITY FULL;
ALTER TABLE torture.noise REPLICA IDENTITY FULL;
ALTER TABLE torture.retried REPLICA IDENTITY FULL;

-- The ledger of the producers: see Load.pm.  fate is acked, unknown (the connection
-- was lost in COMMIT), undone or maybe.
CREATE TABLE torture.ledger (
	tag			text PRIMARY KEY,
	txn			text NOT NULL,
	kind		text NOT NULL,	-- decides the proof: see prove.sql
	parents		text[],			-- tags of tasks that have to run before
	fate		text NOT NULL,
	tenant		text			-- label of the transaction, if it has one
);
-- The state of each schedule when its occurrences were last checked.
CREATE TABLE torture.baseline (
	schedule_id bigint PRIMARY KEY,
	next_run_at timestamptz,
	runs		bigint,
	missed		bigint,
	completed	bigint,
	failures	bigint
);

-- The work.  The requests of the payload are executed in this order.
CREATE FUNCTION torture.work(payload jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	me record;
BEGIN
	SELECT task_id, attempt INTO me FROM jadugar.current_task();
	IF payload ? 'within' THEN
		PERFORM torture.enter(ARRAY(SELECT jsonb_array_elements_text(payload->'within')));
	END IF;
	IF payload ? 'sleep' THEN
		-- waits-for-time: long enough for a kill to hit it, or to exceed a deadline
		PERFORM pg_sleep((payload->>'sleep')::float8);
	END IF;
	IF payload ? 'gate' THEN
		-- handles its own lock_timeout, which the server sends as SIGINT
		SET LOCAL lock_timeout = '10ms';
		BEGIN
			PERFORM pg_advisory_xact_lock(77);
			-- waits-for-time: for another task to wait for the lock
			PERFORM pg_sleep((payload->>'gate')::float8);
		EXCEPTION WHEN lock_not_available THEN
			NULL;
		END;
	END IF;
	IF payload ? 'convert' THEN
		BEGIN
			-- waits-for-time: long enough to overrun the window
			PERFORM pg_sleep((payload->>'convert')::float8);
		EXCEPTION WHEN query_canceled THEN
			RAISE EXCEPTION 'another error';
		END;
	END IF;
	FOR i IN 1 .. COALESCE((payload->>'subxacts')::integer, 0) LOOP
		BEGIN
			INSERT INTO torture.noise VALUES (i);
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
	IF payload ? 'snooze' AND random() < 0.5 THEN
		PERFORM jadugar.snooze('20 milliseconds');
	END IF;
	IF payload ? 'stubborn' THEN
		-- ignores a cancel
		BEGIN
			-- waits-for-time: cancelled by its deadline
			PERFORM pg_sleep(20);
		EXCEPTION WHEN query_canceled THEN
			-- waits-for-time: longer than the grace, or shorter
			PERFORM pg_sleep((payload->>'stubborn')::float8);
		END;
	END IF;
	IF payload ? 'deadlock' THEN
		UPDATE torture.pair SET n = n + 1 WHERE id = (payload->'deadlock'->>0)::integer;
		-- waits-for-time: for the other task to lock its row
		PERFORM pg_sleep(0.01);
		UPDATE torture.pair SET n = n + 1 WHERE id = (payload->'deadlock'->>1)::integer;
	END IF;
	IF payload ? 'count' THEN
		UPDATE torture.counter SET n = n + 1;
	END IF;
	IF payload ? 'session' THEN
		SET search_path = torture;
		CREATE TEMP TABLE scratch (n integer) ON COMMIT PRESERVE ROWS;
		PERFORM pg_advisory_lock(1);
		SET CONSTRAINTS ALL DEFERRED;
	END IF;
	IF payload ? 'log' THEN
		PERFORM jadugar.log('info', payload->>'tag');
		PERFORM jadugar.progress(0.5, 'half way');
		RAISE WARNING 'about to do it';
	END IF;
	IF payload ? 'more' THEN
		PERFORM jadugar.enqueue('SELECT torture.work($1)',
			jsonb_build_object('tag', (payload->>'tag') || '.more'));
	END IF;
	IF me.attempt <= COALESCE((payload->>'bad_commit')::integer, 0) THEN
		INSERT INTO torture.child VALUES (-1);
	END IF;
	IF me.attempt <= COALESCE((payload->>'no_commit')::integer, 0) THEN
		-- fails only at commit: unsupported ON COMMIT and foreign key
		CREATE TEMP TABLE referenced (n integer PRIMARY KEY) ON COMMIT DELETE ROWS;
		CREATE TEMP TABLE referencing (n integer REFERENCES referenced);
	END IF;
	INSERT INTO torture.effect (tag, task_id, attempt, lane, began, ended)
	VALUES (payload->>'tag', me.task_id, me.attempt, payload->>'lane', began, clock_timestamp());
	IF me.attempt <= COALESCE((payload->>'fail')::integer, 0) THEN
		RAISE EXCEPTION 'meant to fail' USING DETAIL = payload::text;
	END IF;
	IF payload ? 'discard' THEN
		PERFORM jadugar.discard('not wanted');
	END IF;
	RETURN me.task_id;
END $$;

-- Commits twice, so it runs at least once.
CREATE PROCEDURE torture.walk(payload jsonb) LANGUAGE plpgsql AS $$
DECLARE
	me record;
BEGIN
	SELECT task_id, attempt INTO me FROM jadugar.current_task();
	INSERT INTO torture.effect (tag, task_id, attempt, began, ended)
	VALUES (payload->>'tag', me.task_id, me.attempt, clock_timestamp(), clock_timestamp());
	COMMIT;
	INSERT INTO torture.noise VALUES (0);
	-- waits-for-time: long enough for a kill to hit it
	PERFORM pg_sleep(0.01);
	COMMIT;
END $$;

CREATE FUNCTION torture.tick() RETURNS void LANGUAGE sql AS $$
	INSERT INTO torture.tick
	SELECT s.schedule_id, c.scheduled_for, c.task_id
	FROM jadugar.current_task() c JOIN jadugar.schedules s ON s.name = c.schedule $$;

CREATE FUNCTION torture.hook(payload jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO torture.effect (tag, began, ended)
	VALUES ((payload->'payload'->>'tag') || '.hook', clock_timestamp(), clock_timestamp()) $$;

SELECT jadugar.register_handler('torture_function', 'torture.work(jsonb)', cleanup => 'torture.hook(jsonb)');
SELECT jadugar.register_sql_handler('torture_sql', 'SELECT torture.work($1)');
SELECT jadugar.register_c_handler('torture_c', '$libdir/sample_handler', 'sample_echo');
SELECT jadugar.create_queue('two', max_concurrency => 2);
SELECT jadugar.create_queue('reject', max_depth => 10, on_full => 'reject');
SELECT jadugar.create_queue('block', max_depth => 10, on_full => 'block');
SELECT jadugar.create_queue('drop', max_depth => 10, on_full => 'drop_oldest');
SELECT jadugar.create_queue('failures', history => 'failures');
SELECT jadugar.create_queue('silent', history => 'none');
SELECT jadugar.create_queue('isolated', isolate => true);
SELECT jadugar.grant_queue(q, r) FROM unnest('{two,reject,block,drop,failures,silent,isolated}'::text[]) q,
	unnest('{alice,bob,carol}'::text[]) r;
SELECT jadugar.grant_handler(h, r) FROM unnest('{torture_function,torture_sql,torture_c}'::text[]) h,
	unnest('{alice,bob,carol}'::text[]) r;

-- At most three tasks with this key at a time; one with any other key.
SELECT jadugar.set_limit('key', 'three', 3, owner => r) FROM unnest('{alice,bob,carol}'::text[]) r;

SET SESSION AUTHORIZATION alice;
-- waits-for-time: occurrences that take a while, some longer than a second
SELECT jadugar.schedule('skip', 'every 1 second', 'SELECT torture.tick(), pg_sleep(random() * 0.5)', overlap => 'skip', misfire_grace => '20 s');
-- waits-for-time: the same
SELECT jadugar.schedule('queue', '* * * * * *', 'SELECT torture.tick(), pg_sleep(random() * 0.5)', overlap => 'queue', misfire => 'all', misfire_grace => '20 s');
SELECT jadugar.schedule('parallel', 'every 1 second', 'SELECT torture.tick()', overlap => 'parallel', misfire => 'all', misfire_grace => '20 s');
SET SESSION AUTHORIZATION bob;
-- waits-for-time: the same
SELECT jadugar.schedule('replace', 'every 1 second', 'SELECT pg_sleep(random() * 1.5), torture.tick()', overlap => 'replace', misfire => 'skip');
SELECT jadugar.schedule('jitter', '* * * * * *', 'SELECT torture.tick()', overlap => 'parallel', jitter => '300 milliseconds', misfire_grace => '20 s',
	retry => '{"max_attempts": 3}');
RESET SESSION AUTHORIZATION;
SELECT jadugar.schedule('boot', '@startup', 'SELECT torture.tick()');
