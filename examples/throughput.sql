-- Measures the rate of small tasks. Each of 20,000 tasks inserts its number,
-- exactly once and with history. In psql, as a role with access:
--
--	psql -f throughput.sql			(or: build/demo/psql -f examples/throughput.sql)
\pset footer off
\o /dev/null
CREATE TABLE throughput (n integer);
SELECT coalesce(max(attempt_id), 0) AS before FROM jadugar.history \gset
SELECT jadugar.enqueue_batch('INSERT INTO throughput VALUES (($1->>''n'')::integer)',
	(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, 20000) n),
	metadata => '{"run": "throughput"}');
-- wait for the last task, then for the few that other workers still run
SELECT status FROM (SELECT max(task_id) AS task_id FROM jadugar.tasks
					WHERE metadata @> '{"run": "throughput"}') t,
	jadugar.wait(t.task_id);
SELECT count(jadugar.wait(task_id))
FROM jadugar.list_tasks(metadata => '{"run": "throughput"}', max_rows => NULL);
\o

SELECT count(*) AS tasks, count(*) FILTER (WHERE status = 'completed') AS completed,
	(SELECT count(DISTINCT n) FROM throughput) AS "numbers inserted",
	(SELECT count(*) FROM throughput) AS "rows",
	round(count(*) / extract(epoch FROM max(finished_at) - min(started_at))) AS "tasks per second",
	count(DISTINCT worker_pid) AS workers
FROM jadugar.history WHERE attempt_id > :before AND metadata @> '{"run": "throughput"}';

\o /dev/null
DROP TABLE throughput;
\o
