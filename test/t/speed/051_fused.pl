# Tasks whose command has not failed for long run without subtransactions.  If one
# fails after all, its group is undone: no effect is lost or doubled, and only the
# task that failed is charged.  A task that is stopped ends as it was asked to.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers_per_role' => 1, 'jadugar.worker_idle_timeout' => '10min');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE effect (n integer);
	CREATE FUNCTION work(n integer) RETURNS integer LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO effect VALUES (n);
		IF n % 1000 = 777 THEN
			RAISE EXCEPTION 'meant to fail';
		END IF;
		RETURN n;
	END $$});

# Enqueue tasks first .. last, and wait until all have ended.
sub run_tasks
{
	my ($command, $first, $last) = @_;

	$node->safe_psql('postgres', qq{
		SELECT count(*) FROM jadugar.enqueue_batch('$command',
			(SELECT array_agg(to_jsonb(n)) FROM generate_series($first, $last) n), retry => '{"max_attempts": 1}')});
	return poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
}

# so many clean runs make the command safe
my $first = q{SELECT work($1::integer)};
ok(run_tasks($first, 1_001, 1_776), 'the command runs');
ok(run_tasks($first, 1_778, 2_776), 'the command runs again');

my $before = next_xid($node);
ok(run_tasks($first, 10_000, 10_776), 'groups without error');
my $used = next_xid($node) - $before;
cmp_ok($used, '<', 0.2 * 777, "they use few transaction ids ($used)");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n) FROM effect'), '2552|2552',
	'each task took effect once');

# one task in the middle fails
$node->safe_psql('postgres', 'TRUNCATE effect');
ok(run_tasks($first, 20_700, 20_850), 'groups with an error');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n), bool_or(n = 20777) FROM effect'), '150|150|f',
	'each other task took effect once');
is($node->safe_psql('postgres', q{
	SELECT status, attempt, final, error->>'message', count(*) FROM jadugar.history WHERE payload::integer >= 20000 GROUP BY 1, 2, 3, 4 ORDER BY 1}),
	"completed|1|t||150\nfailed|1|t|meant to fail|1", 'only the task that failed is charged, once');

# A task that overruns its group is cancelled to run alone.  It catches that, and
# must not go the way of a task that was really cancelled.
$node->safe_psql('postgres', q{
	CREATE FUNCTION catch(n integer) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(0.5) WHERE n % 1000 = 777;	-- waits-for-time: the task is slow
		RETURN 'done';
	EXCEPTION WHEN query_canceled THEN
		RETURN 'cancelled';
	END $$});
my $catching = q{SELECT catch($1::integer) AS way};
ok(run_tasks($catching, 30_700, 30_800), 'a group with a slow task');
ok(run_tasks($catching, 31_000, 31_020), 'the command is quick again') for 1 .. 3;
ok(run_tasks($catching, 32_700, 32_800), 'another one');
is($node->safe_psql('postgres', q{
	SELECT result ->> 'way', status, attempt, count(*) FROM jadugar.history WHERE payload::integer >= 30000 GROUP BY 1, 2, 3 ORDER BY 1}),
	'done|completed|1|265', 'no task has seen a cancel');

# A chain of steps that ask for the results of all before them.  One fails: those
# of its group run again, and no step sees a result of the group that was undone.
$node->safe_psql('postgres', q{
	CREATE SEQUENCE turn;
	CREATE FUNCTION see(data jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		turn bigint := nextval('turn');
		stored jsonb;
	BEGIN
		IF turn = 1150 THEN
			RAISE EXCEPTION 'meant to fail once';
		END IF;
		IF turn > 1100 THEN
			SELECT jsonb_object_agg(step, result) INTO stored FROM jadugar.flow_steps
			WHERE run_id = (jadugar.current_task()).flow_run AND kind = 'step' AND status = 'completed';
			IF data->'steps' <> stored THEN
				RAISE EXCEPTION 'it saw results that are not there';
			END IF;
		END IF;
		RETURN jsonb_build_object('turn', turn);
	END $$});
$node->safe_psql('postgres', q{
	SELECT jadugar.start_flow(jadugar.chain(VARIADIC array_agg(jadugar.step('s' || i, 'SELECT see($1)',
		retry => '{"max_attempts": 2, "delay": 0.001}') ORDER BY i))) FROM generate_series(1, 1200) i});
ok(poll($node, 'SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL', '0'), 'a long chain ends');
is($node->safe_psql('postgres', q{
	SELECT r.status, s.* FROM jadugar.flow_runs r, (SELECT sum(attempts) BETWEEN 1200 AND 1201, count(*), count(DISTINCT result) FROM jadugar.flow_steps WHERE kind = 'step') s}),
	'completed|t|1200|1200', 'one step failed at most once (not in a group that was undone), and none saw results that were undone');
cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM turn'), '>', 1201, 'other steps were undone with it');

# Many runs at once: steps follow in the group of those before them.  A worker
# that exits reports what it has counted.
sub rows_written
{
	my $workers = q{FROM pg_stat_activity WHERE backend_type = 'jadugar worker'};

	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $workers");
	poll($node, "SELECT count(*) $workers", '0');
	return $node->safe_psql('postgres', q{
		SELECT sum(n_tup_ins) FROM pg_stat_all_tables WHERE schemaname = 'jadugar_internal' AND relname = 'task'});
}

my $rows = rows_written();
$node->safe_psql('postgres', q{
	SELECT jadugar.create_flow('three', jadugar.chain(VARIADIC ARRAY(SELECT jadugar.step('t' || i, 'SELECT 1') FROM generate_series(1, 3) i)));
	SELECT count(jadugar.start_flow('three')) FROM generate_series(1, 2000)});
ok(poll($node, 'SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL', '0'), 'many runs end');
$rows = rows_written() - $rows;
cmp_ok($rows, '>=', 2000, 'the first step of each is written to the table');
cmp_ok($rows, '<', 4000, "most of the others are not ($rows rows)");

# Lone tasks of a safe command wait for a lock, and are stopped there.
my $locking = q{SELECT pg_advisory_xact_lock_shared($1::integer)};
ok(run_tasks($locking, 1, 1_500), 'the other command is safe');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(5000)');

sub start_waiting
{
	my $id = $node->safe_psql('postgres', qq{SELECT jadugar.enqueue('$locking', '5000')});
	ok(poll($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, '1'), "task $id waits for the lock");
	return $id;
}

my $id = start_waiting();
is($node->safe_psql('postgres', "SELECT jadugar.cancel($id)"), 't', 'cancel()');
ok(poll($node, qq{SELECT string_agg(concat_ws(' ', status, reason, final), ', ') = 'cancelled cancelled t' FROM jadugar.history WHERE task_id = $id}),
	'the task ends as cancelled, and has one row of history');

$id = start_waiting();
$node->safe_psql('postgres', "SELECT jadugar.pause_task($id)");
ok(poll($node, "SELECT status = 'paused' FROM jadugar.tasks WHERE task_id = $id"), 'pause_task() pauses the task');
$node->safe_psql('postgres', "SELECT jadugar.cancel($id)");

$id = start_waiting();
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM jadugar.running WHERE task_id = $id");
ok(poll($node, qq{SELECT string_agg(concat_ws(' ', status, reason, final), ', ') = 'cancelled cancelled t' FROM jadugar.history WHERE task_id = $id}),
	q{an administrator's cancel ends the task as cancelled});

# Its deadline passes, then once more in the second run.
$id = $node->safe_psql('postgres', qq{SELECT jadugar.enqueue('$locking', '5000', timeout => '50 ms', retry => '{"max_attempts": 1}')});
ok(poll($node, qq{SELECT string_agg(concat_ws(' ', status, error_code, final), ', ') = 'failed TASK_TIMEOUT t' FROM jadugar.history WHERE task_id = $id}),
	'a deadline fails the task, once');
$holder->quit;

done_testing();
