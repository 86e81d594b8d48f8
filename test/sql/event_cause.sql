-- Events that follow from events: cause, hops, correlation_id; current_event() in tasks.
\i test/include/helpers.sql
CALL test.create_role('test_cause');
CREATE SCHEMA test_cause AUTHORIZATION test_cause;

SET ROLE test_cause;
-- what follows from the events of a type, as a tree
CREATE FUNCTION test_cause.tree(types text[], OUT type text, OUT data jsonb, OUT cause jsonb, OUT hops integer, OUT headers jsonb, OUT tenant text, OUT trace text)
RETURNS SETOF record LANGUAGE sql AS $$
	SELECT e.type, e.data, c.data, e.hops, e.headers, e.tenant, e.trace
	FROM jadugar.events e LEFT JOIN jadugar.events c ON c.event_id = e.cause WHERE e.type LIKE ANY (types) ORDER BY e.event_id
$$;
CREATE FUNCTION test_cause.next_of(data jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('n', (data->>'n')::integer + 1) $$;

-- published by nobody's handler
SELECT jadugar.publish('cause.none', '{"n": 0}') IS NOT NULL AS published;
SELECT hops, cause FROM jadugar.read_events('{cause.none}');

-- a chain of calls, through a trigger and a nested run_task()
CREATE TABLE test_cause.thing (n integer);
CREATE TRIGGER events AFTER INSERT ON test_cause.thing FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('cause.thing');
CREATE TABLE test_cause.late (n integer);
CREATE CONSTRAINT TRIGGER events AFTER INSERT ON test_cause.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('cause.late');
SELECT jadugar.subscribe('call', '{cause.call}', $$SELECT jadugar.publish('cause.trigger', test_cause.next_of(($1).data))$$) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('trigger', '{cause.trigger}', $$INSERT INTO test_cause.thing SELECT (($1).data->>'n')::integer + 1$$) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('deferred', '{cause.thing.inserted}', $$INSERT INTO test_cause.late SELECT (($1).data->'new'->>'n')::integer + 1$$) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('nested', '{cause.late.inserted}',
	$$SELECT (jadugar.run_task('SELECT jadugar.publish(''cause.end'')')).status$$) IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.call', '{"n": 0}', headers => '{"correlation_id": "c1", "b": 2}', tenant => 'acme', trace => 't1') IS NOT NULL AS published;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.events WHERE type = 'cause.end')$$);
SELECT * FROM test_cause.tree('{cause.call,cause.trigger,cause.thing%,cause.late%,cause.end}');

-- a handler's own values stay
SELECT jadugar.subscribe('own', '{cause.own}', $$SELECT jadugar.publish('cause.owned', headers => nullif(($1).data->'headers', 'null'), tenant => 'own', trace => 'own')$$) IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('cause.own', jsonb_build_object('headers', h), headers => c, tenant => 'acme', trace => 't'))
FROM (VALUES ('{"correlation_id": "own"}'::jsonb, '{"correlation_id": "c"}'::jsonb), ('{"correlation_id": null}', '{"correlation_id": "c"}'), ('{"a": 1}', '{"correlation_id": {"x": [1]}}'),
	('{"a": 1}', '{"correlation_id": null}'), ('{"a": 1}', '{"b": 1}'), (NULL, '{"correlation_id": 7}')) v (h, c);
CALL test.wait_until($$(SELECT count(*) FROM jadugar.events WHERE type = 'cause.owned') = 6$$);
SELECT headers, tenant, trace FROM test_cause.tree('{cause.owned}');

-- a batch: the first event is the cause, and what all have in common is passed on
SELECT jadugar.subscribe('batch', '{cause.batch}', $$SELECT jadugar.publish_batch('cause.batched', ARRAY['{}', '{}']::jsonb[], headers => ARRAY['{"own": 1}', NULL]::jsonb[])
	WHERE cardinality($1) = 2$$, batch => 10) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('relay', '{cause.relay}', $$SELECT jadugar.publish('cause.batch', '{"n": 2}', headers => ($1).headers, tenant => 'acme', trace => 'other'),
	jadugar.publish('cause.batch', '{"n": 3}')$$) IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.relay', '{"n": 1}', headers => '{"correlation_id": "same"}', tenant => 'acme', trace => 't') IS NOT NULL AS published;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.events WHERE type = 'cause.batched') = 2$$);
SELECT * FROM test_cause.tree('{cause.batch%}');
BEGIN;
SELECT jadugar.publish('cause.batch', '{"n": 4}', headers => '{"correlation_id": "a"}') IS NOT NULL AS published;
SELECT jadugar.publish('cause.batch', '{"n": 5}', headers => '{"correlation_id": "b"}', tenant => 'acme') IS NOT NULL AS published;
COMMIT;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.events WHERE type = 'cause.batched') = 4$$);
SELECT * FROM test_cause.tree('{cause.batched}') OFFSET 2;

-- tasks of events: the event in each attempt, whatever metadata and payload say
CREATE TABLE test_cause.seen (n bigserial, task_attempt integer, event jsonb, subscription text, shard integer, attempt integer);
CREATE FUNCTION test_cause.see() RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_cause.seen (task_attempt, event, subscription, shard, attempt)
	SELECT t.attempt, to_jsonb(e.event) - 'event_id' - 'published_at', e.subscription, e.shard, e.attempt FROM jadugar.current_event() e, jadugar.current_task() t;
	SELECT jadugar.publish('cause.of_task', test_cause.next_of((event).data)) FROM jadugar.current_event();
$$;
CREATE FUNCTION test_cause.handle(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (jadugar.current_task()).attempt = 1 THEN
		RAISE EXCEPTION 'again';
	END IF;
	PERFORM test_cause.see();
END $$;
SELECT jadugar.subscribe('as_sql', '{cause.sql}', 'SELECT test_cause.handle($1)', delivery => 'task', shards => 1,
	retry => jadugar.retry_policy(delay => '1 ms', backoff => 'none')) IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.sql', '{"n": 1}', key => 'k', headers => '{"correlation_id": "c2", "h": 1}', tenant => 'acme', trace => 't2') IS NOT NULL AS published;
CALL test.wait_until('(SELECT count(*) FROM test_cause.seen) = 1');
SELECT task_attempt, event, subscription, shard, attempt FROM test_cause.seen \gx
SELECT * FROM test_cause.tree('{cause.of_task}');
-- a registered handler, which gets the data; the task waits, is changed, fails, and is retried
SELECT jadugar.create_queue('test_cause_queue') IS NOT NULL AS created;
SELECT jadugar.pause_queue('test_cause_queue');
CREATE FUNCTION test_cause.typed(data jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF data->>'n' = '0' THEN
		RAISE EXCEPTION 'not this one';
	END IF;
	PERFORM test_cause.see();
END $$;
SELECT jadugar.register_handler('test_cause_typed', 'test_cause.typed');
SELECT jadugar.subscribe('as_handler', '{cause.typed}', 'test_cause_typed', delivery => 'task', queue => 'test_cause_queue', max_attempts => 1) IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.typed', '{"n": 0}', headers => '{"correlation_id": "c3"}') AS id \gset
CALL test.wait_until($$(SELECT count(*) FROM jadugar.tasks WHERE queue = 'test_cause_queue') = 1$$);
SELECT task_id FROM jadugar.tasks WHERE queue = 'test_cause_queue' \gset
SELECT jadugar.update_task(:task_id, metadata => '{"subscription": "call", "event_id": 1, "type": "other"}') IS NOT NULL AS updated;
SELECT jadugar.resume_queue('test_cause_queue');
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.history WHERE queue = 'test_cause_queue' AND status = 'failed' AND final)$$);
CREATE OR REPLACE FUNCTION test_cause.typed(data jsonb) RETURNS void LANGUAGE sql AS $$ SELECT test_cause.see() $$;
SELECT jadugar.retry_task(:task_id);
CALL test.wait_until('(SELECT count(*) FROM test_cause.seen) = 2');
SELECT task_attempt, event, subscription, shard, attempt FROM test_cause.seen ORDER BY n OFFSET 1 \gx
SELECT t.data, t.cause, t.hops, t.headers FROM test_cause.tree('{cause.of_task}') t OFFSET 1;
-- metadata of a task of one's own names no event; and a task that a handler enqueues is not part of its delivery
SELECT jadugar.enqueue('SELECT test_cause.see()', metadata => jsonb_build_object('subscription', 'as_handler', 'event_id', :id)) IS NOT NULL AS enqueued;
CALL test.wait_until('(SELECT count(*) FROM test_cause.seen) = 3');
SELECT jadugar.subscribe('enqueues', '{cause.enqueues}', $$SELECT jadugar.enqueue('SELECT test_cause.see()')$$) IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.enqueues') IS NOT NULL AS published;
CALL test.wait_until('(SELECT count(*) FROM test_cause.seen) = 4');
SELECT event, subscription, shard, attempt FROM test_cause.seen ORDER BY n OFFSET 2;
SELECT cause, hops FROM test_cause.tree('{cause.of_task}') OFFSET 2;
-- a standalone command
CREATE PROCEDURE test_cause.outside(data jsonb) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM test_cause.see();
END $$;
SELECT jadugar.register_sql_handler('test_cause_outside', 'CALL test_cause.outside($1)', transaction => 'standalone');
SELECT jadugar.subscribe('outside', '{cause.outside}', 'test_cause_outside', delivery => 'task') IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.outside', '{"n": 8}', headers => '{"correlation_id": "c4"}') IS NOT NULL AS published;
CALL test.wait_until('(SELECT count(*) FROM test_cause.seen) = 5');
SELECT event, subscription, attempt FROM test_cause.seen ORDER BY n OFFSET 4;
SELECT data, cause, hops, headers FROM test_cause.tree('{cause.of_task}') OFFSET 4;
-- a task of an event may change its subscription: its position is not held
SELECT jadugar.subscribe('once', '{cause.once}', $$SELECT jadugar.unsubscribe('once')$$, delivery => 'task') IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.once') IS NOT NULL AS published;
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.subscriptions WHERE name = 'once')$$);

-- two handlers that answer each other
SELECT jadugar.subscribe('ping', '{cause.ping}', $$SELECT jadugar.publish('cause.pong')$$, max_attempts => 1) IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('pong', '{cause.pong}', $$SELECT jadugar.publish('cause.ping')$$, max_attempts => 1, delivery => 'task') IS NOT NULL AS subscribed;
SELECT jadugar.publish('cause.ping') IS NOT NULL AS published;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.dead_letters WHERE subscription = 'ping')$$);
SELECT e.hops, p.errors->0->>'sqlstate' AS sqlstate, p.errors->0->>'message' AS message, p.errors->0->>'detail' AS detail, p.errors->0->>'hint' AS hint
FROM jadugar.dead_letters p JOIN jadugar.events e USING (event_id) WHERE subscription = 'ping' \gx
SELECT count(*), max(hops) FROM jadugar.events WHERE type LIKE 'cause.p_ng';

SELECT count(jadugar.unsubscribe(name, 'drop')) > 5 AS dropped FROM jadugar.subscriptions;
SELECT jadugar.drop_queue('test_cause_queue');
SELECT jadugar.drop_handler('test_cause_typed');
SELECT jadugar.drop_handler('test_cause_outside');
RESET ROLE;
DROP SCHEMA test_cause CASCADE;
CALL test.drop_roles('test_cause');
