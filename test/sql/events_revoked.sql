-- Rights that are revoked after events have been published and before they are
-- delivered: these events are passed over, and the others go on.  Transactions
-- that are open meanwhile are in test/specs/event_revoke.spec.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_rv');
CALL test.create_role('test_rv_other');
CALL test.create_role('test_rv_pub');
CALL test.create_role('test_rv_friend');
CALL test.create_role('test_rv_firm');
CALL test.create_role('test_rv_guild');
CALL test.create_role('test_rv_chief', 'operator');
CALL test.create_role('test_rv_clerk');
CREATE ROLE test_rv_team;
CREATE SCHEMA test_rv;
GRANT USAGE ON SCHEMA test_rv TO PUBLIC;

-- ------------------------------------------------------------- the rights
-- what lets test_rv read events of type rv.NAME, and the statement that ends it
CREATE TABLE test_rv.rights (name text PRIMARY KEY, give text, take text, publisher text DEFAULT 'test_rv_pub', topic text);
INSERT INTO test_rv.rights (name, give, take) VALUES
	('kept', 'SELECT jadugar.grant_event_type(''rv.kept'', ''test_rv'')', NULL),
	('type', 'SELECT jadugar.grant_event_type(''rv.type'', ''test_rv'')', 'SELECT jadugar.revoke_event_type(''rv.type'', ''test_rv'')'),
	('pattern', 'SELECT jadugar.grant_event_type(''rv.pat*'', ''test_rv'')', 'SELECT jadugar.revoke_event_type(''rv.pat*'', ''test_rv'')'),
	('topic', 'SELECT jadugar.create_topic(''test_rv_topic'', owner => ''test_rv_pub''), jadugar.grant_topic(''test_rv_topic'', ''test_rv'')',
		'SELECT jadugar.revoke_topic(''test_rv_topic'', ''test_rv'')'),
	('team', 'GRANT test_rv_team TO test_rv; SELECT jadugar.grant_event_type(''rv.team'', ''test_rv_team'')', 'REVOKE test_rv_team FROM test_rv'),
	('publisher', 'GRANT test_rv_friend TO test_rv', 'REVOKE test_rv_friend FROM test_rv'),
	('own_topic', 'SELECT jadugar.create_topic(''test_rv_own'', owner => ''test_rv''), jadugar.grant_topic(''test_rv_own'', ''test_rv_pub'', ''publish'')',
		'SELECT jadugar.reassign_owned(''test_rv'', ''test_rv_other'', ''{topics}'')'),
	('own_type', 'SELECT jadugar.register_event_type(''rv.own_type'', owner => ''test_rv''), jadugar.grant_event_type(''rv.own_type'', ''test_rv_pub'', ''publish'')',
		'SELECT jadugar.reassign_owned(''test_rv'', ''test_rv_other'', ''{event_types}'')'),
	('firm_topic', 'GRANT test_rv_firm TO test_rv; SELECT jadugar.create_topic(''test_rv_firm'', owner => ''test_rv_firm''), jadugar.grant_topic(''test_rv_firm'', ''test_rv_pub'', ''publish'')',
		'REVOKE test_rv_firm FROM test_rv'),
	('guild_type', 'GRANT test_rv_guild TO test_rv; SELECT jadugar.register_event_type(''rv.guild_type'', owner => ''test_rv_guild''), jadugar.grant_event_type(''rv.guild_type'', ''test_rv_pub'', ''publish'')',
		'DROP OWNED BY test_rv_guild; DROP ROLE test_rv_guild'),
	('dropped', 'SELECT jadugar.register_event_type(''rv.dropped'', owner => ''test_rv_pub''), jadugar.grant_event_type(''rv.dropped'', ''test_rv'')',
		'SELECT jadugar.drop_event_type(''rv.dropped'')');
UPDATE test_rv.rights SET topic = CASE name WHEN 'topic' THEN 'test_rv_topic' WHEN 'own_topic' THEN 'test_rv_own' WHEN 'firm_topic' THEN 'test_rv_firm' END,
	publisher = CASE name WHEN 'publisher' THEN 'test_rv_friend' ELSE 'test_rv_pub' END;

CREATE PROCEDURE test_rv.change_rights(give boolean) LANGUAGE plpgsql AS $$
DECLARE
	r test_rv.rights;
BEGIN
	FOR r IN SELECT * FROM test_rv.rights ORDER BY name LOOP
		EXECUTE coalesce(CASE WHEN give THEN r.give ELSE r.take END, 'SELECT 1');
	END LOOP;
END $$;
-- Publishes an event for each right, with its name as key.
CREATE PROCEDURE test_rv.publish(data jsonb) LANGUAGE plpgsql AS $$
DECLARE
	r test_rv.rights;
BEGIN
	FOR r IN SELECT * FROM test_rv.rights ORDER BY name LOOP
		EXECUTE format('SET LOCAL ROLE %I', r.publisher);
		PERFORM jadugar.publish('rv.' || r.name, data || jsonb_build_object('of', r.name), key => r.name, topic => r.topic);
		RESET ROLE;
	END LOOP;
END $$;
-- Publishes events of test_rv itself with the same keys, which it can always read.
CREATE PROCEDURE test_rv.publish_mine(data jsonb) LANGUAGE sql AS $$
	SELECT jadugar.publish('rv.mine', data || jsonb_build_object('of', r.name), key => r.name) FROM test_rv.rights r ORDER BY r.name $$;

-- ----------------------------------------------------------- subscriptions
CREATE TABLE test_rv.got (i bigserial, subscription text, data jsonb);
CREATE TABLE test_rv.mended (at timestamptz);
CREATE TABLE test_rv.wait (name text, run bigint);
GRANT ALL ON ALL TABLES IN SCHEMA test_rv TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA test_rv TO PUBLIC;
-- Notes an event.  Some subscriptions fail until that is mended.
CREATE FUNCTION test_rv.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT c.subscription ~ '^fail' FROM jadugar.current_event() c) AND e.data ? 'fail' AND NOT EXISTS (SELECT FROM test_rv.mended) THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '22012';
	END IF;
	INSERT INTO test_rv.got (subscription, data) SELECT c.subscription, e.data FROM jadugar.current_event() c;
END $$;
-- events that have more keys do not become tasks
CREATE TYPE test_rv.payload AS ("of" text, n integer);
CREATE FUNCTION test_rv.handle_data(data test_rv.payload) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_rv.got (subscription, data) SELECT c.subscription, to_jsonb(data) FROM jadugar.current_event() c $$;
-- Fetches all events that there are, one by one.
CREATE PROCEDURE test_rv.fetch(subscription text) LANGUAGE plpgsql AS $$
DECLARE
	f record;
BEGIN
	LOOP
		SELECT * INTO f FROM jadugar.fetch_events(subscription, 'c', max_rows => 1);
		EXIT WHEN NOT FOUND;
		IF subscription ~ '^fail' AND (f.event).data ? 'fail' AND NOT EXISTS (SELECT FROM test_rv.mended) THEN
			PERFORM jadugar.nack(f.token, (f.event).event_id, 'refused', dead => true);
		ELSE
			INSERT INTO test_rv.got (subscription, data) VALUES (subscription, (f.event).data);
			PERFORM jadugar.ack(f.token);
		END IF;
	END LOOP;
END $$;
-- Returns the numbers of the events that were handled, by right.
CREATE FUNCTION test_rv.handled(OUT subscription text, OUT numbers text, OUT of text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT h.subscription, h.numbers, string_agg(h.of, ' ' ORDER BY h.of)
	FROM (SELECT g.subscription, g.data ->> 'of' AS of, string_agg(g.data ->> 'n', ',' ORDER BY g.i) AS numbers FROM test_rv.got g GROUP BY 1, 2) h
	GROUP BY 1, 2 ORDER BY 1, 2 $$;

CALL test_rv.change_rights(true);
SET ROLE test_rv;
SELECT jadugar.register_handler('test_rv_data', 'test_rv.handle_data');
SELECT jadugar.create_queue('test_rv_queue') > 0 AS created;
SELECT jadugar.pause_queue('test_rv_queue');
-- while the rights are there: handled, made into tasks that do not run yet, and fetched
SELECT jadugar.subscribe('live', '{rv.*}', 'SELECT test_rv.handle($1)') > 0,
	jadugar.subscribe('made', '{rv.type,rv.own_topic}', 'SELECT test_rv.handle($1)', delivery => 'task', queue => 'test_rv_queue') > 0,
	jadugar.subscribe('leased', '{rv.pattern,rv.mine}', delivery => 'fetch') > 0,
	jadugar.subscribe('returned', '{rv.pattern,rv.mine}', delivery => 'fetch') > 0,
	jadugar.subscribe('run_out', '{rv.pattern,rv.mine}', delivery => 'fetch') > 0;
-- paused meanwhile
SELECT jadugar.subscribe('late_inline', '{rv.*}', 'SELECT test_rv.handle($1)') > 0,
	jadugar.subscribe('late_batch', '{rv.*}', 'INSERT INTO test_rv.got (subscription, data) SELECT ''late_batch'', (e).data FROM unnest($1) e', batch => 10) > 0,
	jadugar.subscribe('late_task', '{rv.*}', 'SELECT test_rv.handle($1)', delivery => 'task') > 0,
	jadugar.subscribe('late_fetch', '{rv.*}', delivery => 'fetch') > 0;
SELECT count(jadugar.pause_subscription(name)) FROM jadugar.subscriptions WHERE name ~ '^late';
-- events are set aside meanwhile
SELECT jadugar.subscribe('fail_inline', '{rv.*}', 'SELECT test_rv.handle($1)', max_attempts => 1) > 0,
	jadugar.subscribe('fail_park', '{rv.*}', 'SELECT test_rv.handle($1)', on_failure => 'park', max_attempts => 1) > 0,
	jadugar.subscribe('fail_block', '{rv.*}', 'SELECT test_rv.handle($1)', on_failure => 'block', max_attempts => 1) > 0,
	jadugar.subscribe('fail_task', '{rv.*}', 'test_rv_data', delivery => 'task', max_attempts => 1) > 0,
	jadugar.subscribe('fail_fetch', '{rv.*}', delivery => 'fetch') > 0;
-- flows wait for the last events
INSERT INTO test_rv.wait SELECT name, jadugar.start_flow(jadugar.wait_event('rv.' || name, '{"n": 4}'))
FROM (SELECT name FROM test_rv.rights UNION VALUES ('clerk'), ('mine')) r (name);
RESET ROLE;
-- other roles
SET ROLE test_rv_chief;
SELECT jadugar.subscribe('chief', '{rv.*}', 'SELECT test_rv.handle($1)') > 0, jadugar.pause_subscription('chief');
SET ROLE test_rv_friend;
SELECT jadugar.subscribe('moved', '{rv.*}', 'SELECT test_rv.handle($1)') > 0, jadugar.pause_subscription('moved');
RESET ROLE;

CALL test_rv.publish('{"n": 1, "fail": true}');
SET ROLE test_rv;
CALL test_rv.publish_mine('{"n": 2}');
RESET ROLE;
CALL test_rv.publish('{"n": 3}');
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'live') = 33$$);
CALL test.wait_until($$(SELECT count(*) FROM jadugar.subscriptions WHERE name IN ('fail_inline', 'fail_park', 'fail_task') AND handled + parked = 33) = 3$$);
CALL test.wait_until($$(SELECT status FROM jadugar.subscriptions WHERE name = 'fail_block') = 'blocked'$$);
CALL test.wait_until($$(SELECT count(*) FROM jadugar.tasks WHERE queue = 'test_rv_queue') = 4$$);
CALL test.wait_until($$(SELECT count(*) FROM jadugar.flow_steps WHERE waiting_for ~ '^event:rv') = 13$$);
SET ROLE test_rv;
CALL test_rv.fetch('fail_fetch');
SELECT f.token AS leased, (f.event).type, (f.event).data FROM jadugar.fetch_events('leased', 'c', max_rows => 1) f \gset
SELECT f.token AS returned, (f.event).event_id AS returned_id FROM jadugar.fetch_events('returned', 'c', max_rows => 1) f \gset
SELECT (f.event).type AS run_out FROM jadugar.fetch_events('run_out', 'c', max_rows => 1, lease => '1 ms') f;
BEGIN;
SELECT jadugar.replay('live', 'late_replay') > 0 AS replayed;
SELECT jadugar.pause_subscription('late_replay');
COMMIT;
RESET ROLE;
SELECT * FROM test_rv.handled();
SELECT name, status, handled, failed, parked, dead, behind FROM jadugar.subscriptions ORDER BY name;
SELECT subscription, state, count(*) FROM jadugar.dead_letters GROUP BY 1, 2 ORDER BY 1, 2;
CREATE TABLE test_rv.events AS SELECT event_id, data ->> 'of' AS of, data ->> 'n' AS n FROM jadugar.events WHERE type ~ '^rv\.';
GRANT SELECT ON test_rv.events TO PUBLIC;
TRUNCATE test_rv.got;

-- ------------------------------------------- published and revoked at once
GRANT test_rv TO test_rv_clerk;
BEGIN;
CALL test_rv.publish('{"n": 4}');
SET LOCAL ROLE test_rv_clerk;
SELECT jadugar.publish('rv.clerk', '{"n": 4}') > 0 AS published;
RESET ROLE;
CALL test_rv.change_rights(false);
REVOKE test_rv FROM test_rv_clerk;
SELECT * FROM jadugar.reassign_owned('test_rv_friend', 'test_rv_other', '{subscriptions}');
SELECT jadugar.grant_access('test_rv_chief');
COMMIT;
SET ROLE test_rv;
SELECT jadugar.publish('rv.mine', '{"n": 4, "of": "mine"}', key => 'mine') AS last \gset
SELECT jadugar.wait_delivered(:last, '{live,fail_inline,fail_park,fail_task}', '30 s');
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.tasks WHERE queue <> 'test_rv_queue')$$);
-- the flow that waits for the last event has got it, so all have been looked at
SELECT status, result -> 'data' AS data FROM jadugar.wait_flow((SELECT run FROM test_rv.wait WHERE name = 'mine'), '30 s');
SELECT status, string_agg(w.name, ' ' ORDER BY w.name) FROM test_rv.wait w JOIN jadugar.flow_runs r ON r.run_id = w.run GROUP BY 1 ORDER BY 1;
SELECT * FROM test_rv.handled();
-- functions and views
SELECT e.n, string_agg(e.of, ' ' ORDER BY e.of) AS readable FROM test_rv.events e WHERE e.event_id IN (SELECT event_id FROM jadugar.events) GROUP BY 1 ORDER BY 1;
SELECT e.n, count(*) FROM test_rv.events e WHERE e.event_id IN (SELECT r.event_id FROM jadugar.read_events('{rv.*}') r) GROUP BY 1 ORDER BY 1;
SELECT regexp_replace(x.error, '[0-9]{2,}', 'N', 'g') AS error, string_agg(DISTINCT e.of, ' ') FROM test_rv.events e,
	LATERAL (VALUES (test.error_of(format('SELECT jadugar.get_event(%s)', e.event_id))), (test.error_of(format('SELECT jadugar.run_event(''late_inline'', %s)', e.event_id))),
		(test.error_of(format('SELECT jadugar.wait_delivered(%s, timeout => ''0'')', e.event_id)))) x (error) WHERE e.n = '3' GROUP BY 1 ORDER BY 1;
SELECT name, status, behind FROM jadugar.subscriptions WHERE status = 'paused' ORDER BY name;
RESET ROLE;

-- ---------------------------------------------------------------- delivery
INSERT INTO test_rv.mended VALUES (now());
TRUNCATE test_rv.got;
SELECT name, jadugar.resume_subscription(name, owner => owner) FROM jadugar.subscriptions WHERE status = 'paused' ORDER BY name;
SET ROLE test_rv;
SELECT name, jadugar.redrive(name) FROM jadugar.subscriptions WHERE name ~ '^fail' ORDER BY name;
SELECT jadugar.resume_queue('test_rv_queue');
CALL test_rv.fetch('late_fetch');
CALL test_rv.fetch('fail_fetch');
-- a consumer may end the lease of an event that it has got, and does not get it again
SELECT jadugar.extend_lease(:'leased', '1 min') > now() AS extended;
SELECT jadugar.ack(:'leased');
SELECT jadugar.nack(:'returned', :returned_id, 'refused', retry_in => '0');
CALL test_rv.fetch('leased');
CALL test_rv.fetch('returned');
CALL test_rv.fetch('run_out');
RESET ROLE;
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.subscriptions WHERE behind > 0 OR status IN ('blocked', 'waiting') OR (name <> 'fail_task' AND parked > 0))$$);
CALL test.wait_until($$(SELECT parked FROM jadugar.subscriptions WHERE name = 'fail_task') = 4$$);
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.tasks)$$);
SELECT * FROM test_rv.handled();
SELECT name, owner, status, handled, failed, parked, dead, behind FROM jadugar.subscriptions ORDER BY name;
SELECT subscription, key, state, count(*) FROM jadugar.dead_letters GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- -------------------------------------------------------------- publishing
-- each right to publish, revoked by the transaction that has published
CREATE TABLE test_rv.publishing (name text PRIMARY KEY, give text, take text, topic text);
INSERT INTO test_rv.publishing (name, give, take) VALUES
	('pub_type', 'SELECT jadugar.register_event_type(''rv.pub_type'', owner => ''test_rv_pub''), jadugar.grant_event_type(''rv.pub_type'', ''test_rv'', ''publish'')',
		'SELECT jadugar.revoke_event_type(''rv.pub_type'', ''test_rv'', ''publish'')'),
	('pub_pattern', 'SELECT jadugar.register_event_type(''rv.pub_pattern'', owner => ''test_rv_pub''), jadugar.grant_event_type(''rv.pub_pat*'', ''test_rv'', ''publish'')',
		'SELECT jadugar.revoke_event_type(''rv.pub_pat*'', ''test_rv'', ''publish'')'),
	('pub_topic', 'SELECT jadugar.grant_topic(''test_rv_topic'', ''test_rv'', ''publish'')', 'SELECT jadugar.revoke_topic(''test_rv_topic'', ''test_rv'', ''publish'')'),
	('pub_member', 'SELECT jadugar.register_event_type(''rv.pub_member'', owner => ''test_rv_firm''); GRANT test_rv_firm TO test_rv', 'REVOKE test_rv_firm FROM test_rv'),
	('pub_own', 'SELECT jadugar.register_event_type(''rv.pub_own'', owner => ''test_rv'')', 'SELECT jadugar.reassign_owned(''test_rv'', ''test_rv_other'', ''{event_types}'')');
UPDATE test_rv.publishing SET topic = 'test_rv_topic' WHERE name = 'pub_topic';
-- Publishes before and after the right is revoked; returns the error.
CREATE FUNCTION test_rv.try(r test_rv.publishing) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	statement text := format('SELECT jadugar.publish(%L, topic => %L)', 'rv.' || r.name, r.topic);
	error text;
BEGIN
	EXECUTE r.give;
	SET LOCAL ROLE test_rv;
	EXECUTE statement;
	RESET ROLE;
	EXECUTE r.take;
	SET LOCAL ROLE test_rv;
	error := test.error_of(statement);
	RESET ROLE;
	RETURN error;
END $$;
SELECT r.name, test_rv.try(r) AS error FROM test_rv.publishing r ORDER BY r.name;
SELECT type, publisher, count(*) FROM jadugar.events WHERE type ~ '^rv\.pub_' GROUP BY 1, 2 ORDER BY 1;
-- a handler whose owner may not publish any more fails, until that is granted again
SELECT jadugar.grant_event_type('rv.pub_type', 'test_rv', 'publish');
SET ROLE test_rv;
SELECT jadugar.subscribe('answers', '{rv.question}', 'SELECT jadugar.publish(''rv.pub_type'', ($1).data)', max_attempts => 1) > 0, jadugar.pause_subscription('answers');
SELECT jadugar.publish('rv.question', '{"answer": 42}') AS question \gset
RESET ROLE;
SELECT jadugar.revoke_event_type('rv.pub_type', 'test_rv', 'publish');
SET ROLE test_rv;
SELECT jadugar.resume_subscription('answers');
SELECT jadugar.wait_delivered(:question, '{answers}', '30 s');
SELECT state, attempts, error_code, sqlstate, errors -> 0 ->> 'message' AS message FROM jadugar.dead_letters WHERE subscription = 'answers';
RESET ROLE;
SELECT jadugar.grant_event_type('rv.pub_type', 'test_rv', 'publish');
SELECT jadugar.redrive('answers', owner => 'test_rv');
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'answers') = 1$$);
SELECT publisher, data, cause = :question AS caused, hops FROM jadugar.events WHERE type = 'rv.pub_type' ORDER BY event_id;

-- ------------------------------------------------------------ nothing left
SELECT count(jadugar.abort_flow(run)) FROM test_rv.wait WHERE name NOT IN ('kept', 'mine');
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) FROM jadugar.subscriptions;
SELECT jadugar.drop_queue('test_rv_queue'), jadugar.drop_handler('test_rv_data');
SELECT count(jadugar.drop_event_type(type)) FROM jadugar.event_types WHERE type ~ '^rv\.';
SELECT jadugar.drop_topic(name, 'drop') FROM jadugar.topics WHERE name ~ '^test_rv';
SELECT jadugar.revoke_event_type('rv.kept', 'test_rv');
DELETE FROM jadugar_internal.event WHERE type ~ '^rv\.';
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar.flow_runs WHERE finished_at IS NULL)');
CALL test.delete_runs();
DROP SCHEMA test_rv CASCADE;
CALL test.drop_roles('test_rv', 'test_rv_other', 'test_rv_pub', 'test_rv_friend', 'test_rv_firm', 'test_rv_chief', 'test_rv_clerk');
DROP ROLE test_rv_team;
