# Bench::Measure::Publish: publish one event per commit, compared with a plain
# INSERT into a table with the same indexes, with PgQ, emmett and brokers; and 100,000 events in one
# call, compared with COPY into that table.
package Bench::Measure::Publish;

use strict;
use warnings;

use Bench::Broker;
use Bench::Jadugar;
use Bench::Machine;
use Bench::Peer;
use Time::HiRes qw(time);

our $name = 'publish';

my $n = 100_000;

# Competitors, and the script that publishes :n.  All use one database.
my %script = (
	'jadugar' => qq{SELECT jadugar.publish('bench', jsonb_build_object('n', :n::integer));\n},
	'plain INSERT, same indexes' => q{INSERT INTO floor.event (event_id, xid, leaf, slot, published_at, publisher,
		version, hops, type, data) VALUES (nextval('floor.event_id_seq'), pg_current_xact_id(), 1, 0, now(),
		current_user::regrole, 0, 0, 'bench', jsonb_build_object('n', :n::integer));} =~ s/\s+/ /gr . "\n",
	'PgQ' => qq{SELECT pgq.insert_event('bench', 'type', jsonb_build_object('n', :n::integer)::text);\n});

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};

	foreach my $round (1 .. $run->rounds(3, 5))
	{
		my $db = fresh_jadugar($run);
		my $admin = $server->session($db, 'postgres');

		$admin->query("\\i $run->{bench}/floor/event.sql");
		# makes the partition
		$server->session($db)->query(q{SELECT jadugar.publish('bench')});
		if ($run->has('pgq'))
		{
			$admin->query('CREATE EXTENSION pgq');
			$admin->query(q{SELECT pgq.create_queue('bench')});
			$admin->query("GRANT pgq_writer TO $Bench::Server::role");
		}
		foreach my $clients (1, 8)
		{
			single($run, $db, $_, $clients) foreach 'jadugar', 'plain INSERT, same indexes';
			single($run, $db, 'PgQ', $clients) if $run->has('pgq');
			subscribed($run, $db, $clients);
			next if !$run->has('npm') || $run->{quick} && $round > 1;
			emmett($run, $clients);
			broker($run, $_, $clients) foreach grep { $run->has($_) } @Bench::Broker::all;
		}
		$admin->close;
		$server->drop($db);
		batches($run);
	}
	return;
}

sub single
{
	my ($run, $db, $who, $clients) = @_;
	my $server = $run->{server};
	my $file = "$server->{dir}/publish.sql";

	open(my $out, '>', $file) or die "$file: $!";
	print $out "\\set n random(1, 1000000)\n", $script{ $who =~ s/, 100 subscriptions//r };
	close($out);
	$server->admin('CHECKPOINT');
	$run->add($name, 'events/s', $who, $clients, Bench::Machine::pgbench($run, $db, $file, $clients, $run->pick(2, 5)));
	return;
}

# The same beside many subscriptions, for which nothing is published.
sub subscribed
{
	my ($run, $db, $clients) = @_;
	my $session = $run->{server}->session($db);

	$session->query(q{SELECT jadugar.subscribe('bench ' || n, ARRAY['other.' || n], 'SELECT 1') FROM generate_series(1, 100) n});
	single($run, $db, 'jadugar, 100 subscriptions', $clients);
	$session->query('SELECT jadugar.unsubscribe(name) FROM jadugar.subscriptions');
	$session->close;
	return;
}

my %called = (
	redis => 'Redis streams, appendfsync always',
	nats => 'NATS JetStream, no sync',
	rabbitmq => 'RabbitMQ quorum queue, confirms');

sub broker
{
	my ($run, $which, $clients) = @_;
	my $broker = Bench::Broker->start($which, "$run->{server}{dir}/$which" . ++$run->{brokers});

	$run->add($name, 'events/s', $called{$which}, $clients,
		Bench::Peer->start($which, 'publish', 'postgres', $broker->env, CLIENTS => $clients, SECONDS => $run->pick(2, 5))->expect('rate'));
	$broker->stop;
	return;
}

sub emmett
{
	my ($run, $clients) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('emmett');

	$server->admin('CHECKPOINT');
	$run->add($name, 'events/s', 'emmett, appendToStream()', $clients,
		Bench::Peer->start('emmett', 'publish', $db, CLIENTS => $clients, SECONDS => $run->pick(2, 5))->expect('rate'));
	$server->drop($db);
	return;
}

# Each competitor starts with an empty table.
sub batches
{
	my ($run) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	my $admin = $server->session($db, 'postgres');
	my $session = $server->session($db);
	my $file = "$server->{dir}/events.copy";

	$admin->query("\\i $run->{bench}/floor/event.sql");
	$session->query(q{CREATE TYPE public.checked AS (a integer, b bigint, c text, d text, e numeric, f boolean, g date, h text)});
	$session->query(q{SELECT jadugar.register_event_type('checked', 'public.checked')});
	$session->query('SELECT jadugar.create_topic(\'bench\')');
	$session->query('CREATE TEMP TABLE given AS SELECT ' . payloads($n) . ' AS payloads');
	$session->query(qq{CREATE TEMP TABLE wide AS SELECT array_agg(jsonb_build_object('a', n, 'b', n, 'c', 'word', 'd', 'word',
		'e', 1.5, 'f', true, 'g', '2026-01-01', 'h', 'word')) AS payloads FROM generate_series(1, $n) n});
	timed($run, 'jadugar', $session,
		q{SELECT count(*) FROM given, jadugar.publish_batch('bench', payloads, topic => 'bench')});
	$run->same('events', $admin->query(q{SELECT count(*) FROM jadugar.events WHERE topic = 'bench'}), $n);
	$admin->query("COPY (SELECT * FROM jadugar_internal.event WHERE type = 'bench') TO '$file'");
	timed($run, 'COPY, same indexes', $admin, "COPY floor.event FROM '$file'");
	$run->same('rows', $admin->query('SELECT count(*) FROM floor.event'), $n);
	unlink($file);
	timed($run, 'jadugar, 8 fields', $session, q{SELECT count(*) FROM wide, jadugar.publish_batch('wide', payloads)});
	timed($run, 'jadugar, 8 fields, checked', $session, q{SELECT count(*) FROM wide, jadugar.publish_batch('checked', payloads)});
	$_->close foreach $session, $admin;
	$server->drop($db);
	return;
}

sub timed
{
	my ($run, $who, $session, $sql) = @_;

	$run->{server}->admin('CHECKPOINT');
	my $start = time();
	$session->query($sql);
	$run->add($name, 'batch, events/s', $who, '', $n / (time() - $start));
	return;
}

1;
