# Bench::Measure::EnqueueSingle: enqueue one task per commit, compared with a
# plain INSERT into a table with the same indexes, and with events of PgQ.  No
# worker runs.
package Bench::Measure::EnqueueSingle;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Machine;
use Bench::Peer;

our $name = 'enqueue';

# Competitors, and the script that inserts :n.  jadugar and the plain INSERT use
# one database.
my %script = (
	'jadugar' => qq{SELECT jadugar.enqueue('SELECT 1', jsonb_build_object('n', :n::integer));\n},
	'plain INSERT, same indexes' => q{INSERT INTO floor.task (task_id, owner, queue_id, priority,
		lane, state, transaction, isolate, bounded, attempt, max_attempts, crashes, command_id, run_at,
		created_at, key_place, payload) VALUES (nextval('floor.task_id_seq'), current_user::regrole, 1, 0,
		0, 'r', 'c', false, false, 0, 10, 0, 1, now(), now(), false, jsonb_build_object('n', :n::integer));} =~ s/\s+/ /gr . "\n",
	'PgQ' => qq{SELECT pgq.insert_event('bench', 'type', jsonb_build_object('n', :n::integer)::text);\n},
	'graphile-worker' => qq{SELECT graphile_worker.add_job('bench', json_build_object('n', :n::integer));\n});

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};
	my $seconds = $run->pick(2, 5);

	foreach my $round (1 .. $run->rounds(3, 5))
	{
		foreach my $clients (1, 4)
		{
			my $db = fresh_jadugar($run);
			$server->session($db, 'postgres')->query("\\i $run->{bench}/floor/floor.sql");
			$server->session($db)->query('SELECT jadugar.pause_all()');
			single($run, $db, $_, $clients, $seconds) foreach 'jadugar', 'plain INSERT, same indexes';
			if ($run->has('pgq'))
			{
				$server->session($db, 'postgres')->query('CREATE EXTENSION pgq');
				$server->session($db, 'postgres')->query(q{SELECT pgq.create_queue('bench')});
				$server->session($db, 'postgres')->query("GRANT pgq_writer TO $Bench::Server::role");
				single($run, $db, 'PgQ', $clients, $seconds);
			}
			$server->drop($db);
			next if !$run->has('npm') || $run->{quick} && $round > 1;
			$db = $server->fresh('graphile');
			Bench::Peer->start('graphile', 'setup', $db)->expect('ready');
			single($run, $db, 'graphile-worker', $clients, $seconds);
			$server->drop($db);
			$db = $server->fresh('pgboss');
			Bench::Peer->start('pgboss', 'setup', $db)->stop;
			$server->admin('CHECKPOINT');
			$run->add($name, 'tasks/s', 'pg-boss', $clients,
				Bench::Peer->start('pgboss', 'send', $db, CLIENTS => $clients, SECONDS => $seconds)->expect('rate'));
			$server->drop($db);
		}
	}
	return;
}

sub single
{
	my ($run, $db, $who, $clients, $seconds) = @_;
	my $server = $run->{server};
	my $file = "$server->{dir}/single.sql";

	open(my $out, '>', $file) or die "$file: $!";
	print $out "\\set n random(1, 1000000)\n", $script{$who};
	close($out);
	$server->admin('CHECKPOINT');
	$run->add($name, 'tasks/s', $who, $clients, Bench::Machine::pgbench($run, $db, $file, $clients, $seconds));
	return;
}

1;
