-- HTTP tasks of the tortured database, and their proof.  The service is HttpServer.pm:
-- it outlives the server, and keeps what it was sent.  Run once, as a superuser, with
-- the variable url.

CREATE SERVER outside FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url :'url',
	allow_addresses '127.0.0.1/32', max_concurrency '8', timeout '2 s', retry_after_max '1 s',
	breaker_open_for '100 ms', breaker_open_max '500 ms', breaker_consecutive '4');
GRANT USAGE ON FOREIGN SERVER outside TO alice, bob, carol;

-- What the service was sent: see Prove.pm.
CREATE TABLE torture.request (
	tag			text NOT NULL,
	key			text NOT NULL,
	at			timestamptz NOT NULL	-- by the clock of the machine
);

-- "clock": how far jadugar's clock is ahead; NULL: it has jumped.
CREATE FUNCTION torture.request_findings(clock interval) RETURNS TABLE (what text, detail text) LANGUAGE sql AS $$
	WITH task AS (
		SELECT task_id, max(payload->'query'->>'tag') AS tag, count(*) FILTER (WHERE started_at IS NOT NULL) AS attempts,
			bool_or(status = 'c') AS completed, max(finished_at) FILTER (WHERE status = 'c') AS ended
		FROM jadugar_internal.attempt WHERE payload ? 'endpoint' GROUP BY task_id),
	sent AS (
		SELECT tag, count(*) AS n, count(DISTINCT key) AS keys, max(at) AS last FROM torture.request GROUP BY tag)
	SELECT 'completed, and never sent', t::text FROM task t LEFT JOIN sent s USING (tag) WHERE t.completed AND s.n IS NULL
	UNION ALL SELECT 'sent with several keys', s::text FROM sent s WHERE keys > 1
	UNION ALL SELECT 'sent more often than there were attempts', format('%s %s', t, s) FROM task t JOIN sent s USING (tag) WHERE s.n > t.attempts
	UNION ALL SELECT 'sent after it was completed', format('%s %s', t, s) FROM task t JOIN sent s USING (tag) WHERE s.last + clock > t.ended
	UNION ALL SELECT 'sent for what was rolled back', s::text FROM sent s JOIN torture.ledger l USING (tag) WHERE l.fate = 'undone'
	UNION ALL SELECT 'sent for no task', s::text FROM sent s LEFT JOIN task t USING (tag) WHERE t.task_id IS NULL $$;

CREATE FUNCTION torture.request_summary() RETURNS text LANGUAGE sql AS $$
	SELECT count(*) || ' requests for ' || count(DISTINCT tag) || ' tasks' FROM torture.request $$;
