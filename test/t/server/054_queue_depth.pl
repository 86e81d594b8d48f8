# A queue with max_depth: the bound is exact, also after processes have died and with
# prepared transactions; enqueueing does not count the queue; and who waits for room
# sleeps.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 4);
create_extension($node);
$node->safe_psql('postgres', q{
	SELECT jadugar.create_queue('q', max_depth => 5), jadugar.create_queue('long', max_depth => 100000),
		jadugar.create_queue('plain'), jadugar.create_queue('own', max_depth => 4, on_full => 'block'),
		jadugar.create_queue('wait', max_depth => 1, on_full => 'block');
	SELECT jadugar.pause_queue(n) FROM unnest('{q,long,plain,wait}'::text[]) n;
	CREATE FUNCTION many(queue text, n int) RETURNS bigint LANGUAGE sql AS
		$$ SELECT count(jadugar.enqueue('SELECT 1', queue => queue)) FROM generate_series(1, n) $$;
	-- enqueues until the queue is full
	CREATE FUNCTION fill(queue text) RETURNS int LANGUAGE plpgsql AS $$
		DECLARE n int := 0;
		BEGIN
			LOOP
				PERFORM jadugar.enqueue('SELECT 1', queue => queue);
				n := n + 1;
			END LOOP;
		EXCEPTION WHEN SQLSTATE 'JD013' THEN RETURN n;
		END $$;
	-- the same, and the tasks stay
	CREATE PROCEDURE fill_up(queue text) LANGUAGE plpgsql AS $$
		BEGIN
			FOR i IN 1 .. 100 LOOP
				BEGIN
					PERFORM jadugar.enqueue('SELECT 1', queue => queue);
				EXCEPTION WHEN SQLSTATE 'JD013' THEN RETURN;
				END;
			END LOOP;
		END $$});

sub unfinished
{
	my ($queue) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM jadugar.tasks WHERE queue = '$queue'");
}

# The queue "q" can be filled up to its bound, if OPEN places are not visible.
sub exact
{
	my ($what, $open) = @_;

	$open //= 0;
	$node->safe_psql('postgres', q{CALL fill_up('q')});
	is(unfinished('q'), 5 - $open, "$what: the queue holds " . (5 - $open));
	return;
}

sub clear
{
	$node->safe_psql('postgres', q{SELECT jadugar.cancel_tasks(queue => 'q')});
	return;
}

# Entries of the index of bounded tasks that were read.
sub entries_read
{
	$node->safe_psql('postgres', 'SELECT pg_stat_force_next_flush()');
	return $node->safe_psql('postgres',
		q{SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'task_bounded'});
}

# Enqueueing does not count the queue
$node->safe_psql('postgres', q{SELECT many('long', 10)});
my $before = entries_read();
is($node->safe_psql('postgres', q{SELECT many('long', 3000)}), '3000', 'a long queue is filled');
$node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[3000]), queue => 'long')});
$node->safe_psql('postgres', q{SELECT many('plain', 1)});
is(entries_read() - $before, 0, 'without reading its tasks');

# A transaction that has enqueued and stays open
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; SELECT many('q', 2)});
exact('an open transaction has two', 2);
$open->query_safe('COMMIT');
is(unfinished('q'), '5', 'its tasks fit');
clear();

# A backend that ends in the middle gives its places back
$open->query_safe(q{BEGIN; SELECT many('q', 4)});
my $pid = $open->query_safe('SELECT pg_backend_pid()');
exact('a session has four', 4);
clear();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_exit($pid);
$open->quit;
exact('a terminated session');

# A crash of the server while places are taken and freed
foreach my $whom (qw(backend postmaster))
{
	clear();
	$open = $node->background_psql('postgres');
	$open->query_safe(q{SELECT many('q', 3)});
	$open->query_safe(q{BEGIN; SELECT many('q', 2)});
	$pid = $open->query_safe('SELECT pg_backend_pid()');
	my $offset = log_offset($node);
	$whom eq 'postmaster' ? kill_postmaster($node) : kill_process($pid, 'KILL');
	wait_for_restart($node, $whom, $offset);
	$open->quit;
	is(unfinished('q'), '3', "$whom killed: the committed tasks are there");
	exact("$whom killed");
}

# A worker is killed inside tasks that have enqueued
clear();
$node->safe_psql('postgres', q{CREATE FUNCTION stay() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN PERFORM jadugar.enqueue('SELECT 1', queue => 'q'); PERFORM pg_sleep(600); END $$}); # waits-for-time: it is killed
my $task = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT stay()', retry => '{"max_attempts": 1}')});
wait_running($node, $task);
my $offset = log_offset($node);
poll($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND backend_type = 'jadugar worker'", '1');
exact('a running task has one', 1);
kill_process($node->safe_psql('postgres', "SELECT pid FROM jadugar.running WHERE task_id = $task"), 'KILL');
wait_for_restart($node, 'worker', $offset);
poll($node, "SELECT status FROM jadugar.get_task($task)", 'failed');
exact('worker killed');

# A cancelled task frees its place; so do those that end in the middle of a transaction
is($node->safe_psql('postgres', q{BEGIN; SELECT jadugar.cancel_tasks(queue => 'q'); ROLLBACK; SELECT fill('q')}), "5\n0", 'not by a rollback');
is($node->safe_psql('postgres', q{BEGIN; SELECT jadugar.cancel_tasks(queue => 'q'); SELECT many('q', 5); COMMIT; SELECT fill('q')}), "5\n5\n0", 'its own tasks may take their places');
is($node->safe_psql('postgres', q{SELECT jadugar.update_task(max(task_id), queue => 'plain') FROM jadugar.tasks WHERE queue = 'q'; SELECT fill('q')}), "\n1", 'a task that moves away frees one');
exact('filled again');
like(psql_error($node, q{SELECT jadugar.update_task(max(task_id), queue => 'q') FROM jadugar.tasks WHERE queue = 'plain'}), qr/queue "q" is full/, 'none moves in');
$node->safe_psql('postgres', q{SELECT jadugar.alter_queue('q', reset => '{max_depth}'); SELECT many('q', 3); SELECT jadugar.alter_queue('q', max_depth => 10)});
is($node->safe_psql('postgres', q{SELECT fill('q')}), '2', 'the bound counts the tasks that are there');
clear();
$node->safe_psql('postgres', q{SELECT jadugar.alter_queue('q', max_depth => 5)});

# Prepared transactions
foreach my $end (qw(COMMIT ROLLBACK))
{
	foreach my $crash (0, 1)
	{
		my $what = "$end PREPARED" . ($crash ? ' after a crash' : '');

		clear();
		$node->safe_psql('postgres', q{SELECT many('q', 2)});
		my $first = $node->safe_psql('postgres', q{SELECT min(task_id) FROM jadugar.tasks WHERE queue = 'q'});
		$node->safe_psql('postgres', qq{BEGIN; SELECT many('q', 1); SELECT jadugar.cancel($first); PREPARE TRANSACTION 'two'});
		if ($crash)
		{
			kill_postmaster($node);
			$node->start;
		}
		exact("before $what", 1);
		$node->safe_psql('postgres', "$end PREPARED 'two'");
		exact("after $what");
	}
}
clear();

# A count between whose two parts a transaction is committed counts its tasks twice,
# and knows that it may have
$node->safe_psql('postgres', q{BEGIN; SELECT many('q', 2); PREPARE TRANSACTION 'two'});
my $counter = $node->background_psql('postgres', on_error_stop => 0);
$counter->query_safe(q{SET jadugar.fault = 'depth-prepared-counted:wait'});
$pid = $counter->query_safe('SELECT pg_backend_pid()');
$counter->query_until(qr/begun/, qq{\\echo begun\nSELECT many('q', 4);\n});
poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND wait_event_type = 'Extension'", '1');
$node->safe_psql('postgres', q{COMMIT PREPARED 'two'});
append_to_file($node->data_dir . '/jadugar_fault.go', '');
is($counter->query(q{SELECT 'went on'}), 'went on', 'four more tasks do not fit beside two');
$counter->quit;
is($node->safe_psql('postgres', q{SELECT many('q', 3)}), '3', 'three do, and it is known at once');
clear();

# Who waits sleeps
sub switches
{
	my ($p) = @_;
	my $status = PostgreSQL::Test::Utils::slurp_file("/proc/$p/status");

	return $status =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : die "no count of $p";
}

$node->safe_psql('postgres', q{SELECT many('wait', 1)});
my $waiter = $node->background_psql('postgres');
$pid = $waiter->query_safe('SELECT pg_backend_pid()');
$waiter->query_until(qr/begun/, qq{\\echo begun\nSELECT many('wait', 1);\n});
poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND wait_event_type = 'Extension'", '1');
my $asleep = switches($pid);
my $last = $node->safe_psql('postgres', q{SELECT max(jadugar.enqueue('SELECT 1')) FROM generate_series(1, 300)});
poll($node, 'SELECT count(*) FROM jadugar.tasks WHERE queue = \'default\'', '0');
exact('other tasks meanwhile');
is(switches($pid), $asleep, 'ends of other tasks do not wake a session that waits for room');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid AND mode = 'ExclusiveLock' AND locktype = 'advisory'"), '0', 'it holds no lock on the queue');
$node->safe_psql('postgres', q{SELECT jadugar.cancel_tasks(queue => 'wait')});
is($waiter->query_safe('SELECT 1'), "1\n1", 'it goes on when there is room');

# A prepared transaction that makes room wakes it, too
foreach my $end (qw(COMMIT ROLLBACK))
{
	$node->safe_psql('postgres', q{SELECT jadugar.cancel_tasks(queue => 'wait')});
	$node->safe_psql('postgres', q{SELECT many('wait', 1)}) if $end eq 'COMMIT';
	$node->safe_psql('postgres', 'BEGIN; ' . ($end eq 'COMMIT' ? q{SELECT jadugar.cancel_tasks(queue => 'wait')} : q{SELECT many('wait', 1)})
		  . q{; PREPARE TRANSACTION 'room'});
	$waiter->query_until(qr/begun/, qq{\\echo begun\nSELECT many('wait', 1);\n});
	poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND wait_event_type = 'Extension'", '1');
	$node->safe_psql('postgres', "$end PREPARED 'room'");
	is($waiter->query_safe('SELECT 1'), "1\n1", "it goes on at $end PREPARED");
}
$waiter->quit;

# Tasks that enqueue into their own full queue do not occupy the workers
$node->safe_psql('postgres', q{SELECT count(jadugar.enqueue($$SELECT jadugar.enqueue('SELECT 1', queue => 'own')$$, queue => 'own',
	retry => '{"max_attempts": 2, "delay": 0}', tenant => 'own')) FROM generate_series(1, 4)});
$task = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')});
ok(poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed'), 'another task runs');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE tenant = 'own'}, '0'), 'they end');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.history WHERE tenant = 'own' AND error_code = 'QUEUE_FULL'}), '>=', 1, 'with QUEUE_FULL');

# Also in run_task(), which holds its task until the caller commits
is($node->safe_psql('postgres', q{
	SELECT jadugar.pause_queue('own');
	SELECT many('own', 4);
	SELECT status, error->>'message' FROM jadugar.run_task($$SELECT jadugar.enqueue('SELECT 1', queue => 'own')$$)}),
	"\n4\nfailed|queue \"own\" is full", 'run_task() does not wait for itself');

done_testing();
