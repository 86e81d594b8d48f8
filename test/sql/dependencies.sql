-- Tasks that wait for others, whose history is not kept or is gone.
\i test/include/helpers.sql
CALL test.create_role('test_deps');
-- the scheduler examines every waiting task; true when it has
CREATE PROCEDURE test_sweep() LANGUAGE plpgsql AS $$
DECLARE
	last bigint := jadugar.enqueue('SELECT 1', depends_on => ARRAY[jadugar.enqueue('SELECT 1', delay => '1 day', tenant => 'probe')],
		tenant => 'probe');
BEGIN
	COMMIT;
	CALL test.wait_for_task(last, 'dependency');
	-- nothing reports this: only a look at all waiting tasks, in the order of ids, finds it
	DELETE FROM jadugar_internal.dependency WHERE task_id = last;
	PERFORM jadugar.alter_queue('test_none', description => 'swept');
	COMMIT;
	PERFORM jadugar.wait(last, '20 s');
	PERFORM jadugar.cancel_tasks(tenant => 'probe');
END
$$;
CREATE FUNCTION test_state(id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, waiting_for, reason) FROM jadugar.get_task(id) $$;

SET SESSION AUTHORIZATION test_deps;
SELECT jadugar.create_queue('test_none', history => 'none') > 0 AS made;
SELECT jadugar.create_queue('test_failures', history => 'failures') > 0 AS made;

-- a queue without history: a failure is a failure, for those that wait and for new ones
SELECT jadugar.pause_queue('test_none');
SELECT jadugar.enqueue('SELECT 1/0', queue => 'test_none') AS p \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'wait') AS waits \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p]) AS dies \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'run') AS runs \gset
SELECT jadugar.resume_queue('test_none');
SELECT status, reason FROM jadugar.wait(:dies, '20 s');
SELECT status, reason FROM jadugar.wait(:runs, '20 s');
RESET SESSION AUTHORIZATION;
CALL test_sweep();
SELECT test_state(:waits);
SET SESSION AUTHORIZATION test_deps;
SELECT test.short_error_of(format('SELECT jadugar.enqueue(''SELECT 1'', depends_on => ARRAY[%s])', :p));
SELECT test_state(jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'wait'));
SELECT jadugar.cancel_tasks(status => 'pending');
-- likewise a cancelled one; and one that completes
SELECT jadugar.enqueue('SELECT 1', queue => 'test_none', delay => '1 h') AS p \gset
SELECT jadugar.cancel(:p);
SELECT test.short_error_of(format('SELECT jadugar.enqueue(''SELECT 1'', depends_on => ARRAY[%s])', :p));
SELECT jadugar.enqueue('SELECT 1', queue => 'test_none') AS p \gset
SELECT format('NOT EXISTS (SELECT FROM jadugar.tasks WHERE task_id = %s)', :p) AS gone \gset
CALL test.wait_until(:'gone');
CALL test.run_task(format('''SELECT 1'', depends_on => ARRAY[%s]', :p));

-- the failed parent's history goes; a retry of another one ends the wait
SELECT jadugar.pause_queue('test_failures');
SELECT jadugar.enqueue('SELECT 1/(SELECT count(*) FROM pg_class WHERE relname = ''test_works'')::int', queue => 'test_failures') AS p \gset
SELECT jadugar.enqueue('SELECT 1/0', queue => 'test_failures') AS q \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:p], on_dependency_failure => 'wait') AS by_p \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:q], on_dependency_failure => 'wait') AS by_q \gset
SELECT jadugar.resume_queue('test_failures');
SELECT status FROM jadugar.wait(:p, '20 s');
SELECT status FROM jadugar.wait(:q, '20 s');
RESET SESSION AUTHORIZATION;
DELETE FROM jadugar_internal.attempt WHERE task_id = :q;
CALL test_sweep();
SELECT test_state(:by_p), test_state(:by_q);
CREATE TABLE public.test_works ();
SET SESSION AUTHORIZATION test_deps;
SELECT jadugar.retry_task(:p);
SELECT status FROM jadugar.wait(:by_p, '20 s');
SELECT test_state(:by_q);
SELECT jadugar.cancel(:by_q);

-- history that retention has removed: not known, which is no success
RESET SESSION AUTHORIZATION;
UPDATE jadugar_internal.here SET forgotten = :p;
DELETE FROM jadugar_internal.attempt WHERE task_id = :p;
SET SESSION AUTHORIZATION test_deps;
SELECT test.error_of(format('SELECT jadugar.enqueue(''SELECT 1'', depends_on => ARRAY[%s])', :p)) ~ 'it is not known whether' AS refused;
CALL test.run_task(format('''SELECT 1'', depends_on => ARRAY[%s], on_dependency_failure => ''run''', :p));

SELECT jadugar.drop_queue('test_none'), jadugar.drop_queue('test_failures');
RESET SESSION AUTHORIZATION;
UPDATE jadugar_internal.here SET forgotten = 0;
SELECT count(*) AS dependencies FROM jadugar_internal.dependency;
DELETE FROM jadugar_internal.unkept;
DROP TABLE public.test_works;
DROP PROCEDURE test_sweep;
DROP FUNCTION test_state;
CALL test.drop_roles('test_deps');
