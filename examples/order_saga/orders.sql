-- The shop takes the orders, the manager decides on the large ones, and all
-- runs are waited for.

-- The manager of this example is a schedule: every second it decides what
-- waits. A person would look at the view and call approve() when there is time.
SET ROLE saga_manager;
\o /dev/null
SELECT jadugar.schedule('decide', 'every 1 second', $$
	SELECT count(jadugar.approve(run_id, a.name, q.amount < 550, 'limit is 550'))
	FROM jadugar.approvals a JOIN orders.question q USING (run_id)
	WHERE a.approvers = 'saga_manager'
$$);
\o
RESET ROLE;

-- Orders and the runs of their sagas: one transaction, all of it or nothing.
-- Who sends an order twice gets the same run.
SET ROLE saga_shop;
\echo Orders placed, and runs of the flow begun:
SELECT count(jadugar.start_flow('order', jsonb_build_object('order', n), idempotency_key => 'order ' || n)) AS orders
FROM orders.place(:orders) AS n;

\o /dev/null
SELECT jadugar.wait_flow(run_id, timeout => '5 minutes') FROM jadugar.flow_runs WHERE flow = 'order';
\o

\echo What became of them:
SELECT status, COALESCE(reason, '') AS reason, count(*)
FROM jadugar.flow_runs WHERE flow = 'order' GROUP BY 1, 2 ORDER BY 3 DESC, 2;

\echo What went wrong on the way, and was tried again:
SELECT step, error->>'message' AS error, count(*) FILTER (WHERE NOT final) AS "tried again",
	count(*) FILTER (WHERE final) AS "failed for good"
FROM jadugar.history WHERE flow_run IS NOT NULL AND status = 'failed'
GROUP BY 1, 2 ORDER BY 1, 2;

\echo One that was undone:
SELECT max(run_id) AS undone FROM jadugar.flow_runs
WHERE status = 'compensated' AND reason ~ 'invoice|book' \gset
\pset tuples_only on
\pset format unaligned
SELECT jadugar.explain_flow(:undone);
\pset format aligned
\pset tuples_only off
\echo
RESET ROLE;

SET ROLE saga_manager;
\o /dev/null
SELECT jadugar.unschedule('decide');
\o
RESET ROLE;
