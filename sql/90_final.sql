-- Nothing is granted to PUBLIC: grant_access() gives rights to roles. The
-- functions of types and operators stay callable, as the type itself is.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA jadugar FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA jadugar FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA jadugar FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA jadugar FROM PUBLIC;
REVOKE ALL ON SCHEMA jadugar FROM PUBLIC;

CREATE FUNCTION jadugar._installed()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_installed';
COMMENT ON FUNCTION jadugar._installed() IS 'Starts the scheduler when CREATE EXTENSION commits.';
REVOKE ALL ON FUNCTION jadugar._installed() FROM PUBLIC;

SELECT jadugar._installed();
