-- Schedules, one of each kind of timing. Run this in psql, as a role with
-- access (SELECT jadugar.grant_access('role')).

-- A cron expression in a time zone, including its daylight-saving time.
SELECT jadugar.schedule('nightly report', '30 2 * * MON-FRI',
	'SELECT current_date AS report', timezone => 'Europe/Berlin');

-- An interval of seconds. An occurrence is skipped while a run is unfinished.
SELECT jadugar.schedule('heartbeat', 'every 1 second', 'SELECT now()', overlap => 'skip');

-- One instant, and a schedule for run_now() only.
SELECT jadugar.schedule('midnight once', now() + interval '1 day', 'SELECT 1');
SELECT jadugar.schedule('on demand', 'manual', 'SELECT $1->>''city'' AS city',
	payload => '{"city": "Agra"}');

SELECT name, timing, timezone, next_run_at FROM jadugar.schedules ORDER BY name;
SELECT * FROM jadugar.explain_schedule('nightly report', 3);

-- Run it now with another payload, and get the result.
SELECT jadugar.run_now('on demand', '{"city": "Delhi"}') AS id \gset
SELECT status, result FROM jadugar.wait(:id);

SELECT jadugar.unschedule(name) FROM jadugar.schedules
WHERE name IN ('nightly report', 'heartbeat', 'midnight once', 'on demand');
