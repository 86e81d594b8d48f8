-- Tasks and runs of schedules that were dropped or renamed keep a name.
\i test/include/helpers.sql
SELECT jadugar.create_queue('test_gone') > 0 AS made;
CREATE TABLE test_seen (what text, schedule text);

-- a task that drops its own schedule
SELECT jadugar.schedule('test once', 'manual', $$SELECT jadugar.unschedule('test once'); INSERT INTO test_seen SELECT 'itself', schedule FROM jadugar.current_task()$$) > 0 AS made;
SELECT jadugar.run_now('test once') AS id \gset
SELECT status FROM jadugar.wait(:id, '20 s');
SELECT name, schedule, status FROM jadugar.history WHERE task_id = :id;
SELECT name, schedule, status FROM jadugar.get_task(:id);
SELECT name, schedule, status FROM jadugar.finished WHERE task_id = :id;
SELECT * FROM test_seen;
SELECT count(*) FROM jadugar.schedules WHERE name = 'test once';
-- and leaves no statistics
SELECT count(*) FROM jadugar_internal.schedule_stat WHERE schedule_id IN (SELECT schedule_id FROM jadugar_internal.attempt WHERE task_id = :id);

-- tasks that wait
SELECT jadugar.schedule('test many', 'manual', 'SELECT 1', queue => 'test_gone', timezone => 'UTC') > 0 AS made;
SELECT jadugar.pause_queue('test_gone');
SELECT jadugar.run_now('test many') AS one \gset
SELECT jadugar.run_now('test many') AS two \gset
SELECT jadugar.update_task(:two, run_at => '2100-01-01');
-- they follow another name as long as there is the schedule
SELECT jadugar.alter_schedule('test many', new_name => 'test more');
SELECT DISTINCT name, schedule FROM jadugar.tasks WHERE queue = 'test_gone';
SELECT jadugar.alter_schedule('test more', new_name => 'test many');
SELECT jadugar.unschedule('test many');
SELECT name, schedule FROM jadugar.tasks WHERE queue = 'test_gone';
SELECT name FROM jadugar.upcoming WHERE task_id = :two;
SELECT name, schedule FROM jadugar.get_task(:one);
SELECT count(*) FROM jadugar.list_tasks(schedule => 'test many', status => 'scheduled');
SELECT jadugar.cancel_tasks(schedule => 'test many');
SELECT name, schedule, status FROM jadugar.history WHERE task_id IN (:one, :two);
-- a task that is tried again has it, too
SELECT jadugar.retry_task(:one);
SELECT name, schedule FROM jadugar.tasks WHERE task_id = :one;
SELECT jadugar.resume_queue('test_gone');
SELECT status, schedule FROM jadugar.wait(:one, '20 s');

-- runs of flows
SELECT jadugar.create_flow('test gone', jadugar.step('a', $$INSERT INTO test_seen SELECT 'step', schedule FROM jadugar.current_task()$$)
	OPERATOR(jadugar.~>) jadugar.wait_signal('go')
	OPERATOR(jadugar.~>) jadugar.step('b', $$INSERT INTO test_seen SELECT 'later step', schedule FROM jadugar.current_task()$$)) > 0 AS made;
SELECT jadugar.schedule('test flow', 'manual', 'test gone') > 0 AS made;
SELECT jadugar.run_now('test flow') AS id \gset
CALL test.wait_until('EXISTS (SELECT FROM test_seen WHERE what = ''step'')');
SELECT run_id AS run FROM jadugar.flow_runs WHERE task_id = :id \gset
SELECT name, schedule, status FROM jadugar.tasks WHERE task_id = :id;
SELECT jadugar.unschedule('test flow');
SELECT schedule FROM jadugar.flow_runs WHERE run_id = :run;
SELECT schedule, status FROM jadugar.get_task(:id);
SELECT jadugar.signal(:run, 'go');
SELECT status FROM jadugar.wait_flow(:run, timeout => '20 s');
SELECT status, schedule FROM jadugar.wait(:id, '20 s');
SELECT schedule FROM jadugar.flow_runs WHERE run_id = :run;
SELECT * FROM test_seen WHERE what <> 'itself';

DROP TABLE test_seen;
SELECT jadugar.drop_flow('test gone');
SELECT jadugar.drop_queue('test_gone');
