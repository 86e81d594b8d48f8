# Bench::Measure::Idle: activity of each competitor without work: wake-ups of all
# its processes, CPU time, transactions.  All run at the same time, ready for
# work, each in a separate database.  Autovacuum is off.
package Bench::Measure::Idle;

use strict;
use warnings;

use Bench::Cron;
use Bench::Jadugar;
use Bench::Peer;
use Bench::Proc;
use Time::HiRes qw(time usleep);

our $name = 'idle';

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};
	my $seconds = $run->pick(20, 60);

	# Its activity cannot be assigned to one competitor.
	$server->set(autovacuum => 'off');
	foreach my $round (1 .. $run->rounds(1, 3))
	{
		$server->set('jadugar.max_workers_per_role' => 1);
		my $cron = $run->has('cron') ? Bench::Cron->new($run) : undef;
		my %db = (jadugar => fresh_jadugar($run));
		$db{pg_cron} = $Bench::Cron::db if $cron;
		wait_for_workers($run, $db{jadugar}, 1);
		my %peer = $run->has('npm') ? npm_peers($run, \%db) : ();

		usleep(6e6);    # let timers and first polls of the start end
		my %before = counters($run, \%db, \%peer);
		usleep(1e6 * $seconds);
		my %after = counters($run, \%db, \%peer);

		foreach my $who (grep { $db{$_} } 'jadugar', 'graphile-worker', 'pg-boss', 'pg_cron')
		{
			my %d = map { ($_ => $after{$who}{$_} - $before{$who}{$_}) } keys %{ $after{$who} };
			my $span = $d{at};
			$run->add($name, 'wake-ups/s', $who, '', $d{wakeups} / $span);
			$run->add($name, 'CPU ms/min', $who, '', 60_000 * $d{cpu} / $span);
			$run->add($name, 'transactions/min', $who, '', 60 * $d{transactions} / $span);
		}
		$_->stop foreach values %peer;
		$server->drop($db{$_}) foreach grep { $_ ne 'pg_cron' } keys %db;
		$cron->remove if $cron;
	}
	$server->set(autovacuum => 'on');
	return;
}

sub npm_peers
{
	my ($run, $db) = @_;
	my %driver = ('graphile-worker' => 'graphile', 'pg-boss' => 'pgboss');
	my %peer;

	foreach my $who (sort keys %driver)
	{
		$db->{$who} = $run->{server}->fresh($driver{$who});
		Bench::Peer->start($driver{$who}, 'setup', $db->{$who})->stop;
		$peer{$who} = Bench::Peer->start($driver{$who}, 'latency', $db->{$who});
		$peer{$who}->expect('ready');
	}
	return %peer;
}

# counters(RUN, DATABASES, PEERS): return the usage of each competitor so far.
sub counters
{
	my ($run, $db, $peer) = @_;
	my $server = $run->{server};
	my %counters;

	foreach my $who (keys %$db)
	{
		my $kind = $who eq 'jadugar' ? "backend_type IN ('jadugar launcher') OR backend_type LIKE 'jadugar %' AND datname = '$db->{$who}'"
		  : $who eq 'pg_cron' ? "backend_type = 'pg_cron launcher'"
		  : "datname = '$db->{$who}'";
		my @pids = split /\n/, $server->admin("SELECT pid FROM pg_stat_activity WHERE $kind");
		push @pids, $peer->{$who}{pid} if $peer->{$who};
		$counters{$who} = usage(@pids);
		$counters{$who}{transactions} = $server->admin(
			"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '$db->{$who}'");
		$counters{$who}{at} = time();
	}
	return %counters;
}

1;
