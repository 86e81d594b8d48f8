# Bench::Jadugar: databases with jadugar in them, and waiting for its tasks and workers.
package Bench::Jadugar;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(fresh_jadugar wait_for_workers enqueue wait_for_completed payloads $work);

# The work of a task everywhere: one row.
our $work = q{INSERT INTO effect VALUES (($1->>'n')::integer)};

# A new database with the extension, the table for effects, and access.
sub fresh_jadugar
{
	my ($run) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('jadugar');
	my $admin = $server->session($db, 'postgres');

	$admin->query('CREATE EXTENSION jadugar');
	$admin->query("SELECT jadugar.grant_access('$Bench::Server::role', level => 'operator')");
	$admin->query("ALTER SCHEMA public OWNER TO $Bench::Server::role");
	$server->session($db)->query('CREATE TABLE effect (n integer)');
	return $db;
}

# wait_for_workers(RUN, DB, N): N warm workers that know the command.
sub wait_for_workers
{
	my ($run, $db, $n) = @_;
	my $session = $run->{server}->session($db);

	$session->query("SELECT jadugar.start_workers($n)");
	enqueue($session, 200 * $n);
	wait_for_completed($run, $session, 200 * $n);
	$run->{server}->poll(
		sub { $session->query("SELECT count(*) FROM jadugar.workers WHERE state = 'idle'") >= $n },
		"$n idle workers");
	$session->query('TRUNCATE effect');
	return;
}

# enqueue(SESSION, N): one batch.
sub enqueue
{
	my ($session, $n) = @_;

	return $session->query(qq{SELECT max(id) FROM jadugar.enqueue_batch(\$\$$work\$\$, } . payloads($n) . ') id');
}

# Until the database has completed so many tasks.  The counters lie in shared
# memory: asking for them disturbs nobody.
sub wait_for_completed
{
	my ($run, $session, $n, $seconds) = @_;

	$run->{server}->poll(sub { $session->query('SELECT completed FROM jadugar.stats') >= $n },
		"$n tasks completed", $seconds);
	return;
}

# An SQL expression: N payloads.
sub payloads
{
	my ($n) = @_;

	return "(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, $n) n)";
}

1;
