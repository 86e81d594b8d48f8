# Without work jadugar does nothing: no process wakes up, no transaction runs, and
# nobody is notified.  The same with a thousand schedules that are not due, ten runs
# that wait for events, and subscriptions of every kind with 256 shards.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = 60;

# No process of jadugar uses the database postgres, where this test runs queries.
my @databases = qw(app planned);
# The timer of an authentication still sends its signal when it is over.
my $node = new_cluster('main',
	autovacuum => 'off', authentication_timeout => '10min', 'jadugar.worker_idle_timeout' => '1d',
	'jadugar.max_workers_per_role' => 1);
create_extension($node, $_) foreach @databases;

$node->safe_psql('planned', q{
	SELECT count(jadugar.schedule('s' || i, 'every 1 hour', 'SELECT 1', starts_at => now() + interval '1 day'))
	FROM generate_series(1, 1000) i;
	SELECT count(jadugar.start_flow(jadugar.wait_event('never', key => i::text))) FROM generate_series(1, 10) i;
	SELECT count(jadugar.subscribe('many' || i, '{all}', 'SELECT 1', shards => 10)) FROM generate_series(1, 24) i;
	SELECT jadugar.subscribe('tasks', '{all}', 'SELECT 1', delivery => 'task', shards => 4);
	SELECT jadugar.subscribe('unread', '{all}', delivery => 'fetch', shards => 8);
	SELECT jadugar.subscribe('leased', '{all}', delivery => 'fetch');
	SELECT jadugar.subscribe('dead', '{bad}', 'SELECT 1 / 0', max_attempts => 1);
	SELECT jadugar.subscribe('blocked', '{bad}', 'SELECT 1 / 0', max_attempts => 1, on_failure => 'block');
	SELECT jadugar.subscribe('lifecycle', '{*}', 'SELECT 1', topics => '{jadugar}');
	SELECT count(jadugar.publish('all', key => i::text)) FROM generate_series(1, 20) i;
	SELECT jadugar.publish('bad');
	SELECT count(*) FROM jadugar.fetch_events('leased', 'test', lease => '12 hours')});
foreach my $db (@databases)
{
	wait_for_process($node, 'scheduler', $db);
	my $id = $node->safe_psql($db, "SELECT jadugar.enqueue('SELECT 1')");
	poll($node, "SELECT status FROM jadugar.history WHERE task_id = $id", 'completed', $db);
	poll($node, 'SELECT state FROM jadugar.workers', 'idle', $db);
}
ok(poll($node, q{SELECT sum(shards), sum(handled) FILTER (WHERE name ~ '^many|tasks') FROM jadugar.subscriptions}, '256|500', 'planned'),
	'256 shards of subscriptions, which have handled all events');
is($node->safe_psql('planned', q{SELECT string_agg(concat_ws(' ', name, status, behind, dead), ', ' ORDER BY name) FROM jadugar.subscriptions WHERE name !~ '^many|tasks'}),
	'blocked blocked 1 0, dead active 0 1, leased active 20 0, lifecycle active 0 0, unread active 20 0', 'in every state');
# consumers that wait
my $listener = $node->background_psql('planned');
$listener->query_safe('LISTEN jadugar_events');
$listener->query_safe('SELECT pg_stat_force_next_flush()');
my $waiter = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('planned'), '-c', q{CALL jadugar.wait_events('leased', NULL)} ], '>', \my $waiter_out);
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE query ~ 'wait_events' AND wait_event_type = 'Extension'}, '1');
is($node->safe_psql('planned', q{SELECT count(*), min(next_run_at) > now() + interval '23 hours' FROM jadugar.schedules}),
	'1000|t', 'a thousand schedules for tomorrow');

# "launcher", "scheduler app"... and "consumer" => its pid
sub processes
{
	return map { /(.*)\|(\d+)/; ($1 => $2) } split /\n/,
	  $node->safe_psql('postgres', q{
		SELECT concat_ws(' ', substr(backend_type, 9), datname), pid FROM pg_stat_activity
		WHERE backend_type LIKE 'jadugar %'
		UNION ALL SELECT 'consumer', pid FROM pg_stat_activity WHERE datname = 'planned' AND query LIKE 'CALL %'});
}

# The number of times that each of them woke up.
sub wake_ups
{
	my (%pid) = @_;

	return {
		map {
			my ($n) = slurp_file("/proc/$pid{$_}/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
			($_ => $n)
		} keys %pid
	};
}

sub transactions
{
	return $node->safe_psql('postgres', q{
		SELECT string_agg(datname || ' ' || xact_commit + xact_rollback, ', ' ORDER BY 1)
		FROM pg_stat_database WHERE datname IN ('app', 'planned')});
}

my %pid = processes();
is(join(', ', sort keys %pid),
	'consumer, launcher, scheduler app, scheduler planned, worker app, worker planned', 'all processes are running, with an idle worker in each database');

# Earlier activity may still have an effect: a timer that was postponed
# (deadlock_timeout, a second) still sends its signal.
my ($before, $last, $still) = ({}, undef, 0);
poll_sub(
	'all processes are idle',
	sub {
		$last = $before;
		$before = { %{ wake_ups(%pid) }, transactions => transactions() };
		my $moved = !keys %$last || grep { $last->{$_} ne $before->{$_} } keys %$before;
		$still = $moved ? 0 : $still + 1;
		return $still >= 40;    # two seconds and more
	});

# waits-for-time: only time shows the absence of wake-ups
sleep $seconds;

my $after = { %{ wake_ups(%pid) }, transactions => transactions() };
is($after->{$_}, $before->{$_}, "$_: nothing in $seconds seconds") foreach sort keys %$before;
unlike($listener->query('SELECT 1'), qr/notification/, 'nobody is notified');
$listener->quit;

# They were idle, not dead.
is_deeply({ processes() }, \%pid, 'the same processes');
foreach my $db (@databases)
{
	my $id = $node->safe_psql($db, "SELECT jadugar.enqueue('SELECT pg_backend_pid()')");
	poll($node, "SELECT status || ' ' || worker_pid FROM jadugar.history WHERE task_id = $id",
		"completed $pid{qq{worker $db}}", $db);
}
my $woken = wake_ups(%pid);
cmp_ok($woken->{$_}, '>', $before->{$_}, "$_: wakes up for a task") foreach map { "worker $_" } @databases;

$node->stop;
done_testing();
