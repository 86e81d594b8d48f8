-- Retry policies: retry_policy() and its errors.
\i test/include/helpers.sql
SELECT jadugar.retry_policy();
SELECT jadugar.retry_policy(3);
SELECT jadugar.retry_policy(max_attempts => 5, backoff => 'linear', delay => '1.5 seconds', max_delay => '1 day',
	factor => 3, jitter => false, retry_on => '{40001,08,TASK_TIMEOUT}', discard_on => '{22}');
SELECT jadugar.retry_policy(delay => '0', retry_on => '{}');

SELECT jadugar.retry_policy(max_attempts => 0);
SELECT jadugar.retry_policy(max_attempts => 1000001);
SELECT jadugar.retry_policy(backoff => 'cubic');
SELECT jadugar.retry_policy(backoff => '');
SELECT jadugar.retry_policy(delay => '-1 second');
SELECT jadugar.retry_policy(max_delay => '100 years');
SELECT jadugar.retry_policy(factor => 0.5);
SELECT jadugar.retry_policy(factor => 'NaN');
SELECT jadugar.retry_policy(factor => 'Infinity');
SELECT jadugar.retry_policy(retry_on => '{4000}');
SELECT jadugar.retry_policy(retry_on => '{NO_SUCH_ERROR}');
SELECT jadugar.retry_policy(discard_on => '{40001,NULL}');

-- the same checks for a policy that retry_policy() did not make
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '[]');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"attempts": 3}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"max_attempts": "3"}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"max_attempts": 2.5}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"jitter": 1}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"retry_on": "40001"}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"retry_on": [["40001"]]}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"delay": 1e400}');
