-- Views of limits: src/limit/view_funcs.c. Their functions read shared memory.

CREATE FUNCTION jadugar_internal._v_limit_use(scope text, owner oid, name text,
	OUT in_use integer, OUT tokens bigint, OUT waiting boolean, OUT next_at timestamptz, OUT reason text)
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_limit_use';
COMMENT ON FUNCTION jadugar_internal._v_limit_use(text, oid, text) IS 'How a limit is used now.';

CREATE VIEW jadugar.limits WITH (security_barrier) AS
SELECT l.scope,
	l.name,
	COALESCE(a.rolname, l.owner::text::name) AS owner,
	l.max_concurrency,
	l.rate,
	CASE WHEN l.rate IS NOT NULL THEN COALESCE(l.per, '1 second') END AS per,
	CASE WHEN l.rate IS NOT NULL THEN COALESCE(l.burst, GREATEST(l.rate / 10, 1)) END AS burst,
	CASE WHEN NOT u.shown THEN NULL
		WHEN l.scope = 'key' THEN (SELECT pg_catalog.count(*)::integer FROM jadugar_internal.task t
		WHERE t.owner = l.owner AND t.concurrency_key = l.name AND t.key_place)
		ELSE g.in_use END AS in_use,
	g.tokens,
	CASE WHEN NOT u.shown THEN NULL
		WHEN l.scope = 'key' AND l.rate IS NULL THEN EXISTS (SELECT FROM jadugar_internal.task t
		WHERE t.owner = l.owner AND t.concurrency_key = l.name AND t.state = 'k')
		ELSE COALESCE(g.waiting, false) END AS waiting,
	g.next_at,
	g.reason,
	l.source
FROM (SELECT 'queue'::text AS scope, q.name, q.owner, q.max_concurrency, q.rate, q.per, q.burst,
			'queue'::text AS source,
			q.queue_id = 1 AND (SELECT jadugar_internal._v_has_access())
			OR EXISTS (SELECT FROM jadugar_internal.queue_grant g
				WHERE g.queue_id = q.queue_id AND jadugar_internal._v_owns(g.role)) AS granted
		FROM jadugar_internal.queue q
		WHERE q.max_concurrency IS NOT NULL OR q.rate IS NOT NULL
		UNION ALL
		SELECT 'tenant', t.name, t.owner, t.max_concurrency, t.rate, t.per, t.burst, 'tenant', false
		FROM jadugar_internal.tenant t
		WHERE t.max_concurrency IS NOT NULL OR t.rate IS NOT NULL
		UNION ALL
		SELECT k.scope, CASE k.scope WHEN 'owner' THEN COALESCE(r.rolname, k.owner::text::name)::text ELSE k.name END,
			COALESCE(h.owner, k.owner), k.max_concurrency, k.rate, k.per, k.burst, 'set_limit', false
		FROM jadugar_internal.limit_of k
			LEFT JOIN jadugar_internal.handler h ON h.name = k.handler
			LEFT JOIN pg_catalog.pg_roles r ON k.scope = 'owner' AND r.oid = k.owner
		WHERE k.max_concurrency IS NOT NULL OR k.rate IS NOT NULL) l
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = l.owner
	-- what a queue or role is used for is also that of other tenants
	CROSS JOIN LATERAL (SELECT l.scope = 'tenant' OR NOT (SELECT jadugar_internal._v_is_confined()) AS shown) u
	LEFT JOIN LATERAL jadugar_internal._v_limit_use(l.scope, l.owner, l.name) g ON u.shown
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR CASE WHEN l.scope = 'tenant' THEN jadugar_internal._v_sees(l.owner, l.name)
		ELSE jadugar_internal._v_owns(l.owner) OR l.granted END;
COMMENT ON VIEW jadugar.limits IS
	'Limits of queues, tenants, handlers, concurrency keys and roles, and how they are used now.';
COMMENT ON COLUMN jadugar.limits.scope IS 'Scope of the limit: queue, key, tenant, handler or owner.';
COMMENT ON COLUMN jadugar.limits.name IS 'Name of the queue, tenant, handler or role, or the concurrency key.';
COMMENT ON COLUMN jadugar.limits.owner IS
	'Role that owns the queue, tenant or handler, or the tasks.';
COMMENT ON COLUMN jadugar.limits.max_concurrency IS
	'Maximum number of tasks that run at the same time.';
COMMENT ON COLUMN jadugar.limits.rate IS 'Number of tasks that may begin in the time per.';
COMMENT ON COLUMN jadugar.limits.per IS 'Time to which the rate refers.';
COMMENT ON COLUMN jadugar.limits.burst IS 'Number of tasks that may begin at once.';
COMMENT ON COLUMN jadugar.limits.in_use IS 'Tasks that run or are about to begin, if there is a maximum.';
COMMENT ON COLUMN jadugar.limits.tokens IS 'Tasks that may begin now, if there is a rate.';
COMMENT ON COLUMN jadugar.limits.waiting IS 'True if tasks wait for this limit.';
COMMENT ON COLUMN jadugar.limits.next_at IS 'Time at which the next task may begin, if none may now because of the rate.';
COMMENT ON COLUMN jadugar.limits.reason IS 'Word that tasks show in waiting_for if they wait for this limit.';
COMMENT ON COLUMN jadugar.limits.source IS 'What the limit belongs to: queue, tenant, or set_limit.';

CREATE FUNCTION jadugar_internal._v_breaker(scope text, name text,
	OUT state text, OUT since timestamptz, OUT until timestamptz, OUT calls integer, OUT failure_pct integer,
	OUT slow_pct integer, OUT consecutive integer, OUT trips integer, OUT waiting boolean)
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_breaker';
COMMENT ON FUNCTION jadugar_internal._v_breaker(text, text) IS 'The state of a breaker now.';

CREATE VIEW jadugar.breakers WITH (security_barrier) AS
SELECT l.scope,
	l.name,
	COALESCE(a.rolname, l.owner::text::name) AS owner,
	b.state,
	b.since,
	b.until,
	CASE WHEN f.forced THEN l.forced_reason END AS reason,
	CASE WHEN f.forced THEN l.forced_by END AS forced_by,
	b.calls,
	b.failure_pct,
	b.slow_pct,
	b.consecutive,
	b.trips,
	COALESCE(b.waiting, false) AS waiting,
	l.options
FROM (SELECT k.scope, k.name, COALESCE(h.owner, q.owner) AS owner, k.forced, k.forced_until, k.forced_reason, k.forced_by,
			k.breaker AS options,
			q.queue_id = 1 AND (SELECT jadugar_internal._v_has_access())
			OR EXISTS (SELECT FROM jadugar_internal.queue_grant g
				WHERE g.queue_id = q.queue_id AND jadugar_internal._v_owns(g.role)) AS granted
		FROM jadugar_internal.limit_of k
			LEFT JOIN jadugar_internal.handler h ON h.name = k.handler
			LEFT JOIN jadugar_internal.queue q ON q.queue_id = k.queue_id
		WHERE k.breaker IS NOT NULL
		UNION ALL
		SELECT 'endpoint', s.srvname::text, s.srvowner, n.forced, n.until, n.reason, n.by, NULL::jsonb,
			(SELECT jadugar_internal._v_has_access()) AND pg_catalog.has_server_privilege(s.oid, 'USAGE')
		FROM pg_catalog.pg_foreign_server s
			JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
			LEFT JOIN jadugar_internal.endpoint n ON n.name = s.srvname::text
		WHERE w.fdwname = 'jadugar_http') l
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = l.owner
	LEFT JOIN LATERAL jadugar_internal._v_breaker(l.scope, l.name) b
		-- what happens to a queue is also the doing of other tenants
		ON NOT (SELECT jadugar_internal._v_is_confined())
	CROSS JOIN LATERAL (SELECT l.forced IS NOT NULL AND COALESCE(b.state IN ('forced_open', 'disabled'), true) AS forced) f
WHERE ((SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_owns(l.owner) OR l.granted)
	-- the breaker of an endpoint may be off, or there is one for each host
	AND (l.scope <> 'endpoint' OR b.state IS NOT NULL);
COMMENT ON VIEW jadugar.breakers IS
	'Breakers of handlers, queues and endpoints, and their state now.';
COMMENT ON COLUMN jadugar.breakers.scope IS 'What the breaker guards: handler, queue or endpoint.';
COMMENT ON COLUMN jadugar.breakers.name IS 'Name of the handler, queue or endpoint.';
COMMENT ON COLUMN jadugar.breakers.owner IS 'Role that owns the handler, queue or endpoint.';
COMMENT ON COLUMN jadugar.breakers.state IS 'State: closed, open, half_open, forced_open or disabled.';
COMMENT ON COLUMN jadugar.breakers.since IS 'Time at which the state began, or NULL if the breaker has never opened.';
COMMENT ON COLUMN jadugar.breakers.until IS 'Time at which an open breaker becomes half-open, or at which the ramp or a forced state ends.';
COMMENT ON COLUMN jadugar.breakers.reason IS 'Reason for which a role has forced the state.';
COMMENT ON COLUMN jadugar.breakers.forced_by IS 'Role that has forced the state.';
COMMENT ON COLUMN jadugar.breakers.calls IS 'Attempts that count in the window, or that have begun since the breaker is half-open.';
COMMENT ON COLUMN jadugar.breakers.failure_pct IS 'Percentage of them that failed.';
COMMENT ON COLUMN jadugar.breakers.slow_pct IS 'Percentage of them that were slow.';
COMMENT ON COLUMN jadugar.breakers.consecutive IS 'Number of failures in a row.';
COMMENT ON COLUMN jadugar.breakers.trips IS 'How often the breaker opened. The number is halved with time.';
COMMENT ON COLUMN jadugar.breakers.waiting IS 'True if tasks wait for the breaker.';
COMMENT ON COLUMN jadugar.breakers.options IS 'Options as they were set, or NULL for an endpoint.';
