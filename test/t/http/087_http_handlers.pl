# HTTP handlers: what they send, in tasks, flows, schedules and subscriptions; policies,
# hooks, and handlers and servers that change.
use strict;
use warnings;

use HttpServer;
use JSON::PP;
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

# Waits for the end of a task, and returns what the query says of its attempts.
sub ends
{
	my ($id, $what) = @_;

	poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0');
	return sql("SELECT string_agg($what, ' ' ORDER BY attempt_id) FROM history WHERE task_id = $id");
}

# What the service has got from a task of a handler.
sub echo
{
	my ($handler, $payload) = @_;
	my $id = sql("SELECT enqueue('$handler', '$payload')");

	return decode_json(ends($id, q{result ->> 'body'}));
}

foreach my $name ('local', 'other')
{
	my $base = $name eq 'other' ? '/echo/other' : '';

	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://127.0.0.1:$server->{port}$base',
			allow_addresses '127.0.0.0/8', breaker 'off', retry '{"max_attempts": 3, "backoff": "fixed", "delay": 0.01}')});
}
$node->safe_psql('postgres', q{
	CREATE TABLE noted (what text, payload jsonb);
	CREATE FUNCTION note_end(jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.noted VALUES ('ended ' || ($1 ->> 'status'), $1 -> 'payload') $$;
	CREATE FUNCTION note_error(jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.noted VALUES ($1 ->> 'error_code', $1 -> 'payload') $$;
	CREATE FUNCTION positive(jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT ($1 ->> 'cents')::integer > 0 $$});

# --- what is sent -------------------------------------------------------------------

sql(q{SELECT register_http_handler('pay', 'local', '/echo/{order}/x', query => '{"mode": "test", "region": "{region}", "tag": "{tags}"}',
		headers => '{"X-Fixed": "1", "X-Order": "{order}"}', validate => 'positive', cleanup => 'note_end', on_error => 'note_error');
	SELECT register_http_handler('whole', 'local', '/echo', body => 'all');
	SELECT register_http_handler('look', 'local', '/echo/{id}', 'GET')});
my $got = echo('pay', '{"order": "a/b c", "cents": 900, "region": null, "tags": ["y", "x"], "note": {"x": [1]}}');
is($got->{method}, 'POST', 'the method');
is($got->{path}, '/echo/a%2Fb%20c/x?mode=test&tag=y&tag=x', 'fields are encoded in the path and the query, and null is left out');
is($got->{headers}{'x-fixed'} . $got->{headers}{'x-order'}, '1a/b c', 'headers');
is_deeply(decode_json($got->{body}), { cents => 900, note => { x => [1] } }, 'the fields that have no other place are the body');
is(echo('pay', '{"order": 7, "cents": 1, "region": "eu"}')->{path}, '/echo/7/x?mode=test&region=eu', 'a field that is missing is left out of the query');
is(echo('pay', '{"order": "{cents}", "cents": 1}')->{path}, '/echo/%7Bcents%7D/x?mode=test', 'a value is no template');
is_deeply(decode_json(echo('whole', '[{"a": null}, 2]')->{body}), [ { a => undef }, 2 ], 'the whole payload can be the body');
$got = echo('look', '{"id": true, "more": 1}');
is("$got->{method} $got->{path} '$got->{body}'", q{GET /echo/true ''}, 'or nothing of it');
is(sql(q{SELECT payload FROM history WHERE command = 'look'}), '{"id": true, "more": 1}', 'the history has the payload as it was given');
ok(poll($node, q{SELECT payload ->> 'order' FROM noted WHERE what = 'ended completed' AND payload ->> 'cents' = '900'}, 'a/b c'), 'and so has the hook cleanup');

sql(q{SELECT enqueue_batch('look', ARRAY['{"id": 11}', '{"id": 12}']::jsonb[], trace => 'batch')});
ok(poll($node, q{SELECT string_agg(result #>> '{body,path}', ' ' ORDER BY task_id) FROM jadugar.history WHERE trace = 'batch'}, '/echo/11 /echo/12'), 'each task of a batch sends its own');

# --- flows, schedules, subscriptions -------------------------------------------------

sql(q{SELECT create_flow('charge', step('first', 'pay', '{"order": 1, "cents": 5}')
		~> step('second', 'pay', '{"order": "$.steps.first.body.method", "cents": "$.input.cents"}')
		~> step('third', 'SELECT $1 #>> ''{steps,second,body,path}'' AS path'))});
my $run = sql(q{SELECT start_flow('charge', '{"cents": 6}')});
ok(poll($node, "SELECT status FROM jadugar.flow_runs WHERE run_id = $run", 'completed'), 'steps of a flow send requests');
is(sql("SELECT result FROM flow_steps WHERE run_id = $run AND step = 'third'"), '{"path": "/echo/POST/x?mode=test"}', 'with literal payloads and such that the flow fills in');
$run = sql(q{SELECT start_flow('charge', '{"cents": -6}')});
ok(poll($node, "SELECT status FROM jadugar.flow_runs WHERE run_id = $run", 'failed'), 'validate refuses a payload that the flow fills in');
is(sql("SELECT error ->> 'sqlstate' FROM flow_steps WHERE run_id = $run AND step = 'second'"), 'JD001', 'before anything is sent');

sql(q{SELECT schedule('looking', '@yearly', 'look', '{"id": "scheduled"}')});
is(ends(sql(q{SELECT run_now('looking')}), q{result #>> '{body,path}'}), '/echo/scheduled', 'a schedule sends a request');
is(ends(sql(q{SELECT run_now('looking', '{"id": "other"}')}), q{result #>> '{body,path}'}), '/echo/other', 'and with another payload another one');

sql(q{SELECT subscribe('sender', '{order.*}', 'whole', delivery => 'task')});
sql(q{SELECT publish('order.paid', '{"order": 21}')});
ok(poll($node, q{SELECT result #>> '{body,body}' FROM jadugar.history WHERE command = 'whole' AND payload ? 'order'}, '{"order": 21}'), 'a subscription sends events');

# --- policies and hooks ---------------------------------------------------------------

my $code = q{status || ':' || coalesce(error ->> 'code', result ->> 'status')};
my $failed = 'failed:HTTP_STATUS';
sql(q{SELECT register_http_handler('busy', 'local', '/status/503', retry => retry_policy(2, 'fixed', '10 ms'), on_error => 'note_error');
	SELECT register_http_handler('busy2', 'local', '/status/{code}', expect => '{2xx,409}')});
is(ends(sql(q{SELECT enqueue('busy', '{"n": 1}')}), $code), "$failed $failed", 'the policy of the handler');
is(ends(sql(q{SELECT enqueue('busy', '{"n": 1}', retry => retry_policy(1))}), $code), $failed, 'that of the task goes before it');
is(ends(sql(q{SELECT enqueue('busy2', '{"code": 503}')}), $code), "$failed $failed $failed", 'without one, that of the endpoint counts');
is(ends(sql(q{SELECT enqueue('busy2', '{"code": 409}')}), $code), 'completed:409', 'a status that the handler expects completes the task');
sql(q{SELECT schedule('busy', '@yearly', 'busy2', '{"code": 503}')});
is(ends(sql(q{SELECT run_now('busy')}), $code), "$failed $failed $failed", 'also for a schedule');
ok(poll($node, q{SELECT count(*) FROM noted WHERE what = 'HTTP_STATUS' AND payload = '{"n": 1}'}, 2), 'on_error runs, once a task');
my $id = sql(q{SELECT enqueue('busy', '{"n": 2}', retry => retry_policy(1, fallback => 'INSERT INTO public.noted VALUES (''fallback'', $1)'))});
is(ends($id, 'status'), 'failed completed', 'a fallback');
is(sql(q{SELECT payload -> 'payload' FROM noted WHERE what = 'fallback'}), '{"n": 2}', 'gets the payload as it was given');

# --- what changes meanwhile --------------------------------------------------------------

sql(q{SELECT pause_queue('default')});
my @ids = map { sql(qq{SELECT enqueue('pay', '{"order": $_, "cents": 3}')}) } (31, 32);
# the scheduler cannot move the tasks while a session changes lanes
$node->safe_psql('postgres', q{BEGIN; LOCK TABLE jadugar_internal.lane_change IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'lanes'});
sql(q{SELECT register_http_handler('pay', 'other', '/new/{order}', 'PUT', cleanup => 'note_end', on_error => 'note_error', version => '2.0.0', or_replace => true)});
sql(q{SELECT resume_queue('default')});
is(ends($_, q{(result #>> '{body,method}') || (result #>> '{body,path}')}), 'PUT/echo/other/new/' . (31 + ($_ == $ids[1])), 'a task sends what its handler is now') foreach @ids;
is(sql("SELECT count(*) FROM history WHERE task_id = $ids[0]"), 1, 'and is charged one attempt');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'lanes'});

$node->safe_psql('postgres', 'ALTER SERVER other RENAME TO another');
my $err = '';
$node->psql('postgres', q{SELECT jadugar.enqueue('pay', '{"order": 1, "cents": 3}')}, stderr => \$err);
like($err, qr/endpoint "other" does not exist/, 'no task is enqueued for a server that is not there');
$node->safe_psql('postgres', 'ALTER SERVER another RENAME TO other');
$id = sql(q{SELECT enqueue('pay', '{"order": 41, "cents": 3}', delay => '1 hour')});
$node->safe_psql('postgres', 'DROP SERVER other');
sql("SELECT update_task($id, run_at => now())");
ok(poll($node, "SELECT waiting_for FROM jadugar.tasks WHERE task_id = $id", 'endpoint_missing'), 'a task of it waits');
sql(q{SELECT register_http_handler('pay', 'local', '/echo/{order}', cleanup => 'note_end', on_error => 'note_error', or_replace => true)});
is(ends($id, q{result #>> '{body,path}'}), '/echo/41', 'until its handler names another endpoint');

# a role without the right to use the endpoint any more
$node->safe_psql('postgres', q{CREATE ROLE app LOGIN; SELECT jadugar.grant_access('app'); GRANT USAGE ON FOREIGN SERVER local TO app});
$id = sql(q{SET ROLE app; SELECT enqueue('pay', '{"order": 51, "cents": 3}', delay => '1 hour'); RESET ROLE});
$node->safe_psql('postgres', q{REVOKE USAGE ON FOREIGN SERVER local FROM app; GRANT INSERT ON noted TO app});
sql("SELECT update_task($id, run_at => now())");
is(ends($id, 'error_code'), 'FORBIDDEN', 'its task fails, and nothing is sent');
ok(poll($node, q{SELECT string_agg(what, ' ' ORDER BY what) FROM noted WHERE payload ->> 'order' = '51'}, 'FORBIDDEN ended failed'), 'the hooks run');
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER local TO app});
sql("SELECT retry_task($id)");
is(ends($id, 'status'), 'failed completed', 'it can be retried');

sql(q{SELECT register_http_handler('slow', 'local', '/hang')});
$id = sql(q{SELECT enqueue('slow')});
ok(poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'running'), 'a request is under way');
sql(q{SELECT drop_handler('slow', pending => 'cancel')});
is(ends($id, 'status'), 'cancelled', 'drop_handler() cancels it');

# --- what a request costs ---------------------------------------------------------------------

# How often all processes have read the table of endpoints; that of HTTP counts when it ends.
sub endpoints_read
{
	my $senders = q{SELECT %s FROM pg_stat_activity WHERE backend_type = 'jadugar http'};

	sql(sprintf $senders, 'pg_terminate_backend(pid)');
	poll($node, sprintf($senders, 'count(*)'), 0);
	return sql(q{SELECT seq_scan + idx_scan FROM pg_stat_all_tables WHERE relid = 'jadugar_internal.endpoint'::regclass});
}

my $read = endpoints_read();
sql(q{SELECT count(enqueue('look', '{"id": 1}')) FROM generate_series(1, 100)});
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'many requests of a handler end');
cmp_ok(endpoints_read() - $read, '<', 50, 'without a query each that looks up the endpoint');

# --- a breaker ------------------------------------------------------------------------------

# before its request, health_path is asked, with a request of its own
$node->safe_psql('postgres', qq{
	CREATE SERVER asked FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://127.0.0.1:$server->{port}', allow_addresses '127.0.0.0/8',
		breaker_consecutive '1', breaker_open_for '100 ms', breaker_half_open '1', health_path '/echo/health')});
sql(q{SELECT register_http_handler('ask', 'asked', '/status/{code}', retry => retry_policy(1))});
is(ends(sql(q{SELECT enqueue('ask', '{"code": 500}')}), 'status'), 'failed', 'a failure opens the breaker');
is(ends(sql(q{SELECT enqueue('ask', '{"code": 201, "n": 1}')}), 'status'), 'completed', 'a task of a handler probes it');
is(join(' ', map { "$_->{method} $_->{path} " . ($_->{key} eq 'health' ? 'health' : 'own') } ($server->requests)[ -2, -1 ]),
	'GET /echo/health health POST /status/201 own', 'and asks health_path before');

# --- dump and restore ----------------------------------------------------------------------

my $dump = $node->basedir . '/handlers.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a database with HTTP handlers is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'and restored');
my $handlers = q{SELECT name, kind, request, retry FROM jadugar.handlers ORDER BY name};
is($node->safe_psql('copy', $handlers), $node->safe_psql('postgres', $handlers), 'with its handlers');

$node->stop;
done_testing();
