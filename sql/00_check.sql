-- The library must be preloaded, and the schema must be ours: before anything
-- else.

CREATE FUNCTION jadugar._install_check()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_install_check';
COMMENT ON FUNCTION jadugar._install_check() IS 'Raises an error if jadugar cannot be installed.';

SELECT jadugar._install_check();
