-- Waits for unfinished tasks, and rolls up the rest.
\o /dev/null

SELECT jadugar.alter_schedule('customers', enabled => false)
FROM jadugar.schedules WHERE name = 'customers' AND enabled;
SELECT count(jadugar.wait(task_id, timeout => '1 minute')) FROM jadugar.tasks
WHERE name = 'customers';
SELECT count(jadugar.wait(task_id, timeout => '1 minute')) FROM jadugar.tasks
WHERE name IN ('transfer', 'fetch_rates');
SELECT (jadugar.wait_flow(run_id, timeout => '1 minute')).status FROM jadugar.flow_runs;
SELECT jadugar.run_now('rollup') AS rollup \gset
SELECT jadugar.wait(:rollup, timeout => '1 minute');
