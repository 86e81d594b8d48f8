-- Views of flows, and the functions that return nodes of a graph. The tables
-- hold no names and kinds of steps: these come from the graph of the run's
-- version. src/flow/README.md describes the rows.

-- ------------------------------------------------------------------ the graph

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

-- ---------------------------------------------------------------------- flows

CREATE VIEW jadugar.flows WITH (security_barrier) AS
SELECT v.name,
	v.version,
	NOT EXISTS (SELECT FROM jadugar_internal.flow_version l
		WHERE l.owner = v.owner AND l.name = v.name
			AND l.dropped_at IS NULL AND l.version > v.version) AS latest,
	false AS draft,
	v.created_at,
	jadugar_internal._v_flow_leaves(v.graph) AS steps,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NULL
		AND (NOT (SELECT jadugar_internal._v_is_confined())
			OR jadugar_internal._v_sees(r.owner, r.tenant))) AS running,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NOT NULL
		AND (NOT (SELECT jadugar_internal._v_is_confined())
			OR jadugar_internal._v_sees(r.owner, r.tenant))) AS finished,
	(SELECT pg_catalog.count(*) FROM jadugar_internal.flow_run r
	 WHERE r.version_id = v.version_id AND r.finished_at IS NOT NULL
		AND (r.status IN ('f', 't', 'p') OR r.ending IN ('f', 't'))
		AND (NOT (SELECT jadugar_internal._v_is_confined())
			OR jadugar_internal._v_sees(r.owner, r.tenant))) AS failed,
	COALESCE(a.rolname, v.owner::text::name) AS owner,
	v.description,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(v.owner)
		THEN v.graph END AS graph
FROM jadugar_internal.flow_version v
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = v.owner
WHERE v.name IS NOT NULL AND v.dropped_at IS NULL
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_owns(v.owner))
UNION ALL
SELECT d.name,
	NULL,
	NULL,
	true,
	d.created_at,
	(SELECT COALESCE(pg_catalog.sum(jadugar_internal._v_flow_leaves(s.graph)), 0)::integer
	 FROM jadugar_internal.flow_draft_step s
	 WHERE s.owner = d.owner AND s.name = d.name),
	0,
	0,
	0,
	COALESCE(a.rolname, d.owner::text::name),
	NULL,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_owns(d.owner)
		THEN jadugar_internal._v_flow_draft(d.owner, d.name) END
FROM jadugar_internal.flow_draft d
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = d.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(d.owner);
COMMENT ON VIEW jadugar.flows IS 'Versions of named flows, and drafts.';
COMMENT ON COLUMN jadugar.flows.name IS 'Name of the flow.';
COMMENT ON COLUMN jadugar.flows.version IS 'Version number from 1; NULL for a draft.';
COMMENT ON COLUMN jadugar.flows.latest IS
	'True for the version that start_flow(name) starts; NULL for a draft.';
COMMENT ON COLUMN jadugar.flows.draft IS 'True for a draft.';
COMMENT ON COLUMN jadugar.flows.created_at IS 'Instant of its creation.';
COMMENT ON COLUMN jadugar.flows.steps IS 'Number of its steps and waits.';
COMMENT ON COLUMN jadugar.flows.running IS 'Number of unfinished runs of this version.';
COMMENT ON COLUMN jadugar.flows.finished IS
	'Number of finished runs that are still kept, with any status.';
COMMENT ON COLUMN jadugar.flows.failed IS
	'Number of finished runs that failed or timed out, compensated or not.';
COMMENT ON COLUMN jadugar.flows.owner IS 'Role that owns it.';
COMMENT ON COLUMN jadugar.flows.description IS 'Text given to create_flow().';
COMMENT ON COLUMN jadugar.flows.graph IS 'The flow; NULL for a draft without steps.';

-- ----------------------------------------------------------------------- runs

CREATE VIEW jadugar.flow_runs WITH (security_barrier) AS
SELECT r.run_id,
	v.name AS flow,
	v.version,
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
	r.reason,
	r.created_at,
	r.started_at,
	r.finished_at,
	r.finished_at - r.started_at AS duration,
	r.paused_at,
	r.paused_by::name AS paused_by,
	r.ended_by::name AS ended_by,
	r.scheduled_for,
	r.task_id,
	r.parent_run,
	r.parent_step,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	r.tenant,
	COALESCE(s.name, r.schedule) AS schedule,
	r.idempotency_key,
	r.trace,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.input END AS input,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.error END AS error,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN r.metadata END AS metadata
FROM jadugar_internal.flow_run r
	LEFT JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	LEFT JOIN jadugar_internal.schedule s ON s.schedule_id = r.schedule_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_sees(r.owner, r.tenant);
COMMENT ON VIEW jadugar.flow_runs IS 'Runs of flows, as long as the history keeps them.';
COMMENT ON COLUMN jadugar.flow_runs.run_id IS 'Id returned by start_flow().';
COMMENT ON COLUMN jadugar.flow_runs.flow IS 'Name of the flow; NULL if it was started as a value.';
COMMENT ON COLUMN jadugar.flow_runs.version IS 'Version of the named flow.';
COMMENT ON COLUMN jadugar.flow_runs.status IS
	'Status: scheduled, running, paused, ending, compensating, or the way in which it ended.';
COMMENT ON COLUMN jadugar.flow_runs.reason IS 'Short reason for the status.';
COMMENT ON COLUMN jadugar.flow_runs.created_at IS 'Instant of start_flow().';
COMMENT ON COLUMN jadugar.flow_runs.started_at IS 'Start of the run; NULL if it has not started.';
COMMENT ON COLUMN jadugar.flow_runs.finished_at IS 'End of the run; NULL if it has not ended.';
COMMENT ON COLUMN jadugar.flow_runs.duration IS 'Time from started_at to finished_at.';
COMMENT ON COLUMN jadugar.flow_runs.paused_at IS
	'Instant at which pause_flow() was called, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.paused_by IS 'Role that paused the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.ended_by IS 'Role that aborted the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.task_id IS
	'Task whose command is the flow; it ends with the run. NULL if start_flow() was called.';
COMMENT ON COLUMN jadugar.flow_runs.parent_run IS 'Run that started this one by sub_flow().';
COMMENT ON COLUMN jadugar.flow_runs.parent_step IS
	'Step of that run, as step_id of the view flow_steps.';
COMMENT ON COLUMN jadugar.flow_runs.owner IS 'Role that the run belongs to and runs as.';
COMMENT ON COLUMN jadugar.flow_runs.tenant IS 'Tenant that the run is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.schedule IS 'Schedule that started the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.idempotency_key IS 'Idempotency key of start_flow().';
COMMENT ON COLUMN jadugar.flow_runs.trace IS 'Trace identifier that the run carries, or NULL.';
COMMENT ON COLUMN jadugar.flow_runs.input IS 'Input of the run.';
COMMENT ON COLUMN jadugar.flow_runs.result IS 'Result of the outermost node.';
COMMENT ON COLUMN jadugar.flow_runs.error IS 'Error, an object as in the view history.';
COMMENT ON COLUMN jadugar.flow_runs.metadata IS
	'Metadata given to start_flow(), an object, or NULL.';

-- ---------------------------------------------------------------------- steps

-- With OFFSET 0, _v_flow_node() is called once per row, and the view tasks is
-- read only for rows that have a task.
CREATE VIEW jadugar.flow_steps WITH (security_barrier) AS
SELECT r.run_id,
	s.step_id,
	(g.n).name AS step,
	b.idx AS item,
	(g.n).kind AS kind,
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
	s.reason,
	CASE WHEN s.state <> 's' THEN s.started_at END AS started_at,
	s.finished_at,
	CASE WHEN s.state <> 's' THEN s.finished_at - s.started_at END AS duration,
	COALESCE(s.due, CASE WHEN t.status = 'scheduled' THEN t.run_at END) AS due,
	CASE WHEN s.state = 'r' THEN GREATEST(s.attempts, t.attempt)
		ELSE s.attempts END AS attempts,
	s.node,
	s.task_id,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	CASE WHEN (g.n).kind IN ('branch', 'loop') THEN s.found END AS condition,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN s.result END AS result,
	CASE WHEN (SELECT jadugar_internal._v_is_operator())
		OR jadugar_internal._v_reads(r.owner, r.tenant)
		THEN s.error END AS error
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
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
WHERE NOT (g.n).made_up
	AND ((SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(r.owner, r.tenant));
COMMENT ON VIEW jadugar.flow_steps IS
	'Steps, waits and containers of runs, including those that the run has not reached yet.';
COMMENT ON COLUMN jadugar.flow_steps.run_id IS 'Id of the run.';
COMMENT ON COLUMN jadugar.flow_steps.step_id IS 'Id of the row, unique in the run.';
COMMENT ON COLUMN jadugar.flow_steps.step IS 'Name, or kind and number such as chain#3.';
COMMENT ON COLUMN jadugar.flow_steps.item IS
	'Number of the item or pass, from 0, in an each or a loop.';
COMMENT ON COLUMN jadugar.flow_steps.kind IS 'Kind of the node: step, chain, parallel and others.';
COMMENT ON COLUMN jadugar.flow_steps.status IS 'Status of the step.';
COMMENT ON COLUMN jadugar.flow_steps.waiting_for IS 'Reason why it waits.';
COMMENT ON COLUMN jadugar.flow_steps.reason IS 'Short reason for the status.';
COMMENT ON COLUMN jadugar.flow_steps.started_at IS 'Start of the step.';
COMMENT ON COLUMN jadugar.flow_steps.finished_at IS 'End of the step.';
COMMENT ON COLUMN jadugar.flow_steps.duration IS 'Time from started_at to finished_at.';
COMMENT ON COLUMN jadugar.flow_steps.due IS
	'End of the wait, timeout of the container, or next attempt.';
COMMENT ON COLUMN jadugar.flow_steps.attempts IS 'Number of attempts of its task.';
COMMENT ON COLUMN jadugar.flow_steps.node IS 'Number of the node in the flow.';
COMMENT ON COLUMN jadugar.flow_steps.task_id IS 'Its task; the last one if it had several.';
COMMENT ON COLUMN jadugar.flow_steps.owner IS 'Owner of the run.';
COMMENT ON COLUMN jadugar.flow_steps.condition IS
	'Last value of the condition of a branch or a loop.';
COMMENT ON COLUMN jadugar.flow_steps.result IS 'Result of the step.';
COMMENT ON COLUMN jadugar.flow_steps.error IS 'Error, an object as in the view history.';

-- ------------------------------------------------------------------ approvals

-- Roles that may decide an approval see its row, and nothing else of the run.
CREATE VIEW jadugar.approvals WITH (security_barrier) AS
SELECT r.run_id,
	n.name,
	v.name AS flow,
	s.started_at AS since,
	s.due,
	g.node->>'approvers' AS approvers,
	COALESCE(a.rolname, r.owner::text::name) AS owner,
	g.node->>'message' AS message
FROM jadugar_internal.flow_step s
	JOIN jadugar_internal.flow_run r ON r.run_id = s.run_id
	JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.owner
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
		OR jadugar_internal._v_sees(r.owner, r.tenant)
		OR (SELECT jadugar_internal._v_has_access())
			AND NOT (SELECT jadugar_internal._v_is_confined())
			AND EXISTS (SELECT FROM pg_catalog.pg_roles x
				WHERE x.rolname = g.node->>'approvers'
					AND pg_catalog.pg_has_role(x.oid, 'usage')));
COMMENT ON VIEW jadugar.approvals IS
	'Open approvals, for the roles that may decide them and for the owners of the runs.';
COMMENT ON COLUMN jadugar.approvals.run_id IS 'Id of the run, for approve().';
COMMENT ON COLUMN jadugar.approvals.name IS 'Name of the approval, for approve().';
COMMENT ON COLUMN jadugar.approvals.flow IS 'Name of the flow; NULL if it was started as a value.';
COMMENT ON COLUMN jadugar.approvals.since IS 'Instant since which it is open.';
COMMENT ON COLUMN jadugar.approvals.due IS 'Instant at which it times out; NULL if it does not.';
COMMENT ON COLUMN jadugar.approvals.approvers IS
	'Role whose members may decide; NULL if none is named.';
COMMENT ON COLUMN jadugar.approvals.owner IS 'Owner of the run.';
COMMENT ON COLUMN jadugar.approvals.message IS 'Text for the roles that may decide.';
