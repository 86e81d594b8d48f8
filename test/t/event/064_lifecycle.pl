# Events of jadugar itself under load: each end of a task has exactly one, through
# kills of workers and of the server.  And none is missed after the commit of a
# subscription, however often subscriptions come and go.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 4, 'jadugar.max_crashes' => 1000);

my $clients = 0;

$deadline = 60;
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE got (type text, key text, attempt_id bigint);
	CREATE TABLE enqueued (task_id bigint, round int);
	SELECT jadugar.subscribe('all', '{task.*}', $$INSERT INTO got VALUES (($1).type, ($1).key, (($1).data->>'attempt_id')::bigint)$$, topics => '{jadugar}', shards => 2)});

# Clients that enqueue, some of which fail, retry or roll back.
sub load
{
	my ($n, $round) = @_;
	my $sql = join('', map {
		my $command = $_ % 7 == 0 ? 'SELECT 1 / 0' : $_ % 5 == 0 ? q{SELECT pg_sleep(0.001)} : "SELECT $_ % 3";    # waits-for-time: work of a task
		my $end = $_ % 6 == 0 ? 'ROLLBACK' : 'COMMIT';
		"BEGIN; INSERT INTO enqueued SELECT jadugar.enqueue('$command', retry => jadugar.retry_policy(2, 'fixed', delay => '5 ms', retry_on => '{22}')), $round; $end;\n"
	} 1 .. $n);

	$clients++;
	append_to_file($node->data_dir . "/client$clients.sql", $sql);
	return IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $node->data_dir . "/client$clients.sql" ], '>', \my $out, '2>&1');
}

# Every task has been enqueued, and has ended, in events as in the history.
sub prove
{
	my ($what) = @_;

	poll($node, q{SELECT count(*) FROM jadugar.tasks}, 0);
	# an event whose worker has ended is set aside, and tried again
	poll($node, q{SELECT behind + parked FROM jadugar.subscriptions WHERE name = 'all'}, 0);
	my $wrong = $node->safe_psql('postgres', q{
		WITH e AS (SELECT type, key, (data->>'attempt_id')::bigint AS attempt_id FROM jadugar.read_events('{task.*}', '{jadugar}', max_rows => 1000000))
		(SELECT 'not as in the history', attempt_id FROM e WHERE type <> 'task.enqueued' EXCEPT ALL SELECT 'not as in the history', attempt_id FROM jadugar.history)
		UNION ALL (SELECT 'missing', attempt_id FROM jadugar.history EXCEPT ALL SELECT 'missing', attempt_id FROM e)
		UNION ALL (SELECT 'not enqueued', key::bigint FROM e WHERE type = 'task.enqueued' EXCEPT ALL SELECT 'not enqueued', task_id FROM enqueued)
		UNION ALL (SELECT 'enqueued in silence', task_id FROM enqueued EXCEPT ALL SELECT 'enqueued in silence', key::bigint FROM e WHERE type = 'task.enqueued')
		UNION ALL (SELECT 'not delivered', attempt_id FROM (SELECT * FROM e EXCEPT ALL SELECT * FROM got) x)
		UNION ALL (SELECT 'delivered again', attempt_id FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM e) x)
		LIMIT 10});
	is($wrong, '', "$what: events agree with the history, and were handled once");
	return;
}

foreach my $what ('a worker is terminated', 'a worker is killed', 'the server is killed')
{
	my @clients = map { load(300, 0) } 1 .. 3;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.history');

	poll($node, "SELECT count(*) > $before + 50 FROM jadugar.history");
	if ($what =~ /terminated/)
	{
		$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM jadugar.workers});
	}
	elsif ($what =~ /worker/)
	{
		my $log = log_offset($node);
		my ($pid) = split(/\n/, $node->safe_psql('postgres', q{SELECT pid FROM jadugar.workers WHERE pid IS NOT NULL}));

		kill_process($pid, 'KILL') if $pid;
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $log) if $pid;
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	eval { $_->finish } foreach @clients;
	poll($node, 'SELECT true');
	prove($what);
}
$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('all')});

# --- subscriptions come and go beside load ----------------------------------------

my @clients = map { load(4000, 1) } 1 .. 2;
foreach my $n (1 .. 40)
{
	# what is enqueued by transactions that begin after the commit of subscribe()
	$node->safe_psql('postgres', qq{
		SELECT jadugar.subscribe('some', '{task.enqueued}', topics => '{jadugar}', delivery => 'fetch');
		INSERT INTO enqueued SELECT jadugar.enqueue('SELECT 1'), 2 FROM generate_series(1, 3);
		SELECT jadugar.unsubscribe('some')});
}
$_->finish foreach @clients;
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM enqueued WHERE round = 2 AND task_id::text NOT IN (SELECT key FROM jadugar.read_events('{task.enqueued}', '{jadugar}', max_rows => 1000000))}),
	0, 'no event is missed after the commit of a subscription');
is($node->safe_psql('postgres', q{SELECT count(*) FROM enqueued WHERE round = 2}), 120, 'of all those');

# A transaction that began before the subscription, and enqueues after its commit.
{
	my $session = $node->background_psql('postgres');

	$session->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM enqueued});
	$node->safe_psql('postgres', q{SELECT jadugar.subscribe('late', '{task.enqueued}', 'SELECT 1', topics => '{jadugar}')});
	my $id = $session->query_safe(q{SELECT jadugar.enqueue('SELECT 1')});
	$session->query_safe('COMMIT');
	$session->quit;
	is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.read_events('{task.enqueued}', '{jadugar}', key => '$id')"), 1, 'a transaction with an older snapshot');
	ok(poll($node, q{SELECT handled > 0 FROM jadugar.subscriptions WHERE name = 'late'}), 'and it is handled');
}

$node->stop;
done_testing();
