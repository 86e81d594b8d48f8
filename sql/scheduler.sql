-- Functions that size worker pools, and one that starts a second scheduler for
-- tests: src/scheduler/.

CREATE FUNCTION jadugar.start_workers(n integer, role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_workers';
COMMENT ON FUNCTION jadugar.start_workers(integer, text) IS
	'Keeps at least n workers of a role running until the server restarts.';

CREATE FUNCTION jadugar.scale_workers(n integer, role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_scale_workers';
COMMENT ON FUNCTION jadugar.scale_workers(integer, text) IS
	'Keeps exactly n workers of a role running until the server restarts.';

CREATE FUNCTION jadugar.stop_workers(role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_stop_workers';
COMMENT ON FUNCTION jadugar.stop_workers(text) IS
	'Stops the workers of a role after their tasks, and starts no more until restart_workers() or a server restart.';

CREATE FUNCTION jadugar.restart_workers(role text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_restart_workers';
COMMENT ON FUNCTION jadugar.restart_workers(text) IS
	'Replaces the workers of a role with new ones after their tasks.';

CREATE FUNCTION jadugar_internal._start_scheduler()
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_scheduler';
COMMENT ON FUNCTION jadugar_internal._start_scheduler() IS
	'For tests: starts an additional scheduler, which waits for the elected one.';
