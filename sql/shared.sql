-- Functions that read shared memory: src/monitor/. Views call them as the
-- reader, so the functions that return tasks or workers filter them in C.

CREATE FUNCTION jadugar_internal._v_now()
	RETURNS timestamptz
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_now';
COMMENT ON FUNCTION jadugar_internal._v_now() IS 'Returns the current time of jadugar''s clock.';

CREATE FUNCTION jadugar_internal._v_slots(
	OUT task_id bigint, OUT owner oid, OUT queue_id integer,
	OUT attempt integer, OUT pid integer, OUT phase text,
	OUT standalone boolean, OUT progress double precision, OUT message text,
	OUT started_at timestamptz, OUT deadline timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 10
	AS 'MODULE_PATHNAME', 'jdg_v_slots';
COMMENT ON FUNCTION jadugar_internal._v_slots() IS
	'Returns the tasks held by workers of this database that the caller may see.';

CREATE FUNCTION jadugar_internal._v_limit_reason(owner oid, queue_id integer, tenant text, command_id bigint, concurrency_key text,
		endpoint_id integer, host text)
	RETURNS text
	LANGUAGE C STABLE
	AS 'MODULE_PATHNAME', 'jdg_v_limit_reason';
COMMENT ON FUNCTION jadugar_internal._v_limit_reason(oid, integer, text, bigint, text, integer, text) IS
	'Limit for which a ready task with these columns waits, as a word of waiting_for; NULL if none.';

CREATE FUNCTION jadugar_internal._v_queue_load(queue_id integer)
	RETURNS integer
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_queue_load';
COMMENT ON FUNCTION jadugar_internal._v_queue_load(integer) IS
	'Returns the number of tasks of a queue held by workers.';

CREATE FUNCTION jadugar_internal._v_no_worker(owner oid)
	RETURNS boolean
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'jdg_v_no_worker';
COMMENT ON FUNCTION jadugar_internal._v_no_worker(oid) IS
	'Returns whether the workers of a role are all busy, and it cannot have another one now.';

CREATE FUNCTION jadugar_internal._v_workers(
	OUT pid integer, OUT owner oid, OUT state text, OUT tasks integer,
	OUT task_id bigint, OUT load double precision, OUT tasks_done bigint,
	OUT memory bigint, OUT registered_at timestamptz,
	OUT started_at timestamptz, OUT idle_since timestamptz,
	OUT leaving boolean)
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 10
	AS 'MODULE_PATHNAME', 'jdg_v_workers';
COMMENT ON FUNCTION jadugar_internal._v_workers() IS
	'Returns the workers of this database that the caller may see.';

CREATE FUNCTION jadugar_internal._v_stats(
	OUT reset_at timestamptz, OUT enqueued bigint, OUT fired bigint,
	OUT completed bigint, OUT failed bigint, OUT retried bigint,
	OUT cancelled bigint, OUT lost bigint, OUT skipped bigint,
	OUT commits bigint,
	OUT wait_p50 interval, OUT wait_p95 interval, OUT wait_p99 interval,
	OUT run_p50 interval, OUT run_p95 interval, OUT run_p99 interval,
	OUT wait_histogram bigint[], OUT run_histogram bigint[])
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 1
	AS 'MODULE_PATHNAME', 'jdg_v_stats';
COMMENT ON FUNCTION jadugar_internal._v_stats() IS 'Returns the counters of this database.';

CREATE FUNCTION jadugar_internal._v_health(
	OUT preloaded boolean, OUT enabled boolean, OUT launcher_pid integer,
	OUT scheduler_pid integer, OUT scheduler_failures integer,
	OUT evicted_by integer, OUT slots integer, OUT slots_used integer,
	OUT slot_wanted boolean, OUT has_place boolean, OUT http_lacks text)
	RETURNS record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_v_health';
COMMENT ON FUNCTION jadugar_internal._v_health() IS
	'Returns the state of jadugar in this database from shared memory.';

CREATE FUNCTION jadugar_internal._v_shares(
	OUT what text, OUT size integer, OUT used integer, OUT most oid,
	OUT used_by_most integer, OUT lacking oid, OUT used_by_lacking integer)
	RETURNS SETOF record
	LANGUAGE C VOLATILE ROWS 2
	AS 'MODULE_PATHNAME', 'jdg_v_shares';
COMMENT ON FUNCTION jadugar_internal._v_shares() IS
	'Returns how much of the server''s room for gates and lanes is used, the role that uses most of it, and one that finds no room.';
