-- Measures the time from enqueue to start on an idle server with a warm worker,
-- in milliseconds. It runs 500 tasks one after another: each is enqueued by a
-- commit of its own and then waited for. In psql, as a role with access.
\pset footer off
\o /dev/null
SELECT jadugar.enqueue('SELECT 1') AS id \gset
SELECT jadugar.wait(:id);
SELECT coalesce(max(attempt_id), 0) AS before FROM jadugar.history \gset
CREATE PROCEDURE measure_latency() LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	FOR i IN 1 .. 500 LOOP
		id := jadugar.enqueue('SELECT 2', metadata => '{"run": "latency"}');
		COMMIT;
		PERFORM jadugar.wait(id);
	END LOOP;
END $$;
CALL measure_latency();
DROP PROCEDURE measure_latency();
\o

SELECT count(*) AS tasks,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY wait))::numeric, 2) AS p50,
	round((percentile_cont(0.99) WITHIN GROUP (ORDER BY wait))::numeric, 2) AS p99
FROM (SELECT extract(epoch FROM started_at - created_at) * 1000 AS wait FROM jadugar.history
	  WHERE attempt_id > :before AND metadata @> '{"run": "latency"}') h;
