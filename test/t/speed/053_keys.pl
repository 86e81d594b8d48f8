# Concurrency keys: the place of a key is kept by a retry and given up by a pause, a
# limit above one is used, and thousands of tasks that wait for one key cost little.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers_per_role' => 3, 'jadugar.worker_idle_timeout' => '10min');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE open (gate text);
	CREATE TABLE effect (n integer, began timestamptz DEFAULT clock_timestamp(), pid integer DEFAULT pg_backend_pid());
	CREATE FUNCTION pass(wanted text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM open WHERE gate = wanted) LOOP
			PERFORM pg_sleep(0.01);    -- waits-for-time: for a row, which the test inserts
		END LOOP;
	END $$;
	CREATE FUNCTION fail_once() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT attempt FROM jadugar.current_task()) = 1 THEN
			RAISE EXCEPTION 'meant to fail';
		END IF;
	END $$});

sub enqueue
{
	my ($args) = @_;

	return $node->safe_psql('postgres', "SELECT jadugar.enqueue($args)");
}

sub state_of
{
	my ($id) = @_;

	return $node->safe_psql('postgres', "SELECT state FROM jadugar_internal.task WHERE task_id = $id");
}

sub has_completed
{
	my ($id) = @_;

	return poll($node, "SELECT status FROM jadugar.get_task($id)", 'completed');
}

# A retry keeps its place while it waits.  Paused, it gives the place up, and gets in
# line again when it is resumed.
my $retry = enqueue(q{'SELECT fail_once()', concurrency_key => 'a', retry => '{"max_attempts": 3, "delay": 3600}'});
poll($node, "SELECT attempt = 1 FROM jadugar_internal.task WHERE task_id = $retry");
my $second = enqueue(q{'SELECT pass(''second'')', concurrency_key => 'a'});
is(state_of($second), 'k', 'another task waits while a retry keeps the place');
$node->safe_psql('postgres', "SELECT jadugar.pause_task($retry)");
ok(wait_running($node, $second), 'a paused retry gives its place up');
$node->safe_psql('postgres', "SELECT jadugar.resume_task($retry); SELECT jadugar.retry_task($retry)");
is(state_of($retry), 'k', 'resumed, it waits for the place');
$node->safe_psql('postgres', "INSERT INTO open VALUES ('second')");
ok(has_completed($retry), 'and gets it');
is($node->safe_psql('postgres', "SELECT status FROM jadugar.get_task($second)"), 'completed', 'after the other task');

# Two places: the second task does not wait for the first.
$node->safe_psql('postgres', q{SELECT jadugar.set_limit('key', 'b', 2)});
my @three = map { enqueue(qq{'SELECT pass(''b'')', concurrency_key => 'b', isolate => true}) } 1 .. 3;
ok(wait_running($node, $three[0]) && wait_running($node, $three[1]), 'two tasks run under a limit of two');
is(state_of($three[2]), 'k', 'the third one waits');
$node->safe_psql('postgres', "INSERT INTO open VALUES ('b')");
ok(has_completed($_), 'it ends') foreach @three;

# Many tasks of one key: in order, with few transactions.
my $before = next_xid($node);
$node->safe_psql('postgres', q{
	SELECT count(jadugar.enqueue('INSERT INTO effect VALUES ($1::integer)', to_jsonb(n), concurrency_key => 'c')) FROM generate_series(1, 5000) n});
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), '5,000 tasks of one key end');
my $used = next_xid($node) - $before;
cmp_ok($used, '<', 7_500, "they use few transaction ids ($used)");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n), bool_and(ordered) FROM (SELECT n, n >= lag(n, 1, 0) OVER (ORDER BY began) AS ordered FROM effect) e'),
	'5000|5000|t', 'each once, one after another');

# Meanwhile other work goes on.
my $blocker = enqueue(q{'SELECT pass(''c'')', concurrency_key => 'c', isolate => true});
wait_running($node, $blocker);
$node->safe_psql('postgres', q{
	SELECT count(jadugar.enqueue('SELECT 1', concurrency_key => 'c')) FROM generate_series(1, 5000)});
$before = next_xid($node);
foreach my $i (1 .. 200)
{
	last if !defined $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')});
}
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE concurrency_key IS NULL}, '0'), 'other tasks end while 5,000 wait for a key');
$used = next_xid($node) - $before;
cmp_ok($used, '<', 200 * 5, "and do not make each of them be examined ($used transaction ids)");
$node->safe_psql('postgres', "INSERT INTO open VALUES ('c')");
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'the waiting tasks end');

done_testing();
