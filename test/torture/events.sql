-- Events: subscriptions of several roles, their handlers, and the proof.  Run once,
-- after setup.sql, as a superuser.
--
-- Whoever publishes an event writes a row of torture.published in the same
-- transaction; the ledger of the producers decides which of these must be there
-- (kind event).  A handler leaves a row of torture.handled, and then fails at random.

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
	keys		text[],			-- of the events it is for
	ordered		boolean NOT NULL,	-- are events of a key handled in order?
	chance		float8 NOT NULL	-- that an attempt fails
);
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

-- Fails in some of the first attempts, always in the same ones.
CREATE FUNCTION torture.may_fail(subscription text, event_id bigint, attempt integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF attempt < 6 AND (hashtextextended(subscription || attempt, event_id) & 1023) / 1024.0 <
		(SELECT chance FROM torture.subscription s WHERE s.name = subscription) THEN
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

INSERT INTO torture.subscription VALUES
	('one', 'alice', NULL, true, 0),
	('three', 'alice', NULL, true, 0.2),
	('park', 'bob', NULL, false, 0.2),
	('batch', 'bob', NULL, true, 0.05),
	('batches', 'carol', NULL, true, 0.05),
	('block', 'carol', NULL, true, 0.1),
	('keys', 'bob', '{k1,k2,k3}', true, 0);
SELECT jadugar.subscribe(name, '{t.*}', 'SELECT torture.handle($1)', topics => '{torture}', keys => keys,
	shards => CASE WHEN name IN ('one', 'batch') THEN 1 ELSE 3 END,
	batch => CASE name WHEN 'batch' THEN 10 WHEN 'batches' THEN 4 END,
	on_failure => CASE WHEN name IN ('park', 'block') THEN name ELSE 'park_key' END,
	max_attempts => 10000, owner => owner,
	retry => '{"delay": 0.01, "max_delay": 0.05, "retry_on": ["08", "0A000", "40", "53", "57", "P0001", "WORKER_CRASHED", "XX000"]}')
FROM torture.subscription;

-- Which subscription has to handle which event.
CREATE VIEW torture.expected AS
SELECT s.name AS subscription, p.*
FROM torture.subscription s JOIN torture.published p ON s.keys IS NULL OR p.key = ANY (s.keys)
WHERE p.dead IS DISTINCT FROM s.name;
CREATE VIEW torture.parked AS
SELECT s.name AS subscription, p.*
FROM jadugar_internal.parked p JOIN jadugar_internal.subscription s USING (subscription_id);

-- Deliveries that have not ended yet.
CREATE FUNCTION torture.undelivered() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM torture.expected e LEFT JOIN torture.handled h USING (subscription, event_id) WHERE h.event_id IS NULL)
		+ (SELECT count(*) FROM torture.published p LEFT JOIN torture.parked d ON d.subscription = p.dead AND d.event_id = p.event_id AND d.state = 'd'
			WHERE p.dead IS NOT NULL AND d.event_id IS NULL)
		+ (SELECT count(*) FROM torture.parked WHERE state <> 'd') $$;

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
	SELECT 'key in two shards', format('%s %s', subscription, key) FROM torture.handled JOIN torture.published USING (event_id)
	WHERE key IS NOT NULL GROUP BY subscription, key HAVING count(DISTINCT shard) > 1

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
	SELECT 'shard', s::text FROM jadugar.subscription_shards s WHERE status <> 'active' OR blocked_id IS NOT NULL
	UNION ALL
	SELECT 'position before an event that was handled', format('%s %s', c, p)
	FROM torture.handled h JOIN torture.published p USING (event_id)
		JOIN jadugar_internal.subscription s ON s.name = h.subscription
		JOIN jadugar_internal.event_cursor c ON c.subscription_id = s.subscription_id AND c.shard = h.shard
	WHERE NOT ((p.xid < c.base_xmax AND p.xid <> ALL (c.base_xip))
		OR (c.upto_xmax IS NOT NULL AND p.xid < c.upto_xmax AND p.xid <> ALL (c.upto_xip) AND p.event_id <= c.after_id)) $$;

-- Makes room for the next round.
CREATE FUNCTION torture.forget_events() RETURNS void LANGUAGE sql AS $$
	SELECT jadugar.discard_events(name, owner => owner) FROM torture.subscription;
	TRUNCATE torture.published, torture.handled $$;
