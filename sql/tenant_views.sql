-- The view of tenants, which counts tasks and history: src/tenant/.

-- The counts read the rows of one tenant each; those of the history, all of it.
CREATE VIEW jadugar.tenants WITH (security_barrier) AS
SELECT n.name,
	n.weight,
	n.paused_at IS NOT NULL AS paused,
	n.paused_at,
	n.paused_by,
	n.pause_reason,
	n.dropping,
	t.unfinished,
	t.ready,
	t.running,
	t.waiting,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.schedule s
		WHERE s.tenant = n.name) AS schedules,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
		WHERE r.tenant = n.name AND r.finished_at IS NULL) AS flow_runs,
	n.max_concurrency,
	n.rate,
	CASE WHEN n.rate IS NOT NULL THEN COALESCE(n.per, '1 second') END AS per,
	CASE WHEN n.rate IS NOT NULL THEN COALESCE(n.burst, GREATEST(n.rate / 10, 1)) END AS burst,
	n.max_priority,
	n.max_tasks,
	n.enqueue_rate,
	CASE WHEN n.enqueue_rate IS NOT NULL THEN COALESCE(n.enqueue_per, '1 second') END AS enqueue_per,
	CASE WHEN n.enqueue_rate IS NOT NULL THEN COALESCE(n.enqueue_burst, GREATEST(n.enqueue_rate / 10, 1)) END AS enqueue_burst,
	n.history,
	n.retention,
	n.max_history,
	COALESCE(a.rolname, n.owner::text::name) AS owner,
	n.created_at,
	n.description,
	n.metadata
FROM jadugar_internal.tenant n
	CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS unfinished,
			pg_catalog.count(*) FILTER (WHERE x.state = 'r' AND w.task_id IS NULL) AS ready,
			pg_catalog.count(*) FILTER (WHERE w.phase <> 'claimed' OR x.state IN ('x', 'f')) AS running,
			pg_catalog.count(*) FILTER (WHERE x.state NOT IN ('r', 'x', 'f')) AS waiting
		FROM jadugar_internal.task x
			LEFT JOIN jadugar_internal._v_slots() w ON w.task_id = x.task_id
		WHERE x.tenant = n.name) t
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = n.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(n.owner, n.name);
COMMENT ON VIEW jadugar.tenants IS 'Tenants that were created, with their limits, quotas and work.';
COMMENT ON COLUMN jadugar.tenants.name IS 'Name; the label of its rows.';
COMMENT ON COLUMN jadugar.tenants.weight IS 'Share of worker time in comparison with other tenants.';
COMMENT ON COLUMN jadugar.tenants.paused IS 'True if pause_tenant() holds it.';
COMMENT ON COLUMN jadugar.tenants.paused_at IS 'Instant at which pause_tenant() was called, or NULL.';
COMMENT ON COLUMN jadugar.tenants.paused_by IS 'Role that paused it, or NULL.';
COMMENT ON COLUMN jadugar.tenants.pause_reason IS 'Reason that the role gave, or NULL.';
COMMENT ON COLUMN jadugar.tenants.dropping IS 'True if drop_tenant() has begun.';
COMMENT ON COLUMN jadugar.tenants.unfinished IS 'Number of unfinished tasks, which max_tasks limits.';
COMMENT ON COLUMN jadugar.tenants.ready IS 'Number of tasks that are ready, but have not begun.';
COMMENT ON COLUMN jadugar.tenants.running IS 'Number of tasks that run.';
COMMENT ON COLUMN jadugar.tenants.waiting IS
	'Number of tasks that wait for their run_at, a predecessor or a key, or are paused.';
COMMENT ON COLUMN jadugar.tenants.schedules IS 'Number of schedules.';
COMMENT ON COLUMN jadugar.tenants.flow_runs IS 'Number of unfinished runs of flows.';
COMMENT ON COLUMN jadugar.tenants.max_concurrency IS
	'Maximum number of tasks that run at the same time; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.rate IS
	'Number of tasks that may begin in each per; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.per IS 'Time that rate is about.';
COMMENT ON COLUMN jadugar.tenants.burst IS 'Number of tasks that may begin at once after a quiet time.';
COMMENT ON COLUMN jadugar.tenants.max_priority IS 'Highest priority of its tasks; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.max_tasks IS
	'Maximum number of unfinished tasks; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.enqueue_rate IS
	'Number of tasks that may be enqueued in each enqueue_per; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.enqueue_per IS 'Time that enqueue_rate is about.';
COMMENT ON COLUMN jadugar.tenants.enqueue_burst IS
	'Number of tasks that may be enqueued at once after a quiet time.';
COMMENT ON COLUMN jadugar.tenants.history IS 'Attempts that are kept: all, failures or none.';
COMMENT ON COLUMN jadugar.tenants.retention IS
	'Time for which attempts are kept; NULL means the setting.';
COMMENT ON COLUMN jadugar.tenants.max_history IS
	'Maximum number of rows in the history; NULL means no limit.';
COMMENT ON COLUMN jadugar.tenants.owner IS 'Role that created it.';
COMMENT ON COLUMN jadugar.tenants.created_at IS 'Instant of its creation.';
COMMENT ON COLUMN jadugar.tenants.description IS 'Description, or NULL.';
COMMENT ON COLUMN jadugar.tenants.metadata IS 'Metadata, an object, or NULL.';
