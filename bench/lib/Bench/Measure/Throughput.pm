# Bench::Measure::Throughput: tasks per second, for tasks that insert one row each
# and were enqueued before.  A run counts only if every row exists exactly once.
package Bench::Measure::Throughput;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Peer;
use Time::HiRes qw(time);

our $name = 'throughput';

# Competitor, tasks (quick, full), maximum of workers or processes, and the
# function that runs them.
my @competitors = (
	[ 'jadugar', 80_000, 200_000, 16, \&run_backlog ],
	[ 'C floor, groups of 32', 120_000, 200_000, 16, sub { floor(@_, 32) } ],
	[ 'C floor, one task a commit', 15_000, 30_000, 16, sub { floor(@_, 1) } ],
	[ 'SQL client, batches of 100', 60_000, 150_000, 16, sub { batch(@_, 1) } ],
	[ 'SQL procedure, batches of 100', 80_000, 200_000, 16, sub { batch(@_, 0) } ],
	[ 'graphile-worker', 25_000, 60_000, 4, \&graphile ],
	[ 'pg-boss', 15_000, 40_000, 4, sub { pgboss(@_, 0) } ],
	[ 'pg-boss, transactional', 15_000, 40_000, 4, sub { pgboss(@_, 1) } ]);
my %package_of = ('graphile-worker' => 'npm', 'pg-boss' => 'npm', 'pg-boss, transactional' => 'npm');

sub measure
{
	my ($run) = @_;
	my @widths = $run->pick([ 1, 2, 4 ], [ 1, 2, 4, 8, 16 ])->@*;

	$run->note("This machine has $run->{cores} cores; more workers than that compete for them with the clients and each other.");
	foreach my $round (1 .. $run->rounds(2, 3))
	{
		foreach my $width (@widths)
		{
			foreach my $competitor (@competitors)
			{
				my ($who, $quick, $full, $most, $code) = @$competitor;

				next if $width > $most || $package_of{$who} && !$run->has('npm');
				# Slow competitors run once, with one and with two workers.
				next if $run->{quick} && $most < 16 && ($round > 1 || $width > 2);
				my $n = $run->pick($quick, $full);
				my ($rate, $before, $after) = $code->($run, $width, $n);
				my $used = $run->{server}->used($before, $after, $run->{server}->meters);
				$run->add($name, 'tasks/s', $who, $width, $rate);
				$run->add($name, 'CPU µs a task', $who, $width, 1e6 * $used->{cpu_s} / $n);
				$run->keep($name, $_, $who, $width, $used->{$_}) foreach qw(cpu others wal_mb syncs sync_time);
			}
		}
	}
	return;
}

sub floor
{
	my ($run, $workers, $n, $group) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	my $admin = $server->session($db, 'postgres');
	my $session = $server->session($db);

	$admin->query("\\i $run->{bench}/floor/floor.sql");
	$session->query('SELECT floor.fill(' . payloads($n) . ')');
	$server->settle($db);
	my $meters = $server->meters;
	$session->query("SELECT floor.drain($workers, $group)");
	my $after = $server->meters;
	check_effects($run, $db, $n);
	$run->same('history', $session->query('SELECT (SELECT count(*) FROM floor.attempt), (SELECT count(*) FROM floor.task)'), "$n|0");
	my ($seconds, $cpu) = split /\|/, $session->query(
		'SELECT extract(epoch FROM max(finished) - min(started)), sum(cpu) FROM floor.outcome');
	$_->close foreach $session, $admin;
	$server->drop($db);
	return ($n / $seconds, $meters, $after);
}

# Batches run by a client, as with pgmq, or inside the server.
sub batch
{
	my ($run, $workers, $n, $client) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('batch');
	my $session = $server->session($db);

	$session->query("\\i $run->{bench}/floor/batch.sql");
	$session->query('CREATE TABLE effect (n integer)');
	$session->query('SELECT batch.send(' . payloads($n) . ')');
	$server->settle($db);
	my @sessions = map { $server->session($db) } 1 .. ($client ? 0 : $workers);
	my $meters = $server->meters;
	my $start = time();
	if ($client)
	{
		$server->run_together('consume.log', map { [ $run->{consume}, "dbname=$db user=$Bench::Server::role", 100 ] } 1 .. $workers);
	}
	else
	{
		$_->send('CALL batch.work()') foreach @sessions;
		$_->result foreach @sessions;
	}
	my $seconds = time() - $start;
	my $after = $server->meters;
	check_effects($run, $db, $n);
	$run->same('archive', $session->query('SELECT (SELECT count(*) FROM batch.archive), (SELECT count(*) FROM batch.queue)'), "$n|0");
	$_->close foreach $session, @sessions;
	$server->drop($db);
	return ($n / $seconds, $meters, $after);
}

# npm packages: processes start first.  The first tenth of the tasks is a warm-up
# and does not count.
sub processes
{
	my ($run, $db, $n, @peers) = @_;
	my $server = $run->{server};

	$_->expect('ready') foreach @peers;
	$server->settle($db);
	my $meters = $server->meters;
	$_->tell('go') foreach @peers;
	my @points = sort { $a->[0] <=> $b->[0] } Bench::Peer::progress(\@peers, $n, 300);
	my $after = $server->meters;
	my ($done, $start) = (0);
	foreach my $point (@points)
	{
		$done += $point->[1];
		$start //= [ $point->[0], $done ] if $done >= $n / 10;
	}
	$run->same('tasks done', $done, $n);
	return (($n - $start->[1]) / ($points[-1][0] - $start->[0]), $meters, $after);
}

sub graphile
{
	my ($run, $processes, $n) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('graphile');
	my $session = $server->session($db);

	Bench::Peer->start('graphile', 'setup', $db)->expect('ready');
	$session->query('CREATE TABLE effect (n integer)');
	$session->query(qq{SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
		SELECT json_populate_record(NULL::graphile_worker.job_spec, json_build_object(
			'identifier', 'bench', 'payload', json_build_object('n', n)))
		FROM generate_series(1, $n) n))});
	my @peers = map { Bench::Peer->start('graphile', 'work', $db) } 1 .. $processes;
	my ($rate, $meters, $after) = processes($run, $db, $n, @peers);
	$server->poll(sub { $session->query('SELECT count(*) FROM graphile_worker.jobs') eq '0' }, 'no job is left');
	$_->stop foreach @peers;
	check_effects($run, $db, $n);
	$session->close;
	$server->drop($db);
	return ($rate, $meters, $after);
}

sub pgboss
{
	my ($run, $processes, $n, $transactional) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('pgboss');
	my $session = $server->session($db);

	Bench::Peer->start('pgboss', 'setup', $db)->stop;
	Bench::Peer->start('pgboss', 'fill', $db, COUNT => $n)->expect('time');
	$session->query('CREATE TABLE effect (n integer)');
	my @peers = map { Bench::Peer->start('pgboss', 'work', $db, TRANSACTIONAL => $transactional) } 1 .. $processes;
	my ($rate, $meters, $after) = processes($run, $db, $n, @peers);
	$server->poll(sub { $session->query(q{SELECT count(*) FROM pgboss.job WHERE name = 'bench' AND state <> 'completed'}) eq '0' },
		'no job is left');
	$_->stop foreach @peers;
	check_effects($run, $db, $n);
	$session->close;
	$server->drop($db);
	return ($rate, $meters, $after);
}

1;
