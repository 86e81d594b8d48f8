# CALL request(): what it returns and raises, where it may be called, and what ends its wait.
# test_endpoint(), and the view endpoints.
use strict;
use warnings;

use HttpServer;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = HttpServer->new(PostgreSQL::Test::Utils::tempdir_short());
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8');
create_extension($node);
$node->safe_psql('postgres', qq{
	CREATE SERVER local FOREIGN DATA WRAPPER jadugar_http
		OPTIONS (base_url 'http://127.0.0.1:$server->{port}', allow_addresses '127.0.0.0/8', breaker 'off');
	CREATE ROLE app LOGIN;
	CREATE ROLE other LOGIN;
	SELECT jadugar.grant_access('app'), jadugar.grant_access('other');
	GRANT USAGE ON FOREIGN SERVER local TO app;
	SET ROLE app;
	SELECT jadugar.create_queue('quiet', history => 'failures')});

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# What a call of request() returns, as the role app, after some other statements.
sub call
{
	my ($args, $before) = @_;

	$before //= '';
	return sql("SET ROLE app; $before CALL jadugar.request('local', $args)");
}

# The error of such a call: SQLSTATE, message, detail, hint.
sub error
{
	my ($args, $before) = @_;

	$before //= '';
	return psql_error($node, "\\set VERBOSITY verbose\nSET ROLE app; $before CALL jadugar.request('local', $args)") =~
	  s/^LOCATION:.*\n?//mgr;
}

# The column of the last attempt of the newest task.
sub last_attempt
{
	my ($what) = @_;

	return sql("SELECT $what FROM jadugar.history ORDER BY task_id DESC, attempt DESC LIMIT 1");
}

# --- results ------------------------------------------------------------------------

my $result = call(q{'/ok'});
like($result, qr/"body": \{"ok": true\}/, 'a call returns the response');
is($result, last_attempt('result'), 'which is the result of its task');
is(last_attempt('owner'), 'app', 'the task belongs to the caller');
$result = call(q{'/echo', body => '{"n": 1}', query => '{"q": "x y"}', headers => '{"X-Test": "1"}', idempotency_key => 'k1', trace => 'a trace', metadata => '{"m": 1}'});
like($result, qr/"method": "POST"/, 'with a body it is a POST');
like($result, qr{"path": "/echo\?q=x%20y"}, 'it has the query');
like($result, qr/"x-test": "1"/, 'and the headers');
like($result, qr/"idempotency-key": "k1"/, 'and the key');
is(last_attempt(q{trace || (metadata ->> 'm')}), 'a trace1', 'the task has the options of tasks');
like(call(q{'/echo', 'PUT', body_text => 'text'}), qr/"body": "text".*"method": "PUT"/, 'a body can be text');
like(call(q{'/status/404', expect => '{404}'}), qr/"status": 404/, 'a status that is expected is a result');
like(call(q{'/ok', response => 'none'}), qr/"encoding": "none"/, 'the body need not be kept');
like(call(q{'/fail/1', query => '{"id": "x"}', retries => 3}), qr/"status": 200/, 'attempts are repeated');
is(last_attempt('attempt'), '2', 'as often as needed');

# --- errors -------------------------------------------------------------------------

my $error = error(q{'/status/404'});
like($error, qr/^psql:.*ERROR:  JD024: endpoint "local" answered with status 404$/m, 'what fails the task is raised');
like($error, qr{^DETAIL:  The request was GET 127.0.0.1:\d+/status/404.$}m, 'with its detail');
like($error, qr/^CONTEXT:  task \d+/m, 'and the task');
like(error(q{'/location'}), qr/^HINT:  Set the option redirects/m, 'and its hint');
like(error(q{'/close', retries => 2}), qr/ERROR:  JD023: the connection to endpoint "local" ended/, 'that of the last attempt');
is(last_attempt('attempt'), '2', 'if none has succeeded');
like(error(q{'x'}), qr/ERROR:  JD001: /, 'a payload that is not valid is refused');
like(error(q{'/ok', timeout => '0'}), qr/ERROR:  JD001: timeout must be/, 'so is a timeout of zero');
like(psql_error($node, q{SET ROLE other; CALL jadugar.request('local', '/ok')}), qr/permission denied for endpoint "local"/, 'and a role without USAGE');
my $before = () = $server->requests;
like(error(q{'/ok', queue => 'quiet'}), qr/ERROR:  JD005: queue "quiet" does not keep/, 'and a queue that keeps no results');
is(sql('SELECT count(*) FROM jadugar.tasks'), '0', 'which leaves no task');
is(scalar(() = $server->requests), $before, 'and sends nothing');

# --- where it may be called -----------------------------------------------------------

like(error(q{'/ok'}, 'BEGIN;'), qr/JD005: jadugar.request\(\) cannot run inside a transaction block/, 'not in a transaction block');
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.in_function() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		r jsonb;
	BEGIN
		CALL jadugar.request('local', '/ok', result => r);
	END $$;
	CREATE PROCEDURE public.caught() LANGUAGE plpgsql AS $$
	DECLARE
		r jsonb;
	BEGIN
		CALL jadugar.request('local', '/ok', result => r);
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'caught';
	END $$;
	CREATE TABLE public.got (n integer, status text);
	CREATE PROCEDURE public.several() LANGUAGE plpgsql AS $$
	DECLARE
		r jsonb;
	BEGIN
		FOR i IN 1 .. 3 LOOP
			CALL jadugar.request('local', '/after/0.05', result => r);
			INSERT INTO public.got VALUES (i, r ->> 'status');
		END LOOP;
	END $$});
like(psql_error($node, 'SELECT public.in_function()'), qr/cannot run inside a transaction block/, 'not in a function');
like(psql_error($node, 'CALL public.caught()'), qr/cannot run inside a transaction block/, 'not in a block that catches errors');
sql('CALL public.several()');
is(sql(q{SELECT string_agg(n || ':' || status, ' ' ORDER BY n) FROM public.got}), '1:200 2:200 3:200', 'a procedure may call it several times');
my $task = sql(q{SELECT jadugar.enqueue($$CALL jadugar.request('local', '/ok')$$, transaction => 'standalone', retry => jadugar.retry_policy(1))});
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $task", '0');
is(sql("SELECT error ->> 'message' FROM jadugar.history WHERE task_id = $task"), 'jadugar.request() cannot wait inside a task or a handler', 'not in a task');

# --- settings of the session ----------------------------------------------------------

like(call(q{'/after/0.1'}, "SET default_transaction_isolation = '$_';"), qr/"status": 200/, "under isolation level $_") foreach 'serializable', 'repeatable read';
like(call(q{'/after/0.1'}, "SET lock_timeout = '10 ms';"), qr/"status": 200/, 'lock_timeout is not for the wait');
like(call(q{'/ok'}, "SET search_path = ''; SET timezone = 'Asia/Tokyo'; SET intervalstyle = 'sql_standard';"), qr/"status": 200/, 'other settings do not matter');
like(error(q{'/ok'}, 'SET default_transaction_read_only = on;'), qr/ERROR:  25006: cannot execute jadugar.request\(\) in a read-only transaction/, 'a session that is read-only cannot call it');

# --- what ends the wait ----------------------------------------------------------------

$error = error(q{'/hang', timeout => '300 ms'});
like($error, qr/ERROR:  JD009: the request did not end in time/, 'the timeout ends it');
like($error, qr/^DETAIL:  Its first attempt was under way.$/m, 'which says what the task did');
my ($id) = $error =~ /^CONTEXT:  task (\d+)/m;
ok(poll($node, "SELECT status FROM jadugar.history WHERE task_id = $id", 'cancelled'), 'and cancels the task');
sql(q{SELECT jadugar.pause_queue('default')});
like(error(q{'/ok', timeout => '100 ms'}), qr/JD009.*^DETAIL:  It waited for queue_paused.$/ms, 'also one that has not begun');
is(last_attempt('status'), 'cancelled', 'which is cancelled');
sql(q{SELECT jadugar.resume_queue('default')});
like(error(q{'/status/503', retries => 20, timeout => '500 ms'}), qr/JD009.*^DETAIL:  After \d+ attempts?. The last: endpoint "local" answered with status 503.$/ms,
	'with the error of the last attempt');

# a response that has arrived, and cannot be settled before the wait is over
my $caller = $node->background_psql('postgres', on_error_stop => 0);
$caller->query_until(qr/started/, "SET ROLE app;\n\\echo started\nCALL jadugar.request('local', '/after/0.5', timeout => '800 ms');\n\\echo ended\n");
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE status = 'running'}, 1), 'a request is under way');
my $locker = $node->background_psql('postgres');
$locker->query('BEGIN; SELECT FROM jadugar_internal.task FOR UPDATE');
ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL' AND backend_type = 'client backend' AND query_start < clock_timestamp() - interval '1.2 s'}, 1),
	'the time of the call is over');
$locker->quit;
like($caller->query_until(qr/ended/, ''), qr/"ok": true/, 'a response that has arrived is returned');
$caller->quit;

like(error(q{'/after/0.7'}, q{SET statement_timeout = '300 ms';}), qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout ends it');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0'), 'and the task goes on');
is(last_attempt('status'), 'completed', 'to its end');

# Calls request() in a session of its own, and waits until that sleeps.
sub start_call
{
	my ($path) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/started/, "SET ROLE app;\n\\echo started\nCALL jadugar.request('local', '$path', timeout => NULL);\n\\echo ended\n");
	ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL' AND backend_type = 'client backend' AND wait_event_type = 'Extension' AND backend_xmin IS NULL
		AND EXISTS (SELECT FROM jadugar.tasks WHERE status = 'running')}, '1'), 'a session waits without a snapshot');
	return $session;
}

my $session = start_call('/hang');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL'});
$session->query_until(qr/ended/, '');
like($session->{stderr}, qr/canceling statement due to user request/, 'a session can be cancelled');
is(sql('SELECT status FROM jadugar.tasks'), 'running', 'and the task goes on');
sql('SELECT jadugar.cancel_tasks()');
poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0');
$session->quit;

$session = start_call('/hang');
sql('SELECT jadugar.cancel_tasks()');
$session->query_until(qr/ended/, '');
like($session->{stderr}, qr/task \d+ was cancelled/, 'a task that is cancelled is an error');
$session->quit;
is(sql(q{SELECT count(*) FROM pg_locks WHERE NOT granted}), '0', 'nobody waits for a lock');

# --- test_endpoint() --------------------------------------------------------------------

# Tests the endpoint, and returns the end of the task.
sub tested
{
	my ($args) = @_;
	my $test = sql("SELECT jadugar.test_endpoint('local'$args)");

	poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $test", '0');
	return sql(qq{SELECT string_agg(concat_ws(' ', status, result ->> 'status', result ->> 'encoding', error ->> 'code', error ->> 'kind'), '; ' ORDER BY attempt)
		FROM jadugar.history WHERE task_id = $test});
}

is(tested(''), 'completed 404 none', 'a test completes if the service answers');
is(tested(q{, '/ok'}), 'completed 200 none', 'a test of a path');
is(tested(q{, '/status/503'}), 'failed HTTP_STATUS status', 'it fails with a status from 500 on, after one attempt');
is(tested(q{, '/close'}), 'failed SERVICE_UNAVAILABLE reset', 'or without an answer');
sql(q{ALTER SERVER local OPTIONS (ADD health_path '/status/201')});
is(tested(''), 'completed 201 none', 'the option health_path has the path');
is(tested(q{, '/ok'}), 'completed 200 none', 'if none is given');
like(psql_error($node, q{SET ROLE app; SELECT jadugar.test_endpoint('local')}), qr/permission denied for endpoint "local"\nDETAIL:  It belongs to/, 'only the owner may test it');
sql(q{SELECT jadugar.grant_access('other', 'operator')});
like(psql_error($node, q{SET ROLE other; SELECT jadugar.test_endpoint('local')}), qr/permission denied for endpoint "local"\nDETAIL:  Role "other" does not have USAGE/, 'and operators with USAGE');
sql(q{GRANT USAGE ON FOREIGN SERVER local TO other});
like(sql(q{SET ROLE other; SELECT jadugar.test_endpoint('local')}), qr/^\d+$/, 'which can be granted');
like(psql_error($node, q{CREATE SERVER anywhere FOREIGN DATA WRAPPER jadugar_http OPTIONS (any_host 'on'); SELECT jadugar.test_endpoint('anywhere')}),
	qr/endpoint "anywhere" has no base_url/, 'an endpoint without a base_url cannot be tested');
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');

# --- the view endpoints -------------------------------------------------------------------

my $state = q{SELECT concat_ws(' ', status, breaker, forced, reason, calls, failure_pct, slow_pct, in_flight, waiting, tokens) FROM jadugar.endpoints WHERE endpoint = 'local'};

is(sql($state), 'ok 0 f', 'an endpoint without a breaker');
sql(q{ALTER SERVER local OPTIONS (SET breaker 'on', ADD breaker_consecutive '3', ADD breaker_open_for '1 s', ADD breaker_half_open '1', ADD breaker_ramp '0', ADD max_concurrency '1')});
is(sql($state), 'ok closed 0 0 0 0 f', 'one with a breaker');
sql(q{SELECT jadugar.call_service('local', '/hang') FROM generate_series(1, 2)});
ok(poll($node, $state, 'ok closed 0 0 0 1 t'), 'a request is under way, and another one waits');
sql('SELECT jadugar.cancel_tasks()');
ok(poll($node, $state, 'ok closed 0 0 0 0 f'), 'none is');
tested(q{, '/status/500'}) foreach 1 .. 3;
my $opened = sql(q{SELECT concat_ws(' ', status, breaker, since <= clock_timestamp(), until > since, next_at >= until) FROM jadugar.endpoints WHERE endpoint = 'local'});
is($opened, 'open open t t t', 'a breaker opens');
ok(poll($node, $state, 'degraded half_open 0 0 0 0 f'), 'and is half-open');
is(tested(q{, '/ok'}), 'completed 200 none', 'a test is the request that it lets through');
like(sql($state), qr/^ok closed /, 'and closes it');
sql(q{SELECT jadugar.force_breaker('local', 'open', 'maintenance', until => '9999-01-01 00:00+00')});
is(tested(''), 'failed CIRCUIT_OPEN circuit_open', 'a test does not wait for a breaker');
like(sql($state), qr/^open forced_open open maintenance /, 'one that is forced open');
is(sql(q{SELECT until = '9999-01-01 00:00+00' FROM jadugar.endpoints WHERE endpoint = 'local'}), 't', 'until some time');
sql(q{SELECT jadugar.force_breaker('local', 'disabled')});
like(sql($state), qr/^ok disabled disabled /, 'or disabled');
sql(q{SELECT jadugar.force_breaker('local', 'closed')});
like(sql($state), qr/^ok closed /, 'or closed');
my $last = q{SELECT last_success_at > '%s', last_error_at > '%s', last_error FROM jadugar.endpoints WHERE endpoint = 'local'};
my $now = sql('SELECT clock_timestamp()');
sql(q{SELECT jadugar.call_service('local', '/status/404')});
poll($node, 'SELECT count(*) FROM jadugar.tasks', 0);
is(sql($last =~ s/%s/$now/gr), 'f|t|endpoint "local" answered with status 404', 'the view shows the last failure');
sql(q{SELECT jadugar.call_service('local', '/ok')});
poll($node, 'SELECT count(*) FROM jadugar.tasks', 0);
is(sql($last =~ s/%s/$now/gr), 't|t|endpoint "local" answered with status 404', 'and the last success');
$id = sql(q{SELECT jadugar.call_service('local', '/retry/503', query => '{"in": "600"}')});
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'scheduled'), 'a service asks for a wait');
like(sql($state), qr/^held closed Retry-After /, 'the endpoint is held');
is(sql(q{SELECT until > clock_timestamp() + '500 s' FROM jadugar.endpoints WHERE endpoint = 'local'}), 't', 'until then');
is(sql(q{SELECT concat_ws(' ', status, breaker, in_flight, waiting) FROM jadugar.endpoints WHERE endpoint = 'anywhere'}), 'ok 0 f', 'an endpoint with any_host has a breaker for each host');
sql(q{SELECT jadugar.grant_access('other'), jadugar.create_tenant('acme'), jadugar.grant_tenant('acme', 'other')});
is(sql("SET ROLE other; $state"), '', 'a confined role does not see how requests go');

$node->stop;
$server->stop;
done_testing();
