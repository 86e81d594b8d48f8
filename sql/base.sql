-- Schemas, the check whether the extension can be installed, and errors:
-- src/base/, and _install_check() in src/access/control_funcs.c. See README.md
-- for the purpose of the two schemas.

CREATE SCHEMA jadugar;
COMMENT ON SCHEMA jadugar IS 'Functions and views of jadugar, a task scheduler and queue.';

CREATE SCHEMA jadugar_internal;
COMMENT ON SCHEMA jadugar_internal IS 'Tables of jadugar, and functions that its views, types and operators call.';

CREATE FUNCTION jadugar_internal._install_check()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_install_check';
COMMENT ON FUNCTION jadugar_internal._install_check() IS 'Raises an error if jadugar cannot be installed.';

SELECT jadugar_internal._install_check();

-- --------------------------------------------------------------------- errors

CREATE FUNCTION jadugar_internal._v_error_codes(
	OUT name text, OUT sqlstate text, OUT severity text, OUT meaning text,
	OUT action text)
	RETURNS SETOF record
	LANGUAGE C STABLE ROWS 20
	AS 'MODULE_PATHNAME', 'jdg_error_codes';
COMMENT ON FUNCTION jadugar_internal._v_error_codes() IS 'Returns the rows of the view error_codes.';

CREATE FUNCTION jadugar_internal._v_error_name(sqlstate text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_v_error_name';
COMMENT ON FUNCTION jadugar_internal._v_error_name(text) IS
	'Returns the name of an error, as in the view error_codes; TASK_EXECUTION_ERROR if it is none of these.';

CREATE VIEW jadugar.error_codes WITH (security_barrier) AS
SELECT e.name, e.sqlstate, e.severity, e.meaning, e.action
FROM jadugar_internal._v_error_codes() e;
COMMENT ON VIEW jadugar.error_codes IS 'Errors of jadugar, with SQLSTATE, meaning and action.';
COMMENT ON COLUMN jadugar.error_codes.name IS 'Name of the error.';
COMMENT ON COLUMN jadugar.error_codes.sqlstate IS 'SQLSTATE, five characters.';
COMMENT ON COLUMN jadugar.error_codes.severity IS
	'Severity: info, warning or error. The level of the message in the server''s log follows from it.';
COMMENT ON COLUMN jadugar.error_codes.meaning IS 'Cause of the error, in one sentence.';
COMMENT ON COLUMN jadugar.error_codes.action IS 'Suggested action, in one sentence.';
