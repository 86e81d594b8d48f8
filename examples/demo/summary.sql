-- The outcome of the demo, from jadugar's views and the tables, in 79 columns.
\pset footer off
\pset null ''

\echo
\echo Tasks by outcome, and the median and 99th percentile of the milliseconds that
\echo they waited (from enqueue to start, with delays) and ran
SELECT name,
	count(*) FILTER (WHERE status = 'completed') AS done,
	count(*) FILTER (WHERE status = 'failed' AND NOT final) AS retried,
	count(*) FILTER (WHERE status IN ('failed', 'lost') AND final) AS failed,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY wait) * 1000)::numeric, 1) AS waited,
	round((percentile_cont(0.99) WITHIN GROUP (ORDER BY wait) * 1000)::numeric, 1) AS p99,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY run) * 1000)::numeric, 1) AS ran,
	round((percentile_cont(0.99) WITHIN GROUP (ORDER BY run) * 1000)::numeric, 1) AS "p99 "
FROM (SELECT *, extract(epoch FROM started_at - created_at) AS wait,
		extract(epoch FROM duration) AS run
	  FROM jadugar.history) h
GROUP BY name ORDER BY min(started_at);

\echo Schedules, and the milliseconds by which their tasks started late
SELECT s.name, s.timing, s.runs, s.missed,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY late) * 1000)::numeric, 1) AS median,
	round((percentile_cont(0.99) WITHIN GROUP (ORDER BY late) * 1000)::numeric, 1) AS p99,
	to_char(s.next_run_at, 'HH24:MI:SS') AS next
FROM jadugar.schedules s
	LEFT JOIN (SELECT schedule, extract(epoch FROM started_at - scheduled_for) AS late
			   FROM jadugar.history WHERE scheduled_for IS NOT NULL) h ON h.schedule = s.name
GROUP BY s.schedule_id, s.name, s.timing, s.runs, s.missed, s.next_run_at ORDER BY s.schedule_id;

\echo Attempts of fetch_rates
SELECT attempt, status, error->>'message' AS error, result->>name AS result,
	to_char(finished_at, 'HH24:MI:SS') AS finished
FROM jadugar.history WHERE name = 'fetch_rates' ORDER BY attempt;

\echo The flow end_of_day
\pset tuples_only on
\pset format unaligned
SELECT jadugar.explain_flow(run_id) FROM jadugar.flow_runs;
\pset format aligned
\pset tuples_only off
\echo

\echo Counters of this database since its start
SELECT enqueued, completed, retried, failed, lost, commits,
	(SELECT max(n) FROM (SELECT count(*) AS n FROM jadugar.history
						 GROUP BY date_trunc('second', finished_at)) s) AS "most in a second"
FROM jadugar.stats;

\echo The books
SELECT v.what, v.wanted, v.found, CASE WHEN v.wanted = v.found THEN 'equal' ELSE 'DIFFERENT' END AS check
FROM (SELECT count(*) AS n, sum(delta) AS moved FROM pgbench_history) h,
	(SELECT count(*) AS n FROM jadugar.history WHERE name = 'transfer' AND status = 'completed') t,
	(SELECT sum(transfers) AS n, sum(moved) AS moved FROM rollup) r,
	LATERAL (VALUES
		('sum of the balances, before and after', (SELECT balances FROM opening),
			(SELECT sum(abalance) FROM pgbench_accounts)),
		('transfers completed, rows they left', t.n, h.n),
		('money moved, as rolled up by the second', h.moved, r.moved)) AS v (what, wanted, found);
