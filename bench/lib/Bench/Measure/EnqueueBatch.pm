# Bench::Measure::EnqueueBatch: 100,000 tasks in one call and one commit,
# compared with COPY and INSERT ... SELECT into a table with the same indexes.
# Each starts with an empty table; no worker runs.
package Bench::Measure::EnqueueBatch;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Peer;
use Time::HiRes qw(time);

our $name = 'batch';

my $n = 100_000;

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};

	foreach my $round (1 .. $run->rounds(3, 5))
	{
		my $db = fresh_jadugar($run);
		$server->session($db, 'postgres')->query("\\i $run->{bench}/floor/floor.sql");
		in_database($run, $db);
		$server->drop($db);

		$db = $server->fresh('batch');
		$server->session($db)->query("\\i $run->{bench}/floor/batch.sql");
		my $session = payloads_in_memory($run, $db);
		timed($run, 'SQL like pgmq.send_batch', $session, 'SELECT batch.send(payloads) FROM given');
		$run->same('rows', $session->query('SELECT count(*) FROM batch.queue'), $n);
		$session->close;
		$server->drop($db);

		next if !$run->has('npm');
		$db = $server->fresh('graphile');
		Bench::Peer->start('graphile', 'setup', $db)->expect('ready');
		$session = $server->session($db);
		$session->query(qq{CREATE TEMP TABLE given AS SELECT array_agg(json_populate_record(NULL::graphile_worker.job_spec,
			json_build_object('identifier', 'bench', 'payload', json_build_object('n', n)))) AS jobs
			FROM generate_series(1, $n) n});
		timed($run, 'graphile-worker', $session, 'SELECT count(*) FROM given, graphile_worker.add_jobs(jobs)');
		$session->close;
		$server->drop($db);
		$db = $server->fresh('pgboss');
		Bench::Peer->start('pgboss', 'setup', $db)->stop;
		$server->admin('CHECKPOINT');
		$run->add($name, 'tasks/s', 'pg-boss', '',
			$n / Bench::Peer->start('pgboss', 'fill', $db, COUNT => $n, SIZE => $n)->expect('time'));
		$server->drop($db);
	}
	return;
}

# jadugar, and the competitors that write into copies of its tables.
sub in_database
{
	my ($run, $db) = @_;
	my $server = $run->{server};
	my $session = payloads_in_memory($run, $db);
	my $admin = $server->session($db, 'postgres');
	my $file = "$server->{dir}/tasks.copy";

	$session->query('SELECT jadugar.pause_all()');
	timed($run, 'jadugar', $session,
		qq{SELECT count(*) FROM given, jadugar.enqueue_batch(\$\$$work\$\$, payloads)});
	$run->same('tasks', $admin->query('SELECT count(*) FROM jadugar_internal.task'), $n);

	timed($run, 'INSERT … SELECT, same indexes', $session, 'SELECT floor.fill(payloads) FROM given');
	$admin->query("COPY floor.task TO '$file'");
	$admin->query('TRUNCATE floor.task');
	timed($run, 'COPY, same indexes', $admin, "COPY floor.task FROM '$file'");
	$run->same('rows', $admin->query('SELECT count(*) FROM floor.task'), $n);
	unlink($file);
	$_->close foreach $session, $admin;
	return;
}

# Open a session that has built the array of payloads.
sub payloads_in_memory
{
	my ($run, $db) = @_;
	my $session = $run->{server}->session($db);

	$session->query('CREATE TEMP TABLE given AS SELECT ' . payloads($n) . ' AS payloads');
	return $session;
}

sub timed
{
	my ($run, $who, $session, $sql) = @_;

	$run->{server}->admin('CHECKPOINT');
	my $start = time();
	$session->query($sql);
	$run->add($name, 'tasks/s', $who, '', $n / (time() - $start));
	return;
}

1;
