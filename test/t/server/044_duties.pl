# A duty of the scheduler that fails again and again does not hold up the others.
# Here it is the first of them: the charge of a task whose worker has ended.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 4);
create_extension($node);

sub arm
{
	my ($fault) = @_;

	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$fault'");
	$node->reload;
	return;
}

# Enqueues a task that runs until it is stopped, and returns its id.
sub endless
{
	my $id = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT pg_sleep(3600)')});    # waits-for-time: cancelled

	poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $id", '1');
	return $id;
}

# Work of later duties: a task that is promoted, and a schedule that fires.
sub others_go_on
{
	my ($what) = @_;
	my $id = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1', delay => '100 milliseconds')});

	ok(poll($node, "SELECT status FROM jadugar.get_task($id)", 'completed'), "$what: a delayed task runs");
	ok(poll($node, q{SELECT count(*) > 1 FROM jadugar.history WHERE schedule = 'often' AND status = 'completed'
		AND finished_at > (SELECT finished_at FROM jadugar.get_task(} . $id . ')) '), "$what: a schedule fires");
	return;
}

$node->safe_psql('postgres', q{SELECT jadugar.schedule('often', 'every 1 second', 'SELECT 1')});

# A worker ends alone.
my $id = endless();
my $offset = log_offset($node);
arm('charge-before-commit:error:1000');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM jadugar.running WHERE task_id = $id");
ok(wait_for_log($node, qr/ERROR:  fault point "charge-before-commit"/, $offset), 'the charge of a dead worker fails');
others_go_on('a dead worker');
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.running WHERE task_id = $id"), '0', 'a dead worker: its task does not run before it is charged');
arm('');
ok(poll($node, "SELECT attempt FROM jadugar.running WHERE task_id = $id", '2'), 'a dead worker: its task runs again when it is charged');

# A worker ends with the server.
my $pid = $node->safe_psql('postgres', "SELECT pid FROM jadugar.running WHERE task_id = $id");
$offset = log_offset($node);
arm('crash-charge-before-commit:error:1000');
kill_process($pid, 'KILL');
ok(wait_for_log($node, qr/ERROR:  fault point "crash-charge-before-commit"/, $offset), 'the charge after a crash fails');
others_go_on('a crash');
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.running WHERE task_id = $id"), '0', 'a crash: the task does not run before it is charged');
arm('');
ok(poll($node, "SELECT attempt FROM jadugar.running WHERE task_id = $id", '3'), 'a crash: the task runs again when it is charged');
$node->safe_psql('postgres', "SELECT jadugar.cancel($id)");

# The clock is set forward, and back: what is due in an hour is not late by that.
sub set_clock
{
	my ($offset) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.clock_offset = $offset");
	$node->reload;
	poll($node, "SELECT extract(epoch FROM current_setting('jadugar.clock_offset')::interval)::int", $offset);
	return;
}
$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.log_retention = '2h'});
set_clock(10 * 86400);
poll($node, q{SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'attempt%'
	AND relname LIKE '%' || to_char(now() + interval '11 days', 'YYYYMMDD')}, '1');
set_clock(0);
my $logs = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT jadugar.log(''info'', ''a line'')')});
poll($node, "SELECT count(*) FROM jadugar.logs WHERE task_id = $logs", '1');
set_clock(4 * 3600);
ok(poll($node, "SELECT count(*) FROM jadugar.logs WHERE task_id = $logs", '0'), 'upkeep is not late after the clock was set back');
set_clock(0);

# Old rows of the audit trail are deleted in turns, and young ones stay.
$node->safe_psql('postgres', q{INSERT INTO jadugar_internal.audit (at, role_name, session_role, function, what)
	SELECT now() - interval '365 days 5 hours' + i * interval '1 second', 'old', 'old', 'old', 'queue old' FROM generate_series(0, 9000) i});
$node->safe_psql('postgres', q{SELECT jadugar.create_queue('young')});
set_clock(4 * 3600);
ok(poll($node, q{SELECT count(*) FROM jadugar.audit WHERE function = 'old'}, '0'), 'old rows of the audit trail are deleted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.audit WHERE what = 'queue young'}), '1', 'young ones stay');
set_clock(0);

# Retention passes a row that is visible only later.
my $end_of = q{SELECT count(*) FROM jadugar_internal.attempt WHERE task_id = };
$node->safe_psql('postgres', q{SELECT jadugar.create_queue('short', retention => '1 hour')});
my ($early, $late) = map { $node->safe_psql('postgres', "SELECT jadugar.enqueue('SELECT 1', queue => 'short', delay => '$_')") } '0', '1 day';
$node->safe_psql('postgres', "BEGIN; SELECT jadugar.cancel($late); PREPARE TRANSACTION 'late'");
poll($node, "$end_of$early", '1');
set_clock(2 * 3600);
poll($node, "$end_of$early", '0');
$node->safe_psql('postgres', q{COMMIT PREPARED 'late'});
is($node->safe_psql('postgres', "$end_of$late"), '1', 'an end is committed after retention has passed it');
set_clock(4 * 3600);
ok(poll($node, "$end_of$late", '0'), 'and it is removed by the next look');
set_clock(0);

# Retention reads what has become too old since the look before, not the history.
sub history_counts
{
	return split /\|/, $node->safe_psql('postgres', q{
		SELECT sum(t.seq_tup_read) + (SELECT sum(i.idx_tup_read) FROM pg_stat_all_indexes i WHERE i.relname ~ '^attempt_[0-9]'), sum(t.n_tup_del)
		FROM pg_stat_all_tables t WHERE t.schemaname = 'jadugar_internal' AND t.relname ~ '^attempt_[0-9]'});
}
# These rows end within the next two hours, and three of the queue "short" with them, and later.
$node->safe_psql('postgres', q{
	INSERT INTO jadugar_internal.attempt (attempt_id, owner, queue_id, command_id, attempt, priority, status, final, finished_at)
	SELECT -n, a.owner, q.queue_id, a.command_id, 1, 0, 'c', true, now() + n.at
	FROM (SELECT owner, command_id FROM jadugar_internal.attempt LIMIT 1) a, (
		SELECT g, 'default', g * interval '0.18 s' FROM generate_series(1, 40000) g
		UNION ALL VALUES (40001, 'short', interval '1 hour'), (40002, 'short', interval '2.5 hours'), (40003, 'short', interval '3.5 hours')
	) n (n, queue, at) JOIN jadugar_internal.queue q ON q.name = n.queue});
my ($read, $deleted) = history_counts();
my @read;
foreach my $hours (3 .. 5)
{
	my @counts;

	set_clock($hours * 3600);
	poll_sub("retention deletes at hour $hours", sub { return (@counts = history_counts())[1] > $deleted; });
	push @read, $counts[0] - $read;
	($read, $deleted) = @counts;
}
cmp_ok($read[0], '>=', 40_000, 'the first look at a queue with a retention reads the history');
cmp_ok($read[2], '<', 1000, 'the next looks do not');
set_clock(0);

# An error whose copy fails, too, ends the task as before.
arm('');
is($node->safe_psql('postgres', q{SET jadugar.fault = 'take-error:error';
	SELECT status, error ->> 'sqlstate', error ->> 'message' FROM jadugar.run_task('SELECT 1/0')}),
	'failed|22012|an error could not be kept', 'an error that cannot be copied ends its subtransaction');

$node->stop;
done_testing();
