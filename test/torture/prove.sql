-- Proof, from the tables and the ledger of the producers, that nothing was lost or
-- doubled.  Run when all work has ended.  Prints the kind and the row of each
-- problem in one line.
--
-- Kinds of tasks in the ledger: once (an effect exactly if completed), none (no
-- effect), some (standalone: at most one for each attempt), silent (its queue keeps
-- no history), and variants of once with an additional check: pair, count, nested,
-- hooked, logged, anyway.  The kind event is an event, which events.sql proves.

SET client_min_messages = warning;
SET jit = off;

CREATE TEMP TABLE finding (what text, detail text);

-- every task that left history, and how it ended
CREATE TEMP TABLE seen AS
SELECT r.task_id, max(COALESCE(r.payload->>'tag', r.payload->'message'->>'tag', r.payload->'query'->>'tag')) AS tag, max(r.payload->>'task_id') AS hook_of,
	count(*) AS attempts, count(*) FILTER (WHERE final) AS finals,
	max(status) FILTER (WHERE final) AS status,
	max(attempt_id) = max(attempt_id) FILTER (WHERE final) AS final_is_last,
	count(*) FILTER (WHERE status <> 'x' OR started_at IS NOT NULL) AS begun,
	count(DISTINCT attempt) FILTER (WHERE status <> 'x' OR started_at IS NOT NULL) AS numbers,
	max(attempt) FILTER (WHERE status <> 'x' OR started_at IS NOT NULL) AS highest,
	max(attempt) FILTER (WHERE final) AS final_attempt,
	bool_or(t.task_id IS NOT NULL) AS retried,
	max(r.schedule_id) AS schedule_id, max(r.queue_id) AS queue_id, max(r.tenant) AS tenant
FROM jadugar_internal.attempt r LEFT JOIN (SELECT DISTINCT task_id FROM torture.retried) t USING (task_id)
WHERE r.task_id IS NOT NULL GROUP BY r.task_id;
CREATE INDEX ON seen (tag);

CREATE TEMP TABLE effect AS
SELECT tag, count(*) AS n, min(began) AS began, max(ended) AS ended FROM torture.effect GROUP BY tag;
CREATE INDEX ON effect (tag);
ANALYZE seen;
ANALYZE effect;

CREATE TEMP TABLE known AS
SELECT l.*, s.tenant AS label, s.task_id, s.status, s.finals, s.attempts, COALESCE(e.n, 0) AS effects, e.began, e.ended
FROM torture.ledger l LEFT JOIN seen s USING (tag) LEFT JOIN effect e USING (tag)
WHERE l.kind <> 'event';

-- no work is left
INSERT INTO finding SELECT 'unfinished', t::text FROM jadugar_internal.task t;
INSERT INTO finding SELECT 'dependency of no task', d::text FROM jadugar_internal.dependency d;
INSERT INTO finding SELECT 'unique key of no task', k::text FROM jadugar_internal.unique_key k
	WHERE until IS NULL OR until <= jadugar_internal._v_now();
INSERT INTO finding SELECT 'a worker is busy', w::text FROM jadugar.workers w
	WHERE state NOT IN ('idle', 'starting') OR task_id IS NOT NULL OR tasks > 0;
INSERT INTO finding SELECT 'running', r::text FROM jadugar.running r;
INSERT INTO finding SELECT 'queue is not empty', q::text FROM jadugar.queues q
	WHERE ready + scheduled + running + waiting + paused_tasks > 0 OR oldest_ready_age IS NOT NULL;
INSERT INTO finding SELECT 'prepared transaction', p::text FROM pg_prepared_xacts p;
INSERT INTO finding SELECT 'health', h::text FROM jadugar.health h WHERE severity = 'error' AND what <> 'failed_flows';
-- a client may have cancelled a compensation, or aborted the run; the steps of a sub_flow speak for themselves
INSERT INTO finding SELECT 'not compensated', f::text FROM jadugar.flow_steps f
	WHERE status = 'compensation_failed' AND reason IS DISTINCT FROM 'aborted' AND kind <> 'sub_flow' AND NOT EXISTS (SELECT FROM jadugar.history h
		WHERE h.task_id = f.task_id AND h.final AND h.status = 'cancelled');

-- nothing is lost, and nothing exists that was rolled back
INSERT INTO finding SELECT 'lost', k::text FROM known k
	WHERE fate = 'acked' AND kind <> 'silent' AND task_id IS NULL;
INSERT INTO finding SELECT 'rolled back but exists', k::text FROM known k
	WHERE fate = 'undone' AND (task_id IS NOT NULL OR effects > 0);
INSERT INTO finding SELECT 'half of a transaction', txn || ': ' || string_agg(tag, ' ') FILTER (WHERE task_id IS NULL) FROM known
	WHERE fate = 'unknown' AND kind <> 'silent' GROUP BY txn HAVING count(task_id) NOT IN (0, count(*));
INSERT INTO finding SELECT 'not in the ledger', s::text FROM seen s LEFT JOIN torture.ledger l USING (tag)
	WHERE s.tag IS NOT NULL AND l.tag IS NULL AND s.tag NOT LIKE '%.more';
INSERT INTO finding SELECT 'effect that is not in the ledger', e::text FROM effect e LEFT JOIN torture.ledger l
	ON l.tag = regexp_replace(e.tag, '(\.next)*\.(more|hook)$', '') WHERE l.tag IS NULL;
INSERT INTO finding SELECT 'one enqueue, two tasks', tag FROM seen WHERE tag IS NOT NULL GROUP BY tag HAVING count(*) > 1;

-- nothing is doubled
INSERT INTO finding SELECT 'effects do not match the end', k::text FROM known k
	WHERE task_id IS NOT NULL AND kind NOT IN ('none', 'some', 'silent') AND effects <> (status = 'c')::integer;
INSERT INTO finding SELECT 'effect without a task', k::text FROM known k
	WHERE task_id IS NULL AND kind <> 'silent' AND effects > 0;
INSERT INTO finding SELECT 'doubled', k::text FROM known k WHERE kind = 'silent' AND effects > 1;
INSERT INTO finding SELECT 'more effects than attempts', k::text FROM known k
	WHERE kind = 'some' AND (effects > attempts OR (status = 'c' AND effects = 0));
INSERT INTO finding SELECT 'effects of a task enqueued by a task', s::text FROM seen s LEFT JOIN effect e USING (tag)
	WHERE s.tag LIKE '%.more' AND COALESCE(e.n, 0) <> (s.status = 'c')::integer;
INSERT INTO finding SELECT 'enqueued by a task', k::text FROM known k
	LEFT JOIN seen s ON s.tag = k.tag || '.more' WHERE k.kind = 'nested' AND k.effects <> (s.tag IS NOT NULL)::integer;
INSERT INTO finding SELECT 'hook', k::text FROM known k
	LEFT JOIN (SELECT hook_of, count(*) AS n FROM seen GROUP BY 1) s ON s.hook_of = k.task_id::text
	WHERE k.kind = 'hooked' AND k.status = 'c' AND COALESCE(s.n, 0) < 1;
INSERT INTO finding SELECT 'effect of a hook', e::text FROM effect e
	WHERE e.tag LIKE '%.hook' AND e.n > (SELECT count(*) FROM seen s JOIN known k ON s.hook_of = k.task_id::text
		WHERE k.tag = regexp_replace(e.tag, '\.hook$', '') AND s.status = 'c');
INSERT INTO finding SELECT 'pairs', format('%s for %s tasks', (SELECT sum(n) FROM torture.pair), count(*))
	FROM known WHERE kind = 'pair' AND effects > 0 HAVING 2 * count(*) <> (SELECT sum(n) FROM torture.pair);
INSERT INTO finding SELECT 'counter', format('%s for %s tasks', (SELECT n FROM torture.counter), count(*))
	FROM known WHERE kind = 'count' AND effects > 0 HAVING count(*) <> (SELECT n FROM torture.counter);
INSERT INTO finding SELECT 'log', k::text FROM known k
	WHERE kind = 'logged' AND status = 'c' AND 1 <> (SELECT count(*) FROM jadugar_internal.log l JOIN jadugar_internal.attempt r USING (task_id, attempt)
		WHERE l.task_id = k.task_id AND l.level = 'info' AND r.status = 'c');
INSERT INTO finding SELECT 'row that was not rolled back', c::text FROM torture.child c;

-- the books of each tenant balance: what was enqueued for it has ended for it
INSERT INTO finding SELECT 'tenant of a task', k::text FROM known k
	WHERE task_id IS NOT NULL AND fate <> 'maybe' AND label IS DISTINCT FROM tenant;
INSERT INTO finding SELECT 'books of a tenant', format('%s: %s enqueued, %s ended', tenant, k.n, s.n)
	FROM (SELECT COALESCE(tenant, 'none') AS tenant, count(*) AS n FROM known
			WHERE kind <> 'silent' AND (fate = 'acked' OR (fate = 'unknown' AND task_id IS NOT NULL)) GROUP BY 1) k
		FULL JOIN (SELECT COALESCE(s.tenant, 'none') AS tenant, count(*) AS n FROM seen s JOIN torture.ledger l USING (tag)
			WHERE l.kind <> 'silent' AND l.fate <> 'maybe' AND s.finals = 1 GROUP BY 1) s USING (tenant)
	WHERE k.n IS DISTINCT FROM s.n;
INSERT INTO finding SELECT 'made for another tenant', format('%s %s', m, s) FROM seen m JOIN seen s ON m.tag = s.tag || '.more' OR m.hook_of = s.task_id::text
	WHERE m.tenant IS DISTINCT FROM s.tenant;
INSERT INTO finding SELECT 'tenant with tasks', t::text FROM jadugar.tenants t WHERE unfinished + ready + running + waiting > 0;

-- the history is complete
INSERT INTO finding SELECT 'has not ended exactly once', s::text FROM seen s WHERE finals <> 1 OR NOT final_is_last;
INSERT INTO finding SELECT 'attempts are not numbered from 1 on', s::text FROM seen s
	WHERE NOT retried AND begun > 0 AND (numbers <> begun OR highest <> begun)
	AND queue_id NOT IN (SELECT queue_id FROM jadugar_internal.queue WHERE history <> 'all');
INSERT INTO finding SELECT 'final attempt', s::text FROM seen s
	WHERE NOT retried AND final_attempt <> COALESCE(highest, 0)
	AND queue_id NOT IN (SELECT queue_id FROM jadugar_internal.queue WHERE history <> 'all');
INSERT INTO finding SELECT 'ended before it began', r::text FROM jadugar_internal.attempt r WHERE finished_at < started_at - interval '1 day';
INSERT INTO finding SELECT 'failed without a reason', r::text FROM jadugar_internal.attempt r
	WHERE status IN ('f', 'l') AND error IS NULL AND reason IS NULL;

-- parents ran before their children
INSERT INTO finding SELECT 'before its parent', format('%s %s', k, p) FROM known k JOIN known p ON p.tag = ANY (k.parents)
	WHERE k.effects > 0 AND p.effects > 0 AND k.began < p.ended;
INSERT INTO finding SELECT 'without its parent', format('%s %s', k, p) FROM known k JOIN known p ON p.tag = ANY (k.parents)
	WHERE k.effects > 0 AND p.effects = 0 AND k.kind <> 'anyway' AND p.kind <> 'silent';

-- limits were respected
INSERT INTO finding SELECT 'more at a time than allowed', e::text FROM torture.effect e
	WHERE lane IS NOT NULL AND (SELECT count(*) FROM torture.effect o
		WHERE o.lane = e.lane AND o.began <= e.began AND o.ended > e.began) >
		CASE WHEN lane = 'queue two' THEN 2 WHEN lane LIKE 'three %' THEN 3 ELSE 1 END;

INSERT INTO finding SELECT what, detail FROM torture.witness;

-- each occurrence of each schedule is recorded once; there is one each second
CREATE TEMP TABLE occurrence AS
SELECT b.schedule_id, s.name, s.next_run_at,
	extract(epoch FROM s.next_run_at - b.next_run_at) AS due,
	(SELECT sum(COALESCE(occurrences, 1)) FROM jadugar_internal.attempt r WHERE r.schedule_id = b.schedule_id AND final AND scheduled_for IS NOT NULL) AS accounted,
	(SELECT count(DISTINCT task_id) FROM jadugar_internal.attempt r WHERE r.schedule_id = b.schedule_id AND scheduled_for IS NOT NULL) AS tasks,
	s.runs - b.runs AS runs,
	(SELECT COALESCE(sum(COALESCE(occurrences, 1)), 0) FROM jadugar_internal.attempt r WHERE r.schedule_id = b.schedule_id AND task_id IS NULL) AS skipped,
	s.missed - b.missed AS missed,
	(SELECT count(*) FROM seen r WHERE r.schedule_id = b.schedule_id AND r.status = 'c') AS completed,
	COALESCE(t.completed, 0) - b.completed AS counted_completed,
	(SELECT count(*) FROM jadugar_internal.attempt r WHERE r.schedule_id = b.schedule_id AND r.task_id IS NOT NULL AND final
		AND r.status <> 'c' AND (r.status <> 'x' OR r.started_at IS NOT NULL)) AS failures,
	COALESCE(t.failures, 0) - b.failures AS counted_failures
FROM torture.baseline b JOIN jadugar_internal.schedule s USING (schedule_id) LEFT JOIN jadugar_internal.schedule_stat t USING (schedule_id);
INSERT INTO finding SELECT 'occurrences', o::text FROM occurrence o
	WHERE (name <> 'boot' AND due <> accounted) OR (name <> 'boot' AND runs < tasks)
		OR missed <> skipped OR completed <> counted_completed OR failures <> counted_failures;
INSERT INTO finding SELECT 'occurrence twice', format('%s %s', schedule_id, at)
	FROM (SELECT r.schedule_id, generate_series(scheduled_for, COALESCE(scheduled_until, scheduled_for), '1 second') AS at
		FROM jadugar_internal.attempt r WHERE final AND scheduled_for IS NOT NULL) o
	GROUP BY 1, schedule_id, at HAVING count(*) > 1;
INSERT INTO finding SELECT 'tick', s::text FROM seen s
	WHERE schedule_id IS NOT NULL AND (status = 'c')::integer <> (SELECT count(*) FROM torture.tick t WHERE t.task_id = s.task_id);
INSERT INTO finding SELECT 'not fired at this start', s::text FROM jadugar_internal.schedule s
	WHERE name = 'boot' AND last_startup IS DISTINCT FROM pg_postmaster_start_time();

SELECT what || ': ' || detail FROM (SELECT *, row_number() OVER (PARTITION BY what) AS n FROM finding) f WHERE n <= 5;
SELECT 'proven ' || (SELECT count(*) FROM known) || ' tasks, ' || (SELECT count(*) FROM known WHERE fate = 'acked') || ' acknowledged, '
	|| (SELECT count(*) FROM known WHERE fate = 'unknown') || ' unknown; '
	|| (SELECT count(*) FROM jadugar_internal.attempt) || ' attempts, ' || (SELECT count(*) FROM jadugar_internal.attempt WHERE status = 'l') || ' lost, '
	|| (SELECT count(*) FROM jadugar_internal.attempt WHERE status = 'f') || ' failed, ' || (SELECT count(*) FROM jadugar_internal.attempt WHERE status = 'x') || ' cancelled, '
	|| (SELECT COALESCE(sum(due), 0)::bigint FROM occurrence) || ' occurrences';
