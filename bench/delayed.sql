-- How late do delayed tasks start?  Run with psql as a superuser in a database
-- with the extension and without other work:
--   psql -X -f bench/delayed.sql
-- For each rate, tasks become due at random instants of ten seconds.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
SELECT jadugar.enqueue('SELECT 1') AS id \gset
SELECT FROM jadugar.wait(:id);
CREATE TEMP TABLE planned (task_id bigint, rate int, run_at timestamptz);
CREATE PROCEDURE pg_temp.measure(rate int) LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp() + interval '1 s' + rate * interval '1 ms';
BEGIN
	INSERT INTO planned
	SELECT jadugar.enqueue('SELECT 1', run_at => at), rate, at
	FROM (SELECT start + random() * interval '10 s' AS at FROM generate_series(1, rate * 10) OFFSET 0) i;
	COMMIT;
	-- waits-for-time: until all are due, and until the history has them
	WHILE clock_timestamp() < start + interval '10 s' OR EXISTS (SELECT FROM jadugar.tasks) LOOP
		PERFORM pg_sleep(0.5);	-- waits-for-time: see above
		COMMIT;
	END LOOP;
END $$;
CALL pg_temp.measure(20);
CALL pg_temp.measure(100);
CALL pg_temp.measure(500);
\pset title 'Milliseconds from run_at to start'
SELECT p.rate AS "a second", count(*) AS tasks,
	round(percentile_disc(0.5) WITHIN GROUP (ORDER BY late.ms), 1) AS p50,
	round(percentile_disc(0.99) WITHIN GROUP (ORDER BY late.ms), 1) AS p99,
	round(max(late.ms), 1) AS max
FROM planned p JOIN jadugar.history h USING (task_id),
	LATERAL (SELECT 1000 * extract(epoch FROM h.started_at - p.run_at) AS ms) late
GROUP BY 1 ORDER BY 1;
