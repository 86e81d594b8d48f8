-- Calls of services: src/request/.

CREATE FUNCTION jadugar.call_service(
	endpoint text, path text DEFAULT NULL, method text DEFAULT NULL,
	body jsonb DEFAULT NULL, retries integer DEFAULT NULL,
	query jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
	body_text text DEFAULT NULL, timeout interval DEFAULT NULL,
	expect text[] DEFAULT NULL, response text DEFAULT NULL,
	when_open text DEFAULT NULL, idempotency_key text DEFAULT NULL,
	fallback text DEFAULT NULL, queue text DEFAULT NULL,
	priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL,
	delay interval DEFAULT NULL, unique_key text DEFAULT NULL,
	unique_for interval DEFAULT NULL, on_conflict text DEFAULT NULL,
	concurrency_key text DEFAULT NULL, depends_on bigint[] DEFAULT NULL,
	on_dependency_failure text DEFAULT NULL, trace text DEFAULT NULL,
	tenant text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN jadugar.enqueue('http',
		(SELECT COALESCE(pg_catalog.jsonb_object_agg(k.key, k.value), '{}')
		FROM (VALUES
			('endpoint', pg_catalog.to_jsonb(endpoint)),
			('path', pg_catalog.to_jsonb(path)),
			('method', pg_catalog.to_jsonb(method)),
			('body', body),
			('query', query),
			('headers', headers),
			('body_text', pg_catalog.to_jsonb(body_text)),
			('timeout', pg_catalog.to_jsonb(timeout::text)),
			('expect', pg_catalog.to_jsonb(expect)),
			('response', pg_catalog.to_jsonb(response)),
			('when_open', pg_catalog.to_jsonb(when_open)),
			('idempotency_key', pg_catalog.to_jsonb(idempotency_key)))
			AS k(key, value)
		WHERE k.value IS NOT NULL),
		queue => queue, priority => priority, run_at => run_at, delay => delay,
		retry => CASE
			WHEN retries IS NOT NULL THEN jadugar.retry_policy(retries,
				delay => '100 ms', factor => 2, jitter => false,
				fallback => fallback)
			WHEN fallback IS NOT NULL THEN jadugar.retry_policy(
				fallback => fallback)
			END,
		concurrency_key => concurrency_key, depends_on => depends_on,
		on_dependency_failure => on_dependency_failure, trace => trace,
		metadata => metadata, tenant => tenant, owner => owner,
		unique_key => unique_key, unique_for => unique_for,
		on_conflict => on_conflict);
COMMENT ON FUNCTION jadugar.call_service IS
	'Enqueues a request to an endpoint, and returns the id of its task.';

CREATE FUNCTION jadugar_internal._v_response(task_id bigint, result jsonb)
	RETURNS jsonb
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_response';
COMMENT ON FUNCTION jadugar_internal._v_response(bigint, jsonb) IS
	'Returns the result of a task. Raises CONFLICT if it is not that of an HTTP request.';

CREATE FUNCTION jadugar.http_response(
	task_id bigint,
	OUT status integer, OUT headers jsonb, OUT body jsonb, OUT body_text text,
	OUT body_bytes bytea, OUT truncated boolean, OUT duration interval)
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT (r.result ->> 'status')::integer, r.result -> 'headers',
		CASE r.result ->> 'encoding' WHEN 'json' THEN r.result -> 'body' END,
		CASE WHEN r.result ->> 'encoding' IN ('json', 'text') THEN r.result ->> 'body' END,
		CASE r.result ->> 'encoding'
			WHEN 'base64' THEN pg_catalog.decode(r.result ->> 'body', 'base64')
			WHEN 'blob' THEN jadugar.get_blob((r.result ->> 'body')::bigint) END,
		(r.result ->> 'truncated')::boolean,
		pg_catalog.make_interval(secs => (r.result ->> 'ms')::double precision / 1000)
	FROM (SELECT jadugar_internal._v_response(http_response.task_id,
		jadugar.result(http_response.task_id))) AS r(result);
END;
COMMENT ON FUNCTION jadugar.http_response IS
	'Returns the response that a finished HTTP task has kept.';

CREATE PROCEDURE jadugar.request(
	endpoint text, path text DEFAULT NULL, method text DEFAULT NULL,
	body jsonb DEFAULT NULL, timeout interval DEFAULT '00:00:30',
	query jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
	body_text text DEFAULT NULL, expect text[] DEFAULT NULL,
	response text DEFAULT NULL, idempotency_key text DEFAULT NULL,
	retries integer DEFAULT NULL, when_open text DEFAULT NULL,
	queue text DEFAULT NULL, priority integer DEFAULT NULL,
	trace text DEFAULT NULL, tenant text DEFAULT NULL,
	metadata jsonb DEFAULT NULL, INOUT result jsonb DEFAULT NULL)
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'jdg_request';
COMMENT ON PROCEDURE jadugar.request IS
	'Sends a request to an endpoint, and waits for its response.';

CREATE FUNCTION jadugar_internal._v_test_endpoint(name text, path text)
	RETURNS text
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_test_endpoint';
COMMENT ON FUNCTION jadugar_internal._v_test_endpoint(text, text) IS
	'Returns the path that a test of an endpoint requests, if the caller may test it.';

CREATE FUNCTION jadugar.test_endpoint(name text, path text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN jadugar.call_service(test_endpoint.name,
		jadugar_internal._v_test_endpoint(test_endpoint.name, test_endpoint.path),
		'GET', retries => 1, expect => '{2xx,3xx,4xx}', response => 'none',
		when_open => 'fail');
COMMENT ON FUNCTION jadugar.test_endpoint(text, text) IS
	'Enqueues one GET to an endpoint, to see whether it answers. Returns the id of the task.';
