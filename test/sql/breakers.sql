-- Breakers of handlers and queues: set_breaker(), force_breaker().
-- What they do while tasks run is in test/t/limit/076_breakers.pl.

\i test/include/helpers.sql
\pset null (null)
SET client_min_messages = warning;
CREATE ROLE test_breaker_owner LOGIN;
CREATE ROLE test_breaker_other LOGIN;
CREATE ROLE test_breaker_operator LOGIN;
SELECT jadugar.grant_access('test_breaker_owner', 'user'), jadugar.grant_access('test_breaker_other', 'user'), jadugar.grant_access('test_breaker_operator', 'operator') \g /dev/null
SET search_path = jadugar, public;
GRANT USAGE ON SCHEMA test TO test_breaker_owner;

SET ROLE test_breaker_owner;
SELECT create_queue('test_breaker') > 0 AS created;
SELECT register_sql_handler('test_breaker', 'SELECT 1') \g /dev/null
SELECT set_breaker('handler', 'test_breaker', '{}');
SELECT set_breaker('queue', 'test_breaker', '{"window": "5 min", "min_calls": 3, "failure_pct": 100, "consecutive": 0, "slow_after": 1.5, "slow_pct": 80, "open_for": "500 ms", "open_max": "1 h", "half_open": 10, "ramp": 0}');
SELECT * FROM breakers ORDER BY scope;

-- a call states all options
SELECT set_breaker('queue', 'test_breaker', '{"half_open": 1}');
SELECT scope, name, options FROM breakers WHERE scope = 'queue';

-- a handler may have a limit, too; neither removes the other
SELECT set_limit('handler', 'test_breaker', 2);
SELECT scope, name, max_concurrency FROM limits;
SELECT scope, options FROM breakers ORDER BY scope;
SELECT set_breaker('handler', 'test_breaker');
SELECT scope, name, max_concurrency FROM limits;
SELECT scope FROM breakers;
SELECT set_breaker('handler', 'test_breaker', '{"consecutive": 2}');
SELECT set_limit('handler', 'test_breaker');
SELECT scope, name, max_concurrency FROM limits;
SELECT set_limit('handler', 'test_breaker');
SELECT scope, options FROM breakers ORDER BY scope;

-- forced: tasks wait
SELECT force_breaker('test_breaker', 'open', 'maintenance', '9999-01-01 00:00+00', 'queue');
SELECT scope, state, until, reason, forced_by FROM breakers ORDER BY scope;
SELECT enqueue('SELECT 1', queue => 'test_breaker') AS waits \gset
SELECT enqueue('SELECT 1') AS runs \gset
CALL test.wait_for_task(:runs, 'completed');
CALL test.wait_for_task(:waits, 'circuit_open');
SELECT state, waiting, calls FROM breakers WHERE scope = 'queue';
SELECT force_breaker('test_breaker', 'auto', scope => 'queue');
CALL test.wait_until($$SELECT calls = 1 FROM jadugar.breakers WHERE scope = 'queue'$$);
SELECT scope, state, until, reason, forced_by, calls FROM breakers ORDER BY scope;

-- disabled: failures do not count
SELECT force_breaker('test_breaker', 'disabled', scope => 'handler');
SELECT register_sql_handler('test_breaker', 'SELECT 1/0', or_replace => true, retry => '{"max_attempts": 1}') \g /dev/null
SELECT enqueue('test_breaker') AS f1, enqueue('test_breaker') AS f2, enqueue('test_breaker') AS f3 \gset
CALL test.wait_for_task(:f1, 'failed');
CALL test.wait_for_task(:f2, 'failed');
CALL test.wait_for_task(:f3, 'failed');
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar.running$$);
SELECT state, calls, consecutive FROM breakers WHERE scope = 'handler';

-- two failures in a row open it; closed by a role, it lets tasks run again
SELECT force_breaker('test_breaker', 'auto', scope => 'handler');
SELECT enqueue('test_breaker') AS f1 \gset
CALL test.wait_until($$SELECT calls = 1 FROM jadugar.breakers WHERE scope = 'handler'$$);
SELECT state, calls, failure_pct, consecutive FROM breakers WHERE scope = 'handler';
SELECT enqueue('test_breaker') AS f2 \gset
CALL test.wait_for_task(:f2, 'failed');
CALL test.wait_until($$SELECT state = 'open' FROM jadugar.breakers WHERE scope = 'handler'$$);
SELECT state, calls, consecutive, trips, until > since AS later FROM breakers WHERE scope = 'handler';
SELECT register_sql_handler('test_breaker', 'SELECT 1', or_replace => true) \g /dev/null
SELECT enqueue('test_breaker') AS waits \gset
CALL test.wait_for_task(:waits, 'circuit_open');
SELECT force_breaker('test_breaker', 'closed', scope => 'handler');
CALL test.wait_until($$SELECT calls = 1 FROM jadugar.breakers WHERE scope = 'handler'$$);
SELECT state, calls, consecutive, trips FROM breakers WHERE scope = 'handler';

-- a task that discards itself does not count
SELECT enqueue('SELECT jadugar.discard(''no'')', queue => 'test_breaker') AS f1 \gset
CALL test.wait_for_task(:f1, 'failed');
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar.running$$);
SELECT calls, failure_pct FROM breakers WHERE scope = 'queue';

-- rights
SET ROLE test_breaker_other;
SELECT set_breaker('handler', 'test_breaker', '{}');
SELECT set_breaker('queue', 'test_breaker');
SELECT force_breaker('test_breaker', 'open', scope => 'handler');
SELECT force_breaker('test_breaker', 'open', scope => 'queue');
SELECT count(*) FROM breakers;
SET ROLE test_breaker_operator;
SELECT reset_limit('handler', 'test_breaker');
SELECT set_breaker('handler', 'test_breaker', '{"ramp": 1}');
SELECT force_breaker('test_breaker', 'open', scope => 'handler');
SELECT scope, state, forced_by, options FROM breakers WHERE owner = 'test_breaker_owner' ORDER BY scope;
SELECT force_breaker('test_breaker', 'auto', scope => 'handler');

-- the error names what is wrong
SET ROLE test_breaker_owner;
SELECT set_breaker('planet', 'test_breaker', '{}');
SELECT set_breaker('endpoint', 'test_breaker', '{}');
SELECT set_breaker('handler', 'test_breaker_none', '{}');
SELECT set_breaker('queue', 'test_breaker_none', '{}');
SELECT set_breaker('queue', 'test_breaker', '[]');
SELECT set_breaker('queue', 'test_breaker', '{"windows": 1}');
SELECT set_breaker('queue', 'test_breaker', '{"window": 0}');
SELECT set_breaker('queue', 'test_breaker', '{"window": "2 h"}');
SELECT set_breaker('queue', 'test_breaker', '{"window": "a while"}');
SELECT set_breaker('queue', 'test_breaker', '{"window": null}');
SELECT set_breaker('queue', 'test_breaker', '{"half_open": 11}');
SELECT set_breaker('queue', 'test_breaker', '{"half_open": 1.5}');
SELECT set_breaker('queue', 'test_breaker', '{"failure_pct": 1e400}');
SELECT set_breaker('queue', 'test_breaker', '{"min_calls": {"a": [1]}}');
SELECT set_breaker('queue', 'test_breaker');
SELECT set_breaker('queue', 'test_breaker');
SELECT force_breaker('test_breaker', 'open', scope => 'queue');
SELECT force_breaker('test_breaker', 'ajar', scope => 'handler');
SELECT force_breaker('test_breaker', 'open', scope => 'planet');
SELECT force_breaker('test_breaker', 'closed', until => 'infinity', scope => 'handler');
SELECT force_breaker('test_breaker', 'open', until => '2001-01-01', scope => 'handler');
SELECT force_breaker('test_breaker', 'open');
RESET ROLE;

-- endpoints
CREATE SERVER test_breaker FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://a.example');
ALTER SERVER test_breaker OWNER TO test_breaker_owner;
SET ROLE test_breaker_other;
SELECT force_breaker('test_breaker', 'open');
SET ROLE test_breaker_owner;
SELECT force_breaker('test_breaker', 'open', 'they move', '9999-01-01 00:00+00');
RESET ROLE;
SELECT name, forced, until, reason, by FROM jadugar_internal.endpoint WHERE name = 'test_breaker';
SELECT force_breaker('test_breaker', 'closed');
SELECT name, forced, until, reason, by FROM jadugar_internal.endpoint WHERE name = 'test_breaker';

-- they go with the handler and the queue
SELECT set_breaker('queue', 'test_breaker', '{}');
SELECT drop_handler('test_breaker'), drop_queue('test_breaker');
SELECT scope, name FROM breakers WHERE name = 'test_breaker';

DROP SERVER test_breaker;
DELETE FROM jadugar_internal.endpoint WHERE name = 'test_breaker';
CALL test.drop_roles('test_breaker_owner', 'test_breaker_other', 'test_breaker_operator');
