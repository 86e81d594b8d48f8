# Bench::Measure::Schedules: the cost of ten and of a million schedules of which
# none is due: creating one more, changing one, CPU time, wake-ups and memory of
# the scheduler, and firing one among them.
package Bench::Measure::Schedules;

use strict;
use warnings;

use Bench::Cron;
use Bench::Jadugar;
use Bench::Proc;
use Bench::Stats;
use Time::HiRes qw(time usleep);

our $name = 'schedules';

my $samples = 50;    # of creating and of changing a schedule

sub measure
{
	my ($run) = @_;

	foreach my $round (1 .. $run->rounds(1, 3))
	{
		jadugar($run, $run->pick([ 10, 1_000, 100_000 ], [ 10, 1_000, 10_000, 100_000, 1_000_000 ])->@*);
		cron($run, $run->pick([ 10, 10_000 ], [ 10, 1_000, 10_000, 100_000 ])->@*) if $run->has('cron');
	}
	return;
}

# window(PIDS, SECONDS): return wake-ups per second and percent of one CPU.
sub window
{
	my ($pids, $seconds) = @_;
	my $before = usage(@$pids);
	my $start = time();

	usleep(1e6 * $seconds);
	my $after = usage(@$pids);
	my $span = time() - $start;
	return (($after->{wakeups} - $before->{wakeups}) / $span, 100 * ($after->{cpu} - $before->{cpu}) / $span);
}

# one_by_one(RUN, DB, SQL): return the milliseconds of each statement, including
# its commit.
sub one_by_one
{
	my ($run, $db, $sql, $first, $role) = @_;

	$role //= $Bench::Server::role;
	open(my $out, '-|', $run->{client}, "dbname=$db user=$role", $sql, $samples, $first, 2) or die "client: $!";
	my @ms = map { my @field = split ' '; ($field[-1] - $field[-2]) / 1000 } readline($out);
	close($out) or die "the client failed\n";
	return @ms;
}

sub jadugar
{
	my ($run, @sizes) = @_;
	my $server = $run->{server};
	my $n = 0;

	$server->set('jadugar.max_workers_per_role' => 1);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	my $make = q{jadugar.schedule('s' || %s, 'every 1 day', 'SELECT 1', starts_at => now() + interval '1 day')};
	$session->query('SELECT jadugar.start_workers(1)');
	foreach my $size (@sizes)
	{
		my $start = time();
		$session->query(sprintf("SELECT count($make) FROM generate_series(%d, %d) i", 'i', $n + 1, $size));
		$run->add($name, 'made/s', 'jadugar', $size, ($size - $n) / (time() - $start)) if $size >= 1000;
		$n = $size;
		$server->settle($db);
		$run->add($name, 'make one, ms', 'jadugar', $size,
			median(one_by_one($run, $db, 'SELECT ' . sprintf($make, '$1::integer'), 10_000_000)));
		$run->add($name, 'change one, ms', 'jadugar', $size,
			median(one_by_one($run, $db, q{SELECT jadugar.alter_schedule('s' || $1::integer, timing => 'every 2 days')}, 10_000_000)));
		$session->query(qq{SELECT count(jadugar.unschedule('s' || i)) FROM generate_series(10000000, 10000000 + $samples - 1) i});

		my @pids = split /\n/, $server->admin(
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'jadugar launcher' OR backend_type = 'jadugar scheduler' AND datname = '$db'");
		usleep(2e6);    # let timers such as deadlock_timeout expire
		my ($wakeups, $cpu) = window(\@pids, $run->pick(4, 10));
		$run->add($name, 'wake-ups/s', 'jadugar', $size, $wakeups);
		$run->add($name, 'CPU %', 'jadugar', $size, $cpu);
		$run->add($name, 'memory MB', 'jadugar', $size, memory(@pids));
		fire($run, $db, $session, $size, \@pids);
	}
	$session->close;
	$server->drop($db);
	return;
}

# Fire one schedule per second; the others stay.
sub fire
{
	my ($run, $db, $session, $size, $pids) = @_;
	my $seconds = $run->pick(5, 10);
	my $done = $session->query('SELECT completed FROM jadugar.stats');

	$session->query(q{SELECT jadugar.schedule('tick', '* * * * * *', 'SELECT 1')});
	wait_for_completed($run, $session, $done + 2, 30);
	my (undef, $cpu) = window($pids, $seconds);
	$session->query(q{SELECT jadugar.unschedule('tick')});
	my @ms = map { $_->[0] } $session->rows(q{SELECT 1000 * extract(epoch FROM started_at - scheduled_for)
		FROM jadugar.history WHERE schedule = 'tick' ORDER BY started_at DESC LIMIT } . $seconds);
	$run->add($name, 'fire: late, ms', 'jadugar', $size, median(@ms));
	$run->add($name, 'fire: CPU ms', 'jadugar', $size, 10 * $cpu);
	$session->query('SELECT jadugar.purge_completed(interval \'0\')');
	return;
}

sub cron
{
	my ($run, @sizes) = @_;
	my $cron = Bench::Cron->new($run);
	my $n = 0;

	foreach my $size (@sizes)
	{
		my $start = time();
		$cron->schedules($n + 1, $size, '0 0 1 1 *');
		$run->add($name, 'made/s', 'pg_cron', $size, ($size - $n) / (time() - $start)) if $size >= 1000;
		$n = $size;
		$run->{server}->admin('CHECKPOINT');
		$run->add($name, 'make one, ms', 'pg_cron', $size, median(one_by_one($run, $Bench::Cron::db,
				q{SELECT cron.schedule('s' || $1::integer, '0 0 1 1 *', 'SELECT 1')}, 10_000_000, 'postgres')));
		$run->add($name, 'change one, ms', 'pg_cron', $size, median(one_by_one($run, $Bench::Cron::db,
				q{SELECT cron.schedule('s' || $1::integer, '0 0 2 1 *', 'SELECT 1')}, 10_000_000, 'postgres')));
		$cron->{session}->query(qq{SELECT count(cron.unschedule('s' || i)) FROM generate_series(10000000, 10000000 + $samples - 1) i});
		my $pid = $cron->launcher;
		usleep(2e6);
		my ($wakeups, $cpu) = window([$pid], $run->pick(4, 10));
		$run->add($name, 'wake-ups/s', 'pg_cron', $size, $wakeups);
		$run->add($name, 'CPU %', 'pg_cron', $size, $cpu);
		$run->add($name, 'memory MB', 'pg_cron', $size, memory($pid));
	}
	$cron->remove;
	return;
}

1;
