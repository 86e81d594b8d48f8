-- Creating, changing and dropping schedules. Their occurrences are in
-- schedules_firing.sql.
\i test/include/helpers.sql

\set QUIET on
SET client_min_messages = notice;
SET timezone = 'Europe/Berlin';
CREATE SCHEMA sch;
SET search_path = sch;

CREATE FUNCTION is_id(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 0';
\set QUIET off

-- Timings of each type
SELECT is_id(jadugar.schedule('nightly', '0 3 * * *', 'VACUUM'));
SELECT timing, timezone, command, payload, enabled, overlap, misfire, queue, priority, retry, transaction, runs, missed
FROM jadugar.schedules WHERE name = 'nightly';
SELECT jadugar.next_run('nightly') = jadugar.next_time('0 3 * * *', timezone => 'Europe/Berlin');
SELECT is_id(jadugar.schedule('ticking', interval '90 minutes', 'SELECT 1'));
SELECT is_id(jadugar.schedule('dated', timestamptz '2999-01-01 00:00+00', 'SELECT 1'));
SELECT is_id(jadugar.schedule('by hand', 'manual', 'SELECT 1'));
SELECT is_id(jadugar.schedule('at start', '@startup', 'SELECT 1'));
SELECT name, timing, jadugar.next_run(name) FROM jadugar.schedules
WHERE name IN ('dated', 'by hand', 'at start') ORDER BY name;
SELECT is_id(jadugar.schedule('full', '@daily', 'SELECT $1->>''a''', payload => '{"a": 1}', timezone => 'asia/kolkata',
	priority => 7, timeout => '5 min', retry => jadugar.retry_policy(4, delay => '1 s'), overlap => 'queue', misfire => 'all',
	misfire_grace => '2 days', jitter => '30 s', starts_at => '2998-01-01 00:00 Asia/Kolkata', ends_at => '2999-12-31 UTC', max_runs => 9,
	depends_on => '{nightly,ticking}', concurrency_key => 'k', transaction => 'serializable', isolate => true,
	settings => '{"work_mem": "1MB"}', tenant => 't', description => 'everything', metadata => '{"m": 1}', enabled => false));
\x on
SELECT timing, timezone, command, payload, queue, priority, timeout, retry, overlap, misfire, misfire_grace, jitter, starts_at, ends_at,
	max_runs, depends_on, concurrency_key, transaction, isolate, settings, tenant, description, metadata, enabled
FROM jadugar.schedules WHERE name = 'full';
\x off

-- A schedule that is rolled back does not exist
BEGIN;
SELECT is_id(jadugar.schedule('no', '@daily', 'SELECT 1'));
ROLLBACK;
SELECT test.error_of($$SELECT jadugar.next_run('no')$$);

-- Invalid arguments
SELECT test.error_of(format('SELECT jadugar.schedule(%s)', args)) FROM unnest(ARRAY[
	$$NULL, '@daily', 'SELECT 1'$$,
	$$'x', NULL, 'SELECT 1'$$,
	$$'x', '@daily', NULL$$,
	$$'', '@daily', 'SELECT 1'$$,
	$$repeat('x', 256), '@daily', 'SELECT 1'$$,
	$$'x', '61 * * * *', 'SELECT 1'$$,
	$$'x', 'at 2001-01-01 00:00+00', 'SELECT 1'$$,
	$$'x', '@daily', 'SELEC 1'$$,
	$$'x', '@daily', ''$$,
	$$'x', '@daily', 'SELECT 1', timezone => 'Mars/Phobos'$$,
	$$'x', '@daily', 'SELECT 1', timezone => ''$$,
	$$'x', '@daily', 'SELECT 1', queue => 'no such queue'$$,
	$$'x', '@daily', 'SELECT 1', timeout => '-1 s'$$,
	$$'x', '@daily', 'SELECT 1', overlap => 'sometimes'$$,
	$$'x', '@daily', 'SELECT 1', misfire => 'never'$$,
	$$'x', '@daily', 'SELECT 1', misfire_grace => '-1 s'$$,
	$$'x', '@daily', 'SELECT 1', misfire_grace => '200 years'$$,
	$$'x', '@daily', 'SELECT 1', jitter => '-1 s'$$,
	$$'x', '@daily', 'SELECT 1', jitter => '2 years'$$,
	$$'x', '@daily', 'SELECT 1', starts_at => 'infinity'$$,
	$$'x', '@daily', 'SELECT 1', ends_at => '-infinity'$$,
	$$'x', '@daily', 'SELECT 1', ends_at => '2001-01-01 00:00+00'$$,
	$$'x', '@daily', 'SELECT 1', starts_at => '2999-01-02 00:00+00', ends_at => '2999-01-01 00:00+00'$$,
	$$'x', '@daily', 'SELECT 1', starts_at => '2999-01-01 00:00+01', ends_at => '2999-01-01 00:00+01', timezone => 'UTC'$$,
	$$'x', '@daily', 'SELECT 1', max_runs => 0$$,
	$$'x', '@daily', 'SELECT 1', depends_on => '{nobody}'$$,
	$$'x', '@daily', 'SELECT 1', depends_on => '{x}'$$,
	$$'x', '@daily', 'SELECT 1', depends_on => '{nightly,NULL}'$$,
	$$'x', '@daily', 'SELECT 1', transaction => 'sometimes'$$,
	$$'x', '@daily', 'SELECT 1', settings => '{"no_such_setting": 1}'$$,
	$$'x', '@daily', 'SELECT 1', metadata => '[1]'$$,
	$$'x', '@daily', 'SELECT 1', retry => '{"max_attempts": 0}'$$,
	$$'x', '@daily', 'SELECT 1', owner => 'no such role'$$,
	$$'nightly', '@daily', 'SELECT 1'$$]) AS args;
SELECT count(*) FROM jadugar.schedules WHERE name IN ('x', '');
SELECT test.error_of(format('SELECT jadugar.%s', call)) FROM unnest(ARRAY[
	$$alter_schedule(NULL)$$, $$alter_schedule('nobody', priority => 1)$$, $$alter_schedule('nightly', reset => '{name}')$$,
	$$alter_schedule('nightly', reset => '{priority}', priority => 3)$$, $$alter_schedule('nightly', new_name => 'full')$$,
	$$alter_schedule('nightly', new_name => '')$$, $$alter_schedule('nightly', depends_on => '{full}')$$,
	$$alter_schedule('nightly', ends_at => '2001-01-01 00:00+00')$$, $$alter_schedule('nightly', command => 'SELEC')$$,
	$$reschedule(NULL, '@daily')$$, $$reschedule('nightly', NULL)$$, $$reschedule('nobody', '@daily')$$,
	$$reschedule('nightly', 'at 2001-01-01 00:00+00')$$, $$unschedule(NULL)$$, $$unschedule('nobody')$$,
	$$pause_schedule(NULL)$$, $$pause_schedule('nobody')$$, $$resume_schedule(NULL)$$, $$resume_schedule('nobody')$$,
	$$run_now(NULL)$$, $$run_now('nobody')$$, $$run_now('nightly', '[1]')$$, $$next_run(NULL)$$, $$next_run('nobody')$$,
	$$explain_schedule(NULL)$$, $$explain_schedule('nobody')$$, $$explain_schedule('nightly', -1)$$,
	$$clear_schedules('no such role')$$, $$unschedule('nightly', owner => 'no such role')$$]) AS call;

-- or_replace: omitted options get their default, id and next run stay
CREATE TEMP TABLE before AS SELECT * FROM jadugar.schedules WHERE name IN ('full', 'ticking');
SELECT jadugar.schedule('ticking', 'every 90 minutes', 'SELECT 2', or_replace => true) = schedule_id AS same FROM before WHERE name = 'ticking';
SELECT s.command, s.next_run_at = b.next_run_at AS same_plan FROM jadugar.schedules s JOIN before b USING (schedule_id) WHERE b.name = 'ticking';
SELECT is_id(jadugar.schedule('ticking', 'every 1 hour', 'SELECT 3', or_replace => true));
SELECT s.command, s.next_run_at < b.next_run_at AS sooner FROM jadugar.schedules s JOIN before b USING (schedule_id) WHERE b.name = 'ticking';
SELECT is_id(jadugar.schedule('full', '@daily', 'SELECT 1', or_replace => true));
\x on
SELECT timing, timezone, command, payload, queue, priority, timeout, retry, overlap, misfire, misfire_grace, jitter, starts_at, ends_at,
	max_runs, depends_on, concurrency_key, transaction, isolate, settings, tenant, description, metadata, enabled
FROM jadugar.schedules WHERE name = 'full';
\x off

-- alter_schedule: omitted options stay
SELECT jadugar.alter_schedule('full', priority => 3, timeout => '1 min', tenant => 'u', overlap => 'replace', jitter => '1 s',
	depends_on => '{nightly}', description => 'less');
SELECT jadugar.alter_schedule('full', command => 'VACUUM', reset => '{timeout,jitter,tenant}', new_name => 'fuller');
SELECT name, command, transaction, priority, timeout, tenant, overlap, jitter, depends_on, description, retry
FROM jadugar.schedules WHERE name = 'fuller';
SELECT jadugar.alter_schedule('fuller', command => 'SELECT 1', transaction => 'repeatable read', retry => '{"delay": 3}');
SELECT command, transaction, retry FROM jadugar.schedules WHERE name = 'fuller';
SELECT jadugar.alter_schedule('fuller', starts_at => '2998-01-01 12:00+00', timing => 'every 1 day', timezone => 'UTC');
SELECT jadugar.next_run('fuller') AT TIME ZONE 'UTC';
SELECT jadugar.reschedule('fuller', '0 0 * * *') AT TIME ZONE 'UTC';
SELECT jadugar.reschedule('fuller', '0 12 * * *', 'Asia/Kolkata') AT TIME ZONE 'Asia/Kolkata';

-- Pause, resume, disable: no occurrence is due in between
SELECT jadugar.pause_schedule('fuller'), jadugar.pause_schedule('fuller'), jadugar.next_run('fuller') IS NULL AS rests;
SELECT jadugar.resume_schedule('fuller'), jadugar.resume_schedule('fuller'), jadugar.next_run('fuller') IS NULL AS rests;
SELECT jadugar.alter_schedule('fuller', enabled => false);
SELECT jadugar.next_run('fuller') IS NULL AS rests;
SELECT number, note FROM jadugar.explain_schedule('fuller', 1);
SELECT jadugar.alter_schedule('fuller', enabled => true);
SELECT jadugar.next_run('fuller') IS NULL AS rests, missed FROM jadugar.schedules WHERE name = 'fuller';

-- explain_schedule
SELECT is_id(jadugar.schedule('bounded', '30 2 * * *', 'SELECT 1', timezone => 'Europe/Berlin', starts_at => '2030-03-30 00:00+00', max_runs => 3));
SELECT * FROM jadugar.explain_schedule('bounded');
SELECT is_id(jadugar.schedule('ending', '0 */6 * * *', 'SELECT 1', timezone => 'UTC', starts_at => '2998-01-01 00:00+00', ends_at => '2998-01-01 12:00+00'));
SELECT * FROM jadugar.explain_schedule('ending');
SELECT * FROM jadugar.explain_schedule('ending', 1);
SELECT * FROM jadugar.explain_schedule('ending', 0);
SELECT * FROM jadugar.explain_schedule('by hand');
SELECT * FROM jadugar.explain_schedule('at start');
SELECT is_id(jadugar.schedule('waiting', '@yearly', 'SELECT 1', timezone => 'UTC', depends_on => '{by hand}', starts_at => '2998-06-01 00:00+00'));
SELECT * FROM jadugar.explain_schedule('waiting', 1);

-- Each owner has its own names
CALL test.create_role('sch_alice');
CALL test.create_role('sch_bob');
CREATE ROLE sch_group NOLOGIN;
GRANT sch_alice TO sch_group;
GRANT USAGE ON SCHEMA sch TO sch_alice, sch_bob;
SELECT test.error_of($$SELECT jadugar.schedule('nightly', '@daily', 'SELECT 1', owner => 'sch_group')$$);
SELECT is_id(jadugar.schedule('nightly', '@daily', 'SELECT 1', owner => 'sch_alice'));
SET ROLE sch_alice;
SELECT name, owner FROM jadugar.schedules;
SELECT jadugar.pause_schedule('nightly');
SET ROLE sch_bob;
SELECT is_id(jadugar.schedule('nightly', '@daily', 'SELECT 1'));
SELECT name, owner FROM jadugar.schedules;
SELECT test.error_of(format('SELECT jadugar.%s', call)) FROM unnest(ARRAY[
	$$schedule('theirs', '@daily', 'SELECT 1', owner => 'sch_alice')$$, $$pause_schedule('nightly', 'sch_alice')$$,
	$$run_now('nightly', owner => 'sch_alice')$$, $$next_run('nightly', 'sch_alice')$$, $$explain_schedule('nightly', owner => 'sch_alice')$$,
	$$alter_schedule('nightly', priority => 1, owner => 'sch_alice')$$, $$unschedule('nightly', 'sch_alice')$$,
	$$clear_schedules('sch_alice')$$, $$unschedule('ticking')$$]) AS call;
SELECT jadugar.clear_schedules();
RESET ROLE;
-- a monitor can read, an operator can change, but not act as a superuser
SELECT jadugar.grant_access('sch_bob', level => 'monitor');
SET ROLE sch_bob;
SELECT number, regexp_replace(note, 'since .*', 'since then') AS note FROM jadugar.explain_schedule('nightly', 0, owner => 'sch_alice');
SELECT test.error_of($$SELECT jadugar.pause_schedule('nightly', 'sch_alice')$$);
RESET ROLE;
SELECT jadugar.grant_access('sch_bob', level => 'operator');
SET ROLE sch_bob;
SELECT jadugar.resume_schedule('nightly', owner => 'sch_alice');
SELECT jadugar.alter_schedule('nightly', command => 'SELECT 2', owner => 'sch_alice');
SELECT jadugar.pause_schedule('nightly', owner => 'postgres');
SELECT test.error_of($$SELECT jadugar.alter_schedule('nightly', command => 'SELECT 2', owner => 'postgres')$$);
SELECT test.error_of($$SELECT jadugar.run_now('nightly', owner => 'postgres')$$);
SELECT jadugar.resume_schedule('nightly', owner => 'postgres');
RESET ROLE;

-- The error names dependent schedules
SELECT jadugar.unschedule('nightly');
SELECT jadugar.alter_schedule('fuller', reset => '{depends_on}');
SELECT jadugar.clear_schedules('sch_alice');
SELECT jadugar.clear_schedules() > 5 AS many;
SELECT jadugar.clear_schedules();

\set QUIET on
SET client_min_messages = warning;
SELECT jadugar.revoke_access('sch_alice'), jadugar.revoke_access('sch_bob') \g /dev/null
DROP SCHEMA sch CASCADE;
DROP ROLE sch_alice, sch_bob, sch_group;
