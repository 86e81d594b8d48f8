-- Events of topic jadugar about workers.
\i test/include/helpers.sql

CALL test.create_role('lfw_ann');
CREATE SCHEMA lfw;
CREATE TABLE lfw.got (type text, data jsonb);
GRANT USAGE ON SCHEMA lfw TO lfw_ann;
GRANT ALL ON lfw.got TO lfw_ann;
CREATE PROCEDURE lfw.no_worker() LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until('SELECT count(*) = 0 FROM jadugar.workers WHERE owner = ''lfw_ann''');
END $$;
CREATE PROCEDURE lfw.handled(n integer) LANGUAGE plpgsql AS $$
BEGIN
	CALL test.wait_until(format('SELECT count(*) = %s FROM lfw.got', n));
END $$;

SET ROLE lfw_ann;
SELECT jadugar.scale_workers(1);
SELECT jadugar.subscribe('workers', '{worker.*}', 'INSERT INTO lfw.got VALUES (($1).type, ($1).data)', topics => '{jadugar}') > 0 AS subscribed;
CALL test.run_task($$'SELECT 1'$$);
CALL lfw.handled(1);
CALL test.run_task($$'SELECT 2'$$);
SELECT jadugar.stop_workers();
CALL lfw.no_worker();

-- A worker that handles only such events, or has nothing to do, causes none when it starts and stops
SELECT jadugar.scale_workers(1);
CALL lfw.handled(2);
SELECT jadugar.stop_workers();
CALL lfw.no_worker();
SELECT jadugar.scale_workers(1);
CALL test.wait_until('SELECT count(idle_since) = 1 FROM jadugar.workers WHERE owner = ''lfw_ann''');
SELECT jadugar.stop_workers();
CALL lfw.no_worker();
SELECT type, key = data->>'pid' AS keyed, publisher, data - 'pid' AS data FROM jadugar.read_events('{worker.*}', '{jadugar}') ORDER BY event_id;
SELECT count(DISTINCT data->>'pid') FROM lfw.got;
SELECT jadugar.unsubscribe('workers');
RESET ROLE;
DROP SCHEMA lfw CASCADE;
CALL test.drop_roles('lfw_ann');
