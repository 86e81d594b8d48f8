# Bench::Measure::Fetch: consumers fetch and acknowledge 100 events at a time,
# compared with SQL like pgmq's read and archive.  The consumers are sessions that
# run a procedure.  A run counts only if all events were acknowledged once.
package Bench::Measure::Fetch;

use strict;
use warnings;

use Bench::Jadugar;
use Time::HiRes qw(time);

our $name = 'fetch';

my %procedure = (
	'jadugar' => 'consume.events',
	'jadugar, one commit' => 'consume.events_at_once',
	'SQL like pgmq read and archive' => 'consume.messages');

sub measure
{
	my ($run) = @_;

	foreach my $round (1 .. $run->rounds(3, 5))
	{
		foreach my $consumers (1, 8)
		{
			one($run, $_, $consumers, $run->pick(30_000, 100_000)) foreach sort keys %procedure;
		}
	}
	return;
}

sub one
{
	my ($run, $who, $consumers, $n) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	my $ours = $who =~ /jadugar/;

	$session->query("\\i $run->{bench}/floor/$_.sql") foreach qw(batch fetch);
	$session->query(qq{SELECT jadugar.subscribe('bench', '{bench}', delivery => 'fetch', shards => $consumers)});
	if ($ours)
	{
		$session->query(qq{SELECT count(*) FROM jadugar.publish_batch('bench',
			(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, $n) n),
			keys => (SELECT array_agg('k' || n % 1000) FROM generate_series(1, $n) n))});
	}
	else
	{
		$session->query('SELECT batch.send(' . payloads($n) . ')');
	}
	$server->settle($db);
	my @sessions = map { $server->session($db) } 1 .. $consumers;
	my $start = time();
	$sessions[$_]->send("CALL $procedure{$who}('consumer $_')") foreach 0 .. $#sessions;
	$_->result foreach @sessions;
	$run->add($name, 'events/s', $who, $consumers, $n / (time() - $start));
	$run->same("acknowledged in $db", $session->query($ours ?
			q{SELECT handled, behind FROM jadugar.subscriptions} :
			'SELECT (SELECT count(*) FROM batch.archive), (SELECT count(*) FROM batch.queue)'), "$n|0");
	$_->close foreach $session, @sessions;
	$server->drop($db);
	return;
}

1;
