# Bench::Jadugar: create databases with jadugar, enqueue tasks, wait for tasks and
# workers, and measure how fast workers do tasks that wait.
package Bench::Jadugar;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(time);

our @EXPORT = qw(fresh_jadugar wait_for_workers enqueue wait_for_completed check_effects run_backlog payloads $work);

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

# Check that every task had its effect exactly once.
sub check_effects
{
	my ($run, $db, $n) = @_;

	$run->same("effects in $db", $run->{server}->session($db)->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
	return;
}

# run_backlog(RUN, WORKERS, N, OPTIONS): let workers do N tasks that were enqueued
# before, in a new database.  Each has to insert a row.  Options are functions of a
# session: prepare, before the tasks; enqueue, with N, instead of those of enqueue();
# check, afterwards.  Return the tasks per second, and the meters before and after.
sub run_backlog
{
	my ($run, $workers, $n, %o) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => $workers);
	my $db = fresh_jadugar($run);
	wait_for_workers($run, $db, $workers);
	my $session = $server->session($db);
	$o{prepare}->($session) if $o{prepare};
	my $before = $session->query('SELECT completed FROM jadugar.stats');
	$session->query('SELECT jadugar.pause_all()');
	($o{enqueue} // \&enqueue)->($session, $n);
	$server->settle($db);
	my $meters = $server->meters;
	my $start = time();
	$session->query('SELECT jadugar.resume_all()');
	wait_for_completed($run, $session, $before + $n, 300);
	my $after = $server->meters;
	$server->poll(sub { $session->query('SELECT count(*) FROM jadugar.tasks') eq '0' }, 'no task is left');
	my $end = $session->query('SELECT extract(epoch FROM max(finished_at)) FROM jadugar.history');
	check_effects($run, $db, $n);
	$run->same('history', $session->query("SELECT count(*) FROM jadugar.history WHERE status = 'completed'"), $before + $n);
	$o{check}->($session) if $o{check};
	$session->close;
	$server->drop($db);
	return ($n / ($end - $start), $meters, $after);
}

# payloads(N): return an SQL expression for an array of N payloads.
sub payloads
{
	my ($n) = @_;

	return "(SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, $n) n)";
}

1;
