# A task that kills its worker, or the whole server, can do so a limited number of
# times: only this task is charged, and then it fails permanently.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 4, 'jadugar.max_crashes' => 3);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE effect (n int);
	CREATE FUNCTION work(payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO effect VALUES ((payload->>'n')::int);
		IF payload ? 'poison' THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		END IF;
	END $$;
	SELECT jadugar.register_c_handler('segfault', '$libdir/sample_handler', 'sample_segfault')});

# Two tasks that run all the time: no attempt may be charged to them.  They are
# cancelled at the end.
my @innocents = split /\n/, $node->safe_psql('postgres',
	q{SELECT jadugar.enqueue('SELECT pg_sleep(3600)') FROM generate_series(1, 2)});    # waits-for-time: cancelled
my $innocents = join(',', @innocents);

sub innocents_run
{
	poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id IN ($innocents)", '2');
	return;
}

sub enqueue
{
	my ($command, $options) = @_;

	return $node->safe_psql('postgres',
		"SELECT jadugar.enqueue(\$\$$command\$\$ $options)");
}

# The task is charged each time, and fails in the end.
sub has_failed
{
	my ($task, $what) = @_;

	poll($node, "SELECT count(*) FROM jadugar.failures WHERE task_id = $task", '1');
	is($node->safe_psql('postgres', qq{
			SELECT string_agg(concat_ws(' ', attempt, status, final, error_code), ', ' ORDER BY attempt_id)
			FROM jadugar.history WHERE task_id = $task}),
		'1 lost f WORKER_CRASHED, 2 lost f WORKER_CRASHED, 3 failed t WORKER_CRASHED',
		"$what: the task is charged each time, then it fails");
	is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.tasks WHERE task_id = $task"),
		'0', "$what: the task is not retried again");
	innocents_run();
	is($node->safe_psql('postgres', qq{
			SELECT t.attempt, t.crashes, (SELECT count(*) FROM jadugar.history h WHERE h.task_id = t.task_id)
			FROM jadugar_internal.task t WHERE task_id IN ($innocents)}),
		"0|0|0\n0|0|0", "$what: other tasks are not charged");
	my $other = enqueue('SELECT 1', '');
	poll($node, "SELECT status FROM jadugar.get_task($other)", 'completed');
	return;
}

innocents_run();

# The task ends its own worker
has_failed(enqueue('SELECT pg_terminate_backend(pg_backend_pid())', ''), 'FATAL');
my $offset = log_offset($node);
ok($node->log_contains('terminating background worker "jadugar worker'),
	'the worker of the task was terminated');
ok(!$node->log_contains('reinitializing'), 'the server was not restarted');

# in a group with others, whose effects must exist once
$node->safe_psql('postgres', q{
	SELECT count(jadugar.enqueue('SELECT work($1)', jsonb_build_object('n', n)))
	FROM generate_series(1, 20) n});
poll($node, 'SELECT count(*) FROM effect', '20');
my $task = $node->safe_psql('postgres', q{
	CREATE TABLE made AS SELECT n, jadugar.enqueue('SELECT work($1)', jsonb_build_object('n', n)
		|| CASE n WHEN 50 THEN '{"poison": true}' ELSE '{}' END::jsonb) AS task_id
	FROM generate_series(21, 80) n;
	SELECT task_id FROM made WHERE n = 50});
has_failed($task, 'in a group');
poll($node, 'SELECT count(*) FROM effect', '79');
is( $node->safe_psql('postgres', 'SELECT count(DISTINCT n), bool_or(n = 50) FROM effect'),
	'79|f', 'in a group: the other tasks took effect once');
is($node->safe_psql('postgres', q{
		SELECT count(*), count(DISTINCT task_id), min(status), max(attempt)
		FROM jadugar.history JOIN made USING (task_id) WHERE n <> 50}),
	'59|59|completed|1', 'in a group: the other tasks were not charged');

# The task crashes the server
$offset = log_offset($node);
$node->safe_psql('postgres', 'SELECT jadugar.pause_all()');
$task = enqueue('segfault', '');
# The server may crash before this session has its answer.
$node->psql('postgres', 'SELECT jadugar.resume_all()');
has_failed($task, 'SIGSEGV in a C handler');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
is(scalar(() = $log =~ /was terminated by signal 11/g), 3, 'the C handler crashed three times');

# The worker is killed from outside each time
foreach my $signal (qw(KILL SEGV))
{
	$task = enqueue('SELECT pg_sleep(3600)', '');    # waits-for-time: killed
	foreach my $attempt (1 .. 3)
	{
		my $pid;

		$offset = log_offset($node);
		poll_sub(
			"attempt $attempt of task $task is running",
			sub {
				# The server may still be restarting.
				my $rc = eval {
					$node->psql('postgres',
						"SELECT pid FROM jadugar.running WHERE task_id = $task AND attempt = $attempt",
						stdout => \$pid);
				};
				return defined $rc && $rc == 0 && $pid;
			});
		kill_process($pid, $signal);
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
		poll($node, 'SELECT true');
	}
	has_failed($task, "SIG$signal from outside");
}

# A standalone command that is lost with its worker is retried by its policy.
$task = enqueue('SELECT pg_sleep(3600)', q{, transaction => 'standalone', retry => '{"max_attempts": 1}'});    # waits-for-time: killed
poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $task", '1');
$offset = log_offset($node);
kill_process($node->safe_psql('postgres', "SELECT pid FROM jadugar.running WHERE task_id = $task"), 'KILL');
wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
poll($node, 'SELECT true');
poll($node, "SELECT count(*) FROM jadugar.failures WHERE task_id = $task", '1');
is($node->safe_psql('postgres', "SELECT status, error_code FROM jadugar.history WHERE task_id = $task"),
	'failed|WORKER_CRASHED', 'a standalone command whose worker was killed');
innocents_run();

is($node->safe_psql('postgres', "SELECT count(jadugar.cancel(task_id)) FROM unnest('{$innocents}'::bigint[]) task_id"),
	'2', 'other tasks are cancelled');
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
$node->stop;
done_testing();
