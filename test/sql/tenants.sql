-- Tenants: creating and changing.
\i test/include/helpers.sql
CALL test.create_role('test_tenant_user');
CALL test.create_role('test_tenant_operator', 'operator');
CREATE FUNCTION test_tenant(wanted text) RETURNS SETOF jsonb LANGUAGE sql SECURITY DEFINER AS $$
	SELECT jsonb_strip_nulls(to_jsonb(t) - 'tenant_id' - 'created_at' || jsonb_build_object('owner', t.owner::regrole))
	FROM jadugar_internal.tenant t WHERE t.name = wanted
$$;

-- for operators
SET ROLE test_tenant_user;
SELECT jadugar.create_tenant('test_a');
\echo :LAST_ERROR_SQLSTATE
SELECT jadugar.alter_tenant('test_a', 2);
\echo :LAST_ERROR_SQLSTATE
SET ROLE test_tenant_operator;
BEGIN;
SELECT jadugar.create_tenant('test_a') > 0 AS is_an_id;
SELECT * FROM test_tenant('test_a');
SELECT jadugar.create_tenant('test b', weight => 1000, max_concurrency => 2, rate => 10, per => '1 min', burst => 3,
	max_priority => 5, max_tasks => 100, enqueue_rate => 50, enqueue_per => '1 h', enqueue_burst => 7,
	history => 'failures', retention => '1 day', max_history => 1000, description => 'with everything', metadata => '{"a": 1}') > 0 AS is_an_id;
SELECT * FROM test_tenant('test b');
SELECT jadugar.create_tenant(repeat('t', 128)) > 0 AS is_an_id;

-- null keeps a value, reset restores the default
SELECT jadugar.alter_tenant('test b', weight => 2, reset => '{max_concurrency,rate,max_priority,max_tasks,history,retention,max_history,description,metadata}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b', enqueue_burst => 9, reset => '{enqueue_per,weight}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b', reset => '{enqueue_rate}');
SELECT * FROM test_tenant('test b');
SELECT jadugar.alter_tenant('test b');

-- a burst needs a rate, and both fit together
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', burst => 3)$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', enqueue_per => '1 s', reset => '{enqueue_rate}')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('c', rate => 2000000)$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('c', rate => 1, per => '366 days', burst => 101)$$);
SELECT jadugar.create_tenant('c', rate => 1000000, enqueue_rate => 1, enqueue_per => '366 days', enqueue_burst => 100) > 0 AS is_an_id;
SELECT test.error_of($$SELECT jadugar.alter_tenant('c', per => '1 ms')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('c', enqueue_burst => 101)$$);
-- names
SELECT test.error_of($$SELECT jadugar.create_tenant('test_a')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(NULL)$$);
SELECT test.error_of($$SELECT jadugar.create_tenant('')$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(repeat('t', 129))$$);
SELECT test.error_of($$SELECT jadugar.create_tenant(E'a\tb')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('nowhere')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', reset => '{name}')$$);
SELECT test.error_of($$SELECT jadugar.alter_tenant('test b', weight => 1001)$$);

-- to another owner
RESET ROLE;
SELECT * FROM jadugar.drop_owned('test_tenant_operator', '{tenants}') WHERE name LIKE 'test%';
SELECT * FROM jadugar.reassign_owned('test_tenant_operator', 'test_tenant_user', '{tenants}') WHERE name LIKE 'test%';
SELECT * FROM jadugar.reassign_owned('test_tenant_operator', 'test_tenant_user', '{tenants}');
SELECT * FROM test_tenant('test_a');
ROLLBACK;
RESET ROLE;
DROP FUNCTION test_tenant;
CALL test.drop_roles('test_tenant_user', 'test_tenant_operator');
