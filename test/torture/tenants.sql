-- Tenants that come and go: what is made for them, and the proof that drop_tenant()
-- leaves nothing of theirs and takes nothing of others.  Run once, after setup.sql,
-- flows.sql and limits.sql, as a superuser.
--
-- A guest is a tenant with one of a few names, which the next guest gets when it
-- has been dropped.  Visitors make work of all kinds for guests, and note it in the
-- same transaction.  They look at the tenant before and afterwards: it is the same,
-- so the work has its label and not that of a name without a tenant.

CREATE ROLE dora LOGIN;
SELECT jadugar.grant_access('dora', 'operator');

-- Each tenant that was created, from the transaction that has created it.
CREATE TABLE torture.guest (
	tenant_id	integer PRIMARY KEY,
	name		text NOT NULL,
	served		bigint		-- rows of torture.served when drop_tenant() had returned
);
-- What was made for it: a task, schedule, run, message or blob.
CREATE TABLE torture.given (
	tenant_id	integer NOT NULL,
	what		text NOT NULL,
	id			bigint NOT NULL
);
CREATE INDEX ON torture.given (tenant_id);
-- One row for each time that a task of it took effect.
CREATE TABLE torture.served (
	tenant_id	integer NOT NULL,
	task_id		bigint NOT NULL,
	attempt		integer NOT NULL
);
CREATE INDEX ON torture.served (tenant_id);
-- Calls of drop_tenant() that were seen to begin, and to return.
CREATE TABLE torture.drop_call (tenant_id integer NOT NULL, returned boolean NOT NULL);
GRANT SELECT, INSERT, UPDATE ON torture.guest, torture.given, torture.served, torture.drop_call TO PUBLIC;
SELECT jadugar.create_topic('guests', retention => '1 day', roll => 'hour');
SELECT jadugar.grant_topic('guests', r, 'publish') FROM unnest('{alice,bob,carol}'::text[]) r;

-- -------------------------------------------------------------------- visitors

-- The tenant that has the name; NULL: none.
CREATE FUNCTION torture.guest_of(name text) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
	SELECT tenant_id FROM jadugar_internal.tenant t WHERE t.name = guest_of.name $$;

CREATE FUNCTION torture.open_guest(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF torture.guest_of(name) IS NULL THEN
		INSERT INTO torture.guest VALUES (jadugar.create_tenant(name, weight => 1 + (random() * 3)::integer,
			max_concurrency => CASE WHEN random() < 0.3 THEN 2 END, rate => CASE WHEN random() < 0.2 THEN 100 END,
			max_tasks => CASE WHEN random() < 0.3 THEN 3000 END), name);
	END IF;
END $$;
ALTER FUNCTION torture.open_guest OWNER TO dora;
ALTER FUNCTION torture.open_guest SECURITY DEFINER;

-- Work of a guest.  While a task is in it, it has a lock that a drop looks for.
CREATE FUNCTION torture.serve(payload jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	me record := jadugar.current_task();
	guest integer := payload->>'guest';
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1013, guest);
	INSERT INTO torture.served VALUES (guest, me.task_id, me.attempt);
	PERFORM jadugar.log('info', 'served');
	-- waits-for-time: long enough for a drop or a kill to hit it
	PERFORM pg_sleep((payload->>'sleep')::float8);
	IF payload ? 'more' THEN
		PERFORM torture.give(guest, 'SELECT torture.serve($1)');
	END IF;
	IF me.attempt <= (payload->>'fail')::integer THEN
		RAISE EXCEPTION 'meant to fail' USING DETAIL = payload::text;
	END IF;
	RETURN me.task_id;
END $$;

-- Serves several times, and commits each by itself.
CREATE PROCEDURE torture.serve_on(payload jsonb) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		PERFORM torture.serve(payload);
		COMMIT;
	END LOOP;
END $$;

CREATE FUNCTION torture.serve_hook(payload jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT torture.serve(payload->'payload') $$;

CREATE FUNCTION torture.serve_message(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
BEGIN
	state := jsonb_build_object('last', torture.serve(message));
END $$;

SELECT jadugar.register_handler('torture_guest', 'torture.serve(jsonb)', cleanup => 'torture.serve_hook(jsonb)');
SELECT jadugar.grant_handler('torture_guest', r) FROM unnest('{alice,bob,carol}'::text[]) r;
SET SESSION AUTHORIZATION alice;
SELECT jadugar.register_actor('guest', 'torture.serve_message', queue => 'actors', retry => '{"max_attempts": 2, "delay": 0.02}'),
	jadugar.register_actor('guest_strict', 'torture.serve_message', queue => 'actors', retry => '{"max_attempts": 1}', on_failure => 'stop');
RESET SESSION AUTHORIZATION;

-- A payload of torture.serve().
CREATE FUNCTION torture.serving(guest integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('guest', guest, 'fail', floor(random() * 1.3))
		|| jsonb_build_object('sleep', CASE WHEN random() < 0.1 THEN random() ELSE random() * 0.02 END)
		|| CASE WHEN random() < 0.2 THEN '{"more": true}' ELSE '{}' END::jsonb $$;

-- Enqueues a task, and notes it.
CREATE FUNCTION torture.give(guest integer, command text, delay interval DEFAULT NULL, key text DEFAULT NULL, depends_on bigint[] DEFAULT NULL,
	transaction text DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO torture.given
	VALUES (guest, 'task', jadugar.enqueue(command, torture.serving(guest), delay => delay, concurrency_key => key, depends_on => depends_on,
		transaction => transaction, retry => '{"max_attempts": 2, "delay": 0.02}'))
	RETURNING id $$;

-- One thing for a guest, whose label is set.
CREATE FUNCTION torture.give_one(guest integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	work text := 'SELECT torture.serve($1)';
	name text := 'guest ' || guest || ' ' || floor(random() * 1e9);
	served text := format('SELECT torture.serve(%L)', torture.serving(guest));
	step jadugar.flow := jadugar.step('a', served);
BEGIN
	CASE floor(random() * 13)
	WHEN 0 THEN
		PERFORM torture.give(guest, work) FROM generate_series(1, 5);
	WHEN 1 THEN
		PERFORM torture.give(guest, work, delay => (ARRAY['1 day', '20 ms']::interval[])[1 + n % 2]) FROM generate_series(1, 4) n;
	WHEN 2 THEN
		PERFORM torture.give(guest, work, key => 'guest ' || guest, depends_on => ARRAY[torture.give(guest, work)]) FROM generate_series(1, 3);
	WHEN 3 THEN
		-- more than a step of the drop takes
		INSERT INTO torture.given
		SELECT guest, 'task', t.id
		FROM jadugar.enqueue_batch(work, ARRAY(SELECT torture.serving(guest) FROM generate_series(1, CASE WHEN random() < 0.2 THEN 1100 ELSE 30 END)),
			delay => CASE WHEN random() < 0.8 THEN interval '1 day' END) t (id);
	WHEN 4 THEN
		PERFORM torture.give(guest, 'CALL torture.serve_on($1)', transaction => 'standalone');
	WHEN 5 THEN
		PERFORM torture.give(guest, 'torture_guest') FROM generate_series(1, 3);
	WHEN 6 THEN
		-- a key is of one tenant
		INSERT INTO torture.given
		SELECT guest, 'message', jadugar.send((ARRAY['guest', 'guest', 'guest_strict'])[1 + n % 3], guest || '/' || n % 4, torture.serving(guest)) FROM generate_series(1, 8) n;
	WHEN 7 THEN
		-- a value that is stale: a task of the tenant makes it anew
		PERFORM jadugar.cached('guest ' || guest, 'SELECT $1 AS value', '{}', ttl => '1 ms', stale_for => '1 min');
	WHEN 8 THEN
		INSERT INTO torture.given
		VALUES (guest, 'schedule', jadugar.schedule(name, 'every 1 second', work, torture.serving(guest), overlap => 'parallel')), (guest, 'task', jadugar.run_now(name));
	WHEN 9 THEN
		-- the label comes later
		INSERT INTO torture.given
		VALUES (guest, 'schedule', jadugar.schedule(name, '@yearly', work, torture.serving(guest), tenant => 'nobody'));
		PERFORM jadugar.alter_schedule(name, tenant => current_setting('jadugar.tenant'));
	WHEN 10 THEN
		INSERT INTO torture.given
		SELECT guest, 'run', jadugar.start_flow(jadugar.chain(f)) FROM (VALUES (ARRAY[step, jadugar.approval('never')]), (ARRAY[jadugar.approval('never'), step]),
			(ARRAY[step, jadugar.step('b', 'SELECT 1/0')]), (ARRAY[jadugar.step('a', served, compensate => served), jadugar.step('b', 'SELECT 1/0')])) v (f);
	WHEN 11 THEN
		PERFORM jadugar.pause_task(torture.give(guest, work, delay => '1 day'));
	ELSE
		PERFORM jadugar.publish('guest', topic => 'guests');
		PERFORM jadugar.log('info', 'was here');
		INSERT INTO torture.given VALUES (guest, 'blob', jadugar.put_blob('data', ttl => '100 days'));
	END CASE;
END $$;

-- What there is already makes work again: a task, schedule or run.
CREATE FUNCTION torture.give_again(guest integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	s text;
BEGIN
	PERFORM set_config('jadugar.tenant', '', true);
	CASE floor(random() * 4)
	WHEN 0 THEN
		SELECT task_id INTO n FROM jadugar.failures WHERE tenant LIKE 'guest%' AND owner = current_user AND flow_run IS NULL
			AND task_id IN (SELECT id FROM torture.given WHERE tenant_id = guest) ORDER BY random() LIMIT 1;
		IF FOUND THEN
			PERFORM jadugar.retry_task(n);
		END IF;
	WHEN 1 THEN
		SELECT name INTO s FROM jadugar.schedules WHERE owner = current_user AND name LIKE 'guest ' || guest || ' %' ORDER BY random() LIMIT 1;
		IF FOUND THEN
			INSERT INTO torture.given VALUES (guest, 'task', jadugar.run_now(s));
		END IF;
	WHEN 2 THEN
		SELECT run_id INTO n FROM jadugar.flow_runs WHERE owner = current_user AND run_id IN (SELECT id FROM torture.given WHERE tenant_id = guest AND what = 'run')
			ORDER BY random() LIMIT 1;
		IF FOUND THEN
			INSERT INTO torture.given VALUES (guest, 'run', jadugar.fork_flow(n, 'a'));
		END IF;
	ELSE
		SELECT run_id INTO n FROM jadugar.flow_steps WHERE status = 'failed' AND step = 'b'
			AND run_id IN (SELECT id FROM torture.given WHERE tenant_id = guest AND what = 'run') ORDER BY random() LIMIT 1;
		IF FOUND THEN
			PERFORM jadugar.retry_step(n, 'b');
		END IF;
	END CASE;
END $$;

-- A visit: nothing is made if the tenant is gone.
CREATE FUNCTION torture.visit(name text, again boolean, seconds float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	guest integer := torture.guest_of(name);
BEGIN
	IF guest IS NULL THEN
		RETURN;
	END IF;
	PERFORM set_config('jadugar.tenant', name, true);
	IF again THEN
		PERFORM torture.give_again(guest);
	ELSE
		PERFORM torture.give_one(guest) FROM generate_series(1, 1 + (random() * 3)::integer);
	END IF;
	IF torture.guest_of(name) IS DISTINCT FROM guest THEN
		RAISE EXCEPTION 'the tenant is another one';
	END IF;
	-- waits-for-time: for a drop to begin
	PERFORM pg_sleep(seconds);
END $$;

-- ------------------------------------------------------------------- operators

-- The operator changes a guest.
CREATE FUNCTION torture.steer_guest(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF torture.guest_of(name) IS NULL THEN
		RETURN;
	END IF;
	CASE floor(random() * 5)
	WHEN 0 THEN PERFORM jadugar.pause_tenant(name);
	WHEN 1 THEN PERFORM jadugar.resume_tenant(name);
	WHEN 2 THEN PERFORM jadugar.set_limit('tenant', name, 1 + (random() * 3)::integer, rate => CASE WHEN random() < 0.5 THEN 50 END);
	WHEN 3 THEN PERFORM jadugar.set_limit('tenant', name);
	ELSE PERFORM jadugar.alter_tenant(name, weight => 2, max_tasks => 5000);
	END CASE;
END $$;

-- The guest to drop, or none; preferably one whose drop was interrupted.
CREATE FUNCTION torture.leaving(OUT tenant_id integer, OUT name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	SELECT t.tenant_id, t.name INTO tenant_id, name FROM jadugar_internal.tenant t JOIN torture.guest USING (tenant_id)
	ORDER BY t.dropping AND random() < 0.7 DESC, random() LIMIT 1;
	IF FOUND THEN
		INSERT INTO torture.drop_call VALUES (tenant_id, false);
	END IF;
END $$;

-- Rows with the label of a guest, but events, which stay in the log.  The tables are
-- those of the catalog, so a new one is looked at, too.  By the snapshot of the caller.
CREATE FUNCTION torture.rows_of_guests() RETURNS TABLE (relation text, name text, detail text) LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
	RETURN QUERY EXECUTE (
		SELECT string_agg(format('SELECT %L, %s, r::text FROM jadugar_internal.%I r %s', c.relname,
			CASE WHEN a.attname = 'tenant' THEN 'r.tenant' WHEN c.relname = 'tenant' THEN 'r.name' ELSE 'g.name' END, c.relname,
			CASE WHEN a.attname = 'tenant' THEN 'WHERE r.tenant LIKE ''guest%''' WHEN c.relname = 'tenant' THEN 'WHERE r.name LIKE ''guest%'''
				ELSE 'JOIN torture.guest g USING (tenant_id)' END), ' UNION ALL ')
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND a.attname IN ('tenant', 'tenant_id') AND NOT a.attisdropped AND c.relname <> 'event');
END $$;

-- drop_tenant() has returned.
CREATE FUNCTION torture.has_left(guest integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	free boolean;
BEGIN
	-- a name may have a tenant again
	INSERT INTO torture.witness
	SELECT 'row of a tenant that was dropped', format('tenant %s: %s', guest, r) FROM torture.rows_of_guests() r
	WHERE name = (SELECT g.name FROM torture.guest g WHERE tenant_id = guest)
		AND NOT EXISTS (SELECT FROM torture.guest n WHERE n.name = r.name AND n.tenant_id > guest) LIMIT 5;
	FOR try IN 1 .. 12 LOOP
		free := pg_try_advisory_xact_lock(1013, guest);
		EXIT WHEN free;
		-- waits-for-time: until a worker has given up the locks of its group
		PERFORM pg_sleep(0.01);
	END LOOP;
	IF NOT free THEN
		INSERT INTO torture.witness VALUES ('task of a tenant that was dropped', 'tenant ' || guest || ' runs');
	END IF;
	INSERT INTO torture.drop_call VALUES (guest, true);
	UPDATE torture.guest g SET served = (SELECT count(*) FROM torture.served s WHERE s.tenant_id = guest) WHERE g.tenant_id = guest AND g.served IS NULL;
END $$;

-- ----------------------------------------------------------------------- proof

-- What is missing of guests whose drop has not begun.  A message is kept as a task.
CREATE FUNCTION torture.missing_of_guests() RETURNS TABLE (what text, detail text) LANGUAGE sql SET jit = off AS $$
	WITH g AS MATERIALIZED (
		SELECT x.* FROM torture.given x JOIN jadugar_internal.tenant t USING (tenant_id)
		WHERE NOT t.dropping AND NOT EXISTS (SELECT FROM torture.drop_call d WHERE d.tenant_id = x.tenant_id)),
	h AS MATERIALIZED (SELECT * FROM jadugar_internal.attempt WHERE tenant LIKE 'guest%')
	SELECT 'task that went with another tenant', g::text FROM g
	WHERE what IN ('task', 'message') AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = id) AND NOT EXISTS (SELECT FROM h WHERE h.task_id = id AND final)
	UNION ALL
	SELECT 'schedule that went with another tenant', g::text FROM g
	WHERE what = 'schedule' AND NOT EXISTS (SELECT FROM jadugar_internal.schedule s WHERE s.schedule_id = id)
	UNION ALL
	SELECT 'run that went with another tenant', g::text FROM g
	WHERE what = 'run' AND NOT EXISTS (SELECT FROM jadugar_internal.flow_run r WHERE r.run_id = id)
	UNION ALL
	SELECT 'blob that went with another tenant', g::text FROM g
	WHERE what = 'blob' AND NOT EXISTS (SELECT FROM jadugar_internal.blob b WHERE b.blob_id = id)
	UNION ALL
	SELECT 'state that went with another tenant', g::text FROM g JOIN h ON h.task_id = id AND h.final AND h.status = 'c'
	WHERE what = 'message' AND NOT EXISTS (SELECT FROM jadugar_internal.actor_state s WHERE s.actor = h.payload->>'actor' AND s.key = h.payload->>'key')
	UNION ALL
	-- the log of an attempt that was lost is, too
	SELECT 'log that went with another tenant', s::text FROM torture.served s JOIN h USING (task_id, attempt)
	WHERE task_id IN (SELECT id FROM g) AND h.status = 'c' AND NOT EXISTS (SELECT FROM jadugar_internal.log l WHERE l.task_id = s.task_id AND l.attempt = s.attempt AND l.message = 'served')
	UNION ALL
	SELECT 'ended with another tenant', h::text FROM h WHERE ended_by = 'dora' AND task_id IN (SELECT id FROM g) $$;

-- What is wrong, when all guests have been dropped.
CREATE FUNCTION torture.tenant_findings() RETURNS TABLE (what text, detail text) LANGUAGE sql SET jit = off AS $$
	SELECT 'row of a tenant that was dropped', r::text FROM torture.rows_of_guests() r
	UNION ALL
	SELECT 'task of a tenant that was dropped', g || ', later ' || count(s.tenant_id) FROM torture.guest g LEFT JOIN torture.served s USING (tenant_id)
	WHERE g.served IS NOT NULL GROUP BY g HAVING count(s.tenant_id) <> max(g.served)
	UNION ALL
	SELECT 'step without a run', s::text FROM jadugar_internal.flow_step s WHERE NOT EXISTS (SELECT FROM jadugar_internal.flow_run r WHERE r.run_id = s.run_id)
	UNION ALL
	SELECT 'statistics without a schedule', s::text FROM jadugar_internal.schedule_stat s
	WHERE NOT EXISTS (SELECT FROM jadugar_internal.schedule x WHERE x.schedule_id = s.schedule_id) $$;

-- The guests of the round, for a line of the log.
CREATE FUNCTION torture.guest_summary() RETURNS text LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM torture.guest) || ' guests with ' || (SELECT count(*) FROM torture.given) || ' tasks and other things, '
		|| count(*) FILTER (WHERE NOT returned) || ' drops, ' || count(*) FILTER (WHERE returned) || ' returned' FROM torture.drop_call $$;

-- Makes room for the next round.
CREATE FUNCTION torture.forget_guests() RETURNS void LANGUAGE sql AS $$
	TRUNCATE torture.guest, torture.given, torture.served, torture.drop_call $$;
