\set ECHO none
-- Helpers for the tests in test/sql: the schema "test", which every role may
-- use.  It stays in the database, and each test creates its functions anew.
\pset null '(null)'
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

-- Waits until a condition holds: an expression, or a query of one value.
CREATE OR REPLACE PROCEDURE test.wait_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
	holds boolean;
	deadline timestamptz := clock_timestamp() + interval '30 s';
BEGIN
	LOOP
		EXECUTE format('SELECT (%s)', condition) INTO holds;
		EXIT WHEN holds;
		IF clock_timestamp() > deadline THEN
			RAISE EXCEPTION 'condition does not hold within 30 s: %', condition;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);	-- waits-for-time: pause between two looks at a condition
	END LOOP;
END
$$;

-- Waits until a task has a status, or waits for a reason.
CREATE OR REPLACE PROCEDURE test.wait_for_task(id bigint, state text) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('SELECT %L IN (status, waiting_for) FROM jadugar.get_task(%s)', state, id));
END
$$;

-- Creates a role that can log in, and grants it access.
CREATE OR REPLACE PROCEDURE test.create_role(role text, level text DEFAULT 'user') LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE ROLE %I LOGIN', role);
	PERFORM jadugar.grant_access(role, level);
END
$$;

-- Drops roles with everything that they own, after their workers have stopped.
CREATE OR REPLACE PROCEDURE test.drop_roles(VARIADIC names name[]) LANGUAGE plpgsql AS $$
DECLARE
	one name;
BEGIN
	PERFORM jadugar.stop_workers(n) FROM unnest(names) n;
	CALL test.wait_until(format('NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = ANY (%L))', names));
	FOREACH one IN ARRAY names LOOP
		EXECUTE format('DROP OWNED BY %I', one);
		PERFORM jadugar.revoke_access(one) FROM jadugar_internal.access WHERE role = (SELECT r.oid FROM pg_roles r WHERE r.rolname = one);
	END LOOP;
	FOREACH one IN ARRAY names LOOP
		EXECUTE format('DROP ROLE %I', one);
	END LOOP;
END
$$;

-- Enqueues a task with these arguments, commits, and waits for its end.
CREATE OR REPLACE PROCEDURE test.run_task(arguments text, INOUT status text DEFAULT NULL, INOUT sqlstate text DEFAULT NULL,
	INOUT message text DEFAULT NULL, INOUT result jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	EXECUTE format('SELECT jadugar.enqueue(%s)', arguments) INTO id;
	COMMIT;
	SELECT w.status, w.sqlstate, w.error ->> 'message', w.result INTO status, sqlstate, message, result
	FROM jadugar.wait(id, '20 s') w;
END
$$;

-- Returns the whole error of a statement, in up to three lines.
CREATE OR REPLACE FUNCTION test.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END
$$;

-- Returns the error of a statement in one line, with N in place of numbers.
CREATE OR REPLACE FUNCTION test.short_error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ': ' || regexp_replace(concat_ws(' ', SQLERRM, nullif(detail, '')), '(\mrun |\mtask )[0-9]+|[0-9]{2,}', '\1N', 'gi');
END
$$;

-- Returns the SQLSTATE of the error of a statement.
CREATE OR REPLACE FUNCTION test.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

-- Returns how a function refuses its arguments, and rolls back a statement that
-- is accepted.  Errors that are not of class JD are marked.
CREATE OR REPLACE FUNCTION test.refusal_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN
		RETURN 'accepted';
	WHEN OTHERS THEN
		RETURN CASE WHEN SQLSTATE ~ '^JD0' THEN '' ELSE 'NOT JD: ' END || SQLSTATE || ': ' ||
			left(regexp_replace(SQLERRM, '(\mrun |\mtask )[1-9][0-9]*|[0-9]{4,}', '\1N', 'gi'), 120);
END
$$;
\set ECHO all
