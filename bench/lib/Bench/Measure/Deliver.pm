# Bench::Measure::Deliver: events that were published before are handled: by a call
# for each, compared with tasks that do the same; and many in a call, compared with
# PgQ and with brokers.  Then the time from the acknowledged commit of an event to
# its handler.  A run counts only if every row exists exactly once.
package Bench::Measure::Deliver;

use strict;
use warnings;

use Bench::Broker;
use Bench::Jadugar;
use Bench::Measure::Latency;
use Bench::Peer;
use Time::HiRes qw(time);

our $name = 'deliver';

my $one = q{INSERT INTO effect VALUES ((($1).data->>'n')::integer)};
my $many = q{INSERT INTO effect SELECT (e.data->>'n')::integer FROM unnest($1) e};

sub measure
{
	my ($run) = @_;
	my $n = $run->pick(60_000, 200_000);

	foreach my $round (1 .. $run->rounds(2, 3))
	{
		foreach my $width (1, 4)
		{
			jadugar($run, 'events/s', 'jadugar', $width, $n, subscriptions => 1, shards => $width, handler => $one);
			my ($rate) = run_backlog($run, $width, $n);
			$run->add($name, 'events/s', 'tasks', $width, $rate);
		}
		jadugar($run, 'events/s', 'jadugar, 8 subscriptions', 8, $n, subscriptions => 8, shards => 1, handler => $one);
		foreach my $where ('this', 'another')
		{
			jadugar($run, 'events/s', "jadugar, a writer in $where database left open", 1, $n, subscriptions => 1, shards => 1, handler => $one,
				writer => $where);
		}
		jadugar($run, 'set-based, events/s', 'jadugar', '', $n, subscriptions => 1, shards => 1, handler => $many, batch => 1000);
		pgq($run, $n) if $run->has('pgq');
		next if !$run->has('npm');
		foreach my $broker (grep { $run->has($_) } @Bench::Broker::all)
		{
			broker($run, $broker, $n);
		}
	}
	latency($run, $run->pick(200, 400));
	return;
}

my %called = (
	redis => 'Redis streams, batches of 100',
	nats => 'NATS JetStream, batches of 100',
	rabbitmq => 'RabbitMQ quorum queue, batches of 100');

# Publish, then resume the subscriptions, and wait for the effects.  With several
# subscriptions each gets its share of the events.
sub jadugar
{
	my ($run, $metric, $who, $x, $n, %o) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => $x || 1);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	my $count = $o{subscriptions};
	my $batch = $o{batch} // 'NULL';
	foreach my $i (1 .. $count)
	{
		$session->query(qq{SELECT jadugar.subscribe('bench$i', '{bench$i}', \$\$$o{handler}\$\$, shards => $o{shards}, batch => $batch)});
	}
	# warm: each handler has run once
	$session->query(qq{SELECT count(jadugar.publish('bench' || i, '{"n": 0}')) FROM generate_series(1, $count) i});
	$server->poll(sub { $session->query('SELECT count(*) FROM effect') == $count }, 'warm handlers');
	$session->query('TRUNCATE effect');
	$session->query(qq{SELECT jadugar.pause_subscription(name) FROM jadugar.subscriptions});
	$session->query(qq{SELECT (SELECT count(*) FROM jadugar.publish_batch('bench' || i,
		(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(i, $n, $count) n),
		keys => (SELECT array_agg('k' || n % 1000) FROM generate_series(i, $n, $count) n)))
		FROM generate_series(1, $count) i});
	$server->settle($db);
	my $writer = $o{writer} ? writer($server, $o{writer} eq 'this' ? $db : 'postgres') : undef;
	my $start = time();
	$session->query(qq{SELECT jadugar.resume_subscription(name) FROM jadugar.subscriptions});
	$server->poll(sub { $session->query('SELECT sum(handled) FROM jadugar.subscriptions') == $n + $count }, 'events are handled');
	my $end = $session->query('SELECT extract(epoch FROM max(last_handled_at)) FROM jadugar.subscriptions');
	$run->same("effects in $db", $session->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
	$run->add($name, $metric, $who, $x, $n / ($end - $start));
	$_->close foreach grep { $_ } $writer, $session;
	$server->drop($db);
	return;
}

# writer(SERVER, DB): open a session whose transaction has written, and stays open.
sub writer
{
	my ($server, $db) = @_;
	my $session = $server->session($db, 'postgres');

	$session->query('BEGIN');
	$session->query('CREATE TABLE held ()');
	return $session;
}

# One consumer, inside the server; each batch is one commit.
sub pgq
{
	my ($run, $n) = @_;
	my $server = $run->{server};
	my %way = (
		'PgQ' => [ 'set-based, events/s', '', 'INSERT INTO effect SELECT (ev_data::jsonb->>\'n\')::integer FROM pgq.get_batch_events(b)' ],
		'PgQ, a statement for each' => [ 'events/s', 1, 'FOR t IN SELECT ev_data FROM pgq.get_batch_events(b) LOOP
			INSERT INTO effect VALUES ((t::jsonb->>\'n\')::integer); END LOOP' ]);

	foreach my $who (sort keys %way)
	{
		my ($metric, $x, $work) = $way{$who}->@*;
		my $db = $server->fresh('pgq');
		my $session = $server->session($db, 'postgres');

		$session->query('CREATE EXTENSION pgq');
		$session->query('CREATE TABLE effect (n integer)');
		$session->query(q{SELECT pgq.create_queue('bench'), pgq.set_queue_config('bench', 'ticker_max_count', '1000'),
			pgq.set_queue_config('bench', 'ticker_max_lag', '1 millisecond')});
		$session->query(q{SELECT pgq.register_consumer('bench', 'one')});
		# a tick for each thousand events
		for (my $i = 0; $i < $n; $i += 1000)
		{
			$session->query(qq{SELECT count(pgq.insert_event('bench', 'type', jsonb_build_object('n', n)::text))
				FROM generate_series($i + 1, $i + 1000) n});
			$session->query(q{SELECT pgq.ticker('bench')});
		}
		$session->query(qq{CREATE PROCEDURE consume() LANGUAGE plpgsql AS \$\$
			DECLARE b bigint; t text;
			BEGIN
				LOOP
					b := pgq.next_batch('bench', 'one');
					EXIT WHEN b IS NULL;
					$work;
					PERFORM pgq.finish_batch(b);
					COMMIT;
				END LOOP;
			END \$\$});
		$server->settle($db);
		my $start = time();
		$session->query('CALL consume()');
		my $seconds = time() - $start;
		$run->same("effects in $db", $session->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
		$run->add($name, $metric, $who, $x, $n / $seconds);
		$session->close;
		$server->drop($db);
	}
	return;
}

sub broker
{
	my ($run, $which, $n) = @_;
	my $server = $run->{server};
	my $db = $server->fresh($which);
	my $session = $server->session($db);
	my $broker = Bench::Broker->start($which, "$server->{dir}/$which" . ++$run->{brokers});

	$session->query('CREATE TABLE effect (n integer)');
	my $peer = Bench::Peer->start($which, 'consume', $db, $broker->env, COUNT => $n);
	$peer->expect('ready', 300);
	$peer->tell('go');
	my $seconds = $peer->expect('time', 300);
	$run->same("effects in $db", $session->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
	$run->add($name, 'set-based, events/s', $called{$which}, '', $n / $seconds);
	$peer->end;
	$broker->stop;
	$session->close;
	$server->drop($db);
	return;
}

sub latency
{
	my ($run, $samples) = @_;
	my $server = $run->{server};
	my $count = $samples + $Bench::Measure::Latency::warm_up;

	$server->set('jadugar.max_workers_per_role' => 1);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	$session->query('CREATE TABLE seen (n integer, at timestamptz)');
	$session->query(q{SELECT jadugar.subscribe('bench', '{bench}',
		$$INSERT INTO seen VALUES ((($1).data->>'n')::integer, clock_timestamp())$$)});
	my $acknowledged = Bench::Measure::Latency::client($run, $db,
		q{SELECT jadugar.publish('bench', jsonb_build_object('n', $1::integer))}, $count);
	$server->poll(sub { $session->query('SELECT count(*) FROM seen') == $count }, 'events are handled', 10);
	Bench::Measure::Latency::compare($run, 'jadugar', $acknowledged,
		{ map { @$_ } $session->rows('SELECT n, round(extract(epoch FROM at) * 1e6) FROM seen') }, $name);
	$session->close;
	$server->drop($db);
	return if !$run->has('npm');
	foreach my $which (grep { $run->has($_) } @Bench::Broker::all)
	{
		my $broker = Bench::Broker->start($which, "$server->{dir}/$which" . ++$run->{brokers});
		my $peer = Bench::Peer->start($which, 'consume', 'postgres', $broker->env, COUNT => $count,
			PAUSE => $Bench::Measure::Latency::pause);
		my (%sent, %started);

		while (defined(my $line = $peer->line(30)))
		{
			$sent{$1} = $2 if $line =~ /^sent (\d+) (\d+)/;
			$started{$1} = $2 if $line =~ /^started (\d+) (\d+)/;
		}
		Bench::Measure::Latency::compare($run, $called{$which} =~ s/,.*//r, \%sent, \%started, $name);
		$peer->end;
		$broker->stop;
	}
	return;
}

1;
