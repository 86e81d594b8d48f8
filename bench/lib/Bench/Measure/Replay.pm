# Bench::Measure::Replay: all events of a long log are handled again by replay(),
# with a call for each and with many in a call; and meanwhile, the time from an
# event that is published now to its handler.  A run counts only if every row
# exists exactly once.
package Bench::Measure::Replay;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Measure::Latency;
use Bench::Proc;
use List::Util qw(max);
use Time::HiRes qw(time);

our $name = 'replay';

my %way = (
	'one by one' => [ q{INSERT INTO effect VALUES ((($1).data->>'n')::integer)}, 'NULL' ],
	'batches of 1,000' => [ q{INSERT INTO effect SELECT (e.data->>'n')::integer FROM unnest($1) e}, 1000 ]);

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};
	my $n = $run->pick(1_000_000, 10_000_000);

	# one for the replay, one for live events
	$server->set('jadugar.max_workers_per_role' => 2);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);

	for (my $i = 0; $i < $n; $i += 100_000)
	{
		$session->query("SELECT count(*) FROM jadugar.publish_batch('bench', (SELECT array_agg(jsonb_build_object('n', n))
			FROM generate_series($i + 1, $i + 100000) n))");
	}
	$session->query('CREATE TABLE seen (n integer, at timestamptz)');
	$session->query(q{SELECT jadugar.subscribe('live', '{live}',
		$$INSERT INTO seen VALUES ((($1).data->>'n')::integer, clock_timestamp())$$)});
	$session->query('SELECT jadugar.start_workers(2)');
	live($run, $db, $session, 'no replay');
	replay($run, $db, $session, $_, $n) foreach sort keys %way;
	$session->close;
	$server->drop($db);
	return;
}

# Publish live events, one after another, and take the times to their handler.
sub live
{
	my ($run, $db, $session, $who) = @_;
	my $count = $run->pick(50, 200) + $Bench::Measure::Latency::warm_up;

	$session->query('TRUNCATE seen');
	my $acknowledged = Bench::Measure::Latency::client($run, $db,
		q{SELECT jadugar.publish('live', jsonb_build_object('n', $1::integer))}, $count);
	$run->{server}->poll(sub { $session->query('SELECT count(*) FROM seen') == $count }, 'live events are handled', 30);
	Bench::Measure::Latency::compare($run, "live, $who", $acknowledged,
		{ map { @$_ } $session->rows('SELECT n, round(extract(epoch FROM at) * 1e6) FROM seen') }, $name);
	return;
}

sub replay
{
	my ($run, $db, $session, $who, $n) = @_;
	my $server = $run->{server};
	my ($handler, $batch) = $way{$who}->@*;
	my @pids = map { $_->[0] } $session->rows('SELECT pid FROM jadugar.workers');
	my $before = memory(@pids);
	my @memory;

	$session->query('TRUNCATE effect');
	$session->query(qq{SELECT jadugar.subscribe('original', '{bench}', \$\$$handler\$\$, batch => $batch, enabled => false)});
	$server->settle($db);
	my $start = time();
	$session->query(q{SELECT jadugar.replay('original', 'again')});
	$server->poll(
		sub { push @memory, memory(@pids); $session->query(q{SELECT status = 'done' FROM jadugar.subscriptions WHERE name = 'again'}) eq 't' },
		'the replay has ended', 900);
	my $end = $session->query(q{SELECT extract(epoch FROM last_handled_at) FROM jadugar.subscriptions WHERE name = 'again'});
	$run->same("effects in $db", $session->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
	$run->add($name, 'events/s', 'jadugar', $who, $n / ($end - $start));
	$run->add($name, 'MB more', 'jadugar', $who, max(@memory) - $before);
	# again, for the events that are published meanwhile
	$session->query(q{SELECT jadugar.unsubscribe('again'), jadugar.replay('original', 'again')});
	live($run, $db, $session, $who);
	$session->query('SELECT jadugar.unsubscribe(name) FROM jadugar.subscriptions WHERE name <> \'live\'');
	return;
}

1;
