-- HTTP requests as tasks: src/request/.

-- ------------------------------------------------------------------- for tests

CREATE FUNCTION jadugar_internal._request(payload jsonb, trace text DEFAULT NULL, flow_run bigint DEFAULT 0) RETURNS jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_request_of';
COMMENT ON FUNCTION jadugar_internal._request(jsonb, text, bigint) IS
	'Returns the request that a task of the current role would send, without credentials. For tests.';

CREATE FUNCTION jadugar_internal._response(payload jsonb, status integer, headers text, body bytea, truncated boolean DEFAULT false) RETURNS jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_response_of';
COMMENT ON FUNCTION jadugar_internal._response(jsonb, integer, text, bytea, boolean) IS
	'Returns what would become of a response to the request of a payload. For tests.';
