# A worker passes over a ready task whose row a session has locked.  The task runs
# as soon as the row is unlocked.  The scheduler does not lock tasks that wait for a
# concurrency key, so none is passed over.
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

sub open_gate
{
	my ($gate) = @_;

	return $node->safe_psql('postgres', "INSERT INTO open VALUES ('$gate')");
}

# The scheduler waits at the next keys or tasks that it examines.
sub arm_fault
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.fault = 'resolve-before-commit:wait'});
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault') <> ''});
	return;
}

my $warm = enqueue(q{'SELECT 1'});
poll($node, "SELECT status = 'completed' FROM jadugar.wait($warm, timeout => '1 min')");

# A session locks the row of a ready task while the worker is busy, and does not commit.
my $before = enqueue(q{'SELECT pass(''before'')', priority => 10});
wait_running($node, $before);
my $task = enqueue(q{'SELECT 1'});
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; SELECT jadugar.update_task($task, metadata => '{}')");
open_gate('before');
poll($node, "SELECT status = 'completed' FROM jadugar.wait($before, timeout => '1 min')");
poll($node, q{SELECT state = 'idle' AND load IS NOT NULL FROM jadugar.workers});
is($node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $task"),
	'r', 'the worker passes over it');
$session->query_safe('ROLLBACK');
$session->quit;
ok(poll($node, "SELECT status = 'completed' FROM jadugar.get_task($task)"),
	'it runs when the row is unlocked');

# The scheduler waits while it looks at the key for which two tasks wait.  The task
# that has the key is cancelled meanwhile.
$node->safe_psql('postgres', q{
	SELECT jadugar.create_queue('paused');
	SELECT jadugar.pause_queue('paused')});
my ($other) = enqueue(q{'SELECT 1', queue => 'paused', concurrency_key => 'other'});
my ($holder, $next, $last) = map { enqueue(q{'SELECT 1', queue => 'paused', concurrency_key => 'k'}) } 1 .. 3;
poll($node, "SELECT waiting_for = 'queue_paused' FROM jadugar.get_task($_)") foreach $other, $holder;
kill_process($scheduler, 'STOP');
arm_fault();
$node->safe_psql('postgres', "SELECT jadugar.pause_task($other)");
kill_process($scheduler, 'CONT');
poll_sub('the scheduler waits', sub { return -e "$faults.1" });
$node->safe_psql('postgres', "SELECT jadugar.cancel($holder)");
is( $node->safe_psql('postgres', "SELECT task_id FROM jadugar.tasks WHERE concurrency_key = 'k' AND waiting_for = 'queue_paused'"),
	$next, 'the task with the lowest id gets the key');
append_to_file("$faults.go", '');

done_testing();
