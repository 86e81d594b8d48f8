# Backlogs of delayed tasks and of runs: statements are planned while the tables are
# empty, and no task or schedule is late because others are due close to it.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 2,
	'jadugar.worker_idle_timeout' => "'1h'");
create_extension($node);
my $faults = $node->data_dir . '/jadugar_fault';

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# rows of a table that were found by indexes
sub rows_read
{
	my ($table) = @_;

	return sql("SELECT idx_tup_fetch FROM pg_stat_all_tables WHERE relid = 'jadugar_internal.$table'::regclass");
}

sub arm_fault
{
	my ($point) = @_;

	unlink("$faults.1", "$faults.go");
	sql(qq{ALTER SYSTEM SET jadugar.fault = '$point:wait'});
	$node->reload;
	poll($node, qq{SELECT current_setting('jadugar.fault') LIKE '$point%'});
	return;
}

sub release_fault
{
	append_to_file("$faults.go", '');
	return;
}

# The statistics say that there is no task.
my $id = sql(q{SELECT jadugar.enqueue('SELECT 1', delay => '10 ms')});
poll($node, "SELECT status = 'completed' FROM jadugar.wait($id, timeout => '1 min')");
poll($node, 'SELECT count(*) FROM jadugar_internal.task', '0');
sql('ANALYZE jadugar_internal.task');
is(sql(q{SELECT reltuples FROM pg_class WHERE oid = 'jadugar_internal.task'::regclass}), '0',
	'the statistics say that there is no task');
sql(q{SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1',
	(SELECT array_agg('{}'::jsonb) FROM generate_series(1, 5000)), delay => '1 hour')});
my $before = rows_read('task');
sql(q{SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1',
	(SELECT array_agg('{}'::jsonb) FROM generate_series(1, 500)), delay => '100 ms')});
poll($node, 'SELECT count(*) FROM jadugar.history', 501);
# the scheduler reports its statistics when it is idle
poll($node, "SELECT idx_tup_fetch - $before >= 500 FROM pg_stat_all_tables WHERE relid = 'jadugar_internal.task'::regclass");
my $read = rows_read('task') - $before;
cmp_ok($read, '<', 20000, "500 tasks become due beside 5,000 that do not: $read rows read");

# The same for runs of flows.
sub start_runs
{
	my ($n) = @_;

	sql(qq{SELECT count(jadugar.start_flow(jadugar.step('a', 'SELECT 1'))) FROM generate_series(1, $n)});
	poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE status <> 'completed'}, '0');
	return;
}
start_runs(20);
sql(q{SELECT jadugar.purge_completed('0')});
is(sql(q{SELECT count(*) FROM jadugar_internal.flow_run}), '0', 'runs are purged');
sql('ANALYZE jadugar_internal.flow_run, jadugar_internal.flow_step, jadugar_internal.flow_message');
start_runs(300);
$read = sql(q{
	BEGIN;
	DO $$BEGIN PERFORM jadugar.purge_completed('0'); END$$;
	SELECT sum(idx_tup_fetch) FROM pg_stat_xact_all_tables
	WHERE schemaname = 'jadugar_internal' AND relname ~ '^flow_';
	COMMIT});
cmp_ok($read, '<', 300 * 20, "300 runs are purged: $read rows read");
is(sql(q{SELECT count(*) FROM jadugar_internal.flow_step}), '0', 'with their steps');

# A task becomes due while the scheduler, which has found none, is still at it.
$id = sql(q{SELECT jadugar.enqueue('SELECT 1', delay => '700 ms')});
arm_fault('promote-before-commit');
poll_sub('the scheduler waits', sub { return -e "$faults.1" });
is(sql("SELECT run_at > now() FROM jadugar.get_task($id)"), 't', 'the task is not due yet');
poll($node, "SELECT run_at < now() FROM jadugar.get_task($id)");
my $released = sql('SELECT clock_timestamp()');
release_fault();
poll($node, "SELECT status = 'completed' FROM jadugar.wait($id, timeout => '1 min')");
cmp_ok(sql(qq{SELECT extract(epoch FROM started_at - '$released') FROM jadugar.get_task($id)}),
	'<', 0.8, 'it runs in the next turn');

# The same for a schedule.
sql(q{SELECT jadugar.schedule('soon', (clock_timestamp() + interval '900 ms')::jadugar.timing, 'SELECT 1')});
arm_fault('fire-before-commit');
poll_sub('the scheduler waits', sub { return -e "$faults.1" });
is(sql(q{SELECT next_run_at > now() FROM jadugar.schedules WHERE name = 'soon'}), 't', 'the schedule is not due yet');
poll($node, q{SELECT next_run_at < now() FROM jadugar.schedules WHERE name = 'soon'});
$released = sql('SELECT clock_timestamp()');
release_fault();
poll($node, q{SELECT count(*) FROM jadugar.history WHERE schedule = 'soon'}, '1');
cmp_ok(sql(qq{SELECT extract(epoch FROM started_at - '$released') FROM jadugar.history
	WHERE schedule = 'soon'}), '<', 0.8, 'it fires in the next turn');

$node->stop;
done_testing();
