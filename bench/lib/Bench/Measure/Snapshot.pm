# Bench::Measure::Snapshot: throughput per second, with and without a transaction
# that stays open.  Tasks are enqueued in batches while others run, so that the
# queue is never empty and never long.
package Bench::Measure::Snapshot;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Peer;
use Bench::Stats;
use List::Util qw(sum0);
use Time::HiRes qw(time);

our $name = 'snapshot';

my $batch = 10_000;

sub measure
{
	my ($run) = @_;
	my $seconds = $run->pick(15, 40);

	foreach my $round (1 .. $run->rounds(1, 3))
	{
		foreach my $open (0, 1)
		{
			keep($run, 'jadugar', $open, jadugar($run, $open, $seconds));
			keep($run, 'graphile-worker', $open, graphile($run, $open, $seconds)) if $run->has('npm');
		}
	}
	return;
}

# keep(RUN, WHO, OPEN, RATES): record, except the first second, which is a
# warm-up, and the last, which is incomplete.
sub keep
{
	my ($run, $who, $open, $cpu, @rates) = @_;
	my @seconds = @rates[ 1 .. $#rates - 1 ];
	my $x = $open ? 'with' : 'without';
	my $i = 0;

	$run->add($name, 'tasks/s', $who, $x, mean(@seconds));
	$run->add($name, 'at the end', $who, $x, mean(@seconds[ -5 .. -1 ]));
	$run->add($name, 'CPU µs a task', $who, $x, $cpu);
	$run->keep($name, "second by second, $x", $who, ++$i, $_) foreach @seconds;
	return;
}

# Open a session whose snapshot holds back vacuum, or none.
sub snapshot
{
	my ($run, $db, $open) = @_;

	return if !$open;
	my $session = $run->{server}->session($db);
	$session->query('CREATE TABLE held (n integer)');
	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$session->query('INSERT INTO held VALUES (1)');
	return $session;
}

# per_second(START, SECONDS, POINTS): return counts per second; a point is a time
# and a count.
sub per_second
{
	my ($start, $seconds, @points) = @_;
	my @rates = (0) x $seconds;

	foreach my $point (@points)
	{
		my $second = int($point->[0] - $start);
		$rates[$second] += $point->[1] if $second >= 0 && $second < $seconds;
	}
	return @rates;
}

sub cpu_a_task
{
	my ($server, $before, $n) = @_;
	my $after = $server->meters;

	return 1e6 * $server->used($before, $after, $after)->{cpu_s} / ($n || 1);
}

sub jadugar
{
	my ($run, $open, $seconds) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => $run->{cores});
	my $db = fresh_jadugar($run);
	wait_for_workers($run, $db, $run->{cores});
	my $session = $server->session($db);
	my $before = $session->query('SELECT completed FROM jadugar.stats');
	my $held = snapshot($run, $db, $open);
	$server->admin('CHECKPOINT');
	my $meters = $server->meters;
	my $start = time();
	my $n = 0;
	while (time() < $start + $seconds)
	{
		enqueue($session, $batch);
		$n += $batch;
		wait_for_completed($run, $session, $before + $n - $batch);
	}
	wait_for_completed($run, $session, $before + $n);
	my $cpu = cpu_a_task($server, $meters, $n);
	$held->query('COMMIT') if $held;
	$run->same('effects', $session->query('SELECT count(*) FROM effect'), $n);
	my @points = $session->rows(q{SELECT floor(extract(epoch FROM finished_at)::numeric * 10) / 10, count(*)
		FROM jadugar.history GROUP BY 1});
	$_->close foreach grep { $_ } $held, $session;
	$server->drop($db);
	return ($cpu, per_second($start, $seconds, @points));
}

sub graphile
{
	my ($run, $open, $seconds) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('graphile');
	my $session = $server->session($db);

	Bench::Peer->start('graphile', 'setup', $db)->expect('ready');
	$session->query('CREATE TABLE effect (n integer)');
	my $put = qq{SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
		SELECT json_populate_record(NULL::graphile_worker.job_spec, json_build_object(
			'identifier', 'bench', 'payload', json_build_object('n', n)))
		FROM generate_series(1, $batch) n))};
	my @peers = map { Bench::Peer->start('graphile', 'work', $db) } 1 .. $run->{cores};
	$_->expect('ready') foreach @peers;
	my $held = snapshot($run, $db, $open);
	$server->admin('CHECKPOINT');
	my $put_so_far = 2 * $batch;
	$session->query($put) foreach 1, 2;
	my $meters = $server->meters;
	$_->tell('go') foreach @peers;
	my $start = time();
	my $stop = 0;
	my @points = Bench::Peer::progress(
		\@peers, 1e12, $seconds,
		sub {
			my ($done) = @_;
			return if $done + $batch < $put_so_far;
			$session->query($put);
			$put_so_far += $batch;
		});
	my $cpu = cpu_a_task($server, $meters, sum0(map { $_->[1] } @points));
	$held->query('COMMIT') if $held;
	$_->end foreach @peers;
	$_->close foreach grep { $_ } $held, $session;
	$server->drop($db);
	return ($cpu, per_second($start, $seconds, @points));
}

1;
