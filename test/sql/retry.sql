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

-- delays that are listed, in place of computed ones
SELECT jadugar.retry_policy(delays => '{1 second,5 minutes,2 hours}');
SELECT jadugar.retry_policy(9, delays => '{0}', jitter => true, retry_on => '{HTTP_503}');
SELECT jadugar.retry_policy(delays => '{}');
SELECT jadugar.retry_policy(delays => '{1 second,NULL}');
SELECT jadugar.retry_policy(delays => '{-1 second}');
SELECT jadugar.retry_policy(delays => '{1 second,100 years}');
SELECT jadugar.retry_policy(delays => array_fill('1 second'::interval, '{101}'));
SELECT jadugar.retry_policy(delays => '{1 second}', delay => '1 second');
SELECT jadugar.retry_policy(delays => '{1 second}', backoff => 'fixed');
SELECT jadugar.retry_policy(delays => '{1 second}', max_delay => '1 minute');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"delays": 3}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"delays": ["1"]}');
SELECT jadugar.register_sql_handler('test_retry', 'SELECT 1', retry => '{"delays": [1], "factor": 2}');

-- each delay in turn; the last one repeats, and none is shortened
SELECT jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(5, retry_on => '{22}', delays => '{1 hour,2 hours}')) AS id \gset
CALL test.wait_for_task(:id, 'scheduled');
SELECT t.attempt, t.run_at - h.finished_at AS delay FROM jadugar.tasks t JOIN jadugar.history h USING (task_id)
WHERE task_id = :id ORDER BY h.attempt DESC LIMIT 1;
SELECT jadugar.retry_task(:id);
CALL test.wait_until(format('SELECT attempt = 2 AND status = ''scheduled'' FROM jadugar.tasks WHERE task_id = %s', :id));
SELECT t.attempt, t.run_at - h.finished_at AS delay FROM jadugar.tasks t JOIN jadugar.history h USING (task_id)
WHERE task_id = :id ORDER BY h.attempt DESC LIMIT 1;
SELECT jadugar.retry_task(:id);
CALL test.wait_until(format('SELECT attempt = 3 AND status = ''scheduled'' FROM jadugar.tasks WHERE task_id = %s', :id));
SELECT t.attempt, t.run_at - h.finished_at AS delay FROM jadugar.tasks t JOIN jadugar.history h USING (task_id)
WHERE task_id = :id ORDER BY h.attempt DESC LIMIT 1;
SELECT jadugar.cancel(:id);

-- answers of services
SELECT jadugar.retry_policy(retry_on => '{HTTP_503,HTTP_5XX,HTTP_429,HTTP_STATUS,SERVICE_UNAVAILABLE}', discard_on => '{HTTP_501}');
SELECT jadugar.retry_policy(retry_on => '{HTTP_}');
SELECT jadugar.retry_policy(retry_on => '{HTTP_5xx}');
SELECT jadugar.retry_policy(retry_on => '{HTTP_600}');
SELECT jadugar.retry_policy(retry_on => '{HTTP_5X3}');
SELECT jadugar.retry_policy(retry_on => '{HTTP_50}');
SELECT jadugar.retry_policy(discard_on => '{HTTP_XXX}');

-- how serious errors are
SELECT severity, array_agg(name ORDER BY sqlstate) FROM jadugar.error_codes WHERE severity <> 'error' GROUP BY 1 ORDER BY 1;
SELECT name, sqlstate, severity FROM jadugar.error_codes WHERE sqlstate >= 'JD022' ORDER BY sqlstate;
