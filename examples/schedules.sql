-- Schedules, one of each kind of timing. Works as typed, in psql, as a role
-- with access (SELECT jadugar.grant_access('role')).

-- Cron, on the clock of a place; the time zone's daylight saving included.
SELECT jadugar.schedule('nightly report', '30 2 * * MON-FRI',
	'SELECT current_date AS report', timezone => 'Europe/Berlin');

-- An interval, down to seconds; a run that is still at it lets one go by.
SELECT jadugar.schedule('heartbeat', 'every 1 second', 'SELECT now()', overlap => 'skip');

-- One instant, and none: for run_now() only.
SELECT jadugar.schedule('midnight once', now() + interval '1 day', 'SELECT 1');
SELECT jadugar.schedule('on demand', 'manual', 'SELECT $1->>''city'' AS city',
	payload => '{"city": "Agra"}');

SELECT name, timing, timezone, next_run_at FROM jadugar.schedules ORDER BY name;
SELECT * FROM jadugar.explain_schedule('nightly report', 3);

-- Now, with another payload, and its result.
SELECT jadugar.run_now('on demand', '{"city": "Delhi"}') AS id \gset
SELECT status, result FROM jadugar.wait(:id);

SELECT jadugar.unschedule(name) FROM jadugar.schedules
WHERE name IN ('nightly report', 'heartbeat', 'midnight once', 'on demand');
