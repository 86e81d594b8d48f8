-- Functions that read flows and their runs, and the views that only these
-- functions use.

-- ----------------------------------------------------------- status, progress

-- The columns of the view flow_runs, followed by the steps.
CREATE TYPE jadugar.flow_info AS (
	run_id		bigint,
	flow		text,
	version		integer,
	status		text,
	reason		text,
	created_at	timestamptz,
	started_at	timestamptz,
	finished_at	timestamptz,
	duration	interval,
	paused_at	timestamptz,
	paused_by	name,
	ended_by	name,
	scheduled_for timestamptz,
	task_id		bigint,
	parent_run	bigint,
	parent_step	bigint,
	owner		name,
	tenant		text,
	schedule	text,
	idempotency_key text,
	trace		text,
	input		jsonb,
	result		jsonb,
	error		jsonb,
	metadata	jsonb,
	steps		jsonb
);
COMMENT ON TYPE jadugar.flow_info IS
	'A run of a flow: the columns of the view flow_runs and the status of its steps.';
COMMENT ON COLUMN jadugar.flow_info.run_id IS 'Id returned by start_flow().';
COMMENT ON COLUMN jadugar.flow_info.flow IS 'Name of the flow; NULL if it was started as a value.';
COMMENT ON COLUMN jadugar.flow_info.version IS 'Version of the named flow.';
COMMENT ON COLUMN jadugar.flow_info.status IS
	'Status: scheduled, running, paused, ending, compensating, or the way in which it ended.';
COMMENT ON COLUMN jadugar.flow_info.reason IS 'Short reason for the status.';
COMMENT ON COLUMN jadugar.flow_info.created_at IS 'Instant of start_flow().';
COMMENT ON COLUMN jadugar.flow_info.started_at IS 'Start of the run; NULL if it has not started.';
COMMENT ON COLUMN jadugar.flow_info.finished_at IS 'End of the run; NULL if it has not ended.';
COMMENT ON COLUMN jadugar.flow_info.duration IS 'Time from started_at to finished_at.';
COMMENT ON COLUMN jadugar.flow_info.paused_at IS
	'Instant at which pause_flow() was called, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.paused_by IS 'Role that paused the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.ended_by IS 'Role that aborted the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.scheduled_for IS
	'Instant of the occurrence of the schedule, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.task_id IS
	'Task whose command is the flow; it ends with the run. NULL if start_flow() was called.';
COMMENT ON COLUMN jadugar.flow_info.parent_run IS 'Run that started this one by sub_flow().';
COMMENT ON COLUMN jadugar.flow_info.parent_step IS
	'Step of that run, as step_id of the view flow_steps.';
COMMENT ON COLUMN jadugar.flow_info.owner IS 'Role that the run belongs to and runs as.';
COMMENT ON COLUMN jadugar.flow_info.tenant IS 'Tenant that the run is labelled with, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.schedule IS 'Schedule that started the run, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.idempotency_key IS 'Idempotency key of start_flow().';
COMMENT ON COLUMN jadugar.flow_info.trace IS 'Trace identifier that the run carries, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.input IS 'Input of the run.';
COMMENT ON COLUMN jadugar.flow_info.result IS 'Result of the outermost node.';
COMMENT ON COLUMN jadugar.flow_info.error IS 'Error, an object as in the view history.';
COMMENT ON COLUMN jadugar.flow_info.metadata IS
	'Metadata given to start_flow(), an object, or NULL.';
COMMENT ON COLUMN jadugar.flow_info.steps IS 'Object with the status of each named step.';

CREATE FUNCTION jadugar_internal._v_flow_found(run_id bigint, progress double precision)
	RETURNS double precision
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_flow_found';
COMMENT ON FUNCTION jadugar_internal._v_flow_found(bigint, double precision) IS
	'Returns the progress of a run. Raises NOT_FOUND if it is NULL.';

-- Written in C, so that a session plans its query once.
CREATE FUNCTION jadugar.flow_status(run_id bigint)
	RETURNS jadugar.flow_info
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_flow_status';
COMMENT ON FUNCTION jadugar.flow_status(bigint) IS
	'Returns a run of a flow with the status of its steps.';

-- The number of leaves that have ended, divided by the number of leaves known
-- so far. The body of an each or a loop counts once until its number of passes
-- is known.
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
	OR jadugar_internal._v_sees(r.owner, r.tenant);
COMMENT ON VIEW jadugar_internal._v_flow_progress IS 'Fraction done of each run.';

CREATE FUNCTION jadugar.flow_progress(run_id bigint)
	RETURNS double precision
	LANGUAGE sql STABLE
	RETURN jadugar_internal._v_flow_found(run_id,
		(SELECT p.progress FROM jadugar_internal._v_flow_progress p
		 WHERE p.run_id = flow_progress.run_id));
COMMENT ON FUNCTION jadugar.flow_progress(bigint) IS
	'Returns the fraction of a run that is done, from 0 to 1.';

CREATE FUNCTION jadugar_internal._v_wait_flow(run_id bigint, timeout interval)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_wait_flow';
COMMENT ON FUNCTION jadugar_internal._v_wait_flow(bigint, interval) IS
	'Waits until a run ends or the timeout passes.';

CREATE FUNCTION jadugar.wait_flow(run_id bigint, timeout interval DEFAULT NULL)
	RETURNS jadugar.flow_info
	LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT jadugar_internal._v_wait_flow(wait_flow.run_id, wait_flow.timeout);
	SELECT f.* FROM jadugar.flow_status(wait_flow.run_id) f;
END;
COMMENT ON FUNCTION jadugar.wait_flow(bigint, interval) IS
	'Waits until a run ends, and returns it.';

-- ---------------------------------------------------------------------- check

-- The view is one statement, so it takes one snapshot. Some checks skip runs
-- with an unseen message (column asked), because their rows are about to
-- change.
CREATE VIEW jadugar_internal._v_flow_problems WITH (security_barrier) AS
WITH run AS (
	SELECT r.*, v.graph,
		EXISTS (SELECT FROM jadugar_internal.flow_message m
			WHERE m.run_id = r.run_id AND NOT m.seen) AS asked
	FROM jadugar_internal.flow_run r
		JOIN jadugar_internal.flow_version v ON v.version_id = r.version_id
	WHERE (SELECT jadugar_internal._v_is_monitor())
		OR jadugar_internal._v_sees(r.owner, r.tenant)
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
		OR jadugar_internal._v_sees(t.owner, t.tenant));
COMMENT ON VIEW jadugar_internal._v_flow_problems IS 'Contradictions in the rows of flows.';

CREATE FUNCTION jadugar.check_flows(
	OUT run_id bigint, OUT step text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET jit = off
BEGIN ATOMIC
	SELECT p.run_id, p.step, p.problem
	FROM jadugar_internal._v_flow_problems p
	WHERE (SELECT jadugar_internal._v_may_read('check_flows'))
	ORDER BY p.run_id, p.step, p.problem;
END;
COMMENT ON FUNCTION jadugar.check_flows() IS
	'Returns contradictions in the rows of flows. A sound database has none.';

-- ----------------------------------------------------------------------- uses

-- Called by drop_queue(), drop_handler() and drop_owned() only. A run that has
-- ended counts if it can still go on: retry_step() or skip_step() has asked it
-- to, or it is a completed sub_flow of a run that may have to undo it.
CREATE FUNCTION jadugar_internal._flow_uses(
	queue_id integer, handler text,
	OUT flows bigint, OUT names text, OUT runs bigint, OUT run_ids bigint[])
	LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH RECURSIVE part (value) AS MATERIALIZED (
		SELECT pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('queue_id', _flow_uses.queue_id))
		WHERE _flow_uses.queue_id IS NOT NULL
		UNION ALL
		SELECT pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('command_id', c.command_id))
		FROM jadugar_internal.command c
		WHERE c.kind = 'h' AND c.text = _flow_uses.handler
	), version AS MATERIALIZED (
		SELECT v.version_id, v.owner, v.name, v.version, v.dropped_at
		FROM jadugar_internal.flow_version v
		WHERE EXISTS (SELECT FROM part p WHERE v.plan @> p.value)
	), flow AS MATERIALIZED (
		SELECT v.name FROM version v
		WHERE v.name IS NOT NULL AND v.dropped_at IS NULL
			AND v.version = (SELECT pg_catalog.max(n.version)
				FROM jadugar_internal.flow_version n
				WHERE n.owner = v.owner AND n.name = v.name AND n.dropped_at IS NULL)
	), asked AS MATERIALIZED (
		SELECT m.run_id FROM jadugar_internal.flow_message m
		WHERE m.kind IN ('r', 'k')
	), up (run_id, parent_run, live, completed) AS (
		SELECT r.run_id, r.parent_run,
			r.finished_at IS NULL OR r.run_id IN (SELECT a.run_id FROM asked a),
			r.status = 'c'
		FROM jadugar_internal.flow_run r
		WHERE r.version_id = ANY (ARRAY(SELECT v.version_id FROM version v))
		UNION ALL
		SELECT u.run_id, r.parent_run,
			r.finished_at IS NULL OR r.run_id IN (SELECT a.run_id FROM asked a),
			r.status = 'c'
		FROM up u
			JOIN jadugar_internal.flow_run r ON r.run_id = u.parent_run
		WHERE NOT u.live AND u.completed
	)
	SELECT (SELECT pg_catalog.count(*) FROM flow f),
		(SELECT pg_catalog.string_agg(pg_catalog.quote_literal(x.name), ', ' ORDER BY x.name)
		FROM (SELECT DISTINCT f.name FROM flow f ORDER BY f.name LIMIT 5) x),
		pg_catalog.count(*),
		COALESCE(pg_catalog.array_agg(u.run_id ORDER BY u.run_id), '{}')
	FROM up u
	WHERE u.live;
END;
COMMENT ON FUNCTION jadugar_internal._flow_uses(integer, text) IS
	'Returns the flows whose newest version uses a queue or a handler, and the runs that may still use it.';

-- -------------------------------------------------------------------- explain

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
