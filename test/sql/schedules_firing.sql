-- Occurrences of schedules: misfire, overlap, jitter, dependencies, windows.
-- Moving the next run back has the effect of a server that was down.
\i test/include/helpers.sql

\set QUIET on
CREATE SCHEMA fir;
SET search_path = fir;

-- Moves the next run of a schedule back, and wakes the scheduler.
CREATE PROCEDURE move_back(which text, span interval) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE jadugar_internal.schedule SET anchor = anchor - span, starts_at = starts_at - span,
		next_run_at = next_run_at - span WHERE name = which;
	PERFORM jadugar.alter_schedule(which, description => 'shifted');
	COMMIT;
END $$;

-- Waits until a schedule has neither a due occurrence nor a task.
CREATE PROCEDURE wait_until_idle(which text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format($q$SELECT coalesce(next_run_at > now(), true) AND NOT EXISTS (
		SELECT FROM jadugar_internal.task t WHERE t.schedule_id = s.schedule_id)
		FROM jadugar_internal.schedule s WHERE name = %L$q$, which));
END $$;

-- History of each schedule, with timestamps as hours before its next run.
CREATE VIEW past AS
SELECT h.schedule, h.status, h.reason,
	round(extract(epoch FROM n.next_run_at - h.scheduled_for) / 3600) AS hours_ago,
	round(extract(epoch FROM n.next_run_at - h.scheduled_until) / 3600) AS until_ago,
	h.occurrences, s.runs, s.missed
FROM jadugar.history h JOIN jadugar.schedules s ON s.name = h.schedule
JOIN jadugar_internal.schedule n ON n.schedule_id = s.schedule_id;
\set QUIET off

-- On time
SELECT jadugar.schedule('every second', 'every 1 second', 'SELECT scheduled_for IS NOT NULL FROM jadugar.current_task()', max_runs => 3) > 0;
CALL test.wait_until($$SELECT count(*) = 3 FROM jadugar.history WHERE schedule = 'every second'$$);
SELECT status, attempt, reason, result FROM jadugar.history WHERE schedule = 'every second';
SELECT max(scheduled_for) - min(scheduled_for) AS apart, bool_and(started_at - scheduled_for BETWEEN '0' AND '2 s') AS on_time
FROM jadugar.history WHERE schedule = 'every second';
SELECT enabled, next_run_at, runs, missed, completed, failures, last_status FROM jadugar.schedules WHERE name = 'every second';
SELECT * FROM jadugar.explain_schedule('every second');
SELECT jadugar.alter_schedule('every second', max_runs => 4);
CALL test.wait_until($$SELECT count(*) = 4 FROM jadugar.history WHERE schedule = 'every second'$$);
SELECT enabled, runs FROM jadugar.schedules WHERE name = 'every second';
SELECT jadugar.schedule('soon', jadugar.next_time('* * * * * *')::jadugar.timing, 'SELECT 1') > 0;
CALL test.wait_until($$SELECT count(*) = 1 FROM jadugar.history WHERE schedule = 'soon' AND status = 'completed'$$);
SELECT note FROM jadugar.explain_schedule('soon');

-- Five missed occurrences, the latest half an hour ago
SELECT jadugar.schedule('skip', 'every 1 hour', 'SELECT 1', misfire => 'skip') > 0,
	jadugar.schedule('once', 'every 1 hour', 'SELECT 1', misfire => 'once') > 0,
	jadugar.schedule('once late', 'every 1 hour', 'SELECT 1', misfire => 'once', misfire_grace => '10 min') > 0,
	jadugar.schedule('all', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '1 day') > 0,
	jadugar.schedule('all late', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '2 hours') > 0;
CALL move_back('skip', '5.5 hours');
CALL move_back('once', '5.5 hours');
CALL move_back('once late', '5.5 hours');
CALL move_back('all', '5.5 hours');
CALL move_back('all late', '5.5 hours');
CALL wait_until_idle('skip');
CALL wait_until_idle('once');
CALL wait_until_idle('once late');
CALL wait_until_idle('all');
CALL wait_until_idle('all late');
SELECT * FROM past WHERE schedule IN ('skip', 'once', 'once late', 'all', 'all late')
ORDER BY schedule, hours_ago DESC;
-- they run one after another
SELECT bool_and(started_at >= before) FROM (
	SELECT started_at, lag(finished_at) OVER (ORDER BY scheduled_for) AS before FROM jadugar.history WHERE schedule = 'all') h;

-- More occurrences than one transaction handles
SELECT jadugar.schedule('many', 'every 1 minute', 'SELECT 1', misfire => 'all', misfire_grace => '1 day', overlap => 'parallel') > 0;
CALL move_back('many', '500.5 minutes');
CALL wait_until_idle('many');
SELECT status, reason, count(*), sum(occurrences) FROM jadugar.history WHERE schedule = 'many' GROUP BY 1, 2 ORDER BY 1;
-- occurrences that are too many to count one by one
SELECT jadugar.schedule('very many', 'every 1 second', 'SELECT 1', misfire => 'skip', max_runs => 1) > 0;
CALL move_back('very many', '100 days');
CALL test.wait_until($$SELECT sum(occurrences) >= 8639999 FROM jadugar.history WHERE schedule = 'very many' AND status = 'skipped'$$);
SELECT jadugar.unschedule('very many');

-- Missed while it was paused or disabled
SELECT jadugar.schedule('rests', 'every 1 hour', 'SELECT 1') > 0;
SELECT jadugar.pause_schedule('rests');
CALL move_back('rests', '2.5 hours');
SELECT number, note FROM jadugar.explain_schedule('rests', 0) WHERE note NOT LIKE '%paused since%';
SELECT jadugar.resume_schedule('rests');
SELECT jadugar.alter_schedule('rests', enabled => false);
CALL move_back('rests', '1.5 hours');
SELECT jadugar.alter_schedule('rests', enabled => true);
SELECT status, reason, occurrences, missed FROM past WHERE schedule = 'rests' ORDER BY reason DESC;

-- Overlap: an older task is unfinished, because its queue is paused
SELECT jadugar.create_queue('fir_held') > 0 AS made;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.schedule('o-' || o, 'every 1 hour', 'SELECT 1', overlap => o, queue => 'fir_held') > 0
FROM unnest('{skip,queue,parallel,replace}'::text[]) o;
CALL move_back('o-skip', '1 hour 1 second');
CALL move_back('o-queue', '1 hour 1 second');
CALL move_back('o-parallel', '1 hour 1 second');
CALL move_back('o-replace', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 4 AND bool_and(runs = 1 AND waiting_for = 'queue_paused') FROM jadugar.schedules JOIN jadugar.tasks t ON t.schedule = schedules.name
	WHERE schedules.name LIKE 'o-%'$$);
CALL move_back('o-skip', '1 hour 1 second');
CALL move_back('o-queue', '1 hour 1 second');
CALL move_back('o-parallel', '1 hour 1 second');
CALL move_back('o-replace', '1 hour 1 second');
CALL test.wait_until($$SELECT sum(runs + missed) = 8 FROM jadugar.schedules WHERE name LIKE 'o-%'$$);
SELECT name, runs, missed FROM jadugar.schedules WHERE name LIKE 'o-%' ORDER BY name;
SELECT schedule, status, reason, occurrences FROM jadugar.history WHERE schedule LIKE 'o-%' ORDER BY 1;
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar.tasks WHERE schedule = 'o-replace' AND waiting_for = 'concurrency_key'$$);
SELECT schedule, status, waiting_for FROM jadugar.tasks WHERE schedule LIKE 'o-%' ORDER BY 1, task_id;
SELECT note LIKE 'skips what is due before task % has finished' FROM jadugar.explain_schedule('o-skip', 0);
SELECT jadugar.resume_queue('fir_held');
CALL wait_until_idle('o-skip');
CALL wait_until_idle('o-queue');
CALL wait_until_idle('o-parallel');
CALL wait_until_idle('o-replace');
SELECT schedule, status, reason, count(*) FROM jadugar.history WHERE schedule LIKE 'o-%' GROUP BY 1, 2, 3 ORDER BY 1, 2;

-- Replace a running task
CREATE TABLE gate AS SELECT false AS open;
SELECT jadugar.schedule('long', 'every 1 hour', $t$DO $d$ BEGIN
	WHILE NOT (SELECT open FROM fir.gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $d$$t$, overlap => 'replace') > 0; -- waits-for-time: is cancelled
CALL move_back('long', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 1 FROM jadugar.tasks WHERE schedule = 'long' AND status = 'running'$$);
CALL move_back('long', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 1 FROM jadugar.history WHERE schedule = 'long'$$);
UPDATE gate SET open = true;
CALL wait_until_idle('long');
SELECT status, reason, attempt FROM jadugar.history WHERE schedule = 'long' ORDER BY attempt_id;

-- depends_on
SELECT jadugar.schedule('load', 'manual', 'SELECT 1') > 0, jadugar.schedule('report', 'every 1 hour', 'SELECT 1', depends_on => '{load}') > 0;
CALL move_back('report', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 1 FROM jadugar.schedules WHERE name = 'report'$$);
-- the time zone of the schedule is that of its tasks, unless settings has one
SELECT jadugar.schedule('zone 1', 'manual', 'SELECT current_setting(''TimeZone'') AS zone', timezone => 'Pacific/Auckland') > 0 AND
	jadugar.schedule('zone 2', 'manual', 'SELECT current_setting(''TimeZone'') AS zone, current_setting(''work_mem'') AS mem', timezone => 'Pacific/Auckland', settings => '{"work_mem": "1MB"}') > 0 AND
	jadugar.schedule('zone 3', 'manual', 'SELECT current_setting(''TimeZone'') AS zone', timezone => 'Pacific/Auckland', settings => '{"timezone": "Asia/Tokyo"}') > 0 AS made;
SELECT jadugar.run_now('zone 1') AS zone1, jadugar.run_now('zone 2') AS zone2, jadugar.run_now('zone 3') AS zone3 \gset
SELECT (jadugar.wait(t, '30 s')).result FROM unnest(ARRAY[:zone1, :zone2, :zone3]::bigint[]) t;
SELECT bool_and(jadugar.unschedule('zone ' || i)) FROM generate_series(1, 3) i;
SELECT jadugar.run_now('load') AS load \gset
SELECT status, schedule FROM jadugar.wait(:load);
CALL move_back('report', '1 hour 1 second');
CALL wait_until_idle('report');
CALL move_back('report', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 2 FROM jadugar.schedules WHERE name = 'report'$$);
SELECT status, reason FROM jadugar.history WHERE schedule = 'report' ORDER BY attempt_id;
SELECT number, note FROM jadugar.explain_schedule('report', 0);

-- Jitter: a random delay after the occurrence
SELECT jadugar.schedule('spread', 'every 1 hour', 'SELECT 1', jitter => '10 days') > 0;
CALL move_back('spread', '1 hour 1 second');
CALL test.wait_until($$SELECT runs = 1 FROM jadugar.schedules WHERE name = 'spread'$$);
SELECT status, run_at > scheduled_for AS later, run_at <= scheduled_for + interval '10 days' AS bounded FROM jadugar.tasks WHERE schedule = 'spread';
SELECT count(jadugar.cancel(task_id)) FROM jadugar.tasks WHERE schedule = 'spread';

-- run_now
SELECT jadugar.schedule('hand', 'manual', 'SELECT $1 AS seen, schedule, scheduled_for FROM jadugar.current_task()',
	payload => '{"a": 1, "b": {"c": 2}}') > 0;
SELECT jadugar.run_now('hand', '{"b": 3, "d": 4}') AS hand \gset
SELECT status, result FROM jadugar.wait(:hand);
SELECT jadugar.run_now('hand') AS hand \gset
SELECT status, result FROM jadugar.wait(:hand);
SELECT runs, completed FROM jadugar.schedules WHERE name = 'hand';

-- An owner that cannot log in anymore, and that is dropped later
CALL test.create_role('fir_owner');
SELECT jadugar.schedule('orphan', 'every 1 hour', 'SELECT 1', owner => 'fir_owner') > 0;
ALTER ROLE fir_owner NOLOGIN;
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '1 hour', anchor = anchor - interval '1 hour' WHERE name = 'orphan';
SELECT jadugar.alter_schedule('orphan', description => 'x', owner => 'fir_owner');
CALL test.wait_until($$SELECT missed = 1 FROM jadugar.schedules WHERE name = 'orphan'$$);
SELECT number, note FROM jadugar.explain_schedule('orphan', 0, owner => 'fir_owner');
SELECT jadugar.revoke_access('fir_owner');
DROP ROLE fir_owner;
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '1 hour', anchor = anchor - interval '1 hour' WHERE name = 'orphan';
SELECT jadugar.alter_schedule('report', description => 'x');
CALL test.wait_until($$SELECT missed = 2 FROM jadugar_internal.schedule WHERE name = 'orphan'$$);
SELECT status, reason FROM jadugar.history WHERE schedule = 'orphan' ORDER BY attempt_id;

-- A schedule with an error does not stop the others
SELECT jadugar.schedule('bad zone', 'every 1 hour', 'SELECT 1') > 0, jadugar.schedule('bad queue', 'every 1 hour', 'SELECT 1') > 0,
	jadugar.schedule('good', 'every 1 hour', 'SELECT 1') > 0;
UPDATE jadugar_internal.schedule SET timezone = 'Mars/Phobos' WHERE name = 'bad zone';
UPDATE jadugar_internal.schedule SET queue_id = -1 WHERE name = 'bad queue';
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '1 hour', anchor = anchor - interval '1 hour'
WHERE name IN ('bad zone', 'bad queue', 'good');
SELECT jadugar.alter_schedule('report', description => 'y');
CALL wait_until_idle('good');
CALL test.wait_until($$SELECT count(last_error) = 2 FROM jadugar_internal.schedule WHERE name LIKE 'bad %'$$);
SELECT name, enabled, next_run_at IS NULL AS ended, last_error, missed FROM jadugar_internal.schedule WHERE name LIKE 'bad %' ORDER BY name;
SELECT schedule, status, reason, error_code, error->>'message' AS message FROM jadugar.history WHERE schedule LIKE 'bad %' ORDER BY 1;

-- it runs again after the error is corrected
SELECT jadugar.alter_schedule('bad zone', timezone => 'UTC'), jadugar.alter_schedule('bad queue', queue => 'default');
SELECT name, enabled, next_run_at IS NULL AS ended, last_error IS NULL AS forgotten FROM jadugar_internal.schedule WHERE name LIKE 'bad %' ORDER BY name;
CALL move_back('bad queue', '1 hour 1 second');
CALL wait_until_idle('bad queue');
SELECT runs, missed, last_error FROM jadugar.schedules WHERE name = 'bad queue';

-- A new timing while an occurrence is due
SELECT jadugar.schedule('changes', 'every 1 hour', 'SELECT 1') > 0;
BEGIN;
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '3.5 hours', anchor = anchor - interval '3.5 hours' WHERE name = 'changes';
SELECT jadugar.reschedule('changes', 'every 2 hours') - now() BETWEEN '120 min' AND '121 min' AS ok;
COMMIT;
SELECT status, reason, occurrences FROM jadugar.history WHERE schedule = 'changes';

-- run_now() waits for earlier occurrences
SELECT jadugar.schedule('turns', 'manual', 'SELECT 1', overlap => 'queue', queue => 'fir_held') > 0;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.run_now('turns') > 0, jadugar.run_now('turns') > 0;
CALL test.wait_until($$SELECT string_agg(waiting_for, ',' ORDER BY task_id) = 'queue_paused,concurrency_key' FROM jadugar.tasks WHERE schedule = 'turns'$$);
SELECT jadugar.resume_queue('fir_held');
CALL wait_until_idle('turns');

-- A full queue
SELECT jadugar.schedule('queue full', 'every 1 hour', 'SELECT 1', queue => 'fir_held', overlap => 'parallel') > 0;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.alter_queue('fir_held', max_depth => 1);
CALL move_back('queue full', '1 hour 1 second');
CALL test.wait_until($$SELECT runs = 1 FROM jadugar.schedules WHERE name = 'queue full'$$);
CALL move_back('queue full', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 1 FROM jadugar.schedules WHERE name = 'queue full'$$);
SELECT status, reason FROM jadugar.history WHERE schedule = 'queue full';
SELECT jadugar.run_now('queue full');
SELECT jadugar.resume_queue('fir_held');
CALL wait_until_idle('queue full');

\set QUIET on
SELECT jadugar.clear_schedules() \g /dev/null
DELETE FROM jadugar_internal.schedule WHERE name = 'orphan';
SELECT jadugar.drop_queue('fir_held') \g /dev/null
DROP SCHEMA fir CASCADE;
