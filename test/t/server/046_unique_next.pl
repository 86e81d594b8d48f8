# One task of a unique key runs and one waits: sessions that follow each other, prepared transactions, crashes.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 3);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE effect (n int);
	CREATE TABLE change (key int, seen int NOT NULL DEFAULT 0);
	CREATE TABLE run (key int, began timestamptz, ended timestamptz);
	CREATE FUNCTION sync(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		-- the transaction of a worker begins before it claims the task
		start timestamptz := clock_timestamp();
	BEGIN
		UPDATE change SET seen = seen + 1 WHERE key = (p->>'key')::int AND seen = 0;
		PERFORM pg_sleep(random() * 0.02);    -- waits-for-time: work
		IF random() < 0.1 THEN
			RAISE EXCEPTION 'again';
		END IF;
		INSERT INTO run VALUES ((p->>'key')::int, start, clock_timestamp());
	END $$});
my $keys = 'SELECT count(*) FROM jadugar_internal.unique_key';

# Sessions change rows, each time with a task that reads them all, and often roll back.
sub changes
{
	my $sql = '';

	foreach (1 .. 100)
	{
		my $key = int(rand(3));

		$sql .= "BEGIN; INSERT INTO change VALUES ($key);\n"
		  . "SELECT jadugar.enqueue('SELECT sync(\$1)', '{\"key\": $key}', unique_key => 'k$key', on_conflict => 'next',\n"
		  . "\tretry => jadugar.retry_policy(30, 'fixed', delay => '10 ms'));\n"
		  . (rand() < 0.2 ? "ROLLBACK;\n" : "COMMIT;\n");
	}
	return $sql;
}
my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 6;
$_->{stdin} .= changes() foreach @sessions;
my $most = 0;
foreach my $session (@sessions)
{
	$session->{run}->pump_nb foreach @sessions;
	my $n = $node->safe_psql('postgres', 'SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM jadugar_internal.task GROUP BY unique_key) t');
	$most = $n if $n > $most;
}
is(join('', map { $_->query('SELECT 1'); $_->{stderr} } @sessions), '', 'no call fails');
$_->quit foreach @sessions;
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
cmp_ok($most, '<=', 2, 'a key has at most two tasks');
is($node->safe_psql('postgres', 'SELECT count(*) > 100, count(*) FILTER (WHERE seen <> 1) FROM change'), 't|0', 'a task has seen each change');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.failures'), '0', 'no task has failed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM run a JOIN run b ON a.key = b.key AND a.ctid <> b.ctid
	AND a.began < b.ended AND b.began < a.ended AND a.began <> b.began}), '0', 'no two tasks of a key ran at once');
$node->restart;
ok(poll($node, $keys, '0'), 'no key is left after a restart');

# A prepared transaction enqueues the next task of a unique key. The task that runs does not wait for it.
sub keyed
{
	my ($rest) = @_;

	return $node->safe_psql('postgres', "SELECT jadugar.enqueue($rest, unique_key => 'u', on_conflict => 'next')");
}
sub prepare_next
{
	my ($gid) = @_;
	my $task = keyed("'SELECT pg_advisory_xact_lock_shared(1)'");

	poll($node, "SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = $task", 't');
	$node->safe_psql('postgres', qq{
		BEGIN;
		SELECT jadugar.enqueue('INSERT INTO effect VALUES (7)', unique_key => 'u', on_conflict => 'next');
		PREPARE TRANSACTION '$gid'});
	return $task;
}
foreach my $end (qw(COMMIT ROLLBACK))
{
	my $locker = $node->background_psql('postgres');
	$locker->query_safe('TRUNCATE effect; SELECT pg_advisory_lock(1)');
	my $task = prepare_next('next');
	$locker->quit;
	ok(poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed'), "next, $end: the task that runs ends");
	$node->stop('immediate');
	$node->start;
	wait_for_process($node, 'scheduler');
	$node->safe_psql('postgres', "$end PREPARED 'next'");
	ok(poll($node, 'SELECT count(*) FROM effect', $end eq 'COMMIT' ? '1' : '0'), "next, $end: the next one runs only after a commit");
	$node->restart if $end eq 'ROLLBACK';
	ok(poll($node, $keys, '0'), "next, $end: no key is left");
}

# The server crashes while one task runs and the next one waits
my $locker = $node->background_psql('postgres');
$locker->query_safe('SELECT pg_advisory_lock(1)');
my $first = keyed("'SELECT pg_advisory_xact_lock_shared(1)'");
poll($node, "SELECT blocked_by IS NOT NULL FROM jadugar.running WHERE task_id = $first", 't');
my $next = keyed("'INSERT INTO effect VALUES (8)'");
cmp_ok($next, '>', $first, 'crash: one task waits for the one that runs');
$node->stop('immediate');
eval { $locker->quit };
$node->start;
ok(poll($node, 'SELECT count(*) FROM effect WHERE n = 8', '1'), 'crash: both run after the restart');
is($node->safe_psql('postgres', "SELECT min(h.started_at) FILTER (WHERE task_id = $next) >= max(h.finished_at) FILTER (WHERE task_id = $first)
	FROM jadugar.history h"), 't', 'crash: one after the other');
ok(poll($node, $keys, '0'), 'crash: no key is left');
$node->stop;
done_testing();
