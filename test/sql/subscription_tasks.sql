-- Subscriptions whose events become tasks.
\i test/include/helpers.sql
CALL test.create_role('test_st');
CALL test.create_role('test_st_other');
CREATE SCHEMA test_st AUTHORIZATION test_st;

SET ROLE test_st;
CREATE TABLE test_st.got (n bigserial, task_id bigint, key text, event jsonb);
CREATE FUNCTION test_st.handle(e jadugar.event_info) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'error' THEN
		RAISE EXCEPTION 'refused';
	END IF;
	INSERT INTO test_st.got (task_id, key, event) SELECT (jadugar.current_task()).task_id, e.key, to_jsonb(e);
	RETURN e.type;
END $$;
SELECT jadugar.create_queue('test_st_queue', max_depth => 3) IS NOT NULL AS created;

-- bad input
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'later');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'task', batch => 2);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', queue => 'test_st_queue');
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', priority => 1);
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'task', queue => 'nowhere');
SELECT jadugar.subscribe('x', '{a}', 'nowhere', delivery => 'task');
SELECT jadugar.subscribe('x', '{a}', 'VACUUM');
-- the right to use the queue is the owner's
SET ROLE test_st_other;
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'task', queue => 'test_st_queue');
RESET ROLE;
SELECT jadugar.subscribe('x', '{a}', 'SELECT 1', delivery => 'task', queue => 'test_st_queue', owner => 'test_st_other');
SET ROLE test_st;

-- one task for each event, one after another by key; more events than the queue has room for
SELECT jadugar.subscribe('sql', '{st.sql}', 'SELECT test_st.handle($1)', delivery => 'task', queue => 'test_st_queue', priority => 5,
	max_attempts => 2, retry => jadugar.retry_policy(delay => '1 ms', backoff => 'none')) IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('st.sql', jsonb_build_object('n', n), key => 'key ' || n % 3, headers => '{"h": 1}', trace => 'trace')) FROM generate_series(1, 50) n;
CALL test.wait_until('(SELECT count(*) FROM test_st.got) = 50');
SELECT count(DISTINCT task_id), count(DISTINCT event->>'event_id') FROM test_st.got;
SELECT count(*) AS out_of_order FROM (SELECT (event->>'event_id')::int < max((event->>'event_id')::int) OVER (PARTITION BY key ORDER BY n) AS late FROM test_st.got) g WHERE late;
SELECT event - 'event_id' - 'published_at' AS event FROM test_st.got ORDER BY (event->>'event_id')::bigint LIMIT 1;
SELECT h.command, h.queue, h.priority, h.trace, h.result, h.payload - 'published_at' = g.event - 'published_at' AS same,
	h.metadata - 'event_id' AS metadata, h.metadata->'event_id' = g.event->'event_id' AS its_id
FROM test_st.got g JOIN jadugar.history h USING (task_id) ORDER BY (g.event->>'event_id')::bigint LIMIT 1;
SELECT delivery, queue, priority, status, handled, failed, parked FROM jadugar.subscriptions WHERE name = 'sql';
-- a task that fails is a failed task, which can be retried
SELECT jadugar.publish('st.sql', '{"error": 1}') IS NOT NULL AS published;
CALL test.wait_until($$EXISTS (SELECT FROM jadugar.history WHERE metadata->>'subscription' = 'sql' AND status = 'failed' AND final)$$);
CREATE OR REPLACE FUNCTION test_st.handle(e jadugar.event_info) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_st.got (task_id, key, event) SELECT (jadugar.current_task()).task_id, e.key, to_jsonb(e);
	RETURN e.type;
END $$;
SELECT attempt, jadugar.retry_task(task_id) IS NOT NULL AS retried FROM jadugar.history WHERE metadata->>'subscription' = 'sql' AND status = 'failed' AND final;
CALL test.wait_until('(SELECT count(*) FROM test_st.got) = 51');
SELECT event->'data' AS data FROM test_st.got ORDER BY n DESC LIMIT 1;
SELECT handled, failed, parked FROM jadugar.subscriptions WHERE name = 'sql';

-- a full queue: the shard waits, charges nobody, and goes on when there is room
TRUNCATE test_st.got;
SELECT jadugar.pause_queue('test_st_queue');
SELECT count(jadugar.publish('st.sql', jsonb_build_object('n', n), key => 'key ' || n)) FROM generate_series(1, 5) n;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.tasks WHERE queue = 'test_st_queue') = 3 AND (SELECT status FROM jadugar.subscription_shards WHERE subscription = 'sql') = 'waiting'$$);
SELECT status, handled, failed, parked, in_a_row, retry_at, blocked_id FROM jadugar.subscription_shards WHERE subscription = 'sql';
SELECT jadugar.cancel(min(task_id)) IS NOT NULL AS cancelled FROM jadugar.tasks WHERE queue = 'test_st_queue';
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'sql') = 55$$);
SELECT payload->'data' AS data, concurrency_key, status FROM jadugar.tasks WHERE queue = 'test_st_queue' ORDER BY task_id;
SELECT jadugar.alter_queue('test_st_queue', max_depth => 4);
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'sql') = 56$$);
SELECT jadugar.resume_queue('test_st_queue');
CALL test.wait_until('(SELECT count(*) FROM test_st.got) = 4');
SELECT event->'data' AS data FROM test_st.got ORDER BY 1;
SELECT jadugar.drop_queue('test_st_queue');

-- a registered handler gets the data; what does not fit its type is set aside
TRUNCATE test_st.got;
CREATE TYPE test_st.payload AS (n integer);
CREATE FUNCTION test_st.typed(p test_st.payload) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_st.got (task_id, event) VALUES ((jadugar.current_task()).task_id, to_jsonb(p))
$$;
SELECT jadugar.register_handler('test_st_typed', 'test_st.typed', priority => 3);
SELECT jadugar.subscribe('typed', '{st.typed}', 'test_st_typed', delivery => 'task') IS NOT NULL AS subscribed;
SELECT count(jadugar.publish('st.typed', d)) FROM (VALUES ('{"n": 1}'::jsonb), ('{"x": 1}'), ('{"n": 2}')) v (d);
CALL test.wait_until('(SELECT count(*) FROM test_st.got) = 2');
SELECT g.event, h.queue, h.priority, h.payload, h.metadata - 'event_id' AS metadata FROM test_st.got g JOIN jadugar.history h USING (task_id) ORDER BY g.event->'n';
SELECT state, errors->0->>'message' AS error FROM jadugar.dead_letters WHERE subscription = 'typed';

-- what cannot run in a transaction
TRUNCATE test_st.got;
CREATE PROCEDURE test_st.outside(p jsonb) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_st.got (event) VALUES (p);
	COMMIT;
	INSERT INTO test_st.got (event) VALUES (p);
END $$;
SELECT jadugar.register_sql_handler('test_st_outside', 'CALL test_st.outside($1)', transaction => 'standalone');
SELECT jadugar.subscribe('outside', '{st.outside}', 'test_st_outside');
SELECT jadugar.subscribe('outside', '{st.outside}', 'test_st_outside', delivery => 'task') IS NOT NULL AS subscribed;
SELECT jadugar.subscribe('vacuum', '{st.outside}', 'VACUUM test_st.got', delivery => 'task') IS NOT NULL AS subscribed;
SELECT jadugar.publish('st.outside', '{"n": 1}') IS NOT NULL AS published;
CALL test.wait_until($$(SELECT count(*) FROM jadugar.history WHERE metadata->>'subscription' IN ('outside', 'vacuum') AND status = 'completed') = 2$$);
SELECT event FROM test_st.got;

-- the right to use the queue is gone: the shard waits, and no event is charged
TRUNCATE test_st.got;
SELECT jadugar.grant_queue('test_st_queue', 'test_st_other');
SET ROLE test_st_other;
SELECT jadugar.subscribe('other', '{st.other}', 'SELECT 1', delivery => 'task', queue => 'test_st_queue') IS NOT NULL AS subscribed;
SET ROLE test_st;
SELECT jadugar.revoke_queue('test_st_queue', 'test_st_other');
SET ROLE test_st_other;
SELECT jadugar.publish('st.other', '{"n": 1}') IS NOT NULL AS published;
CALL test.wait_until($$(SELECT status FROM jadugar.subscriptions WHERE name = 'other') = 'waiting'$$);
SELECT status, handled, parked, attempts, error->>'message' AS error FROM jadugar.subscription_shards WHERE subscription = 'other';
SELECT jadugar.discard_events('other');
SET ROLE test_st;
SELECT jadugar.grant_queue('test_st_queue', 'test_st_other');
SET ROLE test_st_other;
SELECT jadugar.redrive('other');
CALL test.wait_until($$(SELECT handled FROM jadugar.subscriptions WHERE name = 'other') = 1$$);
SELECT status, attempts, error, blocked_id FROM jadugar.subscription_shards WHERE subscription = 'other';
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.tasks WHERE queue = 'test_st_queue')$$);

RESET ROLE;
SELECT count(jadugar.unsubscribe(name, 'drop', owner => owner)) AS dropped FROM jadugar.subscriptions;
SET ROLE test_st;
SELECT jadugar.drop_queue('test_st_queue');
SELECT jadugar.drop_handler('test_st_typed');
SELECT jadugar.drop_handler('test_st_outside');
RESET ROLE;
DROP SCHEMA test_st CASCADE;
CALL test.drop_roles('test_st', 'test_st_other');
