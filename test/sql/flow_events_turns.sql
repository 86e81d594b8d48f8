-- Flows of a role with very many waits, each of which is looked at for every
-- event: the scheduler looks at a limited number of waits in a transaction, and
-- flows of other roles do not wait until all has been looked at.
\i test/include/helpers.sql
CALL test.create_role('test_many');
CALL test.create_role('test_one');
-- positions that have been written
CREATE FUNCTION test.turns() RETURNS bigint LANGUAGE sql VOLATILE AS
	$$ SELECT pg_stat_get_tuples_updated('jadugar_internal.event_cursor'::regclass) $$;
SET search_path = public, jadugar;

SET SESSION AUTHORIZATION test_many;
SELECT count(start_flow(wait_event('test.many', '{"n": 0}', name => 'w'), tenant => 'many')) FROM generate_series(1, 4000);
SET SESSION AUTHORIZATION test_one;
SELECT start_flow(wait_event('test.many', '{"n": 2}')) AS filter, start_flow(wait_event('test.many', key => 'k')) AS key,
	start_flow(wait_event('test.never', timeout => '1 day')) AS late \gset
RESET SESSION AUTHORIZATION;
CALL test.wait_until('EXISTS (SELECT FROM jadugar_internal.event_cursor WHERE subscription_id = 0)');
SELECT test.turns() AS before \gset
-- two million looks at a wait, then the event that all of them wait for; the other
-- role's events come last
BEGIN;
SET LOCAL ROLE test_many;
SELECT count(publish('test.many', '{"n": 1}')) FROM generate_series(1, 500);
SELECT publish('test.many', '{"n": 0}') > 0 AS published;
SET LOCAL ROLE test_one;
SELECT publish('test.many', '{"n": 2}') > 0 AS published;
SELECT publish('test.many', '{"n": 3}', key => 'k') > 0 AS published;
COMMIT;
SELECT status, result->'data' AS data FROM wait_flow(:filter, '30 s');
SELECT status, result->'data' AS data FROM wait_flow(:key, '30 s');
-- a timeout does not wait for the other role's events
UPDATE jadugar_internal.flow_step SET due = now() WHERE run_id = :late AND due IS NOT NULL;
SELECT signal(:late, 'look');
SELECT status FROM wait_flow(:late, '30 s');
-- all of them take the event, once
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.flow_runs WHERE tenant = 'many' AND finished_at IS NULL)$$);
SELECT count(*), count(DISTINCT result->'event_id') AS events, min(result->>'data') AS data FROM flow_runs WHERE tenant = 'many' AND status = 'completed';
-- the other role's events came later and were sent earlier
SELECT max(o.finished_at) < min(m.finished_at) AS earlier FROM flow_runs o, flow_runs m WHERE o.run_id IN (:filter, :key) AND m.tenant = 'many';
-- at most 24,000 looks in each transaction
CALL test.wait_until(format('test.turns() - %s >= 80', :before));
-- filters that take long to compare with large data: two seconds for all waits
SET SESSION AUTHORIZATION test_many;
SELECT count(start_flow(wait_event('test.slow', '{"a": [-1]}', name => 'w'), tenant => 'slow')) FROM generate_series(1, 200);
SET SESSION AUTHORIZATION test_one;
SELECT start_flow(wait_event('test.slow', '{"n": 2}')) AS slow \gset
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL ROLE test_many;
SELECT count(publish('test.slow', jsonb_build_object('a', a))) FROM generate_series(1, 40), (SELECT jsonb_agg(i) FROM generate_series(1, 50000) i) x (a);
SELECT publish('test.slow', '{"a": [-1]}') > 0 AS published;
SET LOCAL ROLE test_one;
SELECT publish('test.slow', '{"n": 2}') > 0 AS published;
COMMIT;
SELECT status, result->'data' AS data FROM wait_flow(:slow, '30 s');
CALL test.wait_until($$NOT EXISTS (SELECT FROM jadugar.flow_runs WHERE tenant = 'slow' AND finished_at IS NULL)$$);
SELECT count(*), min(result->>'data') AS data FROM flow_runs WHERE tenant = 'slow' AND status = 'completed';
SELECT o.finished_at < min(m.finished_at) AS earlier FROM flow_runs o, flow_runs m WHERE o.run_id = :slow AND m.tenant = 'slow' GROUP BY o.run_id, o.finished_at;
-- nothing is left
CALL test.wait_until('NOT EXISTS (SELECT FROM jadugar_internal.event_cursor WHERE subscription_id = 0) AND NOT EXISTS (SELECT FROM jadugar_internal.flow_wait_start)');
SELECT count(*) AS problems FROM check_flows();
SELECT count(purge_completed(interval '0')) AS purged;
CALL test.drop_roles('test_many', 'test_one');
