-- Rows get entries in indexes that an administrator adds to our tables, although
-- each process keeps the definitions of the indexes.
\i test/include/helpers.sql
SET enable_seqscan = off;
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AS put;
-- a partial index
CREATE INDEX test_tenant ON jadugar_internal.task (tenant) WHERE tenant LIKE 'test%';
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AND jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'other') > 0 AS put;
SELECT tenant, count(*) FROM jadugar_internal.task WHERE tenant = 'test_x' AND tenant LIKE 'test%' GROUP BY tenant;
DROP INDEX jadugar_internal.test_tenant;
-- an expression: left to the executor
CREATE INDEX test_upper ON jadugar_internal.task (upper(tenant));
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AS put;
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AS put;
SELECT count(*) FROM jadugar_internal.task WHERE upper(tenant) = 'TEST_X';
DROP INDEX jadugar_internal.test_upper;
-- another access method, and a unique index
CREATE INDEX test_brin ON jadugar_internal.task USING brin (created_at);
CREATE UNIQUE INDEX test_unique ON jadugar_internal.task (tenant, priority) WHERE priority > 5;
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x', priority => 6) > 0 AS put;
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x', priority => 6)$$);
DROP INDEX jadugar_internal.test_brin;
SELECT test.short_error_of($$SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x', priority => 6)$$);
SELECT count(*) FROM jadugar_internal.task WHERE created_at > now() - interval '1 h' AND tenant = 'test_x';
DROP INDEX jadugar_internal.test_unique;
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x', priority => 6) > 0 AS put;
-- a definition that was rolled back
BEGIN;
CREATE INDEX test_tenant ON jadugar_internal.task (tenant);
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AS put;
ROLLBACK;
SELECT jadugar.enqueue('SELECT 1', delay => '1 h', tenant => 'test_x') > 0 AS put;
-- a worker and the history
CREATE INDEX test_flow ON jadugar_internal.flow_step (state) WHERE state = 'c';
SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1') OPERATOR(jadugar.~>) jadugar.step('b', 'SELECT 2')) AS run \gset
SELECT status FROM jadugar.wait_flow(:run, '30 s');
SELECT count(*) FROM jadugar_internal.flow_step WHERE state = 'c' AND run_id = :run;
DROP INDEX jadugar_internal.test_flow;
-- clean up
SELECT jadugar.cancel_tasks(tenant => 'test_x') AS cancelled, jadugar.cancel_tasks(tenant => 'other') AS other;
SELECT * FROM jadugar.check_flows();
