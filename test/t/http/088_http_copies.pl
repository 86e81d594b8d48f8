# Copies of a database with HTTP tasks: dumps, databases by TEMPLATE, and a standby that is
# promoted.  A copy sends nothing before adopt(), and a promoted standby what its primary
# had not completed.
use strict;
use warnings;

use HttpServer;
use HttpTasks;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $server = HttpServer->new($dir);
my @settings = ('jadugar.http_allow_addresses' => '127.0.0.0/8');
my $node = new_cluster('main', -streaming => 1, @settings);
my @endpoint = (base_url => "http://127.0.0.1:$server->{port}", allow_addresses => '127.0.0.0/8', timeout => '10 min');
create_extension($node);
create_endpoint($node, $_, @endpoint) foreach qw(open held);

# The paths of requests since an earlier number of them, with their number.
sub requests_since
{
	my ($before) = @_;
	my %n;
	my @all = $server->requests;

	$n{ $_->{path} }++ foreach @all[ $before .. $#all ];
	return join ' ', map { "$_:$n{$_}" } sort keys %n;
}

# Some requests wait for a breaker that a role has opened, one for its time, one is under
# way, which is answered only the next time, and one has been completed.
sub make_tasks
{
	my ($name) = @_;

	$node->safe_psql('postgres', q{SELECT jadugar.force_breaker('held', 'open', reason => 'maintenance')});
	attempts($node, send_request($node, 'open', '/ok'), 'status');
	send_request($node, 'held', '/ok/held') foreach 1 .. 3;
	send_request($node, 'open', '/ok/later', undef, q{delay => '1 hour'});
	my $id = send_request($node, 'open', '/hangs/1', undef, qq{query => '{"id": "$name"}'});
	poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $id", 'running');
	return $id;
}

# What the tasks of a database wait for.
sub waiting
{
	my ($of, $db) = @_;

	return $of->safe_psql($db, q{SELECT string_agg(DISTINCT coalesce(waiting_for, status), ' ') FROM jadugar.tasks});
}

# --- dumps and databases by TEMPLATE -----------------------------------------------------

sub after_adopt
{
	my ($db, $sent) = @_;

	poll($node, q{SELECT detail FROM jadugar.health WHERE what = 'identity'},
		'these schedules and tasks come from another database: nothing runs', $db);
	wait_for_process($node, 'scheduler', $db);
	# a wake-up changes nothing
	$node->safe_psql($db, q{SELECT jadugar.update_task(task_id, run_at => now()) FROM jadugar.tasks WHERE status = 'scheduled'});
	like(waiting($node, $db), qr/^not_adopted( running)?$/, "$db: requests wait for adopt()");
	is(join(' ', jadugar_processes($node, 'http', $db)), '', 'no process would send them');
	my $before = () = $server->requests;
	is($before, $sent, 'nothing was sent');

	$node->safe_psql($db, 'SELECT jadugar.adopt()');
	poll($node, q{SELECT string_agg(DISTINCT coalesce(waiting_for, status), ' ') FROM jadugar.tasks}, 'circuit_open', $db);
	is(requests_since($before), '/hangs/1?id=dumped:1 /ok/later:1', 'then they are sent, but for those whose breaker is forced open');
	$node->safe_psql($db, q{SELECT jadugar.force_breaker('held', 'auto')});
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0', $db);
	is(requests_since($before), '/hangs/1?id=dumped:1 /ok/held:3 /ok/later:1', 'which follow');
	is($node->safe_psql($db, q{SELECT count(*) FROM jadugar.history WHERE final AND status <> 'completed'}), '0', 'all complete');
	return;
}

my $id = make_tasks('dumped');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $sent = () = $server->requests;
command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$dir/dump" ], 'pg_restore');
is($node->safe_psql('postgres', "SELECT jadugar.cancel($id)"), 't', 'the original goes on');
is(attempts($node, $id, 'status'), 'cancelled', 'as it likes');
after_adopt('restored', $sent);

# the process of the original leaves: what it has sent and was not answered is lost
$id = make_tasks('copied');
$node->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
poll($node, "SELECT status FROM jadugar.history WHERE final AND task_id = $id", 'completed');
$sent = () = $server->requests;
is(waiting($node, 'postgres'), 'circuit_open scheduled', 'the original still waits');
poll($node, q{SELECT detail FROM jadugar.health WHERE what = 'identity'},
	'these schedules and tasks come from another database: nothing runs', 'copied');
is(scalar(() = $server->requests), $sent, 'copied: nothing is sent');
is(join(' ', jadugar_processes($node, 'http', 'copied')), '', 'and no process would');
$node->safe_psql('postgres', 'DROP DATABASE copied; DROP DATABASE restored');

# --- a standby ---------------------------------------------------------------------------

$node->safe_psql('postgres', q{SELECT jadugar.cancel(task_id) FROM jadugar.tasks});
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
my $standby = new_standby('standby', $node);
my $before = () = $server->requests;
$id = make_tasks('replicated');
$node->wait_for_catchup($standby);
is(join(' ', jadugar_processes($standby)), '', 'a standby has no process that would send');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM jadugar.tasks'), '5', 'but all tasks');
my $completed = $standby->safe_psql('postgres', q{SELECT max(task_id) FROM jadugar.history WHERE status = 'completed'});
my %primary = map { $_->{key} => 1 } $server->requests;
is(requests_since($before), '/hangs/1?id=replicated:1 /ok:1', 'so far one has been completed, and one is under way');

kill_postmaster($node);
$before = () = $server->requests;
$standby->promote;
poll($standby, qq{SELECT status FROM jadugar.history WHERE final AND task_id = $id}, 'completed');
is($standby->safe_psql('postgres', qq{SELECT string_agg(status, ' ' ORDER BY attempt_id) FROM jadugar.history WHERE task_id = $id}), 'lost completed',
	'the request that was under way is lost, and sent again');
is(requests_since($before), '/hangs/1?id=replicated:1', 'nothing else is');
my @all = $server->requests;
is($primary{ $all[-1]{key} }, 1, 'with the same key');
is(waiting($standby, 'postgres'), 'circuit_open scheduled', 'the others wait as they did');
$standby->safe_psql('postgres', q{SELECT jadugar.force_breaker('held', 'auto')});
poll($standby, 'SELECT count(*) FROM jadugar.tasks', '1');
is(requests_since($before), '/hangs/1?id=replicated:1 /ok/held:3', 'and are sent when they may');

$standby->stop;
$server->stop;
done_testing();
