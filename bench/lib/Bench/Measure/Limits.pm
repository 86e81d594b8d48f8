# Bench::Measure::Limits: throughput with thousands of tenants that take turns; how long a
# tenant's task waits behind 100,000 of another; and how exactly a rate is kept.
package Bench::Measure::Limits;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Stats;

our $name = 'limits';

our $rate = 100;     # a second
our $burst = 10;     # the default, a tenth of the rate

sub measure
{
	my ($run) = @_;
	my $n = $run->pick(80_000, 200_000);

	foreach my $round (1 .. $run->rounds(2, 3))
	{
		my ($none) = run_backlog($run, 2, $n);

		$run->add($name, 'tasks/s', 'no tenant', '', $none);
		$run->add($name, 'tasks/s', '4,000 tenants', '', tenants($run, $n, 4000));
	}
	behind($run, 100_000, $run->pick(100, 300));
	keep_rate($run, $run->pick(15, 60));
	return;
}

# The same tasks, of many tenants that all have some.
sub tenants
{
	my ($run, $n, $tenants) = @_;
	my ($rate) = run_backlog($run, 2, $n, enqueue => sub {
		$_[0]->query(qq{SELECT count(*) FROM generate_series(1, $tenants) t,
			LATERAL jadugar.enqueue_batch(\$\$$work\$\$, ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(t, $n, $tenants) n), tenant => 't' || t)});
	});

	return $rate;
}

# Tenant a has many tasks of a millisecond; b enqueues one from time to time.
sub behind
{
	my ($run, $many, $samples) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => 2);
	my $db = fresh_jadugar($run);
	wait_for_workers($run, $db, 2);
	my $session = $server->session($db);
	$session->query("SELECT count(*) FROM jadugar.enqueue_batch('SELECT pg_sleep(0.001)', array_fill('{}'::jsonb, ARRAY[$many]), tenant => 'a')");
	$session->query("SELECT pg_sleep(0.02), jadugar.enqueue('SELECT 1', tenant => 'b')") foreach 1 .. $samples;
	$server->poll(sub { $session->query("SELECT count(*) FROM jadugar.history WHERE tenant = 'b'") == $samples }, 'the tasks of b have run');
	die "tenant a had too few tasks\n" if $session->query("SELECT count(*) FROM jadugar.tasks WHERE tenant = 'a'") == 0;
	my @ms = map { $_->[0] } $session->rows("SELECT extract(epoch FROM started_at - created_at) * 1000 FROM jadugar.history WHERE tenant = 'b'");
	$run->keep($name, 'ms behind', 'jadugar', '', @ms);
	$run->add($name, 'behind, p50 ms', 'jadugar', '', percentile(50, @ms));
	$run->add($name, 'behind, p99 ms', 'jadugar', '', percentile(99, @ms));
	$session->close;
	$server->drop($db);
	return;
}

# A queue with a rate always has tasks.  Each start adds one to a level, which falls by the
# rate; it must not exceed the burst.
sub keep_rate
{
	my ($run, $seconds) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	wait_for_workers($run, $db, 2);
	my $session = $server->session($db);
	$session->query("SELECT jadugar.create_queue('rated', rate => $rate)");
	$session->query("SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[" . 2 * $rate * $seconds . "]), queue => 'rated')");
	sleep($seconds + 1);
	my @at = map { $_->[0] } $session->rows("SELECT extract(epoch FROM started_at) FROM jadugar.history WHERE queue = 'rated' ORDER BY started_at");
	$run->add($name, 'begun of 100', 'jadugar', '', 100 * (grep { $_ < $at[0] + $seconds } @at) / ($rate * $seconds));
	my ($level, $highest) = (1, 1);
	foreach my $i (1 .. $#at)
	{
		$level -= ($at[$i] - $at[$i - 1]) * $rate;
		$level = 0 if $level < 0;
		$level++;
		$highest = $level if $level > $highest;
	}
	# the history has microseconds
	$run->add($name, 'beyond the burst', 'jadugar', '', $highest - $burst > 1e-3 ? $highest - $burst : 0);
	$session->close;
	$server->drop($db);
	return;
}

1;
