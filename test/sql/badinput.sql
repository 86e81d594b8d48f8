-- Invalid arguments: every function that users may call, each argument. Each call
-- must raise an error of class JD and leave nothing behind.
\i test/include/helpers.sql
CALL test.create_role('test_bad');
CALL test.create_role('test_bad_other');

GRANT CREATE ON SCHEMA public TO test_bad;
-- the functions
CREATE VIEW test_functions AS
SELECT p.oid, p.proname, p.prokind, p.oid::regprocedure::text AS signature,
	(SELECT string_agg(format('NULL::%s', format_type(t, NULL)), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY x(t, n)) AS nulls
FROM pg_proc p
WHERE p.pronamespace = 'jadugar'::regnamespace AND p.prokind IN ('f', 'p')
	AND has_function_privilege('test_bad', p.oid, 'EXECUTE')
	-- the functions of the type and its operators
	AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
	AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid)
	AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
	AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid);
SELECT signature FROM test_functions ORDER BY signature COLLATE "C";
-- NULL for everything
SELECT proname, test.refusal_of(format('%s jadugar.%I(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, proname, nulls))
FROM test_functions WHERE proname NOT IN ('cancel_tasks', 'retry_tasks') ORDER BY signature COLLATE "C";
SELECT jadugar.restart_workers();

-- objects of another role
SELECT jadugar.enqueue('SELECT 1', owner => 'test_bad_other', delay => '1 h') AS other \gset
SELECT jadugar.create_queue('test_bad_queue') > 0 AS made;
SELECT jadugar.enqueue('SELECT 1', owner => 'test_bad') AS done \gset
SELECT status FROM jadugar.wait(:done, '20 s');
SELECT jadugar.enqueue('SELECT 1', owner => 'test_bad', delay => '1 h') AS mine \gset
SELECT jadugar.schedule('test_bad_schedule', '@daily', 'SELECT 1', owner => 'test_bad') > 0 AS made;
CREATE TABLE test_statements (n integer GENERATED ALWAYS AS IDENTITY, s text);
GRANT SELECT ON test_statements, test_functions TO test_bad;
SELECT set_config('test.other', :'other', false) IS NOT NULL AND set_config('test.mine', :'mine', false) IS NOT NULL
	AND set_config('test.done', :'done', false) IS NOT NULL AS kept;
INSERT INTO test_statements (s) VALUES
	-- enqueue
	($$SELECT jadugar.enqueue('')$$), ($$SELECT jadugar.enqueue('   ')$$), ($$SELECT jadugar.enqueue('-- nothing')$$), ($$SELECT jadugar.enqueue(';')$$),
	($$SELECT jadugar.enqueue('selekt 1')$$), ($$SELECT jadugar.enqueue('no such handler')$$), ($$SELECT jadugar.enqueue(repeat('x', 1000000))$$),
	($$SELECT jadugar.enqueue('SELECT 1; selekt 2')$$), ($$SELECT jadugar.enqueue('SELECT $2')$$), ($$SELECT jadugar.enqueue('VACUUM; SELECT 1')$$),
	($$SELECT jadugar.enqueue('SELECT ' || repeat('1 + ', 100000) || '1')$$),
	($$SELECT jadugar.enqueue('SELECT 1', jsonb_build_object('x', repeat('x', 1000000)))$$), ($$SELECT jadugar.enqueue('SELECT 1', 'null')$$),
	($$SELECT jadugar.enqueue('SELECT 1', '7')$$), ($$SELECT jadugar.enqueue('SELECT 1', queue => '')$$),
	($$SELECT jadugar.enqueue('SELECT 1', queue => 'nowhere')$$), ($$SELECT jadugar.enqueue('SELECT 1', queue => 'test_bad_queue')$$),
	($$SELECT jadugar.enqueue('SELECT 1', queue => repeat('q', 1000000))$$),
	($$SELECT jadugar.enqueue('SELECT 1', priority => -2147483648)$$), ($$SELECT jadugar.enqueue('SELECT 1', priority => 2147483647)$$),
	($$SELECT jadugar.enqueue('SELECT 1', run_at => 'infinity')$$), ($$SELECT jadugar.enqueue('SELECT 1', run_at => '-infinity')$$),
	($$SELECT jadugar.enqueue('SELECT 1', run_at => '294276-12-31')$$), ($$SELECT jadugar.enqueue('SELECT 1', run_at => '4714-11-24 00:00:00+00 BC')$$),
	($$SELECT jadugar.enqueue('SELECT 1', delay => '-1 s')$$), ($$SELECT jadugar.enqueue('SELECT 1', delay => '0')$$),
	($$SELECT jadugar.enqueue('SELECT 1', delay => '178000000 years')$$), ($$SELECT jadugar.enqueue('SELECT 1', delay => '273000 years')$$),
	($$SELECT jadugar.enqueue('SELECT 1', delay => '295000 years')$$),
	($$SELECT jadugar.enqueue('SELECT 1', delay => '1 s', run_at => now())$$), ($$SELECT jadugar.enqueue('SELECT 1', timeout => '0')$$),
	($$SELECT jadugar.enqueue('SELECT 1', timeout => '-1 s')$$), ($$SELECT jadugar.enqueue('SELECT 1', timeout => '1 mon -30 days')$$),
	($$SELECT jadugar.enqueue('SELECT 1', timeout => '178000000 years')$$), ($$SELECT jadugar.enqueue('SELECT 1', retry => '[]')$$),
	($$SELECT jadugar.enqueue('SELECT 1', retry => '{"max_attempts": 0}')$$), ($$SELECT jadugar.enqueue('SELECT 1', retry => '{"max_attempts": 1e400}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', retry => '{"delay": "soon"}')$$), ($$SELECT jadugar.enqueue('SELECT 1', retry => '{"tries": 1}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', transaction => '')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '[]')$$),
	($$SELECT jadugar.enqueue('SELECT 1', settings => '{"": "x"}')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '{"work_mem": null}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', settings => '{"port": 1}')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '{"transaction_isolation": "serializable"}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', settings => '{"search_path": "a b"}')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '{"jadugar.enabled": false}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', settings => '{"session_authorization": "postgres"}')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '{"transaction_timeout": "1s"}')$$), ($$SELECT jadugar.enqueue('SELECT 1', settings => '{"ROLE": "postgres"}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', settings => '{"session_preload_libraries": "x"}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', concurrency_key => '')$$), ($$SELECT jadugar.enqueue('SELECT 1', concurrency_key => repeat('k', 100000))$$),
	($$SELECT jadugar.enqueue('SELECT 1', depends_on => '{}')$$), ($$SELECT jadugar.enqueue('SELECT 1', depends_on => '{NULL}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', depends_on => '{0}')$$), ($$SELECT jadugar.enqueue('SELECT 1', depends_on => '{-9223372036854775808}')$$),
	($$SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[current_setting('test.other')::bigint])$$),
	($$SELECT jadugar.enqueue('SELECT 1', depends_on => array_fill(1::bigint, ARRAY[20000]))$$),
	($$SELECT jadugar.enqueue('SELECT 1', on_dependency_failure => 'panic')$$), ($$SELECT jadugar.enqueue('SELECT 1', trace => '')$$),
	($$SELECT jadugar.enqueue('SELECT 1', metadata => '[]')$$), ($$SELECT jadugar.enqueue('SELECT 1', metadata => 'null')$$),
	($$SELECT jadugar.enqueue('SELECT 1', tenant => '')$$), ($$SELECT jadugar.enqueue('SELECT 1', owner => '')$$),
	($$SELECT jadugar.enqueue('SELECT 1', owner => 'nobody here')$$), ($$SELECT jadugar.enqueue('SELECT 1', owner => 'test_bad_other')$$),
	($$SELECT jadugar.enqueue('SELECT 1', owner => repeat('o', 1000))$$),
	($$SELECT jadugar.enqueue('SELECT 1', unique_key => '')$$), ($$SELECT jadugar.enqueue('SELECT 1', unique_key => repeat('u', 100000))$$),
	($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', unique_for => '0')$$), ($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', unique_for => '-1 s')$$),
	($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', unique_for => '273000 years')$$), ($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', unique_for => '295000 years')$$),
	($$SELECT jadugar.enqueue('SELECT 1', unique_key => 'u', on_conflict => '')$$),
	-- enqueue_batch
	($$SELECT jadugar.enqueue_batch('SELECT 1', '{}')$$), ($$SELECT jadugar.enqueue_batch('SELECT 1', '{NULL}')$$), ($$SELECT jadugar.enqueue_batch('', ARRAY['{}']::jsonb[])$$),
	($$SELECT jadugar.enqueue_batch('selekt', '{}')$$), ($$SELECT jadugar.enqueue_batch('SELECT 1', ARRAY[ARRAY['1'], ARRAY['2']]::jsonb[])$$),
	($$SELECT jadugar.enqueue_batch('SELECT 1', ARRAY['{}']::jsonb[], queue => 'nowhere')$$), ($$SELECT jadugar.enqueue_batch('SELECT 1', ARRAY['{}']::jsonb[], delay => '-1 s')$$),
	-- acting on tasks
	($$SELECT jadugar.update_task(-1)$$), ($$SELECT jadugar.update_task(current_setting('test.other')::bigint)$$), ($$SELECT jadugar.update_task(current_setting('test.done')::bigint)$$),
	($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, run_at => 'infinity')$$), ($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, queue => 'nowhere')$$),
	($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, timeout => '0')$$), ($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, retry => '7')$$),
	($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, metadata => '7')$$), ($$SELECT jadugar.update_task(current_setting('test.mine')::bigint, queue => 'test_bad_queue')$$),
	($$SELECT jadugar.cancel(0)$$), ($$SELECT jadugar.cancel(current_setting('test.other')::bigint)$$), ($$SELECT jadugar.cancel(9223372036854775807)$$),
	($$SELECT jadugar.pause_task(0)$$), ($$SELECT jadugar.resume_task(0)$$), ($$SELECT jadugar.resume_task(current_setting('test.mine')::bigint)$$), ($$SELECT jadugar.retry_task(0)$$),
	($$SELECT jadugar.retry_task(current_setting('test.done')::bigint)$$), ($$SELECT jadugar.pause_task(current_setting('test.done')::bigint)$$),
	($$SELECT jadugar.cancel_batch('{}')$$), ($$SELECT jadugar.cancel_batch('{NULL}')$$), ($$SELECT jadugar.cancel_batch('{-1}')$$),
	($$SELECT jadugar.cancel_tasks(status => 'gone')$$), ($$SELECT jadugar.cancel_tasks(queue => 'nowhere')$$), ($$SELECT jadugar.cancel_tasks(owner => 'nobody here')$$),
	($$SELECT jadugar.retry_tasks(finished_from => 'infinity')$$), ($$SELECT jadugar.retry_tasks(queue => '')$$),
	($$SELECT jadugar.purge_completed('-1 s')$$), ($$SELECT jadugar.purge_completed('178000000 years')$$), ($$SELECT jadugar.purge_completed('273000 years')$$), ($$SELECT jadugar.purge_completed('6800 years')$$),
	-- reading tasks
	($$SELECT jadugar.get_task(-1)$$), ($$SELECT jadugar.list_tasks(status => '')$$), ($$SELECT jadugar.list_tasks(max_rows => 0)$$), ($$SELECT jadugar.list_tasks(max_rows => -1)$$),
	($$SELECT jadugar.list_tasks(status => 'completed', finished_from => 'infinity', finished_to => '-infinity')$$), ($$SELECT jadugar.list_tasks(status => 'pending', finished_from => now())$$),
	($$SELECT jadugar.count_tasks(status => 'READY')$$), ($$SELECT jadugar.result(-1)$$), ($$SELECT jadugar.wait(-1)$$), ($$SELECT jadugar.wait(current_setting('test.mine')::bigint, '-1 s')$$),
	($$SELECT jadugar.wait(current_setting('test.mine')::bigint, '0')$$), ($$SELECT jadugar.wait(current_setting('test.done')::bigint, '-1 s')$$), ($$SELECT jadugar.wait(-1, '-1 s')$$),
	($$SELECT jadugar.run_task('')$$), ($$SELECT jadugar.run_task('selekt')$$), ($$SELECT jadugar.run_task('VACUUM')$$), ($$SELECT jadugar.run_task('COMMIT')$$),
	-- inside a task
	($$SELECT jadugar.current_task()$$), ($$SELECT jadugar.progress(2)$$), ($$SELECT jadugar.progress('NaN')$$), ($$SELECT jadugar.progress(-1)$$), ($$SELECT jadugar.log('loud', 'x')$$),
	($$SELECT jadugar.log('info', '')$$), ($$SELECT jadugar.snooze('-1 s')$$), ($$SELECT jadugar.discard('')$$),
	-- operation
	($$SELECT jadugar.pause_all(until => 'infinity')$$), ($$SELECT jadugar.pause_all()$$), ($$SELECT jadugar.resume_all()$$), ($$CALL jadugar.drain('nowhere')$$), ($$CALL jadugar.drain(timeout => '-1 s')$$),
	($$SELECT jadugar.start_workers(-1)$$), ($$SELECT jadugar.start_workers(2147483647)$$), ($$SELECT jadugar.scale_workers(-1)$$), ($$SELECT jadugar.scale_workers(1, 'nobody here')$$),
	($$SELECT jadugar.stop_workers('')$$), ($$SELECT jadugar.stop_workers('test_bad_other')$$), ($$SELECT jadugar.restart_workers('nobody here')$$), ($$SELECT jadugar.adopt('maybe')$$), ($$SELECT jadugar.adopt()$$),
	($$SELECT jadugar.reset_stats()$$),
	-- schedules
	($$SELECT jadugar.schedule('', '@daily', 'SELECT 1')$$), ($$SELECT jadugar.schedule(repeat('n', 300), '@daily', 'SELECT 1')$$), ($$SELECT jadugar.schedule('s', 'often', 'SELECT 1')$$),
	($$SELECT jadugar.schedule('s', '@daily', '')$$), ($$SELECT jadugar.schedule('test_bad_schedule', '@daily', 'SELECT 1')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', timezone => 'Mars/Base')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', timezone => '')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', queue => 'nowhere')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', timeout => '-1 s')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', overlap => 'maybe')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', misfire => 'maybe')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', misfire_grace => '-1 s')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', jitter => '-1 s')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', jitter => '178000000 years')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', starts_at => 'infinity')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', ends_at => '-infinity')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', starts_at => '2030-01-02', ends_at => '2030-01-01')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', max_runs => 0)$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', max_runs => -1)$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', depends_on => '{nothing}')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', depends_on => '{NULL}')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', depends_on => '{s}')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', settings => '{"no_such": 1}')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', owner => 'nobody here')$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', metadata => '[]')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', transaction => 'x')$$), ($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', retry => '[]')$$),
	($$SELECT jadugar.alter_schedule('none')$$), ($$SELECT jadugar.alter_schedule('test_bad_schedule', timing => 'often')$$), ($$SELECT jadugar.alter_schedule('test_bad_schedule', max_runs => -5)$$),
	($$SELECT jadugar.reschedule('none', '@daily')$$), ($$SELECT jadugar.reschedule('test_bad_schedule', 'often')$$), ($$SELECT jadugar.unschedule('none')$$), ($$SELECT jadugar.unschedule('')$$), ($$SELECT jadugar.run_now('none')$$),
	($$SELECT jadugar.run_now('test_bad_schedule', '[]')$$), ($$SELECT jadugar.pause_schedule('none')$$), ($$SELECT jadugar.resume_schedule('none')$$), ($$SELECT jadugar.clear_schedules(owner => 'nobody here')$$), ($$SELECT jadugar.clear_schedules(owner => 'test_bad_other')$$),
	($$SELECT jadugar.next_run('none')$$), ($$SELECT jadugar.next_time('@daily', 'infinity')$$), ($$SELECT jadugar.next_time('@daily', timezone => 'Mars/Base')$$), ($$SELECT jadugar.occurrences('@daily', n => -1)$$), ($$SELECT jadugar.occurrences('@daily', n => 2147483647)$$),
	($$SELECT jadugar.occurrences('@daily', 'Mars/Base')$$), ($$SELECT jadugar.validate('')$$), ($$SELECT jadugar.describe('often')$$), ($$SELECT jadugar.explain_schedule('none')$$), ($$SELECT jadugar.explain_schedule('test_bad_schedule', -1)$$), ($$SELECT jadugar.explain_schedule('test_bad_schedule', 2147483647)$$),
	-- handlers
	($$SELECT jadugar.register_handler('', 'now()')$$), ($$SELECT jadugar.register_handler('vacuum', 'now()')$$), ($$SELECT jadugar.register_handler('h', 'no_such_function(jsonb)')$$), ($$SELECT jadugar.register_handler('h', '')$$), ($$SELECT jadugar.register_handler(repeat('h', 300), 'now()')$$),
	($$SELECT jadugar.register_sql_handler('h', '')$$), ($$SELECT jadugar.register_sql_handler('h', 'selekt')$$), ($$SELECT jadugar.register_sql_handler('h', 'SELECT 1', payload_type => 'no_such_type')$$), ($$SELECT jadugar.register_sql_handler('h', 'SELECT 1', timeout => '-1 s')$$),
	($$SELECT jadugar.register_sql_handler('h', 'SELECT 1', queue => 'nowhere')$$), ($$SELECT jadugar.register_sql_handler('h', 'SELECT 1', retry => '[]')$$), ($$SELECT jadugar.register_c_handler('h', 'no_such', 'f')$$), ($$SELECT jadugar.drop_handler('none')$$), ($$SELECT jadugar.drop_handler('none', 'explode')$$),
	($$SELECT jadugar.grant_handler('none', 'test_bad_other')$$), ($$SELECT jadugar.revoke_handler('none', 'test_bad_other')$$),
	($$SELECT jadugar.retry_policy(0)$$), ($$SELECT jadugar.retry_policy(-1)$$), ($$SELECT jadugar.retry_policy(3, 'sometimes')$$), ($$SELECT jadugar.retry_policy(3, delay => '-1 s')$$), ($$SELECT jadugar.retry_policy(3, factor => 'NaN')$$), ($$SELECT jadugar.retry_policy(3, factor => -1)$$), ($$SELECT jadugar.retry_policy(3, retry_on => '{NULL}')$$), ($$SELECT jadugar.retry_policy(3, retry_on => '{x}')$$), ($$SELECT jadugar.retry_policy(3, max_delay => '178000000 years')$$),
	($$SELECT jadugar.step('', 'SELECT 1')$$), ($$SELECT jadugar.step('a', '')$$), ($$SELECT jadugar.step(repeat('x', 1000000), 'SELECT 1')$$), ($$SELECT jadugar.step('a', 'selekt')$$), ($$SELECT jadugar.step('a', 'SELECT 1', timeout => '178000000 years')$$), ($$SELECT jadugar.step('a', 'SELECT 1', '{"x": "$.("}')$$), ($$SELECT jadugar.step('a', 'SELECT 1', '"$."')$$), ($$SELECT jadugar.step('a', 'SELECT 1', to_jsonb('$' || repeat('[0]', 100000)))$$), ($$SELECT jadugar.step('a', 'SELECT 1', compensate_with => jadugar.wait_signal('s'))$$), ($$SELECT jadugar.step('a', 'SELECT 1', after => array_fill('x'::text, '{20000}'))$$),
	($$SELECT jadugar.chain('{}')$$), ($$SELECT jadugar.chain('{NULL}')$$), ($$SELECT jadugar.chain(array_fill(jadugar.sleep('1 s'), '{20000}'))$$), ($$SELECT jadugar.parallel('{}')$$), ($$SELECT jadugar.parallel(array_fill(jadugar.sleep('1 s'), '{2,2}', '{2147483000,-5}'), n => 2147483647)$$), ($$SELECT jadugar.race('{"[]"}')$$), ($$SELECT jadugar.branch('', jadugar.sleep('1 s'))$$), ($$SELECT jadugar.branch('$' || repeat('(', 100000), jadugar.sleep('1 s'))$$), ($$SELECT jadugar.each(repeat('[', 100000), jadugar.sleep('1 s'))$$), ($$SELECT jadugar.each('[]', jadugar.sleep('1 s'), concurrency => -2147483648)$$), ($$SELECT jadugar.loop(jadugar.sleep('1 s'), 'true', 2147483647, '-1 us')$$),
	($$SELECT jadugar.sleep('-178000000 years')$$), ($$SELECT jadugar.sleep('2147483647 months 2147483647 days')$$), ($$SELECT jadugar.sleep_until('')$$), ($$SELECT jadugar.sleep_until('-infinity')$$), ($$SELECT jadugar.sleep_until('294276-12-31 23:59:59.999999+00')$$), ($$SELECT jadugar.sleep_until('4714-11-24 00:00:00+00 BC')$$), ($$SELECT jadugar.sleep_until('2026-01-01 Mars/Base')$$), ($$SELECT jadugar.wait_event(' ')$$), ($$SELECT jadugar.wait_event('e', 'null')$$), ($$SELECT jadugar.wait_signal(E'a\nb')$$), ($$SELECT jadugar.approval('{}')$$), ($$SELECT jadugar.sub_flow('f', version => -1)$$),
	-- flows
	($$SELECT jadugar.create_flow('', jadugar.sleep('1 s'))$$), ($$SELECT jadugar.create_flow('{x', jadugar.sleep('1 s'))$$), ($$SELECT jadugar.create_flow(repeat('f', 300), jadugar.sleep('1 s'))$$), ($$SELECT jadugar.create_flow('f', jadugar.sleep('1 s', after => '{x}'))$$), ($$SELECT jadugar.create_flow('f', jadugar.approval('a', approvers => 'nobody here'))$$), ($$SELECT jadugar.create_flow('f', jadugar.sub_flow('nowhere'))$$), ($$SELECT jadugar.create_flow('f', jadugar.branch('selekt', jadugar.sleep('1 s')))$$), ($$SELECT jadugar.create_flow('f', jadugar.sleep('1 s'), owner => 'test_bad_other')$$), ($$SELECT jadugar.drop_flow('nowhere')$$), ($$SELECT jadugar.drop_flow('nowhere', 'explode')$$),
	($$SELECT jadugar.start_flow('')$$), ($$SELECT jadugar.start_flow('nowhere')$$), ($$SELECT jadugar.start_flow('nowhere', version => -1)$$), ($$SELECT jadugar.start_flow('{')$$), ($$SELECT jadugar.start_flow('{}')$$), ($$SELECT jadugar.start_flow('{"step": "a", "command": "selekt"}')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), idempotency_key => '')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), idempotency_key => repeat('k', 100000))$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), delay => '-1 s')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), delay => '295000 years')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), run_at => 'infinity')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), run_at => now(), delay => '1 s')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), timeout => '0')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), timeout => '295000 years')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), metadata => '7')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), trace => '')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), tenant => '')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), owner => 'test_bad_other')$$), ($$SELECT jadugar.start_flow(jadugar.sleep('273000 years'))$$),
	($$SELECT jadugar.fork_flow(0, 'a')$$), ($$SELECT jadugar.abort_flow(0)$$), ($$SELECT jadugar.abort_flow(0, 'explode')$$), ($$SELECT jadugar.pause_flow(-1)$$), ($$SELECT jadugar.resume_flow(-1)$$), ($$SELECT jadugar.retry_step(0, 'a')$$), ($$SELECT jadugar.skip_step(0, 'a')$$), ($$SELECT jadugar.signal(0, 's')$$), ($$SELECT jadugar.signal(0, '')$$), ($$SELECT jadugar.approve(0, 'a')$$), ($$SELECT jadugar.raise_event('')$$), ($$SELECT jadugar.wait_flow(0)$$), ($$SELECT jadugar.wait_flow(0, '-1 s')$$), ($$SELECT jadugar.flow_status(0)$$), ($$SELECT jadugar.flow_progress(0)$$), ($$SELECT jadugar.explain_flow(0)$$), ($$SELECT jadugar.explain_flow('nowhere')$$), ($$SELECT jadugar.explain_flow(jadugar.sleep('1 s'), 'opera')$$), ($$SELECT jadugar.explain_flow('{')$$), ($$SELECT count(*) FROM jadugar.check_flows()$$),
	($$SELECT jadugar.create_chain('')$$), ($$SELECT jadugar.create_chain('c', max_concurrency => 0)$$), ($$SELECT jadugar.create_group('')$$), ($$SELECT jadugar.create_group('g', concurrency => -1)$$), ($$SELECT jadugar.create_group('g', completion => 'some')$$), ($$SELECT jadugar.create_group('g', timeout => '0')$$), ($$SELECT jadugar.add_step('nowhere', 'a', 'SELECT 1')$$), ($$SELECT jadugar.add_step('nowhere', jadugar.sleep('1 s'))$$), ($$SELECT jadugar.add_parallel('nowhere', '{}')$$), ($$SELECT jadugar.add_conditional('nowhere', 'true', jadugar.sleep('1 s'))$$), ($$SELECT jadugar.remove_step('nowhere', 'a')$$),
	-- events
	($$SELECT jadugar.create_topic('')$$), ($$SELECT jadugar.create_topic(repeat('t', 300))$$), ($$SELECT jadugar.create_topic('t', retention => '-1 s')$$), ($$SELECT jadugar.create_topic('t', retention => '178000000 years')$$), ($$SELECT jadugar.create_topic('t', roll => '')$$), ($$SELECT jadugar.create_topic('t', owner => 'test_bad_other')$$), ($$SELECT jadugar.create_topic('t', owner => 'nobody here')$$), ($$SELECT jadugar.alter_topic('none')$$), ($$SELECT jadugar.alter_topic('default', retention => '1 s')$$), ($$SELECT jadugar.drop_topic('')$$), ($$SELECT jadugar.drop_topic('default')$$), ($$SELECT jadugar.drop_topic('none', 'explode')$$), ($$SELECT jadugar.grant_topic('none', 'test_bad_other')$$), ($$SELECT jadugar.grant_topic('default', 'test_bad_other')$$), ($$SELECT jadugar.revoke_topic('none', 'test_bad_other')$$),
	($$SELECT jadugar.register_event_type('')$$), ($$SELECT jadugar.register_event_type(repeat('e', 1000000))$$), ($$SELECT jadugar.register_event_type('e', '')$$), ($$SELECT jadugar.register_event_type('e', 'integer[]')$$), ($$SELECT jadugar.register_event_type('e', repeat('x', 1000000))$$), ($$SELECT jadugar.register_event_type('e', version => -2147483648)$$), ($$SELECT jadugar.register_event_type('e', version => 2147483647)$$), ($$SELECT jadugar.register_event_type('e', upcast => 'now()')$$), ($$SELECT jadugar.register_event_type('e', downcast => '')$$), ($$SELECT jadugar.register_event_type('e', topic => '')$$), ($$SELECT jadugar.register_event_type('e', topic => 'jadugar')$$), ($$SELECT jadugar.register_event_type('e', key => repeat('$', 1000000))$$), ($$SELECT jadugar.register_event_type('e', owner => 'test_bad_other')$$), ($$SELECT jadugar.drop_event_type('')$$), ($$SELECT jadugar.drop_event_type('none')$$), ($$SELECT jadugar.grant_event_type('*', 'test_bad_other')$$), ($$SELECT jadugar.grant_event_type('none', 'test_bad_other', 'own')$$), ($$SELECT jadugar.revoke_event_type('none', 'nobody here')$$), ($$SELECT jadugar.event_schema('')$$), ($$SELECT jadugar.event_schema('none', -2147483648)$$),
	($$SELECT jadugar.publish('')$$), ($$SELECT jadugar.publish(repeat('e', 1000000))$$), ($$SELECT jadugar.publish('e', '7')$$), ($$SELECT jadugar.publish('e', jsonb_build_object('x', repeat('x', 2000000)))$$), ($$SELECT jadugar.publish('e', key => repeat('k', 1000000))$$), ($$SELECT jadugar.publish('e', headers => '"h"')$$), ($$SELECT jadugar.publish('e', version => -2147483648)$$), ($$SELECT jadugar.publish('e', version => 2147483647)$$), ($$SELECT jadugar.publish('e', topic => '')$$), ($$SELECT jadugar.publish('e', topic => repeat('t', 1000000))$$), ($$SELECT jadugar.publish('e', message_id => repeat('m', 1000000))$$), ($$SELECT jadugar.publish('e', tenant => '')$$), ($$SELECT jadugar.publish('e', trace => repeat('t', 1000000))$$), ($$SELECT jadugar.publish_batch('', '{}')$$), ($$SELECT jadugar.publish_batch('e', array_fill('{}'::jsonb, '{2000000}'))$$), ($$SELECT jadugar.publish_batch('e', '{NULL}')$$), ($$SELECT jadugar.publish_batch('e', array_fill('[]'::jsonb, '{2,2}', '{2147483000,-5}'))$$), ($$SELECT jadugar.publish_batch('e', '{}', keys => '{NULL}')$$), ($$SELECT jadugar.publish_change()$$),
	($$SELECT jadugar.subscribe('', '{e}', 'SELECT 1')$$), ($$SELECT jadugar.subscribe(repeat('s', 300), '{e}', 'SELECT 1')$$), ($$SELECT jadugar.subscribe('s', '{}', 'SELECT 1')$$), ($$SELECT jadugar.subscribe('s', '{NULL}', 'SELECT 1')$$), ($$SELECT jadugar.subscribe('s', array_fill('e'::text, '{20000}'), 'SELECT 1')$$), ($$SELECT jadugar.subscribe('s', '{e}', '')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'no such handler')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'BEGIN')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT $3')$$), ($$SELECT jadugar.subscribe('s', '{e}', repeat('SELECT 1;', 1000000))$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', topics => '{NULL}')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', keys => array_fill('k'::text, '{20000}'))$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', headers => '7')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', start => '')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', start_time => 'now', start_after => 1)$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', shards => -2147483648)$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', batch => 2147483647)$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', on_failure => '')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', max_attempts => -1)$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', retry => '7')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', timeout => '-1 s')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', settings => '7')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', settings => '{"no.such setting": 1}')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', settings => '{"role": "postgres"}')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', versions => '[]')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', description => repeat('d', 1000000))$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', metadata => '7')$$), ($$SELECT jadugar.subscribe('s', '{e}', 'SELECT 1', owner => 'nobody here')$$),
	($$SELECT jadugar.unsubscribe('none', 'explode')$$), ($$SELECT jadugar.pause_subscription('none')$$), ($$SELECT jadugar.pause_subscription('')$$), ($$SELECT jadugar.resume_subscription('none')$$), ($$SELECT jadugar.seek('none', 'now')$$), ($$SELECT jadugar.seek('none', start => 'never')$$), ($$SELECT jadugar.redrive('none')$$), ($$SELECT jadugar.redrive('none', owner => 'nobody here')$$), ($$SELECT jadugar.discard_events('none', '{NULL}')$$), ($$SELECT jadugar.current_event()$$),
	($$SELECT jadugar.alter_subscription('none')$$), ($$SELECT jadugar.alter_subscription('none', '{NULL}')$$), ($$SELECT jadugar.alter_subscription('none', reset => '{NULL}')$$), ($$SELECT jadugar.alter_subscription('none', batch => -2147483648)$$), ($$SELECT jadugar.alter_subscription('none', new_name => '')$$),
	($$SELECT jadugar.execute('nowhere')$$), ($$SELECT jadugar.execute('SELECT 1', '{}')$$), ($$SELECT jadugar.query('nowhere')$$), ($$SELECT jadugar.query(NULL)$$),
	($$SELECT jadugar.run_event('nowhere', 1)$$), ($$SELECT jadugar.run_event(NULL, 1)$$), ($$SELECT jadugar.run_event('x', NULL)$$), ($$SELECT jadugar.run_event('x', 1, 'nobody')$$),
	($$SELECT jadugar.replay('nowhere', 'x')$$), ($$SELECT jadugar.replay(NULL, 'x')$$), ($$SELECT jadugar.replay('x', '')$$), ($$SELECT jadugar.replay('x', 'y', until_time => 'now', until_id => 1)$$),
	($$SELECT jadugar.fetch_events('', '')$$), ($$SELECT jadugar.fetch_events('x', 'a', 0)$$), ($$SELECT jadugar.fetch_events('x', 'a', lease => '-1 s')$$),
	($$SELECT jadugar.ack('x')$$), ($$SELECT jadugar.nack('1.0.1.00', 1)$$), ($$SELECT jadugar.extend_lease('1.0.1.0000000000000000', '13 hours')$$), ($$SELECT jadugar.release_lease('')$$),
	($$CALL jadugar.wait_events('x', '-1 s')$$), ($$CALL jadugar.wait_events('')$$),
	($$SELECT jadugar.wait_delivered(0)$$), ($$SELECT jadugar.wait_delivered(-9223372036854775808, '{NULL}')$$), ($$SELECT jadugar.wait_delivered(1, timeout => '-1 s')$$),
	($$SELECT jadugar.get_event(0)$$), ($$SELECT jadugar.get_event(-9223372036854775808)$$), ($$SELECT jadugar.get_event(9223372036854775807)$$), ($$SELECT jadugar.read_events('{NULL}')$$), ($$SELECT jadugar.read_events('{""}')$$), ($$SELECT jadugar.read_events(array_fill('*'::text, '{20000}'))$$), ($$SELECT jadugar.read_events(topics => '{NULL}')$$), ($$SELECT jadugar.read_events(topics => '{""}')$$), ($$SELECT jadugar.read_events(max_rows => -2147483648)$$), ($$SELECT jadugar.read_events(after_id => 9223372036854775807, newest_first => true, versions => '7')$$),
	-- queues and limits
	($$SELECT jadugar.create_queue('')$$), ($$SELECT jadugar.create_queue('test_bad_queue')$$), ($$SELECT jadugar.create_queue('q', max_concurrency => 0)$$), ($$SELECT jadugar.create_queue('q', max_depth => -1)$$), ($$SELECT jadugar.create_queue('q', on_full => 'weep')$$), ($$SELECT jadugar.create_queue('q', history => 'some')$$), ($$SELECT jadugar.create_queue('q', retention => '-1 s')$$),
	($$SELECT jadugar.alter_queue('none')$$), ($$SELECT jadugar.alter_queue('test_bad_queue', max_depth => 5)$$), ($$SELECT jadugar.drop_queue('none')$$), ($$SELECT jadugar.drop_queue('default')$$), ($$SELECT jadugar.drop_queue('test_bad_queue')$$), ($$SELECT jadugar.pause_queue('none')$$), ($$SELECT jadugar.pause_queue('test_bad_queue')$$), ($$SELECT jadugar.resume_queue('none')$$),
	($$SELECT jadugar.grant_queue('none', 'test_bad_other', 'enqueue')$$), ($$SELECT jadugar.grant_queue('test_bad_queue', 'nobody here', 'enqueue')$$), ($$SELECT jadugar.revoke_queue('none', 'test_bad_other', 'enqueue')$$), ($$SELECT jadugar.set_limit('planet', 'x', 1)$$), ($$SELECT jadugar.set_limit('key', '', 1)$$), ($$SELECT jadugar.set_limit('key', 'x', 0)$$), ($$SELECT jadugar.set_limit('queue', 'none', 1)$$),
	-- actors
	($$SELECT jadugar.register_actor('', 'f')$$), ($$SELECT jadugar.register_actor('a/b', 'f')$$), ($$SELECT jadugar.register_actor('a', '')$$), ($$SELECT jadugar.register_actor('a', 'pg_catalog.now()')$$), ($$SELECT jadugar.register_actor('a', 'f(((')$$), ($$SELECT jadugar.register_actor('a', repeat('f', 100000))$$),
	($$SELECT jadugar.register_actor('a', 'f', retry => '[]')$$), ($$SELECT jadugar.register_actor('a', 'f', idle_ttl => '178000000 years')$$), ($$SELECT jadugar.register_actor('a', 'f', on_failure => '')$$), ($$SELECT jadugar.drop_actor('')$$), ($$SELECT jadugar.drop_actor('none')$$),
	($$SELECT jadugar.send('none', 'k', '{}')$$), ($$SELECT jadugar.send('', 'k', '{}')$$), ($$SELECT jadugar.send('a', repeat('k', 513), '{}')$$), ($$SELECT jadugar.actor_state('none', 'k')$$), ($$SELECT jadugar.actor_state('none', '')$$), ($$SELECT jadugar.reset_actor('none', 'k')$$),
	($$SELECT jadugar._actor_load('{}')$$), ($$SELECT jadugar._actor_load('7')$$), ($$SELECT jadugar._actor_store('{}', NULL)$$),
	-- cache
	($$SELECT jadugar.cache_get('')$$), ($$SELECT jadugar.cache_get(repeat('k', 100000))$$), ($$SELECT jadugar.cache_set('k', '1', '-1 s')$$), ($$SELECT jadugar.cache_set('k', '1', '178000000 years')$$), ($$SELECT jadugar.cache_set(repeat('k', 513), '1')$$),
	($$SELECT jadugar.cache_delete('')$$), ($$SELECT jadugar.cache_delete(repeat('k', 513), true)$$), ($$SELECT jadugar.cached('k', '')$$), ($$SELECT jadugar.cached('k', 'selekt')$$), ($$SELECT jadugar.cached('k', 'VACUUM')$$), ($$SELECT jadugar.cached('k', 'SELECT $2')$$),
	($$SELECT jadugar.cached('k', 'SELECT 1', ttl => '0')$$), ($$SELECT jadugar.cached('k', 'SELECT 1', stale_for => '178000000 years')$$), ($$SELECT jadugar._cache_refresh('[]')$$), ($$SELECT jadugar._cache_refresh('{"key": "k", "command": "SELECT 1", "payload": {}, "ttl_us": "-1"}')$$),
	($$SELECT jadugar._cache_refresh('{"key": "k", "command": "SELECT 1", "payload": {}, "ttl_us": "99999999999999999999"}')$$),
	-- clocks
	($$SELECT jadugar.clock_tick('[]', 'a')$$), ($$SELECT jadugar.clock_tick('{"a": 1}', '')$$), ($$SELECT jadugar.clock_tick('{"a": 9223372036854775807}', 'a')$$),
	($$SELECT jadugar.clock_merge('{}', '{"a": -1}')$$), ($$SELECT jadugar.clock_compare('{"a": 0.5}', '{}')$$), ($$SELECT jadugar.clock_compare('{"a": "1"}', 'null')$$),
	-- tenants
	($$SELECT jadugar.create_tenant('')$$), ($$SELECT jadugar.create_tenant(repeat('t', 129))$$), ($$SELECT jadugar.create_tenant(E'a\nb')$$), ($$SELECT jadugar.create_tenant('t', 0)$$), ($$SELECT jadugar.create_tenant('t', -2147483648)$$), ($$SELECT jadugar.create_tenant('t', 2147483647)$$), ($$SELECT jadugar.create_tenant('t', max_concurrency => 0)$$), ($$SELECT jadugar.create_tenant('t', max_tasks => -9223372036854775808)$$), ($$SELECT jadugar.create_tenant('t', max_history => 0)$$), ($$SELECT jadugar.create_tenant('t', rate => 0)$$), ($$SELECT jadugar.create_tenant('t', rate => 2147483647)$$), ($$SELECT jadugar.create_tenant('t', rate => 1, per => '0')$$), ($$SELECT jadugar.create_tenant('t', rate => 1, per => '-1 s')$$), ($$SELECT jadugar.create_tenant('t', rate => 1, per => '367 days')$$), ($$SELECT jadugar.create_tenant('t', rate => 1, per => '178000000 years')$$), ($$SELECT jadugar.create_tenant('t', rate => 1, burst => 0)$$), ($$SELECT jadugar.create_tenant('t', rate => 1, per => '1 day', burst => 2147483647)$$), ($$SELECT jadugar.create_tenant('t', burst => 1)$$), ($$SELECT jadugar.create_tenant('t', per => '1 s')$$), ($$SELECT jadugar.create_tenant('t', enqueue_rate => 0)$$), ($$SELECT jadugar.create_tenant('t', enqueue_rate => 2147483647)$$), ($$SELECT jadugar.create_tenant('t', enqueue_rate => 1, enqueue_per => '367 days')$$), ($$SELECT jadugar.create_tenant('t', enqueue_burst => 1)$$), ($$SELECT jadugar.create_tenant('t', history => 'some')$$), ($$SELECT jadugar.create_tenant('t', retention => '0')$$), ($$SELECT jadugar.create_tenant('t', metadata => '[]')$$), ($$SELECT jadugar.create_tenant('t', description => repeat('x', 70000))$$), ($$SELECT jadugar.create_tenant('t')$$),
	($$SELECT jadugar.grant_tenant('', 'test_bad_other')$$), ($$SELECT jadugar.grant_tenant('none', 'test_bad_other')$$), ($$SELECT jadugar.grant_tenant(repeat('t', 129), 'test_bad_other')$$), ($$SELECT jadugar.grant_tenant('none', 'nobody here')$$), ($$SELECT jadugar.grant_tenant('none', 'public')$$), ($$SELECT jadugar.grant_tenant('none', 'test_bad_other', 'all')$$), ($$SELECT jadugar.revoke_tenant('none', 'test_bad_other')$$), ($$SELECT jadugar.revoke_tenant('', 'nobody here')$$),
	($$SELECT jadugar.alter_tenant('none')$$), ($$SELECT jadugar.alter_tenant('')$$), ($$SELECT jadugar.alter_tenant('none', weight => 0)$$), ($$SELECT jadugar.alter_tenant('none', reset => '{name}')$$), ($$SELECT jadugar.alter_tenant('none', 1, reset => '{weight}')$$),
	($$CALL jadugar.drop_tenant('none')$$), ($$SELECT jadugar.export_tenant('')$$), ($$SELECT jadugar.export_tenant('none', '{planet}')$$), ($$SELECT jadugar.export_tenant('none', '{NULL}')$$), ($$SELECT jadugar.import_tenant('{NULL}')$$), ($$SELECT jadugar.import_tenant(array_fill('{}'::jsonb, '{2,2}', '{2147483000,-5}'))$$), ($$SELECT jadugar.import_tenant('{}', repeat('t', 129))$$), ($$SELECT jadugar.pause_tenant('none')$$), ($$SELECT jadugar.pause_tenant('')$$), ($$SELECT jadugar.pause_tenant(repeat('t', 1000000))$$), ($$SELECT jadugar.pause_tenant('none', repeat('r', 2000))$$), ($$SELECT jadugar.resume_tenant('none')$$), ($$SELECT jadugar.resume_tenant(E'\n')$$),
	-- texts that are kept have a limit
	($$SELECT jadugar.enqueue('SELECT 1', metadata => jsonb_build_object('x', repeat('x', 70000)))$$), ($$SELECT jadugar.enqueue('SELECT 1', metadata => to_jsonb(repeat('x', 70000)))$$), ($$SELECT jadugar.update_task(0, metadata => jsonb_build_object('x', repeat('x', 70000)))$$), ($$SELECT jadugar.start_flow(jadugar.sleep('1 s'), metadata => jsonb_build_object('x', repeat('x', 70000)))$$),
	($$SELECT jadugar.schedule('s', '@daily', 'SELECT 1', description => repeat('x', 70000))$$), ($$SELECT jadugar.alter_schedule('test_bad_schedule', description => repeat('x', 70000))$$), ($$SELECT jadugar.create_queue('q', description => repeat('x', 70000))$$), ($$SELECT jadugar.register_sql_handler('h', 'SELECT 1', description => repeat('x', 70000))$$), ($$SELECT jadugar.create_flow('f', jadugar.sleep('1 s'), repeat('x', 70000))$$),
	-- access
	($$SELECT jadugar.grant_access('nobody here')$$), ($$SELECT jadugar.grant_access('test_bad', 'king')$$), ($$SELECT jadugar.grant_access('test_bad', 'operator')$$), ($$SELECT jadugar.revoke_access('nobody here')$$), ($$SELECT jadugar.revoke_access('test_bad_other')$$), ($$SELECT jadugar.grant_access('public')$$),
	($$SELECT jadugar.reassign_owned('test_bad', 'nobody here')$$), ($$SELECT jadugar.reassign_owned('test_bad', 'test_bad_other')$$), ($$SELECT jadugar.reassign_owned('test_bad', 'test_bad', '{tables}')$$), ($$SELECT jadugar.reassign_owned('4294967296', 'test_bad')$$), ($$SELECT jadugar.drop_owned('')$$), ($$SELECT jadugar.drop_owned('test_bad_other')$$), ($$SELECT jadugar.drop_owned('test_bad', '{NULL}')$$);

SET SESSION AUTHORIZATION test_bad;
SELECT proname, test.refusal_of(format('%s jadugar.%I(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, proname, nulls))
FROM test_functions WHERE proname IN ('cancel_tasks', 'retry_tasks', 'purge_completed', 'clear_schedules', 'pause_all', 'adopt')
ORDER BY signature COLLATE "C";
SELECT s, test.refusal_of(s) FROM test_statements ORDER BY n;
RESET SESSION AUTHORIZATION;
-- for an operator, too, every error is of class JD
SELECT s, o FROM (SELECT n, s, test.refusal_of(s) AS o FROM test_statements) x WHERE o LIKE 'NOT JD%' ORDER BY n;
SELECT jadugar.restart_workers();
-- every function is called
SELECT signature FROM test_functions f WHERE NOT EXISTS (SELECT FROM test_statements WHERE s LIKE '%jadugar.' || f.proname || '(%');
-- no statement has left anything
SELECT count(*) FROM jadugar.tasks WHERE owner LIKE 'test_bad%';
SELECT count(*) FROM jadugar.schedules WHERE owner LIKE 'test_bad%';
SELECT jadugar.enqueue('SELECT length($1::text) AS length', jsonb_build_object('x', repeat('x', 1000000)), owner => 'test_bad') AS id \gset
SELECT status, result FROM jadugar.wait(:id, '20 s');
SELECT jadugar.unschedule('test_bad_schedule', owner => 'test_bad');
SELECT jadugar.cancel(:mine), jadugar.cancel(:other);
SELECT jadugar.drop_queue('test_bad_queue');
DROP TABLE test_statements;
DROP VIEW test_functions;
CALL test.drop_roles('test_bad', 'test_bad_other');
