-- Functions that change something refuse to in read-only transactions, and no
-- role but a superuser writes the tables, whatever privileges it has.
\i test/include/helpers.sql
CALL test.create_role('test_guard');
-- so that there is a partition of the history
SELECT jadugar.enqueue('SELECT 1') AS id \gset
SELECT status FROM jadugar.wait(:id, '30 s');

-- Calls every VOLATILE function with NULL for each argument.
CREATE FUNCTION test_guard_outcome(function regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	f pg_proc;
BEGIN
	SELECT * INTO f FROM pg_proc WHERE oid = function;
	RETURN test.sqlstate_of(format('%s jadugar.%I(%s)', CASE f.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, f.proname,
		(SELECT string_agg(format('NULL::%s', format_type(a, NULL)), ', ' ORDER BY n) FROM unnest(f.proargtypes) WITH ORDINALITY x (a, n))));
END $$;
BEGIN READ ONLY;
SELECT p.oid::regprocedure AS changes, test_guard_outcome(p.oid)
FROM pg_proc p WHERE p.pronamespace = 'jadugar'::regnamespace AND p.provolatile = 'v' AND test_guard_outcome(p.oid) <> '25006'
	-- these wait, only read, also compute without writing, make a flow, act on the task that calls them, or check the step first
	AND p.proname NOT IN ('wait', 'wait_flow', 'wait_delivered', 'query', 'cached', 'step', 'sub_flow', 'progress', 'log', 'snooze', 'discard', 'add_step', 'add_parallel', 'add_conditional')
ORDER BY 1;
SELECT count(*) > 50 AS many FROM pg_proc p WHERE p.pronamespace = 'jadugar'::regnamespace AND p.provolatile = 'v';
ROLLBACK;
-- some of them by their effect, which is not a change of rows
SET default_transaction_read_only = on;
SELECT jadugar.cancel(1);
SELECT jadugar.stop_workers();
SELECT jadugar.reset_stats();
SELECT jadugar.cancel_batch('{}');
SELECT jadugar.cancel_tasks(owner => 'nobody');
CALL jadugar.drain();
SELECT jadugar.add_step('f', jadugar.sleep('1 s'));
SELECT jadugar.add_step('f', 'a', 'SELECT 1');
SELECT jadugar.add_parallel('f', ARRAY[jadugar.sleep('1 s'), jadugar.sleep('2 s')]);
SELECT jadugar.add_conditional('f', 'true', jadugar.sleep('1 s'));
SELECT count(*) FROM jadugar.list_tasks(owner => 'nobody');
RESET default_transaction_read_only;

-- A role with every privilege on the tables cannot change them.
GRANT pg_write_all_data, pg_read_all_data TO test_guard;
CREATE FUNCTION test_guard_writes(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	col name;
BEGIN
	SELECT attname INTO col FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1;
	RETURN concat_ws(' ', test.sqlstate_of(format('INSERT INTO %s DEFAULT VALUES', relation)),
		test.sqlstate_of(format('UPDATE %s SET %2$I = %2$I', relation, col)), test.sqlstate_of(format('DELETE FROM %s', relation)));
END $$;
CREATE FUNCTION test_guard_partition(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	first text := (SELECT substring(pg_get_expr(relpartbound, oid) FROM 'FROM \(''([^'']+)''\)') FROM pg_class WHERE oid = relation);
BEGIN
	IF first IS NULL THEN
		RETURN test.sqlstate_of(format('INSERT INTO %s (event_id, xid, leaf, slot, published_at, publisher, version, hops, type, data)
			VALUES (1, ''1'', %s, 0, now(), 10, 1, 0, ''a'', ''{}'')', relation,
			(SELECT substring(pg_get_expr(relpartbound, oid) FROM 'IN \((\d+)\)') FROM pg_class WHERE oid = relation)));
	END IF;
	RETURN test.sqlstate_of(format('INSERT INTO %s (attempt_id, owner, queue_id, command_id, attempt, priority, status, final, finished_at)
		VALUES (1, 10, 1, 1, 1, 1, ''c'', true, %L)', relation, first));
END $$;
CREATE VIEW test_guard_rows AS SELECT (SELECT count(*) FROM jadugar_internal.access) + (SELECT count(*) FROM jadugar_internal.owner) + (SELECT count(*) FROM jadugar_internal.queue) AS n;
SELECT n FROM test_guard_rows \gset
SET ROLE test_guard;
SELECT test_guard_writes(c.oid), count(*) > 15 AS many FROM pg_class c
WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY 1;
-- partitions have row-level security: rows are not seen, and none is accepted
SELECT DISTINCT test_guard_partition(c.oid) FROM pg_class c
WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind = 'r' AND c.relispartition;
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind = 'r' AND c.relispartition AND NOT c.relrowsecurity;
-- views, too
SELECT c.oid::regclass, test_guard_writes(c.oid) FROM pg_class c
WHERE c.relnamespace IN ('jadugar'::regnamespace, 'jadugar_internal'::regnamespace) AND c.relkind = 'v' AND test_guard_writes(c.oid) !~ '^(55000|42501) (55000|42501) (55000|42501)$' ORDER BY 1;
COPY jadugar_internal.access FROM stdin;
\.
TRUNCATE jadugar_internal.access;
INSERT INTO jadugar_internal.access VALUES ('test_guard'::regrole, 'operator') ON CONFLICT (role) DO UPDATE SET level = 'operator';
RESET ROLE;
SELECT n = :n AS unchanged FROM test_guard_rows;
-- jadugar works for it, and a superuser is not restricted
SET ROLE test_guard;
SELECT jadugar.cancel(jadugar.enqueue('SELECT 1', delay => '1 hour')) AS cancelled;
RESET ROLE;
BEGIN;
UPDATE jadugar_internal.access SET level = 'monitor' WHERE role = 'test_guard'::regrole;
ROLLBACK;
DROP VIEW test_guard_rows;
DROP FUNCTION test_guard_outcome, test_guard_writes, test_guard_partition;
CALL test.drop_roles('test_guard');
