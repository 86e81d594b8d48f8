# HTTP tasks: what each answer does to a task, cancels and deadlines, and the end of the
# process or of the server while requests are under way.
use strict;
use warnings;

use HttpServer;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = HttpServer->new(PostgreSQL::Test::Utils::tempdir_short());
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8', max_prepared_transactions => 1);
create_extension($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

# Enqueues a request and returns the id of its task.
sub request
{
	my ($path, $options, $payload) = @_;

	$payload //= '{}';
	return sql(qq{SELECT enqueue('http', '{"endpoint": "local", "path": "$path"}'::jsonb || '$payload',
		retry => retry_policy(2, 'fixed', '10 ms') $options)});
}

# Waits for the end of a task, and returns what the query says of its attempts.
sub ends
{
	my ($id, $what) = @_;

	poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0');
	return sql("SELECT string_agg($what, ' ' ORDER BY attempt_id) FROM history WHERE task_id = $id");
}

$node->safe_psql('postgres', qq{
	CREATE SERVER local FOREIGN DATA WRAPPER jadugar_http
		OPTIONS (base_url 'http://127.0.0.1:$server->{port}', allow_addresses '127.0.0.0/8', breaker 'off')});

# --- answers ------------------------------------------------------------------------

my $code = q{status || ':' || coalesce(error ->> 'code', result ->> 'status')};
is(ends(request('/ok', ''), $code), 'completed:200', 'an answer completes the task');
is(sql(q{SELECT result -> 'body' FROM history}), '{"ok": true}', 'which has its body');
is(ends(request('/status/404', ''), $code), 'failed:HTTP_STATUS', '404 is final');
is(ends(request('/status/503', ''), $code), 'failed:HTTP_STATUS failed:HTTP_STATUS', '503 is tried again');
is(ends(request('/close', ''), $code), 'failed:SERVICE_UNAVAILABLE failed:SERVICE_UNAVAILABLE', 'so is a connection that ends');
is(ends(request('/reset', ''), q{error ->> 'kind'}), 'reset reset', 'or is reset');
is(ends(request('/garbage', ''), q{error ->> 'kind'}), 'protocol protocol', 'and what is no HTTP');
is(ends(request('/hang', q{, timeout => '100 ms'}), $code), 'failed:TASK_TIMEOUT failed:TASK_TIMEOUT', 'no answer is a timeout');
is(ends(request('/drip', q{, timeout => '300 ms'}), $code), 'failed:TASK_TIMEOUT failed:TASK_TIMEOUT', 'so is one without end');
is(ends(request('/hang', q{, timeout => '100 ms'}), q{(error ->> 'hint' ~ 'timeout of the task')::text}), 'true true', 'the hint names the timeout that was too short');
is(ends(request('/location', ''), $code), 'failed:HTTP_STATUS', 'redirects are not followed');
is(ends(request('/location', ''), q{(error ->> 'hint' ~ 'option redirects')::text}), 'true', 'the hint names the option');
is(ends(request('/size/3000000', ''), q{status || ':' || (result ->> 'truncated')}), 'completed:true', 'what is too large is cut, and the task completes');
my $id = request('/fail/1', '', '{"query": {"id": "x"}}');
is(ends($id, $code), 'failed:HTTP_STATUS completed:200', 'a service that has recovered completes it');
my %keys = map { $_->{key} => 1 } grep { $_->{path} =~ m{^/fail} } $server->requests;
is(scalar keys %keys, 1, 'both attempts have the same idempotency key');

# libcurl sends again by itself if a connection that was used before dies
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $_", '0') foreach map { request('/after/0.1', '') } 1 .. 5;
$id = sql(q{SELECT call_service('local', '/close', 'POST', body => '{}', query => '{"once": "1"}', retries => 1)});
is(ends($id, q{(error ->> 'code') || ' ' || (error ->> 'sent')}), 'SERVICE_UNAVAILABLE true', 'a connection ends that was used before');
is(scalar(grep { $_->{path} =~ /once/ } $server->requests), 1, 'the attempt has sent its request once');

# bytes that nobody asked for are not the answer to the next request
is(ends(request('/unasked', ''), q{result ->> 'body'}), '{}', 'an answer with more behind it');
is(ends(request('/ok', ''), q{result ->> 'body'}), '{"ok": true}', 'does not answer the next request');

# --- cancel and pause ----------------------------------------------------------------

$id = request('/hang', '');
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'running'), 'a request is under way');
is(sql("SELECT cancel($id)"), 't', 'it can be cancelled');
is(ends($id, 'status'), 'cancelled', 'and is');

# --- concurrency keys -----------------------------------------------------------------

# one of them runs in a worker
my $together = q{SELECT count(*) FROM history a JOIN history b ON b.task_id > a.task_id AND b.started_at < a.finished_at
	AND b.finished_at > a.started_at WHERE a.task_id >= %s AND b.task_id >= %1$s};
$id = sql(qq{BEGIN; SELECT CASE n WHEN 2 THEN enqueue('SELECT 1', concurrency_key => 'one')
		ELSE enqueue('http', '{"endpoint": "local", "path": "/after/0.1"}', concurrency_key => 'one') END
	FROM generate_series(1, 4) n; COMMIT});
$id = (split /\n/, $id)[0];
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'requests with one concurrency_key end');
is(sql(sprintf $together, $id), 0, 'never two at once');
is(sql("SELECT string_agg(DISTINCT status, ' ') FROM history WHERE task_id >= $id"), 'completed', 'each where it belongs');

$id = request('/hang', q{, concurrency_key => 'one', timeout => '500 ms'});
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'running'), 'a request with a key is under way');
sql("SELECT pause_task($id)");
my $next = request('/ok', q{, concurrency_key => 'one'});
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'paused'), 'a pause stops its next attempt');
is(ends($next, 'status'), 'completed', 'and leaves its place to the next');
sql("SELECT resume_task($id)");
is(ends($id, 'status'), 'failed failed', 'until it is resumed');

# --- changes of tasks that wait ---------------------------------------------------------

$id = request('/status/404', q{, delay => '1 hour', unique_key => 'u'});
sql(qq{SELECT update_task($id, retry => retry_policy(1, fallback => 'SELECT 1'))});
is(sql("SELECT retry ->> 'fallback' FROM jadugar_internal.task WHERE task_id = $id"), 'SELECT 1', 'update_task() changes the fallback of a request');
sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok", "when_open": "fail"}', delay => '1 hour', unique_key => 'u', on_conflict => 'replace')});
is(sql("SELECT lane & x'20000000'::int <> 0 FROM jadugar_internal.task WHERE task_id = $id"), 't', 'another payload can say that it is not to wait for a breaker');
sql("SELECT cancel($id)");

sql(q{SELECT create_tenant('acme')});
sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok"}', delay => '1 s', tenant => 'acme')});
sql(q{SELECT schedule('ping', 'every 1 hour', 'http', '{"endpoint": "local", "path": "/ok"}', tenant => 'acme')});
sql(q{CREATE TABLE public.exported AS SELECT r FROM export_tenant('acme') r});
sql(q{SELECT unschedule('ping')});
is(sql(q{SELECT import_tenant(ARRAY(SELECT r FROM public.exported), 'other') > 0}), 't', 'tasks and schedules of a tenant can be imported');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE tenant = 'other' AND status = 'completed'}, 1), 'and run');
sql(q{SELECT unschedule('ping')});

# --- addresses ----------------------------------------------------------------------

$node->safe_psql('postgres', qq{
	CREATE SERVER closed FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://127.0.0.1:$server->{port}')});
my $before = () = $server->requests;
$id = sql(q{SELECT enqueue('http', '{"endpoint": "closed", "path": "/ok"}')});
is(ends($id, $code), 'failed:ADDRESS_REFUSED', 'an address that the endpoint does not name is refused');
is(scalar(() = $server->requests), $before, 'and nothing was sent');

# --- redirects ----------------------------------------------------------------------

$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (ADD redirects '2')});
is(ends(request('/location', ''), q{result ->> 'body'}), '{"ok": true}', 'a redirect to the same server is followed');
is(ends(request('/to', '', q{{"query": {"url": "/to?url=/location"}}}), q{error ->> 'status'}), '302', 'as often as the option says');
is(ends(request('/to', '', qq{{"query": {"url": "http://localhost:$server->{port}/ok"}}}), q{error ->> 'status'}), '302', 'one to another host is not');
is(ends(request('/to', '', q{{"query": {"url": "//169.254.169.254/ok"}}}), q{error ->> 'status'}), '302', 'nor without a scheme');
is(ends(request('/to', '', q{{"query": {"url": "/x/%2e%2e/ok"}}}), q{error ->> 'status'}), '302', 'nor one that is no valid path');
is(ends(request('/to', '', qq{{"query": {"url": "$_"}}}), q{result ->> 'body'}), '{"ok": true}', "a redirect to $_ is read as browsers do")
  foreach '/x/../ok', '../../ok', './x/./y/../../ok', '/ok?a=b c\u00e9';
is((grep { $_->{path} =~ m{^/ok} } $server->requests)[-1]{path}, '/ok?a=b%20c%C3%A9', 'and encoded as they do');
is(ends(request('/location', '', '{"expect": ["302"]}'), $code), 'completed:302', 'a redirect that is expected is not followed');
is(ends(request('/to', '', q{{"query": {"url": "ok"}, "method": "POST", "body": {"a": 1}}}), q{result ->> 'body'}), '{"ok": true}', 'a relative one is');
is((grep { $_->{path} eq '/ok' } $server->requests)[-1]{method}, 'GET', 'a POST goes on as a GET');
$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (DROP redirects)});

# --- options of endpoints -------------------------------------------------------------

$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (ADD low_speed '1000 B/s, 1 s')});
is(ends(request('/drip', ', timeout => NULL', '{"timeout": "20 s"}'), q{error ->> 'kind'}), 'timeout timeout', 'a slow answer ends by low_speed');
$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (DROP low_speed, ADD retry '{"max_attempts": 2, "backoff": "fixed", "delay": 0.01, "retry_on": ["HTTP_404"]}')});
$id = sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/status/404"}')});
is(ends($id, $code), 'failed:HTTP_STATUS failed:HTTP_STATUS', 'a task without a policy has that of the endpoint');
$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (DROP retry)});
is(ends(request('/size/200000', '', '{"response": "none"}'), q{status || ':' || (result ->> 'encoding')}), 'completed:none', 'a body that nobody wants is not kept');

# --- holds and breakers ---------------------------------------------------------------

$id = request('/retry/503', '', '{"query": {"in": "2"}}');
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'scheduled'), 'a service asks for a wait');
my $other = request('/ok', '');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $other"), 'endpoint_held', 'the whole endpoint waits');
is(ends($id, $code), 'failed:HTTP_STATUS failed:HTTP_STATUS', 'and the task is tried again');
is(sql(qq{SELECT bool_and(b.started_at - a.finished_at >= '1.9 s') FROM history a, history b
	WHERE a.task_id = $id AND a.attempt = 1 AND b.task_id IN ($id, $other) AND b.started_at > a.started_at}), 't', 'not before that');
sql(q{SELECT force_breaker('local', 'closed')});
ends($other, 'status');

$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (SET breaker 'on', ADD breaker_consecutive '3', ADD breaker_open_for '500 ms', ADD breaker_half_open '1')});
is(ends(request('/ok', '', '{"when_open": "fail"}'), 'status'), 'completed', 'a task that is not to wait is sent while it is closed');
my $opened = log_offset($node);
sql(q{SELECT subscribe('changes', '{endpoint.*}', 'SELECT 1', topics => '{jadugar}')});
my @ids = map { request('/status/500', '') } 1 .. 2;
ends($_, 'status') foreach @ids;
$other = request('/ok', '');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $other"), 'circuit_open', 'failures in a row open the breaker');
is(sql(q{SELECT state FROM breakers WHERE name = 'local'}), 'open', 'which the view shows');
is(ends($other, q{status || ':' || attempt}), 'completed:1', 'a task that has waited was charged nothing');
is(sql(q{SELECT state FROM breakers WHERE name = 'local'}), 'closed', 'its success closes the breaker');
like(sql(q{SELECT string_agg(type || ' ' || key || ' ' || (data ->> 'endpoint'), ', ' ORDER BY event_id) FROM read_events('{endpoint.*}', '{jadugar}')}),
	qr/^endpoint.opened local local,.* endpoint.closed local local$/, 'both are events');
like(slurp_file($node->logfile, $opened), qr/the circuit breaker of endpoint "local" has opened.*the circuit breaker of endpoint "local" has closed/s, 'and in the log');
sql(q{SELECT unsubscribe('changes')});
sql(q{SELECT force_breaker('local', 'open', reason => 'maintenance')});
$other = request('/ok', '');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $other"), 'circuit_open', 'a breaker can be forced open');
$id = request('/ok', '', '{"when_open": "fail"}');
is(ends($id, $code), 'failed:CIRCUIT_OPEN', 'a task that is not to wait for it fails');
sql(q{SELECT force_breaker('local', 'auto')});
is(ends($other, 'status'), 'completed', 'until that is undone');
sql(q{SELECT force_breaker('local', 'closed')});
@ids = map { request('/status/500', '') } 1 .. 2;
ends($_, 'status') foreach @ids;
is(ends(request('/after/1', ''), $code), 'completed:200', 'a service that takes longer than the breaker is open closes it, too');
is(sql(q{SELECT state FROM breakers WHERE name = 'local'}), 'closed', 'by that answer');
$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (DROP breaker_consecutive, DROP breaker_open_for, DROP breaker_half_open)});

# an endpoint with a health_path is asked before it gets a task
$node->safe_psql('postgres', qq{CREATE SERVER asked FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://127.0.0.1:$server->{port}',
	allow_addresses '127.0.0.0/8', breaker_consecutive '2', breaker_open_for '100 ms', breaker_half_open '1', health_path '/fail/2')});
sub asked { return sql(qq{SELECT enqueue('http', '{"endpoint": "asked", "path": "$_[0]"}', retry => retry_policy(2, 'fixed', '10 ms'))}); }
ends(asked('/status/500'), 'status');
$other = asked('/status/201');
is(ends($other, q{status || ':' || attempt}), 'completed:1', 'a task waits until its health_path answers');
my @seen = grep { $_->{path} =~ m{^/(?:fail/2$|status/(?:500|201))} } $server->requests;
is(join(' ', map { $_->{path} . ($_->{key} eq 'health' ? '' : '*') } @seen[ -4 .. -1 ]), '/fail/2 /fail/2 /fail/2 /status/201*', 'and is sent then, once');
$node->safe_psql('postgres', q{ALTER SERVER asked OPTIONS (SET health_path '/hang', ADD timeout '200 ms')});
sql(q{SELECT force_breaker('asked', 'closed')});
ends(asked('/status/500'), 'status');
$other = asked('/status/201');
ok(poll($node, q{SELECT trips > 2 FROM jadugar.breakers WHERE name = 'asked'}), 'no answer in time opens the breaker again');
is(sql("SELECT attempt || ' ' || (SELECT count(*) FROM history h WHERE h.task_id = t.task_id) FROM tasks t WHERE task_id = $other"), '0 0', 'which charges the task nothing');
is(sql("SELECT cancel($other)"), 't', 'it can be cancelled');
is(ends($other, q{status || ':' || (error IS NULL)}), 'cancelled:true', 'and has not been sent');

# a refused address is an error of the task
$node->safe_psql('postgres', q{ALTER SERVER asked OPTIONS (SET health_path '/ok', DROP allow_addresses)});
is(ends(asked('/status/201'), $code), 'failed:ADDRESS_REFUSED', 'a task whose address is refused fails, although it probes');

# --- call_service() and http_response() -------------------------------------------------

$id = sql(q{SELECT call_service('local', '/echo', body => '{"n": 1}', query => '{"q": "x y"}', headers => '{"X-Test": "1"}')});
is(ends($id, 'status'), 'completed', 'call_service() sends a request');
is(sql(qq{SELECT concat_ws(' ', status, body ->> 'method', body ->> 'path', body #>> '{headers,x-test}', body ->> 'body', truncated, duration > '0')
	FROM http_response($id)}), '200 POST /echo?q=x%20y 1 {"n": 1} f t', 'http_response() has the response');
$id = sql(q{SELECT call_service('local', '/status/503', retries => 2)});
is(ends($id, 'status'), 'failed failed', 'retries counts all attempts');
$id = sql(q{SELECT call_service('local', '/status/404', fallback => $$SELECT 'instead'$$)});
is(ends($id, 'status'), 'failed completed', 'a fallback runs instead of a service that fails');
$id = sql(q{SELECT call_service('local', '/hang', timeout => '2 s', retries => 1, concurrency_key => 'one', fallback => $$SELECT 'instead'$$)});
poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'running');
sql("SELECT pause_task($id)");
is(ends(sql(q{SELECT enqueue('SELECT 1', concurrency_key => 'one')}), 'status'), 'completed', 'a task of the same key waits for a request that is to be paused');
is(sql("SELECT status || ' by ' || paused_by FROM tasks WHERE task_id = $id"), 'paused by ' . sql('SELECT current_user'), 'which then waits for its fallback');
is(sql("SELECT string_agg(status, ' ') FROM history WHERE task_id = $id"), 'failed', 'having failed');
sql("SELECT resume_task($id)");
is(ends($id, 'status'), 'failed completed', 'until it is resumed');
$id = sql(q{SELECT call_service('local', '/fail/1', retries => 1, query => '{"id": "fallback"}', fallback => 'SELECT 1/0')});
is(ends($id, 'status'), 'failed failed', 'a fallback can fail too');
sql("SELECT retry_task($id)");
is(ends($id, q{status || ':' || command}), 'failed:http failed:SELECT 1/0 completed:http', 'then the request can be sent again');
$id = sql(q{SELECT call_service('local', '/status/404', fallback => $$SELECT jadugar.snooze('1 h')$$)});
poll($node, "SELECT status || attempt FROM jadugar.tasks WHERE task_id = $id", 'scheduled1');
$node->psql('postgres', qq{SELECT jadugar.update_task($id, payload => '{"endpoint": "nowhere"}')}, stderr => \my $refused);
like($refused, qr/endpoint "nowhere" does not exist/, 'in its fallback, a new payload is checked for the request');
sql(qq{SELECT update_task($id, payload => '{"endpoint": "local", "path": "/ok"}'), cancel($id)});
sql("SELECT retry_task($id)");
is(ends($id, 'status'), 'failed cancelled completed', 'which gets it');

# --- an endpoint that is gone -------------------------------------------------------

$node->safe_psql('postgres', 'ALTER SERVER local RENAME TO away');
$node->safe_psql('postgres', 'ALTER SERVER away RENAME TO local');
is(ends(request('/ok', ''), 'status'), 'completed', 'a server that has its name back is used');

# --- limits -------------------------------------------------------------------------

$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (ADD max_concurrency '3')});
sql(q{SELECT count(enqueue('http', '{"endpoint": "local", "path": "/after/0.2"}')) FROM generate_series(1, 12)});
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'requests of a bounded endpoint end');
is(sql(q{SELECT max(n) FROM (SELECT (SELECT count(*) FROM history b WHERE b.started_at <= a.started_at AND b.finished_at > a.started_at
	AND b.payload ->> 'path' = '/after/0.2') AS n FROM history a WHERE a.payload ->> 'path' = '/after/0.2') x}), 3, 'never more at once');
$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (DROP max_concurrency)});

# a pause of the queue holds them back
sql(q{SELECT pause_queue('default')});
$id = request('/ok', '');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $id"), 'queue_paused', 'a paused queue holds back requests');
sql(q{SELECT resume_queue('default')});
is(ends($id, 'status'), 'completed', 'until it is resumed');

# --- ends of processes --------------------------------------------------------------

sub pid_of_http
{
	return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'jadugar http'});
}

$id = request('/after/1', '');
my $hung = request('/hang', '');
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE status = 'running'", 2);
sql('SELECT pg_terminate_backend(' . pid_of_http() . ')');
is(ends($id, 'status'), 'completed', 'a process that is terminated takes an answer that comes soon');
ok(poll($node, "SELECT count(*) > 0 FROM jadugar.history WHERE task_id = $hung AND status = 'lost'"), 'and what does not answer is lost');
sql("SELECT cancel($hung)");
ends($hung, 'status');

# a process that is terminated does not wait for locks, nor does anything forget its task
$hung = request('/hang', '');
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE status = 'running'", 1);
my $pid = pid_of_http();
sql("BEGIN; SELECT FROM jadugar_internal.task WHERE task_id = $hung FOR UPDATE; PREPARE TRANSACTION 'lock'");
sql("SELECT pg_terminate_backend($pid)");
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", 0), 'a process that cannot settle a task leaves all the same');
# it is passed over for as long as the row is locked
sql(q{SELECT enqueue('SELECT 1')});
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE command = 'SELECT 1'}, 0), 'the scheduler goes on');
sql(q{ROLLBACK PREPARED 'lock'});
ok(poll($node, "SELECT count(*) > 0 FROM jadugar.history WHERE task_id = $hung AND status = 'lost'"), 'and settles it when it can');
sql("SELECT cancel($hung)");
ends($hung, 'status');

$id = request('/after/1', '');
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE status = 'running'", 1);
my $offset = log_offset($node);
kill_process(pid_of_http(), 'KILL');
wait_for_restart($node, 'http', $offset);
ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0'), 'after a crash the task goes on');
is(ends($id, 'status'), 'lost completed', 'its first attempt is lost, and the next one completes it');
%keys = map { $_->{key} => 1 } grep { $_->{key} =~ /:$id$/ } $server->requests;
is(scalar keys %keys, 1, 'with the same key');

# how often the service has got the request of a task
sub sent { my ($task) = @_; return scalar grep { $_->{key} =~ /:$task$/ } $server->requests; }

$node->safe_psql('postgres', q{ALTER SERVER local OPTIONS (ADD unsafe 'fail')});
sql(q{SELECT register_http_handler('patch', 'local', '/hang', 'PATCH', retry => retry_policy(2, 'fixed', '10 ms'))});
@ids = (request('/hang', '', '{"body": 1}'), sql(q{SELECT enqueue('patch')}));
$hung = request('/hang', '');
poll_sub('three requests are under way', sub { (grep { sent($_) == 1 } @ids, $hung) == 3 });
$offset = log_offset($node);
kill_process(pid_of_http(), 'KILL');
wait_for_restart($node, 'http', $offset);
is(ends($_, q{status || ':' || error_code}), 'failed:WORKER_CRASHED', 'after a crash, one that must not be sent twice has failed') foreach @ids;
ok(poll_sub('another one is sent again', sub { sent($hung) == 2 }), 'another one is sent again');
is(join(' ', map { sent($_) } @ids), '1 1', 'and these are not');
sql("SELECT cancel($hung)");
ends($hung, 'status');

$node->stop;
$server->stop;
done_testing();
