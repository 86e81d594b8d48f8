-- Views of flows, and the functions that read them: as those of 70_views.sql,
-- filtered by the owner, and contents are not for a monitor. Names and kinds of
-- steps are in the graph of the run's version; src/flow/README.md has the rows.

-- --------------------------------------------------------------- the graph

CREATE FUNCTION jadugar_internal._v_flow_nodes(
	graph jadugar.flow,
	OUT node integer, OUT parent integer, OUT block integer, OUT kind text,
	OUT name text, OUT leaf boolean, OUT made_up boolean,
	OUT waits_for text, OUT after integer[], OUT compensates boolean,
	OUT leaves integer)
	RETURNS SETOF record
	LANGUAGE C STABLE STRICT ROWS 100
	AS 'MODULE_PATHNAME', 'jdg_v_flow_nodes';
COMMENT ON FUNCTION jadugar_internal._v_flow_nodes(jadugar.flow) IS
	'Returns the nodes of a flow. The column made_up marks a node 0 that was put around the flow.';

CREATE FUNCTION jadugar_internal._v_flow_node(
	version_id bigint, graph jadugar.flow, INOUT node integer,
	OUT parent integer, OUT block integer, OUT kind text, OUT name text,
	OUT leaf boolean, OUT made_up boolean, OUT waits_for text,
	OUT after integer[], OUT compensates boolean, OUT leaves integer)
	RETURNS record
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_flow_node';
COMMENT ON FUNCTION jadugar_internal._v_flow_node(bigint, jadugar.flow, integer) IS
	'Returns one node of a flow. Parses the graph once for each version.';

CREATE FUNCTION jadugar_internal._v_flow_leaves(graph jadugar.flow)
	RETURNS integer
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_flow_leaves';
COMMENT ON FUNCTION jadugar_internal._v_flow_leaves(jadugar.flow) IS
	'Returns the number of steps and waits of a flow.';

CREATE FUNCTION jadugar_internal._v_flow_draft(owner oid, name text)
	RETURNS jadugar.flow
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_flow_draft';
COMMENT ON FUNCTION jadugar_internal._v_flow_draft(oid, text) IS
	'Returns the flow that a draft makes, to callers who may see it. Returns NULL if the draft is empty.';

-- ------------------------------------------------------------------- flows

CREATE VIEW jadugar.flows WITH (security_barrier) AS
SELECT v.name,
	v.version,
	NOT EXISTS (SELECT FROM jadugar_internal.flow_version l
		WHERE l.owner = v.owner AND l.name = v.name
			AND l.dropped_at IS NULL AND l.version > v.version) AS latest,
	COALESCE(a.rolname, v.owner::text::name) AS owner,
	jadugar_internal._v_flow_leaves(v.graph) AS steps,
	false AS draft,
	v.description,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(v.owner)
		THEN v.graph END AS graph,
	v.created_at,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NULL) AS running,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NOT NULL) AS finished,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NOT NULL
		AND (r.status IN ('f', 't', 'p') OR r.ending IN ('f', 't'))) AS failed
FROM jadugar_internal.flow_version v
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = v.owner
WHERE v.name IS NOT NULL AND v.dropped_at IS NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(v.owner))
UNION ALL
SELECT d.name,
	NULL,
	NULL,
	COALESCE(a.rolname, d.owner::text::name),
	(SELECT COALESCE(pg_catalog.sum(jadugar_internal._v_flow_leaves(s.graph)), 0)::integer
	 FROM jadugar_internal.flow_draft_step s
	 WHERE s.owner = d.owner AND s.name = d.name),
	true,
	NULL,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(d.owner)
		THEN jadugar_internal._v_flow_draft(d.owner, d.name) END,
	d.created_at,
	0,
	0,
	0
FROM jadugar_internal.flow_draft d
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = d.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(d.owner);
COMMENT ON VIEW jadugar.flows IS 'Versions of named flows, and drafts.';

-- -------------------------------------------------------------------- runs

CREATE VIEW jadugar.flow_runs WITH (security_barrier) AS
SELECT r.run_id,
	v.name AS flow,
	v.version,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	CASE r.status
		WHEN 'r' THEN CASE
			WHEN r.paused_at IS NOT NULL THEN 'paused'
			WHEN EXISTS (SELECT FROM jadugar_internal.flow_step f
				WHERE f.run_id = r.run_id AND f.step_id = 0
					AND f.state = 'w')
				THEN 'scheduled'
			ELSE 'running' END
		WHEN 'e' THEN 'ending'
		WHEN 'k' THEN 'compensating'
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 'x' THEN 'cancelled'
		WHEN 't' THEN 'timed_out'
		WHEN 'u' THEN 'compensated'
		WHEN 'p' THEN 'compensation_failed'
	END AS status,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.input END AS input,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.error END AS error,
	r.reason,
	r.parent_run,
	r.parent_step,
	s.name AS schedule,
	r.scheduled_for,
	r.idempotency_key,
	r.tenant,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN r.metadata END AS metadata,
	r.created_at,
	r.started_at,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	r.paused_at
FROM jadugar_internal.flow_run r
	LEFT JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = r.schedule_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(r.owner);
COMMENT ON VIEW jadugar.flow_runs IS 'Runs of flows, as long as the history keeps them.';

-- ------------------------------------------------------------------- steps

-- OFFSET 0: _v_flow_node() is called once for a row, and what the view tasks
-- says is looked up for those rows only that have a task.
CREATE VIEW jadugar.flow_steps WITH (security_barrier) AS
SELECT r.run_id,
	s.step_id,
	s.node,
	(g.n).name AS step,
	(g.n).kind AS kind,
	b.idx AS item,
	CASE s.state
		WHEN 'w' THEN CASE WHEN s.step_id = 0 AND s.due IS NOT NULL
			THEN 'scheduled' ELSE 'waiting' END
		WHEN 'r' THEN COALESCE(t.status, 'running')
		WHEN 'c' THEN 'completed'
		WHEN 'f' THEN 'failed'
		WHEN 's' THEN 'skipped'
		WHEN 'x' THEN 'cancelled'
		WHEN 't' THEN 'timed_out'
		WHEN 'k' THEN 'compensating'
		WHEN 'u' THEN 'compensated'
		WHEN 'p' THEN 'compensation_failed'
		ELSE 'waiting'
	END AS status,
	CASE
		WHEN s.state = 'w' THEN CASE WHEN s.step_id = 0 AND s.due IS NOT NULL
			THEN 'time' ELSE 'after' END
		WHEN s.state NOT IN ('r', 'k') THEN NULL
		WHEN s.task_id IS NOT NULL THEN t.waiting_for
		WHEN s.state = 'r' THEN (g.n).waits_for
	END AS waiting_for,
	s.task_id,
	CASE WHEN s.state = 'r' THEN GREATEST(s.attempts, t.attempt)
		ELSE s.attempts END AS attempts,
	CASE WHEN (g.n).kind IN ('branch', 'loop') THEN s.found END AS condition,
	CASE WHEN s.state <> 's' THEN s.started_at END AS started_at,
	s.finished_at,
	CASE WHEN s.state <> 's' THEN s.finished_at - s.started_at END AS duration,
	COALESCE(s.due, CASE WHEN t.status = 'scheduled' THEN t.run_at END) AS due,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN s.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(r.owner)
		THEN s.error END AS error,
	s.reason,
	COALESCE(a.rolname, r.owner::text::name) AS owner
FROM jadugar_internal.flow_run r
	JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	CROSS JOIN LATERAL (
		SELECT f.step_id, f.node, f.base, f.state, f.task_id, f.attempts,
			f.due, f.found, f.result, f.error, f.reason, f.started_at,
			f.finished_at
		FROM jadugar_internal.flow_step f
		WHERE f.run_id = r.run_id
		UNION ALL
		SELECT n.node, n.node, 0, NULL, NULL, 0,
			NULL, NULL, NULL, NULL, NULL, NULL,
			NULL
		FROM jadugar_internal._v_flow_nodes(v.graph) n
		WHERE r.status = 'r' AND n.block = 0
			AND NOT EXISTS (SELECT FROM jadugar_internal.flow_step x
				WHERE x.run_id = r.run_id AND x.step_id = n.node)) s
	CROSS JOIN LATERAL (
		SELECT jadugar_internal._v_flow_node(v.version_id, v.graph, s.node) AS n
		OFFSET 0) g
	LEFT JOIN jadugar_internal.flow_step b
		ON s.base > 0 AND b.run_id = r.run_id AND b.step_id = s.base
	LEFT JOIN LATERAL (
		SELECT x.status, x.waiting_for, x.attempt, x.run_at
		FROM jadugar.tasks x
		WHERE x.task_id = s.task_id AND s.state IN ('r', 'k')
		OFFSET 0) t ON true
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
WHERE NOT (g.n).made_up
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(r.owner));
COMMENT ON VIEW jadugar.flow_steps IS
	'Steps, waits and containers of runs, including those that the run has not reached yet.';

-- --------------------------------------------------------------- approvals

-- Also for those who may decide, and see nothing else of the run.
CREATE VIEW jadugar.approvals WITH (security_barrier) AS
SELECT r.run_id,
	n.name,
	g.node->>'message' AS message,
	v.name AS flow,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	g.node->>'approvers' AS approvers,
	s.started_at AS since,
	s.due
FROM jadugar_internal.flow_step s
	JOIN jadugar_internal.flow_run r ON r.run_id = s.run_id
	JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.owner
	CROSS JOIN LATERAL (
		SELECT pg_catalog.substr(s.event, pg_catalog.length('approval:') + 1) AS name) n
	CROSS JOIN LATERAL (
		SELECT pg_catalog.jsonb_path_query_first(v.graph::jsonb,
			'$.** ? (@.approval == $name)',
			pg_catalog.jsonb_build_object('name', n.name)) AS node
		OFFSET 0) g
WHERE s.event LIKE 'approval:%'
	AND r.status = 'r'
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(r.owner)
		OR (SELECT jadugar_internal._v_has_access())
			AND EXISTS (SELECT FROM pg_catalog.pg_authid x
				WHERE x.rolname = g.node->>'approvers'
					AND pg_catalog.pg_has_role(x.oid, 'usage')));
COMMENT ON VIEW jadugar.approvals IS
	'Open approvals, for the roles that may decide them and for the owners of the runs.';

-- ------------------------------------------------------ status, progress

-- The columns of the view flow_runs, and the steps.
CREATE TYPE jadugar.flow_info AS (
	run_id		bigint,
	flow		text,
	version		integer,
	owner		name,
	status		text,
	input		jsonb,
	result		jsonb,
	error		jsonb,
	reason		text,
	parent_run	bigint,
	parent_step	bigint,
	schedule	text,
	scheduled_for timestamptz,
	idempotency_key text,
	tenant		text,
	trace		text,
	metadata	jsonb,
	created_at	timestamptz,
	started_at	timestamptz,
	finished_at	timestamptz,
	duration	interval,
	paused_at	timestamptz,
	steps		jsonb
);
COMMENT ON TYPE jadugar.flow_info IS
	'A run of a flow: the columns of the view flow_runs and the status of its steps.';

CREATE FUNCTION jadugar_internal._v_flow_found(run_id bigint, progress double precision)
	RETURNS double precision
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_flow_found';
COMMENT ON FUNCTION jadugar_internal._v_flow_found(bigint, double precision) IS
	'Returns the progress of a run. Raises NOT_FOUND if it is NULL.';

-- In C, so that its plan is kept.
CREATE FUNCTION jadugar.flow_status(run_id bigint)
	RETURNS jadugar.flow_info
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_flow_status';
COMMENT ON FUNCTION jadugar.flow_status(bigint) IS
	'Returns a run of a flow with the status of its steps.';

-- How many leaves a run is known to have, and how many of them have ended. The
-- body of an each or a loop counts once until it is known how often it runs.
CREATE VIEW jadugar_internal._v_flow_progress WITH (security_barrier) AS
SELECT r.run_id,
	CASE
		WHEN r.finished_at IS NOT NULL THEN 1.0::double precision
		ELSE (
			SELECT LEAST(1, pg_catalog.count(*)
					FILTER (WHERE (g.n).leaf AND f.state NOT IN ('w', 'r'))
				/ GREATEST(1, jadugar_internal._v_flow_leaves(v.graph)
					+ COALESCE(pg_catalog.sum((g.n).leaves
						* (CASE WHEN f.state = 'r'
							THEN GREATEST(f.total, f.started, 1)
							ELSE f.started END - 1))
						FILTER (WHERE (g.n).kind IN ('each', 'loop')), 0)
					)::double precision)
			FROM jadugar_internal.flow_step f
				CROSS JOIN LATERAL (
					SELECT jadugar_internal._v_flow_node(v.version_id, v.graph, f.node) AS n
					OFFSET 0) g
			WHERE f.run_id = r.run_id)
	END AS progress
FROM jadugar_internal.flow_run r
	JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(r.owner);
COMMENT ON VIEW jadugar_internal._v_flow_progress IS 'Fraction done of each run.';

CREATE FUNCTION jadugar.flow_progress(run_id bigint)
	RETURNS double precision
	LANGUAGE sql STABLE
	RETURN jadugar_internal._v_flow_found(run_id,
		(SELECT p.progress FROM jadugar_internal._v_flow_progress p
		 WHERE p.run_id = flow_progress.run_id));
COMMENT ON FUNCTION jadugar.flow_progress(bigint) IS
	'Returns the fraction of a run that is done, from 0 to 1.';

-- ------------------------------------------------------------------- check

-- One statement, so one snapshot. Rows of a run that was sent a message which
-- nobody has seen yet are about to change.
CREATE VIEW jadugar_internal._v_flow_problems WITH (security_barrier) AS
WITH run AS (
	SELECT r.*, v.graph,
		EXISTS (SELECT FROM jadugar_internal.flow_message m
			WHERE m.run_id = r.run_id AND NOT m.seen) AS asked
	FROM jadugar_internal.flow_run r
		JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	WHERE (SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(r.owner)
), step AS (
	SELECT r.run_id, r.status, r.asked, f.step_id, f.parent, f.base, f.state,
		f.task_id, f.due, f.child_run, f.total, f.ended, f.succeeded, f.failed,
		f.waiting, f.cancelling, g.n
	FROM run r
		JOIN jadugar_internal.flow_step f ON f.run_id = r.run_id
		CROSS JOIN LATERAL (
			SELECT jadugar_internal._v_flow_node(r.version_id, r.graph, f.node) AS n
			OFFSET 0) g
), counted AS (
	SELECT s.run_id, pg_catalog.count(*) FILTER (WHERE CASE
			WHEN s.state = 'w' THEN s.parent < 0 AND s.due IS NOT NULL
			WHEN (s.n).leaf THEN s.state IN ('r', 'k')
			ELSE s.task_id IS NOT NULL
				OR s.state = 'r' AND (s.n).kind = 'loop' AND s.waiting > 0
		END) AS live
	FROM step s
	GROUP BY s.run_id
)
SELECT s.run_id, (s.n).name AS step,
	'waits though what it waits for has ended'::text AS problem
FROM step s
WHERE s.state = 'w' AND (s.n).after IS NOT NULL AND NOT s.asked
	AND NOT EXISTS (
		SELECT FROM pg_catalog.unnest((s.n).after) p (node)
			LEFT JOIN jadugar_internal.flow_step f ON f.run_id = s.run_id
				AND f.step_id = s.base + p.node - (s.n).block
		WHERE f.state IS NULL OR f.state IN ('w', 'r'))
UNION ALL
SELECT s.run_id, (s.n).name, 'goes on though the run has finished'
FROM step s
WHERE s.status NOT IN ('r', 'e', 'k') AND s.state IN ('w', 'r', 'k')
UNION ALL
SELECT s.run_id, (s.n).name, 'waits for a task that is not there'
FROM step s
WHERE s.state IN ('r', 'k') AND s.task_id IS NOT NULL AND NOT s.asked
	AND NOT EXISTS (SELECT FROM jadugar_internal.task t WHERE t.task_id = s.task_id)
UNION ALL
SELECT s.run_id, (s.n).name, 'waits for a run that has ended or is not there'
FROM step s
WHERE s.state IN ('r', 'k') AND s.task_id IS NULL AND NOT s.asked
	AND (s.n).kind = 'sub_flow'
	AND NOT EXISTS (SELECT FROM jadugar_internal.flow_run c
		WHERE c.run_id = s.child_run AND (c.finished_at IS NULL
			OR EXISTS (SELECT FROM jadugar_internal.flow_message m
				WHERE m.run_id = c.run_id AND NOT m.seen)))
UNION ALL
SELECT s.run_id, (s.n).name, 'is under way, and nothing will end it'
FROM step s
WHERE s.state IN ('r', 'k') AND s.task_id IS NULL
	AND (s.n).leaf AND ((s.n).waits_for IS NULL
		OR (s.n).waits_for = 'time' AND s.due IS NULL)
UNION ALL
SELECT s.run_id, (s.n).name, 'was not compensated though the run was'
FROM step s
WHERE s.status = 'u' AND s.state = 'c' AND (s.n).compensates
UNION ALL
SELECT s.run_id, (s.n).name,
	pg_catalog.format('%s of %s parts have ended, %s succeeded and %s failed',
		s.ended, s.total, s.succeeded, s.failed)
FROM step s
WHERE (s.ended > s.total OR s.succeeded + s.failed > s.ended)
	AND (s.n).kind IN ('parallel', 'race', 'each')
UNION ALL
SELECT r.run_id, NULL,
	pg_catalog.format('counts %s steps under way, there are %s', r.live,
		COALESCE(c.live, 0))
FROM run r
	LEFT JOIN counted c ON c.run_id = r.run_id
WHERE r.live <> COALESCE(c.live, 0)
UNION ALL
SELECT r.run_id, NULL, 'nothing is under way, and nothing will happen'
FROM run r
	LEFT JOIN counted c ON c.run_id = r.run_id
WHERE r.finished_at IS NULL AND COALESCE(c.live, 0) = 0 AND NOT r.asked
UNION ALL
SELECT r.run_id, NULL, 'its status and the time of its end disagree'
FROM run r
WHERE (r.finished_at IS NULL) <> (r.status IN ('r', 'e', 'k'))
UNION ALL
SELECT r.run_id, n.name, 'has no end though the run has finished'
FROM run r
	CROSS JOIN LATERAL jadugar_internal._v_flow_nodes(r.graph) n
WHERE r.finished_at IS NOT NULL AND n.block = 0
	AND NOT EXISTS (SELECT FROM jadugar_internal.flow_step f
		WHERE f.run_id = r.run_id AND f.step_id = n.node)
UNION ALL
SELECT t.flow_run, t.step,
	pg_catalog.format('task %s is for a step that does not wait for it', t.task_id)
FROM jadugar_internal.task t
WHERE t.flow_run IS NOT NULL
	AND NOT EXISTS (SELECT FROM jadugar_internal.flow_step f
		WHERE f.run_id = t.flow_run AND f.step_id = t.step_id
			AND f.task_id = t.task_id
			AND (f.state IN ('r', 'k') OR f.cancelling))
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(t.owner));
COMMENT ON VIEW jadugar_internal._v_flow_problems IS 'Contradictions in the rows of flows.';

CREATE FUNCTION jadugar.check_flows(
	OUT run_id bigint, OUT step text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET jit = off
BEGIN ATOMIC
	SELECT p.run_id, p.step, p.problem
	FROM jadugar_internal._v_flow_problems p
	ORDER BY p.run_id, p.step, p.problem;
END;
COMMENT ON FUNCTION jadugar.check_flows() IS
	'Returns contradictions in the rows of flows. A sound database has none.';

-- ----------------------------------------------------------------- explain

CREATE FUNCTION jadugar.explain_flow(flow jadugar.flow, format text DEFAULT 'text')
	RETURNS text
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_explain_flow_value';
COMMENT ON FUNCTION jadugar.explain_flow(jadugar.flow, text) IS
	'Returns a flow as a tree or as a Mermaid flowchart.';

CREATE FUNCTION jadugar.explain_flow(name text, format text DEFAULT 'text', version integer DEFAULT NULL)
	RETURNS text
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_explain_flow_name';
COMMENT ON FUNCTION jadugar.explain_flow(text, text, integer) IS
	'Returns a named flow or a draft as a tree or as a Mermaid flowchart.';

CREATE FUNCTION jadugar.explain_flow(run_id bigint, format text DEFAULT 'text')
	RETURNS text
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_explain_flow_run';
COMMENT ON FUNCTION jadugar.explain_flow(bigint, text) IS
	'Returns the flow of a run with the state of each step.';
