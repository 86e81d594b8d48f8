-- What schedules do when they are due: misfire, overlap, jitter, dependencies,
-- windows. That the server was down is played by moving the plan back.
\i test/include/helpers.sql

\set QUIET on
CREATE SCHEMA fir;
SET search_path = fir;

-- Move a schedule's plan back by a time, as if it had not been looked at, and
-- let the scheduler look.
CREATE PROCEDURE shift(which text, span interval) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE jadugar_internal.schedule SET anchor = anchor - span, starts_at = starts_at - span,
		next_run_at = next_run_at - span WHERE name = which;
	PERFORM jadugar.alter_schedule(which, description => 'shifted');
	COMMIT;
END $$;

-- Until a schedule has nothing due and no task.
CREATE PROCEDURE settled(which text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format($q$SELECT coalesce(next_run_at > now(), true) AND NOT EXISTS (
		SELECT FROM jadugar_internal.task t WHERE t.schedule_id = s.schedule_id)
		FROM jadugar_internal.schedule s WHERE name = %L$q$, which));
END $$;

-- History of a schedule, instants as hours before its next one.
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

-- Five occurrences missed, the latest half an hour ago
SELECT jadugar.schedule('skip', 'every 1 hour', 'SELECT 1', misfire => 'skip') > 0,
	jadugar.schedule('once', 'every 1 hour', 'SELECT 1', misfire => 'once') > 0,
	jadugar.schedule('once late', 'every 1 hour', 'SELECT 1', misfire => 'once', misfire_grace => '10 min') > 0,
	jadugar.schedule('all', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '1 day') > 0,
	jadugar.schedule('all late', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '2 hours') > 0;
CALL shift('skip', '5.5 hours');
CALL shift('once', '5.5 hours');
CALL shift('once late', '5.5 hours');
CALL shift('all', '5.5 hours');
CALL shift('all late', '5.5 hours');
CALL settled('skip');
CALL settled('once');
CALL settled('once late');
CALL settled('all');
CALL settled('all late');
SELECT * FROM past WHERE schedule IN ('skip', 'once', 'once late', 'all', 'all late')
ORDER BY schedule, hours_ago DESC;
-- made up for one after another
SELECT bool_and(started_at >= before) FROM (
	SELECT started_at, lag(finished_at) OVER (ORDER BY scheduled_for) AS before FROM jadugar.history WHERE schedule = 'all') h;

-- More of them than fit into one transaction
SELECT jadugar.schedule('many', 'every 1 minute', 'SELECT 1', misfire => 'all', misfire_grace => '1 day', overlap => 'parallel') > 0;
CALL shift('many', '500.5 minutes');
CALL settled('many');
SELECT status, reason, count(*), sum(occurrences) FROM jadugar.history WHERE schedule = 'many' GROUP BY 1, 2 ORDER BY 1;
-- more than anybody will count one by one
SELECT jadugar.schedule('very many', 'every 1 second', 'SELECT 1', misfire => 'skip', max_runs => 1) > 0;
CALL shift('very many', '100 days');
CALL test.wait_until($$SELECT sum(occurrences) >= 8639999 FROM jadugar.history WHERE schedule = 'very many' AND status = 'skipped'$$);
SELECT jadugar.unschedule('very many');

-- Missed while it was paused or disabled
SELECT jadugar.schedule('rests', 'every 1 hour', 'SELECT 1') > 0;
SELECT jadugar.pause_schedule('rests');
CALL shift('rests', '2.5 hours');
SELECT number, note FROM jadugar.explain_schedule('rests', 0) WHERE note NOT LIKE '%paused since%';
SELECT jadugar.resume_schedule('rests');
SELECT jadugar.alter_schedule('rests', enabled => false);
CALL shift('rests', '1.5 hours');
SELECT jadugar.alter_schedule('rests', enabled => true);
SELECT status, reason, occurrences, missed FROM past WHERE schedule = 'rests' ORDER BY reason DESC;

-- Overlap: an older task is unfinished. Its queue lets it wait.
SELECT jadugar.create_queue('fir_held') > 0 AS made;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.schedule('o-' || o, 'every 1 hour', 'SELECT 1', overlap => o, queue => 'fir_held') > 0
FROM unnest('{skip,queue,parallel,replace}'::text[]) o;
CALL shift('o-skip', '1 hour 1 second');
CALL shift('o-queue', '1 hour 1 second');
CALL shift('o-parallel', '1 hour 1 second');
CALL shift('o-replace', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 4 AND bool_and(runs = 1 AND waiting_for = 'queue_paused') FROM jadugar.schedules JOIN jadugar.tasks t ON t.schedule = schedules.name
	WHERE schedules.name LIKE 'o-%'$$);
CALL shift('o-skip', '1 hour 1 second');
CALL shift('o-queue', '1 hour 1 second');
CALL shift('o-parallel', '1 hour 1 second');
CALL shift('o-replace', '1 hour 1 second');
CALL test.wait_until($$SELECT sum(runs + missed) = 8 FROM jadugar.schedules WHERE name LIKE 'o-%'$$);
SELECT name, runs, missed FROM jadugar.schedules WHERE name LIKE 'o-%' ORDER BY name;
SELECT schedule, status, reason, occurrences FROM jadugar.history WHERE schedule LIKE 'o-%' ORDER BY 1;
CALL test.wait_until($$SELECT count(*) = 0 FROM jadugar.tasks WHERE schedule = 'o-replace' AND waiting_for = 'concurrency_key'$$);
SELECT schedule, status, waiting_for FROM jadugar.tasks WHERE schedule LIKE 'o-%' ORDER BY 1, task_id;
SELECT note LIKE 'skips what is due before task % has finished' FROM jadugar.explain_schedule('o-skip', 0);
SELECT jadugar.resume_queue('fir_held');
CALL settled('o-skip');
CALL settled('o-queue');
CALL settled('o-parallel');
CALL settled('o-replace');
SELECT schedule, status, reason, count(*) FROM jadugar.history WHERE schedule LIKE 'o-%' GROUP BY 1, 2, 3 ORDER BY 1, 2;

-- Replace, while the old one runs
CREATE TABLE gate AS SELECT false AS open;
SELECT jadugar.schedule('long', 'every 1 hour', $t$DO $d$ BEGIN
	WHILE NOT (SELECT open FROM fir.gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $d$$t$, overlap => 'replace') > 0; -- waits-for-time: is cancelled
CALL shift('long', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 1 FROM jadugar.tasks WHERE schedule = 'long' AND status = 'running'$$);
CALL shift('long', '1 hour 1 second');
CALL test.wait_until($$SELECT count(*) = 1 FROM jadugar.history WHERE schedule = 'long'$$);
UPDATE gate SET open = true;
CALL settled('long');
SELECT status, reason, attempt FROM jadugar.history WHERE schedule = 'long' ORDER BY attempt_id;

-- depends_on
SELECT jadugar.schedule('load', 'manual', 'SELECT 1') > 0, jadugar.schedule('report', 'every 1 hour', 'SELECT 1', depends_on => '{load}') > 0;
CALL shift('report', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 1 FROM jadugar.schedules WHERE name = 'report'$$);
SELECT jadugar.run_now('load') AS load \gset
SELECT status, schedule FROM jadugar.wait(:load);
CALL shift('report', '1 hour 1 second');
CALL settled('report');
CALL shift('report', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 2 FROM jadugar.schedules WHERE name = 'report'$$);
SELECT status, reason FROM jadugar.history WHERE schedule = 'report' ORDER BY attempt_id;
SELECT number, note FROM jadugar.explain_schedule('report', 0);

-- Jitter: scheduled for the instant, run later
SELECT jadugar.schedule('spread', 'every 1 hour', 'SELECT 1', jitter => '10 days') > 0;
CALL shift('spread', '1 hour 1 second');
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

-- Its owner may not log in any more; then it is gone
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

-- One bad schedule stops no other
SELECT jadugar.schedule('bad zone', 'every 1 hour', 'SELECT 1') > 0, jadugar.schedule('bad queue', 'every 1 hour', 'SELECT 1') > 0,
	jadugar.schedule('good', 'every 1 hour', 'SELECT 1') > 0;
UPDATE jadugar_internal.schedule SET timezone = 'Mars/Phobos' WHERE name = 'bad zone';
UPDATE jadugar_internal.schedule SET queue_id = -1 WHERE name = 'bad queue';
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '1 hour', anchor = anchor - interval '1 hour'
WHERE name IN ('bad zone', 'bad queue', 'good');
SELECT jadugar.alter_schedule('report', description => 'y');
CALL settled('good');
CALL test.wait_until($$SELECT count(last_error) = 2 FROM jadugar_internal.schedule WHERE name LIKE 'bad %'$$);
SELECT name, enabled, next_run_at IS NULL AS ended, last_error, missed FROM jadugar_internal.schedule WHERE name LIKE 'bad %' ORDER BY name;
SELECT schedule, status, reason, error_code, error->>'message' AS message FROM jadugar.history WHERE schedule LIKE 'bad %' ORDER BY 1;

-- and goes on when it is mended
SELECT jadugar.alter_schedule('bad zone', timezone => 'UTC'), jadugar.alter_schedule('bad queue', queue => 'default');
SELECT name, enabled, next_run_at IS NULL AS ended, last_error IS NULL AS forgotten FROM jadugar_internal.schedule WHERE name LIKE 'bad %' ORDER BY name;
CALL shift('bad queue', '1 hour 1 second');
CALL settled('bad queue');
SELECT runs, missed, last_error FROM jadugar.schedules WHERE name = 'bad queue';

-- Another timing, before what was due has fired
SELECT jadugar.schedule('changes', 'every 1 hour', 'SELECT 1') > 0;
BEGIN;
UPDATE jadugar_internal.schedule SET next_run_at = next_run_at - interval '3.5 hours', anchor = anchor - interval '3.5 hours' WHERE name = 'changes';
SELECT jadugar.reschedule('changes', 'every 2 hours') - now() BETWEEN '120 min' AND '121 min' AS ok;
COMMIT;
SELECT status, reason, occurrences FROM jadugar.history WHERE schedule = 'changes';

-- run_now waits its turn where occurrences do
SELECT jadugar.schedule('turns', 'manual', 'SELECT 1', overlap => 'queue', queue => 'fir_held') > 0;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.run_now('turns') > 0, jadugar.run_now('turns') > 0;
CALL test.wait_until($$SELECT string_agg(waiting_for, ',' ORDER BY task_id) = 'queue_paused,concurrency_key' FROM jadugar.tasks WHERE schedule = 'turns'$$);
SELECT jadugar.resume_queue('fir_held');
CALL settled('turns');

-- The queue is full
SELECT jadugar.schedule('queue full', 'every 1 hour', 'SELECT 1', queue => 'fir_held', overlap => 'parallel') > 0;
SELECT jadugar.pause_queue('fir_held');
SELECT jadugar.alter_queue('fir_held', max_depth => 1);
CALL shift('queue full', '1 hour 1 second');
CALL test.wait_until($$SELECT runs = 1 FROM jadugar.schedules WHERE name = 'queue full'$$);
CALL shift('queue full', '1 hour 1 second');
CALL test.wait_until($$SELECT missed = 1 FROM jadugar.schedules WHERE name = 'queue full'$$);
SELECT status, reason FROM jadugar.history WHERE schedule = 'queue full';
SELECT jadugar.run_now('queue full');
SELECT jadugar.resume_queue('fir_held');
CALL settled('queue full');

\set QUIET on
SELECT jadugar.clear_schedules() \g /dev/null
DELETE FROM jadugar_internal.schedule WHERE name = 'orphan';
SELECT jadugar.drop_queue('fir_held') \g /dev/null
DROP SCHEMA fir CASCADE;
