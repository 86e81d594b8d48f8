-- Tasks do not wait for what needs a worker: all workers could wait so.
\i test/include/helpers.sql

CALL test.create_role('wit_ann');
-- Runs a command as a task, and returns its end.
CREATE PROCEDURE test.end_of(command text, options text DEFAULT '', INOUT "end" text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	EXECUTE format('SELECT jadugar.enqueue(%L, retry => ''{"max_attempts": 1}'' %s)', command, options) INTO id;
	COMMIT;
	SELECT concat_ws(E'\n  ', w.status, w.error_code || ' ' || regexp_replace(w.error ->> 'message', '\d+', 'N'), w.error ->> 'detail', w.error ->> 'hint')
	INTO "end" FROM jadugar.wait(id, '30 s') w;
END
$$;
GRANT ALL ON PROCEDURE test.end_of TO PUBLIC;

-- More tasks that wait than workers, for tasks of a lower priority: all of them end
SET ROLE wit_ann;
SELECT array_agg(jadugar.enqueue('SELECT 1', delay => '1 s', priority => -1)) AS kids FROM generate_series(1, 8) \gset
SELECT array_agg(jadugar.enqueue('SELECT jadugar.wait(($1 ->> ''id'')::bigint)', jsonb_build_object('id', k))) AS parents FROM unnest(:'kids'::bigint[]) k \gset
CALL test.wait_until($$(SELECT count(*) = 0 FROM jadugar.tasks)$$);
SELECT status, error_code, count(*) FROM jadugar.finished GROUP BY 1, 2 ORDER BY 1;

-- The error names what to use instead; one that has finished is answered, also a look
SELECT jadugar.enqueue('SELECT 1', delay => '1 h') AS later \gset
SELECT jadugar.start_flow(jadugar.sleep('1 h')) AS run \gset
CALL test.wait_until(format('SELECT status = ''running'' FROM jadugar.flow_status(%s)', :run));
CALL test.end_of(format('SELECT jadugar.wait(%s)', :later));
CALL test.end_of(format('SELECT jadugar.wait(%s, ''1 ms'')', :later));
CALL test.end_of(format('SELECT jadugar.wait(%s)', :later), $$, transaction => 'standalone'$$);
CALL test.end_of(format('SELECT jadugar.wait(%s, ''0'')', :later));
CALL test.end_of(format('SELECT jadugar.wait_flow(%s)', :run));
CALL test.end_of(format('SELECT jadugar.wait_flow(%s, ''0'')', :run));
CALL test.end_of(format('SELECT jadugar.wait(%s)', (:'kids'::bigint[])[1]));
SELECT status, error ->> 'message' ~ 'inside a task' AS refused FROM jadugar.run_task(format('SELECT jadugar.wait(%s)', :later));
SELECT jadugar.start_flow(jadugar.step('a', format('SELECT jadugar.wait(%s)', :later))) AS step_run \gset
SELECT status, error ->> 'message' ~ 'inside a task' AS refused FROM jadugar.wait_flow(:step_run, '30 s');
SELECT jadugar.abort_flow(:run);
SELECT status FROM jadugar.wait_flow(:run, '30 s');
CALL test.end_of(format('SELECT jadugar.wait_flow(%s)', :run));

-- A full queue is not waited for
RESET ROLE;
SELECT jadugar.create_queue('wit_q', max_depth => 1, on_full => 'block') \g /dev/null
SELECT jadugar.grant_queue('wit_q', 'wit_ann', 'enqueue') \g /dev/null
SET ROLE wit_ann;
SELECT jadugar.enqueue('SELECT 1', queue => 'wit_q', delay => '1 h') AS full \gset
SELECT jadugar.schedule('wit', 'manual', 'SELECT 1', queue => 'wit_q') \g /dev/null
CALL test.end_of($$SELECT jadugar.enqueue('SELECT 2', queue => 'wit_q')$$);
CALL test.end_of($$SELECT jadugar.enqueue_batch('SELECT 2', '{"{}"}'::jsonb[], queue => 'wit_q')$$);
CALL test.end_of(format($$SELECT jadugar.update_task(%s, queue => 'wit_q')$$, :later));
CALL test.end_of($$SELECT jadugar.run_now('wit')$$);
SELECT jadugar.cancel(:full), jadugar.cancel(:later), jadugar.unschedule('wit');

-- drain()
RESET ROLE;
CALL test.end_of('CALL jadugar.drain()');
SELECT count(*) FROM jadugar_internal.control WHERE paused_at IS NOT NULL;

SELECT jadugar.drop_queue('wit_q');
DROP PROCEDURE test.end_of;
SET client_min_messages = warning;
CALL test.drop_roles('wit_ann');
