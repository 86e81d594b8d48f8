-- subscribe(or_replace): what is replaced, what stays, refusals; isolate.
\i test/include/helpers.sql
CALL test.create_role('test_rep');
CREATE SCHEMA test_rep AUTHORIZATION test_rep;
SET ROLE test_rep;
CREATE TABLE test_rep.got (handler text, n integer, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION test_rep.got(handler text, e jadugar.event_info) RETURNS void LANGUAGE sql AS $$
	INSERT INTO test_rep.got VALUES (handler, ((e).data->>'n')::integer)
$$;

-- the first call creates it, with the start that is given
SELECT jadugar.publish('rep.a', '{"n": 1}') AS id \gset
SELECT jadugar.subscribe('rep', '{rep.a}', $$SELECT test_rep.got('old', $1)$$, start_after => :id - 1, shards => 2, or_replace => true,
	keys => NULL, filter => '$.data.n < 100', timeout => '5 s', on_failure => 'block', max_attempts => 3, settings => '{"work_mem": "1MB"}',
	isolate => true, description => 'first', metadata => '{"a": 1}') AS subscription_id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');

-- the second one replaces all options; id, position and counters stay
SELECT jadugar.pause_subscription('rep');
SELECT jadugar.publish('rep.a', '{"n": 2}') > 0 AS published;
SELECT jadugar.subscribe('rep', '{rep.a,rep.b}', $$SELECT test_rep.got('new', $1)$$, start => 'beginning', shards => 2, or_replace => true) = :subscription_id AS same_id;
SELECT name, types, handler, filter, timeout, isolate, on_failure, max_attempts, settings, status, shards, new_shards, handled, description, metadata
FROM jadugar.subscriptions WHERE name = 'rep' \gx
SELECT jadugar.resume_subscription('rep');
SELECT jadugar.publish('rep.b', '{"n": 3}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
-- event 2 may be of the other shard
CALL test.wait_until($$SELECT count(*) = 3 FROM test_rep.got$$);
SELECT handler, n FROM test_rep.got ORDER BY n;

-- the same call again changes nothing
SELECT jadugar.subscribe('rep', '{rep.a,rep.b}', $$SELECT test_rep.got('new', $1)$$, start => 'beginning', shards => 2, or_replace => true) = :subscription_id AS same_id;
SELECT jadugar.publish('rep.b', '{"n": 4}') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT handler, count(*) FROM test_rep.got GROUP BY handler ORDER BY handler;

-- the number of shards is replaced too: the default is one
SELECT jadugar.subscribe('rep', '{rep.a}', $$SELECT test_rep.got('new', $1)$$, or_replace => true) = :subscription_id AS same_id;
CALL test.wait_until($$SELECT shards = 1 AND new_shards IS NULL FROM jadugar.subscriptions WHERE name = 'rep'$$);

-- in one transaction
BEGIN;
SELECT jadugar.subscribe('rep 2', '{rep.a}', $$SELECT test_rep.got('2', $1)$$, or_replace => true) AS subscription_id \gset
SELECT jadugar.subscribe('rep 2', '{rep.c}', $$SELECT test_rep.got('2', $1)$$, or_replace => true) = :subscription_id AS same_id;
SELECT jadugar.unsubscribe('rep 2');
SELECT jadugar.subscribe('rep 2', '{rep.d}', $$SELECT test_rep.got('2', $1)$$, or_replace => true) <> :subscription_id AS another_id;
COMMIT;
SELECT name, types FROM jadugar.subscriptions WHERE owner = 'test_rep' ORDER BY name;

-- the same delivery again leaves a lease; another one ends it
SELECT jadugar.subscribe('rep fetch', '{rep.f}', delivery => 'fetch', or_replace => true) > 0 AS subscribed;
SELECT jadugar.publish('rep.f') > 0 AS published;
SELECT token FROM jadugar.fetch_events('rep fetch', 'me') \gset
SELECT jadugar.subscribe('rep fetch', '{rep.f,rep.g}', delivery => 'fetch', or_replace => true) > 0 AS replaced;
SELECT holder FROM jadugar.subscription_shards WHERE subscription = 'rep fetch';
SELECT jadugar.subscribe('rep fetch', '{rep.f}', $$SELECT test_rep.got('inline', $1)$$, or_replace => true) > 0 AS replaced;
SELECT jadugar.ack(:'token');
CALL test.wait_until($$SELECT handled = 1 FROM jadugar.subscriptions WHERE name = 'rep fetch'$$);

-- isolate: a transaction for each event
SELECT jadugar.alter_subscription('rep', isolate => true);
SELECT isolate FROM jadugar.subscriptions WHERE name = 'rep';
SELECT jadugar.pause_subscription('rep');
SELECT max(id) AS id FROM (SELECT jadugar.publish('rep.a', jsonb_build_object('n', n)) AS id FROM generate_series(11, 20) n) p \gset
SELECT jadugar.resume_subscription('rep');
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
SELECT count(*), count(DISTINCT xid) AS transactions FROM test_rep.got WHERE n > 10;
SELECT jadugar.alter_subscription('rep', reset => '{isolate}');
SELECT isolate FROM jadugar.subscriptions WHERE name = 'rep';

-- isolate with tasks: the tasks have it
SELECT jadugar.create_queue('test_rep_q') IS NOT NULL AS created;
SELECT jadugar.pause_queue('test_rep_q');
SELECT jadugar.subscribe('rep task', '{rep.t}', $$SELECT test_rep.got('task', $1)$$, delivery => 'task', queue => 'test_rep_q', isolate => true) > 0 AS subscribed;
SELECT jadugar.publish('rep.t') AS id \gset
SELECT jadugar.wait_delivered(:id, timeout => '30 s');
RESET ROLE;
SELECT isolate FROM jadugar_internal.task WHERE metadata->>'subscription' = 'rep task';
SET ROLE test_rep;
SELECT count(jadugar.cancel(task_id)) AS cancelled FROM jadugar.tasks WHERE queue = 'test_rep_q';

-- bad input
SELECT jadugar.subscribe('rep', '{rep.a}', $$SELECT test_rep.got('new', $1)$$);
SELECT jadugar.subscribe('rep', '{rep.a}', or_replace => true);
SELECT jadugar.subscribe('rep', '{rep.a}', 'SELEC 1', or_replace => true);
SELECT jadugar.subscribe('rep', '{rep.a}', $$SELECT test_rep.got('new', $1)$$, queue => 'default', or_replace => true);
SELECT jadugar.subscribe('rep', '{rep.a}', delivery => 'fetch', isolate => true, or_replace => true);
SELECT jadugar.alter_subscription('rep fetch', isolate => true);
SELECT jadugar.alter_subscription('rep fetch', delivery => 'fetch', reset => '{handler}');
SELECT jadugar.replay('rep', 'rep again') > 0 AS begun;
SELECT jadugar.subscribe('rep again', '{rep.a}', $$SELECT test_rep.got('new', $1)$$, or_replace => true);

SELECT function, what, detail FROM jadugar.audit WHERE owner = 'test_rep' AND what LIKE 'subscription rep%' ORDER BY audit_id;
SELECT count(jadugar.unsubscribe(name, 'drop')) AS dropped FROM jadugar.subscriptions WHERE owner = 'test_rep';
SELECT jadugar.drop_queue('test_rep_q');
RESET ROLE;
