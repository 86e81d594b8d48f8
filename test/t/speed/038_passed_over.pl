# A worker passes over a ready task whose row the scheduler has locked to check its
# dependencies.  The task runs as soon as the row is unlocked.  Tasks that wait for
# a concurrency key are not locked, so none is passed over.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers_per_role' => 1, 'jadugar.worker_idle_timeout' => '10min');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE open (gate text);
	CREATE FUNCTION pass(wanted text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM open WHERE gate = wanted) LOOP
			PERFORM pg_sleep(0.01);    -- waits-for-time: for a row, which the test inserts
		END LOOP;
	END $$});
my ($scheduler) = wait_for_process($node, 'scheduler', 'postgres');
my $faults = $node->data_dir . '/jadugar_fault';

sub enqueue
{
	my ($args) = @_;

	return $node->safe_psql('postgres', "SELECT jadugar.enqueue($args, isolate => true)");
}

sub is_running
{
	my ($id) = @_;

	return poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $id AND phase = 'running'", '1');
}

sub open_gate
{
	my ($gate) = @_;

	return $node->safe_psql('postgres', "INSERT INTO open VALUES ('$gate')");
}

# The scheduler waits at the next task that it checks.
sub arm_fault
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.fault = 'resolve-before-commit:wait'});
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault') <> ''});
	return;
}

my $warm = enqueue(q{'SELECT 1'});
poll($node, "SELECT status = 'completed' FROM jadugar.wait($warm, timeout => '1 min')");

# The scheduler is stopped while a dependent task is reported to it.  Meanwhile the
# worker makes the dependent task ready, and runs another task first.
kill_process($scheduler, 'STOP');
my $parent = enqueue(q{'SELECT pass(''parent'')'});
is_running($parent);
my $child = enqueue("'SELECT 1', depends_on => ARRAY[$parent]");
my $first = enqueue(q{'SELECT pass(''first'')', priority => 10});
open_gate('parent');
is_running($first);
is($node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $child"),
	'r', 'the dependent task is ready');

# It continues, locks the row and waits there.  The worker reaches it meanwhile.
arm_fault();
kill_process($scheduler, 'CONT');
poll_sub('the scheduler waits', sub { return -e "$faults.1" });
open_gate('first');
poll($node, "SELECT status = 'completed' FROM jadugar.wait($first, timeout => '1 min')");
poll($node, q{SELECT state = 'idle' AND load IS NOT NULL FROM jadugar.workers});
is($node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $child"),
	'r', 'the worker passes over it');

append_to_file("$faults.go", '');
ok(poll($node, "SELECT status = 'completed' FROM jadugar.get_task($child)"),
	'it runs when the row is unlocked');

# The scheduler waits while it checks the first of two tasks that wait for a key.
# The task that has the key is cancelled meanwhile.
$node->safe_psql('postgres', q{
	SELECT jadugar.create_queue('paused');
	SELECT jadugar.pause_queue('paused')});
my ($holder, $next, $last) = map { enqueue(q{'SELECT 1', queue => 'paused', concurrency_key => 'k'}) } 1 .. 3;
poll($node, "SELECT waiting_for = 'queue_paused' FROM jadugar.get_task($holder)");
kill_process($scheduler, 'STOP');
unlink("$faults.1", "$faults.go");
arm_fault();
my $other = enqueue(q{'SELECT 1', queue => 'paused', concurrency_key => 'other'});
$node->safe_psql('postgres', "SELECT jadugar.pause_task($other)");
kill_process($scheduler, 'CONT');
poll_sub('the scheduler waits', sub { return -e "$faults.1" });
$node->safe_psql('postgres', "SELECT jadugar.cancel($holder)");
is( $node->safe_psql('postgres', "SELECT task_id FROM jadugar.tasks WHERE concurrency_key = 'k' AND waiting_for = 'queue_paused'"),
	$next, 'the task with the lowest id gets the key');
append_to_file("$faults.go", '');

done_testing();
