# Bench::Measure::Lateness: time from the instant of a schedule to the start of
# its task, for one schedule and for many at the same instant, and the time until
# all have started.  The command of each schedule is SELECT 1.
package Bench::Measure::Lateness;

use strict;
use warnings;

use Bench::Cron;
use Bench::Jadugar;
use Bench::Stats;
use Time::HiRes qw(time usleep);

our $name = 'lateness';

sub measure
{
	my ($run) = @_;

	foreach my $round (1 .. $run->rounds(1, 3))
	{
		every_second($run, $run->pick(20, 60));
		jadugar($run, $_) foreach 100, 1_000, 10_000;
		next if !$run->has('cron');
		cron($run, $_) foreach $run->pick([ 1, 1_000 ], [ 1, 100, 1_000 ])->@*;
	}
	cron($run, 10_000) if $run->has('cron') && !$run->{quick};
	return;
}

# keep(RUN, WHO, NUMBER OF SCHEDULES, LATENESSES in ms): record.
sub keep
{
	my ($run, $who, $count, @ms) = @_;

	$run->add($name, 'p50 ms', $who, $count, percentile(50, @ms));
	$run->add($name, 'p99 ms', $who, $count, percentile(99, @ms));
	$run->add($name, 'max ms', $who, $count, percentile(100, @ms));
	return;
}

my $late = q{SELECT 1000 * extract(epoch FROM started_at - scheduled_for) FROM jadugar.history
	WHERE schedule IS NOT NULL};

# One schedule per second; the server is idle in between.
sub every_second
{
	my ($run, $seconds) = @_;
	my $server = $run->{server};

	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	$session->query('SELECT jadugar.start_workers(1)');
	$session->query(q{SELECT jadugar.schedule('tick', '* * * * * *', 'SELECT 1')});
	wait_for_completed($run, $session, $seconds + 2, $seconds + 30);
	$session->query(q{SELECT jadugar.unschedule('tick')});
	# Omit the first tasks, for which the worker plans the command.
	my @ms = map { $_->[0] } $session->rows("$late ORDER BY started_at OFFSET 2");
	keep($run, 'jadugar', 1, @ms);
	$session->close;
	$server->drop($db);
	return;
}

# COUNT daily schedules at one instant.  Its distance depends on the time needed
# to create them.
sub jadugar
{
	my ($run, $count) = @_;

	foreach my $lead (4 + $count / 1500, 10 + $count / 300, 30 + $count / 100)
	{
		return if at_one_instant($run, $count, $lead);
	}
	die "$count schedules took too long to make\n";
}

# Return false if the instant passed before all schedules existed.
sub at_one_instant
{
	my ($run, $count, $lead) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => $run->{cores});
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	$session->query("SELECT jadugar.start_workers($run->{cores})");
	# so that the workers have planned the command
	$session->query(q{SELECT count(jadugar.enqueue('SELECT 1')) FROM generate_series(1, 200)});
	wait_for_completed($run, $session, 200);
	my $at = int(time() + $lead);
	my ($second, $minute, $hour) = (gmtime $at)[ 0 .. 2 ];
	$session->query(qq{SELECT count(jadugar.schedule('s' || i, '$second $minute $hour * * *', 'SELECT 1'))
		FROM generate_series(1, $count) i});
	$server->settle($db);
	my $in_time = time() < $at - 0.2;
	if ($in_time)
	{
		wait_for_completed($run, $session, 200 + $count, $lead + 120);
		$server->poll(sub { $session->query('SELECT count(*) FROM jadugar.history') >= 200 + $count },
			"$count occurrences in the history");
		my @ms = map { $_->[0] } $session->rows($late);
		$run->same('occurrences', scalar(@ms), $count);
		keep($run, 'jadugar', $count, @ms);
	}
	$session->close;
	$server->drop($db);
	return $in_time;
}

# One job per minute, the finest cron expression of pg_cron.
sub cron
{
	my ($run, $count) = @_;
	my $cron = Bench::Cron->new($run);

	$cron->schedules(1, $count, '* * * * *');
	my $at = 60 * (int((time() + 3) / 60) + 1);
	my $now = time();
	usleep(1e6 * ($at - $now)) if $at > $now;
	my $started = sub {
		return $cron->{session}->query(
			"SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE start_time >= to_timestamp($at)");
	};
	if (eval { $run->{server}->poll(sub { $started->() >= $count }, 'jobs of pg_cron', 90, 0.2); 1 })
	{
		keep($run, 'pg_cron', $count, map { 1000 * ($_->[0] - $at) } $cron->{session}->rows(qq{
			SELECT DISTINCT ON (jobid) extract(epoch FROM start_time) FROM cron.job_run_details
			WHERE start_time >= to_timestamp($at) ORDER BY jobid, start_time}));
	}
	else
	{
		$run->note("Of $count jobs of pg_cron for one minute, " . $started->() . ' had started 90 seconds later.');
	}
	$cron->remove;
	return;
}

1;
