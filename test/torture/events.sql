-- Events: subscriptions of several roles, their handlers, and the proof.  Run once,
-- after setup.sql, as a superuser.
--
-- Whoever publishes an event writes a row of torture.published in the same
-- transaction; the ledger of the producers decides which of these must be there
-- (kind event).  A handler leaves a row of torture.handled, and then fails at random.
-- So does a consumer outside the server, which acknowledges in the same transaction.

SELECT jadugar.create_topic('torture', keep => true, roll => 'hour');
SELECT jadugar.grant_topic('torture', r, p) FROM unnest('{alice,bob,carol}'::text[]) r, unnest('{read,publish}'::text[]) p;
-- Its leaves are dropped when the clock jumps.
SELECT jadugar.create_topic('torture_past', retention => '1 day', roll => 'hour');
SELECT jadugar.grant_topic('torture_past', r, 'publish') FROM unnest('{alice,bob,carol}'::text[]) r;

CREATE SEQUENCE torture.turn;
CREATE TABLE torture.published (
	tag			text NOT NULL,
	event_id	bigint NOT NULL,
	key			text,
	xid			xid8 NOT NULL,
	seen		pg_snapshot NOT NULL,	-- when it was published
	dead		text			-- name of the subscription that gives it up
);
CREATE TABLE torture.handled (
	subscription text NOT NULL,
	event_id	bigint NOT NULL,
	shard		integer NOT NULL,
	turn		bigint NOT NULL DEFAULT nextval('torture.turn')
);
CREATE TABLE torture.subscription (
	name		text PRIMARY KEY,
	owner		text NOT NULL,
	delivery	text NOT NULL DEFAULT 'inline',
	on_failure	text NOT NULL DEFAULT 'park_key',
	shards		integer NOT NULL DEFAULT 3,
	batch		integer,
	keys		text[],			-- of the events it is for
	ordered		boolean NOT NULL DEFAULT true,	-- are events of a key handled in order?
	chance		float8 NOT NULL DEFAULT 0,	-- that an attempt fails
	gives_up	boolean NOT NULL DEFAULT false,	-- events die, and are driven again
	reshards	boolean NOT NULL DEFAULT false,	-- the number of shards changes
	-- of a replay: the events that it has to handle
	upto		pg_snapshot,
	after_id	bigint,
	until_id	bigint
);
-- Events that an operator gave up.
CREATE TABLE torture.discarded (subscription text NOT NULL, event_id bigint NOT NULL);
-- The last event of the rounds before.
CREATE TABLE torture.before (event_id bigint NOT NULL);
INSERT INTO torture.before VALUES (0);
GRANT SELECT, INSERT ON torture.published, torture.handled, torture.subscription TO PUBLIC;
GRANT USAGE ON SEQUENCE torture.turn TO PUBLIC;

CREATE FUNCTION torture.publish(tag text, key text, data jsonb DEFAULT '{}') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seen pg_snapshot := pg_current_snapshot();
	id bigint := jadugar.publish('t.one', data || jsonb_build_object('tag', tag), key, topic => 'torture');
BEGIN
	INSERT INTO torture.published VALUES (tag, id, key, pg_current_xact_id(), seen, data->>'dead');
	PERFORM jadugar.publish('past', topic => 'torture_past');
	RETURN id;
END $$;

-- Events TAG1, TAG2 and so on, with a few keys.
CREATE FUNCTION torture.publish_many(tag text, n integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seen pg_snapshot := pg_current_snapshot();
	keys text[] := ARRAY(SELECT 'k' || i % 7 FROM generate_series(1, n) i);
BEGIN
	INSERT INTO torture.published
	SELECT tag || b.i, b.id, keys[b.i], pg_current_xact_id(), seen
	FROM jadugar.publish_batch('t.many', ARRAY(SELECT jsonb_build_object('tag', tag || i) FROM generate_series(1, n) i), keys, topic => 'torture')
		WITH ORDINALITY b (id, i);
	RETURN n;
END $$;

-- Fails in some of the first attempts, always in the same ones; in any attempt if
-- events are to die.
CREATE FUNCTION torture.may_fail(subscription text, event_id bigint, attempt integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM torture.subscription s WHERE s.name = subscription AND s.chance > CASE WHEN s.gives_up THEN random()
			WHEN attempt < 6 THEN (hashtextextended(subscription || attempt, event_id) & 1023) / 1024.0 ELSE 1 END) THEN
		RAISE EXCEPTION 'meant to fail' USING DETAIL = format('Attempt %s of event %s.', attempt, event_id);
	END IF;
END $$;

-- The effect comes first, so that a failure has something to undo.
CREATE FUNCTION torture.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	me record := jadugar.current_event();
	tag text := e.data->>'tag';
BEGIN
	INSERT INTO torture.handled VALUES (me.subscription, e.event_id, me.shard);
	IF me.subscription = 'one' AND e.data ? 'more' THEN
		PERFORM torture.publish(tag || '.next', e.key, CASE WHEN e.data->>'more' > '1' THEN '{"more": 1}' ELSE '{}' END::jsonb);
		PERFORM jadugar.enqueue('SELECT torture.work($1)', jsonb_build_object('tag', tag || '.more'));
	END IF;
	IF e.data->>'dead' = me.subscription THEN
		PERFORM jadugar.discard('not wanted');
	END IF;
	IF me.subscription = 'three' AND me.attempt = 1 AND e.data ? 'no_commit' THEN
		-- fails only at commit: unsupported ON COMMIT and foreign key
		CREATE TEMP TABLE referenced (n integer PRIMARY KEY) ON COMMIT DELETE ROWS;
		CREATE TEMP TABLE referencing (n integer REFERENCES referenced);
	END IF;
	PERFORM torture.may_fail(me.subscription, e.event_id, me.attempt);
END $$;

CREATE FUNCTION torture.handle(e jadugar.event_info[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	me record := jadugar.current_event();
BEGIN
	INSERT INTO torture.handled SELECT me.subscription, (u).event_id, me.shard FROM unnest(e) u;
	PERFORM torture.may_fail(me.subscription, (u).event_id, me.attempt) FROM unnest(e) u;
END $$;

INSERT INTO torture.subscription (name, owner, shards, delivery, on_failure, batch, keys, ordered, chance, gives_up, reshards) VALUES
	('one', 'alice', 1, 'inline', 'park_key', NULL, NULL, true, 0, false, false),
	('three', 'alice', 3, 'inline', 'park_key', NULL, NULL, true, 0.2, false, true),
	('park', 'bob', 3, 'inline', 'park', NULL, NULL, false, 0.2, false, true),
	('batch', 'bob', 1, 'inline', 'park_key', 10, NULL, true, 0.05, false, true),
	('batches', 'carol', 3, 'inline', 'park_key', 4, NULL, true, 0.05, false, false),
	('block', 'carol', 3, 'inline', 'block', NULL, NULL, true, 0.1, false, true),
	('keys', 'bob', 3, 'inline', 'park_key', NULL, '{k1,k2,k3}', true, 0, false, false),
	('redriven', 'alice', 2, 'inline', 'park_key', NULL, NULL, true, 0.3, true, true),
	-- an operator cancels, pauses and prefers tasks
	('tasks', 'bob', 2, 'task', 'park_key', NULL, NULL, false, 0.2, false, true),
	('out', 'alice', 3, 'fetch', 'park_key', NULL, NULL, true, 0.1, false, false),
	('out_block', 'bob', 1, 'fetch', 'block', NULL, NULL, true, 0.1, false, false),
	('out_redriven', 'alice', 2, 'fetch', 'park_key', NULL, NULL, true, 0.3, true, false);
SELECT jadugar.subscribe(name, '{t.*}', CASE WHEN delivery <> 'fetch' THEN 'SELECT torture.handle($1)' END, topics => '{torture}', keys => keys,
	shards => shards, batch => batch, delivery => delivery, on_failure => on_failure, max_attempts => CASE WHEN gives_up THEN 2 ELSE 10000 END, owner => owner,
	retry => '{"delay": 0.01, "max_delay": 0.05, "retry_on": ["08", "0A000", "40", "53", "57", "P0001", "WORKER_CRASHED", "XX000"]}')
FROM torture.subscription;

-- Consumers outside the server: leases events of a subscription, and returns them
-- with the token.
CREATE FUNCTION torture.fetch(subscription text, consumer text, owner text DEFAULT NULL, ack text DEFAULT NULL, OUT token text, OUT given jsonb) LANGUAGE sql AS $$
	SELECT COALESCE(max(token), ''), COALESCE(jsonb_agg(jsonb_build_object('id', (event).event_id, 'shard', shard, 'attempt', attempt, 'dead', (event).data->'dead')), '[]')
	FROM jadugar.fetch_events(subscription, consumer, max_rows => (1 + random() * 9)::integer, lease => random() * interval '1 second', owner => owner, ack => ack) $$;

-- The effects of one event.
CREATE FUNCTION torture.note(subscription text, e jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO torture.handled VALUES (subscription, (e->>'id')::bigint, (e->>'shard')::integer) $$;

-- Handles events and acknowledges them, until one fails.  Sometimes it acknowledges
-- each at once, or leaves some to others.
CREATE FUNCTION torture.settle(subscription text, token text, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	each boolean := random() < 0.3;
	s torture.subscription;
	e jsonb;
	pending jsonb;		-- handled, but not acknowledged yet
BEGIN
	SELECT * INTO s FROM torture.subscription t WHERE t.name = subscription;
	FOR e IN SELECT * FROM jsonb_array_elements(given) LOOP
		IF e->>'dead' = subscription OR (random() < s.chance AND (s.gives_up OR (e->>'attempt')::integer < 6)) THEN
			PERFORM jadugar.ack(token, (pending->>'id')::bigint) WHERE pending IS NOT NULL;
			PERFORM jadugar.nack(token, (e->>'id')::bigint, 'meant to fail', dead => COALESCE(e->>'dead' = subscription, false));
			RETURN;
		END IF;
		PERFORM torture.note(subscription, e);
		pending := e;
		IF e <> given->-1 AND (each OR random() < 0.05) THEN
			PERFORM jadugar.ack(token, (e->>'id')::bigint);
			pending := NULL;
			IF random() < 0.1 THEN
				PERFORM jadugar.release_lease(token);
				RETURN;
			END IF;
			PERFORM jadugar.extend_lease(token, '1 second');
		END IF;
	END LOOP;
	PERFORM jadugar.ack(token);
END $$;

-- Handles what there is to fetch now.
CREATE PROCEDURE torture.consume_all() LANGUAGE plpgsql AS $$
DECLARE
	s record;
	f record;
BEGIN
	FOR s IN SELECT name, owner FROM torture.subscription WHERE delivery = 'fetch' LOOP
		LOOP
			f := torture.fetch(s.name, 'last', s.owner);
			EXIT WHEN f.token = '';
			PERFORM torture.settle(s.name, f.token, f.given);
			COMMIT;
		END LOOP;
		COMMIT;
	END LOOP;
END $$;

-- One shard becomes seven, and more become one.
CREATE FUNCTION torture.reshard() RETURNS void LANGUAGE sql AS $$
	SELECT jadugar.alter_subscription(name, shards => CASE WHEN s.shards = 1 THEN 7 ELSE 1 END, owner => owner)
	FROM jadugar.subscriptions s WHERE name IN (SELECT name FROM torture.subscription WHERE reshards)
	ORDER BY random() LIMIT 1 $$;

-- Begins to handle events of this round again.
CREATE FUNCTION torture.replay() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	s torture.subscription;
	id bigint;
BEGIN
	SELECT * INTO s FROM torture.subscription WHERE upto IS NULL ORDER BY random() LIMIT 1;
	IF (SELECT count(*) FROM torture.subscription WHERE upto IS NOT NULL) >= 5 THEN
		RETURN;
	END IF;
	s.after_id := (SELECT event_id FROM torture.before);
	s.until_id := (SELECT event_id FROM torture.published WHERE random() < 0.5 ORDER BY random() LIMIT 1);
	s.shards := (1 + random() * 2)::integer;
	id := jadugar.replay(s.name, s.name || ' replayed ' || nextval('torture.turn'), start_after => s.after_id, until_id => s.until_id, shards => s.shards, owner => s.owner);
	s.reshards := false;
	SELECT u.name, concat(COALESCE(upto_xip[1], upto_xmax), ':', upto_xmax, ':', array_to_string(upto_xip, ','))::pg_snapshot INTO s.name, s.upto
	FROM jadugar_internal.event_cursor c JOIN jadugar_internal.subscription u USING (subscription_id) WHERE subscription_id = id AND shard = 0;
	INSERT INTO torture.subscription SELECT s.*;
END $$;

-- Gives up one dead event.
CREATE FUNCTION torture.discard() RETURNS void LANGUAGE sql AS $$
	INSERT INTO torture.discarded
	SELECT subscription, event_id FROM (
		SELECT d.subscription, d.event_id, d.owner FROM jadugar.dead_letters d JOIN torture.subscription s ON s.name = d.subscription
		WHERE s.gives_up AND d.state = 'dead' ORDER BY random() LIMIT 1) d
	WHERE jadugar.discard_events(subscription, ARRAY[event_id], owner => owner) = 1 $$;

CREATE FUNCTION torture.redrive() RETURNS void LANGUAGE sql AS $$
	SELECT jadugar.redrive(name, owner => owner) FROM torture.subscription WHERE gives_up $$;

-- Tasks of events that have ended.
CREATE VIEW torture.task AS
SELECT task_id, metadata->>'subscription' AS subscription, (metadata->>'event_id')::bigint AS event_id, status
FROM jadugar_internal.attempt WHERE final AND metadata ? 'event_id';

-- Which subscription has to handle which event.
CREATE VIEW torture.wanted AS
SELECT s.name AS subscription, s.delivery, p.*
FROM torture.subscription s JOIN torture.published p ON s.keys IS NULL OR p.key = ANY (s.keys)
WHERE p.dead IS DISTINCT FROM s.name
	AND (s.upto IS NULL OR (p.event_id > s.after_id AND (s.until_id IS NULL OR p.event_id <= s.until_id) AND pg_visible_in_snapshot(p.xid, s.upto)))
	AND NOT EXISTS (SELECT FROM torture.discarded d WHERE d.subscription = s.name AND d.event_id = p.event_id);
-- Without those whose task was cancelled.
CREATE VIEW torture.expected AS
SELECT w.* FROM torture.wanted w LEFT JOIN torture.task t ON w.delivery = 'task' AND t.subscription = w.subscription AND t.event_id = w.event_id
WHERE t.status IS DISTINCT FROM 'x';
CREATE VIEW torture.parked AS
SELECT s.name AS subscription, p.*
FROM jadugar_internal.parked p JOIN jadugar_internal.subscription s USING (subscription_id);

-- Deliveries that have not ended yet.
CREATE FUNCTION torture.undelivered() RETURNS bigint LANGUAGE sql SET jit = off AS $$
	SELECT (SELECT count(*) FROM torture.expected e LEFT JOIN torture.handled h USING (subscription, event_id) WHERE h.event_id IS NULL)
		+ (SELECT count(*) FROM torture.published p LEFT JOIN torture.parked d ON d.subscription = p.dead AND d.event_id = p.event_id AND d.state = 'd'
			WHERE p.dead IS NOT NULL AND d.event_id IS NULL)
		+ (SELECT count(*) FROM torture.parked d LEFT JOIN torture.published p ON p.event_id = d.event_id AND p.dead = d.subscription WHERE d.state <> 'd' OR p.event_id IS NULL)
		+ (SELECT count(*) FROM jadugar.subscriptions s JOIN torture.subscription t USING (name)
			WHERE s.status <> CASE WHEN t.upto IS NULL THEN 'active' ELSE 'done' END) $$;

-- What is wrong, when all work has ended.
CREATE FUNCTION torture.event_findings() RETURNS TABLE (what text, detail text) LANGUAGE sql SET jit = off AS $$
	-- the log has what was committed, and nothing else
	SELECT 'event lost', l::text FROM torture.ledger l LEFT JOIN torture.published p USING (tag)
	WHERE l.kind = 'event' AND l.fate = 'acked' AND p.tag IS NULL
	UNION ALL
	SELECT 'event rolled back but published', l::text FROM torture.ledger l JOIN torture.published p USING (tag) WHERE l.fate = 'undone'
	UNION ALL
	SELECT 'half of a transaction', txn || ': ' || string_agg(tag, ' ') FILTER (WHERE NOT there)
	FROM (SELECT l.txn, l.tag, COALESCE(p.tag, t.tag) IS NOT NULL AS there
		FROM torture.ledger l LEFT JOIN torture.published p USING (tag)
			LEFT JOIN (SELECT DISTINCT payload->>'tag' AS tag FROM jadugar_internal.attempt) t USING (tag)
		WHERE l.fate = 'unknown' AND l.kind <> 'silent') x
	GROUP BY txn HAVING bool_or(there) AND NOT bool_and(there)
	UNION ALL
	SELECT 'log and published', format('%s %s', e.event_id, p)
	FROM (SELECT e.event_id, e.data->>'tag' AS tag, e.key, e.xid
			FROM jadugar_internal.event e JOIN jadugar_internal.event_leaf USING (leaf) JOIN jadugar_internal.topic t USING (topic_id)
			WHERE t.name = 'torture' AND event_id > (SELECT COALESCE(min(event_id), 0) - 1 FROM torture.published)) e
		FULL JOIN torture.published p USING (event_id)
	WHERE e.event_id IS NULL OR p.event_id IS NULL OR e.tag <> p.tag OR e.xid <> p.xid OR e.key IS DISTINCT FROM p.key
	UNION ALL
	SELECT 'one event, two ids', tag FROM torture.published GROUP BY tag HAVING count(*) > 1
	UNION ALL
	SELECT 'published by a handler', format('%s %s', p, c)
	FROM (SELECT regexp_replace(tag, '\.next$', '') AS tag, event_id FROM torture.published WHERE tag LIKE '%.next') c
		FULL JOIN (SELECT p.tag, h.event_id FROM torture.published p JOIN torture.handled h ON h.event_id = p.event_id AND h.subscription = 'one'
			JOIN jadugar_internal.event e ON e.event_id = p.event_id AND e.data ? 'more') p USING (tag)
	WHERE c.tag IS NULL OR p.tag IS NULL
	UNION ALL
	SELECT 'enqueued by a handler', p.tag
	FROM torture.published p JOIN jadugar_internal.event e ON e.event_id = p.event_id AND e.data ? 'more'
		LEFT JOIN (SELECT DISTINCT payload->>'tag' AS tag FROM jadugar_internal.attempt) t ON t.tag = p.tag || '.more'
	WHERE t.tag IS NULL

	-- each event is handled once
	UNION ALL
	SELECT 'not handled', e::text FROM torture.expected e LEFT JOIN torture.handled h USING (subscription, event_id) WHERE h.event_id IS NULL
	UNION ALL
	SELECT 'handled, but not for it', h::text FROM torture.handled h LEFT JOIN torture.expected e USING (subscription, event_id) WHERE e.event_id IS NULL
	UNION ALL
	SELECT 'handled more than once', format('%s %s', subscription, event_id) FROM torture.handled GROUP BY subscription, event_id HAVING count(*) > 1
	UNION ALL
	SELECT 'order', format('%s %s before %s', s.name, b, a)
	FROM torture.subscription s JOIN torture.handled ha ON ha.subscription = s.name JOIN torture.published a ON a.event_id = ha.event_id
		JOIN torture.published b ON b.key = a.key
		JOIN torture.handled hb ON hb.subscription = s.name AND hb.event_id = b.event_id
	WHERE s.ordered AND hb.turn < ha.turn
		AND CASE WHEN a.xid = b.xid THEN a.event_id < b.event_id ELSE pg_visible_in_snapshot(a.xid, b.seen) END
	UNION ALL
	SELECT 'key in two shards', format('%s %s', subscription, key)
	FROM torture.handled h JOIN torture.published USING (event_id) JOIN torture.subscription s ON s.name = h.subscription
	WHERE key IS NOT NULL AND NOT s.reshards GROUP BY subscription, key HAVING count(DISTINCT shard) > 1
	UNION ALL
	SELECT 'tasks of an event', format('%s %s: %s', w.subscription, w.event_id, count(t.task_id))
	FROM torture.wanted w LEFT JOIN torture.task t USING (subscription, event_id)
	WHERE w.delivery = 'task' GROUP BY w.subscription, w.event_id HAVING count(t.task_id) <> 1
	UNION ALL
	SELECT 'end of a task of an event', t::text FROM torture.task t WHERE status NOT IN ('c', 'x')

	-- nothing is left aside, and the cursors have passed all that was handled
	UNION ALL
	SELECT 'set aside', d::text FROM torture.parked d LEFT JOIN torture.published p ON p.event_id = d.event_id AND p.dead = d.subscription
	WHERE d.state <> 'd' OR p.event_id IS NULL
	UNION ALL
	SELECT 'given up, but not set aside', p::text FROM torture.published p LEFT JOIN torture.parked d ON p.event_id = d.event_id AND p.dead = d.subscription
	WHERE p.dead IS NOT NULL AND d.event_id IS NULL
	UNION ALL
	SELECT 'count of events set aside', c::text FROM jadugar_internal.event_cursor c
	WHERE parked <> (SELECT count(*) FROM jadugar_internal.parked p WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard)
	UNION ALL
	SELECT 'shard', s::text FROM jadugar.subscription_shards s LEFT JOIN torture.subscription t ON t.name = s.subscription
	WHERE s.status <> CASE WHEN t.upto IS NULL THEN 'active' ELSE 'done' END OR s.blocked_id IS NOT NULL
	UNION ALL
	SELECT 'lease', s::text FROM jadugar.subscription_shards s WHERE holder IS NOT NULL
	UNION ALL
	SELECT 'shards', s::text FROM jadugar_internal.subscription s JOIN jadugar_internal.event_cursor c USING (subscription_id)
	GROUP BY s.subscription_id, s HAVING s.new_shards IS NOT NULL OR count(*) <> s.shards OR max(c.shard) <> s.shards - 1
	UNION ALL
	SELECT 'shard of an event set aside', p::text
	FROM torture.parked p JOIN jadugar_internal.subscription s USING (subscription_id) JOIN jadugar_internal.event e USING (event_id)
	WHERE p.shard <> e.slot % s.shards
	UNION ALL
	SELECT 'position before an event that was handled', format('%s %s', c, p)
	FROM torture.handled h JOIN torture.published p USING (event_id)
		JOIN jadugar_internal.subscription s ON s.name = h.subscription
		JOIN jadugar_internal.event e USING (event_id)
		JOIN jadugar_internal.event_cursor c ON c.subscription_id = s.subscription_id AND c.shard = e.slot % s.shards
	WHERE NOT ((p.xid < c.base_xmax AND p.xid <> ALL (c.base_xip))
		OR (c.upto_xmax IS NOT NULL AND p.xid < c.upto_xmax AND p.xid <> ALL (c.upto_xip) AND p.event_id <= c.after_id)) $$;

-- Makes room for the next round.
CREATE FUNCTION torture.forget_events() RETURNS void LANGUAGE sql AS $$
	SELECT jadugar.unsubscribe(name, dead_letters => 'drop', owner => owner) FROM torture.subscription WHERE upto IS NOT NULL;
	DELETE FROM torture.subscription WHERE upto IS NOT NULL;
	SELECT jadugar.discard_events(name, owner => owner) FROM torture.subscription;
	UPDATE torture.before b SET event_id = GREATEST(b.event_id, (SELECT max(event_id) FROM torture.published));
	TRUNCATE torture.published, torture.handled, torture.discarded $$;
