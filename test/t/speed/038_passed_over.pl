# A worker passes over a ready task whose row the scheduler has locked to look
# at its dependencies.  The task runs as soon as the scheduler lets go of it.
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

my $warm = enqueue(q{'SELECT 1'});
poll($node, "SELECT status = 'completed' FROM jadugar.wait($warm, timeout => '1 min')");

# The scheduler stands still while a dependant is reported to it, and while the
# worker makes that ready and goes on to another task first.
kill_process($scheduler, 'STOP');
my $parent = enqueue(q{'SELECT pass(''parent'')'});
is_running($parent);
my $child = enqueue("'SELECT 1', depends_on => ARRAY[$parent]");
my $first = enqueue(q{'SELECT pass(''first'')', priority => 10});
open_gate('parent');
is_running($first);
is($node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $child"),
	'r', 'the dependant is ready');

# It goes on, locks the row and waits there.  The worker comes by meanwhile.
$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.fault = 'resolve-before-commit:wait'});
$node->reload;
poll($node, q{SELECT current_setting('jadugar.fault') <> ''});
kill_process($scheduler, 'CONT');
poll_sub('the scheduler has locked the row', sub { return -e "$faults.1" });
open_gate('first');
poll($node, "SELECT status = 'completed' FROM jadugar.wait($first, timeout => '1 min')");
poll($node, q{SELECT state = 'idle' AND load IS NOT NULL FROM jadugar.workers});
is($node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $child"),
	'r', 'the worker passes over it');

append_to_file("$faults.go", '');
ok(poll($node, "SELECT status = 'completed' FROM jadugar.get_task($child)"),
	'it runs when the row is unlocked');

done_testing();
