-- The audit trail: which calls leave a row, and who sees it. How long a row is
-- kept, is in test/t/server/044_duties.pl.
\i test/include/helpers.sql
CREATE SCHEMA aud;
CALL test.create_role('aud_owner');
CALL test.create_role('aud_other');
CALL test.create_role('aud_operator', 'operator');
CALL test.create_role('aud_monitor', 'monitor');
GRANT USAGE ON SCHEMA aud TO PUBLIC;

-- ------------------------------------------------------ every call that changes

-- Functions that leave no row, and why. All other VOLATILE functions are called
-- below, on things of another role than the caller's.
CREATE FUNCTION aud.actor(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE sql AS 'SELECT $1, $2';
CREATE TABLE aud.exceptions (function name PRIMARY KEY);
INSERT INTO aud.exceptions VALUES
	-- they read or wait
	('wait'), ('wait_flow'), ('wait_delivered'), ('wait_events'), ('query'),
	-- they return a value
	('step'), ('sub_flow'),
	-- they act on the task that calls them
	('progress'), ('log'), ('snooze'), ('discard'),
	-- the caller runs code in its own transaction
	('execute'), ('run_task'), ('run_event'),
	-- events are rows with a publisher
	('publish'), ('rate_limit'), ('publish_batch'), ('publish_change'), ('raise_event'),
	-- values of the caller's own
	('cache_set'), ('cache_delete'), ('cached'), ('_cache_refresh'), ('put_blob'), ('drop_blob'),
	-- messages are tasks, and their own functions
	('send'), ('_actor_load'), ('_actor_store'), ('call_service'), ('request'), ('test_endpoint'),
	-- a consumer does its work, by a token
	('ack'), ('nack'), ('extend_lease'), ('release_lease'),
	-- their row is that of add_step()
	('add_parallel'), ('add_conditional'),
	-- it needs a copy of a database: test/t/server/023_dump.pl
	('adopt'),
	-- it needs a library: test/sql/handlers_c.sql
	('register_c_handler');

CREATE TABLE aud.calls (n integer GENERATED ALWAYS AS IDENTITY, function name, arguments text, failed text);

-- Calls a function, and notes what it raises.
CREATE PROCEDURE aud.call(function name, arguments text) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO aud.calls (function, arguments, failed)
	VALUES (function, arguments, nullif(test.sqlstate_of(format('SELECT jadugar.%I(%s)', function, arguments)), 'no error'));
END $$;
GRANT SELECT, INSERT ON aud.calls TO aud_operator, aud_other;

-- Things of the owner.
SET ROLE aud_owner;
SELECT jadugar.create_queue('aud_held'), jadugar.pause_queue('aud_held') \g /dev/null
SELECT array_agg(id) AS ids FROM (SELECT jadugar.enqueue('SELECT 1', queue => 'aud_held') AS id FROM generate_series(1, 9)) t \gset
SELECT jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(1)) AS failed1, jadugar.enqueue('SELECT 1/0', retry => jadugar.retry_policy(1)) AS failed2, jadugar.enqueue('SELECT 1') AS done \gset
SELECT jadugar.create_flow('aud_failing', jadugar.step('bad', 'SELECT 1/0', retry => jadugar.retry_policy(1))), jadugar.create_flow('aud_waiting', jadugar.approval('ok')) \g /dev/null
SELECT jadugar.start_flow('aud_failing') AS bad1, jadugar.start_flow('aud_failing') AS bad2, jadugar.start_flow('aud_waiting') AS run1, jadugar.start_flow('aud_waiting') AS run2, jadugar.start_flow('aud_waiting') AS run3 \gset
SELECT jadugar.create_chain('aud_draft'), jadugar.create_topic('aud_events'), jadugar.schedule('aud_nightly', '@yearly', 'SELECT 1') \g /dev/null
SELECT jadugar.subscribe('aud_failing', '{aud}', 'SELECT 1/0', on_failure => 'park', max_attempts => 1) \g /dev/null
SELECT jadugar.subscribe('aud_fetched', '{aud}', delivery => 'fetch') \g /dev/null
SELECT count(jadugar.publish('aud', '{}')) FROM generate_series(1, 3);
CALL test.wait_until('SELECT count(*) = 3 FROM jadugar.dead_letters');
CALL test.wait_until(format('SELECT count(*) = 2 FROM jadugar.flow_runs WHERE run_id IN (%s, %s) AND status = ''failed''', :bad1, :bad2));
CALL test.wait_until('SELECT count(*) = 3 FROM jadugar.approvals');
CALL test.wait_until(format('SELECT count(*) = 3 FROM jadugar.history WHERE task_id IN (%s, %s, %s) AND final', :failed1, :failed2, :done));
SELECT min(event_id) AS letter FROM jadugar.dead_letters \gset
SET ROLE aud_other;
SELECT jadugar.schedule('aud_other', '@yearly', 'SELECT 1'), jadugar.create_queue('aud_other') \g /dev/null
RESET ROLE;
CREATE SERVER aud_service FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://aud.example');
GRANT USAGE ON FOREIGN SERVER aud_service TO aud_operator;
SELECT max(audit_id) AS before FROM jadugar.audit \gset

SET ROLE aud_operator;
CALL aud.call('create_queue', '''aud_new''');
CALL aud.call('alter_queue', '''aud_held'', max_depth => 100');
CALL aud.call('set_limit', '''key'', ''aud'', 2, rate => 5, owner => ''aud_owner''');
CALL aud.call('reset_limit', '''key'', ''aud'', owner => ''aud_owner''');
CALL aud.call('set_breaker', '''queue'', ''aud_new'', ''{}''');
CALL aud.call('force_breaker', '''aud_new'', ''open'', ''a test'', scope => ''queue''');
CALL aud.call('grant_queue', '''aud_held'', ''aud_other'', ''enqueue''');
CALL aud.call('revoke_queue', '''aud_held'', ''aud_other'', ''enqueue''');
CALL aud.call('pause_queue', '''aud_new''');
CALL aud.call('create_tenant', '''aud_tenant''');
CALL aud.call('alter_tenant', '''aud_tenant'', weight => 2');
CALL aud.call('pause_tenant', '''aud_tenant'', ''a test''');
CALL aud.call('resume_tenant', '''aud_tenant''');
CALL aud.call('import_tenant', format('ARRAY(SELECT jadugar.export_tenant(%L)), rename => %L', 'aud_tenant', 'aud_imported'));
CALL aud.call('grant_tenant', '''aud_tenant'', ''aud_other''');
CALL aud.call('revoke_tenant', '''aud_tenant'', ''aud_other''');
CALL aud.call('register_sql_handler', '''aud_sql'', ''SELECT 1''');
CALL aud.call('register_http_handler', '''aud_http'', ''aud_service'', ''/''');
CALL aud.call('register_handler', '''aud_function'', ''pg_catalog.pg_backend_pid()''');
CALL aud.call('grant_handler', '''aud_sql'', ''aud_other''');
CALL aud.call('revoke_handler', '''aud_sql'', ''aud_other''');
CALL aud.call('drop_handler', '''aud_function''');
CALL aud.call('schedule', '''aud_mine'', ''@yearly'', ''SELECT 1'', owner => ''aud_owner''');
CALL aud.call('alter_schedule', '''aud_mine'', owner => ''aud_owner'', new_name => ''aud_renamed''');
CALL aud.call('reschedule', '''aud_renamed'', ''@monthly'', owner => ''aud_owner''');
CALL aud.call('pause_schedule', '''aud_renamed'', owner => ''aud_owner''');
CALL aud.call('resume_schedule', '''aud_renamed'', owner => ''aud_owner''');
CALL aud.call('run_now', '''aud_renamed'', owner => ''aud_owner''');
CALL aud.call('unschedule', '''aud_renamed'', owner => ''aud_owner''');
CALL aud.call('clear_schedules', '''aud_owner''');
CALL aud.call('enqueue', '''SELECT 1'', queue => ''aud_held'', owner => ''aud_owner''');
CALL aud.call('enqueue_batch', '''SELECT 1'', ''{"{}", "{}"}''::jsonb[], queue => ''aud_held'', owner => ''aud_owner''');
CALL aud.call('cancel', format('%s', (:'ids'::bigint[])[1]));
CALL aud.call('cancel_batch', format('ARRAY[%s, %s]', (:'ids'::bigint[])[2], (:'ids'::bigint[])[3]));
CALL aud.call('pause_task', format('%s', (:'ids'::bigint[])[4]));
CALL aud.call('resume_task', format('%s', (:'ids'::bigint[])[4]));
CALL aud.call('update_task', format('%s, priority => 3', (:'ids'::bigint[])[4]));
CALL aud.call('cancel_tasks', 'owner => ''aud_owner'', queue => ''aud_held''');
CALL aud.call('retry_task', format('%s', (:'ids'::bigint[])[1]));
CALL aud.call('retry_tasks', 'owner => ''aud_owner'', finished_to => ''infinity''');
CALL aud.call('start_flow', '''aud_waiting'', owner => ''aud_owner''');
CALL aud.call('signal', format('%s, ''a''', :run1));
CALL aud.call('approve', format('%s, ''ok''', :run1));
CALL aud.call('pause_flow', :'run2');
CALL aud.call('resume_flow', :'run2');
CALL aud.call('abort_flow', :'run3');
CALL aud.call('retry_step', format('%s, ''bad''', :bad1));
CALL aud.call('skip_step', format('%s, ''bad''', :bad2));
CALL aud.call('fork_flow', format('%s, ''bad''', :bad2));
CALL aud.call('create_flow', '''aud_flow'', jadugar.step(''a'', ''SELECT 1'')');
CALL aud.call('create_chain', '''aud_chain''');
CALL aud.call('create_group', '''aud_group''');
CALL aud.call('add_step', '''aud_chain'', ''a'', ''SELECT 1''');
CALL aud.call('remove_step', '''aud_chain'', ''a''');
CALL aud.call('drop_flow', '''aud_draft'', owner => ''aud_owner''');
CALL aud.call('create_topic', '''aud_topic''');
CALL aud.call('alter_topic', '''aud_events'', keep => true');
CALL aud.call('grant_topic', '''aud_events'', ''aud_other''');
CALL aud.call('revoke_topic', '''aud_events'', ''aud_other''');
CALL aud.call('drop_topic', '''aud_topic''');
CALL aud.call('register_event_type', '''aud.made''');
CALL aud.call('register_actor', '''aud_actor'', ''aud.actor''');
CALL aud.call('reset_actor', '''aud_actor'', ''key''');
CALL aud.call('drop_actor', '''aud_actor''');
CALL aud.call('grant_event_type', '''aud.*'', ''aud_other''');
CALL aud.call('revoke_event_type', '''aud.*'', ''aud_other''');
CALL aud.call('drop_event_type', '''aud.made''');
CALL aud.call('redrive', format('''aud_failing'', ARRAY[%s], owner => ''aud_owner''', :letter));
CALL aud.call('discard_events', '''aud_failing'', owner => ''aud_owner''');
CALL aud.call('subscribe', '''aud_sub'', ''{aud}'', ''SELECT 1'', owner => ''aud_owner''');
CALL aud.call('alter_subscription', '''aud_sub'', owner => ''aud_owner'', new_name => ''aud_sub2''');
CALL aud.call('pause_subscription', '''aud_sub2'', owner => ''aud_owner''');
CALL aud.call('seek', '''aud_sub2'', ''now'', owner => ''aud_owner''');
CALL aud.call('resume_subscription', '''aud_sub2'', owner => ''aud_owner''');
CALL aud.call('replay', '''aud_sub2'', ''aud_replay'', owner => ''aud_owner''');
CALL aud.call('unsubscribe', '''aud_replay'', owner => ''aud_owner''');
CALL aud.call('fetch_events', '''aud_fetched'', ''a consumer'', owner => ''aud_owner''');
CALL aud.call('start_workers', '1, role => ''aud_other''');
CALL aud.call('scale_workers', '0, role => ''aud_other''');
CALL aud.call('restart_workers', 'role => ''aud_other''');
CALL aud.call('stop_workers', 'role => ''aud_other''');
CALL aud.call('reset_stats', '');
CALL aud.call('reassign_owned', '''aud_other'', ''aud_owner'', ''{queues}''');
CALL aud.call('drop_owned', '''aud_other''');
CALL aud.call('pause_all', 'reason => ''a test'', until => ''2100-01-01 00:00+00''');
CALL aud.call('resume_all', '');
CALL aud.call('resume_queue', '''aud_held''');
CALL aud.call('drop_queue', '''aud_new''');
RESET ROLE;
-- the history of other roles stays
GRANT aud_owner TO aud_other;
SET ROLE aud_other;
CALL aud.call('purge_completed', '''0''');
RESET ROLE;
REVOKE aud_owner FROM aud_other;
-- drain() commits, so it cannot be called by another procedure
CALL jadugar.drain(queue => 'aud_held');
CALL jadugar.drop_tenant('aud_tenant') \g /dev/null
CALL jadugar.drop_tenant('aud_imported') \g /dev/null
INSERT INTO aud.calls (function) VALUES ('drain'), ('drop_tenant'), ('grant_access'), ('revoke_access');
SELECT jadugar.grant_access('aud_other', 'monitor'), jadugar.revoke_access('aud_other') \g /dev/null
SELECT function, arguments, failed FROM aud.calls WHERE failed IS NOT NULL ORDER BY n;
-- every function is called or named as an exception
SELECT DISTINCT p.proname AS "not called" FROM pg_proc p
WHERE p.pronamespace = 'jadugar'::regnamespace AND p.provolatile = 'v'
	AND p.proname NOT IN (SELECT function FROM aud.exceptions UNION ALL SELECT function FROM aud.calls);
SELECT function AS "does not exist" FROM (TABLE aud.exceptions UNION ALL SELECT function FROM aud.calls) f
WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'jadugar'::regnamespace AND p.proname = f.function);
SELECT function AS "has a row, but is an exception" FROM jadugar.audit WHERE function IN (SELECT e.function FROM aud.exceptions e);
-- and each call has left one row
SELECT CASE WHEN a.role = current_user THEN 'superuser' ELSE a.role END AS role, c.function, regexp_replace(a.what, ' [0-9]+', ' N') AS what, a.owner, CASE WHEN c.function IN ('purge_completed', 'run_now') THEN regexp_replace(a.detail, '[0-9]+', 'N') ELSE a.detail END AS detail, a.reason
FROM aud.calls c LEFT JOIN jadugar.audit a ON a.function = c.function AND a.audit_id > :before ORDER BY a.audit_id;

-- ------------------------------------------------------- calls that leave none

SELECT max(audit_id) AS before FROM jadugar.audit \gset
SET ROLE aud_owner;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS id \gset
SELECT jadugar.pause_task(:id), jadugar.resume_task(:id), jadugar.update_task(:id, priority => 1), jadugar.cancel(:id) \g /dev/null
SELECT jadugar.enqueue('SELECT 1', delay => '1 day'), jadugar.enqueue_batch('SELECT 1', '{"{}"}', delay => '1 day') \g /dev/null
SELECT jadugar.cancel_tasks() >= 2 AS many, jadugar.cancel_tasks(), jadugar.cancel(:id), jadugar.cancel_batch(ARRAY[:id]), jadugar.cancel_batch('{}'), jadugar.cancel_batch(NULL);
SELECT jadugar.start_workers(0), jadugar.purge_completed('10 days'), jadugar.clear_schedules();
SELECT jadugar.create_chain(NULL);
SELECT jadugar.cancel_batch('{NULL}');
RESET ROLE;
SELECT function, what FROM jadugar.audit WHERE audit_id > :before;
-- calls that find nothing to change
SELECT jadugar.create_queue('aud_idle'), jadugar.create_topic('aud_idle'), jadugar.register_event_type('aud.idle'), jadugar.schedule('aud_idle', '@yearly', 'SELECT 1') \g /dev/null
CREATE PROCEDURE aud.idle() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM jadugar.pause_subscription('aud_sub2', owner => 'aud_owner');
	PERFORM jadugar.pause_schedule('aud_idle');
	PERFORM jadugar.pause_queue('aud_idle');
	PERFORM jadugar.grant_queue('aud_idle', 'aud_other');
	PERFORM jadugar.grant_topic('aud_idle', 'aud_other');
	PERFORM jadugar.grant_event_type('aud.idle', 'aud_other');
	PERFORM jadugar.grant_handler('aud_sql', 'aud_other');
	PERFORM jadugar.drop_owned('aud_monitor');
	PERFORM jadugar.reassign_owned('aud_monitor', 'aud_owner');
	PERFORM jadugar.reassign_owned('aud_owner', 'aud_other', dry_run => true);
	PERFORM jadugar.clear_schedules('aud_monitor');
	PERFORM jadugar.purge_completed('1000 years');
END $$;
CALL aud.idle();
SELECT function, what FROM jadugar.audit WHERE audit_id > :before ORDER BY audit_id;
SELECT max(audit_id) AS before FROM jadugar.audit \gset
CALL aud.idle();
CALL jadugar.drain(queue => 'aud_idle');
SELECT jadugar.resume_queue('aud_idle') \g /dev/null
SELECT jadugar.resume_queue('aud_idle'), jadugar.resume_all(), jadugar.resume_schedule('aud_idle') \g /dev/null
SELECT jadugar.resume_schedule('aud_idle') AS resumed_again;
SELECT function, what FROM jadugar.audit WHERE audit_id > :before ORDER BY audit_id;
SELECT jadugar.drop_queue('aud_idle'), jadugar.drop_topic('aud_idle', events => 'drop'), jadugar.drop_event_type('aud.idle'), jadugar.unschedule('aud_idle') \g /dev/null
-- a member of a role makes work for it, but changes its work
GRANT aud_owner TO aud_other;
SELECT jadugar.grant_access('aud_other') \g /dev/null
SELECT max(audit_id) AS before FROM jadugar.audit \gset
SET ROLE aud_other;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day', owner => 'aud_owner') AS id \gset
SELECT jadugar.cancel(:id);
RESET ROLE;
SELECT role, function, owner FROM jadugar.audit WHERE audit_id > :before;
REVOKE aud_owner FROM aud_other;
-- a handler is dropped with the work of other roles
SELECT jadugar.register_sql_handler('aud_used', 'SELECT pg_catalog.pg_sleep(600)') -- waits-for-time: it is stopped
\g /dev/null
SELECT jadugar.grant_handler('aud_used', 'aud_owner'), jadugar.grant_handler('aud_used', 'aud_other'), jadugar.enqueue('aud_used', delay => '1 day') \g /dev/null
SET ROLE aud_owner;
SELECT jadugar.enqueue('aud_used', delay => '1 day') \g /dev/null
SELECT jadugar.enqueue('aud_used') AS id, jadugar.start_flow(jadugar.step('a', 'aud_used', queue => 'aud_held')) AS run \gset
CALL test.wait_until(format('SELECT count(*) = 1 FROM jadugar.tasks WHERE flow_run = %s', :run));
CALL test.wait_until(format('SELECT status = ''running'' FROM jadugar.get_task(%s)', :id));
SET ROLE aud_other;
SELECT jadugar.enqueue('aud_used', delay => '1 day') \g /dev/null
RESET ROLE;
SELECT max(audit_id) AS before FROM jadugar.audit \gset
SELECT jadugar.drop_handler('aud_used', pending => 'cancel');
SELECT function, what, CASE WHEN owner = current_user THEN 'superuser' ELSE owner END AS owner, detail FROM jadugar.audit WHERE audit_id > :before ORDER BY what, owner;
-- one row for each owner, whatever the number of tasks
SELECT max(audit_id) AS before FROM jadugar.audit \gset
SET ROLE aud_owner;
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[1000]), delay => '1 day', tenant => 'aud');
SET ROLE aud_other;
SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[10]), delay => '1 day', tenant => 'aud');
RESET ROLE;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day', tenant => 'aud') AS id \g /dev/null
SELECT jadugar.cancel_tasks(tenant => 'aud');
SELECT role = current_user AS superuser, function, what, owner, detail FROM jadugar.audit WHERE audit_id > :before ORDER BY owner;

-- ----------------------------------------------------------------- transactions

SELECT jadugar.resume_queue('aud_held') \g /dev/null
SELECT max(audit_id) AS before FROM jadugar.audit \gset
BEGIN;
SELECT jadugar.pause_queue('aud_held');
SELECT function, what FROM jadugar.audit WHERE audit_id > :before;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT jadugar.pause_queue('aud_held');
ROLLBACK TO s;
COMMIT;
BEGIN READ ONLY;
SELECT jadugar.pause_queue('aud_held');
ROLLBACK;
SET ROLE aud_other;
SELECT jadugar.pause_queue('aud_held');
RESET ROLE;
SELECT count(*) AS rows FROM jadugar.audit WHERE audit_id > :before;

-- ---------------------------------------------------------------------- the row

-- current_user, session_user, application and address
SET application_name = 'aud test';
CREATE FUNCTION aud.pause() RETURNS void LANGUAGE sql SECURITY DEFINER RETURN jadugar.pause_queue('aud_held');
ALTER FUNCTION aud.pause() OWNER TO aud_owner;
SET ROLE aud_monitor;
SELECT aud.pause();
RESET ROLE;
RESET application_name;
SELECT role, session_role = session_user AS is_session, application, address IS NOT DISTINCT FROM inet_client_addr() AS is_client, at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS is_now
FROM jadugar.audit ORDER BY audit_id DESC LIMIT 1;
-- a task
SET ROLE aud_owner;
CALL test.run_task('''SELECT jadugar.resume_queue(''''aud_held'''')''');
SELECT role, session_role, application, function, what FROM jadugar.audit ORDER BY audit_id DESC LIMIT 1;
RESET ROLE;
-- texts are bounded
SELECT jadugar.pause_all(reason => repeat('x', 100000)), jadugar.resume_all() \g /dev/null
SELECT length(reason), right(reason, 30) FROM jadugar.audit WHERE function = 'pause_all' ORDER BY audit_id DESC LIMIT 1;
-- a privilege that is given and taken
SELECT jadugar.grant_queue('aud_held', 'aud_other', 'claim') \g /dev/null
SELECT function, what, owner, detail FROM jadugar.audit ORDER BY audit_id DESC LIMIT 1;

-- ------------------------------------------------------------------- who sees it

SELECT count(*) AS all_rows FROM jadugar.audit \gset
SET ROLE aud_monitor;
SELECT count(*) = :all_rows AS sees_all, bool_or(application IS NOT NULL) AS with_application FROM jadugar.audit;
SET ROLE aud_operator;
SELECT count(*) = :all_rows AS sees_all FROM jadugar.audit;
SET ROLE aud_owner;
SELECT DISTINCT role = session_user AS superuser, role = current_user AS myself, owner, application IS NOT NULL AS with_application
FROM jadugar.audit WHERE function IN ('cancel_tasks', 'create_queue', 'grant_access', 'enqueue') ORDER BY 1, 2;
SELECT count(*) AS others FROM jadugar.audit WHERE 'aud_owner' NOT IN (role, coalesce(owner, ''));
RESET ROLE;
SELECT jadugar.revoke_access('aud_other') \g /dev/null
GRANT USAGE ON SCHEMA jadugar TO aud_other;
SET ROLE aud_other;
SELECT count(*) FROM jadugar.audit;
RESET ROLE;
REVOKE USAGE ON SCHEMA jadugar FROM aud_other;
SET ROLE aud_operator;
DELETE FROM jadugar.audit;
UPDATE jadugar.audit SET role = 'aud_owner';
DELETE FROM jadugar_internal.audit;
RESET ROLE;
-- a role that was renamed or dropped
ALTER ROLE aud_monitor RENAME TO aud_renamed;
SELECT DISTINCT owner, what FROM jadugar.audit WHERE what = 'role aud_monitor';
SET ROLE aud_renamed;
SELECT count(*) > 0 AS sees FROM jadugar.audit WHERE owner = 'aud_monitor';
RESET ROLE;

-- --------------------------------------------------------------------- clean up

SET ROLE aud_owner;
SELECT jadugar.unsubscribe(name, dead_letters => 'drop') FROM jadugar.subscriptions \g /dev/null
RESET ROLE;
SELECT count(*) FROM jadugar.drop_owned('aud_owner') WHERE problem IS NOT NULL;
SELECT count(*) FROM jadugar.drop_owned('aud_operator') WHERE problem IS NOT NULL;
DROP SERVER aud_service CASCADE;
CALL test.drop_roles('aud_owner', 'aud_other', 'aud_operator', 'aud_renamed');
SELECT DISTINCT role, owner FROM jadugar.audit WHERE function = 'cancel_batch' AND role LIKE 'aud%';
\set ECHO none
DROP SCHEMA aud CASCADE;
