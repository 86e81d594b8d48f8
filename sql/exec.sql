-- Calls of handlers in the session: src/exec/.

CREATE FUNCTION jadugar.execute(command text, payload jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_execute';
COMMENT ON FUNCTION jadugar.execute IS
	'Calls a handler in the current transaction, and returns its first row.';

CREATE FUNCTION jadugar.query(command text, payload jsonb DEFAULT '{}') RETURNS SETOF jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_query';
COMMENT ON FUNCTION jadugar.query IS
	'Calls a handler that only reads, and returns its rows.';
