-- A queue with limits: at most two of its tasks run at a time, at most 1,000 are
-- unfinished, and the history is kept for a day. In psql, as a role with access.

SELECT jadugar.create_queue('imports', max_concurrency => 2, max_depth => 1000,
	retention => '1 day');

SELECT jadugar.enqueue_batch('SELECT pg_sleep(0.1)',
	ARRAY(SELECT jsonb_build_object('file', n) FROM generate_series(1, 6) n),
	queue => 'imports') AS id;
SELECT name, ready + running AS unfinished, max_concurrency FROM jadugar.queues
WHERE name = 'imports';

-- While the queue is paused, waiting tasks stay and running tasks continue.
SELECT jadugar.pause_queue('imports');
SELECT name, paused FROM jadugar.queues WHERE name = 'imports';
SELECT jadugar.resume_queue('imports');

SELECT count(jadugar.wait(task_id)) FROM jadugar.list_tasks(queue => 'imports');
SELECT jadugar.drop_queue('imports');
