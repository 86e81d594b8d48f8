# An open transaction keeps vacuum from removing anything. The number of index
# entries that claims and promotions read does not grow with it.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 2, 'jadugar.worker_idle_timeout' => "'1h'");
create_extension($node);
$node->safe_psql('postgres', 'CREATE TABLE effect (n int)');

# index entries read so far, as soon as the statistics have all finished tasks
sub entries_read
{
	my ($index, $tasks) = @_;

	poll($node, q{SELECT count(*) FROM jadugar_internal.task}, '0');
	poll($node, "SELECT n_tup_del >= $tasks FROM pg_stat_all_tables WHERE schemaname = 'jadugar_internal' AND relname = 'task'", 't');
	return $node->safe_psql('postgres',
		"SELECT idx_tup_read FROM pg_stat_all_indexes WHERE schemaname = 'jadugar_internal' AND indexrelname = '$index'");
}

sub run_many
{
	my ($delay) = @_;

	$node->safe_psql('postgres', qq{
		SELECT count(*) FROM jadugar.enqueue_batch('INSERT INTO effect VALUES ((\$1 ->> ''n'')::int)',
			ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 1000) n), delay => '$delay')});
	return;
}

# the bookkeeping of the test itself must not read the indexes in question
my $total = 0;
$node->safe_psql('postgres', q{BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'left open'});

foreach my $round (1 .. 8)
{
	run_many('0');
	$total += 1000;
	poll($node, 'SELECT count(*) FROM effect', $total);
}
my $before = entries_read('task_ready', $total);
run_many('0');
$total += 1000;
poll($node, 'SELECT count(*) FROM effect', $total);
my $read = entries_read('task_ready', $total) - $before;
cmp_ok($read, '>=', 1000, 'a claim reads the tasks that it claims');
cmp_ok($read, '<', 20000, "a claim does not read the 8,000 tasks that have run: $read entries for 1,000 tasks");
cmp_ok($node->safe_psql('postgres', q{SELECT pg_stat_get_dead_tuples('jadugar_internal.task'::regclass)}),
	'>=', 8000, 'the tasks that have run are still in the table');

# the same for tasks that are ready later
foreach my $round (1 .. 4)
{
	run_many('50 ms');
	$total += 1000;
	poll($node, 'SELECT count(*) FROM effect', $total);
}
$before = entries_read('task_due', $total);
foreach my $n (1 .. 20)
{
	my $id = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('INSERT INTO effect VALUES (0)', delay => '100 ms')});

	$total++;
	poll($node, 'SELECT count(*) FROM effect', $total);
}
# the scheduler reports its statistics when it is idle
poll($node, "SELECT idx_tup_read >= $before + 20 FROM pg_stat_all_indexes WHERE schemaname = 'jadugar_internal' AND indexrelname = 'task_due'", 't');
$read = entries_read('task_due', $total) - $before;
cmp_ok($read, '>=', 20, 'a promotion reads the tasks that it promotes');
cmp_ok($read, '<', 4000, "a promotion does not read tasks that were promoted before: $read entries for 20 tasks");

$node->safe_psql('postgres', q{ROLLBACK PREPARED 'left open'});
$node->stop;
done_testing();
