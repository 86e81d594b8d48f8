-- A queue with limits: two tasks of it at a time, at most 1,000 that are not
-- finished, a history of one day. In psql, as a role with access.

SELECT jadugar.create_queue('imports', max_concurrency => 2, max_depth => 1000,
	retention => '1 day');

SELECT jadugar.enqueue_batch('SELECT pg_sleep(0.1)',
	ARRAY(SELECT jsonb_build_object('file', n) FROM generate_series(1, 6) n),
	queue => 'imports') AS id;
SELECT queue, ready + running AS unfinished, max_concurrency FROM jadugar.queues
WHERE queue = 'imports';

-- Paused: what is there stays, what runs goes on.
SELECT jadugar.pause_queue('imports');
SELECT queue, paused FROM jadugar.queues WHERE queue = 'imports';
SELECT jadugar.resume_queue('imports');

SELECT count(jadugar.wait(task_id)) FROM jadugar.list_tasks(queue => 'imports');
SELECT jadugar.drop_queue('imports');
