# Bench::Measure::Latency: time from the acknowledged commit of an enqueue to the
# start of the task.  The server is idle and the worker warm.
package Bench::Measure::Latency;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Peer;
use Bench::Stats;

our $name = 'latency';

our $pause = 25;     # ms between two tasks
our $warm_up = 20;

sub measure
{
	my ($run) = @_;
	my $samples = $run->pick(200, 400);

	foreach my $round (1 .. $run->rounds(1, 3))
	{
		jadugar($run, $samples);
		next if !$run->has('npm');
		graphile($run, $samples);
		pgboss($run, $samples);
	}
	return;
}

# compare(RUN, WHO, ACKNOWLEDGED, STARTED [, MEASURE]): record the differences of two
# hashes, number of a task => microseconds.
sub compare
{
	my ($run, $who, $acknowledged, $started, $measure) = @_;
	my @ms;

	foreach my $n (grep { $_ > $warm_up } keys %$acknowledged)
	{
		die "$who: task $n has not started\n" if !defined $started->{$n};
		push @ms, ($started->{$n} - $acknowledged->{$n}) / 1000;
	}
	$measure //= $name;
	$run->keep($measure, 'ms', $who, '', @ms);
	$run->add($measure, 'p50 ms', $who, '', percentile(50, @ms));
	$run->add($measure, 'p99 ms', $who, '', percentile(99, @ms));
	return;
}

# client(RUN, DB, SQL, COUNT): return number of a task => time of acknowledgement.
sub client
{
	my ($run, $db, $sql, $count) = @_;

	open(my $out, '-|', $run->{client}, "dbname=$db user=$Bench::Server::role", $sql, $count, 1, $pause)
	  or die "client: $!";
	my %acknowledged = map { (split ' ')[ 0, -1 ] } readline($out);
	close($out) or die "the client failed\n";
	return \%acknowledged;
}

# A start is taken from two sources: the history, and the first statement of the
# task, which has been planned by then.
sub jadugar
{
	my ($run, $samples) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => 1);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	$session->query('CREATE TABLE seen (n integer, at timestamptz)');
	$session->query('SELECT jadugar.start_workers(1)');
	my $acknowledged = client($run, $db, q{SELECT jadugar.enqueue(
		$$INSERT INTO seen VALUES (($1->>'n')::integer, clock_timestamp())$$, jsonb_build_object('n', $1::integer))},
		$samples + $warm_up);
	wait_for_completed($run, $session, $samples + $warm_up, 10);
	compare($run, 'jadugar', $acknowledged, { map { @$_ } $session->rows(
		q{SELECT payload->>'n', round(extract(epoch FROM started_at) * 1e6) FROM jadugar.history}) });
	compare($run, 'jadugar, first statement', $acknowledged, { map { @$_ } $session->rows(
		q{SELECT n, round(extract(epoch FROM at) * 1e6) FROM seen}) });
	$session->close;
	$server->drop($db);
	return;
}

# started(PEER): return the starts that the peer reported.
sub started
{
	my ($peer) = @_;

	return { map { /^started (\d+) (\d+)/ ? ($1 => $2) : () } $peer->stop };
}

sub graphile
{
	my ($run, $samples) = @_;
	my $db = $run->{server}->fresh('graphile');

	Bench::Peer->start('graphile', 'setup', $db)->expect('ready');
	my $peer = Bench::Peer->start('graphile', 'latency', $db);
	$peer->expect('ready');
	my $acknowledged = client($run, $db,
		q{SELECT graphile_worker.add_job('bench', json_build_object('n', $1::integer))}, $samples + $warm_up);
	compare($run, 'graphile-worker', $acknowledged, started($peer));
	$run->{server}->drop($db);
	return;
}

sub pgboss
{
	my ($run, $samples) = @_;
	my $db = $run->{server}->fresh('pgboss');

	Bench::Peer->start('pgboss', 'setup', $db)->stop;
	my $peer = Bench::Peer->start('pgboss', 'latency', $db);
	$peer->expect('ready');
	my $producer = Bench::Peer->start('pgboss', 'produce', $db, COUNT => $samples + $warm_up, PAUSE => $pause);
	$producer->expect('ready');
	$producer->tell('go');
	my %acknowledged;
	while (keys %acknowledged < $samples + $warm_up)
	{
		my $line = $producer->line(30) // last;
		$acknowledged{$1} = $2 if $line =~ /^sent (\d+) (\d+)/;
	}
	$producer->end;
	compare($run, 'pg-boss', \%acknowledged, started($peer));
	$run->{server}->drop($db);
	return;
}

1;
