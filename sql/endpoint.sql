-- Endpoints of HTTP requests: src/endpoint/. They are foreign servers of the
-- wrapper jadugar_http.

-- -------------------------------------------------------------------- wrapper

CREATE FUNCTION jadugar_internal._http_validator(options text[], catalog oid) RETURNS void
LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'jdg_http_validator';
COMMENT ON FUNCTION jadugar_internal._http_validator(text[], oid) IS
	'Checks the options of servers and user mappings of the wrapper jadugar_http.';

-- USAGE is granted to no role, and has no default.
CREATE FOREIGN DATA WRAPPER jadugar_http VALIDATOR jadugar_internal._http_validator;
COMMENT ON FOREIGN DATA WRAPPER jadugar_http IS
	'Endpoints of HTTP requests: a server has the URL and options, its user mappings have the secrets.';

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.endpoint_id_seq AS integer;
COMMENT ON SEQUENCE jadugar_internal.endpoint_id_seq IS 'Ids of endpoints.';

CREATE TABLE jadugar_internal.endpoint (
	endpoint_id	integer PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.endpoint_id_seq'),
	name		text NOT NULL UNIQUE,
	forced		text CHECK (forced IN ('open', 'closed', 'disabled')),
	reason		text,
	until		timestamptz,
	by			name
);
COMMENT ON TABLE jadugar_internal.endpoint IS
	'Names of foreign servers to which rows refer. The server may be missing.';
COMMENT ON COLUMN jadugar_internal.endpoint.name IS 'Name of the server, whose OID would not survive a dump.';
COMMENT ON COLUMN jadugar_internal.endpoint.forced IS 'State of its breaker that a role has forced.';
COMMENT ON COLUMN jadugar_internal.endpoint.by IS 'Role that has forced it.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.endpoint_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.endpoint', '');

CREATE TABLE jadugar_internal.endpoint_stat (
	endpoint_id	integer PRIMARY KEY,
	last_success_at	timestamptz,
	last_error_at	timestamptz,
	last_error	text
) WITH (fillfactor = 50);
COMMENT ON TABLE jadugar_internal.endpoint_stat IS
	'When endpoints have answered last, and when not, to a second. Written by the process that sends; not dumped.';

-- ----------------------------------------------------------------------- view

CREATE FUNCTION jadugar_internal._v_endpoint(server oid,
	OUT base_url text, OUT auth text[], OUT max_concurrency integer)
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_endpoint';
COMMENT ON FUNCTION jadugar_internal._v_endpoint(oid) IS
	'Options of a server, and the kinds of secrets that tasks of the current user send to it.';

CREATE FUNCTION jadugar_internal._v_endpoint_state(server oid,
	OUT status text, OUT breaker text, OUT since timestamptz, OUT until timestamptz,
	OUT failure_pct integer, OUT slow_pct integer, OUT calls integer,
	OUT in_flight integer, OUT waiting boolean, OUT tokens bigint, OUT next_at timestamptz)
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_endpoint_state';
COMMENT ON FUNCTION jadugar_internal._v_endpoint_state(oid) IS 'How requests to a server go now.';

CREATE VIEW jadugar.endpoints WITH (security_barrier) AS
SELECT COALESCE(s.srvname, n.name::name) AS endpoint,
	CASE WHEN s.oid IS NOT NULL THEN COALESCE(s.srvtype, 'http') END AS type,
	e.base_url,
	a.rolname AS owner,
	e.auth,
	CASE WHEN s.oid IS NULL THEN 'missing'
		WHEN f.forced = 'open' THEN 'open'
		ELSE g.status END AS status,
	g.breaker,
	g.since,
	CASE WHEN f.forced IS NOT NULL THEN n.until ELSE g.until END AS until,
	f.forced,
	CASE WHEN s.oid IS NULL THEN 'server does not exist'
		WHEN f.forced IS NOT NULL THEN n.reason
		WHEN g.status = 'held' THEN 'Retry-After' END AS reason,
	g.failure_pct,
	g.slow_pct,
	g.calls,
	g.in_flight,
	e.max_concurrency,
	g.waiting,
	g.tokens,
	g.next_at,
	r.last_success_at,
	r.last_error_at,
	r.last_error
FROM (SELECT f.* FROM pg_catalog.pg_foreign_server f
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
		WHERE w.fdwname = 'jadugar_http') s
	FULL JOIN jadugar_internal.endpoint n ON n.name = s.srvname::text
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.srvowner
	LEFT JOIN LATERAL jadugar_internal._v_endpoint(s.oid) e ON true
	LEFT JOIN LATERAL jadugar_internal._v_endpoint_state(s.oid) g
		-- how requests go is also the doing of other tenants
		ON NOT (SELECT jadugar_internal._v_is_confined())
	LEFT JOIN jadugar_internal.endpoint_stat r ON r.endpoint_id = n.endpoint_id
		AND NOT (SELECT jadugar_internal._v_is_confined())
	CROSS JOIN LATERAL (SELECT CASE WHEN COALESCE(n.until > pg_catalog.clock_timestamp(), true)
		THEN n.forced END AS forced) f
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR (SELECT jadugar_internal._v_has_access()) AND pg_catalog.has_server_privilege(s.oid, 'USAGE');
COMMENT ON VIEW jadugar.endpoints IS
	'Endpoints of HTTP requests: foreign servers of the wrapper jadugar_http that the role may use.';
COMMENT ON COLUMN jadugar.endpoints.endpoint IS 'Name of the server.';
COMMENT ON COLUMN jadugar.endpoints.type IS 'Type of the server: http.';
COMMENT ON COLUMN jadugar.endpoints.base_url IS 'URL to which paths of requests are added, or NULL if requests give whole URLs.';
COMMENT ON COLUMN jadugar.endpoints.owner IS 'Role that owns the server.';
COMMENT ON COLUMN jadugar.endpoints.auth IS 'Kinds of secrets that tasks of the current role send.';
COMMENT ON COLUMN jadugar.endpoints.status IS
	'State of the endpoint: ok, degraded, open, held, or missing if tasks refer to a server that does not exist.';
COMMENT ON COLUMN jadugar.endpoints.breaker IS
	'State of the breaker as in the view breakers, or NULL if there is none or one for each host.';
COMMENT ON COLUMN jadugar.endpoints.since IS 'Time at which that state began, or NULL if the breaker has never opened.';
COMMENT ON COLUMN jadugar.endpoints.until IS 'Time at which the status may change, if it is known.';
COMMENT ON COLUMN jadugar.endpoints.forced IS 'State of the breaker that a role has forced: open or disabled.';
COMMENT ON COLUMN jadugar.endpoints.reason IS 'Cause of a status that is not ok, or the reason for the forced state.';
COMMENT ON COLUMN jadugar.endpoints.failure_pct IS 'Percentage of the calls that failed.';
COMMENT ON COLUMN jadugar.endpoints.slow_pct IS 'Percentage of the calls that were slow.';
COMMENT ON COLUMN jadugar.endpoints.calls IS 'Requests that count in the window of the breaker.';
COMMENT ON COLUMN jadugar.endpoints.in_flight IS 'Requests that are under way or about to begin.';
COMMENT ON COLUMN jadugar.endpoints.max_concurrency IS 'Maximum number of requests at the same time.';
COMMENT ON COLUMN jadugar.endpoints.waiting IS 'True if tasks wait for the endpoint.';
COMMENT ON COLUMN jadugar.endpoints.tokens IS 'Requests that may begin now, if the endpoint has a rate.';
COMMENT ON COLUMN jadugar.endpoints.next_at IS 'Time at which the next request may begin, if none may now and it is known.';
COMMENT ON COLUMN jadugar.endpoints.last_success_at IS 'Time at which a request completed its task last, to a second.';
COMMENT ON COLUMN jadugar.endpoints.last_error_at IS 'Time at which an attempt failed last, to a second.';
COMMENT ON COLUMN jadugar.endpoints.last_error IS 'Message of that attempt.';
