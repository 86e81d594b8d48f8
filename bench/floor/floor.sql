-- Tables for the lower bound, in a database with jadugar, and the C function that
-- empties them. The tables have the columns, defaults, checks, indexes and
-- storage settings of jadugar's tables.
CREATE SCHEMA floor;
CREATE TABLE floor.task (LIKE jadugar_internal.task INCLUDING ALL)
	WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 5000);
CREATE TABLE floor.attempt (LIKE jadugar_internal.attempt INCLUDING ALL);
CREATE SEQUENCE floor.task_id_seq;
CREATE SEQUENCE floor.attempt_id_seq;
CREATE TABLE floor.outcome (tasks bigint, groups bigint, started timestamptz,
	finished timestamptz, cpu double precision);
CREATE FUNCTION floor.drain(workers integer, group_size integer) RETURNS void
	LANGUAGE C AS 'jadugar_bench_floor', 'floor_drain';

-- Writes the same rows as jadugar.
CREATE FUNCTION floor.fill(payloads jsonb[]) RETURNS void
	LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO floor.task (task_id, owner, queue_id, priority, lane, state,
			transaction, isolate, bounded, attempt, max_attempts, crashes,
			command_id, run_at, created_at, key_place, payload)
		SELECT nextval('floor.task_id_seq'), current_user::regrole, 1, 0, 0, 'r',
			'c', false, false, 0, 10, 0, 1, now(), now(), false, p.payload
		FROM unnest(payloads) AS p(payload);
	END;

GRANT USAGE ON SCHEMA floor TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA floor TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA floor TO PUBLIC;
