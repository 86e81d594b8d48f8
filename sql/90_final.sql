-- In schema jadugar nothing is granted to PUBLIC: grant_access() grants
-- privileges to roles. PUBLIC may execute the functions of jadugar_internal,
-- because views, types and operators call them as the reader, but cannot name
-- them. Default privileges may differ from the server's own.

REVOKE ALL ON SCHEMA jadugar, jadugar_internal FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA jadugar FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA jadugar, jadugar_internal FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA jadugar_internal FROM PUBLIC;

CREATE FUNCTION jadugar_internal._installed()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_installed';
COMMENT ON FUNCTION jadugar_internal._installed() IS 'Starts the scheduler when CREATE EXTENSION commits.';

GRANT EXECUTE ON ALL ROUTINES IN SCHEMA jadugar_internal TO PUBLIC;
REVOKE ALL ON FUNCTION jadugar_internal._install_check(), jadugar_internal._installed(), jadugar_internal._start_scheduler() FROM PUBLIC;
GRANT SELECT ON jadugar_internal._v_flow_progress, jadugar_internal._v_flow_problems TO PUBLIC;

SELECT jadugar_internal._installed();
