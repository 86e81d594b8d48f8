-- The shop takes the orders, the manager decides on the large ones, and the
-- script waits for all runs.

-- The manager of this example is a schedule that decides pending approvals every
-- second. A person would look at the view and call approve() from time to time.
SET ROLE saga_manager;
\o /dev/null
SELECT jadugar.schedule('decide', 'every 1 second', $$
	SELECT count(jadugar.approve(run_id, a.name, q.amount < 550, 'limit is 550'))
	FROM jadugar.approvals a JOIN orders.question q USING (run_id)
	WHERE a.approvers = 'saga_manager'
$$);
\o
RESET ROLE;

-- One transaction creates the orders and the runs of their sagas: all or none.
-- An order that is sent twice gets the same run.
SET ROLE saga_shop;
\echo Orders placed, and runs of the flow started:
SELECT count(jadugar.start_flow('order', jsonb_build_object('order', n), idempotency_key => 'order ' || n)) AS orders
FROM orders.place(:orders) AS n;

\o /dev/null
SELECT jadugar.wait_flow(run_id, timeout => '5 minutes') FROM jadugar.flow_runs WHERE flow = 'order';
\o

\echo Outcome of the runs:
SELECT status, COALESCE(reason, '') AS reason, count(*)
FROM jadugar.flow_runs WHERE flow = 'order' GROUP BY 1, 2 ORDER BY 3 DESC, 2;

\echo Errors on the way, and whether the step was retried:
SELECT step, error->>'message' AS error, count(*) FILTER (WHERE NOT final) AS "retried",
	count(*) FILTER (WHERE final) AS "failed for good"
FROM jadugar.history WHERE flow_run IS NOT NULL AND status = 'failed'
GROUP BY 1, 2 ORDER BY 1, 2;

\echo A run that was undone:
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
