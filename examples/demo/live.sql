-- One picture of the current state, from jadugar's views, in 79 columns.
-- Variables: left, the seconds that are left; hint, the text after them; utf8,
-- 1 if the terminal can show block characters.

SELECT format('jadugar on PostgreSQL %s    %s    %s', split_part(version(), ' ', 2),
	to_char(now(), 'HH24:MI:SS'),
	CASE WHEN :left > 0 THEN format('%s seconds left%s', :left, :'hint')
		ELSE 'finished' END);

\echo
\echo 'QUEUE          READY  SCHEDULED  RUNNING  WAITING   FINISHED/MINUTE'
SELECT format('%s %s %s %s %s %s', rpad(name, 12), lpad(ready::text, 7),
	lpad(scheduled::text, 10), lpad(running::text, 8), lpad(waiting::text, 8),
	lpad(round(finished_per_minute)::text, 17))
FROM jadugar.queues ORDER BY name;

\echo
\echo 'WORKER   ROLE     STATE     TASKS DONE   MEMORY'
SELECT format('%s %s %s %s %s', rpad(pid::text, 8), rpad(owner, 8), rpad(state, 8),
	lpad(tasks_done::text, 11), lpad(pg_size_pretty(memory), 8))
FROM jadugar.workers ORDER BY started_at, pid;

\echo
\echo 'RUNNING NOW'
SELECT format('%s %s %s %s', rpad('#' || task_id, 8),
	rpad(COALESCE(name, left(command, 20)), 14),
	lpad(round(extract(epoch FROM elapsed) * 1000) || ' ms', 9),
	COALESCE(format('  %s %s %s', repeat('=', (progress * 12)::integer) ||
		repeat('.', 12 - (progress * 12)::integer),
		lpad((progress * 100)::integer || '%', 4), left(message, 26)), ''))
FROM jadugar.running WHERE phase = 'running' ORDER BY started_at;

\echo
\echo 'LAST RUN OF              WHEN      STATUS      ATTEMPT    WAITED        RAN'
SELECT format('%s %s  %s %s %s %s', rpad(name, 24), to_char(finished_at, 'HH24:MI:SS'),
	rpad(status, 12), lpad(attempt::text, 6),
	lpad(COALESCE(round(extract(epoch FROM started_at - COALESCE(scheduled_for, created_at)) * 1000) || ' ms', ''), 9),
	lpad(COALESCE(round(extract(epoch FROM duration) * 1000, 1) || ' ms', ''), 10))
FROM (SELECT DISTINCT ON (name) * FROM jadugar.history ORDER BY name, finished_at DESC) h
ORDER BY name;

\echo
\echo 'TASKS FINISHED, each of the last 40 seconds'
WITH per_second AS (
	SELECT s.ago, count(h.task_id) AS n
	FROM generate_series(40, 1, -1) AS s(ago)
		LEFT JOIN jadugar.history h
			ON h.finished_at >= date_trunc('second', now()) - make_interval(secs => s.ago)
			AND h.finished_at < date_trunc('second', now()) - make_interval(secs => s.ago - 1)
			AND h.finished_at > now() - interval '45 seconds'
	GROUP BY s.ago)
SELECT format('%s  most in a second: %s', string_agg(
		CASE WHEN n = 0 THEN '_'
			ELSE substr(CASE WHEN :utf8 = 1 THEN '▁▂▃▄▅▆▇█' ELSE '.:-=+*%@' END,
				1 + floor(7 * ln(n) / GREATEST(ln((SELECT max(n) FROM per_second)), 1))::integer, 1)
		END, '' ORDER BY ago DESC), max(n))
FROM per_second;
