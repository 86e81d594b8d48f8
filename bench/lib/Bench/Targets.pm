# Bench::Targets: the targets of jadugar, and whether this run reached them.
package Bench::Targets;

use strict;
use warnings;

use Bench::Stats;
use List::Util qw(max min);

# best_ratio(RUN, AGAINST): return the best throughput of jadugar divided by the
# best throughput of another competitor.
sub best_ratio
{
	my ($run, $against) = @_;
	my $ours = $run->best('throughput', 'tasks/s', 'jadugar');
	my $theirs = $run->best('throughput', 'tasks/s', $against);

	return if !$ours || !$theirs;
	return $ours / $theirs;
}

# ratio(RUN, MEASURE, METRIC, WHO, X): return the median ratio of jadugar to WHO.
# Each ratio compares two values of one round, which are close in time.
sub ratio
{
	my ($run, $measure, $metric, $who, $x) = @_;
	my @ours = $run->values($measure, $metric, 'jadugar', $x);
	my @theirs = $run->values($measure, $metric, $who, $x);

	return median(map { $ours[$_] / $theirs[$_] } grep { $theirs[$_] } 0 .. min($#ours, $#theirs));
}

# Functions for the rows of targets.  A function returns the measured value as
# text and whether it reaches the target, or nothing if it was not measured.
sub at_least
{
	my ($least, $value) = @_;

	return defined $value ? (sprintf('%.2f×', $value), $value >= $least) : ();
}

sub at_most
{
	my ($most, $unit, $value) = @_;

	return defined $value ? (number($value) . " $unit", $value <= $most) : ();
}

# Return the ratio of a metric at the largest number of schedules to the smallest.
sub growth
{
	my ($run, $metric) = @_;
	my @xs = $run->xs('schedules', $metric, 'jadugar');

	return if @xs < 2;
	my ($first, $last) = map { $run->middle('schedules', $metric, 'jadugar', $_) } @xs[ 0, -1 ];
	return $first ? $last / $first : undef;
}

sub worst
{
	my ($run, $measure, $metric) = @_;

	return max(map { $run->middle($measure, $metric, 'jadugar', $_) } $run->xs($measure, $metric, 'jadugar'));
}

# The most of what happened while tasks waited for a breaker.
sub worst_of
{
	my ($run, $metric) = @_;

	return max(map { $run->values('http', $metric, 'breaker is open', $_) } $run->xs('http', $metric, 'breaker is open'));
}

my @targets = (
	[ 'tasks that each INSERT a row, against graphile-worker', '≥ 8×',
		sub { at_least(8, best_ratio($_[0], 'graphile-worker')) } ],
	[ 'the same, against batches of 100 read by a client as pgmq does', '≥ 2.5×',
		sub { at_least(2.5, best_ratio($_[0], 'SQL client, batches of 100')) } ],
	[ 'the same, against a C worker with groups of 32', '≥ 0.8×',
		sub { at_least(0.8, best_ratio($_[0], 'C floor, groups of 32')) } ],
	(map {
		my $clients = $_;
		[ "enqueue, one commit each, $clients client" . ($clients > 1 ? 's' : '') . ', against a plain INSERT', '≥ 0.9×',
			sub { at_least(0.9, ratio($_[0], 'enqueue', 'tasks/s', 'plain INSERT, same indexes', $clients)) } ]
	} 1, 4),
	[ 'enqueue 100,000 in one batch, against COPY', '≥ 0.6×',
		sub { at_least(0.6, ratio($_[0], 'batch', 'tasks/s', 'COPY, same indexes', '')) } ],
	[ 'the same, against SQL like pgmq.send_batch', '≥ 1×',
		sub { at_least(1, ratio($_[0], 'batch', 'tasks/s', 'SQL like pgmq.send_batch', '')) } ],
	(map {
		my $clients = $_;
		[ "publish, one commit each, $clients client" . ($clients > 1 ? 's' : '') . ', against a plain INSERT', '≥ 0.9×',
			sub { at_least(0.9, ratio($_[0], 'publish', 'events/s', 'plain INSERT, same indexes', $clients)) } ]
	} 1, 8),
	(map {
		my $clients = $_;
		[ "the same beside 100 subscriptions to other types, $clients client" . ($clients > 1 ? 's' : ''), '≥ 0.85×',
			sub {
				my ($ours, $plain) = map { $_[0]->middle('publish', 'events/s', $_, $clients) } 'jadugar, 100 subscriptions', 'plain INSERT, same indexes';
				$ours && $plain ? at_least(0.85, $ours / $plain) : ();
			} ]
	} 1, 8),
	[ 'publish 100,000 in one batch, against COPY', '≥ 0.6×',
		sub { at_least(0.6, ratio($_[0], 'publish', 'batch, events/s', 'COPY, same indexes', '')) } ],
	(map {
		my $shards = $_;
		[ "events handled, $shards shard" . ($shards > 1 ? 's' : '') . ", against tasks by $shards worker" . ($shards > 1 ? 's' : ''), '≥ 1.2×',
			sub { at_least(1.2, ratio($_[0], 'deliver', 'events/s', 'tasks', $shards)) } ]
	} 1, 4),
	[ 'events handled, 8 subscriptions together, against the most of tasks', '≥ 1.5×',
		sub {
			my ($ours, $tasks) = map { scalar $_[0]->best('deliver', 'events/s', $_) } 'jadugar, 8 subscriptions', 'tasks';
			$ours && $tasks ? at_least(1.5, $ours / $tasks) : ();
		} ],
	(map {
		my $where = $_;
		[ "events handled, 1 shard, a writer in $where database left open, against none", '≥ 0.9×',
			sub {
				my ($with, $without) = map { $_[0]->middle('deliver', 'events/s', $_, 1) } "jadugar, a writer in $where database left open", 'jadugar';
				$with && $without ? at_least(0.9, $with / $without) : ();
			} ]
	} 'this', 'another'),
	[ 'replay, many in a call', '≥ 200,000/s',
		sub { my $r = $_[0]->middle('replay', 'events/s', 'jadugar', 'batches of 1,000'); defined $r ? (number($r) . '/s', $r >= 200_000) : () } ],
	[ 'replay, memory of the workers', '≤ 64 MB more',
		sub { at_most(64, 'MB', worst($_[0], 'replay', 'MB more')) } ],
	[ 'events handled, many in a call', '≥ 250,000/s',
		sub { my $r = $_[0]->middle('deliver', 'set-based, events/s', 'jadugar', ''); defined $r ? (number($r) . '/s', $r >= 250_000) : () } ],
	[ 'the same, against PgQ', '≥ 0.45×',
		sub { at_least(0.45, ratio($_[0], 'deliver', 'set-based, events/s', 'PgQ', '')) } ],
	(map {
		my $consumers = $_;
		[ "fetch + ack of 100, $consumers consumer" . ($consumers > 1 ? 's' : '') . ', against SQL like pgmq read + archive', '≥ 1×',
			sub { at_least(1, ratio($_[0], 'fetch', 'events/s', 'SQL like pgmq read and archive', $consumers)) } ]
	} 1, 8),
	[ 'tasks of 4,000 tenants, against tasks without tenant', '≥ 0.8×',
		sub {
			my ($with, $without) = map { $_[0]->middle('limits', 'tasks/s', $_, '') } '4,000 tenants', 'no tenant';
			$with && $without ? at_least(0.8, $with / $without) : ();
		} ],
	[ 'a task of one tenant behind 100,000 of another, p99', '≤ 20 ms',
		sub { at_most(20, 'ms', $_[0]->middle('limits', 'behind, p99 ms', 'jadugar', '')) } ],
	[ 'a rate of 100/s: begun of what it allows', '100 % ± 1',
		sub { my $r = $_[0]->middle('limits', 'begun of 100', 'jadugar', ''); defined $r ? (number($r) . ' %', abs($r - 100) <= 1) : () } ],
	[ 'the same: begun beyond the burst', '0',
		sub { at_most(0, 'tasks', $_[0]->middle('limits', 'beyond the burst', 'jadugar', '')) } ],
	(map {
		my $who = $_;
		[ "messages of an actor, 1,000 keys, against $who", '≥ 0.5×',
			sub {
				my ($ours, $tasks) = map { $_[0]->middle('actors', 'messages/s', $_, '') } 'jadugar, 1000 keys', $who;
				$ours && $tasks ? at_least(0.5, $ours / $tasks) : ();
			} ]
	} 'tasks', 'tasks that change a state'),
	[ 'messages of an actor, one key', '≥ 10,000/s',
		sub { my $r = $_[0]->middle('actors', 'messages/s', 'jadugar, 1 key', ''); defined $r ? (number($r) . '/s', $r >= 10_000) : () } ],
	[ 'a hit of the cache, against a prepared SELECT by primary key', '≥ 0.8×',
		sub { at_least(0.8, ratio($_[0], 'actors', 'hits/s', 'SELECT by primary key', '')) } ],
	[ '100 sessions miss one key of the cache at once', 'computed once',
		sub { my $r = $_[0]->middle('actors', 'computed', 'jadugar', 100); defined $r ? ("$r", $r == 1) : () } ],
	[ 'HTTP requests to a local nginx, 16 connections, against libcurl alone', '≥ 0.5×',
		sub { at_least(0.5, ratio($_[0], 'http', 'requests/s', 'libcurl alone', '')) } ],
	[ 'CPU of the process that sends, a request', '≤ 120 µs',
		sub { at_most(120, 'µs', $_[0]->middle('http', 'process CPU µs', 'jadugar', '')) } ],
	[ 'enqueue acknowledged → answered by nginx, p50', '≤ 1.5 ms',
		sub { at_most(1.5, 'ms', $_[0]->middle('http', 'p50 ms', 'alone', '')) } ],
	[ 'the same, p99', '≤ 5 ms',
		sub { at_most(5, 'ms', $_[0]->middle('http', 'p99 ms', 'alone', '')) } ],
	[ 'the same beside 200 requests that hang, p99', '< 5 ms more',
		sub {
			my ($alone, $beside) = map { $_[0]->middle('http', 'p99 ms', $_, '') } 'alone', '200 requests hang';
			defined $beside ? (number($beside - $alone) . ' ms', $beside - $alone < 5) : ();
		} ],
	(map {
		my $what = $_;
		[ "HTTP tasks behind an open breaker: $what", '0', sub { at_most(0, '', worst_of($_[0], $what)) } ]
	} 'wake-ups', 'transactions', 'blocks read', 'WAL bytes'),
	[ 'publish acknowledged → handler, p50', '≤ 0.3 ms',
		sub { at_most(0.3, 'ms', $_[0]->middle('deliver', 'p50 ms', 'jadugar', '')) } ],
	[ 'publish acknowledged → handler, p99', '≤ 1.5 ms',
		sub { at_most(1.5, 'ms', $_[0]->middle('deliver', 'p99 ms', 'jadugar', '')) } ],
	[ 'enqueue acknowledged → started, p50', '≤ 0.3 ms',
		sub { at_most(0.3, 'ms', $_[0]->middle('latency', 'p50 ms', 'jadugar', '')) } ],
	[ 'enqueue acknowledged → started, p99', '≤ 1.5 ms',
		sub { at_most(1.5, 'ms', $_[0]->middle('latency', 'p99 ms', 'jadugar', '')) } ],
	[ 'schedule → started, one schedule, p99', '≤ 2 ms',
		sub { at_most(2, 'ms', $_[0]->middle('lateness', 'p99 ms', 'jadugar', 1)) } ],
	[ 'schedule → started, 1,000 at one instant, p99', '≤ 100 ms',
		sub { at_most(100, 'ms', $_[0]->middle('lateness', 'p99 ms', 'jadugar', 1000)) } ],
	[ 'schedules none of which is due: wake-ups', '0',
		sub { at_most(0.05, 'a second', worst($_[0], 'schedules', 'wake-ups/s')) } ],
	[ 'schedules none of which is due: CPU', '0',
		sub { at_most(0.01, '%', worst($_[0], 'schedules', 'CPU %')) } ],
	[ 'memory with the most schedules, against ten', '≤ 1.2×',
		sub { my $g = growth($_[0], 'memory MB'); defined $g ? (sprintf('%.2f×', $g), $g <= 1.2) : () } ],
	[ 'making one schedule among the most, against ten', '≤ 1.2×',
		sub { my $g = growth($_[0], 'make one, ms'); defined $g ? (sprintf('%.2f×', $g), $g <= 1.2) : () } ],
	[ 'changing one schedule among the most, against ten', '≤ 1.2×',
		sub { my $g = growth($_[0], 'change one, ms'); defined $g ? (sprintf('%.2f×', $g), $g <= 1.2) : () } ],
	[ 'nothing to do: wake-ups', '0',
		sub { at_most(0, 'a second', $_[0]->middle('idle', 'wake-ups/s', 'jadugar', '')) } ],
	[ 'nothing to do: transactions', '0',
		sub { at_most(0, 'a minute', $_[0]->middle('idle', 'transactions/min', 'jadugar', '')) } ],
	[ 'throughput lost to one open transaction', '< 10 %',
		sub {
			my ($without, $with) = map { $_[0]->middle('snapshot', 'at the end', 'jadugar', $_) } 'without', 'with';
			return if !$without || !defined $with;
			my $lost = 100 * (1 - $with / $without);
			return (sprintf('%.0f %%', $lost), $lost < 10);
		} ],
	(map {
		my $who = $_;
		map {
			my $how = $_;
			[ "a step of a $who started $how: CPU against a plain task", '≤ 2×',
				sub { my $r = $_[0]->middle('flows', 'CPU, × plain', $who, "$how, 1 worker"); defined $r ? (sprintf('%.2f×', $r), $r <= 2) : () } ]
		} 'in one transaction', 'a commit each'
	} 'chain of three', 'parallel of ten'),
	[ 'start of a run → end of a chain of three, p50', '≤ 2 ms',
		sub { at_most(2, 'ms', $_[0]->middle('flows', 'p50 ms', 'wait_flow() has returned the run', '')) } ],
	[ 'an event beside 100,000 open waits with other keys, to one beside 10', '≤ 1.2×',
		sub { my $r = $_[0]->middle('flows', '× beside 10', 'event that ends a wait', 100_000); defined $r ? (sprintf('%.2f×', $r), $r <= 1.2) : () } ],
);

# rows(RUN): return rows of subject, target, measured value and verdict.
sub rows
{
	my ($run) = @_;

	return map {
		my ($what, $target, $code) = @$_;
		my ($text, $met) = $code->($run);
		defined $text ? [ $what, $target, $text, $met ? 'met' : '**missed**' ] : ();
	} @targets;
}

1;
