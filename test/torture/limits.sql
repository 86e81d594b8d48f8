-- Limits, tenants and actors, and their proof.  Run once, after setup.sql, as a
-- superuser.
--
-- Three witnesses say how many tasks of a limit ran at once: the history; the
-- effects, which have a clock of their own; and torture.enter(), which has no clock
-- and sees also what is killed or undone.

-- ------------------------------------------------------------ limits, tenants

-- What the limits allow at most.  Operators lower them for a while.
CREATE TABLE torture.bound (
	scope		text NOT NULL,
	name		text NOT NULL,
	owner		text,			-- of a key: another owner's is another limit
	most		integer,		-- tasks at a time
	rate		integer,		-- tasks a second, and at once
	burst		integer
);
INSERT INTO torture.bound VALUES
	('queue', 'two', NULL, 2, NULL, NULL),
	('queue', 'paced', NULL, NULL, 40, 4),
	('tenant', 'gold', NULL, 2, NULL, NULL),
	('tenant', 'silver', NULL, 3, 60, 6),
	('handler', 'torture_limited', NULL, 2, NULL, NULL),
	('handler', 'torture_paced', NULL, 4, 30, 3),
	('owner', 'carol', NULL, 3, 300, 30);
INSERT INTO torture.bound SELECT 'key', 'three', r, 3, NULL, NULL FROM unnest('{alice,bob,carol}'::text[]) r;
INSERT INTO torture.bound SELECT 'key', 'paced', r, 2, 30, 2 FROM unnest('{alice,bob,carol}'::text[]) r;
GRANT SELECT ON torture.bound TO PUBLIC;

SELECT jadugar.create_queue('paced');
SELECT jadugar.create_tenant('gold', weight => 3), jadugar.create_tenant('silver'),
	jadugar.create_tenant('bronze', max_tasks => 30, max_priority => 0, enqueue_rate => 1000, enqueue_burst => 60),
	jadugar.create_tenant('copper', max_tasks => 200, enqueue_rate => 20, enqueue_burst => 5);
SELECT jadugar.register_sql_handler(h, 'SELECT torture.work($1)') FROM unnest('{torture_limited,torture_paced,torture_sometimes}'::text[]) h;
SELECT jadugar.grant_handler(h, r) FROM unnest('{torture_limited,torture_paced,torture_sometimes}'::text[]) h, unnest('{alice,bob,carol}'::text[]) r;
SELECT jadugar.grant_queue('paced', r) FROM unnest('{alice,bob,carol}'::text[]) r;
SELECT jadugar.set_limit(scope, name, most, rate => rate, burst => burst, owner => owner) FROM torture.bound;

-- A task takes part in a limit: a lock for each place, which no other session has.
-- Who ends without a commit has its locks until then, so there may be a moment
-- without one.
CREATE FUNCTION torture.enter(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	b record;
	entered boolean;
BEGIN
	FOR b IN SELECT scope || ' ' || name AS name, COALESCE(owner, '') AS owner, most FROM torture.bound
			WHERE most IS NOT NULL AND scope || ' ' || name = ANY (names) AND COALESCE(owner, current_user) = current_user LOOP
		FOR try IN 1 .. 12 LOOP
			entered := EXISTS (SELECT FROM generate_series(1, b.most) place WHERE pg_try_advisory_xact_lock(hashtext(b.name || b.owner), place));
			EXIT WHEN entered;
			-- waits-for-time: until a worker that ends has undone its group
			PERFORM pg_sleep(0.01);
		END LOOP;
		IF NOT entered THEN
			RAISE WARNING 'more at a time than allowed: %', b.name;
		END IF;
	END LOOP;
END $$;

-- Operators lower limits and give them back, and pause tenants.  The limit of one
-- handler comes and goes, which moves its tasks to other lanes.
CREATE FUNCTION torture.steer_limits() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	b torture.bound;
BEGIN
	CASE (random() * 3)::integer
	WHEN 0 THEN
		SELECT * INTO b FROM torture.bound ORDER BY random() LIMIT 1;
		IF random() < 0.5 THEN
			b.most := LEAST(b.most, 1);
			-- with a lower burst, some of what has begun would be forgotten
			b.rate := GREATEST(b.rate / 2, 1);
		END IF;
		PERFORM jadugar.set_limit(b.scope, b.name, b.most, rate => b.rate, burst => b.burst, owner => b.owner);
	WHEN 1 THEN
		PERFORM jadugar.set_limit('handler', 'torture_sometimes', CASE WHEN random() < 0.5 THEN 1 END);
	WHEN 2 THEN
		PERFORM jadugar.pause_tenant((ARRAY['gold', 'silver', 'bronze'])[1 + (random() * 2)::integer]);
	ELSE
		PERFORM jadugar.resume_tenant(name) FROM jadugar.tenants WHERE paused AND NOT dropping;
	END CASE;
END $$;

-- Everything as it was.
CREATE FUNCTION torture.restore_limits() RETURNS void LANGUAGE sql AS $$
	SELECT jadugar.set_limit(scope, name, most, rate => rate, burst => burst, owner => owner) FROM torture.bound;
	SELECT jadugar.resume_tenant(name) FROM jadugar.tenants WHERE paused AND NOT dropping $$;

-- What began, with all that may have a limit.
CREATE VIEW torture.begun AS
SELECT r.task_id, r.attempt, r.status, r.started_at, r.finished_at, r.error_code, q.name AS queue, r.tenant, a.rolname AS owner,
	c.text AS handler,
	-- the history has no key
	(SELECT substr(w, 5) FROM jsonb_array_elements_text(r.payload->'within') w WHERE w LIKE 'key %') AS key
FROM jadugar_internal.attempt r JOIN jadugar_internal.queue q USING (queue_id) JOIN jadugar_internal.command c USING (command_id)
	JOIN pg_roles a ON a.oid = r.owner
WHERE r.started_at IS NOT NULL;
CREATE VIEW torture.bounded AS
SELECT b.scope, b.name, b.owner AS of, b.most, b.rate, b.burst, t.task_id, t.attempt, t.status, t.started_at, t.finished_at, t.error_code
FROM torture.bound b JOIN torture.begun t ON b.name =
	CASE b.scope WHEN 'queue' THEN t.queue WHEN 'tenant' THEN t.tenant WHEN 'handler' THEN t.handler WHEN 'owner' THEN t.owner ELSE t.key END
	AND COALESCE(b.owner, t.owner) = t.owner;

-- Intervals of time with more tasks than allowed.
CREATE FUNCTION torture.too_many(OUT by text, OUT bounds text, OUT at timestamptz, OUT n bigint, OUT most integer)
RETURNS SETOF record LANGUAGE sql SET jit = off AS $$
	WITH ran AS (
		-- a lost attempt ended before it was found to be lost
		SELECT 'history' AS by, concat_ws(' ', scope, name, of) AS bounds, most, started_at AS began,
			CASE WHEN error_code = 'WORKER_CRASHED' THEN started_at ELSE finished_at END AS ended
		FROM torture.bounded WHERE most IS NOT NULL
		UNION ALL
		SELECT 'effects', concat_ws(' ', scope, name, of), most, e.began, e.ended
		FROM torture.bounded JOIN torture.effect e USING (task_id, attempt) WHERE most IS NOT NULL AND status = 'c'),
	change AS (
		SELECT by, bounds, most, began AS at, 1 AS d FROM ran
		UNION ALL
		SELECT by, bounds, most, ended, -1 FROM ran)
	SELECT * FROM (SELECT by, bounds, at, sum(d) OVER (PARTITION BY by, bounds ORDER BY at, d ROWS UNBOUNDED PRECEDING) AS n, most FROM change) x WHERE n > most $$;

-- Tasks that began too early: more than burst + rate * T in some time T up to them.
-- If i tasks have begun at s(i), that is s(j) - j / rate < s(i) - i / rate - (burst - 1) / rate
-- for some i before j.  Starts have microseconds.
CREATE FUNCTION torture.too_early(OUT bounds text, OUT at timestamptz)
RETURNS SETOF record LANGUAGE sql SET jit = off AS $$
	WITH b AS (
		SELECT concat_ws(' ', scope, name, of) AS bounds, rate, burst, started_at,
			extract(epoch FROM started_at) - row_number() OVER (PARTITION BY scope, name, of ORDER BY started_at, task_id)::numeric / rate AS ahead
		FROM torture.bounded WHERE rate IS NOT NULL)
	SELECT bounds, started_at
	FROM (SELECT *, max(ahead) OVER (PARTITION BY bounds ORDER BY started_at, ahead DESC ROWS UNBOUNDED PRECEDING) AS before FROM b) x
	WHERE ahead < before - (burst - 1)::numeric / rate - 0.000002 $$;

-- --------------------------------------------------------------------- actors

-- Messages that were sent, in the transaction of the sender.
CREATE TABLE torture.sent (
	tag			text NOT NULL,
	task_id		bigint NOT NULL,
	actor		text NOT NULL,
	key			text NOT NULL,
	ordered		boolean NOT NULL,	-- without a delay
	xid			xid8 NOT NULL,
	seen		pg_snapshot NOT NULL
);
-- What became of the state of each key: by a message, or by reset_actor().
CREATE TABLE torture.told (
	actor		text NOT NULL,
	key			text NOT NULL,
	task_id		bigint,
	before		integer,		-- NULL: whatever it was
	after		integer NOT NULL,	-- 0: it is forgotten
	turn		bigint NOT NULL DEFAULT nextval('torture.turn')
);
GRANT SELECT, INSERT ON torture.sent, torture.told TO PUBLIC;

-- The state counts the messages.  Effects come first, so that a failure has
-- something to undo.
CREATE FUNCTION torture.tell(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	me record := jadugar.current_task();
	n integer := COALESCE((state->>'n')::integer, 0);
	forget boolean := message ? 'forget';
BEGIN
	INSERT INTO torture.told VALUES (me.payload->>'actor', me.payload->>'key', me.task_id, n, CASE WHEN forget THEN 0 ELSE n + 1 END);
	-- waits-for-time: for another one of the key to come, and for a kill
	PERFORM pg_sleep((message->>'sleep')::float8);
	INSERT INTO torture.effect (tag, task_id, attempt, lane, began, ended)
	VALUES (message->>'tag', me.task_id, me.attempt, concat_ws('/', 'actor', me.payload->>'actor', me.payload->>'key'), began, clock_timestamp());
	IF me.attempt <= COALESCE((message->>'fail')::integer, 0) THEN
		RAISE EXCEPTION 'meant to fail' USING DETAIL = message::text;
	END IF;
	state := CASE WHEN NOT forget THEN jsonb_build_object('n', n + 1) END;
	reply := to_jsonb(n);
END $$;

SELECT jadugar.create_queue('actors');
SELECT jadugar.grant_queue('actors', r) FROM unnest('{alice,bob,carol}'::text[]) r;
SET SESSION AUTHORIZATION alice;
SELECT jadugar.register_actor('tally', 'torture.tell', queue => 'actors', retry => '{"max_attempts": 3, "delay": 0.02}'),
	jadugar.register_actor('strict', 'torture.tell', queue => 'actors', retry => '{"max_attempts": 2, "delay": 0.02}', on_failure => 'stop');
SET SESSION AUTHORIZATION bob;
SELECT jadugar.register_actor('brief', 'torture.tell', queue => 'actors', retry => '{"max_attempts": 3, "delay": 0.02}', idle_ttl => '1 minute');
RESET SESSION AUTHORIZATION;

CREATE FUNCTION torture.send(tag text, actor text, key text, message jsonb, delay interval) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seen pg_snapshot := pg_current_snapshot();
	id bigint := jadugar.send(actor, key, message || jsonb_build_object('tag', tag), delay => delay);
BEGIN
	INSERT INTO torture.sent VALUES (tag, id, actor, key, delay IS NULL, pg_current_xact_id(), seen);
	RETURN id;
END $$;

-- An operator gives a key another state, or runs a failed message again.
CREATE FUNCTION torture.steer_actors() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a text := (ARRAY['tally', 'strict', 'brief'])[1 + floor(random() * 3)];
	k text := 'k' || floor(random() * 4);
	id bigint;
BEGIN
	IF random() < 0.4 THEN
		PERFORM jadugar.reset_actor(a, k, '{"n": 1000}');
		INSERT INTO torture.told VALUES (a, k, NULL, NULL, 1000);
		RETURN;
	END IF;
	SELECT f.task_id INTO id FROM jadugar.failures f WHERE queue = 'actors' AND f.task_id NOT IN (SELECT r.task_id FROM torture.retried r) ORDER BY random() LIMIT 1;
	IF FOUND THEN
		INSERT INTO torture.retried VALUES (id);
		PERFORM jadugar.retry_task(id);
	END IF;
END $$;

-- -------------------------------------------------------------------- findings

-- What is wrong, when all work has ended.  jumped: the clock of the history did,
-- so it does not tell how much time has passed.
CREATE FUNCTION torture.limit_findings(jumped boolean) RETURNS TABLE (what text, detail text) LANGUAGE sql SET jit = off AS $$
	SELECT 'more at a time than allowed', t::text FROM torture.too_many() t WHERE t.by = 'effects' OR NOT jumped
	UNION ALL
	SELECT 'began too early', t::text FROM torture.too_early() t WHERE NOT jumped
	UNION ALL
	SELECT 'a limit in use', l::text FROM jadugar.limits l WHERE in_use > 0 OR waiting
	UNION ALL
	SELECT 'beyond the priority of its tenant', r::text FROM jadugar_internal.attempt r WHERE tenant = 'bronze' AND priority > 0

	-- each message is handled once, by the state that the one before has left
	UNION ALL
	SELECT 'message', format('%s: %s %s times', e.tag, e.status, count(t.task_id))
	FROM (SELECT task_id, payload->'message'->>'tag' AS tag, status FROM jadugar_internal.attempt WHERE final AND payload ? 'message') e
		LEFT JOIN torture.told t USING (task_id)
	GROUP BY e.task_id, e.tag, e.status HAVING count(t.task_id) <> (e.status = 'c')::integer
	UNION ALL
	SELECT 'message of a sender', format('%s %s', s, r.task_id)
	FROM torture.sent s FULL JOIN (SELECT DISTINCT task_id FROM jadugar_internal.attempt WHERE payload ? 'message') r USING (task_id)
	WHERE s.task_id IS NULL OR r.task_id IS NULL
	UNION ALL
	SELECT 'state that a message found', t::text
	FROM (SELECT *, lag(after, 1, 0) OVER (PARTITION BY actor, key ORDER BY turn) AS was FROM torture.told) t
	WHERE before <> was AND NOT (before = 0 AND actor = 'brief')
	UNION ALL
	SELECT 'state of a key', format('%s, last %s', s, t)
	FROM (SELECT DISTINCT ON (actor, key) actor, key, after FROM torture.told ORDER BY actor, key, turn DESC) t
		FULL JOIN jadugar_internal.actor_state s USING (actor, key)
	WHERE COALESCE((s.state->>'n')::integer, 0) <> COALESCE(t.after, 0) AND NOT (s.actor IS NULL AND actor = 'brief')
	UNION ALL
	SELECT 'order of messages', format('%s before %s', b, a)
	FROM torture.sent a JOIN torture.told ta USING (task_id) JOIN torture.sent b ON b.actor = a.actor AND b.key = a.key JOIN torture.told tb ON tb.task_id = b.task_id
	WHERE a.ordered AND b.ordered AND tb.turn < ta.turn
		AND CASE WHEN a.xid = b.xid THEN a.task_id < b.task_id ELSE pg_visible_in_snapshot(a.xid, b.seen) END
		AND a.task_id NOT IN (SELECT task_id FROM torture.retried) AND b.task_id NOT IN (SELECT task_id FROM torture.retried)
	UNION ALL
	SELECT 'key that is stopped', a::text FROM jadugar.actors a WHERE waiting + stopped > 0 $$;

-- The tenants of the round, for a line of the log.
CREATE FUNCTION torture.tenant_summary() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', tenant, n), ', ' ORDER BY tenant)
	FROM (SELECT tenant, count(*) AS n FROM jadugar_internal.attempt WHERE final AND tenant IS NOT NULL GROUP BY tenant) t $$;

-- Makes room for the next round; states stay.
CREATE FUNCTION torture.forget_limits() RETURNS void LANGUAGE sql AS $$
	TRUNCATE torture.sent, torture.told;
	INSERT INTO torture.told SELECT actor, key, NULL, NULL, (state->>'n')::integer FROM jadugar_internal.actor_state $$;
