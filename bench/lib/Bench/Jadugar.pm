# Bench::Jadugar: create databases with jadugar, enqueue tasks, and wait for
# tasks and workers.
package Bench::Jadugar;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(fresh_jadugar wait_for_workers enqueue wait_for_completed payloads $work);

# The command of all tasks: it inserts one row.
our $work = q{INSERT INTO effect VALUES (($1->>'n')::integer)};

# Create a database with the extension, access to it, and the table of effects.
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

# wait_for_workers(RUN, DB, N): start N workers that have run the command once.
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

# enqueue(SESSION, N): enqueue N tasks in one batch.
sub enqueue
{
	my ($session, $n) = @_;

	return $session->query(qq{SELECT max(id) FROM jadugar.enqueue_batch(\$\$$work\$\$, } . payloads($n) . ') id');
}

# Wait until the database has completed N tasks.  The counters are in shared
# memory, so reading them does not disturb the measure.
sub wait_for_completed
{
	my ($run, $session, $n, $seconds) = @_;

	$run->{server}->poll(sub { $session->query('SELECT completed FROM jadugar.stats') >= $n },
		"$n tasks completed", $seconds);
	return;
}

# payloads(N): return an SQL expression for an array of N payloads.
sub payloads
{
	my ($n) = @_;

	return "(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, $n) n)";
}

1;
