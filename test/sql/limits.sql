-- Limits of queues, keys, tenants, handlers and roles: set_limit() and others.
-- What they do to tasks that run is in test/t/server/070_limits.pl.

\pset null (null)
SET client_min_messages = warning;
CREATE ROLE test_limit_owner LOGIN;
CREATE ROLE test_limit_other LOGIN;
CREATE ROLE test_limit_operator LOGIN;
SELECT jadugar.grant_access('test_limit_owner', 'user'), jadugar.grant_access('test_limit_other', 'user'), jadugar.grant_access('test_limit_operator', 'operator') \g /dev/null
SET search_path = jadugar, public;

SET ROLE test_limit_owner;
SELECT create_queue('test_limit', rate => 10, per => '1 minute', burst => 2) > 0 AS created;
SELECT register_sql_handler('test_limit', 'SELECT 1') \g /dev/null
SELECT set_limit('handler', 'test_limit', 2, rate => 100);
SELECT set_limit('key', 'customer', rate => 5, per => '1 hour');
RESET ROLE;
SELECT create_tenant('test_limit', rate => 7) > 0 AS created;
SELECT set_limit('owner', 'test_limit_owner', 4);
SELECT scope, name, owner, max_concurrency, rate, per, burst, in_use, waiting, next_at IS NOT NULL AS later, reason, source FROM limits WHERE owner ~ 'test_limit' OR name = 'test_limit' ORDER BY scope, name;

-- a call states the whole limit; without values it removes it
SET ROLE test_limit_owner;
SELECT set_limit('queue', 'test_limit', 3);
SELECT set_limit('handler', 'test_limit', rate => 50, burst => 1);
SELECT scope, name, max_concurrency, rate, per, burst FROM limits ORDER BY scope, name;
SELECT set_limit('queue', 'test_limit'), set_limit('handler', 'test_limit'), set_limit('key', 'customer');
SELECT scope, name, max_concurrency, rate, per, burst FROM limits ORDER BY scope, name;
SELECT set_limit('handler', 'test_limit');
SELECT set_limit('key', 'customer');
SELECT alter_queue('test_limit', rate => 3, per => '2 s');
SELECT scope, name, rate, per, burst FROM limits WHERE scope = 'queue';
SELECT alter_queue('test_limit', reset => '{rate}');
SELECT scope, name, rate, per, burst FROM limits WHERE scope = 'queue';
SELECT alter_queue('test_limit', burst => 3);
SELECT create_queue('test_limit_2', per => '1 s');

-- rights
SELECT set_limit('owner', 'test_limit_owner');
SELECT set_limit('tenant', 'test_limit', 1);
SELECT reset_limit('queue', 'test_limit');
SET ROLE test_limit_other;
SELECT set_limit('handler', 'test_limit', 1);
SELECT set_limit('queue', 'test_limit', 1);
SELECT set_limit('key', 'customer', 1, owner => 'test_limit_owner');
SELECT scope, name FROM limits;
SET ROLE test_limit_operator;
SELECT set_limit('handler', 'test_limit', 1);
SELECT set_limit('tenant', 'test_limit', 1);
SELECT set_limit('owner', 'test_limit_owner', rate => 1000000, burst => 1);
SELECT set_limit('queue', 'default', rate => 1000000);
SELECT set_limit('queue', 'default');
SELECT scope, name, owner, max_concurrency, rate FROM limits WHERE name ~ 'test_limit' ORDER BY scope, name;

-- the error names what is wrong
SELECT set_limit('planet', 'test_limit', 1);
SELECT set_limit('tenant', 'test_limit_none', 1);
SELECT set_limit('handler', 'test_limit_none', 1);
SELECT set_limit('owner', 'test_limit_none', 1);
SELECT set_limit('queue', 'test_limit_none', 1);
SELECT set_limit('handler', 'test_limit', 0);
SELECT set_limit('handler', 'test_limit', 4, per => '1 minute');
SELECT set_limit('handler', 'test_limit', rate => 1, burst => 0);
SELECT set_limit('handler', 'test_limit', rate => 2000001);
SELECT set_limit('handler', 'test_limit', rate => 1, per => '300 years');
SELECT set_limit('handler', 'test_limit', rate => 1, per => '300 days', burst => 1000);
SELECT set_limit('handler', 'test_limit', 1, owner => 'test_limit_owner');
SELECT reset_limit('handler', 'test_limit_none');
SELECT reset_limit('key', 'customer', owner => 'test_limit_owner');
BEGIN READ ONLY;
SELECT set_limit('handler', 'test_limit', 1);
ROLLBACK;
-- a limit of the handler goes with it
SET ROLE test_limit_owner;
SELECT drop_handler('test_limit') IS NOT NULL AS dropped;
SELECT scope, name FROM limits WHERE scope = 'handler';

-- rate_limit(): for a session's own use, by role and name
SELECT allowed, remaining FROM rate_limit('test', 10, '1 hour', 3);
SELECT allowed, remaining, retry_after = '0' AS now FROM rate_limit('fast', 1000000, burst => 2, cost => 2);
-- one in 1000.9 ns
SELECT allowed, remaining FROM rate_limit('uneven', 1000000, '1.0009 seconds', 500000);
BEGIN;
SELECT allowed FROM rate_limit('slow', 1, '1 day', 1);
ROLLBACK;
SELECT allowed, remaining, retry_after > '1 hour' AS later, reset_after > '1 hour' AS full_later FROM rate_limit('slow', 1, '1 day', 1);
\set VERBOSITY sqlstate
SELECT allowed FROM rate_limit('slow', 1, '1 day', 1, on_limit => 'error');
\set VERBOSITY default
SELECT rate_limit('slow', 10, cost => 2);
SELECT rate_limit(NULL, 1);
SELECT rate_limit('slow', NULL);
RESET ROLE;

-- tasks of a key with a rate, one at a time: each begins as soon as it may, and nothing else wakes a worker
SELECT set_limit('key', 'test_limit', rate => 20, burst => 1);
SELECT array_agg(enqueue('SELECT 1', concurrency_key => 'test_limit')) AS ids FROM generate_series(1, 4) \gset
SELECT w.status FROM unnest(:'ids'::bigint[]) id, wait(id, '20 s') w;
SELECT set_limit('key', 'test_limit');

SELECT drop_queue('test_limit');
SELECT set_limit('owner', 'test_limit_owner'), set_limit('tenant', 'test_limit');
SELECT pg_catalog.count(*) FROM limits WHERE name ~ 'test_limit';
DELETE FROM jadugar_internal.tenant WHERE name = 'test_limit';
SELECT revoke_access('test_limit_owner'), revoke_access('test_limit_other'), revoke_access('test_limit_operator') \g /dev/null
DROP ROLE test_limit_owner, test_limit_other, test_limit_operator;
